"""What an answer earns: rules that read its text, each with a weight, added up.

B answers
A rule is a function (answer, target) -> float. What data/world/rewards.py and data/real/poem_rules.py check is such a
rule, or becomes one by a line: `lambda answer, _: format_reward(answer)`. A rule may fail or say NaN; learning from
that would ruin a policy silently, so it is refused here, with the answer that did it.
Read first: nothing.  Chapters 20, 21, 23.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.foundations.checks import check_finite, check_texts

Rule = Callable[[str, Any], float]


@dataclass(frozen=True)
class Rewards:
    """rules: name -> (weight, rule). A negative weight punishes; with weight 0 a rule is measured and not learned."""

    rules: Mapping[str, tuple[float, Rule]]

    def __post_init__(self):
        if not self.rules:
            raise ValueError('there is no rule; give at least one, as in {"exact": (1.0, exact_match)}')
        for name, (weight, _) in self.rules.items():
            check_finite(f"the weight of {name}", weight)

    def __call__(
        self, answers: Sequence[str], targets: Sequence[Any]
    ) -> tuple[Float[Tensor, " B"], dict[str, Float[Tensor, " B"]]]:
        """Σ weight · rule(answer, target) of each answer, and what each rule said, without its weight.

        Raises ValueError for lists of different lengths and for what is no finite number; RuntimeError for a rule that
        failed, its own error as the cause.
        """
        check_texts("answers", answers)
        if len(answers) != len(targets):
            raise ValueError(f"{len(answers)} answers and {len(targets)} targets; repeat a prompt's target for each")
        said = {
            name: torch.tensor([self.ask(name, i, *pair) for i, pair in enumerate(zip(answers, targets))])
            for name in self.rules
        }
        return sum(weight * said[name] for name, (weight, _) in self.rules.items()), said

    def ask(self, name: str, i: int, answer: str, target: Any) -> float:
        """What one rule says of one answer."""
        try:
            found = self.rules[name][1](answer, target)
        except Exception as error:
            raise RuntimeError(f"the rule {name} failed at answer {i}, {answer!r:.80}: {error!r}; mend it") from error
        if isinstance(found, Tensor) and found.numel() == 1:
            found = found.item()
        if not isinstance(found, Real) or not math.isfinite(found):
            raise ValueError(f"the rule {name} says {found!r} of answer {i}, {answer!r:.80}; a finite number is needed")
        return float(found)
