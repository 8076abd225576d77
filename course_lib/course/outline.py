"""The course as data: its chapters in order, what happened when, and whose work a later chapter takes up.

One file holds it, notebooks/course.yml; the site's contents and map and the READMEs' tables are made from the same.
Chapter 00.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "notebooks" / "course.yml"


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """One chapter, there or to come. reading: minutes of the main line; running: seconds on the reference machine.

    draft: just laid from the mould, whose sentences may still stand in it.
    """

    number: str
    name: str
    folder: str
    title: str
    english: str
    about: str
    shows: str = ""
    reading: int = 0
    running: int = 0
    draft: bool = False

    @property
    def stem(self) -> str:
        """File name without suffix: "03_rope"."""
        return f"{self.number}_{self.name}"

    @property
    def page(self) -> str:
        """Path below the root without suffix: "notebooks/1_foundations/03_rope"."""
        return f"notebooks/{self.folder}/{self.stem}"

    @property
    def source(self) -> Path:
        """The reviewed percent script."""
        return ROOT / f"{self.page}.py"

    @property
    def notebook(self) -> Path:
        """The committed notebook, which readers download."""
        return ROOT / f"{self.page}.ipynb"

    @property
    def is_open(self) -> bool:
        """Whether it is there."""
        return self.source.is_file()


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
    return yaml.load(FILE.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def events() -> list[Event]:
    """In order of date."""
    return [Event(**entry) for entry in _read()["events"]]


def lanes() -> dict[str, str]:
    """Id -> title of the lines of the map."""
    return {lane["id"]: lane["title"] for lane in _read()["lanes"]}


def parts() -> dict[str, list[Chapter]]:
    """Title -> chapters of the parts of the course, in order."""
    return {
        part["title"]: [Chapter(folder=part["folder"], **chapter) for chapter in part["chapters"]]
        for part in _read()["parts"]
    }


def planned() -> list[Chapter]:
    """Every chapter of the course, in order."""
    return [chapter for part in parts().values() for chapter in part]


def opened() -> list[Chapter]:
    """The chapters that are there."""
    return [chapter for chapter in planned() if chapter.is_open]


def choose(wanted: list[str]) -> list[Chapter]:
    """Open chapters by number or name; all when none is wanted. Raises ValueError that lists what there is."""
    every = opened()
    unknown = [w for w in wanted if w not in {n for c in every for n in (c.number, c.stem)}]
    if unknown:
        raise ValueError(f"no chapter {', '.join(unknown)}; there are {', '.join(c.stem for c in every)}")
    return [c for c in every if not wanted or {c.number, c.stem} & set(wanted)]


def reference() -> tuple[str, list[str]]:
    """Title and pages of the part after the chapters."""
    entry = _read()["reference"]
    return entry["title"], entry["pages"]


def repository() -> str:
    """Address of the course's repository, "" while nobody has set it."""
    return _read().get("repository") or ""


def chapters() -> dict[str, str]:
    """Number -> title, in order."""
    return {chapter.number: chapter.title for chapter in planned()}


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
