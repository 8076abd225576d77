"""The check: run the answer on several random inputs, smallest first, and say what it did.

An answer passes if it behaves like the solution, gets a tutor's sentence if it behaves like a known mistake, and else
sees the smallest input on which it fails.
"""

import contextlib
import copy
import inspect
import io
import linecache
import re
import textwrap
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch

import course_lib
from course_lib.course.exercises.compare import VALUE_TOLERANCE, agree, as_array, number_in, plain_text
from course_lib.course.exercises.core import Exercise

SEEDS = (0, 1, 2)
THRESHOLD = 48  # numbers that a message still shows in full
SIGNS = {
    "passed": ("✓", "#01A360"),
    "blank": ("○", "#6B6E72"),
    "mistake": ("✗", "#C46904"),
    "wrong": ("✗", "#C8102E"),
    "error": ("!", "#C8102E"),
}
ADVICE = {
    NameError: "这个名字还没有定义：检查拼写，或者先运行定义它的单元格。",
    IndexError: "下标越界：把各个形状打印出来看一看。",
    AttributeError: "这个对象没有这个属性或方法：检查拼写和类型。",
    SystemExit: "函数里不要退出程序：去掉 exit()。",
}


@dataclass(frozen=True)
class Outcome:
    """What a check found: kind is "passed", "blank", "mistake", "wrong" or "error". Shows as its message."""

    exercise_id: str
    kind: str
    message: str
    mistake: str | None = None

    @property
    def passed(self) -> bool:
        return self.kind == "passed"

    def __repr__(self) -> str:
        return f"{SIGNS[self.kind][0]} {self.message}"

    def _repr_html_(self) -> str:
        sign, colour = SIGNS[self.kind]
        first, *rest = self.message.split("\n")
        more = f'<pre style="margin:.3em 0;white-space:pre-wrap">{escape(chr(10).join(rest))}</pre>' if rest else ""
        return (
            f'<div class="check check-{self.kind}" role="status" style="border-left:4px solid {colour};'
            f'padding:.2em 0 .2em 1em;margin:.5em 0"><b>{sign}</b> {escape(first)}{more}</div>'
        )


@dataclass(frozen=True)
class Raised:
    """An answer that raised instead of returning."""

    error: Exception | SystemExit


def judge(exercise: Exercise, answer: Any) -> Outcome:
    """What to say to `answer`; never raises for what the answer does. Keeps no progress."""
    if _blank(answer):
        return Outcome(exercise.id, "blank", "还没有作答。把 ... 换成你的答案，再运行一次。")
    if exercise.kind == "choice":
        return _judge_choice(exercise, answer)
    if exercise.cases is None:
        return _judge_value(exercise, answer)
    if not callable(answer):
        return Outcome(
            exercise.id, "error", f"这道题要一个函数，收到的是 {_kind(answer)}。交函数本身：写名字，不加括号。"
        )
    return _judge_function(exercise, answer)


def all_cases(exercise: Exercise) -> list[tuple]:
    """Argument tuples of every seed, the smallest first."""
    cases = [case for seed in SEEDS for case in exercise.cases(np.random.default_rng(seed))]
    return sorted(cases, key=lambda case: sum(map(_size, case)))


def chosen(exercise: Exercise, answer: Any) -> str | None:
    """The letter that an answer to a choice means ("b", "B. …", or what B says), or None."""
    text = plain_text(answer) if isinstance(answer, str) else ""
    said = [letter for letter, says in exercise.choices.items() if plain_text(says) == text]
    begins = re.match(r"\(?([a-z])(?:$|[.、):])", text)
    letter = said[0] if said else begins[1].upper() if begins else None
    return letter if letter in exercise.choices else None


def same_value(exercise: Exercise, got: Any, expected: Any) -> bool:
    """Whether two answers to a question for a value say the same."""
    if exercise.same:
        return _safely(exercise.same, got, expected)
    tolerance = VALUE_TOLERANCE if exercise.tolerance is None else exercise.tolerance
    numbers, wanted = as_array(number_in(got) if isinstance(got, str) else got), as_array(expected)
    if numbers is not None and wanted is not None and wanted.ndim == 0 and numbers.size == 1:
        got = numbers.reshape(())
        if exercise.percent and _safely(lambda one, other: agree(one / 100, other, tolerance), got, expected):
            return True
    return _safely(lambda one, other: agree(one, other, tolerance), got, expected)


