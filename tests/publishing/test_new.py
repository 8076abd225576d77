"""A chapter laid by the mould passes the checks as it stands, and one that cannot be laid leaves nothing."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from course_lib import chapter_files
from course_lib.course import outline
from course_lib.course.outline import ROOT
from course_lib.publishing import new, readmes
from course_lib.publishing.notebooks import ExecutionFailed

PLAN = """\
      - number: "99"
        name: probe
        title: 试
        english: "Probe: a test"
        about: 试
"""
CHECKS = """
import pytest

from course_lib.course import claims, outline
from course_lib.course.errata.core import errata_of
from course_lib.course.exercises import judge
from course_lib.course.exercises.registry import exercises_of
from course_lib.publishing.__main__ import main
from course_lib.publishing.minutes import counted

assert main(["lint", "99"]) == 0
assert pytest.main(["-p", "no:cacheprovider", "tests/chapters/ch99_tiny_vit"]) == 0
for exercise in exercises_of("99"):
    assert judge(exercise, exercise.solution).passed
    assert [judge(exercise, each.answer).mistake for each in exercise.mistakes] == [m.name for m in exercise.mistakes]
assert len(exercises_of("99")) >= 3 and errata_of("99") == {}
assert claims.run("C99", quick=True, progress=False)["verdict"] == "holds"
chapter = outline.choose(["99"])[0]
assert (chapter.stem, chapter.title, chapter.folder) == ("99_tiny_vit", "ViT: 小", "3_posttraining")
assert chapter.draft and chapter.shows and chapter.running and chapter.reading == counted(chapter.notebook)
assert f"阅读** 约 {chapter.reading} 分钟" in chapter.source.read_text("utf-8")
"""


def copied(tree):
    """What a chapter is laid into: the package, the outline with a chapter 99 planned, the READMEs."""
    ignored = shutil.ignore_patterns("weights", "records", "*.pyc.*", ".*.part")  # the last two are being written
    shutil.copytree(ROOT / "course_lib", tree / "course_lib", ignore=ignored)
    for name in (*readmes.READMES, "pyproject.toml"):
        shutil.copy(ROOT / name, tree / name)
    (tree / "book").mkdir()
    shutil.copy(ROOT / "book" / "glossary.md", tree / "book")
    (tree / "notebooks").mkdir()
    text = outline.FILE.read_text("utf-8").replace("# pages of the book", f"{PLAN}# pages of the book")
    (tree / "notebooks" / "course.yml").write_text(text, "utf-8")
    return tree


def files(tree):
    return {p: p.read_bytes() for p in tree.rglob("*") if p.is_file() and "__pycache__" not in p.parts}


def test_a_laid_chapter_passes_lint_its_own_tests_and_the_registries(tmp_path):
    tree = copied(tmp_path)
    before = files(tree)

    def run(*command):
        settings = {"PYTHONPATH": str(tree), "COURSE_HOME": str(tree / ".cache" / "home"), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, *command], cwd=tree, env=os.environ | settings, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run("-m", "course_lib.publishing", "new", "99", "tiny_vit", "ViT: 小", "--claim", "C99")
    run("-c", CHECKS)
    laid = ["course_lib/chapters/ch99_tiny_vit", "tests", "notebooks"]
    run("-m", "ruff", "check", "--no-cache", *laid)
    run("-m", "ruff", "format", "--no-cache", "--check", *laid)

    after = files(tree)
    own = [path for path in after if "99_tiny_vit" in path.as_posix()]
    assert not any(re.search(r"@[a-z]+@", after[path].decode("utf-8")) for path in own)
    changed = {p.relative_to(tree).as_posix() for p in after if p not in own and before.get(p) != after[p]}
    assert changed == {"notebooks/course.yml", "README.md", "README.en.md"}


@pytest.mark.parametrize(
    ("number", "name", "title", "complaint"),
    [
        ("77", "vit", "ViT", "77' is not planned"),
        ("5", "vit", "ViT", "5' is not planned"),
        ("05", "vit", "ViT", "chapter 05 exists: notebooks/1_foundations/05_kv_cache.py, or"),
        ("99", "Vi-T", "ViT", "use a-z, 0-9 and single _"),
        ("99", "vit_", "ViT", "use a-z, 0-9 and single _"),
        ("99", "", "ViT", "use a-z, 0-9 and single _"),
        ("99", "vit", "a | b", "one line without |"),
        ("99", "vit", "a\nb", "one line"),
    ],
)
def test_what_cannot_be_a_chapter_is_refused(tmp_path, monkeypatch, number, name, title, complaint):
    planned = yaml.safe_load(PLAN)[0]
    chapters = [*outline.planned(), outline.Chapter(folder="2_models", **planned)]
    monkeypatch.setattr(outline, "planned", lambda: chapters)
    with pytest.raises(ValueError, match=re.escape(complaint)):
        new.planned(number, name, title)


@pytest.mark.parametrize("claim", ["C05", "14", "c14", "C5"])
def test_a_claim_that_is_taken_or_no_id_is_refused(claim):
    with pytest.raises(ValueError, match="is taken, or not like C14"):
        new.texts(outline.choose(["05"])[0], claim)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    copied(tmp_path)
    monkeypatch.setattr(chapter_files, "CHAPTERS", tmp_path / "course_lib" / "chapters")
    monkeypatch.setattr(outline, "ROOT", tmp_path)
    monkeypatch.setattr(outline, "FILE", tmp_path / "notebooks" / "course.yml")
    monkeypatch.setattr(new, "ROOT", tmp_path)
    return tmp_path


def test_what_its_author_has_written_already_is_neither_overwritten_nor_removed(tree):
    early = tree / "tests" / "chapters" / "ch99_vit" / "test_figures.py"
    early.parent.mkdir(parents=True)
    early.write_text("mine", "utf-8")
    before = files(tree)
    with pytest.raises(ValueError, match="tests/chapters/ch99_vit would be overwritten"):
        new.lay(new.planned("99", "vit", "ViT"))
    assert files(tree) == before


@pytest.mark.parametrize("step", ["sync", "counted", "write"])
def test_whatever_step_fails_nothing_is_left_behind(tree, monkeypatch, step):
    chapter, before = new.planned("99", "vit", "ViT"), files(tree)

    def executed(*_):
        chapter.notebook.write_text("{}", "utf-8")

    def fails(*_):
        assert chapter.source.is_file() and (step == "sync" or chapter.notebook.is_file())
        (tree / "README.md").write_text("half", "utf-8")
        raise ExecutionFailed("cell 3")

    monkeypatch.setattr(new.notebooks, "sync", fails if step == "sync" else executed)
    monkeypatch.setattr(new, "counted", fails if step == "counted" else lambda _: 8)
    monkeypatch.setattr(new.readmes, "write", fails)
    with pytest.raises(ExecutionFailed, match="cell 3"):
        new.lay(chapter)
    assert files(tree) == before
    assert not (tree / "notebooks" / "3_posttraining").exists() and not list(tree.rglob("*99_vit*"))


def test_an_entry_is_rewritten_and_all_around_it_stays():
    text = outline.FILE.read_text("utf-8")
    last = outline.planned()[-1]
    changed = new.entered(text, new.replace(last, title="题：a: b", shows="图", reading=3, running=4))
    entries = [c for part in yaml.safe_load(changed)["parts"] for c in part["chapters"]]
    assert entries[-1]["title"] == "题：a: b" and entries[-1]["reading"] == 3
    assert entries[:-1] == [c for part in yaml.safe_load(text)["parts"] for c in part["chapters"]][:-1]
    assert changed.splitlines()[:3] == text.splitlines()[:3] and changed.split("# pages")[1] == text.split("# pages")[1]
