"""Mixing sources by weight instead of by size, and how often each is then read.

Brown et al. 2020 (arXiv:2005.14165), table 2.2.  Chapter 09.

A source of weight w among T training tokens is read w · T / size times (epochs): a small source of a large weight
is read several times, a large one less than once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from jaxtyping import Float, Int

from course_lib.foundations.checks import check_within

BUDGET = 300.0  # billion tokens, GPT-3


@dataclass(frozen=True)
class Source:
    """A row of table 2.2, as printed: billion tokens, weight in percent, epochs elapsed for 300 billion tokens."""

    name: str
    billions: str
    percent: str
    epochs: str


GPT3_MIXTURE = (
    Source("Common Crawl (filtered)", "410", "60", "0.44"),
    Source("WebText2", "19", "22", "2.9"),
    Source("Books1", "12", "8", "1.9"),
    Source("Books2", "55", "8", "0.43"),
    Source("Wikipedia", "3", "3", "3.4"),
)


def printed_range(number: str) -> tuple[float, float]:
    """What a printed number may have been before rounding: half a unit of its last place either way."""
    value = Decimal(number)
    half = Decimal((0, (5,), value.as_tuple().exponent - 1))
    return float(value - half), float(value + half)


def epochs(weight: float, billions: float, budget: float = BUDGET) -> float:
    """How often a source of `billions` tokens is read when it makes up `weight` (0 … 1) of `budget` billion tokens."""
    check_within("weight", weight, 0, 1)
    if not billions > 0:
        raise ValueError(f"a source of {billions} billion tokens cannot be read; its size must be above 0")
    return weight * budget / billions


def possible_epochs(source: Source, budget: float = BUDGET) -> tuple[float, float]:
    """The fewest and most epochs that the printed weight and size allow, both having been rounded."""
    lightest, heaviest = printed_range(source.percent)
    smallest, largest = printed_range(source.billions)
    return epochs(lightest / 100, largest, budget), epochs(heaviest / 100, smallest, budget)


def agrees(source: Source, budget: float = BUDGET) -> bool:
    """Whether the printed epochs can be right, given rounding of all three numbers."""
    fewest, most = possible_epochs(source, budget)
    low, high = printed_range(source.epochs)
    return low <= most and fewest <= high


def draw_sources(
    weights: Sequence[float] | Float[np.ndarray, "S"], n: int, generator: np.random.Generator
) -> Int[np.ndarray, "{n}"]:
    """Which source each of n documents comes from. Weights need not sum to 1; they are divided by their sum.

    Raises ValueError for a negative or infinite weight, or a sum of 0.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if (weights < 0).any() or not 0 < weights.sum() < np.inf:
        raise ValueError(f"weights {weights.tolist()} must be finite, 0 or more, and not all 0")
    return generator.choice(len(weights), size=n, p=weights / weights.sum())
