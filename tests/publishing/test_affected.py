"""The tests that a change can affect: all that depend on it through imports, and few others."""

import json
import subprocess
import sys

import pytest

from course_lib.chapter_files import folders
from course_lib.course.claims import experiment_files
from course_lib.publishing.affected import affected, changed_files
from course_lib.publishing.import_graph import ROOT, ImportGraph

GRAPH = ImportGraph()
CH03 = "course_lib/chapters/ch03_rope"
ROOM = "course_lib/foundations/attention.py"
# What goes through every chapter; it must run for the chapter that changed.
REGISTRIES = {
    "tests/course/exercises/test_every_exercise.py",
    "tests/course/errata/test_registry.py",
    "tests/course/claims/test_records.py",
    "tests/course/claims/test_quick.py",
    "tests/notebooks/test_pairs.py",
    "tests/zoo/test_recipes.py",
}


def whole(wanted):
    return {test for test, chapters in wanted.items() if chapters is None}


def git(root, *words):
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words], cwd=root, check=True, capture_output=True
    )


@pytest.fixture
def project(tmp_path):
    """A room `low`, `high` that imports it, one test of each and one of neither, committed twice."""
    texts = {
        "course_lib/__init__.py": "",
        "course_lib/low.py": "DATA = 'words.txt'",
        "course_lib/high.py": "def f():\n    from . import low",
        "course_lib/part/__init__.py": "from course_lib.low import DATA",
        "course_lib/part/__main__.py": "from course_lib import high",
        "tests/low/test_low.py": "import course_lib.low",
        "tests/high/test_high.py": "from course_lib.high import f",
        "tests/run/test_run.py": "COMMAND = ['-m', 'course_lib.part']",
        "tests/helped/test_helped.py": "import helper",
        "tests/helped/helper.py": "from course_lib import low",
        "tests/none/test_none.py": "import json",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "commit", "-qm", "two", "--allow-empty")
    return tmp_path


def names(project):
    return {test.split("/")[1] for test in affected(changed_files(root=project), ImportGraph(project))}


def test_what_python_imports_is_in_the_graph():
    module = "course_lib.chapters.ch09_gpt3.in_context_figures"
    code = f"import sys, json, {module}; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT)
    paths = {name.replace(".", "/") for name in json.loads(done.stdout) if name.split(".")[0] == "course_lib"}
    imported = {f"{path}{end}" for path in paths for end in (".py", "/__init__.py")} & GRAPH.files
    assert len(imported) == len(paths) > 10
    assert imported <= GRAPH.reach(module.replace(".", "/") + ".py")


def test_a_change_in_a_room_selects_what_is_built_on_it_and_nothing_beside_it():
    wanted = affected({ROOM}, GRAPH)
    assert {
        "tests/foundations/test_attention.py",
        "tests/chapters/ch04_attention/test_figures.py",
        "tests/models/test_gpt.py",  # models.gpt2 → foundations.causal_attention → foundations.attention
        "tests/laws/test_gpt_laws.py",
    } <= whole(wanted)
    assert wanted["tests/course/claims/test_records.py"] >= {"04", "09", None}
    beside = [test for test in wanted if test.startswith(("tests/data/", "tests/widgets/"))]
    models = ("live_model", "live_vision", "poet", "vision")  # a model that runs in the page is built on the rooms
    assert sorted(beside) == [f"tests/widgets/test_{name}.py" for name in models]
    assert not {"tests/foundations/test_rope.py", "tests/parity/test_bpe_parity.py"} & wanted.keys()


@pytest.mark.parametrize("file", ["exercises.py", "errata.py", "experiments/c06_rope_scaling.py", "records/C05.json"])
def test_a_change_in_a_chapter_selects_its_own_tests_and_its_part_of_what_goes_through_all(file):
    wanted = affected({f"{CH03}/{file}"}, GRAPH)
    assert wanted.keys() >= REGISTRIES
    assert all(wanted[test] in ({"03", None}, None) for test in REGISTRIES)
    of_chapters = {test for test in wanted if test.startswith("tests/chapters/")}
    assert "tests/chapters/ch03_rope/test_errata.py" in of_chapters
    assert all("ch03_rope" in test for test in of_chapters)
    assert not [test for test in wanted if test.startswith(("tests/foundations/", "tests/parity/", "tests/training/"))]


