"""The weights of the models that run in the pages: scripts beside the pages, asked for when a reader presses 运行."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nbformat import NotebookNode

from course_lib.files import write_whole
from course_lib.publishing.html import bundle

FOLDER = "models"


def write_models(notebooks: Iterable[NotebookNode], assets: Path) -> None:
    """Lay the weights of all live models of these executed notebooks into the folder where course-widgets.js lies."""
    for notebook in notebooks:
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                held = bundle(output.get("data", {}))
                for weights in filter(None, [held.get("weights"), *held.get("others", [])]):
                    write_whole(assets / FOLDER / weights["file"], weights["script"])
