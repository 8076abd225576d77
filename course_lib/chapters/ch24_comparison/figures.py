"""Figures of chapter 24: the cells of the comparison, one by one, and what claims measured.  Numbers in, Figure out.

M methods, PPO, DPO, GRPO and where said SFT · B answers · V values of a knob
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from course_lib.widgets.style import COLORS

STATES = ("权重", "梯度", "Adam", "激活")
WORK = ("写", "评", "学")
TINTS = ("Q", "V", "K", "image")
MARKS = {"PPO": "o", "DPO": "s", "GRPO": "^", "SFT": "D"}


def plot_cells(row: str, side: str, cells: Mapping[str, str]) -> Figure:
    """A row of the table, a column a method. Texts bring their own line breaks."""
    figure, axis = plt.subplots(figsize=(8.2, 2.9))
    for at, (method, says) in enumerate(cells.items()):
        axis.add_patch(plt.Rectangle((at + 0.03, 0), 0.94, 0.72, facecolor=COLORS["paper"], edgecolor=COLORS[method]))
        axis.add_patch(plt.Rectangle((at + 0.03, 0.72), 0.94, 0.24, facecolor=COLORS[method], edgecolor=COLORS[method]))
        centred = {"ha": "center", "va": "center"}
        axis.text(at + 0.5, 0.84, method, fontsize=15, color=COLORS["paper"], **centred)
        axis.text(at + 0.5, 0.36, says, fontsize=13, linespacing=1.6, **centred)
    axis.set(xlim=(0, len(cells)), ylim=(-0.03, 1), title=f"{row}：{side}")
    axis.axis("off")
    return figure


def plot_seen(scores: Sequence[float], pushes: Mapping[str, Float[np.ndarray, " B"]]) -> Figure:
    """First what the answers earned, then a panel a method: how it pushes each answer's ln π."""
    figure, axes = plt.subplots(1, 1 + len(pushes), figsize=(8.8, 3.1))
    places = np.arange(1, len(scores) + 1)
    axes[0].bar(places, scores, 0.7, color=COLORS["SFT"])
    axes[0].set(title="分数", ylim=(0, 1.2 * max(scores)))
    reach = 1.25 * max(float(np.abs(each).max()) for each in pushes.values())
    for axis, (method, push) in zip(axes[1:], pushes.items()):
        axis.bar(places, push, 0.7, color=COLORS[method])
        axis.axhline(0, color=COLORS["muted"], lw=1)
        axis.set(title=f"{method} 的推", ylim=(-reach, reach))
    for axis in axes:
        axis.set_xticks(places, "甲乙丙丁"[: len(places)])
        axis.tick_params(labelsize=11)
    return figure


def plot_costs(
    methods: Sequence[str], memory: Float[np.ndarray, "M 4"], work: Float[np.ndarray, "M 3"], *, says: str
) -> Figure:
    """Left megabytes by kind, right operations of a step by what they are for; a bar a method."""
    figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.5))
    for axis, table, kinds, label in zip(axes, (memory, work), (STATES, WORK), ("兆字节", "一步的运算，十亿次")):
        below = np.zeros(len(methods))
        for kind, tint, column in zip(kinds, TINTS, table.T):
            axis.bar(range(len(methods)), column, 0.6, bottom=below, color=COLORS[tint], label=kind)
            below += column
        for place, total in enumerate(below):
            axis.text(place, total * 1.01, f"{total:.3g}", ha="center", va="bottom", fontsize=12)
        axis.set_xticks(range(len(methods)), list(methods))
        axis.set(ylabel=label, ylim=(0, 1.4 * below.max()))
        axis.legend(loc="upper right", ncols=2, fontsize=11, handlelength=1)
    axes[0].set_title(says)
    return figure


def plot_budgets(
    written: Sequence[int], share: Float[np.ndarray, "seeds M V"], methods: Sequence[str], *, levels: Sequence[float]
) -> Figure:
    """How far along the way to the best J a run ends, by the answers written for it; a band is all seeds."""
    figure, axis = plt.subplots(figsize=(7.4, 3.6))
    for at, method in enumerate(methods):
        _band(axis, written, share[:, at], method)
    for level in levels:
        axis.axhline(level, color=COLORS["optimum"], ls="--", lw=1.1)
        axis.text(written[0], level + 0.015, f"{level:g}", fontsize=11, va="bottom", ha="right")
    axis.set_xscale("log", base=2)
    axis.set_xticks(list(written), [str(n) for n in written])
    axis.set(
        xlabel="写了几个回答（一格一倍）", ylabel="从参考到 π* 走了几成", ylim=(min(0.0, share.min()) - 0.05, 1.12)
    )
    figure.legend(loc="outside lower center", ncols=len(methods))
    return figure


