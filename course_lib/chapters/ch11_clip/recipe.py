"""Two small CLIPs: one on the drawn world, whose tower later chapters take up, and one on emoji."""

from course_lib.chapters.ch11_clip import emoji_clip, shapes_clip
from course_lib.training.engine import Settings
from course_lib.zoo.core import Recipe

RECIPES = [
    Recipe(
        name="clip-shapes",
        chapter="11",
        title="图形画面与中英文描述的 CLIP",
        build=shapes_clip.build,
        batches=shapes_clip.batches,
        loss=shapes_clip.loss,
        measure=shapes_clip.measure,
        at_least={"zh": 0.9, "en": 0.9},
        settings=Settings(steps=400, lr=2e-3, weight_decay=0.05),
    ),
    Recipe(
        name="clip-emoji",
        chapter="11",
        title="表情图与中英文名字的 CLIP",
        build=emoji_clip.build,
        batches=emoji_clip.batches,
        loss=emoji_clip.loss,
        measure=emoji_clip.measure,
        at_least={"i2t zh": 0.45, "t2i zh": 0.45, "i2t en": 0.45, "t2i en": 0.45},
        settings=Settings(steps=2000, lr=4e-3),
    ),
]
