"""Notebooks in pairs: `NN_name.py` is what people review, `NN_name.ipynb` is what they open, with outputs.

    python -m course_lib.publishing sync [03 04 …]    execute what changed, write the .ipynb files
    python -m course_lib.publishing sync --check      only say which pairs do not agree

The committed .ipynb holds text and first frames. The full result, with the frames of every widget, is kept in
`.cache/notebooks/` for the site and the slides, next to the key of the code that made it.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat import NotebookNode

import course_lib
from course_lib import chapter_files
from course_lib.files import write_whole
from course_lib.provenance import data_bytes, files_hash, sources_named
from course_lib.widgets.figure import MIME as WIDGET

PACKAGE = Path(course_lib.__file__).resolve().parent
ROOT = PACKAGE.parent
TIMEOUT = 300  # seconds a cell
FORMAT = "py:percent"
LIVE_WIDGET = "application/vnd.jupyter.widget-view+json"
KEPT_METADATA = ("tags", "slideshow")
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}
# Measured anew at every run; an output that differs in nothing else is left as it was.
VOLATILE = re.compile(r"\d+(\.\d+)?(e[+-]\d+)? ?(秒|毫秒|分钟|GFLOP/s|ms\b|s\b|个/秒)|0x[0-9a-f]{6,}")


class ExecutionFailed(RuntimeError):
    """A cell raised or ran too long; the message names notebook, cell and error."""


def sources(chapters: Iterable[str] = (), root: Path = ROOT) -> list[Path]:
    """The .py files of the chapters, in order; chapters are "03" or "03_rope", none means all.

    Raises ValueError for a chapter that is not there.
    """
    found = sorted((root / "notebooks").glob("**/[0-9][0-9]_*.py"), key=lambda source: source.name)
    found = [source for source in found if ".ipynb_checkpoints" not in source.parts]
    wanted = [Path(chapter).stem for chapter in chapters]
    for chapter in wanted:
        if not any(chapter in (source.stem, source.stem[:2]) for source in found):
            raise ValueError(f"no chapter {chapter!r}; there are {', '.join(source.stem for source in found)}")
    return [source for source in found if not wanted or source.stem in wanted or source.stem[:2] in wanted]


def sync(chapters: Iterable[str] = (), root: Path = ROOT) -> int:
    """Make every pair agree, executing what changed; returns how many notebooks were executed.

    Raises ExecutionFailed at the first cell that fails; that notebook's .ipynb is then left as it was.
    """
    chosen = sources(chapters, root)
    stale = refresh(chosen)
    for source in chosen:
        full = nbformat.read(cache_path(source), as_version=4)
        pair = source.with_suffix(".ipynb")
        previous = nbformat.read(pair, as_version=4) if pair.is_file() else None
        changed = _write(pair, strip(full, previous))
        print(f"{source.stem}: {'written' if changed else 'up to date'}", flush=True)
    return len(stale)


def refresh(chosen: Iterable[Path], jobs: int | None = None) -> list[Path]:
    """Execute what is stale among these notebooks, `jobs` side by side (default: one a core); returns what was stale.

    Raises ExecutionFailed at the first cell that fails.
    """
    stale = [source for source in chosen if not is_fresh(source)]
    jobs = min(jobs or os.cpu_count() or 1, len(stale))
    if jobs <= 1:
        for source in stale:
            _refresh(source)
        return stale
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(_refresh, source) for source in stale]
        try:
            for each in as_completed(running):
                each.result()
        finally:
            pool.shutdown(cancel_futures=True)
    return stale


def keep(source: Path, notebook: NotebookNode, made_by: str) -> None:
    """Make this the executed copy of a notebook; `made_by`: key(source) as it was when the execution began."""
    _key_path(source).unlink(missing_ok=True)
    _write(cache_path(source), notebook)
    _key_path(source).write_text(made_by)


def executed(notebook: str | Path, root: Path = ROOT) -> Path:
    """The full executed copy of a notebook, made now if it is stale; the committed pair is not touched.

    notebook: a path to the .py or .ipynb, absolute or relative to `notebooks/`, with or without its suffix.
    Raises FileNotFoundError if there is no such chapter, ExecutionFailed if a cell fails.
    """
    source = (root / "notebooks" / notebook).with_suffix(".py")
    if not source.is_file():
        raise FileNotFoundError(f"{source} is not there; give a path below notebooks/")
    if not is_fresh(source):
        _refresh(source)
    return cache_path(source)


def is_fresh(source: Path) -> bool:
    """Whether the executed copy was made by today's notebook and code."""
    kept = _key_path(source)
    return cache_path(source).is_file() and kept.is_file() and kept.read_text() == key(source)


