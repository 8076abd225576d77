"""Figures of chapter 13: captions, who changes under a mask, what queries look at, and curves over training.

Q queries · L words of a text · S = Q + L · N patches of a picture.  Numbers in, Figure out.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib.widgets.style import CMAPS, COLORS

GOOD, BAD = COLORS["good"], COLORS["bad"]
ARMS = ("resampler", "K", "Q", "V", "SFT")
DEEPEST = 0.2  # share of attention from which on the tint is the deepest


def plot_said(
    images: np.ndarray, captions: Sequence[str], marks: Sequence[bool | None] = (), *, n_columns: int = 4
) -> Figure:
    """Pictures [n, H, W, 3] with what is said below each. marks: ✓ and a green frame, ✗ and a red one, or None."""
    n_rows = -(-len(images) // n_columns)
    figure, axes = plt.subplots(n_rows, n_columns, figsize=(2.2 * n_columns, 1.85 * n_rows), squeeze=False)
    for axis in axes.flat[len(images) :]:
        axis.axis("off")
    for axis, image, said, mark in zip(axes.flat, images, captions, marks or [None] * len(images)):
        axis.imshow(image)
        axis.set(xticks=[], yticks=[])
        colour = {True: GOOD, False: BAD, None: COLORS["grid"]}[mark]
        axis.spines[:].set(visible=True, color=colour, linewidth=2.5)
        axis.set_xlabel({True: "✓ ", False: "✗ ", None: ""}[mark] + said, fontsize=11.5)
    return figure


def plot_leak(mask: np.ndarray, moved: np.ndarray, words: Sequence[str], touched: int | None, *, title: str) -> Figure:
    """Left, who may read whom: mask [S, S], the first S − L rows and columns are queries. Right, how far each of the
    S outputs moves when one input is touched: moved [S]; 0 is written out. touched: its column, None: the picture."""
    S, Q = len(mask), len(mask) - len(words)
    names = [f"查{i + 1}" for i in range(Q)] + list(words)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.8, 4.7), width_ratios=[1.35, 1], sharey=True)
    shown = np.tile(np.array(to_rgb(COLORS["grid"])), (S, S, 1))
    for colour, columns in (("resampler", slice(0, Q)), ("Q", slice(Q, S))):
        shown[:, columns] = np.where(mask[:, columns, None], to_rgb(COLORS[colour]), shown[:, columns])
    left.imshow(shown, aspect="auto")
    for edge in np.arange(0.5, S - 1):
        left.axvline(edge, color=COLORS["paper"], lw=1)
        left.axhline(edge, color=COLORS["paper"], lw=1)
    left.axvline(Q - 0.5, color=COLORS["ink"], lw=1.5)
    left.axhline(Q - 0.5, color=COLORS["ink"], lw=1.5)
    if touched is not None:
        left.add_patch(Rectangle((touched - 0.5, -0.5), 1, S, fill=False, ec=COLORS["ink"], lw=2.5, zorder=3))
    left.set_xticks(range(S), names, fontsize=10, rotation=90 if Q > 4 else 0)
    left.set_yticks(range(S), names, fontsize=10)
    left.set(ylabel="谁在读", xlabel="读谁")
    left.set_title(title, fontsize=12.5)
    colours = [COLORS["resampler"]] * Q + [COLORS["Q"]] * len(words)
    right.barh(range(S), moved, color=colours, height=0.7)
    for row in np.flatnonzero(moved == 0):
        right.text(0, row, " 0", va="center", fontsize=10.5, color=COLORS["muted"])
    right.set(xlabel="输出变了多少", xlim=(0, max(1.05 * moved.max(), 1e-9)))
    right.set_title("碰一碰" + ("图" if touched is None else f"“{names[touched]}”"), fontsize=12.5)
    for axis in (left, right):
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    return figure


def plot_blind(losses: Mapping[str, Sequence[float]], floor: float) -> Figure:
    """Losses over steps of models that see nothing, and the floor that guessing has."""
    figure, axis = plt.subplots(figsize=(6.4, 3.0))
    for (name, values), colour in zip(losses.items(), ("V", "unseen", "resampler")):
        axis.plot(range(1, len(values) + 1), values, color=COLORS[colour], label=name)
    axis.axhline(floor, color=COLORS["ink"], ls="--", lw=1.5, label=f"看不见图，最低 {floor:.2f}")
    axis.set(xlabel="步", ylabel="每个字的损失（nat）", ylim=(0, None), xlim=(1, None))
    axis.grid(axis="y")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def plot_looks(image: np.ndarray, maps: np.ndarray, layers: Sequence[int]) -> Figure:
    """What each query looks at: maps [n, Q, 1 + N], shares that add up to 1, the class token's first; a row a layer.

    image: [H, W, 3], N square patches. The bar beside each picture, full at 1, is the class token's share."""
    n, Q, side = len(maps), maps.shape[1], round((maps.shape[2] - 1) ** 0.5)
    figure, axes = plt.subplots(n, Q, figsize=(1.12 * Q, 1.2 * n + 0.35), squeeze=False)
    for row, layer, per_query in zip(axes, layers, maps):
        for at, (axis, shares) in enumerate(zip(row, per_query)):
            _look(axis, image, shares[1:].reshape(side, side), shares[0])
            axis.set_title(f"查询 {at + 1}", fontsize=10.5, loc="center")
        row[0].set_ylabel(f"第 {layer} 层", fontsize=12)
    figure.supxlabel(f"紫条：分类词元占几成，满格是 1。粉色：每一块占几成，最深是 {DEEPEST:g} 以上", fontsize=11)
    return figure


