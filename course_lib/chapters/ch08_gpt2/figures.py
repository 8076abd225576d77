"""Figures of chapter 08: tokens of bytes, leaking masks, the knobs of sampling, and what demonstrations teach.

T tokens.  Numbers in, Figure out.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course_lib.widgets.style import COLORS, FULL

TINTS = (COLORS["user"], COLORS["assistant"], COLORS["system"])
ROW_WIDTH = 34.0  # of a row of tokens, in letters


def plot_pieces(pieces: Sequence[str], whole: Sequence[bool], ids: Sequence[int], *, title: str) -> Figure:
    """Tokens as boxes in reading order, the id below each. pieces: what to write in the box; whole: False where the
    bytes are no complete characters, whose box is framed red."""
    rows: list[list[tuple[float, float, int]]] = [[]]
    x = 0.0
    for place, (piece, number) in enumerate(zip(pieces, ids)):
        wide = sum(2.0 if ord(char) > 0x2E7F else 1.15 for char in piece)
        width = max(wide, 0.62 * len(str(number))) + 0.9
        if x + width > ROW_WIDTH and rows[-1]:
            rows.append([])
            x = 0.0
        rows[-1].append((x, width, place))
        x += width + 0.25
    figure, axis = plt.subplots(figsize=(7.6, 0.9 + 0.78 * len(rows)))
    for line, row in enumerate(rows):
        for left, width, place in row:
            edge = COLORS["muted"] if whole[place] else COLORS["bad"]
            box = FancyBboxPatch(
                (left, -line - 0.32), width, 0.5, boxstyle="round,pad=0,rounding_size=0.12", mutation_aspect=0.35
            )
            box.set(facecolor=TINTS[place % len(TINTS)], edgecolor=edge, linewidth=1 if whole[place] else 2)
            axis.add_patch(box)
            axis.text(left + width / 2, -line - 0.07, pieces[place], ha="center", va="center", fontsize=13)
            axis.text(
                left + width / 2,
                -line - 0.47,
                str(ids[place]),
                ha="center",
                va="center",
                fontsize=9,
                color=COLORS["muted"],
            )
    axis.set(xlim=(-0.3, ROW_WIDTH + 0.3), ylim=(-len(rows) + 0.35, 0.35), title=title)
    axis.axis("off")
    return figure


def plot_leaks(moved: np.ndarray, words: Sequence[str], *, title: str) -> Figure:
    """[j i]: which logits moved when token j was changed. Blue: now and later, as it must be. Red: the past, a leak."""
    T = len(words)
    future = np.tril(np.ones((T, T), dtype=bool), -1)
    shown = np.where(moved & future, 2, np.where(moved, 1, 0))
    figure, axis = plt.subplots(figsize=(5.4, 4.6))
    colours = ListedColormap([COLORS["grid"], COLORS["Q"], COLORS["bad"]])
    axis.imshow(shown, cmap=colours, vmin=0, vmax=2)
    axis.set_xticks(np.arange(T + 1) - 0.5, minor=True)
    axis.set_yticks(np.arange(T + 1) - 0.5, minor=True)
    axis.grid(which="minor", color=COLORS["paper"], lw=2)
    axis.tick_params(which="both", length=0)
    axis.set_xticks(range(T), words)
    axis.set_yticks(range(T), words)
    for j, i in np.argwhere(shown == 2):
        axis.text(i, j, "×", ha="center", va="center", color=COLORS["paper"], fontsize=14)
    axis.set(xlabel="哪一处的分数动了", ylabel="改了哪一个词", title=title)
    return figure


def plot_knobs(
    words: Sequence[str],
    before: np.ndarray,
    after: np.ndarray,
    legal: Sequence[bool],
    *,
    rest: tuple[float, float],
    title: str,
) -> Figure:
    """Probabilities of the likeliest tokens before the knobs (outline) and after (bars; grey outline alone: cut off).

    before, after: [n]. legal: what the grammar allows, blue; the others red. rest: probability of all other tokens
    together, before and after.
    """
    figure, axis = plt.subplots(figsize=FULL)
    labels = [*words, "其余"]
    low = np.append(before, rest[0])
    high = np.append(after, rest[1])
    colours = [COLORS["Q"] if ok else COLORS["bad"] for ok in legal] + [COLORS["bad"]]
    places = np.arange(len(labels))
    axis.bar(places, high, width=0.62, color=colours, zorder=2)
    axis.bar(places, low, width=0.82, facecolor="none", edgecolor=COLORS["muted"], lw=1.3, zorder=3)
    axis.set_xticks(places, labels)
    axis.tick_params(axis="x", labelsize=11, rotation=45)
    axis.set(ylim=(0, max(0.3, 1.12 * max(low.max(), high.max()))), ylabel="概率", title=title)
    axis.grid(axis="y")
    axis.set_axisbelow(True)
    return figure


def plot_variety(knobs: Mapping[str, tuple[Sequence[float], np.ndarray, np.ndarray]], *, most: int) -> Figure:
    """C12b: share within the grammar, and variety as a share of the true one; a panel for each knob.

    knobs: label -> (settings [n], legal [n], varied [n]). most: the true variety.
    """
    figure, axes = plt.subplots(1, len(knobs), figsize=(8.2, 3.5), sharey=True)
    for axis, (label, (settings, legal, varied)) in zip(axes, knobs.items()):
        places = np.arange(len(settings))
        axis.plot(places, legal, color=COLORS["V"], marker="s", label="合语法的比例")
        axis.plot(places, varied / most, color=COLORS["Q"], marker="o", label=f"花样 ÷ {most} 种")
        axis.set_xticks(places, [f"{setting:g}" for setting in settings])
        axis.set(xlabel=label, ylim=(-0.03, 1.05))
        axis.grid()
    axes[0].set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def plot_zero_shot(
    rates: Sequence[int],
    held_out: np.ndarray,
    demonstrated: np.ndarray,
    mismatched: np.ndarray,
    parameters: Sequence[float],
    by_size: np.ndarray,
) -> Figure:
    """C12: accuracy over the rate of demonstrations, and over size at the highest rate. A thin line is a seed.

    rates: demonstrations in a thousand documents. held_out, demonstrated: [seeds, rates]; mismatched [seeds];
    by_size [seeds, sizes].
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.5), width_ratios=(1.4, 1), sharey=True)
    places = np.arange(len(rates))
    for values, colour, label in ((demonstrated, "muted", "示范过的组合"), (held_out, "Q", "没有示范过的组合")):
        left.plot(places, values.T, color=COLORS[colour], lw=0.8, alpha=0.6)
        left.plot(places, values.mean(0), color=COLORS[colour], marker="o", label=label)
    left.plot(
        places[-1], mismatched.mean(), "X", ms=10, color=COLORS["bad"], label="英文配错的示范", clip_on=False, zorder=5
    )
    left.set_xticks(places, [f"{rate / 10:g} %" for rate in rates])
    left.set(xlabel="语料里示范占的比例", ylabel="零样本正确率", ylim=(-0.04, 1.06))
    left.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    right.plot(parameters, by_size.T, color=COLORS["V"], lw=0.8, alpha=0.6)
    right.plot(parameters, by_size.mean(0), color=COLORS["V"], marker="o")
    right.set_xscale("log")
    right.set_xticks(parameters, [f"{n / 1000:.0f}k" for n in parameters])
    right.minorticks_off()
    right.set(xlabel=f"参数量（示范占 {rates[-1] / 10:g} %）")
    for axis in (left, right):
        axis.grid()
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def plot_residual(curves: Mapping[str, np.ndarray]) -> Figure:
    """How large the residual stream is at the start, after each of the 2n additions. curves: label -> [2n+1]."""
    figure, axis = plt.subplots(figsize=FULL)
    for (label, sizes), colour, style in zip(curves.items(), ("bad", "Q"), ("-", "--")):
        axis.plot(np.arange(len(sizes)), sizes, color=COLORS[colour], ls=style, label=label)
    axis.set(xlabel="第几次相加（每层两次）", ylabel="残差流的标准差", ylim=(0, None))
    axis.grid()
    axis.legend()
    return figure
