"""The course as data: what happened when, and which chapter's work a later chapter takes up.

One file holds it, book/timeline.yml; the landing page draws from the same.  Chapter 00.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

FILE = Path(__file__).parents[2] / "book" / "timeline.yml"


@dataclass(frozen=True, kw_only=True)
class Event:
    """A paper or report. `date`, `weights`: "2021-02"; `weights` None: same month, or none are out."""

    date: str
    name: str
    lane: str
    chapter: str
    arxiv: str | None = None
    weights: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Use:
    """Chapter `later` takes up `what` of chapter `earlier`."""

    earlier: str
    later: str
    what: str


def _read() -> dict:
    if not FILE.is_file():
        raise FileNotFoundError(f"{FILE.name} is not beside course_lib; install the course with pip install -e .")
    return yaml.safe_load(FILE.read_text("utf-8"))


def events() -> list[Event]:
    """In order of date."""
    return [Event(**entry) for entry in _read()["events"]]


def lanes() -> dict[str, str]:
    """Id -> title of the lines of the map."""
    return {lane["id"]: lane["title"] for lane in _read()["lanes"]}


def chapters() -> dict[str, str]:
    """Number -> title, in order."""
    return {chapter["number"]: chapter["title"] for part in _read()["parts"] for chapter in part["chapters"]}


def uses() -> list[Use]:
    """The edges of the dependency graph."""
    return [Use(entry["from"], entry["to"], entry["what"]) for entry in _read()["uses"]]


def needed_by(chapter: str) -> set[str]:
    """All chapters that build on this one, directly or through others."""
    return _reach(chapter, [(use.earlier, use.later) for use in uses()])


def needs(chapter: str) -> set[str]:
    """All chapters that this one builds on, directly or through others."""
    return _reach(chapter, [(use.later, use.earlier) for use in uses()])


def _reach(chapter: str, edges: list[tuple[str, str]]) -> set[str]:
    if chapter not in chapters():
        raise ValueError(f"no chapter {chapter!r}; there are 00 to {max(chapters())}")
    found, waiting = set(), [chapter]
    while waiting:
        here = waiting.pop()
        fresh = {end for start, end in edges if start == here} - found
        found |= fresh
        waiting += fresh
    return found


def months(date: str) -> int:
    """Months since the year 0, so that two dates "2021-02" can be subtracted. Raises ValueError for another form."""
    found = re.fullmatch(r"([0-9]{4})-(0[1-9]|1[0-2])", date)
    if not found:
        raise ValueError(f"{date!r} is no month; write it as 2021-02")
    return 12 * int(found[1]) + int(found[2]) - 1


def month_of_number(arxiv: str) -> str:
    """The month that an arXiv number names (YYMM.NNNNN): 2103.00020 -> 2021-03. Raises ValueError for another form."""
    found = re.fullmatch(r"([0-9]{2})(0[1-9]|1[0-2])\.[0-9]{4,5}", arxiv)
    if not found:
        raise ValueError(f"{arxiv!r} is no arXiv number; write it as 2103.00020")
    return f"20{found[1]}-{found[2]}"
