"""A reward model of poems: which of two the rules prefer, learned from pairs."""

from course_lib.chapters.ch20_rlhf import poem_judge, poem_preferences
from course_lib.training.engine import Settings
from course_lib.zoo.core import Recipe

RECIPES = [
    Recipe(
        name="poem-judge",
        chapter="20",
        title="给绝句打分的奖励模型",
        build=poem_judge.build,
        batches=poem_judge.batches,
        loss=poem_judge.loss,
        measure=poem_judge.measure,
        at_least={"right": 0.6},
        settings=Settings(steps=poem_judge.STEPS, lr=poem_preferences.LR, weight_decay=0.01, precision="bf16"),
    ),
]