def plot_frontier(
    kl: Float[np.ndarray, "seeds M V"],
    reward: Float[np.ndarray, "seeds M V"],
    most: Float[np.ndarray, "seeds M V"],
    methods: Sequence[str],
) -> Figure:
    """Reward by what KL it cost: small marks the seeds, a line their mean over β; dashed the most that KL can bring."""
    figure, axis = plt.subplots(figsize=(7.4, 3.8))
    order = np.argsort(kl.ravel())
    axis.plot(kl.ravel()[order], most.ravel()[order], color=COLORS["optimum"], ls="--", lw=1.4, label="最多能有")
    for at, method in enumerate(methods):
        mark = {"color": COLORS[method], "marker": MARKS[method]}
        axis.plot(kl[:, at].ravel(), reward[:, at].ravel(), ls="", ms=4, alpha=0.45, **mark)
        axis.plot(kl[:, at].mean(0), reward[:, at].mean(0), ms=9, lw=1.8, label=method, **mark)
    axis.set(xlabel="到参考的 KL，奈特", ylabel="平均奖励")
    figure.legend(loc="outside lower center", ncols=1 + len(methods))
    return figure


def plot_sensitivity(
    knob: str, values: Sequence[str], share: Float[np.ndarray, "seeds M V"], methods: Sequence[str]
) -> Figure:
    """Where runs end by one knob's value; a band is all seeds, below 0 they ended below their start."""
    figure, axis = plt.subplots(figsize=(7.4, 3.5))
    places = np.arange(len(values))
    for at, method in enumerate(methods):
        _band(axis, places, share[:, at], method)
    axis.axhline(0, color=COLORS["bad"], ls="--", lw=1.3)
    axis.text(-0.3, 0.02, "起点", color=COLORS["bad"], fontsize=11, va="bottom")
    axis.set_xticks(places, list(values))
    low = max(min(-0.15, float(share.min()) - 0.05), -2.0)
    axis.set(xlim=(-0.35, len(values) - 0.65), ylim=(low, 1.12), xlabel=knob, ylabel="走了几成")
    figure.legend(loc="outside lower center", ncols=len(methods))
    return figure


def plot_curves(usual: Mapping[str, Float[np.ndarray, " R"]], now: Mapping[str, Float[np.ndarray, " R"]]) -> Figure:
    """A panel a method: the share of the way to the best J after each round, dotted as usual, and as it is turned."""
    figure, axes = plt.subplots(1, len(now), figsize=(8.8, 3.2), sharey=True)
    for axis, (method, share) in zip(axes, now.items()):
        axis.plot(usual[method], ls=":", lw=1.6, color=COLORS["muted"], label="平常")
        axis.plot(share, lw=2, color=COLORS[method], label="现在")
        axis.axhline(0, color=COLORS["bad"], ls="--", lw=1.1)
        axis.set_title(method)
        axis.set(ylim=(-0.6, 1.06), xlabel="轮")
        axis.legend(loc="lower right", fontsize=11, handlelength=1.4)
    axes[0].set_ylabel("走了几成")
    return figure


def plot_poems(
    names: Sequence[str],
    before: Float[np.ndarray, " shares"],
    ends: Float[np.ndarray, "seeds M shares"],
    own: Float[np.ndarray, " shares"],
    ways: tuple[Float[np.ndarray, "M looks"], Float[np.ndarray, "M looks"]],
    methods: Sequence[str],
) -> Figure:
    """Left shares after each method, marks the means and thin lines the seeds' range, a grey circle the poet before, a
    cross the poets' own; right the mean reward along the way by KL."""
    figure, (axis, beside) = plt.subplots(1, 2, figsize=(8.6, 3.9), width_ratios=[1.5, 1])
    rows = -np.arange(len(names))
    axis.plot(before, rows, "o", ms=10, mfc="none", mew=1.8, color=COLORS["muted"], label="原来的诗人")
    for at, method in enumerate(methods):
        y = rows + 0.27 - 0.18 * at
        axis.hlines(y, ends[:, at].min(0), ends[:, at].max(0), color=COLORS[method], lw=1.4)
        axis.plot(ends[:, at].mean(0), y, MARKS[method], ms=7, color=COLORS[method], label=method)
    axis.plot(own, rows, "x", ms=8, mew=2, color=COLORS["ink"], label="真诗")
    axis.set_yticks(rows, list(names))
    axis.set(xlim=(-0.03, 1.03), xlabel="份额")
    axis.grid(axis="x")
    for method, kl, reward in zip(methods, *ways):
        beside.plot(kl, reward, MARKS[method], ls="-", ms=7, color=COLORS[method])
    beside.set(xlabel="到参考的 KL，奈特", ylabel="奖励（满分 3）")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=11, columnspacing=1)
    return figure


def _band(axis: plt.Axes, x: Sequence[float], values: Float[np.ndarray, "seeds V"], method: str) -> None:
    axis.fill_between(x, values.min(0), values.max(0), color=COLORS[method], alpha=0.18, lw=0)
    axis.plot(x, values.mean(0), MARKS[method], ls="-", ms=7, color=COLORS[method], label=method)
