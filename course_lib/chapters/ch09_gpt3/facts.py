"""A world of facts with a long tail: a few are met all the time, most hardly ever.

Fact number r (from 1) is a name of three letters and an answer of two, both drawn once; it is met with probability
∝ 1/r^tail. There is no rule behind the answers, so that a model has to store them, the frequent ones first. Given
the name the answer is certain: the lowest possible loss on it is 0.  Chapter 09.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.data.world.dice import Dice

N_LETTERS = 16
NAME, ANSWER = 3, 2  # letters


def facts(n: int, world: int) -> Int[Tensor, "{n} 5"]:
    """n facts, most frequent first: three letters of name, all names different, then two of answer.

    Raises ValueError for more facts than there are names.
    """
    if not 1 <= n <= N_LETTERS**NAME:
        raise ValueError(f"n ({n}) must be 1 to {N_LETTERS**NAME}, the number of different names")
    dice = Dice(world, "facts")
    names = torch.tensor(dice.sample(range(N_LETTERS**NAME), n))
    answers = torch.tensor([dice.below(N_LETTERS**ANSWER) for _ in range(n)])
    return torch.cat([_letters(names, NAME), _letters(answers, ANSWER)], dim=1)


def _letters(numbers: Int[Tensor, "N"], n_letters: int) -> Int[Tensor, "N L"]:
    return torch.stack([numbers // N_LETTERS**place % N_LETTERS for place in reversed(range(n_letters))], dim=1)


def frequencies(n: int, tail: float = 1.0) -> Float[Tensor, "{n}"]:
    """P(fact r) ∝ 1/r^tail, sum 1: tail 1 is Zipf's law, tail 0 makes all facts equally frequent."""
    weights = torch.arange(1, n + 1, dtype=torch.float64) ** -tail
    return weights / weights.sum()
