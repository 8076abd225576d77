"""What the rules of the lint look at in a notebook: its code cells, the calls in them, the chapter that it is."""

import ast
import re
from collections.abc import Iterator

from nbformat import NotebookNode

Found = Iterator[tuple[int | None, str]]  # what a rule yields: cell from 1 (None: the whole notebook), and what to mend


def code_cells(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """Number from 1 and cell."""
    return ((number, cell) for number, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code")


def parse(source: str) -> ast.Module | None:
    """The cell as Python; lines of IPython (%magic, !shell, name?) count as calls. None if it is not Python."""
    lines = ["magic()" if re.match(r"[%!?]|[\w.]+\?\??$", line) else line for line in source.split("\n")]
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:
        return None


def calls(tree: ast.Module | None) -> set[str]:
    """Names of the functions that are called by name."""
    return {node.func.id for node in _named_calls(tree)}


def arguments_of(cell: NotebookNode, function: str) -> list[str]:
    """The first argument of each call of this function, where it is written out: show_claim("C05")."""
    return [
        node.args[0].value
        for node in _named_calls(parse(cell.source))
        if node.func.id == function and node.args and isinstance(node.args[0], ast.Constant)
    ]


def first_arguments(notebook: NotebookNode, function: str) -> set[str]:
    """The same of all cells."""
    return {argument for _, cell in code_cells(notebook) for argument in arguments_of(cell, function)}


def chapter_of(notebook: NotebookNode) -> str:
    """The chapter that the notebook starts: "03" of start("03"); "" if it starts none."""
    return next(iter(first_arguments(notebook, "start")), "")


def slide_type(cell: NotebookNode) -> str:
    """What a cell is to the deck: "skip" (it stays in the notebook), or a part of a slide.

    "slide" and "subslide" begin one, "fragment" waits for a press, "-" goes on, "notes" are the speaker's.
    """
    return cell.metadata.get("slideshow", {}).get("slide_type", "skip")


def _named_calls(tree: ast.Module | None) -> list[ast.Call]:
    nodes = ast.walk(tree) if tree else ()
    return [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
