"""Chance as the pages have it: the same seed gives the same numbers here and in js/net.js."""

from collections.abc import Iterator

Numbers = Iterator[float]


def random_numbers(seed: int) -> Numbers:
    """Numbers in [0, 1): xorshift32 (Marsaglia 2003), as js/net.js has it."""
    state = ((seed + 1) * 0x9E3779B1) % 2**32 or 1
    k = 0
    while True:
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        if (k := k + 1) > 8:
            yield state / 2**32