def key(source: Path) -> str:
    """Hash of all that an execution reads: the notebook, the definitions that it and what it shows can reach, the raw
    text of sources that it shows, the records, data files and results of benchmarks that it names.

    A new definition in a room changes no key. An error's text counts where the notebook catches errors by name.
    """
    text = source.read_text(encoding="utf-8")
    code, data = files_named(text)
    digest = hashlib.sha256(text.encode() + files_hash([source, *code]).encode())
    for shown in sources_named(source, "show_source"):
        digest.update(b"\0" + shown.encode())
    for file in data:
        digest.update(b"\0" + file.name.encode() + b"\0" + data_bytes(file))
    return digest.hexdigest()


def files_named(text: str) -> tuple[list[Path], list[Path]]:
    """Files that ids (C05, K03-1, 03-rope-2) and names (decoding.json) stand for: code, and what counts as it is.

    Exercises count as they stand, too: their solutions are shown. So does the JavaScript of all widgets.
    """
    folders = chapter_files.folders()
    claims = {f"{number}{letter}" for number, letter in re.findall(r"\bC(\d\d)([a-z]?)\b", text)}
    experiments = [file for each in claims for file in chapter_files.CHAPTERS.glob(f"*/experiments/c{each}_*.py")]
    errata = [folders[each] / "errata.py" for each in re.findall(r"\bK(\d\d)-\d", text) if each in folders]
    exercises = [folders[each] / "exercises.py" for each in re.findall(r"[\"'](\d\d)-[a-z]", text) if each in folders]
    data = [file for each in claims for file in chapter_files.CHAPTERS.glob(f"*/records/C{each}.json")]
    data += [ROOT / "benchmarks" / "results" / name for name in re.findall(r"\b[\w-]+\.json\b", text)]
    data += [*exercises, *(PACKAGE / "widgets" / "js").glob("*.js")]
    code, data = ({file for file in files if file.is_file()} for files in (experiments + errata + exercises, data))
    return sorted(code), sorted(data)


def cache_path(source: Path) -> Path:
    """Where the full executed copy of a notebook is kept."""
    top = next((parent for parent in source.parents if parent.name == "notebooks"), None)
    if top is None:
        raise ValueError(f"{source} is not below a folder named notebooks")
    return top.parent / ".cache" / "notebooks" / source.relative_to(top).with_suffix(".ipynb")


def read_source(source: Path) -> NotebookNode:
    """The reviewed text as a notebook without outputs; ids depend on the content alone."""
    notebook = jupytext.read(source, fmt=FORMAT)
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        name = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[name] = seen.get(name, 0) + 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"
        cell.metadata = nbformat.from_dict(
            {field: cell.metadata[field] for field in KEPT_METADATA if field in cell.metadata}
        )
    return notebook


