"""What a chapter of the second edition holds to: evidence in its place, exercises that teach, 45 minutes, no mould.

Each rule takes the committed notebook and yields (cell from 1 or None, what and how to mend it). Echo, words and
symbols have files of their own.
"""

import re
from collections import Counter
from pathlib import Path

from nbformat import NotebookNode

from course_lib.course import outline
from course_lib.course.claims import OUTCOMES, load_record
from course_lib.course.exercises.registry import chapters, exercises_of
from course_lib.publishing.cells import Found, arguments_of, chapter_of, code_cells, slide_type
from course_lib.publishing.minutes import ENDS, LIMIT, exercise_minutes, minutes_of

MAX_SHOWN = 2  # claims, and 考据, of the main line
MIN_EXERCISES, MIN_REPAIRS = 4, 2
LAST = re.compile(r"^## 证据与考据", re.MULTILINE)
MOULD = Path(__file__).with_name("mould") / "notebook.py.txt"
_VERDICT = re.compile(r"course-claim-(holds|fails|partly)\b")
_DECK = re.compile(r"课件|幻灯片|[Ss]lides? ?\d+")
_HEADER = re.compile(r"\*\*阅读\*\* 约 (\d+) 分钟，练习另加 (\d+) 分钟")


def evidence_in_place(notebook: NotebookNode) -> Found:
    """At most two claims and two 考据 before 练习; the others, and quick runs that disagree, under 证据与考据."""
    ends, last = _first_cell(notebook, ENDS), _first_cell(notebook, LAST)
    for function, what in (("show_claim", "claims"), ("show_erratum", "考据")):
        shown = [(number, name) for number, cell in code_cells(notebook) for name in arguments_of(cell, function)]
        for number, name in [each for each in shown if each[0] < ends][MAX_SHOWN:]:
            yield number, f"{name}: more than {MAX_SHOWN} {what} in the main line; move it under ## 证据与考据"
        for number, name in shown:
            if ends < number < last:
                yield number, f"{name} stands between 练习 and 证据与考据; move it under ## 证据与考据"
        for name, count in Counter(name for _, name in shown).items():
            if count > 1:
                yield None, f"{name} is shown {count} times; #{name} names one place, show it once and link to it"
    for number, cell in code_cells(notebook):
        for name in arguments_of(cell, "run_claim"):
            verdict, recorded = _shown_verdict(cell), load_record(name)["verdict"]
            if number < last and verdict not in (None, recorded):
                yield (
                    number,
                    f"the quick run of {name} shows {OUTCOMES[verdict]}, its record {OUTCOMES[recorded]}; "
                    "move it under ## 证据与考据 and say why they differ",
                )


def no_deck(notebook: NotebookNode) -> Found:
    """The reader has no slides: what one says is quoted in full, in a 考据."""
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown" and slide_type(cell) != "notes":
            texts = [cell.source]
        else:
            htmls = (output.get("data", {}).get("text/html", "") for output in cell.get("outputs", []))
            texts = [text for text in htmls if 'class="exercise' in text]
        for found in (found for text in texts for found in _DECK.finditer(text)):
            yield number, f"{found[0]!r}: the reader has no slides; say what it says, or quote it in a 考据"


def exercises_that_teach(notebook: NotebookNode) -> Found:
    """Four exercises or more, two of them repairs, each followed by a question that is checked; not yet in a draft."""
    number = chapter_of(notebook)
    if is_draft(number):
        return
    asked = [each for each in exercises_of(number) if not each.id.endswith("-next")] if number in chapters() else []
    if len(asked) < MIN_EXERCISES:
        yield None, f"{len(asked)} exercises; at least {MIN_EXERCISES} are needed"
    repairs = sum(each.kind == "repair" for each in asked)
    if repairs < MIN_REPAIRS:
        yield None, f'{repairs} exercises of kind "repair"; at least {MIN_REPAIRS} short programs are to be mended'
    for each in asked:
        if not each.follow_up:
            yield None, f"exercise {each.id} has no follow_up; make its next question one that is checked"


def counted_minutes(notebook: NotebookNode) -> Found:
    """The header says the counted minutes, and they are at most 45."""
    number = chapter_of(notebook)
    reading, asked = minutes_of(notebook), exercise_minutes(number) if number in chapters() else 0
    if reading > LIMIT:
        yield (
            None,
            f"the main line takes {reading} minutes, more than {LIMIT}; fold what is 选读, or divide the chapter",
        )
    said = next((found for cell in notebook.cells if (found := _HEADER.search(cell.source))), None)
    if said is None or (int(said[1]), int(said[2])) != (reading, asked):
        yield None, f"the header should say **阅读** 约 {reading} 分钟，练习另加 {asked} 分钟"


def mould_replaced(notebook: NotebookNode) -> Found:
    """No sentence of the mould is left, once the chapter is no draft."""
    if is_draft(chapter_of(notebook)):
        return
    left = {line for line in _lines(MOULD.read_text("utf-8").replace("\n# ", "\n")) if "这里" in line}
    for at, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "markdown":
            for line in _lines(cell.source):
                if line in left:
                    yield at, f"{line[:20]!r} is the mould's; write the chapter's own"
        if "样题" in cell.source or any("样题" in str(output) for output in cell.get("outputs", [])):
            yield at, "样题 is the mould's; write the chapter's own exercise"


def is_draft(number: str) -> bool:
    """Whether the outline still says `draft: true` of a chapter."""
    return any(chapter.number == number and chapter.draft for chapter in outline.planned())


RULES = (evidence_in_place, no_deck, exercises_that_teach, counted_minutes, mould_replaced)


def _first_cell(notebook: NotebookNode, heading: re.Pattern) -> int:
    """Number of the cell with this heading; one past the last if there is none."""
    numbered = enumerate(notebook.cells, 1)
    found = (number for number, cell in numbered if cell.cell_type == "markdown" and heading.search(cell.source))
    return next(found, len(notebook.cells) + 1)


def _shown_verdict(cell: NotebookNode) -> str | None:
    htmls = (output.get("data", {}).get("text/html", "") for output in cell.get("outputs", []))
    return next((found[1] for html in htmls if (found := _VERDICT.search(html))), None)


def _lines(text: str) -> list[str]:
    return [line.strip().lstrip("-#0123456789. ").strip() for line in text.splitlines()]
