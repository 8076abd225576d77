"""What is held out of the emoji: a hand, or things that no hand showed.

Near twins stand on the same side: things of one `family`, which build.py decides by name and by pixels.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from course_lib.data.real.emoji.drawings import HANDS, Thing
from course_lib.data.world.dice import Dice
from course_lib.foundations.checks import check_count, check_known, check_within

LARGEST = 5  # things of a family that may be held out: a larger one would fill its group's share


class Split(NamedTuple):
    """Rows of things, in their order."""

    train: Int[np.ndarray, "train"]
    held_out: Int[np.ndarray, "held"]


def other_hands(hand: str) -> tuple[str, ...]:
    """The hands to learn from when `hand` is held out. Raises ValueError for an unknown one."""
    check_known("hand", hand, HANDS)
    return tuple(each for each in HANDS if each != hand)


def hold_out_things(things: Sequence[Thing], n: int = 200, seed: int = 0) -> Split:
    """n things held out, each group in proportion, families whole.

    Families are shuffled and taken while their groups have room; those of more than LARGEST things stay in training.
    Raises ValueError if the others cannot be put together to n.
    """
    room = quotas(Counter(thing.group for thing in things), n)
    families = defaultdict(list)
    for row, thing in enumerate(things):
        families[thing.family].append(row)
    held: list[int] = []
    for rows in Dice(seed, "emoji").sample(list(families.values()), len(families)):
        wanted = Counter(things[row].group for row in rows)
        if len(rows) <= LARGEST and wanted <= room:
            room -= wanted
            held += rows
    if len(held) < n:
        raise ValueError(
            f"whole families of at most {LARGEST} give only {len(held)} of {n} things to hold out; try n={len(held)}"
        )
    is_held = np.isin(np.arange(len(things)), held)
    return Split(np.flatnonzero(~is_held), np.flatnonzero(is_held))


def quotas(sizes: Counter[str], n: int) -> Counter[str]:
    """n shared among groups in proportion to their sizes, the largest remainders rounded up.

    Raises ValueError unless 1 <= n < all of them, TypeError if n is no whole number.
    """
    total = sum(sizes.values())
    check_count("n", n, None)
    check_within("n", n, 1, total - 1)
    shares = Counter({group: n * size // total for group, size in sizes.items()})
    by_remainder = sorted(sizes, key=lambda group: -(n * sizes[group] % total))
    shares.update(by_remainder[: n - sum(shares.values())])
    return shares
