"""Chance that is the same on every platform, Python and numpy.

The raw 64-bit stream of PCG64 seeded by a SeedSequence is what numpy promises never to change (NEP 19); the methods of
`numpy.random.Generator` are not promised. So only the raw stream is used, and every decision is integer arithmetic.
"""

import operator
import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")


class Dice:
    """A stream of integer decisions, fixed by its key: `Dice(seed, "captions", 17)`.

    Keys are non-negative integers or words. Streams of different keys are independent, so scene 17 of seed 0 is
    the same whether it is drawn alone or after sixteen others.
    """

    def __init__(self, *key: int | str):
        if not key:
            raise ValueError("Dice needs a key, for example Dice(0) or Dice(0, 'scenes', 17)")
        words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key]
        if any(word < 0 for word in words):
            raise ValueError(f"every number of a key must be 0 or more, got {key}")
        self._bits = np.random.PCG64(np.random.SeedSequence([len(words), *words]))
        self._drawn: list[int] = []

    def below(self, n: int) -> int:
        """An integer in [0, n). The bias is below n / 2**64."""
        n = operator.index(n)
        if n < 1:
            raise ValueError(f"cannot draw an integer below {n}; n must be at least 1")
        if not self._drawn:
            self._drawn = self._bits.random_raw(32).tolist()
        return (self._drawn.pop() * n) >> 64

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high], both ends included."""
        return low + self.below(high - low + 1)

    def percent(self, rate: int) -> bool:
        """True in `rate` of 100 throws."""
        if not 0 <= rate <= 100:
            raise ValueError(f"rate ({rate}) is in percent and must lie in 0 … 100")
        return self.below(100) < rate

    def choice(self, items: Sequence[Item]) -> Item:
        return items[self.below(len(items))]

    def sample(self, items: Sequence[Item], n: int) -> list[Item]:
        """n different places of `items`, in random order."""
        if not 0 <= n <= len(items):
            raise ValueError(f"cannot take {n} different items out of {len(items)}")
        pool = list(items)
        for i in range(n):  # Fisher-Yates, stopped after n steps
            j = i + self.below(len(pool) - i)
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:n]