def drift(source: Path) -> str | None:
    """What differs between the two halves of a pair (cells, tags, slide types), or None. Time stamps do not count."""
    pair = source.with_suffix(".ipynb")
    if not pair.is_file():
        return f"{pair.name} is missing"
    try:
        stored = nbformat.read(pair, as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        return f"{pair.name} cannot be read: {error}"
    ours = _comparable(read_source(source))
    theirs = _comparable(jupytext.reads(jupytext.writes(stored, FORMAT), FORMAT))
    for number, (one, other) in enumerate(zip(ours, theirs), 1):
        if one != other:
            return f"cell {number} differs: {_first_line(one[1])!r} in the .py, {_first_line(other[1])!r} in the .ipynb"
    if len(ours) != len(theirs):
        return f"{len(ours)} cells in the .py, {len(theirs)} in the .ipynb"
    return None


def execute(source: Path, timeout: int = TIMEOUT) -> NotebookNode:
    """Run a chapter top to bottom in a kernel of this interpreter, as for a static page; prints a line a cell.

    Raises ExecutionFailed with notebook, cell and error.
    """
    notebook = read_source(source)
    n_cells, began = len(notebook.cells), {}

    def say(cell: NotebookNode, cell_index: int, **_: object) -> None:
        seconds = time.perf_counter() - began.get(cell_index, time.perf_counter())
        first = next((line for line in cell.source.splitlines() if line.strip()), "")
        print(f"{source.stem} [{cell_index + 1}/{n_cells}] {seconds:5.1f} s  {first[:60]}", flush=True)

    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=40"],
        resources={"metadata": {"path": str(source.parent)}},
        on_cell_execute=lambda cell, cell_index: began.update({cell_index: time.perf_counter()}),
        on_cell_executed=say,
    )
    client.km = client.create_kernel_manager()
    client.km.kernel_spec.argv = [sys.executable, *client.km.kernel_spec.argv[1:]]
    environment = os.environ | {
        "COURSE_PUBLISH": "1",
        "PYTHONHASHSEED": "0",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    try:
        client.execute(env=environment)
    except (CellExecutionError, CellTimeoutError) as error:
        number, cell = next(
            ((i, cell) for i, cell in enumerate(notebook.cells, 1) if _raised(cell)),
            (len(began), notebook.cells[max(began)]),
        )
        raise ExecutionFailed(f"{source.name} cell {number} ({_first_line(cell.source)!r}): {error}") from error
    return notebook


def strip(full: NotebookNode, previous: NotebookNode | None = None) -> NotebookNode:
    """What is committed: text and small pictures; no widget state, progress bar, stderr or time.

    An output of `previous` (the .ipynb as it was) that differs in nothing but measured times is kept.
    """
    before = {cell.id: cell.get("outputs", []) for cell in previous.cells if "id" in cell} if previous else {}
    cells, count = [], 0
    for cell in full.cells:
        if cell.cell_type != "code":
            cells.append(nbformat.from_dict(cell))
            continue
        count += 1
        outputs = _merged([kept for output in cell.outputs if (kept := _strip_output(output, count)) is not None])
        old = before.get(cell.id)
        if old is not None and _settled(old) == _settled(outputs):
            outputs = [
                nbformat.from_dict(output | {"execution_count": count}) if "execution_count" in output else output
                for output in old
            ]
        cells.append(nbformat.from_dict(cell | {"execution_count": count, "outputs": outputs}))
    return nbformat.from_dict({"cells": cells, "metadata": NOTEBOOK_METADATA, "nbformat": 4, "nbformat_minor": 5})


def text_of(output: NotebookNode) -> str:
    """All text of an output: stream, or every text/… form."""
    if output.output_type == "stream":
        return output.text
    return "\n".join(str(value) for mime, value in output.get("data", {}).items() if mime.startswith("text/"))


def settled_text(text: str) -> str:
    """Text without what is measured anew at every run."""
    return VOLATILE.sub("…", text)


def _refresh(source: Path) -> None:
    made_by = key(source)
    keep(source, execute(source), made_by)


def _key_path(source: Path) -> Path:
    return cache_path(source).with_suffix(".key")


def _strip_output(output: NotebookNode, count: int) -> dict | None:
    if output.output_type == "stream":
        return {"output_type": "stream", "name": "stdout", "text": output.text} if output.name == "stdout" else None
    if output.output_type == "error":
        return dict(output)
    data = dict(output.data)
    live = data.pop(LIVE_WIDGET, None), data.pop(WIDGET, None)
    if live[0] is not None and "image/png" not in data:
        return None  # a progress bar
    if "image/png" in data:
        data["image/png"] = data["image/png"].strip()
    alone = {mime: value for mime, value in output.metadata.items() if mime in (*data, "alt")}
    stripped = {"output_type": output.output_type, "data": data, "metadata": alone}
    return stripped | ({"execution_count": count} if output.output_type == "execute_result" else {})


def _merged(outputs: list[dict]) -> list[dict]:
    """Neighbouring pieces of stdout as one; where the kernel cuts them is chance."""
    merged: list[dict] = []
    for output in outputs:
        if merged and output["output_type"] == merged[-1]["output_type"] == "stream":
            merged[-1]["text"] += output["text"]
        else:
            merged.append(output)
    return merged


def _settled(outputs: list) -> str:
    plain = [{name: value for name, value in output.items() if name != "execution_count"} for output in outputs]
    return settled_text(json.dumps(plain, sort_keys=True, ensure_ascii=False))


def _comparable(notebook: NotebookNode) -> list[tuple]:
    return [
        (
            cell.cell_type,
            cell.source,
            {field: cell.metadata[field] for field in KEPT_METADATA if cell.metadata.get(field)},
        )
        for cell in notebook.cells
    ]


def _raised(cell: NotebookNode) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", []))


def _first_line(source: str) -> str:
    return source.strip().split("\n")[0][:60]


def _write(path: Path, notebook: NotebookNode) -> bool:
    """Write a notebook whole or not at all; returns False, writing nothing, if the file already says the same."""
    text = nbformat.writes(notebook, version=4).rstrip("\n") + "\n"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    write_whole(path, text)
    return True


def main(args: argparse.Namespace, root: Path = ROOT) -> int:
    """`sync [--check] [chapters]`; exit status 1 if a pair drifts (--check) or a cell fails."""
    try:
        if not getattr(args, "check", False):
            sync(args.chapters, root)
            return 0
        found = [(source, what) for source in sources(args.chapters, root) if (what := drift(source))]
    except (ExecutionFailed, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    for source, what in found:
        print(
            f"{source.relative_to(root)}: {what}; run python -m course_lib.publishing sync {source.stem[:2]}",
            file=sys.stderr,
        )
    return 1 if found else 0
