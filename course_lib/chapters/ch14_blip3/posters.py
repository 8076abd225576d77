"""Posters: large pictures with a few small things on them, drawn shapes and handwritten digits, each in its own colour.

H, W sides of a poster, pixels · T side of a tile, 32
    poster(7).picture [3 64 64]    poster(7).things: (red circle, blue digit 4, …), in an order by lot
Things are 8 to 14 pixels wide. Squeezed into one tile, a poster of 3×3 tiles leaves 3 to 5 of them: the colour stays,
what it is goes. Their centres lie 8 pixels apart, so that a small tower learns soon; those on the edge of two tiles are
cut in half. Digits are real scans of 8×8 (data/real/pictures.py), enlarged and dyed; those of UNSEEN posters are on no
other.  Chapter 14.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.data.real.pictures import digits
from course_lib.data.world.captions import ZH
from course_lib.data.world.dice import Dice
from course_lib.data.world.render import render_batch, to_model
from course_lib.data.world.scenes import COLOURS, KINDS, Scene, Shape
from course_lib.foundations.checks import check_counts
from course_lib.foundations.tiles import resize

TILE = 32
RADII = (4, 7)  # pixels of a poster
LATTICE = 8  # pixels between two places
N_THINGS = (1, 3)
UNSEEN = 10**6  # numbers of posters from here on are for measuring
N_UNSEEN_SCANS = 360
MOST_TRIES = 200
DIGITS = tuple("0123456789")
WHATS = (*KINDS, *DIGITS)


class Thing(NamedTuple):
    """colour: of COLOURS. what: of KINDS, or a digit. x, y: its centre, pixels. radius: half its width.
    scan: which of the 1,797 digits; -1 for a shape."""

    colour: str
    what: str
    x: float
    y: float
    radius: float
    scan: int = -1

    @property
    def name(self) -> str:
        """圆形, 7"""
        return ZH.get(self.what, self.what)

    @property
    def is_digit(self) -> bool:
        return self.scan >= 0


class Poster(NamedTuple):
    picture: Float[Tensor, "3 H W"]  # -1 … 1
    things: tuple[Thing, ...]


def poster(number: int, height: int = 2 * TILE, width: int = 2 * TILE, **more) -> Poster:
    """Poster `number` of the world; see posters."""
    return posters([number], height, width, **more)[0]


def posters(
    numbers: Iterable[int],
    height: int = 2 * TILE,
    width: int = 2 * TILE,
    *,
    n_things: tuple[int, int] = N_THINGS,
    radii: tuple[int, int] = RADII,
    whats: Sequence[str] = WHATS,
    colours: Sequence[str] = tuple(COLOURS),
) -> list[Poster]:
    """n_things, radii: fewest and most, least and largest. whats, colours: what they are chosen from.

    The same number is the same poster.

    Raises ValueError where so many things find no room.
    """
    check_counts(1, height=height, width=width)
    told = [things_of(number, height, width, n_things, radii, whats, colours) for number in numbers]
    shapes = [
        tuple(Shape(t.colour, t.what, "small", t.x, t.y, t.radius) for t in things if not t.is_digit)
        for _, things in told
    ]
    scenes = [Scene(width, height, each, background=grey) for each, (grey, _) in zip(shapes, told)]
    pictures = torch.from_numpy(to_model(render_batch(scenes)))
    for picture, (_, things) in zip(pictures, told):
        for thing in things:
            if thing.is_digit:
                dye(picture, thing)
    return [Poster(picture, things) for picture, (_, things) in zip(pictures, told)]


def things_of(
    number: int,
    height: int,
    width: int,
    n_things: tuple[int, int],
    radii: tuple[int, int],
    whats: Sequence[str],
    colours: Sequence[str],
) -> tuple[int, tuple[Thing, ...]]:
    """(grey level behind, things): no two of one colour, a pixel between any two, none cut by the poster's edge."""
    dice = Dice(14, "posters", number)
    grey, n = dice.between(8, 56), dice.between(*n_things)
    dyes, named = dice.sample(colours, n), [dice.choice(whats) for _ in range(n)]
    for _ in range(MOST_TRIES):
        sizes = [dice.between(*radii) for _ in range(n)]
        places = [tuple(LATTICE * dice.between(1, side // LATTICE - 1) for side in (width, height)) for _ in sizes]
        if all(max(abs(x - u), abs(y - v)) > r + s for ((x, y), r), ((u, v), s) in combinations(zip(places, sizes), 2)):
            break
    else:
        raise ValueError(
            f"poster {number}, {height}×{width}, has no room for {n} things of radius {radii[0]} to {radii[1]}; "
            "ask for fewer or smaller ones"
        )
    drawn = [dice.choice(scans_of(what, number >= UNSEEN)) if what.isdigit() else -1 for what in named]
    return grey, tuple(
        Thing(colour, what, *place, r, scan) for colour, what, place, r, scan in zip(dyes, named, places, sizes, drawn)
    )


@cache
def scans_of(digit: str, unseen: bool) -> tuple[int, ...]:
    """Rows of digits() that show it: of the held-out ones, or of the others."""
    _, labels = digits()
    rows = Dice(14, "scans").sample(range(len(labels)), len(labels))
    rows = rows[:N_UNSEEN_SCANS] if unseen else rows[N_UNSEEN_SCANS:]
    return tuple(row for row in rows if labels[row] == int(digit))


@cache
def scans(side: int) -> Float[Tensor, "1797 side side"]:
    """Share of ink, 0 … 1, of every digit at this size."""
    pictures, _ = digits()
    return resize(torch.from_numpy(pictures.astype(np.float32)) / 255, side, side).clamp(0, 1)


def dye(picture: Float[Tensor, "3 H W"], thing: Thing) -> None:
    """Paint a digit into the picture."""
    r = int(thing.radius)
    left, top = int(thing.x) - r, int(thing.y) - r
    under = picture[:, top : top + 2 * r, left : left + 2 * r]
    paint = torch.tensor(COLOURS[thing.colour])[:, None, None] / 127.5 - 1
    under += (paint - under) * scans(2 * r)[thing.scan]
