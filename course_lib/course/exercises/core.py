"""What an exercise is: a task, a stub, a solution, and the mistakes that people really make.

A chapter's exercises.py ends in `EXERCISES = [...]`. A mistake is executable: a learner's answer that behaves
like it on every input gets the sentence that a tutor would say.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ID = re.compile(r"(\d\d)-[a-z0-9]+(-[a-z0-9]+)*")
MIN_MISTAKES = 3


@dataclass(frozen=True)
class Mistake:
    """A usual wrong answer: `answer` is what it computes (function or value), `says` what a tutor says to it."""

    name: str
    answer: Any
    says: str


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One question to the learner.

    solution: a function where `cases` is given, else a value (number, text, tensor, list …).
    cases(rng) gives argument tuples, fp64 where they are floats; some small, since the smallest that fails is shown.
    same(got, expected) -> bool replaces the numerical comparison; call(answer, *args) replaces `answer(*args)`, for
    answers that are classes or modules. tolerance: relative to the largest expected number; by default 1 % for a
    value, and by dtype for a function's results.
    Raises ValueError for what the checker could not work with.
    """

    id: str
    title: str
    level: int
    minutes: int
    task: str
    stub: str
    solution: Any
    mistakes: Sequence[Mistake]
    hints: Sequence[str]
    passes: str
    next: str
    cases: Callable[[np.random.Generator], list[tuple]] | None = None
    same: Callable[[Any, Any], bool] | None = None
    call: Callable[..., Any] | None = None
    tolerance: float | None = field(default=None)

    def __post_init__(self) -> None:
        if not ID.fullmatch(self.id):
            raise ValueError(f"exercise id {self.id!r} should look like 03-rope-2: chapter, topic, number")
        if self.level not in (1, 2, 3):
            raise ValueError(f"{self.id}: level is {self.level}; choose 1, 2 or 3")
        names = [mistake.name for mistake in self.mistakes]
        if len(names) < MIN_MISTAKES or len(set(names)) != len(names):
            raise ValueError(f"{self.id}: {names} should be at least {MIN_MISTAKES} mistakes with distinct names")
        if callable(self.solution) and self.cases is None:
            raise ValueError(f"{self.id}: the solution is a function; give cases(rng) to run it on")
        if not self.hints:
            raise ValueError(f"{self.id}: give at least one hint")

    @property
    def chapter(self) -> str:
        return self.id[:2]
