"""The poet after GRPO on rules: rhyme, tones, no character twice."""

from course_lib.chapters.ch23_grpo import poet_grpo
from course_lib.zoo.core import Recipe

RECIPES = [
    Recipe(
        name="poet-grpo",
        chapter="23",
        title="按规则练过押韵的诗人",
        build=poet_grpo.build,
        batches=poet_grpo.batches,
        loss=poet_grpo.loss,
        measure=poet_grpo.measure,
        at_least={"reward": 1.75, "rhyme": 0.75},
        settings=poet_grpo.SETTINGS,
    ),
]
