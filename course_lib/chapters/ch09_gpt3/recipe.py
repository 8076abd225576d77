"""Three sizes of the models that learn from examples; their pieces are those of in_context_zoo.py."""

from collections.abc import Mapping
from functools import partial

import torch

from course_lib.chapters.ch09_gpt3.in_context_evaluation import accuracy_by_shots
from course_lib.chapters.ch09_gpt3.in_context_tasks import EXAMPLE
from course_lib.chapters.ch09_gpt3.in_context_zoo import PEAK_LR, SIZES, STEPS, answer_loss, task_batch, unseen_tasks
from course_lib.models.gpt2 import GPT2
from course_lib.training.engine import Settings
from course_lib.zoo.core import Recipe

LEAST = {"small": 0.35, "medium": 0.55, "large": 0.7}  # 8-shot accuracy on tasks never seen; 0.92 is the best possible


def build(size: str) -> GPT2:
    return GPT2(SIZES[size])


def batches(step: int) -> torch.Tensor:
    return task_batch(0, step)


def measure(model: GPT2) -> Mapping[str, float]:
    zero, one, eight = accuracy_by_shots(model, unseen_tasks(0), EXAMPLE, [0, 1, 8])
    return {"0 shots": zero, "1 shot": one, "8 shots": eight}


RECIPES = [
    Recipe(
        name=f"icl-{size}",
        chapter="09",
        title=f"看例子学任务的 GPT（{size}）",
        build=partial(build, size),
        batches=batches,
        loss=answer_loss,
        measure=measure,
        at_least={"8 shots": LEAST[size]},
        settings=Settings(steps=STEPS, lr=PEAK_LR[size], weight_decay=0.01),
    )
    for size in SIZES
]
