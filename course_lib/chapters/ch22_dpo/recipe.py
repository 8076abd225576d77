"""The poet after DPO on pairs of its own poems, labelled by the rules."""

from course_lib.chapters.ch22_dpo import poet_dpo
from course_lib.training.engine import Settings
from course_lib.zoo.core import Recipe

RECIPES = [
    Recipe(
        name="poet-dpo",
        chapter="22",
        title="从成对的诗里学过的诗人",
        build=poet_dpo.build,
        batches=poet_dpo.batches,
        loss=poet_dpo.loss,
        measure=poet_dpo.measure,
        at_least={"right": 0.58, "reward": 2.65},
        settings=Settings(steps=poet_dpo.STEPS, lr=poet_dpo.LR, weight_decay=0.01),
    ),
]
