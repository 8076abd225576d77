"""Figures of chapter 21: where the clip takes the gradient away, what a critic learns, memory by model.

M tokens · S states.  Numbers in, Figure out.
"""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.widgets.style import CMAPS, COLORS

KINDS = ("权重", "梯度", "Adam", "激活")
TINTS = ("Q", "V", "K", "image")
FARTHEST, HIGHEST = 2.5, 3.2  # of the plane of ratios and advantages


def plot_clip(ratios: Float[np.ndarray, " M"], advantages: Float[np.ndarray, " M"], clip: float) -> Figure:
    """Left the plane of ratio and advantage, tinted by what the gradient does there, grey where none is left; a dot a
    token, red where none is left, blue elsewhere. Right the objective over the ratio, for advantages of 1 and of -1.
    Dots outside are set on the edge."""
    figure, (axis, beside) = plt.subplots(1, 2, figsize=(7.8, 3.9), width_ratios=[1.35, 1])
    stopped = is_stopped(ratios, advantages, clip)
    low, high = max(0.0, 1 - clip), min(FARTHEST, 1 + clip)
    for left, right, up, colour, says in (  # what the gradient does there
        (0, high, 1, COLORS["assistant"], "往上推"),
        (high, FARTHEST, 1, COLORS["grid"], "不推了"),
        (0, low, -1, COLORS["grid"], "不压了"),
        (low, FARTHEST, -1, COLORS["user"], "往下压"),
    ):
        if right > left:
            box = plt.Rectangle((left, min(0, up * HIGHEST)), right - left, HIGHEST, facecolor=colour, alpha=0.6, lw=0)
            axis.add_patch(box)
            axis.text((left + right) / 2, up * 0.92 * HIGHEST, says, ha="center", va="center", fontsize=12)
    for which, colour, name in ((~stopped, "Q", "还有梯度"), (stopped, "bad", "没有梯度了")):
        axis.plot(
            ratios[which].clip(0, FARTHEST), advantages[which].clip(-HIGHEST, HIGHEST),
            "o", ms=4.5, mew=0, alpha=0.6, color=COLORS[colour], label=f"{name} {which.mean():.0%}",
        )  # fmt: skip
    axis.axhline(0, color=COLORS["muted"], lw=1)
    axis.axvline(1, color=COLORS["muted"], lw=1, ls=":")
    axis.set(xlim=(-0.05, FARTHEST + 0.05), ylim=(-HIGHEST, HIGHEST), xlabel="比值 π / π_old", ylabel="优势 A")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=11, handletextpad=0.1)
    at = np.linspace(0, 2, 401)
    held = at.clip(1 - clip, 1 + clip)
    for sign, colour in ((1, "V"), (-1, "K")):
        beside.plot(at, np.minimum(sign * at, sign * held), color=COLORS[colour], label=f"A = {sign}".replace("-", "−"))
    beside.plot([1, 1], [1, -1], "o", color=COLORS["ink"], ms=5)
    beside.axhline(0, color=COLORS["muted"], lw=1)
    beside.set(xlim=(0, 2), ylim=(-2.1, 2.1), xlabel="比值", ylabel="目标，越大越好")
    beside.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=11)
    return figure


def is_stopped(ratios: np.ndarray, advantages: np.ndarray, clip: float) -> np.ndarray:
    """Which tokens the clip leaves without a gradient."""
    return ((advantages > 0) & (ratios > 1 + clip)) | ((advantages < 0) & (ratios < 1 - clip))


def plot_critic(
    exact: Float[np.ndarray, " S"], said: Float[np.ndarray, " S"], visits: Float[np.ndarray, " S"], *, limit: float
) -> Figure:
    """What the critic says of each state against its exact value; the larger a dot, the more often one comes there."""
    figure, axis = plt.subplots(figsize=(6.2, 4.0))
    axis.plot([-1, limit], [-1, limit], color=COLORS["optimum"], ls="--", lw=1.4, label="说得全对")
    axis.scatter(exact, said, s=12 + 500 * visits, color=COLORS["Q"], alpha=0.55, lw=0, label="一个开头")
    axis.set(xlim=(-0.6, limit), ylim=(-0.6, limit), aspect="equal", xlabel="真的 V(s)，列出来算", ylabel="评论家说的")
    axis.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=11.5)
    return figure


def plot_memory(rows: Mapping[str, Sequence[float]], *, unit: str, limit: float | None = None) -> Figure:
    """A bar a model, from left to right its KINDS. limit: of the scale, so that bars of two figures compare."""
    figure, axis = plt.subplots(figsize=(7.6, 0.9 + 0.62 * len(rows)))
    table = np.array([*rows.values()], dtype=float)
    before = np.zeros(len(rows))
    places = np.arange(len(rows))[::-1]
    for kind, tint, column in zip(KINDS, TINTS, table.T):
        axis.barh(places, column, 0.66, left=before, color=COLORS[tint], label=kind)
        before += column
    for place, total in zip(places, before):
        axis.text(total + 0.01 * (limit or before.max()), place, f"{total:,.3g}", va="center", fontsize=12)
    axis.set_yticks(places, list(rows), fontsize=12.5)
    axis.set(xlim=(0, 1.14 * (limit or before.max())), xlabel=unit)
    figure.legend(loc="outside upper center", ncols=len(KINDS), fontsize=11.5)
    return figure


