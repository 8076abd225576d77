"""Tang quatrains (绝句): four lines of five or seven characters, by the poets who wrote them.

    poems("train")[0].lines      ("…", "…", "…", "…")
Source: npm chinese-poetry 2.0.1 (MIT), the texts of 全唐诗, in the public domain; build_poems.py made the file. The
dataset card (book/dataset-poems.md) says what was left out, and what is wrong with it.
"""

import gzip
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from course_lib.foundations.checks import check_known
from course_lib.foundations.tokenizer import CharTokenizer

FILE, SOUNDS = "poems.txt.gz", "poem_sounds.txt"
SPLITS = (
    "train",
    "held-out",
    "new-poets",
)  # the poems held out are by the poets of train; new poets stand nowhere else
EDGE, BAR = "\n", "|"  # before and after every poem; what may stand before a poem ends in a bar: a title, a wish
MARKS = "，。，。"  # after the four lines, whatever the source has
SIGNS = (EDGE, BAR, *dict.fromkeys(MARKS))  # the tokens that are no characters; they come first
FORMS = {5: "五言", 7: "七言"}


@dataclass(frozen=True)
class Poem:
    """title: simplified, as far as it is known. lines: four, without marks."""

    title: str
    author: str
    lines: tuple[str, str, str, str]

    @property
    def form(self) -> str:
        """五言 or 七言."""
        return FORMS[len(self.lines[0])]

    def __str__(self) -> str:
        """春眠不觉晓，处处闻啼鸟。…"""
        return "".join(line + mark for line, mark in zip(self.lines, MARKS))


def laid_out(poems: Iterable[tuple[str, Poem]]) -> str:
    """The file: a poem a row, split, author, title and lines between tabs."""
    return "".join("\t".join((split, poem.author, poem.title, *poem.lines)) + "\n" for split, poem in poems)


@cache
def _rows() -> dict[str, tuple[Poem, ...]]:
    found: dict[str, list[Poem]] = {split: [] for split in SPLITS}
    text = gzip.decompress(Path(__file__).with_name(FILE).read_bytes()).decode()
    for row in text.splitlines():
        split, author, title, *lines = row.split("\t")
        found[split].append(Poem(title, author, tuple(lines)))
    return {split: tuple(each) for split, each in found.items()}


def poems(split: str = "train") -> tuple[Poem, ...]:
    """All poems of a split, in the order of 全唐诗. Raises ValueError for another name."""
    check_known("split", split, SPLITS)
    return _rows()[split]


@cache
def vocabulary() -> tuple[str, ...]:
    """Every token: SIGNS, then the characters of the training poems, the most frequent first."""
    seen = Counter(character for poem in poems("train") for line in poem.lines for character in line)
    return (*SIGNS, *sorted(seen, key=lambda character: (-seen[character], character)))


@cache
def tokenizer() -> CharTokenizer:
    """A character a token; the ids are places in the vocabulary."""
    return CharTokenizer("".join(vocabulary()))
