"""An exercise as a reader sees it: task, difficulty, minutes, hints and solution folded away. Needs no kernel."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from course_lib.course.exercises.core import Exercise


@cache
def _markdown() -> MarkdownIt:
    # a formula between the signs that the MathJax of site, decks and JupyterLab knows
    def formula(content: str, options: dict) -> str:
        begin, end = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
        return f"{begin}{escape(content, quote=False)}{end}"

    return MarkdownIt("commonmark", {"breaks": True}).enable("table").use(dollarmath_plugin, renderer=formula)


def markdown_html(text: str) -> str:
    """Markdown as HTML; formulae stay as they are written."""
    return _markdown().render(text)


def render_html(exercise: Exercise, passed: bool = False) -> str:
    """The exercise as HTML; classes exercise, exercise-title, exercise-hint, exercise-solution, exercise-next."""
    mark = " · <b>✓ 已通过</b>" if passed else ""
    return (
        f'<div class="exercise tex2jax_process" id="exercise-{exercise.id}" '
        f'style="border:1px solid rgba(128,128,128,.45);border-radius:6px;padding:.4em 1em .6em;margin:1em 0">'
        f"{title_html(exercise, mark)}{task_html(exercise)}{choices_html(exercise)}{hints_html(exercise)}"
        f'<details class="exercise-solution"><summary>解答</summary>{solution_html(exercise)}</details>'
        f"{next_html(exercise, render_html)}</div>"
    )


def title_html(exercise: Exercise, mark: str = "") -> str:
    """The line with id, title, level and minutes; `mark` (HTML) stands at its end."""
    level = f'<span role="img" aria-label="难度 {exercise.level}，最高 3">{_dots(exercise)}</span>'
    title = f"练习 {exercise.id} {escape(exercise.title)}".rstrip()
    return f'<p class="exercise-title"><b>{title}</b> {level} · 约 {exercise.minutes} 分钟{mark}</p>'


def task_html(exercise: Exercise) -> str:
    """What is asked; for a repair with the program and its symptom."""
    task = markdown_html(exercise.task)
    if exercise.kind != "repair":
        return task
    symptom = markdown_html(f"**症状**：{exercise.symptom}")
    return f'{task}<div class="exercise-program">{_code(exercise.program)}</div>{symptom}'


def choices_html(exercise: Exercise) -> str:
    """The options of a choice as a list; nothing for other kinds."""
    options = [f"- {letter}. {says}" for letter, says in exercise.choices.items()]
    return markdown_html("\n".join(options)) if options else ""


def hints_html(exercise: Exercise) -> str:
    """The hints, each folded."""
    return "".join(
        f'<details class="exercise-hint"><summary>提示 {i}</summary>{markdown_html(hint)}</details>'
        for i, hint in enumerate(exercise.hints, 1)
    )


def next_html(exercise: Exercise, render: Callable[[Exercise], str]) -> str:
    """The follow-up, folded: it may give the answer away."""
    if not exercise.follow_up:
        return ""
    return f'<details class="exercise-next"><summary>做完了，接着想</summary>{render(exercise.follow_up)}</details>'


def render_text(exercise: Exercise) -> str:
    """The task in plain text; hints and solution are asked for by `hint` and `solution`."""
    head = f"练习 {exercise.id} {exercise.title}".rstrip() + f"  {_dots(exercise)}  约 {exercise.minutes} 分钟"
    asked = [head, exercise.task]
    if exercise.kind == "repair":
        asked += [exercise.program.strip(), f"症状：{exercise.symptom}"]
    asked += [f"{letter}. {says}" for letter, says in exercise.choices.items()]
    hints = f"hint({exercise.id!r}) 给提示，" if exercise.hints else ""
    return "\n".join([*asked, f"（{hints}solution({exercise.id!r}) 给解答）"])


def solution_html(exercise: Exercise) -> str:
    """The solution, highlighted by class names so that the page's theme colours it."""
    return f"{_code(solution_source(exercise))}{markdown_html(exercise.passes)}"


def solution_source(exercise: Exercise) -> str:
    """Python source of the solution with the helper functions of its file that it uses."""
    if not callable(exercise.solution):
        return f"answer = {exercise.solution!r}"
    parts = [_source(function) for function in _with_helpers(exercise.solution)]
    asked = re.search(r"^(?:def|class)\s+(\w+)", exercise.stub, re.MULTILINE)
    name = exercise.solution.__name__
    if asked and name == "<lambda>":
        parts[-1] = _lambda_as_function(asked[1], parts[-1])
    elif asked:
        parts = [re.sub(rf"\b{re.escape(name)}\b", asked[1], part) for part in parts]
    return "\n\n".join(parts)


def _lambda_as_function(name: str, source: str) -> str:
    node = ast.parse(source, mode="eval").body
    return f"def {name}({ast.unparse(node.args)}):\n    return {ast.unparse(node.body)}"


def _with_helpers(function: Callable, seen: set[str] | None = None) -> list[Callable]:
    seen = set() if seen is None else seen
    found = []
    names = function.__code__.co_names if inspect.isfunction(function) else ()
    for name in names:
        used = function.__globals__.get(name)
        if inspect.isfunction(used) and used.__module__ == function.__module__ and name not in seen:
            seen.add(name)
            found += _with_helpers(used, seen)
    return [*found, function]


def _source(function: Callable) -> str:
    if getattr(function, "__name__", "") != "<lambda>":
        return textwrap.dedent(inspect.getsource(function)).rstrip()
    text = Path(inspect.getsourcefile(function)).read_text(encoding="utf-8")
    wanted = list(inspect.signature(function).parameters)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Lambda) and node.lineno == function.__code__.co_firstlineno:
            segment = ast.get_source_segment(text, node)
            if [argument.arg for argument in node.args.args] == wanted:
                return segment
    return inspect.getsource(function).strip()


def _code(source: str) -> str:
    return highlight(source.strip(), PythonLexer(), HtmlFormatter(cssclass="highlight"))


def _dots(exercise: Exercise) -> str:
    return "●" * exercise.level + "○" * (3 - exercise.level)


class Shown:
    """Something to show in a notebook, as HTML and as text."""

    def __init__(self, html: str, text: str) -> None:
        self._html, self._text = html, text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        return {"text/html": self._html, "text/plain": self._text}
