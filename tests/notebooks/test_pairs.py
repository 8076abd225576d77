"""Every committed notebook: both halves agree, the lint finds nothing, it is small, its stubs are the exercises'."""

import re

import nbformat
import pytest

from course_lib.course.exercises import get_exercise
from course_lib.publishing.lint import MAX_BYTES, lint
from course_lib.publishing.notebooks import drift, sources

SOURCES = sources()
each = pytest.mark.parametrize("source", SOURCES, ids=[source.stem for source in SOURCES])


def test_the_course_has_chapters():
    assert "03_rope" in [source.stem for source in SOURCES]


@each
def test_both_halves_of_the_pair_agree(source):
    assert drift(source) is None


@each
def test_lint_finds_nothing(source):
    assert [str(problem) for problem in lint(source)] == []


@each
def test_the_committed_notebook_is_small(source):
    assert source.with_suffix(".ipynb").stat().st_size <= MAX_BYTES


@each
def test_exercises_exist_and_their_stubs_stand_in_the_notebook(source):
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    for exercise_id in re.findall(r"^exercise\([\"'](\d\d-[\w-]+)[\"']\)", "\n".join(code), re.MULTILINE):
        stub = get_exercise(exercise_id).stub.strip().split("\n")[0].split("#")[0].strip()
        assert any(stub in cell for cell in code), f"{exercise_id}: no cell begins its answer with {stub!r}"
