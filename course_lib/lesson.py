"""What a chapter's notebook imports: one line to start, and the ways to show source, figures, evidence and exercises.

from course_lib.lesson import start, show_source, show_figure, run_claim, show_claim, show_erratum, exercise, check
start("03")
"""

import base64
import inspect
import os
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from IPython.display import display
from matplotlib.figure import Figure

import course_lib
from course_lib.course import claims, errata
from course_lib.course.device import device_report
from course_lib.course.exercises import check, exercise, hint, progress, solution
from course_lib.widgets import page
from course_lib.widgets.style import to_png, use_style

__all__ = [
    "check",
    "device_report",
    "exercise",
    "hint",
    "progress",
    "run_claim",
    "show_claim",
    "show_erratum",
    "show_figure",
    "show_source",
    "solution",
    "start",
]


def start(chapter: str) -> None:
    """Make a chapter reproducible and readable: figure style and Chinese font, seeds, one thread; in JupyterLab also
    the boxes' colours, and guesses that answer. Prints nothing; idempotent.

    Raises ValueError if `chapter` is not two digits.
    """
    if not re.fullmatch(r"[0-9]{2}", str(chapter)):
        raise ValueError(f'chapter is {chapter!r}; write its two digits, as in start("03")')
    use_style()
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  what a reader's own cell may still use
    torch.manual_seed(0)
    torch.set_num_threads(1)
    if os.environ.get("COURSE_PUBLISH") != "1":
        _show({"text/html": page.lab_html(), "text/plain": ""})


def show_source(*rooms: Any) -> None:
    """Show the source of functions, classes or modules of the course as it stands in the file, highlighted.

    Raises TypeError for what has no Python source.
    """
    for room in rooms:
        code, where = inspect.getsource(room).rstrip(), _place(room)
        fence = "```" if "```" not in code else "````"
        _show({"text/markdown": f"`{where}`\n\n{fence}python\n{code}\n{fence}", "text/plain": f"# {where}\n{code}"})


def show_figure(figure: Figure, *, alt: str) -> None:
    """Show a figure as a small PNG with a description for those who cannot see it, and close it.

    Raises ValueError if `alt` is empty, TypeError if `figure` is no matplotlib Figure.
    """
    if not alt.strip():
        raise ValueError("alt is empty; describe in a sentence what the picture shows")
    png = base64.b64encode(to_png(figure)).decode()
    _show({"image/png": png, "text/plain": alt}, {"image/png": {"alt": alt}, "alt": alt})


def run_claim(claim_id: str) -> None:
    """Run the quick form of a claim's experiment here and now, with a progress bar, and show what it measured."""
    record = claims.run(claim_id, quick=True, progress=os.environ.get("COURSE_PUBLISH") != "1")
    _show({"text/html": claims.render_html(record), "text/plain": claims.render_text(record)})


def show_claim(claim_id: str) -> None:
    """Show the recorded figures of a claim: mean and spread over seeds, verdict, and what would have refuted it.

    Raises FileNotFoundError that says how to make a missing record, KeyError for an unknown id.
    """
    record = claims.load_record(claim_id)
    _show({"text/html": claims.render_html(record), "text/plain": claims.render_text(record)})


def show_erratum(erratum_id: str) -> None:
    """Show a 考据 box: slide, paper, released code, and the numbers that decide, computed now.

    Raises KeyError for an unknown id, ValueError if the numbers do not support the verdict.
    """
    settled = errata.settle(errata.get_erratum(erratum_id))
    _show({"text/html": errata.render_html(settled), "text/plain": errata.render_text(settled)})


def _show(data: dict[str, str], metadata: dict[str, Any] | None = None) -> None:
    display(data, metadata=metadata or {}, raw=True)


def _place(room: Any) -> str:
    file = Path(inspect.getsourcefile(inspect.unwrap(room) if callable(room) else room)).resolve()
    root = Path(course_lib.__file__).resolve().parents[1]
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