def _judge_choice(exercise: Exercise, answer: Any) -> Outcome:
    letter = chosen(exercise, answer)
    if letter is None:
        letters = "、".join(exercise.choices)
        return Outcome(exercise.id, "error", f'这道题要从 {letters} 里选一个，像 answer = "A" 这样写。')
    if letter == exercise.solution:
        return _passed(exercise)
    mistake = next(each for each in exercise.mistakes if each.answer == letter)
    return Outcome(exercise.id, "mistake", mistake.says, mistake.name)


def _judge_value(exercise: Exercise, answer: Any) -> Outcome:
    if inspect.isroutine(answer) or inspect.isclass(answer):
        return Outcome(exercise.id, "error", "这道题要一个值，收到的是函数。交计算的结果，不是函数本身。")
    if same_value(exercise, answer, exercise.solution):
        return _passed(exercise)
    for mistake in exercise.mistakes:
        if same_value(exercise, answer, mistake.answer):
            return Outcome(exercise.id, "mistake", mistake.says, mistake.name)
    remark = _shape_remark(answer, exercise.solution)
    return Outcome(exercise.id, "wrong", wrong_value(exercise, _written(answer), remark))


def wrong_value(exercise: Exercise, written: str, remark: str = "") -> str:
    """What to say to a wrong answer that is no known mistake."""
    return f"还不对。你的答案是 {written}。{remark}{'看看提示再试。' if exercise.hints else '再想一想。'}"


def _judge_function(exercise: Exercise, answer: Callable) -> Outcome:
    cases = all_cases(exercise)
    same = exercise.same or (lambda got, expected: agree(got, expected, exercise.tolerance))
    got = [_run(exercise, answer, case, quiet=i > 0) for i, case in enumerate(cases)]
    if _blank(got[0]):
        return Outcome(exercise.id, "blank", "还没有作答，或者忘了 return：函数返回的是 None 或 ...。")
    expected = [_run(exercise, exercise.solution, case) for case in cases]
    right = [_alike(same, one, other) for one, other in zip(got, expected)]
    if all(right):
        return _passed(exercise)
    for mistake in exercise.mistakes:
        as_mistaken = (_run(exercise, mistake.answer, case) for case in cases)
        if all(_alike(same, one, other) for one, other in zip(got, as_mistaken)):
            return Outcome(exercise.id, "mistake", mistake.says, mistake.name)
    at = right.index(False)
    if isinstance(got[at], Raised):
        return Outcome(exercise.id, "error", _error_message(exercise, got[at].error, cases[at]))
    return Outcome(exercise.id, "wrong", _counterexample(exercise, cases[at], got[at], expected[at], sum(right), cases))


def _passed(exercise: Exercise) -> Outcome:
    after = exercise.follow_up
    lines = [f"通过。{exercise.passes}"]
    if after:
        options = [f"{letter}. {says}" for letter, says in after.choices.items()]
        lines += [f"接着答：{after.task}", *options, f'check("{after.id}", 你的答案)']
    elif exercise.next:
        lines.append(f"再想一步：{exercise.next}")
    return Outcome(exercise.id, "passed", "\n".join(lines))


def _run(exercise: Exercise, answer: Callable, case: tuple, quiet: bool = True) -> Any:
    """The answer's result, or what it raised. Tries the arguments in fp64, then in fp32, then as numpy arrays."""
    call = exercise.call or (lambda function, *args: function(*args))
    raised = None
    for convert in (_copy, _single, _numpy):
        with contextlib.redirect_stdout(io.StringIO()) if quiet else contextlib.nullcontext():
            try:
                return call(answer, *map(convert, case))
            except NotImplementedError:
                return None
            except (Exception, SystemExit) as error:  # whatever the learner's code raises is part of the answer
                raised = raised or Raised(error)
    return raised


def _alike(same: Callable[[Any, Any], bool], one: Any, other: Any) -> bool:
    if isinstance(one, Raised) or isinstance(other, Raised):
        return isinstance(one, Raised) and isinstance(other, Raised) and type(one.error) is type(other.error)
    return _safely(same, one, other)


def _safely(same: Callable[[Any, Any], bool], one: Any, other: Any) -> bool:
    try:
        return bool(same(one, other))
    except Exception:  # an answer of a kind that cannot be compared is not the same
        return False


def _blank(answer: Any) -> bool:
    return answer is None or answer is Ellipsis or (isinstance(answer, str) and not answer.strip(" .…"))


def _size(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel()
    if isinstance(value, np.ndarray):
        return value.size
    return sum(map(_size, value)) if isinstance(value, list | tuple) else len(value) if isinstance(value, str) else 1


def _copy(value: Any) -> Any:
    if isinstance(value, torch.Generator):
        return value.clone_state()
    return value.clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)


