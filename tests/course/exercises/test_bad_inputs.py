"""Answers that are strange, one line a case: the check says something, and never raises."""

import sys

import numpy as np
import pytest
import torch

from course_lib.course.exercises import Exercise, Mistake, check, exercise, hint, judge, registry, solution

MISTAKES = [Mistake(f"m{i}", value, f"错在 {i}。") for i, value in enumerate((-1.0, -2.0, -3.0))]
FIELDS = dict(
    title="平均", level=1, minutes=2, task="写。", stub="f = ...", hints=["先求和。"], passes="对。", next="中位数呢？"
)
VALUE = Exercise(id="98-mean-1", solution=2.5, mistakes=MISTAKES, **FIELDS)
MEAN = Exercise(
    id="98-mean-2",
    solution=lambda x: x.mean(-1),
    mistakes=[Mistake(each.name, lambda x, v=each.answer: v * x, each.says) for each in MISTAKES],
    cases=lambda rng: [(torch.from_numpy(rng.normal(size=size)),) for size in ((5, 3), (2, 3))],
    **FIELDS,
)


class Mute:
    def __repr__(self):
        raise RuntimeError("no words")


class Arrayless:
    def __array__(self, *args, **kwargs):
        return 1 / 0


class Wordless(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class Incomparable:
    def __eq__(self, other):
        raise RuntimeError("no")

    __hash__ = None


def raise_(error):
    raise error


VALUES = {
    "meta": lambda: torch.randn(2, 2).to("meta"),
    "one meta": lambda: torch.tensor(1.0).to("meta"),
    "sparse": lambda: torch.randn(2, 2).to_sparse(),
    "csr": lambda: torch.eye(2).to_sparse_csr(),
    "quantised": lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    "fp8": lambda: torch.ones(2).to(torch.float8_e4m3fn),
    "conjugate": lambda: torch.ones(2, dtype=torch.complex64).conj(),
    "nested": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
    "list with meta": lambda: [torch.ones(2).to("meta")] * 2,
    "list with sparse": lambda: [torch.ones(2).to_sparse()] * 2,
    "ragged": lambda: [[1, 2], [3]],
    "gradients in lists": lambda: [[torch.ones((), requires_grad=True)]],
    "mute": Mute,
    "list of mute": lambda: [Mute()],
    "no array": Arrayless,
    "incomparable": Incomparable,
    "itself": lambda: (x := [], x.append(x))[0],
    "nan": lambda: float("nan"),
    "huge": lambda: 10**400,
    "long text": lambda: "x" * 10**6,
    "objects": lambda: np.array([None, "a"], dtype=object),
    "dates": lambda: np.array(["2020-01-01"], dtype="datetime64[D]"),
    "generator": lambda: (i for i in range(3)),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_strange_value_is_wrong_and_is_said_so(value):
    assert judge(VALUE, value()).kind == "wrong"
    assert judge(MEAN, lambda x: value()).kind == "wrong"
    assert "还不对" in repr(judge(MEAN, lambda x: value()))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: sys.exit(3), "SystemExit: 3"),
        (lambda x: exit(), "SystemExit"),
        (lambda x: raise_(Wordless()), "Wordless"),
        (lambda x: raise_(MemoryError()), "MemoryError"),
        (lambda x: raise_(StopIteration()), "StopIteration"),
        (lambda x: (lambda f: f(f))(lambda f: f(f)), "RecursionError"),
        (lambda: 1, "f(x)"),
        (lambda x, *, y: 1, "f(x)"),
    ],
)  # fmt: skip
def test_what_an_answer_raises_is_told(answer, said):
    outcome = judge(MEAN, answer)
    assert outcome.kind == "error" and said in outcome.message


def test_the_readers_own_interrupt_is_no_answer():
    with pytest.raises(KeyboardInterrupt):
        judge(MEAN, lambda x: raise_(KeyboardInterrupt()))


def test_sparse_and_conjugate_answers_that_are_right_pass():
    assert judge(MEAN, lambda x: x.mean(-1).to_sparse()).passed
    turn = Exercise(**vars(MEAN) | {"solution": lambda x: torch.complex(x, -x)})
    assert judge(turn, lambda x: torch.complex(x, x).conj()).passed
    assert judge(turn, lambda x: torch.complex(x, x)).kind == "wrong"
    assert judge(MEAN, lambda x: torch.complex(x.mean(-1), x.mean(-1))).kind == "wrong"  # the real part alone is right


@pytest.mark.parametrize(
    ("dtype", "rounding", "wrong"),
    [
        (torch.float64, 1e-6, 1e-4),
        (torch.float32, 1e-5, 1e-3),
        (torch.float16, 3e-3, 5e-2),
        (torch.bfloat16, 1e-2, 2e-1),
    ],
)
def test_rounding_passes_and_a_wrong_factor_does_not(dtype, rounding, wrong):
    assert judge(MEAN, lambda x: (x.mean(-1) * (1 + rounding)).to(dtype)).passed
    assert judge(MEAN, lambda x: (x.mean(-1) * (1 + wrong)).to(dtype)).kind == "wrong"


@pytest.mark.parametrize("ask", [lambda i: check(i, 1), exercise, hint, solution])
@pytest.mark.parametrize("wrong", [3, None, "", "3", "rope", "03-rope-99", b"03-rope-1", ["03-rope-1"], 97.5])
def test_an_id_that_is_none_is_a_key_error_that_tells_what_to_write(ask, wrong):
    with pytest.raises(KeyError, match=r"没有练习.*03-rope-1"):
        ask(wrong)


@pytest.mark.parametrize("step", [0, -3, 99, "2", 1.5, None])
def test_any_step_gives_a_hint(step):
    assert "提示 " in repr(hint("03-rope-1", step))


@pytest.mark.parametrize(
    "answer", [float("nan"), torch.empty(0), {}, object(), np.float64(0), torch.ones(2).to("meta")]
)
def test_no_exercise_of_the_course_raises(answer):
    assert {judge(each, answer).kind for each in registry().values()} <= {"wrong", "error", "mistake"}
