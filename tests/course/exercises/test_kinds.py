"""Values, choices, repairs and follow-ups: what is accepted where it says the same, and what the card shows."""

from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sample_exercises import NEXT, REPAIR, SHARE, VALUE

from course_lib import chapter_files
from course_lib.course.exercises import Exercise, Mistake, check, exercise, hint, judge, registry, solution
from course_lib.course.exercises.render import render_html, render_text


def changed(exercise, **changes):
    return Exercise(**vars(exercise) | changes)


@pytest.fixture
def chapter_98(monkeypatch):
    module = SimpleNamespace(EXERCISES=[VALUE, SHARE, REPAIR])
    monkeypatch.setattr(chapter_files, "having", lambda _: {"98": None})
    monkeypatch.setattr(chapter_files, "load", lambda _: module)


@pytest.mark.parametrize(
    "answer",
    [
        3,
        3.0,
        "3",
        " ３ ",
        Fraction(9, 3),
        Decimal(3),
        np.float32(3),
        np.array([3.0]),
        torch.tensor(3),
        [3],
        "6/2",
        2.99,
    ],
)
def test_a_value_is_taken_in_every_form_that_says_it(answer):
    assert judge(VALUE, answer).passed


@pytest.mark.parametrize("answer", [0.026, 2.6, "2.6%", "2.6 ％", "0.026", "26/1000", Fraction(13, 500), "2.6"])
def test_a_share_is_taken_as_percent_too(answer):
    assert judge(SHARE, answer).passed


def test_percent_holds_for_mistakes_and_only_where_it_is_asked_for():
    assert judge(SHARE, 97.4).mistake == judge(SHARE, "97.4%").mistake == "others"
    assert judge(changed(SHARE, percent=False), 2.6).kind == "wrong"
    assert judge(changed(SHARE, percent=False), "2.6%").passed


@pytest.mark.parametrize(
    "wanted, same, other",
    [
        ({1, 2, 3}, torch.tensor([3, 1, 2]), torch.tensor([3, 1])),
        ({1, 2, 3}, np.array([3, 2, 1]), [1, 2, 4]),
        ([1, 2], (1, 2), {1, 2}),
        ([0.5, 0.25], [Fraction(1, 2), Fraction(1, 4)], [Fraction(1, 2), Fraction(1, 3)]),
        (["猫", "狗"], np.array(["猫", "狗"]), np.array(["狗", "猫"])),
        (1024, "1,024", "1.024"),
    ],
)
def test_containers_that_say_the_same_pass(wanted, same, other):
    question = changed(VALUE, solution=wanted)
    assert judge(question, same).passed
    assert not judge(question, other).passed


@pytest.mark.parametrize("answer", ["B", "b", " Ｂ ", "B.", "B、加 3", "(b)", "加 3"])
def test_a_choice_is_its_letter_or_what_it_says(answer):
    assert judge(NEXT, answer).passed


def test_every_other_choice_is_a_mistake_with_its_own_sentence():
    assert [(judge(NEXT, letter).mistake, judge(NEXT, letter).message) for letter in "AC"] == [
        (mistake.name, mistake.says) for mistake in NEXT.mistakes
    ]


@pytest.mark.parametrize("answer", ["D", "banana", "B 或 C", 2, ["B"], True])
def test_what_is_no_choice_is_told_how_to_answer(answer):
    outcome = judge(NEXT, answer)
    assert outcome.kind == "error" and "A、B、C" in outcome.message


def test_a_repair_shows_its_program_and_symptom_and_knows_the_program_as_a_mistake():
    names = {"torch": torch}
    exec(REPAIR.program, names)
    assert judge(REPAIR, names["centred"]).mistake == "unchanged"
    assert judge(REPAIR, REPAIR.solution).passed
    assert REPAIR.stub == REPAIR.program
    assert REPAIR.program.strip() in render_text(REPAIR) and REPAIR.symptom in render_text(REPAIR)
    html = render_html(REPAIR)
    assert "keepdim" in html.split("症状")[0] and "centred(x).mean(0)" in html.split("症状")[1]


def test_a_counterexample_can_be_run_again():
    outcome = judge(REPAIR, lambda x: x - 1)
    lines = outcome.message.split("应得到")[0].split("反例：\n")[1]
    names = {"torch": torch}
    exec("\n".join(line[2:] for line in lines.split("\n")), names)
    x = names["x"]
    assert x.shape == (2, 3) and not torch.allclose(REPAIR.solution(x), x - 1)


def test_a_follow_up_is_found_checked_and_remembered_by_its_id(chapter_98):
    assert [*registry()] == ["98-mean-1", "98-mean-1-next", "98-mean-2", "98-mean-3"]
    passed = check("98-mean-1", 3)
    assert NEXT.task in passed.message and "B. 加 3" in passed.message and "98-mean-1-next" in passed.message
    assert check("98-mean-1-next", "b").message == "通过。平均跟着平移。"
    assert "✓" in exercise("98-mean-1-next")._repr_html_()
    assert "没有提示" in repr(hint("98-mean-1-next")) and "'B'" in repr(solution("98-mean-1-next"))


def test_the_card_holds_the_choices_and_the_follow_up_folded():
    html = render_html(VALUE)
    folded = html.split('<details class="exercise-next">')[1]
    assert 'id="exercise-98-mean-1-next"' in folded and "<li>B. 加 3</li>" in folded
    assert "加 3" not in html.split('<details class="exercise-next">')[0]
    assert "B. 加 3" in render_text(NEXT) and "hint(" not in render_text(NEXT)


@pytest.mark.parametrize(
    "base, changes, complaint",
    [
        (VALUE, {"kind": "puzzle"}, "choose value"),
        (VALUE, {"kind": "write"}, "cases go with"),
        (VALUE, {"title": ""}, "title"),
        (VALUE, {"follow_up": None}, "follow_up"),
        (VALUE, {"follow_up": changed(NEXT, id="98-mean-2-next")}, "98-mean-1-next"),
        (VALUE, {"follow_up": changed(VALUE, follow_up=None, next="?")}, "98-mean-1-next"),
        (VALUE, {"choices": {"A": "x", "B": "y"}}, "choices go with"),
        (VALUE, {"program": "x"}, "program and symptom"),
        (REPAIR, {"symptom": ""}, "program and symptom"),
        (NEXT, {"solution": "D"}, "'D'"),
        (NEXT, {"choices": {"A": "x", "C": "y"}, "solution": "A"}, "A, B"),
        (NEXT, {"mistakes": NEXT.mistakes[:1]}, "one for each"),
        (NEXT, {"mistakes": [*NEXT.mistakes, Mistake("right", "B", "?")]}, "one for each"),
        (NEXT, {"kind": "value", "choices": {}, "mistakes": []}, "at least 1"),
    ],
)  # fmt: skip
def test_a_malformed_exercise_says_what_to_mend(base, changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        changed(base, **changes)
