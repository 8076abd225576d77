"""A small BLIP of one thing in a picture: it finds, judges and writes captions. What is loaded has it as `.blip`."""

from course_lib.chapters.ch12_blip import learning
from course_lib.training.engine import Settings
from course_lib.zoo.core import Recipe

RECIPES = [
    Recipe(
        name="blip-shapes",
        chapter="12",
        title="图形画面与中英文描述的 BLIP：检索、匹配、写描述",
        build=learning.build,
        batches=learning.batches,
        loss=learning.loss,
        measure=learning.measure,
        at_least={
            f"{name} {language}": 0.85 for name in ("retrieval", "matching", "captions") for language in ("zh", "en")
        },
        settings=Settings(steps=learning.STEPS, lr=learning.LR, weight_decay=0.05),
    ),
]
