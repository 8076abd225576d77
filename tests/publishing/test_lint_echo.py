"""An exercise's solution, or its twin, is found wherever the page shows it; a neighbour is not taken for it."""

import ast

import numpy as np
import pytest
from pair import code, markdown, notebook, shown, stream

from course_lib.course.exercises.core import Exercise, Mistake
from course_lib.publishing import lint_echo


def spread(x, scale):
    centred = x - x.mean()
    return (centred**2).mean() * scale


def longest(words):
    best = ""
    for word in words:
        if len(word) > len(best):
            best = word
    return best


def exercise(solution, **changes):
    given = {
        "id": "03-rope-1",
        "title": "题",
        "level": 1,
        "minutes": 5,
        "task": "求",
        "stub": "def asked(x): ...",
        "solution": solution,
        "mistakes": [Mistake(name, None, "错") for name in "abc"],
        "hints": ["想"],
        "passes": "对",
        "next": "再",
        "cases": (lambda rng: [(1,)]) if callable(solution) else None,
    }
    return Exercise(**given | changes)


def complaints(monkeypatch, solution, *cells):
    monkeypatch.setattr(lint_echo, "exercises_of", lambda number: [exercise(solution)])
    return list(lint_echo.echo(notebook(code('start("03")'), *cells)))


LOOP = """\
    def find(ws):
        b = ""
        for w in ws:
            if len(w) > len(b):
                b = w
        return b"""
TWINS = [
    (spread, code("def other(vs, k):\n    '''Doc.'''\n    c = vs - vs.mean()\n    return (c**2).mean() * k")),
    (spread, code("f = lambda t, s: ((t - t.mean()) ** 2).mean() * s")),
    (spread, code("print(((y - y.mean()) ** 2).mean() * 3, ((y - y.mean()) ** 2).mean() * k)")),
    (spread, markdown("```python\ndef a(b: float, c) -> float:\n    return ((b - b.mean())**2).mean() * c\n```")),
    (longest, code("show_source(room)", shown(text_markdown=f"`a`\n\n```python\nclass Room:\n{LOOP}\n```"))),
    (lambda x, y: (x @ y.T).softmax(-1), code("w = (q @ k.T).softmax(-1)")),
]  # fmt: skip


@pytest.mark.parametrize(("solution", "cell"), TWINS)
def test_a_twin_on_the_page_is_refused(monkeypatch, solution, cell):
    found = complaints(monkeypatch, solution, markdown("文"), cell)
    assert found and {at for at, _ in found} == {3} and "03-rope-1" in found[0][1]


NEIGHBOURS = [
    (spread, code("def other(values, k):\n    c = values - values.mean()\n    return (c**3).mean() * k")),
    (spread, code("def other(values, k):\n    return (values - values.mean()) * k")),
    (spread, code("print((x**2).mean() * scale)")),
    (spread, code("print(spread(x, 2))", stream("3.1234"))),
    (longest, code("class Room:\n" + LOOP.replace(">", "<"))),
    (lambda x: x.mean(), code("y = x.mean()\ndef f(x): return x.mean()")),
    (lambda x, y: (x @ y.T).softmax(-1), code("w = (q @ k.T).softmax(0)")),
]  # fmt: skip


@pytest.mark.parametrize(("solution", "cell"), NEIGHBOURS)
def test_a_neighbour_passes(monkeypatch, solution, cell):
    assert complaints(monkeypatch, solution, cell) == []


@pytest.mark.parametrize(
    ("value", "printed"),
    [(4096, "4096 字节"), (4096, "4,096 字节"), (0.84147, "约 0.8415。"), ("abab", "abab"), ([1, 2, 3], "[1, 2, 3]")],
)
def test_the_value_asked_for_is_not_printed_before(monkeypatch, value, printed):
    found = complaints(monkeypatch, value, code("f()", stream(printed)))
    assert found and found[0][0] == 2 and "printed" in found[0][1]


@pytest.mark.parametrize(
    ("value", "printed"),
    [(4096, "14096"), (4096, "4096.5"), (12, "12"), (0.5, "0.5"), (np.array([1, 2]), "[1, 2]"), (True, "True")],
)
def test_other_numbers_and_common_ones_pass(monkeypatch, value, printed):
    assert complaints(monkeypatch, value, code("f()", stream(printed))) == []


def test_the_box_of_the_exercise_itself_may_hold_its_solution(monkeypatch):
    box = code('exercise("03-rope-1")', shown(text_html="<details>4096</details>"))
    assert complaints(monkeypatch, 4096, box, code('answer = ...\ncheck("03-rope-1", answer)', stream("4096"))) == []


def test_each_exercise_counts(monkeypatch):
    asked = [exercise(spread), exercise(4096, id="03-rope-1-next")]
    monkeypatch.setattr(lint_echo, "exercises_of", lambda number: asked)
    found = list(lint_echo.echo(notebook(code('start("03")'), code("f()", stream("4096")))))
    assert "03-rope-1-next" in found[0][1]


def test_forms_of_code_that_does_nothing_are_none():
    assert lint_echo.forms(ast.parse("def f(x): ...\ndef g(x): return x\ny = x + 1")) == set()
