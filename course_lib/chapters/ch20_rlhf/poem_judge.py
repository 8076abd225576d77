"""The zoo's reward model of poems: what it learns from, and how it is examined.

A part of 256 poems is written, met, learned from and put away before the next is written, so a training that was broken
off needs no old poems. Chapter 20.
"""

from functools import cache

from course_lib.chapters.ch20_rlhf import poem_preferences
from course_lib.chapters.ch20_rlhf.poem_preferences import BATCH, LEFT, MEETINGS, PART, Batch, batch_of
from course_lib.data.real.poems import poems
from course_lib.posttraining.reward_model import RewardModel
from course_lib.toys.rhymes import Pair, labelled_pairs

STEPS = 2400
STEPS_A_PART = int(PART * MEETINGS / 2 * LEFT) // BATCH
N_EXAM = 200
FIRST = 10_000  # number of its first part

build, loss = poem_preferences.build, poem_preferences.loss


@cache
def pairs_of(part: int) -> list[Pair]:
    """Of 256 poems that no other part has; most meet four others."""
    return poem_preferences.pairs(STEPS_A_PART * BATCH, part, first=FIRST + part)


def batches(step: int) -> Batch:
    part, k = divmod(step, STEPS_A_PART)
    return batch_of(pairs_of(part)[k * BATCH : (k + 1) * BATCH])


def measure(model: RewardModel) -> dict[str, float]:
    """Share of pairs judged as the rules do: poems of the poet that no training has; real poems never seen."""
    real = labelled_pairs(map(str, poems("held-out")), N_EXAM, 0)
    return {
        "right": poem_preferences.right(model, poem_preferences.exam(N_EXAM)),
        "poets": poem_preferences.right(model, real),
    }
