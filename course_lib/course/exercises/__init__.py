"""Exercises that know the mistake: check("03-rope-2", my_rope).

    exercise("03-rope-2")         # the task, with folded hints and solution
    check("03-rope-2", answer)    # passed, a known mistake by name, or the smallest input on which it fails
    check("03-rope-2-next", "B")  # its follow-up
    hint("03-rope-2")             # the next hint; solution("03-rope-2") when it is time
    progress()                    # what has been passed so far

Ids and files: exercises.py of chapter NN holds the exercises NN-….
"""

import os
from html import escape
from typing import Any

from course_lib.course.exercises import kept as _kept
from course_lib.course.exercises.core import Exercise, Mistake
from course_lib.course.exercises.judging import Outcome, judge
from course_lib.course.exercises.registry import chapters, exercises_of, get_exercise, registry
from course_lib.course.exercises.render import Shown, render_html, render_text, solution_html, solution_source

__all__ = [
    "Exercise",
    "Mistake",
    "Outcome",
    "check",
    "exercise",
    "exercises_of",
    "get_exercise",
    "hint",
    "judge",
    "progress",
    "registry",
    "solution",
]

NO_HINT = "这一问没有提示：答案能从刚做完的那道题推出来。"


def exercise(exercise_id: str) -> Shown:
    """The exercise as a box: task, difficulty, minutes, folded hints and solution.

    Raises KeyError for an unknown id.
    """
    found = get_exercise(exercise_id)
    passed = bool(_known().get(exercise_id, {}).get("passed"))
    return Shown(render_html(found, passed), render_text(found))


def check(exercise_id: str, answer: Any) -> Outcome:
    """Judge an answer by what it does, remember the result, and say it in Chinese.

    Never raises for what the answer is or does; raises KeyError for an unknown id.
    """
    outcome = judge(get_exercise(exercise_id), answer)
    if outcome.kind == "blank" or _publishing():
        return outcome
    unsaved = _remember(exercise_id, tries=1, passed=outcome.passed)
    return Outcome(exercise_id, outcome.kind, outcome.message + unsaved, outcome.mistake)


def hint(exercise_id: str, step: int | None = None) -> Shown:
    """The next hint, or hint number `step` (from 1). The last one repeats. Raises KeyError for an unknown id."""
    found = get_exercise(exercise_id)
    given = int(step) if step is not None else _known().get(exercise_id, {}).get("hints", 0) + 1
    if not found.hints:
        return Shown(f'<div class="exercise-hint">{NO_HINT}</div>', NO_HINT)
    given = min(max(given, 1), len(found.hints))
    unsaved = "" if _publishing() else _remember(exercise_id, hints=given)
    text = f"提示 {given}/{len(found.hints)}：{found.hints[given - 1]}{unsaved}"
    return Shown(f'<div class="exercise-hint"><b>💡</b> {escape(text)}</div>', text)


def solution(exercise_id: str) -> Shown:
    """The solution's source. Raises KeyError for an unknown id."""
    found = get_exercise(exercise_id)
    return Shown(solution_html(found), solution_source(found))


def progress() -> Shown:
    """What has been passed, chapter by chapter."""
    known = _known()
    lines = []
    for chapter in chapters():
        marks = [(each, bool(known.get(each.id, {}).get("passed"))) for each in exercises_of(chapter)]
        lines.append(f"第 {chapter} 章  通过 {sum(passed for _, passed in marks)} / {len(marks)}")
        lines += [f"  {'✓' if passed else '○'} {each.id} {each.title}" for each, passed in marks]
    text = "\n".join(lines) or "还没有练习。"
    return Shown(f'<pre class="exercise-progress">{escape(text)}</pre>', text)


def _publishing() -> bool:
    return os.environ.get("COURSE_PUBLISH") == "1"


def _known() -> dict[str, dict[str, Any]]:
    try:
        return {} if _publishing() else _kept.load()
    except OSError:  # what cannot be read is told where it cannot be written
        return {}


def _remember(exercise_id: str, **what: Any) -> str:
    """What to tell the learner if it could not be kept."""
    try:
        _kept.remember(exercise_id, **what)
    except OSError as error:
        return f"\n（进度没能保存：{error}）"
    return ""
