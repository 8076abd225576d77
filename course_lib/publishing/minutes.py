"""How long a chapter's main line takes to read, counted; and its exercises, as their authors say.

350 characters of prose or card a minute, 12 lines of shown code a minute, 1.2 minutes a figure, 2 a widget or a model
that runs in the page. What is folded does not count, nor what stands after 练习.
"""

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.course.exercises.registry import exercises_of
from course_lib.publishing.cells import slide_type
from course_lib.publishing.html import WIDGETS, only_presents

CHARACTERS, LINES, FIGURE, WIDGET = 350, 12, 1.2, 2.0
LIMIT = 45  # of the main line of a chapter of the second edition
ENDS = re.compile(r"^## .*练习", re.MULTILINE)
ANSWERS = re.compile(rf"\b(?:{'|'.join(sorted(WIDGETS))})\(")
TAG = re.compile(r"<[^>]+>|\s")
FOLDED_BOX = re.compile(
    r"^(:{3,})\{[\w-]+\}[^\n]*\n(?::[\w-]+:[^\n]*\n)*?:class:[^\n]*\bdropdown\b.*?^\1$", re.M | re.S
)
FOLDED_HTML = re.compile(r"(?<=</summary>).*?(?=</details>)", re.DOTALL)


def counted(notebook: Path) -> int:
    """Whole minutes of a committed notebook's main line."""
    return minutes_of(nbformat.read(notebook, as_version=4))


def minutes_of(notebook: NotebookNode) -> int:
    """The same of an opened notebook."""
    return round(
        sum(_prose(unfolded(c.source)) if c.cell_type == "markdown" else _code(c) for c in main_line(notebook))
    )


def main_line(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells before 练习, without the speaker's notes."""
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and ENDS.search(cell.source):
            break
        if slide_type(cell) != "notes":
            cells.append(cell)
    return cells


def unfolded(markdown: str) -> str:
    """A cell's text without its folded boxes (选读, 符号)."""
    return FOLDED_BOX.sub("", markdown)


def exercise_minutes(chapter: str) -> int:
    """What the exercises of a chapter and the questions that follow them say that they take."""
    return sum(exercise.minutes for exercise in exercises_of(chapter))


def _prose(text: str) -> float:
    return len(TAG.sub("", text)) / CHARACTERS


def _code(cell: NotebookNode) -> float:
    hidden = "hide-input" in cell.metadata.get("tags", []) or only_presents(cell.source)
    minutes = 0 if hidden else len([line for line in cell.source.splitlines() if line.strip()]) / LINES
    n_widgets, n_pictures = len(ANSWERS.findall(cell.source)), 0
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            n_pictures += 1
        else:
            minutes += _prose(FOLDED_HTML.sub("", data.get("text/html", "")))
    return minutes + WIDGET * n_widgets + FIGURE * max(0, n_pictures - n_widgets)
