"""What nbval executed is what site and decks are built from; a notebook with a failing cell leaves nothing."""

import subprocess
import sys

import nbformat
import pytest
from pair import write_source

from course_lib.publishing.notebooks import cache_path, executed, is_fresh, sync

BODY = """# %%
import os
print(os.environ["COURSE_PUBLISH"])

# %% [markdown]
# 文字

# %% tags=["nbval-check-output"]
6 * 7
"""


def nbval(root):
    command = ["-m", "pytest", "-q", "-p", "course_lib.publishing.kept_runs", "-p", "no:cacheprovider", "--nbval-lax"]
    return subprocess.run([sys.executable, *command, "notebooks"], cwd=root, capture_output=True, text=True)


@pytest.fixture
def source(tmp_path):
    source = write_source(tmp_path, BODY)
    sync(root=tmp_path)
    return source


def test_the_run_of_nbval_is_kept_as_an_execution_of_ours_would_be(source, tmp_path):
    ours = nbformat.read(executed(source, tmp_path), as_version=4)
    cache_path(source).unlink()
    done = nbval(tmp_path)
    assert done.returncode == 0, done.stdout
    assert is_fresh(source)
    kept = nbformat.read(cache_path(source), as_version=4)
    assert [cell.get("outputs") for cell in kept.cells] == [cell.get("outputs") for cell in ours.cells]
    assert [(cell.id, cell.source) for cell in kept.cells] == [(cell.id, cell.source) for cell in ours.cells]


@pytest.mark.parametrize(("old", "new"), [("6 * 7", "6 * 8"), ("print(os", "1 / 0, print(os")])
def test_a_run_with_a_failing_cell_is_not_kept(source, tmp_path, old, new):
    pair = source.with_suffix(".ipynb")
    pair.write_text(pair.read_text("utf-8").replace(old, new), "utf-8")
    write_source(tmp_path, BODY.replace(old, new))
    cache_path(source).unlink()
    assert nbval(tmp_path).returncode == 1
    assert not is_fresh(source)


def test_a_pair_that_does_not_agree_is_not_kept(source, tmp_path):
    write_source(tmp_path, BODY.replace("6 * 7", "42"))
    cache_path(source).unlink()
    assert nbval(tmp_path).returncode == 0
    assert not is_fresh(source)
