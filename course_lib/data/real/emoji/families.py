"""Which things are near twins, so that no split parts them: alike in name, or alike in pixels.

Alike in name: of one kind, and the English names agree once words of direction, colour, size, number, phase, age, sex
and state are struck out (clocks, moons, arrows, key caps, hearts, faces of animals beside the whole animal). Alike in
pixels: at least two hands draw them within DISTANCE, on white and on black. Read by build.py alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from course_lib.data.real.emoji.palette import seen
from course_lib.data.text.minhash import clusters

DISTANCE = 24  # root mean square over pixels and levels of 0 … 255
WORDS = """
up down left right upper upwards downwards leftwards rightwards raised lowered horizontal vertical tilted curving
clockwise counterclockwise facing front back oncoming
red orange yellow green blue purple brown black white pink light grey
large medium small big low high double single heavy volume muted
new waxing waning crescent gibbous full quarter first last end soon top
0 1 2 3 4 5 6 7 8 9 10 1st 2nd 3rd one two three four five six seven eight nine ten eleven twelve thirty o’clock
man men woman women person people boy girl child baby old older
face open opened closed locked unlocked done not increasing decreasing uppercase lowercase
with without and of in on the
"""
STRUCK = frozenset(WORDS.split())


def families(names: Sequence[tuple[str, str]], pictures: Mapping[str, UInt8[np.ndarray, "N H W 4"]]) -> list[int]:
    """For each thing, given as (kind, English name) and as drawn by each hand, the row of the first of its family."""
    pairs = [*alike_in_name(names), *np.argwhere(alike_in_pixels(pictures)).tolist()]
    first = {row: cluster[0] for cluster in clusters(len(names), pairs) for row in cluster}
    return [first[row] for row in range(len(names))]


def alike_in_name(names: Sequence[tuple[str, str]]) -> Iterable[tuple[int, int]]:
    """Pairs (first of the same name, this one)."""
    earlier: dict[tuple[str, ...], int] = {}
    for row, (kind, name) in enumerate(names):
        yield earlier.setdefault((kind, *core(name)), row), row


def core(name: str) -> list[str]:
    """What is left of a name: struck words go, and so do compounds of them ("six-thirty")."""
    words = re.findall(r"[\w’]+(?:-[\w’]+)*", name.lower())
    return [word for word in words if not set(word.split("-")) <= STRUCK]


def alike_in_pixels(pictures: Mapping[str, UInt8[np.ndarray, "N H W 4"]]) -> Bool[np.ndarray, "N N"]:
    """Pairs a < b that at least two hands draw within DISTANCE of each other. Sums are exact."""
    votes = sum(near(drawn).astype(int) for drawn in pictures.values())
    return np.triu(votes >= 2, 1)


def near(drawn: UInt8[np.ndarray, "N H W 4"]) -> Bool[np.ndarray, "N N"]:
    """Which pairs one hand draws within DISTANCE."""
    flat = seen(drawn.reshape(-1, 4)).reshape(len(drawn), -1)
    size = np.square(flat).sum(1)
    return size[:, None] + size - 2 * flat @ flat.T < DISTANCE**2 * flat.shape[1]
