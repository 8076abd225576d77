"""An empty chapter from the mould, complete enough to pass every check: `new 10 vit "ViT" [--claim C14]`.

The texts lie in mould/ as they will lie in the chapter, with @number@, @name@, … where a chapter differs from others.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import yaml

from course_lib import chapter_files
from course_lib.course import outline
from course_lib.course.claims.registry import experiment_files
from course_lib.course.outline import ROOT, Chapter
from course_lib.files import write_whole
from course_lib.publishing import notebooks, readmes
from course_lib.publishing.minutes import counted

MOULD = Path(__file__).with_name("mould")
READING, RUNNING = 7, 10  # minutes and seconds of the empty chapter


def planned(number: str, name: str, title: str) -> Chapter:
    """The outline's entry under this name and title. Raises ValueError unless it is planned and not yet there."""
    entry = next((chapter for chapter in outline.planned() if chapter.number == number), None)
    if entry is None:
        raise ValueError(f"chapter {number!r} is not planned; give it an entry in notebooks/{outline.FILE.name} first")
    if entry.is_open or number in chapter_files.folders():
        raise ValueError(f"chapter {number} exists: {entry.page}.py, or its folder in course_lib/chapters")
    if not re.fullmatch("[a-z0-9]+(_[a-z0-9]+)*", name):
        raise ValueError(f"the name {name!r} becomes a folder; use a-z, 0-9 and single _ between them")
    if not title.strip() or not title.isprintable() or "|" in title:
        raise ValueError(f"the title {title!r} stands in tables; write one line without |")
    return replace(entry, name=name, title=title)


def folders(chapter: Chapter) -> dict[str, Path]:
    """Part of the mould -> folder that belongs to the chapter alone."""
    name = f"ch{chapter.stem}"
    return {"chapter": chapter_files.CHAPTERS / name, "tests": ROOT / "tests" / "chapters" / name}


def texts(chapter: Chapter, claim: str | None = None) -> dict[Path, str]:
    """File -> text of all that is new. Raises ValueError for a claim that exists or is no id."""
    files = {chapter.source: MOULD / "notebook.py.txt"}
    for name, folder in folders(chapter).items():
        for text in (MOULD / name).rglob("*.txt"):
            files[folder / text.relative_to(MOULD / name).with_suffix("")] = text
    if claim is not None:
        if not re.fullmatch(r"C\d\d[a-z]?", claim) or claim in experiment_files():
            raise ValueError(f"claim {claim!r} is taken, or not like C14b; there are {', '.join(experiment_files())}")
        experiment = f"experiments/{claim.lower()}_{chapter.name}.py"
        files[folders(chapter)["chapter"] / experiment] = MOULD / "claim.py.txt"
    words = vars(chapter) | {"topic": chapter.stem.replace("_", "-"), "claim": claim}
    return {file: _filled(text.read_text("utf-8"), words) for file, text in files.items()}


def lay(chapter: Chapter, claim: str | None = None) -> Chapter:
    """Write the chapter, execute its notebook, enter it in outline and READMEs; if anything fails, leave nothing.

    Returns the chapter as entered. Raises what failed: ValueError, OSError, ExecutionFailed.
    """
    own = [*folders(chapter).values(), chapter.source, chapter.notebook]
    if there := [path.relative_to(ROOT).as_posix() for path in own if path.exists()]:
        raise ValueError(f"{', '.join(there)} would be overwritten; move it away first")
    new = texts(replace(chapter, reading=READING, running=RUNNING), claim)
    kept = {file: file.read_bytes() for file in (outline.FILE, *(ROOT / name for name in readmes.READMES))}
    try:
        for file, text in new.items():
            write_whole(file, text)
        notebooks.sync([chapter.stem], ROOT)
        chapter = replace(
            chapter, shows="新章，还没有图", reading=counted(chapter.notebook), running=RUNNING, draft=True
        )
        write_whole(outline.FILE, entered(outline.FILE.read_text("utf-8"), chapter))
        readmes.write(ROOT)
    except BaseException:
        for path in own:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        with suppress(OSError):  # the part's folder, where this would have been its first chapter
            chapter.source.parent.rmdir()
        for file, text in kept.items():
            write_whole(file, text)
        raise
    return chapter


def entered(text: str, chapter: Chapter) -> str:
    """The outline's text with this chapter's entry anew; all else, comments too, stays."""
    entry = {name: value for name, value in vars(chapter).items() if name not in ("number", "folder")}
    if not chapter.draft:
        del entry["draft"]
    dumped = yaml.safe_dump(entry, allow_unicode=True, sort_keys=False, width=10_000)
    head = f'      - number: "{chapter.number}"\n'
    lines = "".join(f"        {line}\n" for line in dumped.splitlines())
    text, found = re.subn(f"{re.escape(head)}(?: {{8}}.*\n)*", lambda _: head + lines, text)
    if found != 1:
        raise ValueError(f"{outline.FILE.name} says {found} times {head.strip()}; it should stand on one line, once")
    return text


def main(args: argparse.Namespace) -> int:
    """Lay one chapter and say what comes next; exit status 1 if the notebook cannot be executed."""
    try:
        chapter = lay(planned(args.number, args.name, args.title), args.claim)
    except notebooks.ExecutionFailed as error:
        print(f"{error}\nnothing was left behind", file=sys.stderr)
        return 1
    print(f"to be written: {chapter.page}.py, and ch{chapter.stem} in course_lib/chapters and tests/chapters")
    if args.claim:
        print(f"{args.claim} wants figures that refute it in tests/course/claims/test_judges.py, and a record:")
        print(f"  python -m course_lib.course.claims run {args.claim}")
    return 0


def _filled(text: str, words: dict[str, object]) -> str:
    return re.sub("@([a-z]+)@", lambda match: str(words[match[1]]), text)
