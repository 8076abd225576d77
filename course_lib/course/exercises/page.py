"""An exercise on a page where nothing runs: values and choices are checked there, with the sentences of `check`.

All that the page's script (exercises.js) needs travels with the card, as base64 so that no answer stands on the page:
the right answer and the mistakes as numbers or texts, and what is said to each. The others are done in JupyterLab.
"""

import base64
import json
import re
from collections.abc import Set
from html import escape
from typing import Any

import numpy as np

from course_lib.course.exercises.compare import VALUE_TOLERANCE, as_array, plain_text
from course_lib.course.exercises.core import Exercise
from course_lib.course.exercises.judging import wrong_value
from course_lib.course.exercises.render import (
    choices_html,
    hints_html,
    markdown_html,
    next_html,
    solution_html,
    task_html,
    title_html,
)

RUN = "#run-this-chapter"  # the box of every chapter that says how to run it


def checked_in_page(exercise: Exercise) -> bool:
    """Whether the page itself can judge an answer."""
    return exercise.same is None and (exercise.kind == "choice" or _typed(exercise) is not None)


def page_html(exercise: Exercise) -> str:
    """The card of a page: with what its script needs, or with the way to JupyterLab."""
    here = checked_in_page(exercise)
    check = f' data-check="{_packed(_check(exercise))}"' if here else ""
    below = (
        f"<noscript><p>这道题在页面里检查，要打开 JavaScript；解答在笔记本里：<code>"
        f"{escape(f'solution({exercise.id!r})')}</code>。</p></noscript>"
        if here
        else f'<p class="exercise-lab"><a href="{RUN}">在 JupyterLab 里做这题</a></p>'
        f'<details class="exercise-solution"><summary>解答</summary>{solution_html(exercise)}</details>'
    )
    return (
        f'<div class="exercise tex2jax_process" id="exercise-{exercise.id}" data-kind="{exercise.kind}"{check}>'
        f"{title_html(exercise)}{task_html(exercise)}{choices_html(exercise)}{hints_html(exercise)}{below}"
        f"{next_html(exercise, page_html)}</div>"
    )


def _check(exercise: Exercise) -> dict:
    asked = f"再想一步：{exercise.next}" if exercise.next else ""
    return {
        "right": _wanted(exercise, exercise.solution),
        "mistakes": [
            {"wanted": wanted, "says": markdown_html(mistake.says)}
            for mistake in exercise.mistakes
            if (wanted := _wanted(exercise, mistake.answer)) is not None
        ],
        "tolerance": VALUE_TOLERANCE if exercise.tolerance is None else exercise.tolerance,
        "percent": exercise.percent,
        "wrong": wrong_value(exercise, "\0"),
        "passes": markdown_html(f"通过。{exercise.passes}\n{asked}"),
        "solution": solution_html(exercise),
    }


def _typed(exercise: Exercise) -> dict | None:
    return _wanted(exercise, exercise.solution) if exercise.kind == "value" else None


def _wanted(exercise: Exercise, value: Any) -> dict | None:
    """What a reader would have to type, or None for what is not typed into a line."""
    if exercise.kind == "choice":
        return {"letter": value}
    if isinstance(value, str):
        return {"text": plain_text(value)}
    if isinstance(value, list | tuple | Set) and value and all(isinstance(each, str) for each in value):
        texts = [plain_text(each) for each in value]
        if any(re.search(r"[\s,、;]", text) for text in texts):
            return None
        return {"texts": sorted(texts) if isinstance(value, Set) else texts, "sorted": isinstance(value, Set)}
    array = as_array(sorted(value) if isinstance(value, Set) else value)
    if array is None or array.ndim > 1 or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        return None
    numbers = {"whole": array.dtype.kind in "iu", "scalar": array.ndim == 0, "sorted": isinstance(value, Set)}
    return {"numbers": array.ravel().tolist(), **numbers}


def _packed(value: dict) -> str:
    return base64.b64encode(json.dumps(value, ensure_ascii=False).encode()).decode()
