"""Emoji as pictures with names: 1,393 things, each drawn at 32×32 by three hands, in eight groups.

    data = emoji()
    data.pictures("noto")                     # uint8 [1393, 32, 32, 3], on white
    data.things[0].name_zh, data.things[0].keywords_en

Sources, licences and what was changed: NOTICE.txt beside this file and book/dataset-emoji.md. Made by build.py.
N things · row i of every array is things[i].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from course_lib.foundations.checks import check_count, check_known, check_within

HANDS = ("noto", "twemoji", "fluent")
GROUPS = ("表情与情感", "人物与身体", "动物与植物", "食物与饮料", "出行与地点", "活动与节庆", "物品", "符号")
SIZE = 32  # pixels, both ways
COLUMNS = 40  # of an atlas
FOLDER = Path(__file__).parent
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Thing:
    """One row of things.tsv. `group` is one of GROUPS, `kind` Unicode's finer one; near twins share a `family`."""

    codepoints: str  # "1f415-200d-1f9ba", without variation selectors
    group: str
    kind: str
    family: int
    name_zh: str
    name_en: str
    keywords_zh: tuple[str, ...]
    keywords_en: tuple[str, ...]


@dataclass(frozen=True)
class Emoji:
    """All things, in Unicode's order, and their pictures."""

    things: tuple[Thing, ...]

    def pictures(self, hand: str, background: Sequence[int] | None = WHITE) -> UInt8[np.ndarray, "N 32 32 channels"]:
        """Every thing as one of HANDS drew it, on a background colour (red, green, blue of 0 … 255).

        Without a background (None) a fourth channel holds the straight opacity. Raises ValueError for an unknown hand
        or a background that is no colour, TypeError for levels that are no whole numbers (1.0 is not white).
        """
        check_known("hand", hand, HANDS)
        cells = _cells(hand)[: len(self.things)]
        if background is None:
            return cells.copy()
        if len(background) != 3:
            raise ValueError(f"background {background!r} must be red, green and blue, for example {WHITE}")
        for level in background:
            check_count("a level of the background", level)
        check_within("background", background, 0, 255)
        return over(cells, background)

    @property
    def labels(self) -> Int[np.ndarray, "N"]:
        """The place of each thing's group in GROUPS."""
        return np.array([GROUPS.index(thing.group) for thing in self.things])

    def index(self, name: str) -> int:
        """The row of the thing with this Chinese or English name. Raises KeyError that names what is close to it."""
        names = {each: i for i, thing in enumerate(self.things) for each in (thing.name_en, thing.name_zh)}
        if name not in names:
            close = get_close_matches(name, names) or [self.things[0].name_zh]
            raise KeyError(f"no thing is called {name!r}; there is {', '.join(close)}")
        return names[name]


def over(colours: UInt8[np.ndarray, "*C 4"], background: Sequence[int]) -> UInt8[np.ndarray, "*C 3"]:
    """Red, green, blue and opacity (straight alpha, Porter and Duff 1984) laid over one colour."""
    alpha = colours[..., 3:].astype(np.uint16)
    mixed = colours[..., :3] * alpha + np.array(background, np.uint16) * (255 - alpha)  # at most 255²
    return ((mixed + 127) // 255).astype(np.uint8)


@cache
def emoji() -> Emoji:
    """The data set, from files that are installed with the course."""
    head, *rows = (FOLDER / "things.tsv").read_text("utf-8").rstrip("\n").split("\n")
    return Emoji(tuple(_thing(dict(zip(head.split("\t"), row.split("\t"), strict=True))) for row in rows))


def _thing(row: dict[str, str]) -> Thing:
    words = {name: tuple(filter(None, row[name].split("|"))) for name in ("keywords_zh", "keywords_en")}
    return Thing(**{**row, **words, "family": int(row["family"])})


@cache
def _cells(hand: str) -> UInt8[np.ndarray, "cells 32 32 4"]:
    """The atlas cut up: red, green, blue and opacity; cells left over at the end are empty."""
    with Image.open(FOLDER / f"{hand}.png") as image:
        sheet = np.asarray(image.convert("RGBA"))
    return sheet.reshape(-1, SIZE, COLUMNS, SIZE, 4).swapaxes(1, 2).reshape(-1, SIZE, SIZE, 4)
