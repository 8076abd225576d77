"""How near captions come to the true ones, by the measures that papers report. English, without the prompt.

All captions here are of one template, so even a wrong one shares most of its words with the true one.  Chapter 12.
"""

from collections.abc import Sequence

from course_lib.chapters.ch12_blip import learning
from course_lib.data.world.scenes import combinations
from course_lib.foundations.cider import cider
from course_lib.models.blip import Captioner
from course_lib.toys.words import words_of

LANGUAGE = "en"


def without_prompt(texts: Sequence[str]) -> list[str]:
    return [text.removeprefix(learning.PROMPTS[LANGUAGE]) for text in texts]


def true_captions() -> list[str]:
    """Of the exam's pictures."""
    return [learning.sentence(combinations()[i], LANGUAGE) for i in learning.exam().numbers.tolist()]


def one_wrong(part: int) -> list[str]:
    """The same with another colour (part 0), kind (1) or position (2)."""
    return [learning.sentence(combinations()[i], LANGUAGE) for i in learning.exam().others[:, part].tolist()]


def scores(said: Sequence[str], true: Sequence[str]) -> tuple[float, float]:
    """BLEU-4 of all captions together, as sacrebleu counts it, 0 to 100; and CIDEr-D, 100 times the mean."""
    from sacrebleu import corpus_bleu

    said, true = without_prompt(said), without_prompt(true)
    each = cider([words_of(text) for text in said], [[words_of(text)] for text in true])
    return corpus_bleu(said, [true]).score, 100 * sum(each) / len(each)


def measure(model: Captioner) -> tuple[float, float]:
    """scores of what the model writes to the exam's pictures."""
    return scores(learning.caption(model, learning.exam().images, LANGUAGE), true_captions())
