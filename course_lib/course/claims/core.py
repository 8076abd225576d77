"""What a claim is: a statement of the course with an experiment that could come out the other way.

A claim's experiment is one file, `experiments/cNN_topic.py`, that ends in `CLAIM = Claim(...)`. `measure` looks at one
seed, `judge` reads the figures of all seeds and may say that the claim fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

OUTCOMES = {"holds": "成立", "fails": "不成立", "partly": "部分成立"}
SIGNIFICANT_DIGITS = 6


@dataclass(frozen=True)
class Verdict:
    """What the figures say: `outcome` is "holds", "fails" or "partly"; `sentence` is Chinese and names the numbers."""

    outcome: Literal["holds", "fails", "partly"]
    sentence: str

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise ValueError(f"outcome {self.outcome!r} is not one of {', '.join(OUTCOMES)}")


@dataclass(frozen=True, eq=False)
class Summary:
    """One figure over the seeds: `values[s]` is what seed number s measured, a number or an array of any shape."""

    values: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean over seeds, shape of one value."""
        return self.values.mean(axis=0)

    @property
    def std(self) -> np.ndarray:
        """Sample standard deviation over seeds (n - 1), zero where there is one seed."""
        if len(self.values) == 1:
            return np.zeros(self.values.shape[1:])
        same = np.ptp(self.values, axis=0) == 0
        return np.where(same, 0.0, self.values.std(axis=0, ddof=1))

    @property
    def n_seeds(self) -> int:
        return len(self.values)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement, the experiment that tests it, and what would refute it.

    `measure(seed, *, progress, **settings)` returns the figures of one seed: numbers, or (nested) lists of numbers of
    the same shape for every seed. It draws all its randomness from `seed`. `progress(iterable, label="")` wraps the
    long loop and shows a bar. `judge(figures)` gets a `Summary` by name and returns a `Verdict`; what it needs
    (thresholds too) stays inside the function, so that rewording a sentence asks for no new measurement.

    `quick` and `full` are the settings of the two forms; `quick_seeds` (default: `seeds`) lets the quick one look at
    fewer. `labels` names figures in Chinese, with units. `limits` says what the toy scale cannot show.
    """

    id: str
    chapter: str
    title: str
    statement: str
    question: str
    refuted_if: str
    seeds: tuple[int, ...]
    measure: Callable[..., Mapping[str, Any]]
    judge: Callable[[Mapping[str, Summary]], Verdict]
    quick: Mapping[str, Any]
    full: Mapping[str, Any]
    quick_seeds: tuple[int, ...] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    limits: str = ""

    def __post_init__(self) -> None:
        for name in ("seeds", "quick_seeds"):
            seeds = getattr(self, name)
            if seeds is not None and (not seeds or len(set(seeds)) != len(seeds)):
                raise ValueError(f"{self.id}: {name} {seeds} must be distinct and at least one")
        if set(self.quick) != set(self.full):
            raise ValueError(f"{self.id}: quick {sorted(self.quick)} and full {sorted(self.full)} differ in names")


def round_significant(x: Any, digits: int = SIGNIFICANT_DIGITS) -> np.ndarray:
    """Numbers rounded to `digits` significant digits, as float64."""
    x = np.asarray(x, dtype=np.float64)
    return np.vectorize(lambda number: float(f"{number:.{digits - 1}e}"), otypes=[np.float64])(x) if x.size else x


def rounded_figures(claim_id: str, seed: int, figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of one seed as plain lists and floats, 6 significant digits; refuses NaN, infinity and no numbers."""
    plain = {}
    for name, value in figures.items():
        try:
            value = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{claim_id}, seed {seed}: figure {name!r} is no number or array of them: {error}"
            ) from error
        if not np.isfinite(value).all():
            raise ValueError(f"{claim_id}, seed {seed}: figure {name!r} is not finite; measure something that is")
        plain[name] = round_significant(value).tolist()
    return plain


def summarise(per_seed: list[Mapping[str, Any]]) -> dict[str, Summary]:
    """Figures of each seed -> `Summary` by name. Every seed must have the same names and shapes."""
    names = [set(figures) for figures in per_seed]
    if any(each != names[0] for each in names):
        raise ValueError(f"seeds measured different figures: {[sorted(each) for each in names]}")
    for name in per_seed[0]:
        shapes = [np.shape(figures[name]) for figures in per_seed]
        if len(set(shapes)) > 1:
            raise ValueError(f"figure {name!r} has other shapes for other seeds: {shapes}")
    return {name: Summary(np.array([figures[name] for figures in per_seed], dtype=np.float64)) for name in per_seed[0]}
