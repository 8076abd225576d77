"""What the deck of a chapter must be: 12 to 16 slides with a heading and notes each, given in 20 minutes.

Each rule takes the committed notebook (with text outputs and first frames) and yields (cell from 1 or None, what and
how to mend it). That a slide shows at most a dozen lines of code is a rule of `lint`.
"""

import re

from nbformat import NotebookNode

from course_lib.publishing.cells import Found, slide_type
from course_lib.publishing.deck_cells import deck_slides, shows_code

SLIDES = range(12, 17)
MAX_PRESSES = 40  # one each half minute
MAX_MINUTES = 25  # 20, and questions
_STAY = re.compile(r"停 ?(\d+(?:\.\d+)?) ?分钟")
_FENCE = re.compile(r"^\s*:{3,}.*$", re.M)


def deck_length(notebook: NotebookNode) -> Found:
    """12 to 16 slides, and no more presses than a lecture of 20 minutes allows."""
    slides = deck_slides(notebook)
    if len(slides) not in SLIDES:
        yield None, f"{len(slides)} slides; tag cells so that the deck has {SLIDES.start} to {SLIDES.stop - 1}"
    presses = len(slides) + sum(slide_type(cell) == "fragment" for cell in notebook.cells)
    if presses > MAX_PRESSES:
        yield (
            None,
            f"{presses} presses in all, more than {MAX_PRESSES}; give fragments that need no pause slide_type -",
        )


def slide_headings(notebook: NotebookNode) -> Found:
    """Every slide begins with a heading."""
    for (number, cell), *_ in deck_slides(notebook):
        if cell.cell_type != "markdown" or not re.match(r"\s*#{1,4} \S", cell.source):
            yield number, "the slide has no title; begin it with a Markdown cell whose first line is a heading"


def speaker_notes(notebook: NotebookNode) -> Found:
    """Every slide ends with one cell of notes: how long to stay, and what listeners ask; 25 minutes in all."""
    minutes = 0.0
    for slide in deck_slides(notebook):
        first = slide[0][0]
        notes = [cell for _, cell in slide if slide_type(cell) == "notes"]
        if len(notes) != 1 or slide_type(slide[-1][1]) != "notes":
            yield (
                first,
                f"the slide has {len(notes)} cells of notes before the next slide; end it with one (讲者备注)",
            )
            continue
        stay = _STAY.search(notes[0].source)
        if stay:
            minutes += float(stay[1])
        else:
            yield slide[-1][0], "the notes do not say how long to stay; write 停 2 分钟"
        if "问" not in notes[0].source:
            yield slide[-1][0], "the notes hold no question; write what listeners ask (常问) and the answer"
    if minutes > MAX_MINUTES:
        yield None, f"the notes stay {minutes:g} minutes in all, more than {MAX_MINUTES}; shorten the deck"


def unfinished(notebook: NotebookNode) -> Found:
    """What a colon announces follows on the same slide. A cell that only prepares may stand between."""
    for slide in deck_slides(notebook):
        on_slide = {number for number, _ in slide}
        for number, cell in slide:
            if cell.cell_type != "markdown" or not _text(cell).endswith(("：", ":")):
                continue
            later = enumerate(notebook.cells[number:], number + 1)
            next_shown = next((n for n, c in later if n in on_slide or c.cell_type != "code" or c.outputs), None)
            if next_shown not in on_slide or not _is_visible(notebook.cells[next_shown - 1]):
                end = _text(cell)[-16:]
                yield number, f"{end!r} announces what the slide does not show; show it, or end with a full stop"


RULES = (deck_length, slide_headings, speaker_notes, unfinished)


def _text(cell: NotebookNode) -> str:
    return _FENCE.sub("", cell.source).rstrip().rstrip("*_").rstrip()


def _is_visible(cell: NotebookNode) -> bool:
    if slide_type(cell) == "notes":
        return False
    return cell.cell_type == "markdown" or bool(cell.outputs) or shows_code(cell)
