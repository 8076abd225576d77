"""Figures of chapter 23: a group and its pushes, estimators of KL, what claims measured.  Numbers in, Figure out.

G answers · K of the triangle · C kinds of demonstrators.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from course_lib.widgets.style import CMAPS, COLORS

BLANK = "#D5DADF"
INKS = ("Q", "K", "V", "image")
STATES = ("权重", "梯度", "Adam", "激活")
WORK = ("写", "评", "学")
TINTS = ("Q", "V", "K", "image")


def signed(number: float, digits: int = 2) -> str:
    """With its sign, a real minus, and as many digits as say something."""
    return f"{number:+.{digits}g}".replace("-", "−") if number else "0"


def plot_group(rewards: Sequence[float], advantages: Sequence[float], *, mean: float, says: str) -> Figure:
    """Left what each answer of the group earned, the mean as a line; right its advantage."""
    figure, (axis, beside) = plt.subplots(1, 2, figsize=(7.2, 3.1))
    places = np.arange(1, len(rewards) + 1)
    axis.bar(places, rewards, 0.7, color=COLORS["SFT"])
    axis.axhline(mean, color=COLORS["K"], ls="--", label=f"组平均 {mean:.3g}")
    axis.set(ylim=(0, 1.35), xticks=places, xlabel="第几个回答", ylabel="分数")
    axis.legend(loc="upper left", fontsize=11)
    colours = [COLORS["Q"] if each > 0 else COLORS["bad"] for each in advantages]
    beside.bar(places, advantages, 0.7, color=colours)
    beside.axhline(0, color=COLORS["muted"], lw=1)
    for place, each in zip(places, advantages):
        beside.text(
            place,
            each + (0.12 if each >= 0 else -0.12),
            f"{each:+.2f}".replace("-", "−") if each else "0",
            ha="center",
            va="bottom" if each >= 0 else "top",
            fontsize=10,
        )
    reach = max(1.6, max(map(abs, advantages)) + 0.6)
    beside.set(ylim=(-reach, reach), xticks=places, xlabel="第几个回答", ylabel="优势", title=says)
    return figure


def plot_ribbons(rewards: Sequence[float], pushes: Sequence[Float[np.ndarray, " length"]], *, says: str) -> Figure:
    """An answer a ribbon, as wide as it is long, a stripe a token: blue is pushed up, red down, grey not at all; the
    shade is the push, the strongest of the figure full. Beside it the mean push of a token, and of the whole."""
    longest = max(map(len, pushes))
    strongest = max(float(np.abs(each).max()) for each in pushes) or 1.0
    figure, axis = plt.subplots(figsize=(8.2, 3.7))
    for row, (reward, push) in enumerate(zip(rewards, pushes)):
        y, n = -row, len(push)
        colours = plt.get_cmap(CMAPS["signed"])(0.5 - 0.5 * push / strongest)
        colours[push == 0] = plt.matplotlib.colors.to_rgba(BLANK)
        axis.imshow(colours[None], extent=(0, n, y - 0.3, y + 0.3), aspect="auto", interpolation="nearest")
        axis.add_patch(plt.Rectangle((0, y - 0.3), n, 0.6, fill=False, edgecolor=COLORS["muted"], lw=0.8))
        sign, tint = ("对", "good") if reward else ("错", "bad")
        axis.text(-0.015 * longest, y, f"{sign}，{n} 个", ha="right", va="center", fontsize=12, color=COLORS[tint])
        told = (signed(float(push.mean())), signed(float(push.sum())))
        for at, text in zip((1.11, 1.28), told):
            axis.text(at * longest, y, text, ha="center", va="center", fontsize=12)
    for at, text in zip((1.11, 1.28), ("每个词元", "整个回答")):
        axis.text(at * longest, 0.62, text, ha="center", va="center", fontsize=11, color=COLORS["muted"])
    axis.set(xlim=(-0.16 * longest, 1.37 * longest), ylim=(0.4 - len(pushes), 0.85), title=says)
    axis.set_xlabel("第几个词元；蓝是往上推，红是往下，灰是不推；颜色以图中最深的为满")
    axis.set_xticks(np.linspace(0, longest, 6).round().astype(int))
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    return figure


def plot_estimators(
    spread: Mapping[str, tuple[float, float, float]],
    kl: float,
    mean_gradients: Mapping[str, Float[np.ndarray, " K"]],
    directions: Mapping[str, Float[np.ndarray, " K"]],
    names: Sequence[str],
) -> Figure:
    """Left the mean of each estimator and one standard deviation of a single answer's, the exact KL dashed; right what
    each pushes the answers' logits by as a penalty, both exact directions as frames."""
    figure, (axis, beside) = plt.subplots(1, 2, figsize=(8.2, 3.6), width_ratios=[1, 1.7])
    for at, ((mean, sd, _), ink) in enumerate(zip(spread.values(), INKS)):
        axis.errorbar(at, mean, yerr=sd, fmt="o", ms=8, capsize=6, color=COLORS[ink])
    axis.axhline(kl, color=COLORS["optimum"], ls="--", lw=1.4, label=f"真的 KL {kl:.3f}")
    axis.set_xticks(range(len(spread)), [f"{name}\n{mean:.3f}" for name, (mean, *_) in spread.items()])
    axis.set(xlim=(-0.5, len(spread) - 0.5), ylabel="一个回答的估计：平均与标准差")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, 1.17), fontsize=11)
    places, width = np.arange(len(names)), 0.8 / len(mean_gradients)
    for at, ((name, gradient), ink) in enumerate(zip(mean_gradients.items(), INKS)):
        beside.bar(places - 0.4 + (at + 0.5) * width, gradient, width * 0.85, color=COLORS[ink], label=f"E∇ {name}")
    for (name, gradient), ls in zip(directions.items(), ("-", ":")):
        for place, each in zip(places, gradient):
            line = beside.plot([place - 0.42, place + 0.42], [each, each], color=COLORS["ink"], ls=ls, lw=1.8)
        line[0].set_label(f"∇{name}")
    beside.axhline(0, color=COLORS["muted"], lw=1)
    beside.set_xticks(places, list(names))
    beside.set(ylabel="损失对 logit 的平均梯度")
    figure.legend(*beside.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=11)
    return figure


