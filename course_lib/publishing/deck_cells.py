"""Which cells of a notebook make which slide, and what of a cell a slide shows."""

from nbformat import NotebookNode

from course_lib.publishing.cells import slide_type
from course_lib.publishing.html import only_presents

MAX_CODE_LINES = 16
HIDDEN = {"hide-input", "remove-input"}


def deck_slides(notebook: NotebookNode) -> list[list[tuple[int, NotebookNode]]]:
    """The slides in order, each as its cells with their numbers from 1, notes included."""
    slides: list[list[tuple[int, NotebookNode]]] = []
    for number, cell in enumerate(notebook.cells, 1):
        kind = slide_type(cell)
        if kind in ("slide", "subslide") or (kind != "skip" and not slides):
            slides.append([])
        if kind != "skip":
            slides[-1].append((number, cell))
    return slides


def shows_code(cell: NotebookNode) -> bool:
    """Whether a slide shows the code of a cell: not hidden, no mere call that presents, no more than a screen."""
    hidden = HIDDEN & set(cell.metadata.get("tags", [])) or only_presents(cell.source)
    return not hidden and len(cell.source.splitlines()) <= MAX_CODE_LINES
