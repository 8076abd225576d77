"""sync executes what changed and nothing else, and what it commits is stable."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from pair import code, notebook, shown, stream, write_source

import course_lib
from course_lib import provenance
from course_lib.publishing import notebooks
from course_lib.publishing.notebooks import LIVE_WIDGET, WIDGET, drift, executed, is_fresh, read_source, strip, sync

BODY = """# %% [markdown] slideshow={"slide_type": "slide"}
# # 标题 $x_i$

# %% tags=["nbval-check-output"]
import os, sys
print(os.environ["COURSE_PUBLISH"], os.path.basename(os.getcwd()))
print("warning", file=sys.stderr)

# %%
import time
print(time.perf_counter(), "秒")
"""
PNG = "aGVsbG8="


def committed(source):
    return source.with_suffix(".ipynb").read_text(encoding="utf-8")


@pytest.fixture
def source(tmp_path):
    return write_source(tmp_path, BODY)


def test_sync_executes_once_and_leaves_a_stable_pair(source, tmp_path):
    assert sync(root=tmp_path) == 1
    first = json.loads(committed(source))
    assert [cell.get("execution_count") for cell in first["cells"]] == [None, 1, 2]
    assert first["cells"][1]["outputs"] == [{"name": "stdout", "output_type": "stream", "text": ["1 1_foundations\n"]}]
    assert first["cells"][1]["metadata"] == {"tags": ["nbval-check-output"]}
    assert first["cells"][0]["metadata"] == {"slideshow": {"slide_type": "slide"}}
    assert drift(source) is None and is_fresh(source)
    text = committed(source)
    assert sync(root=tmp_path) == 0

    notebooks._key_path(source).unlink()
    assert sync(root=tmp_path) == 1  # only the time differs, so the committed half keeps its bytes
    assert committed(source) == text

    write_source(tmp_path, BODY.replace("标题", "新标题"))
    assert "cell 1 differs" in drift(source) and not is_fresh(source)
    assert notebooks.main(SimpleNamespace(chapters=[], check=True), tmp_path) == 1
    full = executed("1_foundations/03_probe.ipynb", tmp_path)
    assert "warning" in full.read_text() and committed(source) == text  # the copy is new, the pair untouched
    assert sync(["03"], tmp_path) == 0 and drift(source) is None
    assert notebooks.main(SimpleNamespace(chapters=[], check=True), tmp_path) == 0


def test_a_failing_cell_is_named_and_the_pair_left_as_it_was(source, tmp_path, capsys):
    source.with_suffix(".ipynb").write_text("{}")
    write_source(tmp_path, "# %%\nx = 1\n\n# %%\nx / 0\n")
    assert notebooks.main(SimpleNamespace(chapters=["03"]), tmp_path) == 1
    said = capsys.readouterr().err
    assert "03_probe.py cell 2" in said and "ZeroDivisionError" in said
    assert committed(source) == "{}"


def test_widgets_leave_their_first_frame_and_progress_bars_leave_nothing():
    bar = shown(text_plain="0%|", **{LIVE_WIDGET: {"model_id": "1"}})
    widget = shown(text_plain="线到 1", image_png=PNG, **{WIDGET: {"state": {}}}, metadata={"alt": "线到 1", "x": 1})
    outputs = (
        strip(notebook(code("f()", bar, widget, stream("a"), stream("b"), stream("e", "stderr")))).cells[0].outputs
    )
    assert [output.output_type for output in outputs] == ["display_data", "stream"]
    assert set(outputs[0].data) == {"image/png", "text/plain"} and outputs[0].metadata == {"alt": "线到 1"}
    assert outputs[1].text == "ab"


def test_ids_depend_on_the_content_so_that_a_new_cell_renames_no_other(tmp_path):
    before = read_source(write_source(tmp_path, "# %%\na\n\n# %%\nb\n\n# %%\nb\n"))
    after = read_source(write_source(tmp_path, "# %%\nnew\n\n# %%\na\n\n# %%\nb\n\n# %%\nb\n"))
    assert [cell.id for cell in after.cells][1:] == [cell.id for cell in before.cells]
    assert len({cell.id for cell in after.cells}) == 4


def test_an_output_that_really_changed_is_written():
    old = strip(notebook(code("f()", stream("3 个，0.25 秒\n"))))
    cell = notebook(code("f()", stream("4 个，0.31 秒\n")))
    cell.cells[0].id = old.cells[0].id
    assert strip(cell, old).cells[0].outputs[0].text == "4 个，0.31 秒\n"
    cell.cells[0].outputs[0].text = "3 个，0.31 秒\n"
    assert strip(cell, old).cells[0].outputs[0].text == "3 个，0.25 秒\n"


@pytest.mark.parametrize("field", ["tags", "slideshow", "order", "kind"])
def test_drift_sees_tags_slides_order_and_kind(source, field):
    pair = read_source(source)
    nbformat.write(pair, source.with_suffix(".ipynb"))
    assert drift(source) is None
    if field == "order":
        pair.cells.reverse()
    elif field == "kind":
        pair.cells[0] = code(pair.cells[0].source)
    else:
        pair.cells[0 if field == "slideshow" else 1].metadata.pop(field)
    nbformat.write(pair, source.with_suffix(".ipynb"))
    assert "differs" in drift(source)


NOTEBOOK = """# %%
from course_lib.foundations import attention, rope
from course_lib.foundations.attention import attend
from course_lib.lesson import show_source, show_claim, check
show_source(attention.causal_mask)
attend(q, k, v)
"""
ROOM = "foundations/attention.py"


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The package and its benchmarks, to be changed at will."""
    root = tmp_path / "copy" / "course_lib"
    shutil.copytree(notebooks.PACKAGE, root, ignore=shutil.ignore_patterns("__pycache__", "fonts"))
    shutil.copytree(notebooks.ROOT / "benchmarks" / "results", root.parent / "benchmarks" / "results")
    monkeypatch.setattr(provenance, "ROOT", root)
    monkeypatch.setattr(notebooks, "PACKAGE", root)
    monkeypatch.setattr(notebooks, "ROOT", root.parent)
    return root


