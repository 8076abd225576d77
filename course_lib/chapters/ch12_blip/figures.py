"""Figures of chapter 12: pictures with what is said of them, soft labels, hard negatives, masks, and a filter.

N pairs · L tokens of a text.  Numbers in, Figure out.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.widgets.style import CMAPS, COLORS

GOOD, BAD = COLORS["good"], COLORS["bad"]


def plot_said(
    images: np.ndarray, captions: Sequence[str], marks: Sequence[bool | None] = (), *, n_columns: int = 3
) -> Figure:
    """Pictures [N, H, W, 3] with a caption below each. marks: ✓ and a green frame, ✗ and a red one, or None."""
    n_rows = -(-len(images) // n_columns)
    figure, axes = plt.subplots(n_rows, n_columns, figsize=(2.35 * n_columns, 1.75 * n_rows), squeeze=False)
    for axis in axes.flat[len(images) :]:
        axis.axis("off")
    for axis, image, said, mark in zip(axes.flat, images, captions, marks or [None] * len(images)):
        axis.imshow(image)
        axis.set(xticks=[], yticks=[])
        colour = {True: GOOD, False: BAD, None: COLORS["grid"]}[mark]
        axis.spines[:].set(visible=True, color=colour, linewidth=2.5)
        axis.set_xlabel({True: "✓ ", False: "✗ ", None: ""}[mark] + said, fontsize=11.5)
    return figure


def plot_soft(labels: Sequence[float], teacher: Sequence[float], alpha: float, names: Sequence[str]) -> Figure:
    """One image's target over N texts: the labels, what the teacher thinks, and alpha of the one + the rest of the
    other."""
    figure, axis = plt.subplots(figsize=(6.4, 2.9))
    mixed = alpha * np.array(teacher) + (1 - alpha) * np.array(labels)
    kinds = (("标签", labels, "SFT"), ("慢老师", teacher, "K"), (f"目标，α = {alpha:g}", mixed, "Q"))
    for at, (label, values, colour) in enumerate(kinds):
        places = np.arange(len(names)) + 0.27 * (at - 1)
        bars = axis.bar(places, values, 0.25, color=COLORS[colour], label=label)
        axis.bar_label(bars, [f"{value:.2f}" for value in values], fontsize=11)
    axis.set_xticks(range(len(names)), names)
    axis.set(ylabel="占几成", ylim=(0, 1.12))
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def plot_draws(weights: np.ndarray, images: np.ndarray, captions: Sequence[str], twins: np.ndarray) -> Figure:
    """Chances [N, N] that text j is drawn as image i's negative; images [N, H, W, 3] before the rows. twins [N, N]:
    framed in red, where text j fits image i, too; the diagonal, never drawn, is crossed out."""
    N = len(weights)
    figure, axis = plt.subplots(figsize=(1.6 + 1.35 * N, 1.0 + 0.85 * N))
    axis.imshow(weights, aspect="auto", cmap=CMAPS["weight"], vmin=0, vmax=1)
    for i in range(N):
        for j in range(N):
            if i == j:
                axis.plot([j - 0.2, j + 0.2], [i - 0.2, i + 0.2], color=COLORS["muted"], lw=1.5)
                axis.plot([j - 0.2, j + 0.2], [i + 0.2, i - 0.2], color=COLORS["muted"], lw=1.5)
                continue
            colour = COLORS["paper"] if weights[i, j] > 0.6 else COLORS["ink"]
            axis.text(j, i, f"{weights[i, j]:.2f}", ha="center", va="center", color=colour)
            if twins[i, j]:
                axis.add_patch(plt.Rectangle((j - 0.46, i - 0.44), 0.92, 0.88, fill=False, ec=BAD, lw=2.5))
    axis.set_xticks(range(N), captions, fontsize=11)
    axis.xaxis.tick_top()
    axis.set_yticks(range(N), [" " * 9] * N)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    figure.canvas.draw()
    for i, image in enumerate(images):
        _beside(axis, image, i)
    return figure


def _beside(axis: Axes, image: np.ndarray, row: int) -> None:
    left, middle = axis.transAxes.inverted().transform(axis.transData.transform((-0.5, row)))
    height = 0.8 / len(axis.get_yticks())
    inset = axis.inset_axes((left - 0.16, middle - height / 2, 0.15, height))
    inset.imshow(image)
    inset.axis("off")


def plot_masks(tokens: Sequence[str], n_image: int) -> Figure:
    """Who reads whom in each mode: L rows that read, L columns of words and n_image of the picture that are read."""
    L = len(tokens)
    every, causal = np.ones((L, L)), np.tril(np.ones((L, L)))
    modes = (
        ("只读文字", every, 0, "[始]"),
        ("读文字，看着图", every, 1, "[编]"),
        ("写文字，看着图", causal, 1, "[写]"),
    )
    figure, axes = plt.subplots(1, 3, figsize=(8.8, 3.5))
    for axis, (name, words, sees, first) in zip(axes, modes):
        shown = np.full((L, L + 1 + n_image, 3), 1.0)
        for colour, mask, left in (("Q", words, 0), ("image", np.full((L, n_image), sees), L + 1)):
            rgb = np.array([int(COLORS[colour][i : i + 2], 16) / 255 for i in (1, 3, 5)])
            grey = np.array([int(COLORS["grid"][i : i + 2], 16) / 255 for i in (1, 3, 5)])
            shown[:, left : left + mask.shape[1]] = np.where(mask[..., None] > 0, rgb, grey)
        axis.imshow(shown, aspect="auto")
        for edge in np.arange(-0.5, L + 1 + n_image, 1):
            axis.axvline(edge, color=COLORS["paper"], lw=1)
        for edge in np.arange(-0.5, L, 1):
            axis.axhline(edge, color=COLORS["paper"], lw=1)
        said = [first, *tokens[1:]]
        axis.set_yticks(range(L), said, fontsize=11)
        axis.set_xticks([*range(L), L + 0.5 + n_image / 2], [*said, "图"], fontsize=11)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_title(name, fontsize=12.5, loc="center")
    axes[0].set_ylabel("谁在读")
    axes[1].set_xlabel("读谁")
    return figure


def plot_filter(
    scores: np.ndarray, is_true: np.ndarray, least: float, images: np.ndarray, captions: Sequence[str]
) -> Figure:
    """How a filter scores true and spoilt captions, the line above which they stay, and what becomes of some of them.

    scores, is_true: [n]. images, captions: the first of them, as many as are shown."""
    kept = scores >= least
    figure = plt.figure(figsize=(8.0, 4.5))
    upper, lower = figure.subfigures(2, 1, height_ratios=[1.15, 1])
    axis = upper.subplots()
    bins = np.linspace(0, 1, 21)
    axis.hist(
        [scores[is_true], scores[~is_true]],
        bins,
        stacked=True,
        color=[GOOD, BAD],
        label=["说对了", "说错了"],
        edgecolor=COLORS["paper"],
    )
    axis.set_yscale("symlog", linthresh=10)
    axis.axvline(least, color=COLORS["ink"], lw=2)
    axis.axvspan(-0.03, least, color=COLORS["grid"], alpha=0.6, zorder=0)
    axis.set(xlim=(-0.03, 1.03), xlabel="匹配的概率", ylabel="句数（对数刻度）")
    axis.set_yticks([0, 5, 10, 100], ["0", "5", "10", "100"])
    axis.minorticks_off()
    right = (kept & is_true).sum()
    purity = f"{right / kept.sum():.0%}" if kept.any() else "（没有留下的）"
    axis.set_title(
        f"留下 {kept.sum()} / {len(scores)} 句　精确率 {purity}　召回率 {right / is_true.sum():.0%}", fontsize=13
    )
    axis.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.2)
    row = lower.subplots(1, len(images))
    for axis, image, said, stays, true in zip(row, images, captions, kept, is_true):
        axis.imshow(image, alpha=1.0 if stays else 0.25)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(visible=True, color=GOOD if true else BAD, linewidth=2.5)
        axis.set_title("留" if stays else "扔", fontsize=12, loc="center")
        axis.set_xlabel(said, fontsize=10.5)
    return figure


def plot_reached(reached: Mapping[str, np.ndarray], settings: Sequence[str], chance: Mapping[str, float]) -> Figure:
    """A group of bars a task: the mean over seeds, each seed a dot. reached: task -> [seeds, len(settings)], 0 … 1;
    chance: task -> what guessing reaches, a dashed line."""
    figure, axis = plt.subplots(figsize=(6.8, 3.4))
    width = 0.8 / len(settings)
    for at, (name, colour) in enumerate(zip(settings, ("Q", "K", "V", "image"))):
        for group, values in enumerate(reached.values()):
            place = group + width * (at - (len(settings) - 1) / 2)
            label = name if group == 0 else None
            axis.bar(place, values[:, at].mean(), 0.92 * width, color=COLORS[colour], label=label)
            axis.plot([place] * len(values), values[:, at], "o", ms=4, color=COLORS["ink"], mfc=COLORS["paper"])
    for group, task in enumerate(reached):
        axis.plot([group - 0.45, group + 0.45], [chance[task]] * 2, color=COLORS["muted"], ls="--", lw=1.4)
    axis.set_xticks(range(len(reached)), list(reached))
    axis.set(ylabel="成绩", ylim=(0, 1.05))
    axis.yaxis.set_major_formatter("{x:.0%}")
    figure.legend(loc="outside upper center", ncols=len(settings))
    return figure