def test_a_changed_notebook_concerns_its_own_checks_only():
    wanted = affected({"notebooks/1_foundations/03_rope.ipynb"}, GRAPH)
    assert wanted == {"tests/notebooks/test_pairs.py": {"03", None}}


@pytest.mark.parametrize("file", ["pyproject.toml", "Makefile", "requirements.lock", "tests/conftest.py"])
def test_what_everything_stands_on_selects_everything(file):
    assert whole(affected({file}, GRAPH)) == GRAPH.tests


def test_data_counts_for_those_that_name_it():
    assert "tests/chapters/ch00_start/test_figures.py" in affected({"notebooks/course.yml"}, GRAPH)
    assert whole(affected({"benchmarks/results/decoding.json"}, GRAPH)) >= {"tests/test_benchmarks.py"}
    assert affected({"CHANGELOG" + ".md"}, GRAPH) == {}  # in two pieces, or this test would name it


def test_nothing_changed_selects_nothing(project):
    assert changed_files(root=project) == set() and names(project) == set()


@pytest.mark.parametrize("commit", [False, True])
def test_imports_are_followed_inside_functions_through_helpers_and_commands(project, commit):
    (project / "course_lib" / "low.py").write_text("DATA = 1")
    if commit:
        git(project, "commit", "-qam", "three")
    assert names(project) == {"low", "high", "run", "helped"}


def test_a_command_is_what_its_main_does(project):
    (project / "course_lib" / "part" / "__main__.py").write_text("")
    assert names(project) == {"run"}


def test_a_new_test_selects_itself_and_a_new_helper_its_folder(project):
    (project / "tests" / "none" / "test_new.py").write_text("")
    assert affected(changed_files(root=project), ImportGraph(project)) == {"tests/none/test_new.py": None}
    (project / "tests" / "none" / "conftest.py").write_text("")
    assert affected(changed_files(root=project), ImportGraph(project)).keys() > {"tests/none/test_none.py"}


def test_who_imports_a_module_that_is_gone_is_affected(project):
    git(project, "mv", "course_lib/high.py", "course_lib/higher.py")
    assert names(project) == {"high", "run"}


def test_a_file_that_is_no_module_counts_for_its_folder_and_those_that_name_it(project):
    (project / "course_lib" / "part" / "words.txt").write_text("a")
    assert names(project) == {"run", "low", "high", "helped"}
    assert "tests/none/test_none.py" in affected({"tests/none/case.json"}, ImportGraph(project))


def test_since_a_branch_point_where_there_is_one(project):
    git(project, "update-ref", "refs/remotes/origin/main", "HEAD")
    (project / "course_lib" / "high.py").write_text("")
    git(project, "commit", "-qam", "three")
    git(project, "commit", "-qm", "four", "--allow-empty")
    assert names(project) == {"high", "run"}
    assert changed_files("HEAD", project) == set()


def test_where_git_cannot_say_nothing_is_known(project, tmp_path_factory):
    assert changed_files("no-such-revision", project) is None
    assert changed_files(root=tmp_path_factory.mktemp("downloaded")) is None
    assert changed_files(root=project / "course_lib") is None  # a folder inside somebody else's repository


def collected(*options):
    command = [sys.executable, "-m", "pytest", "-p", "course_lib.publishing.affected", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, "--collect-only", *options], cwd=ROOT, capture_output=True, encoding="utf-8")
    return done.returncode, [line for line in done.stdout.splitlines() if "::" in line], done.stdout + done.stderr


def test_of_one_chapter_only_its_items_run():
    status, items, _ = collected("--chapter", "03", "tests/course/claims", "tests/chapters/ch04_attention")
    of_chapter = [claim for claim, file in experiment_files().items() if file.is_relative_to(folders()["03"])]
    quick = [item.partition("[")[2] for item in items if "test_quick" in item]
    assert status == 0 and quick == [f"{claim}]" for claim in of_chapter]
    assert not [item for item in items if "ch04" in item or "[" not in item]


def test_a_chapter_that_is_none_is_refused_in_one_line():
    status, _, said = collected("--chapter", "77", "tests/course/claims")
    assert status == pytest.ExitCode.USAGE_ERROR and "no tests of chapter 77; write two digits" in said
    assert "Traceback" not in said
