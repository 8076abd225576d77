"""book/glossary.md as data: the names of each term, and the chapter that is its home."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from course_lib.course.outline import ROOT

FILE = ROOT / "book" / "glossary.md"
_ROW = re.compile(r"^\| *([^|]+?) *\| *([^|]+?) *\| *([^|]+?) *\| *(\d\d) *\|$", re.MULTILINE)
_SHORT = re.compile(r"\(([^)]+)\)")


@dataclass(frozen=True)
class Term:
    """One row. names: the Chinese ones (层归一化), and what is short for the English one (LayerNorm)."""

    names: tuple[str, ...]
    english: str
    home: str


def terms(file: Path = FILE) -> list[Term]:
    """All rows in order. Raises ValueError for a row whose last column is no chapter, or a name given twice."""
    text = file.read_text("utf-8")
    rows = [row for row in text.splitlines() if row.startswith("|") and not re.match(r"\| *(中文|-)|\|-", row)]
    found = []
    for row in rows:
        match = _ROW.match(row)
        if not match:
            raise ValueError(
                f"{file.name}: {row!r} should be | 中文 | English | 意思 | 章 |, the chapter in two digits"
            )
        chinese, english, _, home = match.groups()
        found.append(Term((*chinese.split("、"), *_SHORT.findall(english)), english, home))
    names = [name for term in found for name in term.names]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{file.name} explains {', '.join(twice)} twice; one term has one row")
    return found