def stale_after(root, tmp_path, body, file, old, new):
    """Whether a notebook is stale once `old` of a file (all of it, if "") is `new`."""
    source, text = write_source(tmp_path, body), (root / file).read_text(encoding="utf-8")
    before = notebooks.key(source)
    assert old in text and before == notebooks.key(source)
    (root / file).write_text(text.replace(old, new) if old else new, encoding="utf-8")
    return notebooks.key(source) != before


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        (ROOM, "def attend(", "def new(x):\n    return attend(x, x, x)\n\n\ndef attend(", False),
        (ROOM, "each key needs its own value", "give each key a value", False),
        (ROOM, '"""Attention(Q, K, V) =', '"""Attention =', False),
        (ROOM, "d_head**-0.5", "d_head**-0.25", True),
        (ROOM, '"""True where the key', '"""True if the key', True),  # its source is shown
        ("foundations/rope.py", "def frequencies(", "def never(", False),
        ("widgets/js/shared.js", "", "// other", True),
        ("lesson.py", "code, where = ", "where, code = ", True),
    ],
)
def test_a_notebook_is_stale_when_what_it_reaches_or_shows_changes(copy, tmp_path, file, old, new, stale):
    assert stale_after(copy, tmp_path, NOTEBOOK, file, old, new) == stale


@pytest.mark.parametrize(
    ("body", "file"),
    [
        ('check("03-rope-1", 1)', "chapters/ch03_rope/exercises.py"),
        ('show_erratum("K03-1")', "chapters/ch03_rope/errata.py"),
        ('run_claim("C05")', "chapters/ch03_rope/experiments/c05_relative_score.py"),
        ('show_claim("C05")', "chapters/ch03_rope/records/C05.json"),
        ('print(results / "decoding.json")', "../benchmarks/results/decoding.json"),
        ('zoo.load("numerals")', "chapters/ch06_transformer/recipe.py"),
    ],
)
def test_what_a_notebook_names_counts_and_nothing_else_of_the_kind(copy, tmp_path, body, file):
    body = f"# %%\nfrom course_lib import zoo\nfrom course_lib.lesson import *\n{body}\n"
    if file.endswith(".json"):
        other = json.loads((copy / file).read_text(encoding="utf-8")) | {"x": 1}
        assert stale_after(copy, tmp_path, body, file, "", json.dumps(other))
        other |= {"code": [], "words": ""}
        assert stale_after(copy, tmp_path, body, file, "", json.dumps(other)) == ("records" not in file)
    else:
        assert stale_after(copy, tmp_path, body, file, "\n\n\n", "\n\n\nprint(1)\n\n\n")
    name = (copy / file).name
    aside = name.replace("03", "04").replace("c05_relative_score", "c07_scaled_scores").replace("C05", "C07")
    aside = aside.replace("decoding", "training").replace("numerals", "captions")
    assert aside != name
    assert not stale_after(copy, tmp_path, body, str(Path(file).with_name(aside)), "\n", "\n\n")


def test_the_notebooks_own_functions_may_be_shown(tmp_path):
    assert notebooks.key(write_source(tmp_path, "# %%\ndef own(): ...\nshow_source(own)\n"))


def test_an_error_text_counts_where_the_notebook_prints_errors(copy, tmp_path):
    body = NOTEBOOK.replace(
        "attend(q, k, v)", "try:\n    attend(q, k, v)\nexcept ValueError as error:\n    print(error)"
    )
    assert stale_after(copy, tmp_path, body, ROOM, "each key needs its own value", "give each key a value")


def test_a_new_function_in_attention_makes_no_chapter_stale(copy):
    chapters = notebooks.sources(root=Path(course_lib.__file__).parents[1])
    before = {source.stem: notebooks.key(source) for source in chapters}
    text = (copy / ROOM).read_text(encoding="utf-8")
    (copy / ROOM).write_text(text.replace("def attend(", "def new(x):\n    return attend(x, x, x)\n\n\ndef attend("))
    assert {source.stem: notebooks.key(source) for source in chapters} == before and "04_attention" in before
