"""Guesses that a page can ask: two to five options, the right one named only in the class, an output after them."""

import re

from nbformat import NotebookNode

from course_lib.publishing.cells import Found

OPTIONS = range(2, 6)
_BOX = re.compile(r"^(:{3,})\{admonition\}[^\n]*\n((?::[\w-]+:[^\n]*\n)*)(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_CLASS = re.compile(r"^:class:(.*)$", re.MULTILINE)
_OPTION = re.compile(r"^- ([A-Z])\. \S", re.MULTILINE)
_TOLD = re.compile(r"答案(?:是|为|：|:)|正确的是|应该?选\s*[A-H]")
_HEADING = re.compile(r"^#{1,3} ", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def guesses(notebook: NotebookNode) -> Found:
    """(cell, what to mend) for every guess that a page could not ask."""
    for number, cell in enumerate(notebook.cells, 1):
        for box in _boxes(cell.source) if cell.cell_type == "markdown" else ():
            classes, body = _CLASS.search(box[2])[1].split(), box[3]
            letters = "".join(_OPTION.findall(body))
            if letters != "ABCDEFGH"[: len(letters)] or len(letters) not in OPTIONS:
                yield number, f"the guess has the options {letters or 'none'}; give 2 to 5 lines - A. …, - B. …"
            answers = [name.removeprefix("answer-").upper() for name in classes if name.startswith("answer-")]
            if len(answers) != 1 or (letters and answers[0] not in letters):
                yield (
                    number,
                    f"the guess names the answers {answers}; write one of its options: `:class: guess answer-b`",
                )
            if told := _TOLD.search(body):
                yield number, f"the guess says {told[0]!r}; tell the answer after the output"
            if not _output_follows(notebook.cells[number:], cell.source[box.end() :]):
                yield (
                    number,
                    "no output between the guess and the next heading or guess; let the answer come from a cell",
                )


def _boxes(text: str) -> list[re.Match]:
    return [box for box in _BOX.finditer(text) if (named := _CLASS.search(box[2])) and "guess" in named[1].split()]


def _output_follows(cells: list[NotebookNode], rest: str) -> bool:
    for cell in [NotebookNode(cell_type="markdown", source=rest), *cells]:
        if cell.cell_type == "code" and cell.get("outputs"):
            return True
        if cell.cell_type == "markdown" and (_HEADING.search(_CODE.sub("", cell.source)) or _boxes(cell.source)):
            return False
    return False
