"""The zoo's poet after DPO: what it learns from, and how it is examined.

A part of 320 pairs is written by the poet as it was, labelled by the rules, learned from once and put away before the
next is written.  Chapter 22.
"""

from functools import cache

import torch
from torch import Tensor

from course_lib.chapters.ch22_dpo.poems import exam, reference
from course_lib.models.gpt2 import GPT2
from course_lib.posttraining.dpo import dpo_loss, on_pairs
from course_lib.posttraining.reference import Reference
from course_lib.toys.aligned_poet import beginnings, without_dropout, write
from course_lib.toys.poet_pairs import Sides, as_sides, asked, written_pairs
from course_lib.toys.rhymes import Pair, poem_rewards

STEPS, STEPS_A_PART, SIZE, BETA, LR = 240, 20, 16, 0.1, 5e-4
N_EXAM = 128
FIRST = 20_000  # seed of its first part: no experiment has these pairs


def build() -> GPT2:
    """The poet itself; it drops nothing out, or it would differ from its reference before the first step."""
    return without_dropout(reference()).requires_grad_(True)


@cache
def pairs_of(part: int) -> list[Pair]:
    """320 pairs that no other part has."""
    return written_pairs(reference(), SIZE * STEPS_A_PART, seed=FIRST + part)


@cache
def frozen() -> Reference:
    return Reference(reference())


def batches(step: int) -> Sides:
    part, k = divmod(step, STEPS_A_PART)
    return as_sides(pairs_of(part)[k * SIZE : (k + 1) * SIZE], frozen())


def loss(model: GPT2, batch: Sides) -> tuple[Tensor, dict[str, float]]:
    return on_pairs(model, batch, loss=dpo_loss, beta=BETA)


def measure(model: GPT2) -> dict[str, float]:
    """right: share of pairs from held-out first lines that it judges as the rules do; reward: what its own poems to
    such lines earn, mean, of 4."""
    draw = torch.Generator().manual_seed(FIRST)
    texts = write(model, beginnings(N_EXAM, split="held-out", seed=FIRST), generator=draw)[1]
    earned = poem_rewards()(texts, [None] * N_EXAM)[0]
    return {"right": asked(model, exam(N_EXAM))["accuracy"], "reward": float(earned.mean())}
