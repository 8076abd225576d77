"""What an erratum (考据) is: slide, paper and released code side by side, and a computation that settles it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).parent
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


def registry() -> dict[str, Erratum]:
    """All errata by id, in order: `ERRATA` of every `chNN.py` beside this file. Imports torch with them."""
    found: dict[str, Erratum] = {}
    for file in sorted(DIRECTORY.glob("ch[0-9][0-9].py")):
        for erratum in importlib.import_module(f"{__package__}.{file.stem}").ERRATA:
            if erratum.id in found or f"ch{erratum.chapter}" != file.stem:
                raise ValueError(f"{erratum.id} in {file.name}: taken already, or in the wrong chapter's file")
            found[erratum.id] = erratum
    return dict(sorted(found.items(), key=lambda item: tuple(map(int, ID.fullmatch(item[0]).groups()))))


def get_erratum(erratum_id: str) -> Erratum:
    """One erratum; raises `KeyError` that lists the ids there are."""
    all_errata = registry()
    if erratum_id not in all_errata:
        raise KeyError(f"no erratum {erratum_id!r}; there are {', '.join(all_errata) or 'none yet'}")
    return all_errata[erratum_id]
