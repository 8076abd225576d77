"""Two small models: a SigLIP whose tower sees tiles, for later chapters too; a BLIP-3 that reads posters with it."""

from course_lib.chapters.ch14_blip3 import learning, siglip_tiles
from course_lib.training.engine import Settings
from course_lib.zoo.core import Recipe

RECIPES = [
    Recipe(
        name="siglip-tiles",
        chapter="14",
        title="看小图形和手写数字的 SigLIP",
        build=siglip_tiles.build,
        batches=siglip_tiles.batches,
        loss=siglip_tiles.loss,
        measure=siglip_tiles.measure,
        at_least={"shapes": 0.95, "digits": 0.6},
        settings=Settings(steps=siglip_tiles.STEPS, lr=3e-3, weight_decay=0.05),
    ),
    Recipe(
        name="blip3-posters",
        chapter="14",
        title="读海报上小东西的 BLIP-3",
        build=learning.build,
        batches=learning.batches,
        loss=learning.loss,
        measure=learning.measure,
        at_least={"shapes 2×2": 0.6, "digits 2×2": 0.35, "second picture": 0.35},
        settings=Settings(steps=3 * learning.STEPS, lr=learning.LR, weight_decay=0.05),
    ),
]
