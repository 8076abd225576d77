"""The reader compares two texts at a time, and a Bradley–Terry model learns his taste as he clicks.

    live_preferences([str(poem) for poem in some])
    live_preferences(texts, scores=[1.0, 0.2, -0.5], rule="越押韵越好")

js/live_preferences.js fits in the page; `fit` here is the same by the course's loss.
K items
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor
from torch.autograd.functional import hessian

from course_lib.foundations.checks import check_finite
from course_lib.posttraining.checks import check_positive
from course_lib.posttraining.reward_model import bradley_terry
from course_lib.widgets.figure import CourseWidget, source
from course_lib.widgets.page_random import Numbers, random_numbers
from course_lib.widgets.style import COLORS, to_png, use_style

MAX_ITEMS = 12
STILL = 20  # choices of the rule in the still picture
Choice = tuple[int, int]  # winner, loser


class Fitted(NamedTuple):
    """scores add up to 0; covariance: of them, without what all have in common."""

    scores: Float[Tensor, " K"]
    covariance: Float[Tensor, "K K"]


class LivePreferences(CourseWidget):
    """Pairs of texts and the scores that explain the choices. See `live_preferences`."""

    module = "live_preferences"
    _esm = source("live_preferences")

    items = traitlets.List().tag(sync=True)
    scores = traitlets.List().tag(sync=True)  # the rule's, one an item
    rule = traitlets.Unicode().tag(sync=True)
    ridge = traitlets.Float().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)


def live_preferences(
    items: Sequence[str],
    scores: Sequence[float] | None = None,
    *,
    rule: str | None = None,
    ridge: float = 0.1,
    seed: int = 0,
    name: str = "preferences",
) -> LivePreferences:
    """items: 3 to 12 different texts, a line break where a line ends; scores: what 示范 chooses by, one an item, the
    chance of a choice being σ of their difference; rule: Chinese, what these scores reward. Without scores it rewards
    texts that repeat no character. ridge: pulls every score towards 0; seed: of the pairs, and of the rule's choices.

    Raises ValueError for another number of items, for two alike, for scores that do not fit them, and for a ridge that
    is not above 0.
    """
    K = len(items)
    if not 3 <= K <= MAX_ITEMS or len(set(items)) < K:
        raise ValueError(f"{K} items, {len(set(items))} of them different; give 3 to {MAX_ITEMS}, each once")
    if scores is not None and len(scores) != K:
        raise ValueError(f"{len(scores)} scores for {K} items; give one an item")
    check_positive("ridge", ridge)
    rule = rule or ("用字越不重复越好" if scores is None else "按给定的分数")
    worth = varied(items) if scores is None else [float(score) for score in scores]
    for i, score in enumerate(worth):
        check_finite(f"scores[{i}]", score)
    choices = demonstrated(worth, STILL, random_numbers(seed))
    fitted = fit(K, choices, ridge)
    first = [text.split("\n")[0].rstrip("，。") for text in items]
    told = "，".join(f"「{text}」{score:+.2f}" for text, score in zip(first, fitted.scores.tolist()))
    use_style()
    return LivePreferences(
        first_frame=to_png(plot_scores(fitted, worth, first), dpi=100),
        alt=(
            f"两个两个地比：{'、'.join(f'「{text}」' for text in first)}。示范的规则是“{rule}”，比了 {STILL} 次以后，"
            f"布拉德利–特里模型给的分数：{told}。"
        ),
        name=name,
        items=list(items),
        scores=worth,
        rule=rule,
        ridge=float(ridge),
        seed=seed,
    )


def varied(items: Sequence[str]) -> list[float]:
    """Share of the characters that are no repetition, as scores of mean 0 and spread 1.5; all 0 where all are alike."""
    words = [[character for character in text if character.isalnum()] or list(text) for text in items]
    shares = torch.tensor([len(set(each)) / len(each) for each in words], dtype=torch.float64)
    spread = float(shares.std(correction=0))
    return [0.0] * len(items) if spread < 1e-9 else (1.5 * (shares - shares.mean()) / spread).tolist()


def fit(K: int, choices: Sequence[Choice], ridge: float) -> Fitted:
    """The least of Σ -log σ(s_winner - s_loser) + ridge/2 Σ s², by Newton's steps; each half as long while it fails."""
    winners, losers = torch.tensor(choices, dtype=torch.long).view(-1, 2).T

    def lacks(s: Tensor) -> Tensor:
        told = len(choices) * bradley_terry(s[winners], s[losers]) if choices else s.sum() * 0
        return told + ridge / 2 * (s**2).sum()

    scores = torch.zeros(K, dtype=torch.float64)
    for _ in range(100):
        leaf = scores.clone().requires_grad_()
        (slope,) = torch.autograd.grad(lacks(leaf), leaf)
        move = torch.linalg.solve(hessian(lacks, scores), slope)
        size = 1.0
        while size > 1e-6 and lacks(scores - size * move) > lacks(scores):
            size /= 2
        scores = scores - size * move
        if float(move.abs().max()) < 1e-10:
            break
    return Fitted(scores, torch.linalg.inv(hessian(lacks, scores)) - 1 / (ridge * K))


def demonstrated(scores: Sequence[float], n: int, numbers: Numbers) -> list[Choice]:
    """n choices of the rule, between the pairs that the page asks for: those asked least often, in chance order."""
    found: list[Choice] = []
    pairs = list(combinations(range(len(scores)), 2))
    for _ in range(n):
        times = [sum(set(each) == set(pair) for each in found) for pair in pairs]
        still_open = [pair for pair, each in zip(pairs, times) if each == min(times)]
        i, j = still_open[int(next(numbers) * len(still_open))]
        left, right = (i, j) if next(numbers) < 0.5 else (j, i)
        prefers = float(torch.tensor(scores[left] - scores[right], dtype=torch.float64).sigmoid())
        found.append((left, right) if next(numbers) < prefers else (right, left))
    return found


def plot_scores(fitted: Fitted, worth: Sequence[float], names: Sequence[str]) -> Figure:
    """Scores as bars with one standard error, the rule's own scores as black marks."""
    figure, axes = plt.subplots(figsize=(7.2, 0.42 * len(names) + 1.4))
    errors = fitted.covariance.diagonal().clamp(min=0).sqrt().tolist()
    places = range(len(names))
    axes.barh(
        places, fitted.scores.tolist(), height=0.55, color=COLORS["Q"], xerr=errors, error_kw={"ecolor": COLORS["K"]}
    )
    centred = torch.tensor(worth, dtype=torch.float64)
    axes.plot(centred - centred.mean(), places, "|", color=COLORS["optimum"], markersize=14, markeredgewidth=3)
    axes.set_yticks(places, [f"{i + 1} {text}" for i, text in enumerate(names)])
    axes.invert_yaxis()
    axes.axvline(0, color=COLORS["muted"], linewidth=1)
    axes.set(xlabel="分数", title=f"示范 {STILL} 次以后的分数；黑线是规则的分数")
    return figure
