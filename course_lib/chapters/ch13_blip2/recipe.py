"""A small BLIP-2 in three parts: the language model, the Q-Former after stage 1, and what describes after stage 2."""

from course_lib.chapters.ch13_blip2 import learning
from course_lib.training.engine import Settings
from course_lib.zoo.core import Recipe

RECIPES = [
    Recipe(
        name="blip2-lm",
        chapter="13",
        title="读过中英文描述、没见过图的语言模型",
        build=learning.build_language_model,
        batches=learning.texts,
        measure=learning.measure_language_model,
        at_least={"zh from the other": 0.95, "en from the other": 0.95},
        settings=Settings(steps=learning.LM_STEPS, lr=learning.LR, weight_decay=0.05),
    ),
    Recipe(
        name="blip2-stage1",
        chapter="13",
        title="第一阶段后的 Q-Former：检索、匹配、写描述",
        build=learning.build_stage1,
        batches=learning.batches,
        loss=learning.stage1_loss,
        measure=learning.measure_stage1,
        at_least={"retrieval": 0.8, "matching": 0.8},
        settings=Settings(steps=learning.STAGE1_STEPS, lr=learning.LR, weight_decay=0.05),
    ),
    Recipe(
        name="blip2-shapes",
        chapter="13",
        title="第二阶段后的 BLIP-2：冻结的图像塔和语言模型之间一个 Q-Former",
        build=learning.build_describer,
        batches=learning.batches,
        loss=learning.stage2_loss,
        measure=learning.measure_describer,
        at_least={"captions zh": 0.85},
        settings=Settings(steps=learning.STAGE2_STEPS, lr=learning.LR, weight_decay=0.05),
    ),
]