def plot_ends(
    ways: Sequence[str], worlds: Mapping[str, Float[np.ndarray, "seeds ways"]], before: Sequence[float]
) -> Figure:
    """A panel a world: how far from the best policy each way of training ends, a dot a seed, a line at their mean;
    dashed, where all began. Dots below 1e-12 are set there. Both scales are logarithmic and say so."""
    figure, axes = plt.subplots(1, len(worlds), figsize=(8.0, 3.5), sharey=True, squeeze=False)
    places = np.arange(max(values.shape[1] for values in worlds.values()))[::-1]
    for axis, (world, values), start in zip(axes[0], worlds.items(), before):
        shown = values.clip(1e-12)
        for place, column in zip(places, shown.T):
            colour = COLORS["PPO"] if place == places[0] else COLORS["K"]
            axis.plot(column, [place] * len(column), "o", ms=5, color=colour, alpha=0.6, mew=0)
            axis.plot([column.mean()] * 2, [place - 0.3, place + 0.3], color=colour, lw=2.6)
        axis.axvline(start, color=COLORS["muted"], ls="--", lw=1.3)
        axis.set(xscale="log", ylim=(-0.6, len(places) - 0.4))
        axis.set_title(world, fontsize=12.5)
        axis.set_xlabel("到 π* 的 KL（对数刻度）", fontsize=12)
        axis.set_yticks(places[: len(ways)], list(ways), fontsize=12)
        axis.grid(True, axis="x")
    return figure


def plot_shares(rows: Mapping[str, Mapping[str, float]], *, unit: str) -> Figure:
    """Rows that each fill the whole width: what part of it each piece of work takes."""
    figure, axis = plt.subplots(figsize=(7.6, 1.1 + 0.62 * len(rows)))
    places, before = np.arange(len(rows))[::-1], np.zeros(len(rows))
    names = list(next(iter(rows.values())))
    for name, tint in zip(names, ("Q", "SFT", "image", "V", "K")):
        parts = np.array([row[name] / sum(row.values()) for row in rows.values()])
        axis.barh(places, parts, 0.66, left=before, color=COLORS[tint], label=name)
        for place, left, part in zip(places, before, parts):
            if part > 0.05:
                axis.text(left + part / 2, place, f"{part:.0%}", ha="center", va="center", color=COLORS["paper"])
        before += parts
    axis.set_yticks(places, list(rows), fontsize=12)
    axis.xaxis.set_major_formatter("{x:.0%}")
    axis.set(xlim=(0, 1), xlabel=unit)
    figure.legend(loc="outside upper center", ncols=len(names), fontsize=11.5, handlelength=1)
    return figure


def plot_sweep(
    way: Float[np.ndarray, "clips lrs betas"], clips: Sequence[str], lrs: Sequence[str], betas: Sequence[str]
) -> Figure:
    """A panel a β: the share of the way to the best policy, a square for each clip and rate; red below the start."""
    figure, axes = plt.subplots(1, len(betas), figsize=(7.8, 3.4), sharey=True, squeeze=False)
    for at, (axis, beta) in enumerate(zip(axes[0], betas)):
        axis.imshow(-way[..., at], cmap=CMAPS["signed"], vmin=-1, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(way[..., at]):
            ink = COLORS["paper"] if abs(share) > 0.6 else COLORS["ink"]
            text = f"{share:.2f}".replace("-", "−")
            axis.text(column, row, text, ha="center", va="center", fontsize=11.5, color=ink)
        axis.set_xticks(range(len(lrs)), list(lrs))
        axis.set_yticks(range(len(clips)), list(clips))
        axis.set_xlabel("学习率")
        axis.set_title(f"β = {beta}", fontsize=12.5)
    axes[0, 0].set_ylabel("裁剪 ε")
    return figure


def plot_habits(
    panels: Sequence[tuple[str, Mapping[str, Float[np.ndarray, " seeds"]]]], *, level: Sequence[float | None] = ()
) -> Figure:
    """A small panel a measure: a bar a way of training, a dot a seed; dashed, where the poet stood before."""
    figure, axes = plt.subplots(2, math.ceil(len(panels) / 2), figsize=(8.0, 4.6), squeeze=False)
    for axis, (name, values) in zip(axes.flat, panels):
        for at, (seeds, colour) in enumerate(zip(values.values(), ("SFT", "bad", "PPO", "K"))):
            _bar(axis, at, np.asarray(seeds, dtype=float), COLORS[colour])
        axis.set_xticks(range(len(values)), list(values), fontsize=10)
        axis.set_title(name, fontsize=12)
    for axis, dashed in zip(axes.flat, level):
        if dashed is not None:
            axis.axhline(dashed, color=COLORS["muted"], ls="--", lw=1.2)
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    return figure


def _bar(axis: Axes, at: int, seeds: np.ndarray, colour: str) -> None:
    axis.bar(at, seeds.mean(), 0.7, color=colour)
    axis.plot([at] * len(seeds), seeds, "o", ms=3.5, color=COLORS["ink"], mfc=COLORS["paper"])