def _look(axis: Axes, image: np.ndarray, patches: np.ndarray, to_class: float) -> None:
    axis.imshow(image, extent=(0, 1, 1, 0), alpha=0.45)
    tint = np.empty((*patches.shape, 4))
    tint[..., :3] = to_rgb(COLORS["resampler"])
    tint[..., 3] = np.clip(patches / DEEPEST, 0, 1) * 0.85
    axis.imshow(tint, extent=(0, 1, 1, 0))
    bar = {"ec": COLORS["muted"], "lw": 0.8, "clip_on": False}
    axis.add_patch(Rectangle((-0.2, 1), 0.12, -to_class, fc=COLORS["image"], lw=0, clip_on=False))
    axis.add_patch(Rectangle((-0.2, 0), 0.12, 1, fill=False, **bar))
    axis.set(xlim=(-0.22, 1), ylim=(1, 0), xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


def plot_blocked(tables: Sequence[Mapping[str, Sequence[float]]], columns: Sequence[str]) -> Figure:
    """Tables side by side, row -> a share, 0 … 1, for each of `columns`, written in its cell."""
    tallest = max(map(len, tables))
    figure, axes = plt.subplots(1, len(tables), figsize=(8.8, 0.3 * tallest + 0.5), squeeze=False)
    for axis, rows in zip(axes.flat, tables):
        table = np.array([*rows.values()])
        axis.imshow(table, aspect="auto", cmap=CMAPS["weight"], vmin=0, vmax=1.25)
        for (i, j), share in np.ndenumerate(table):
            axis.text(j, i, f"{share:.0%}", ha="center", va="center", color=COLORS["paper" if share > 0.75 else "ink"])
        axis.set_xticks(range(len(columns)), columns)
        axis.set_yticks(range(len(rows)), list(rows))
        axis.set_ylim(tallest - 0.5, -0.5)  # rows as high in every table
        axis.xaxis.tick_top()
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    return figure


def plot_curves(steps: Sequence[int], arms: Mapping[str, np.ndarray], *, ylabel: str) -> Figure:
    """A line an arm over steps of stage 2, the mean over its seeds; a band, and bars, from the least to the most.

    arms: [seeds, len(steps)], 0 … 1; NaN where an arm was not measured."""
    figure, axis = plt.subplots(figsize=(6.8, 3.5))
    for (name, values), colour in zip(arms.items(), ARMS):
        known = ~np.isnan(values).any(axis=0)
        at, values = np.asarray(steps)[known], values[:, known]
        axis.plot(at, values.mean(axis=0), "o-", ms=4.5, color=COLORS[colour], label=name)
        axis.fill_between(at, values.min(axis=0), values.max(axis=0), color=COLORS[colour], alpha=0.18, lw=0)
        axis.vlines(at, values.min(axis=0), values.max(axis=0), color=COLORS[colour], lw=1.2)
    axis.set_xscale("log")
    axis.set_xticks(steps, steps)
    axis.minorticks_off()
    axis.set(xlabel="第二阶段的步数（对数刻度）", ylabel=ylabel, ylim=(0, 1.03))
    axis.yaxis.set_major_formatter("{x:.0%}")
    axis.grid(axis="y")
    figure.legend(loc="outside upper center", ncols=2 if len(arms) == 4 else 3)
    return figure


def plot_reached(reached: Mapping[str, np.ndarray], settings: Sequence[str]) -> Figure:
    """A group of bars a task: the mean over seeds, each seed a dot. reached: task -> [seeds, len(settings)], 0 … 1."""
    figure, axis = plt.subplots(figsize=(6.8, 3.4))
    width = 0.8 / len(settings)
    for at, (name, colour) in enumerate(zip(settings, ARMS)):
        for group, values in enumerate(reached.values()):
            place = group + width * (at - (len(settings) - 1) / 2)
            label = name if group == 0 else None
            axis.bar(place, values[:, at].mean(), 0.92 * width, color=COLORS[colour], label=label)
            axis.plot([place] * len(values), values[:, at], "o", ms=4, color=COLORS["ink"], mfc=COLORS["paper"])
    axis.set_xticks(range(len(reached)), list(reached))
    axis.set(ylabel="成绩", ylim=(0, 1.05))
    axis.yaxis.set_major_formatter("{x:.0%}")
    figure.legend(loc="outside upper center", ncols=min(len(settings), 3))
    return figure
