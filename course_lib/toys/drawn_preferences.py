"""Preferences that follow a known reward: Bradley and Terry's law, with data that may be missing and labels turned.

K answers
A judge shown answers i and j prefers i with probability σ(r_i - r_j) (Bradley & Terry 1952; Ouyang et al. 2022,
arXiv:2203.02155, section 3.5). The table of all pairs is the data set without its chance: a loss weighed by it is the
mean over endless data, and what a method makes of it is the method's alone.
Read first: three_answers.py.  Chapters 20, 22, 24.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.foundations.checks import check_count, check_within


def pair_table(
    reward: Float[Tensor, " K"],
    drawn: Float[Tensor, " K"],
    *,
    covered: Bool[Tensor, " K"] | None = None,
    flipped: float = 0.0,
) -> Float[Tensor, "K K"]:
    """Probability that a pair of the data is (chosen i, rejected j); 0 on the diagonal, all together 1.

    drawn: how often each answer is written, as probabilities; a pair is two of them, drawn apart, that differ.
    covered: False for answers that the data never shows. flipped: share of the labels that are turned, 0 … 1; at 0.5
    they say nothing. Raises ValueError where fewer than two answers are left.
    """
    check_within("flipped", flipped, 0, 1)
    check_within("drawn", drawn, 0, 1)
    shown = drawn if covered is None else drawn * covered
    if int((shown > 0).sum()) < 2:
        raise ValueError(f"only {int((shown > 0).sum())} of {len(drawn)} answers are shown; a pair needs two")
    pairs = (shown[:, None] * shown).fill_diagonal_(0)
    prefers = (reward[:, None] - reward).sigmoid()
    table = pairs * ((1 - flipped) * prefers + flipped * (1 - prefers))
    return table / table.sum()


def draw_pairs(table: Float[Tensor, "K K"], n: int, generator: torch.Generator) -> Int[Tensor, "n 2"]:
    """n pairs (chosen, rejected) from the table."""
    check_count("n", n, 1)
    places = table.flatten().multinomial(n, replacement=True, generator=generator)
    return torch.stack([places // len(table), places % len(table)], dim=1)
