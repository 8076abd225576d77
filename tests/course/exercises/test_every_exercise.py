"""What holds for every exercise of the course, follow-ups too: solution, blank, and each usual mistake.

That each mistake is named by its own name means that the cases tell all mistakes apart, and from the solution.
"""

import ast

import numpy as np
import pytest
import torch

from course_lib.course.exercises import judge, registry
from course_lib.course.exercises.core import MIN_MISTAKES
from course_lib.course.exercises.judging import all_cases
from course_lib.course.exercises.render import render_html, render_text, solution_source

EXERCISES = registry()
FUNCTIONS = {id: exercise for id, exercise in EXERCISES.items() if exercise.cases and not exercise.call}
REPAIRS = {id: exercise for id, exercise in EXERCISES.items() if exercise.kind == "repair"}
MISTAKES = [(exercise, mistake) for exercise in EXERCISES.values() for mistake in exercise.mistakes]
each = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
each_function = pytest.mark.parametrize("exercise", FUNCTIONS.values(), ids=FUNCTIONS)


def stub_answer(exercise):
    """What the learner hands in who runs the stub as it stands."""
    return last_bound(exercise.stub)


def last_bound(program):
    """The value of the last name that a program binds."""
    names = {"torch": torch, "np": np}
    exec(program, names)
    last = ast.parse(program).body[-1]
    return names[last.name if hasattr(last, "name") else last.targets[0].id]


def in_precision(function, dtype):
    def convert(value):
        return value.to(dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value

    def answer(*args):
        result = function(*map(convert, args))
        return tuple(map(convert, result)) if isinstance(result, tuple) else convert(result)

    return answer


def test_the_course_has_exercises():
    assert "03-rope-2" in EXERCISES


@each
def test_the_solution_passes_and_says_what_it_showed(exercise):
    outcome = judge(exercise, exercise.solution)
    assert outcome.passed
    assert exercise.passes in outcome.message and exercise.next in outcome.message


@each_function
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["fp32", "fp64"])
def test_the_solution_passes_in_either_precision(exercise, dtype):
    assert judge(exercise, in_precision(exercise.solution, dtype)).passed


@pytest.mark.parametrize("exercise", REPAIRS.values(), ids=REPAIRS)
def test_the_program_to_be_repaired_makes_one_of_the_named_mistakes(exercise):
    assert judge(exercise, last_bound(exercise.program)).kind == "mistake"


@each
def test_the_blank_fails_gently(exercise):
    outcome = judge(exercise, stub_answer(exercise))
    if exercise.stub == exercise.program:
        assert outcome.kind == "mistake"
        return
    assert outcome.kind == "blank"
    assert "还没有作答" in repr(outcome)


@pytest.mark.parametrize("exercise, mistake", MISTAKES, ids=[f"{one.id}-{other.name}" for one, other in MISTAKES])
def test_each_mistake_is_named_with_its_own_hint(exercise, mistake):
    outcome = judge(exercise, mistake.answer)
    assert (outcome.kind, outcome.mistake, outcome.message) == ("mistake", mistake.name, mistake.says)


@each
def test_mistakes_are_several_and_have_different_sentences(exercise):
    sentences = {mistake.says for mistake in exercise.mistakes}
    least = 1 if exercise.follows or exercise.kind == "choice" else MIN_MISTAKES
    assert len(sentences) == len(exercise.mistakes) >= least


@each_function
def test_inputs_are_random_and_the_smallest_comes_first(exercise):
    cases = all_cases(exercise)
    assert len(cases) >= 3
    assert len({repr(case) for case in cases}) > 1


@each_function
def test_an_answer_that_raises_is_told_where(exercise):
    def broken(*args):
        return args[0].no_such_attribute

    outcome = judge(exercise, broken)
    assert outcome.kind == "error"
    assert "no_such_attribute" in outcome.message and "第" in outcome.message


@each
def test_the_box_holds_task_hints_and_the_solution_folded(exercise):
    html = render_html(exercise)
    html, _, _ = html.partition('<details class="exercise-next">')
    assert html.count('<details class="exercise-hint"') == len(exercise.hints)
    assert '<details class="exercise-solution"><summary>解答' in html
    assert exercise.title in html and exercise.title in render_text(exercise)
    assert exercise.kind == "choice" or solution_source(exercise) not in render_text(exercise)


@each
def test_the_shown_solution_is_python(exercise):
    ast.parse(solution_source(exercise))
