"""Two small GPT-2: one goes on with papers full of sums, until SFT makes it answer; one writes 藏头 poems."""

from course_lib.chapters.ch19_sft import acrostic, sums_base
from course_lib.posttraining.sft import n_targets, sft_loss
from course_lib.toys import sums
from course_lib.training.engine import Settings
from course_lib.zoo.core import Recipe

RECIPES = [
    Recipe(
        name="sums-base",
        chapter="19",
        title="只会续写算术卷子的 GPT-2",
        build=sums.build,
        batches=sums_base.batches,
        measure=sums_base.measure,
        at_least={"27+15=?答：": 0.97, "27加15等于几？等于": 0.97},
        settings=Settings(steps=5000, lr=6e-3),
    ),
    Recipe(
        name="poet-acrostic",
        chapter="19",
        title="写藏头诗的 GPT-2",
        build=acrostic.build,
        batches=acrostic.batches,
        loss=sft_loss,
        weigh=n_targets,
        measure=acrostic.measure,
        at_least={"lines": 0.6, "form": 0.9},
        settings=Settings(steps=1300, lr=2e-3, precision="bf16"),
    ),
]
