"""The translator of chapter 06 as a recipe: its pieces are those of chapters/ch06_transformer/numerals_zoo.py."""

from collections.abc import Mapping

from torch import Tensor

from course_lib.chapters.ch06_transformer.numerals import pairs
from course_lib.chapters.ch06_transformer.numerals_zoo import (
    PAD_ID,
    exact_match,
    numeral_batch,
    numeral_config,
    translation_loss,
)
from course_lib.models.transformer import Transformer
from course_lib.training.engine import Settings
from course_lib.zoo.core import Recipe

N_TEST = 200


def build() -> Transformer:
    return Transformer(numeral_config())


def batches(step: int) -> tuple[Tensor, Tensor]:
    return numeral_batch(0, step)


def weigh(batch: tuple[Tensor, Tensor]) -> int:
    return int((batch[1] != PAD_ID).sum())


def measure(model: Transformer) -> Mapping[str, float]:
    return {"exact match": exact_match(model, pairs(0, "held out", N_TEST))}


RECIPES = [
    Recipe(
        name="numerals",
        chapter="06",
        title="中文数字和日期 → 阿拉伯数字的翻译模型",
        build=build,
        batches=batches,
        loss=translation_loss,
        weigh=weigh,
        measure=measure,
        at_least={"exact match": 0.99},
        settings=Settings(steps=600, lr=4e-3, weight_decay=0.01),
    )
]