def _single(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.dtype == torch.float64:
        return value.float()
    if isinstance(value, torch.nn.Module):
        return copy.deepcopy(value).float()
    return _copy(value)


def _numpy(value: Any) -> Any:
    return value.detach().numpy().copy() if isinstance(value, torch.Tensor) else _copy(value)


def _counterexample(exercise: Exercise, case: tuple, got: Any, expected: Any, n_right: int, cases: list) -> str:
    lines = [f"还不对：{len(cases)} 组输入里对了 {n_right} 组。{_shape_remark(got, expected)}最小的反例："]
    lines += _arguments(exercise, case)
    lines += [f"应得到 {_written(expected)}", f"你得到 {_written(got)}"]
    numbers, wanted = as_array(got), as_array(expected)
    if numbers is not None and wanted is not None and numbers.shape == wanted.shape and wanted.dtype.kind in "fc":
        lines.append(f"最大差 {np.nanmax(np.abs(numbers - wanted)):.3g}" if wanted.size else "")
    return "\n".join(filter(None, lines))


def _error_message(exercise: Exercise, error: Exception | SystemExit, case: tuple) -> str:
    told = _said(error, str)
    lines = [f"运行时出错：{type(error).__name__}: {told}"]
    where = _own_line(error)
    if where:
        lines.append(where)
    advice = next((text for kind, text in ADVICE.items() if isinstance(error, kind)), None)
    if isinstance(error, TypeError) and "argument" in told:
        advice = f"参数与题目不同：检查会这样调用 f({', '.join(_names(exercise, case))})。"
    lines += [advice] if advice else []
    return "\n".join([*lines, "输入：", *_arguments(exercise, case)])


def _own_line(error: Exception | SystemExit) -> str | None:
    """The last line of the learner's own code on the way to the error."""
    own = Path(course_lib.__file__).parent
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if own not in file.parents and "site-packages" not in file.parts and frame.lineno:
            code = (frame.line or linecache.getline(frame.filename, frame.lineno)).strip()
            return f"在你的代码第 {frame.lineno} 行：{code}" if code else None
    return None


def _arguments(exercise: Exercise, case: tuple) -> list[str]:
    return [textwrap.indent(f"{name} = {_as_code(value)}", "  ") for name, value in zip(_names(exercise, case), case)]


def _names(exercise: Exercise, case: tuple) -> list[str]:
    names = [] if inspect.isclass(exercise.solution) else list(inspect.signature(exercise.solution).parameters)
    return names if len(names) == len(case) else [f"参数{i + 1}" for i in range(len(case))]


def _as_code(value: Any) -> str:
    """The value as a line that can be run again, where it is small."""
    array = as_array(value)
    if array is None or array.ndim == 0 or array.size > THRESHOLD or not isinstance(value, torch.Tensor | np.ndarray):
        return _written(value)
    make = "torch.tensor" if isinstance(value, torch.Tensor) else "np.array"
    numbers = re.sub(r"\b(inf|nan)\b", r"torch.\1", np.array2string(array, precision=4, separator=", "))
    return f"{make}({numbers})  # 形状 {list(array.shape)}"


def _written(value: Any) -> str:
    array = as_array(value)
    if array is None or array.ndim == 0:
        number = array.item() if isinstance(value, torch.Tensor | np.generic) and array is not None else value
        text = f"{number:.6g}" if isinstance(number, float) else _said(number, repr)
        return text if len(text) <= 400 else text[:400] + "…"
    text = np.array2string(array, precision=4, suppress_small=True, threshold=THRESHOLD, edgeitems=3, separator=", ")
    return f"{text}，形状 {list(array.shape)}"


def _said(value: Any, say: Callable[[Any], str]) -> str:
    try:
        return say(value)
    except Exception:  # what the learner's own class says of itself may fail, too
        return f"（{type(value).__name__}，它的 {say.__name__}() 出错）"


def _shape_remark(got: Any, expected: Any) -> str:
    numbers, wanted = as_array(number_in(got) if isinstance(got, str) else got), as_array(expected)
    if wanted is not None and numbers is None:
        return f"要的是数，你给的是 {_kind(got)}。"
    if numbers is None or wanted is None or numbers.shape == wanted.shape:
        return ""
    return f"形状应是 {list(wanted.shape)}，你的是 {list(numbers.shape)}。"


def _kind(value: Any) -> str:
    return {
        "str": "文字",
        "list": "列表",
        "tuple": "元组",
        "dict": "字典",
        "set": "集合",
        "Tensor": "张量",
        "ndarray": "数组",
    }.get(type(value).__name__, "一个数" if as_array(value) is not None else type(value).__name__)
