"""What an exercise is: a task, a stub, a solution, and the mistakes that people really make.

A chapter's exercises.py ends in `EXERCISES = [...]`. A mistake is executable: a learner's answer that behaves
like it on every input gets the sentence that a tutor would say.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

ID = re.compile(r"(\d\d)-[a-z0-9]+(-[a-z0-9]+)*")
MIN_MISTAKES = 3
NEXT = "-next"  # the id of a follow-up: its question's, and this
LETTERS = "ABCDEFGH"


@dataclass(frozen=True)
class Mistake:
    """A usual wrong answer: `answer` is what it computes (function or value), `says` what a tutor says to it."""

    name: str
    answer: Any
    says: str


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """One question to the learner, of one of four kinds.

    value: `solution` is a number, text, tensor, list …; percent=True takes 0.026, 2.6 and "2.6%" for the same.
    choice: `choices` maps "A", "B", … to what they say, `solution` is a letter, each other letter is a mistake.
    write: `solution` is a function, run on cases(rng): argument tuples, fp64 where they are floats; some small, since
    the smallest that fails is shown.
    repair: as write; `program` is a short program with one bug that defines the function asked for, `symptom` what one
    sees of it. What it does is one of the mistakes. Without a stub, the learner mends the program itself.

    same(got, expected) -> bool replaces the numerical comparison; call(answer, *args) replaces `answer(*args)`, for
    answers that are classes or modules. tolerance: relative to the largest expected number; by default 1 % for a
    value, and by dtype for a function's results.
    follow_up: the next question, a value or choice of its own with id "…-next"; it needs no title, hints or next.
    Raises ValueError for what the checker could not work with.
    """

    id: str
    task: str
    solution: Any
    mistakes: Sequence[Mistake]
    passes: str
    title: str = ""
    level: int = 1
    minutes: int = 1
    kind: Literal["value", "choice", "write", "repair"] | None = None
    stub: str = ""
    hints: Sequence[str] = ()
    next: str = ""
    follow_up: "Exercise | None" = None
    choices: Mapping[str, str] = field(default_factory=dict)
    program: str = ""
    symptom: str = ""
    cases: Callable[[np.random.Generator], list[tuple]] | None = None
    same: Callable[[Any, Any], bool] | None = None
    call: Callable[..., Any] | None = None
    tolerance: float | None = None
    percent: bool = False

    def __post_init__(self) -> None:
        if not ID.fullmatch(self.id):
            raise ValueError(f"exercise id {self.id!r} should look like 03-rope-2: chapter, topic, number")
        if self.level not in (1, 2, 3):
            raise ValueError(f"{self.id}: level is {self.level}; choose 1, 2 or 3")
        if callable(self.solution) and self.cases is None:
            raise ValueError(f"{self.id}: the solution is a function; give cases(rng) to run it on")
        if self.kind is None:
            object.__setattr__(self, "kind", "write" if self.cases else "value")
        if not self.stub:
            object.__setattr__(self, "stub", self.program if self.kind == "repair" else "answer = ...")
        self._check_kind()
        self._check_mistakes()
        self._check_follow_up()

    @property
    def chapter(self) -> str:
        return self.id[:2]

    @property
    def follows(self) -> bool:
        """Whether this is another exercise's follow-up."""
        return self.id.endswith(NEXT)

    def _check_kind(self) -> None:
        if self.kind not in ("value", "choice", "write", "repair"):
            raise ValueError(f"{self.id}: kind is {self.kind!r}; choose value, choice, write or repair")
        if (self.cases is not None) != (self.kind in ("write", "repair")):
            raise ValueError(f"{self.id}: cases go with the kinds write and repair, and this is a {self.kind}")
        if {bool(self.program), bool(self.symptom)} != {self.kind == "repair"}:
            raise ValueError(f"{self.id}: program and symptom go with the kind repair, and this is a {self.kind}")
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError(f"{self.id}: choices go with the kind choice, and this is a {self.kind}")
        if self.kind == "choice" and (
            [*self.choices] != [*LETTERS[: len(self.choices)]] or self.solution not in self.choices
        ):
            raise ValueError(f"{self.id}: choices {[*self.choices]} should be A, B, … and hold {self.solution!r}")

    def _check_mistakes(self) -> None:
        names = [mistake.name for mistake in self.mistakes]
        least = 1 if self.follows else MIN_MISTAKES
        if self.kind == "choice":
            wrong, named = {*self.choices} - {self.solution}, [mistake.answer for mistake in self.mistakes]
            if sorted(named) != sorted(wrong):
                raise ValueError(f"{self.id}: mistakes for {named}; give one for each of {sorted(wrong)}")
            least = 1
        if len(names) < least or len(set(names)) != len(names):
            raise ValueError(f"{self.id}: {names} should be at least {least} mistakes with distinct names")

    def _check_follow_up(self) -> None:
        if self.follows:
            if self.kind not in ("value", "choice") or self.follow_up:
                raise ValueError(f"{self.id}: a follow-up is a value or a choice, and the last question")
            return
        if not (self.title and self.hints):
            raise ValueError(f"{self.id}: give a title and at least one hint")
        if not (self.next or self.follow_up):
            raise ValueError(f"{self.id}: give a follow_up that is checked, or at least next")
        if self.follow_up and self.follow_up.id != self.id + NEXT:
            raise ValueError(f"{self.id}: its follow-up is {self.follow_up.id}; call it {self.id + NEXT}")
