"""Chapter 13's BLIP-2: the image tower of clip-shapes, a small GPT that has read captions, and a Q-Former between them.

The models are those of toys/blip2_shapes.py, which says what they learn; the texts are those of toys/told_shape.py.
The two frozen models are loaded once and lent: what the zoo keeps of a model here is what it has learned itself.
"""

from functools import cache

from jaxtyping import Int
from torch import Tensor

from course_lib import zoo
from course_lib.data.world.captions import LANGUAGES
from course_lib.models.blip2 import Describer, Stage1
from course_lib.models.clip import ImageTower
from course_lib.models.gpt2 import GPT2
from course_lib.toys import blip2_shapes, told_shape
from course_lib.toys.blip2_shapes import (
    BATCH,
    LR,
    caption,
    exact,
    judgement,
    losses,
    retrieval,
    stage1_loss,
    stage2_loss,
)
from course_lib.toys.one_shape import pictures as look_at
from course_lib.toys.told_shape import Batch, encode, exam, is_token, read, sentence, words

__all__ = [
    "BATCH",
    "LR",
    "build_language_model",
    "build_stage1",
    "caption",
    "describer",
    "encode",
    "exact",
    "exam",
    "is_token",
    "judgement",
    "language_model",
    "look_at",
    "losses",
    "read",
    "retrieval",
    "sentence",
    "stage1_loss",
    "stage2_loss",
    "tower",
    "words",
]

STAGE1_STEPS, STAGE2_STEPS, LM_STEPS = 400, 400, 300


@cache
def tower() -> ImageTower:
    """Frozen. `features`: the class token and 16 patches of a picture, [B 17 64]."""
    return zoo.load("clip-shapes").image.requires_grad_(False)


@cache
def language_model() -> GPT2:
    """Frozen; it has read captions in Chinese and English and has never seen a picture."""
    return zoo.load("blip2-lm").requires_grad_(False)


build_language_model = blip2_shapes.language_model


def texts(step: int) -> Int[Tensor, "B T"]:
    return blip2_shapes.told_again_and_again(step, BATCH)


def build_stage1() -> Stage1:
    return blip2_shapes.stage1(tower())


def describer(stage1: Stage1 | None = None) -> Describer:
    """The beginning of stage 2: with a copy of what stage 1 has taught its queries; None: with fresh ones."""
    begun = build_stage1() if stage1 is None else stage1
    return blip2_shapes.describer(tower(), language_model(), begun.qformer)


def build_describer() -> Describer:
    return describer(zoo.load("blip2-stage1"))


def batches(step: int) -> Batch:
    """Pictures of seen combinations, a Chinese caption of each, and which combination each is."""
    return told_shape.batches(step, BATCH)


def measure_language_model(lm: GPT2) -> dict[str, float]:
    return {f"{language} from the other": blip2_shapes.told_over(lm, language) for language in LANGUAGES}


def measure_stage1(model: Stage1) -> dict[str, float]:
    return {"retrieval": retrieval(model), "matching": judgement(model)}


def measure_describer(model: Describer) -> dict[str, float]:
    """English: what a describer that has seen Chinese captions alone says to an English prompt."""
    return {f"captions {language}": exact(model, language) for language in LANGUAGES}
