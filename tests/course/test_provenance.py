"""A record goes stale when what measured it changes, and only then."""

import pytest

from course_lib.course import provenance

ROOM = '"""A room."""\n\ndef double(x):\n    return 2 * x\n'
HELPER = "from course_lib.foundations.room import double\n"
EXPERIMENT = '''"""What it is about."""
from course_lib.course.claims.core import Claim, Verdict
from course_lib.models import helper

def measure(seed, *, progress, n: int) -> dict:
    """One seed."""
    return {"a": helper.double(seed) * n + 0.5}

def judge(figures):
    return Verdict("holds", "成立")

CLAIM = Claim(id="C99", title="题", seeds=(0, 1), measure=measure, judge=judge, quick={"n": 1}, full={"n": 2})
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small course_lib: an experiment that imports a helper that imports a room."""
    root = tmp_path / "course_lib"
    files = {
        "__init__.py": "",
        "foundations/__init__.py": "",
        "foundations/room.py": ROOM,
        "foundations/other.py": "x = 1\n",
        "models/__init__.py": "",
        "models/helper.py": HELPER,
        "course/claims/__init__.py": "",
        "course/claims/core.py": "",
        "claims/experiments/__init__.py": "",
        "claims/experiments/c99_it.py": EXPERIMENT,
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(provenance, "ROOT", root)
    return root


def hashes(package):
    experiment = package / "claims/experiments/c99_it.py"
    return provenance.code_hash(experiment), provenance.judging_hash(experiment)


def edit(package, name, old, new):
    text = (package / name).read_text(encoding="utf-8")
    assert old in text
    (package / name).write_text(text.replace(old, new), encoding="utf-8")


def test_imports_are_followed_through_packages(package):
    found = provenance.imported_modules(package / "claims/experiments/c99_it.py")
    assert [file.relative_to(package).as_posix() for file in found] == ["foundations/room.py", "models/helper.py"]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("claims/experiments/c99_it.py", "+ 0.5", "+ 0.25"),
        ("claims/experiments/c99_it.py", "seeds=(0, 1)", "seeds=(0, 1, 2)"),
        ("claims/experiments/c99_it.py", 'full={"n": 2}', 'full={"n": 3}'),
        ("models/helper.py", "import double", "import double as double"),
        ("foundations/room.py", "2 * x", "3 * x"),
    ],
)
def test_what_can_change_a_figure_changes_the_code_hash(package, name, old, new):
    before, _ = hashes(package)
    edit(package, name, old, new)
    assert hashes(package)[0] != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("foundations/room.py", '"""A room."""', '"""Another docstring."""\n# and a comment'),
        ("foundations/room.py", "return 2 * x", "return (2\n            * x)"),
        ("foundations/room.py", "double(x)", "double(x: float) -> float"),
        ("foundations/other.py", "1", "2"),
        ("course/claims/core.py", "", "y = 1\n"),
        ("__init__.py", "", "__version__ = '9'\n"),
    ],
)
def test_what_cannot_change_a_figure_changes_nothing(package, name, old, new):
    before = hashes(package)
    edit(package, name, old, new)
    assert hashes(package) == before


@pytest.mark.parametrize(
    ("old", "new"), [('"成立"', '"确实成立"'), ('title="题"', 'title="新题"'), ('{"n": 1}', '{"n": 9}')]
)
def test_texts_judge_and_quick_form_ask_only_for_a_new_verdict(package, old, new):
    code, judging = hashes(package)
    edit(package, "claims/experiments/c99_it.py", old, new)
    assert hashes(package)[0] == code
    assert hashes(package)[1] != judging


def test_relative_imports_are_followed(package):
    edit(
        package, "claims/experiments/c99_it.py", "from course_lib.models import helper", "from ...models import helper"
    )
    found = provenance.imported_modules(package / "claims/experiments/c99_it.py")
    assert package / "foundations/room.py" in found


def test_a_real_experiment_depends_on_the_rooms_it_measures():
    from course_lib.course.claims.registry import experiment_file

    found = {file.name for file in provenance.imported_modules(experiment_file("C05"))}
    assert {"rope.py", "attention.py", "tiny_lm.py"} <= found
    assert not found & {"core.py", "runner.py", "alibi.py", "scenes.py"}
