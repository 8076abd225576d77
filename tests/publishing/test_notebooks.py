"""sync executes what changed and nothing else, and what it commits is stable."""

import json
from types import SimpleNamespace

import nbformat
import pytest
from pair import code, notebook, shown, stream, write_source

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


def test_the_key_follows_imports_and_ids(tmp_path, monkeypatch):
    def files_read(body):
        read, bytes_of = [], notebooks.Path.read_bytes
        with monkeypatch.context() as patch:
            patch.setattr(
                notebooks.Path,
                "read_bytes",
                lambda path: read.append(f"{path.parent.name}/{path.name}") or bytes_of(path),
            )
            notebooks.key(write_source(tmp_path, body))
        return set(read)

    plain = files_read("# %%\nprint(1)\n")
    assert "foundations/rope.py" not in plain and "ch03_rope/exercises.py" not in plain
    assert "foundations/rope.py" in files_read("# %%\nfrom course_lib.foundations import rope\n")
    assert {"ch03_rope/exercises.py", "foundations/rope.py"} <= files_read('# %%\ncheck("03-rope-1", 1)\n')
    assert "results/decoding.json" in files_read('# %%\nprint(results / "decoding.json")\n')
    assert any(name.startswith("experiments/c05_") for name in files_read('# %%\nshow_claim("C05")\n'))


def test_an_unknown_chapter_lists_those_that_are_there(source, tmp_path):
    with pytest.raises(ValueError, match="03_probe"):
        notebooks.sources(["42"], tmp_path)
    with pytest.raises(FileNotFoundError, match="below notebooks"):
        executed("1_foundations/42_none", tmp_path)
