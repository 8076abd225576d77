"""A record goes stale when what measured it changes, and only then."""

import shutil
import time
from pathlib import Path

import pytest

import course_lib
from course_lib import provenance
from course_lib.course.claims.registry import experiment_files

ROOM = '"""A room."""\n\nimport math\n\ndef double(x):\n    """Twice."""\n    return math.fabs(2 * x)\n'
HELPER = "from course_lib.foundations.room import double\n"
EXPERIMENT = '''"""What it is about."""
from course_lib.course.claims.core import Claim, Verdict
from course_lib.models import helper

BAR = 1

def measure(seed, *, progress, n: int) -> dict:
    """One seed."""
    return {"a": helper.double(seed) * n + 0.5}

def judge(figures):
    return Verdict("holds" if BAR else "fails", "成立")

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
        "course/claims/core.py": "class Claim: ...\nclass Verdict: ...\n",
        "chapters/ch99_it/experiments/__init__.py": "",
        "chapters/ch99_it/experiments/c99_it.py": EXPERIMENT,
    }
    for name, text in files.items():
        write(root, name, text)
    monkeypatch.setattr(provenance, "ROOT", root)
    return root


def write(root, name, text):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def hashes(package):
    """Of what measures, what judges, what is said."""
    experiment = package / "chapters/ch99_it/experiments/c99_it.py"
    return provenance.code_hash(experiment), provenance.judge_hash(experiment), provenance.words_hash(experiment)


def edit(package, name, old, new):
    text = (package / name).read_text(encoding="utf-8")
    assert old in text
    write(package, name, text.replace(old, new))


def room_with(package, before, after):
    """Code hashes with one text of the room, and with another."""
    found = []
    for text in (before, after):
        write(package, "foundations/room.py", text)
        found.append(hashes(package)[0])
    return found


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("chapters/ch99_it/experiments/c99_it.py", "+ 0.5", "+ 0.25"),
        ("chapters/ch99_it/experiments/c99_it.py", "seeds=(0, 1)", "seeds=(0, 1, 2)"),
        ("chapters/ch99_it/experiments/c99_it.py", 'full={"n": 2}', 'full={"n": 3}'),
        ("models/helper.py", "import double", "import half as double"),
        ("foundations/room.py", "2 * x", "3 * x"),
        ("foundations/room.py", "import math", "import cmath as math"),
        ("__init__.py", "", "import os\nos.environ['THREADS'] = '1'\n"),
        ("models/__init__.py", "", "from course_lib.foundations import other\nother.REGISTRY.append(1)\n"),
    ],
)
def test_what_can_change_a_figure_changes_the_code_hash(package, name, old, new):
    edit(package, "foundations/room.py", "def double", "def half(x):\n    return x / 2\n\ndef double")
    before = hashes(package)[0]
    edit(package, name, old, new) if old else write(package, name, new)
    assert hashes(package)[0] != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("foundations/room.py", '"""A room."""', '"""Another docstring."""\n# and a comment'),
        ("foundations/room.py", '"""Twice."""', '"""Two times x."""'),
        ("foundations/room.py", "return math.fabs(2 * x)", "return (math\n            .fabs(2 * x))"),
        ("foundations/room.py", "double(x)", "double(x: float) -> float"),
        ("foundations/room.py", "def double", "def new(x):\n    return double(x)\n\ndef double"),
        ("foundations/room.py", "import math", "import os\nimport math\nUNUSED = 3"),
        ("foundations/other.py", "1", "2"),
        ("models/helper.py", "import double", "import double as double"),
        ("course/claims/core.py", "class Claim: ...", "class Claim: ...\nprint_width = 80"),
        ("__init__.py", "", "__version__ = '9'\n"),
    ],
)
def test_what_cannot_change_a_figure_changes_nothing(package, name, old, new):
    before = hashes(package)
    edit(package, name, old, new) if old else write(package, name, new)
    assert hashes(package) == before


@pytest.mark.parametrize(
    ("old", "new", "judges"),
    [
        ('"成立"', '"确实成立"', True),
        ("BAR = 1", "BAR = 0", True),
        ('title="题"', 'title="新题"', False),
        ('quick={"n": 1}', 'quick={"n": 9}', False),
    ],
)
def test_judge_and_words_have_hashes_of_their_own(package, old, new, judges):
    code, judge, words = hashes(package)
    edit(package, "chapters/ch99_it/experiments/c99_it.py", old, new)
    assert hashes(package) == (code, hashes(package)[1], hashes(package)[2])
    assert (hashes(package)[1] != judge) == judges
    assert (hashes(package)[2] != words) != judges


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("from course_lib.models.helper import double", "double(seed)"),
        ("from course_lib.foundations.room import double as twice", "twice(seed)"),
        ("import course_lib.foundations.room", "course_lib.foundations.room.double(seed)"),
        ("import course_lib.foundations.room as r", "r.double(seed)"),
        ("from course_lib import foundations", "foundations.room.double(seed)"),
        ("from ....models import helper", "helper.double(seed)"),
        ("from .... import models", "models.helper.double(seed)"),
        ("from course_lib.foundations.moved import double", "double(seed)"),
    ],
)
def test_how_it_is_imported_and_where_it_lies_does_not_count(package, imports, call):
    before = hashes(package)[0]
    write(package, "foundations/moved.py", ROOM)
    edit(package, "chapters/ch99_it/experiments/c99_it.py", "from course_lib.models import helper", imports)
    edit(package, "chapters/ch99_it/experiments/c99_it.py", "helper.double(seed)", call)
    assert hashes(package)[0] == before
    edit(package, "foundations/moved.py" if "moved" in imports else "foundations/room.py", "2 * x", "3 * x")
    assert hashes(package)[0] != before


def test_an_import_inside_a_function_is_followed_and_its_effects_count(package):
    edit(package, "chapters/ch99_it/experiments/c99_it.py", "from course_lib.models import helper\n", "")
    inside = '"""One seed."""\n    from course_lib.models import helper\n'
    edit(package, "chapters/ch99_it/experiments/c99_it.py", '"""One seed."""\n', inside)
    before = hashes(package)[0]
    edit(package, "foundations/room.py", "2 * x", "3 * x")
    after = hashes(package)[0]
    assert after != before
    write(package, "models/__init__.py", "print('loaded')\n")
    assert hashes(package)[0] not in (before, after)


COUNTS = {
    "default": ("D = 1\ndef double(x, d=D): return x", "D = 2\ndef double(x, d=D): return x"),
    "decorator": (
        "def w(f): return f\n@w\ndef double(x): return x",
        "def w(f): return len\n@w\ndef double(x): return x",
    ),
    "base class": (
        "class B:\n    y = 1\nclass C(B): pass\ndef double(x): return C()",
        "class B:\n    y = 2\nclass C(B): pass\ndef double(x): return C()",
    ),
    "method": (
        "class C:\n    def a(self): return 1\ndef double(x): return C().a()",
        "class C:\n    def a(self): return 2\ndef double(x): return C().a()",
    ),
    "what a method uses": (
        "def f(): return 1\nclass C:\n    def a(self): return f()\ndouble = C",
        "def f(): return 2\nclass C:\n    def a(self): return f()\ndouble = C",
    ),
    "constant": ("X = 1\ndef double(x): return X", "X = 2\ndef double(x): return X"),
    "second assignment": ("X = 1\ndef double(x): return X", "X = 1\nX += 1\ndef double(x): return X"),
    "name in a comprehension": (
        "N = [1]\ndef double(x): return [N for N in N]",
        "N = [2]\ndef double(x): return [N for N in N]",
    ),
    "lambda": ("Y = 1\ndouble = lambda x: Y", "Y = 2\ndouble = lambda x: Y"),
    "global": (
        "Y = 1\ndef double(x):\n    global Y\n    Y = Y + x\n    return Y",
        "Y = 2\ndef double(x):\n    global Y\n    Y = Y + x\n    return Y",
    ),
    "branch": (
        "import os\nif os.sep:\n    Y = 1\nelse:\n    Y = 2\ndef double(x): return Y",
        "import os\nif os.sep:\n    Y = 3\nelse:\n    Y = 2\ndef double(x): return Y",
    ),
    "call for effect": ("import os\ndef double(x): return x", "import os\nos.umask(0)\ndef double(x): return x"),
    "item set": ("T = {}\ndef double(x): return T", "T = {}\nT[1] = 2\ndef double(x): return T"),
    "registered under a decorator of ours": (
        "def r(f): return f\ndef double(x): return x\n@r\ndef other(x): return 1",
        "def r(f): return f\ndef double(x): return x\n@r\ndef other(x): return 2",
    ),
    "field": (
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    a: int\n    b: int\ndouble = C",
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    b: int\n    a: int\ndouble = C",
    ),
    "kind of field": (
        "from typing import ClassVar\nclass C:\n    a: int = 1\ndouble = C",
        "from typing import ClassVar\nclass C:\n    a: ClassVar[int] = 1\ndouble = C",
    ),
    "type of error": ("def double(x): raise ValueError('a')", "def double(x): raise TypeError('a')"),
    "that there is an error": (
        "def double(x):\n    if x: raise ValueError('a')\n    return x",
        "def double(x):\n    if x: return 1\n    return x",
    ),
    "what an error of our own carries": (
        "class E(Exception): pass\ndef double(x): raise E(1)",
        "class E(Exception): pass\ndef double(x): raise E(2)",
    ),
    "module handed around": (
        "from course_lib.foundations import other\ndef double(x): return getattr(other, 'x')",
        "from course_lib.foundations import room2 as other\ndef double(x): return getattr(other, 'x')",
    ),
    "string": ("def double(x): return 'a'", "def double(x): return 'b'"),
    "none or false": ("def double(x): return None", "def double(x): return False"),
}
COUNTS_NOT = {
    "text of an error": (
        "def double(x): raise ValueError(f'{x} is bad')",
        "def f(): return 1\ndef double(x): raise ValueError(f'{x} is worse; try {f()}') from None",
    ),
    "text of an assertion": ("def double(x): assert x, 'a'", "def double(x): assert x, 'b'"),
    "annotation of a variable": (
        "def double(x):\n    y = 1\n    return y",
        "N = int\ndef double(x):\n    z: N\n    y: N = 1\n    return y",
    ),
    "type of a field": (
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    a: int\ndouble = C",
        "from dataclasses import dataclass\nT = int\n@dataclass\nclass C:\n    a: T\ndouble = C",
    ),
    "local of the same name": (
        "def m(): return 1\ndef double(x):\n    m = x\n    return m",
        "def m(): return 2\ndef double(x):\n    m = x\n    return m",
    ),
    "parameter of the same name": (
        "m = 1\ndef double(m): return lambda: m",
        "m = 2\ndef double(m): return lambda: m",
    ),
    "name bound inside a comprehension": (
        "m = 1\ndef double(x):\n    y = [m := z for z in x]\n    return m",
        "m = 2\ndef double(x):\n    y = [m := z for z in x]\n    return m",
    ),
    "for people who check types": (
        "def double(x): return x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os\ndef double(x): return x",
    ),
    "for the command line": (
        "def double(x): return x",
        "def double(x): return x\nif __name__ == '__main__':\n    print(double(1))",
    ),
    "order of definitions": ("X = 1\nY = 2\ndef double(x): return X", "Y = 2\ndef double(x): return X\nX = 1"),
}


@pytest.mark.parametrize("case", COUNTS)
def test_counts(package, case):
    write(package, "foundations/room2.py", "x = 5\n")
    before, after = room_with(package, *COUNTS[case])
    assert before != after


@pytest.mark.parametrize("case", COUNTS_NOT)
def test_does_not_count(package, case):
    before, after = room_with(package, *COUNTS_NOT[case])
    assert before == after


@pytest.mark.parametrize(
    "room",
    [
        "from course_lib.foundations.other import *\ndef double(x): return y",
        "from course_lib.foundations import other\ndef double(x): return getattr(other, 'y')",
        "import importlib\ndef double(x): return importlib.import_module('course_lib.foundations.other').y",
    ],
)
def test_where_names_cannot_be_followed_the_whole_module_counts(package, room):
    write(package, "foundations/room.py", room)
    write(package, "foundations/other.py", "y = 1\nz = 1\n")
    before = hashes(package)[0]
    write(package, "foundations/other.py", "y = 1\nz = 2\n")
    assert hashes(package)[0] != before


def test_definitions_that_name_each_other_come_to_an_end(package):
    before, after = room_with(
        package,
        "def double(x): return other(x - 1) if x else 1\ndef other(x): return double(x)",
        "def double(x): return other(x - 1) if x else 1\ndef other(x): return 2 * double(x)",
    )
    assert before != after


@pytest.mark.parametrize("named", ["Path(__file__).with_name('prose.txt')", "f'{x}/prose.txt'"])
def test_a_data_file_counts_by_its_bytes_where_it_is_named(package, named):
    write(package, "foundations/room.py", f"def double(x): return {named}\ndef aside(x): return 'other.txt'\n")
    write(package, "data/text/prose.txt", "one")
    write(package, "data/other.txt", "one")
    before = hashes(package)[0]
    write(package, "data/other.txt", "two")
    assert hashes(package)[0] == before
    write(package, "data/text/prose.txt", "two")
    assert hashes(package)[0] != before


# The real package, as a copy.

ATTENTION_FREE = {"C00", "C01", "C03"}
# tables of logits, and scores of pairs
ATTENTION_FREE |= {"C26", "C26b", "C26c", "C27c", "C28b", "C28d", "C29", "C29b", "C29d", "C30d", "C31b", "C31c"}
FUSED = {"C11", "C11b", "C11c", "C12", "C12b", "C13a", "C13b"}  # GPTs: torch's fused attention divides by itself


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The code of the course, to be changed at will."""
    real = Path(course_lib.__file__).parent
    root = tmp_path / "course_lib"
    shutil.copytree(real, root, ignore=shutil.ignore_patterns("__pycache__", "fonts", "weights"))
    monkeypatch.setattr(provenance, "ROOT", root)
    return root


def all_codes(root):
    real = Path(course_lib.__file__).parent
    return {name: provenance.code_hash(root / file.relative_to(real)) for name, file in experiment_files().items()}


def stale_after(root, name, old, new):
    before = all_codes(root)
    edit(root, name, old, new)
    return {claim_id for claim_id, code in all_codes(root).items() if code != before[claim_id]}


def test_a_new_function_in_a_room_makes_nothing_stale(copy):
    new = "def new_idea(q):\n    return attention_scores(q, q)\n\n\ndef attention_scores("
    assert stale_after(copy, "foundations/attention.py", "def attention_scores(", new) == set()


def test_another_text_of_an_error_makes_nothing_stale(copy):
    assert stale_after(copy, "foundations/attention.py", "must end in one and the same head width", "differ") == set()


def test_another_scale_makes_stale_exactly_what_scales_scores(copy):
    stale = stale_after(copy, "foundations/attention.py", "(d_head**-0.5 if", "(d_head**-0.25 if")
    assert stale == set(experiment_files()) - ATTENTION_FREE - FUSED


def test_all_experiments_are_hashed_in_less_than_three_seconds(copy):
    began = time.process_time()
    all_codes(copy)
    assert time.process_time() - began < 3