def plot_past(
    names: Sequence[str], shares: Sequence[float], right: Mapping[str, Float[np.ndarray, "seeds C 2"]]
) -> Figure:
    """A panel a way to answer: by demonstrator the share right before and after GRPO, bars the mean, dots the seeds, a
    black line how often the demonstrator is right."""
    figure, axes = plt.subplots(1, len(right), figsize=(8.2, 3.7), sharey=True)
    places = np.arange(len(names))
    for axis, (how, values) in zip(np.atleast_1d(axes), right.items()):
        for at, (label, colour) in enumerate((("SFT 以后", "SFT"), ("GRPO 以后", "GRPO"))):
            _bars(axis, places + 0.4 * at - 0.2, values[..., at], COLORS[colour], label, 0.36)
        for place, share in zip(places, shares):
            axis.plot([place - 0.42, place + 0.42], [share, share], color=COLORS["ink"], lw=2.2)
        axis.plot([], [], color=COLORS["ink"], lw=2.2, label="示范者")
        axis.set_xticks(places, list(names), fontsize=10)
        axis.set(ylim=(0, 1.06), title=how)
    np.atleast_1d(axes)[0].set_ylabel("没见过的题，答对的份额")
    figure.legend(*np.atleast_1d(axes)[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def plot_sizes(
    sizes: Sequence[int],
    right: Float[np.ndarray, "seeds sizes"],
    before: float,
    taught: Float[np.ndarray, "seeds sizes parts"],
) -> Figure:
    """Left the share right after equally many answers by size of the group; right the share of groups whose answers
    earn different rewards, in the first and the last part of the training."""
    figure, (axis, beside) = plt.subplots(1, 2, figsize=(8.0, 3.5))
    places = np.arange(len(sizes))
    _bars(axis, places, right, COLORS["GRPO"], None, 0.6)
    for place, mean in zip(places, right.mean(0)):
        axis.text(place, 0.03, f"{mean:.0%}", ha="center", color=COLORS["paper"], fontsize=12)
    axis.axhline(before, color=COLORS["SFT"], ls="--", label=f"出发时 {before:.0%}")
    axis.set(ylim=(0, 1.06), ylabel="没见过的题，答对的份额")
    axis.legend(loc="upper left", fontsize=11)
    for part, ls, name in ((0, "-", "起初"), (-1, ":", "最后")):
        beside.plot(places, taught[..., part].mean(0), "o", ls=ls, color=COLORS["K"], label=name)
    beside.set(ylim=(0, 1.06), ylabel="有高有低的组")
    beside.legend(loc="lower right", fontsize=11)
    for each in (axis, beside):
        each.set_xticks(places, [str(size) for size in sizes])
        each.set_xlabel("一组几个回答（总数不变）")
    return figure


def plot_costs(
    ways: Sequence[str],
    memory: Float[np.ndarray, "ways 4"],
    work: Float[np.ndarray, "ways 3"],
) -> Figure:
    """Left megabytes by kind, right operations of a step by what they are for; a bar a method."""
    figure, axes = plt.subplots(1, 2, figsize=(8.0, 3.5))
    for axis, table, kinds, label in zip(axes, (memory, work), (STATES, WORK), ("兆字节", "一步的运算，十亿次")):
        below = np.zeros(len(ways))
        for kind, tint, column in zip(kinds, TINTS, table.T):
            axis.bar(range(len(ways)), column, 0.6, bottom=below, color=COLORS[tint], label=kind)
            below += column
        for place, total in enumerate(below):
            axis.text(place, total * 1.01, f"{total:.3g}", ha="center", va="bottom", fontsize=11.5)
        axis.set_xticks(range(len(ways)), list(ways))
        axis.set(ylabel=label, ylim=(0, 1.38 * below.max()))
        axis.legend(loc="upper right", ncols=2, fontsize=10.5, handlelength=1)
    return figure


def plot_poems(
    names: Sequence[str],
    panels: Mapping[str, tuple[Float[np.ndarray, "seeds shares"], Float[np.ndarray, "seeds shares"]]],
    poets: Float[np.ndarray, " shares"],
) -> Figure:
    """A panel a way to begin: each share before and after GRPO, dots the seeds after, a cross the poets' own."""
    figure, axes = plt.subplots(1, len(panels), figsize=(8.2, 3.9), sharey=True)
    places = -np.arange(len(names))
    for axis, (title, (before, after)) in zip(np.atleast_1d(axes), panels.items()):
        for y, start, end in zip(places, before.mean(0), after.mean(0)):
            axis.annotate(
                "", (end, y), (start, y), arrowprops={"arrowstyle": "-|>", "lw": 2, "color": COLORS["GRPO"]}, zorder=1
            )
        axis.plot(before.mean(0), places, "o", ms=8, color=COLORS["SFT"], label="以前")
        for at, seed in enumerate(after):
            label = "GRPO 以后" if at == 0 else None
            axis.plot(seed, places, "o", ms=6, color=COLORS["GRPO"], mfc=COLORS["paper"], label=label, zorder=3)
        axis.plot(poets, places, "x", ms=8, mew=2, color=COLORS["ink"], label="诗人自己的诗")
        axis.set(xlim=(-0.03, 1.03), title=title, xlabel="份额")
        axis.grid(axis="x")
    np.atleast_1d(axes)[0].set_yticks(places, list(names))
    figure.legend(*np.atleast_1d(axes)[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _bars(
    axis: plt.Axes,
    places: np.ndarray,
    values: Float[np.ndarray, "seeds n"],
    colour: str,
    name: str | None,
    width: float,
) -> None:
    axis.bar(places, values.mean(0), width, color=colour, label=name)
    for seed in values:
        axis.plot(places, seed, "o", ms=4, color=COLORS["ink"], mfc=COLORS["paper"])
