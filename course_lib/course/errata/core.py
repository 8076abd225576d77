"""What an erratum (考据) is: slide, paper and released code side by side, and a computation that settles it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from course_lib import chapter_files

ID = re.compile(r"K(\d\d)-(\d+)")


@dataclass(frozen=True, kw_only=True)
class Erratum:
    """One disagreement. Texts are Chinese; `sources` name equation, section, or repository and file.

    `compute()` returns the deciding numbers by Chinese name, in at most a few seconds. `settles(values)` turns them
    into the verdict sentence and raises `ValueError` if they do not support it.
    """

    id: str
    chapter: str
    title: str
    slide: str
    paper: str
    code: str
    compute: Callable[[], Mapping[str, Any]]
    settles: Callable[[Mapping[str, Any]], str]
    sources: list[str]

    def __post_init__(self) -> None:
        match = ID.fullmatch(self.id)
        if not match or match[1] != self.chapter:
            raise ValueError(f"id {self.id!r} does not fit chapter {self.chapter!r}; write K{self.chapter}-1, -2, …")
        if not self.sources:
            raise ValueError(f"{self.id}: name at least one source")


@dataclass(frozen=True, kw_only=True)
class Settled:
    """An erratum with its numbers, computed just now, and the verdict they support."""

    erratum: Erratum
    values: Mapping[str, Any]
    verdict: str


def settle(erratum: Erratum) -> Settled:
    """Compute and decide. Raises `ValueError` if the numbers do not support the verdict."""
    values = erratum.compute()
    return Settled(erratum=erratum, values=values, verdict=erratum.settles(values))


def require(condition: bool, sentence: str) -> None:
    """For `settles`: raise `ValueError` with the sentence unless the numbers are as the verdict says."""
    if not condition:
        raise ValueError(sentence)


def errata_of(chapter: str) -> dict[str, Erratum]:
    """The errata of one chapter by id, in order: `ERRATA` of its errata.py. Imports torch with them.

    Raises `KeyError` for a chapter without errata, `ValueError` for an id given twice or of another chapter.
    """
    files = chapter_files.having("errata.py")
    if chapter not in files:
        raise KeyError(f"chapter {chapter!r} has no errata; there are {', '.join(files) or 'none yet'}")
    found: dict[str, Erratum] = {}
    for erratum in chapter_files.load(files[chapter]).ERRATA:
        if erratum.id in found or erratum.chapter != chapter:
            raise ValueError(f"{erratum.id} in chapter {chapter}: taken already, or in the wrong chapter's file")
        found[erratum.id] = erratum
    return dict(sorted(found.items(), key=lambda item: int(ID.fullmatch(item[0])[2])))


def registry() -> dict[str, Erratum]:
    """All errata by id, in order. Imports every chapter's."""
    return {k: erratum for chapter in chapter_files.having("errata.py") for k, erratum in errata_of(chapter).items()}


def get_erratum(erratum_id: str) -> Erratum:
    """One erratum; raises `KeyError` that lists the ids of its chapter."""
    found = errata_of(erratum_id[1:3])
    if erratum_id not in found:
        raise KeyError(f"no erratum {erratum_id!r}; there are {', '.join(found)}")
    return found[erratum_id]
