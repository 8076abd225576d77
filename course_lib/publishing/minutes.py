"""How long a chapter's main line takes to read, counted.

350 characters of prose or card a minute, 12 lines of shown code a minute, 1.2 minutes a figure, 2 a widget. What stands
after 练习 does not count.
"""

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.publishing.html import WIDGETS, only_presents

CHARACTERS, LINES, FIGURE, WIDGET = 350, 12, 1.2, 2.0
ENDS = re.compile(r"^## .*练习", re.MULTILINE)
ANSWERS = re.compile(rf"\b({'|'.join(sorted(WIDGETS))})\(")
TAG = re.compile(r"<[^>]+>|\s")


def counted(notebook: Path) -> int:
    """Whole minutes of a committed notebook's main line."""
    total = 0.0
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown" and ENDS.search(cell.source):
            break
        if cell.metadata.get("slideshow", {}).get("slide_type") != "notes":
            total += _prose(cell.source) if cell.cell_type == "markdown" else _code(cell)
    return round(total)


def _prose(text: str) -> float:
    return len(TAG.sub("", text)) / CHARACTERS


def _code(cell: NotebookNode) -> float:
    hidden = "hide-input" in cell.metadata.get("tags", []) or only_presents(cell.source)
    minutes = 0 if hidden else len([line for line in cell.source.splitlines() if line.strip()]) / LINES
    for output in cell.outputs:
        data = output.get("data", {})
        if "image/png" in data:
            minutes += WIDGET if ANSWERS.search(cell.source) else FIGURE
        else:
            minutes += _prose(data.get("text/html", ""))
    return minutes
