"""Figures of chapter 10: shuffled patches, confusions, positions that know the grid, what data and patches are worth.

H, W of a picture · K classes.  Numbers in, Figure out.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.widgets.style import CMAPS, COLORS, FULL, WIDE


def plot_shuffled(pictures: Sequence[np.ndarray], chances: Mapping[str, Sequence[np.ndarray]]) -> Figure:
    """A row for each picture (as it is, shuffled): the picture, and what each model makes of it.

    pictures: [H W] grey, −1 … 1. chances: model -> for each picture its probabilities [K].
    """
    figure, axes = plt.subplots(len(pictures), 1 + len(chances), figsize=(7.6, 3.9), width_ratios=(0.7, 1, 1))
    for row, (picture, line) in enumerate(zip(pictures, axes)):
        line[0].imshow(picture, cmap="gray", vmin=-1, vmax=1)
        line[0].set(xticks=[], yticks=[])
        line[0].set_title(("原图", "打乱")[row], fontsize=13)
        for axis, (name, found) in zip(line[1:], chances.items()):
            best = int(np.argmax(found[row]))
            colours = [COLORS["Q"] if k == best else COLORS["grid"] for k in range(len(found[row]))]
            axis.bar(range(len(found[row])), found[row], color=colours, edgecolor=COLORS["muted"], lw=0.6)
            axis.set(ylim=(0, 1.02), xticks=range(len(found[row])), yticks=(0, 1))
            axis.set_title(f"{name}：{best}，{found[row][best]:.0%}", fontsize=13)
    return figure


def plot_confusions(table: np.ndarray, mistakes: Sequence[tuple[np.ndarray, int, int]]) -> Figure:
    """table [K K]: how often digit i was read as j; the diagonal, which is right, is left grey.

    mistakes: (picture [H W], true, read), shown beside.
    """
    figure = plt.figure(figsize=(7.6, 3.9))
    left, right = figure.subfigures(1, 2, width_ratios=(1.25, 1))
    axis = left.subplots()
    wrong = table * (1 - np.eye(len(table), dtype=table.dtype))
    axis.imshow(np.where(wrong > 0, wrong, np.nan), cmap=CMAPS["weight"], vmin=0, vmax=max(2, wrong.max()))
    for i in range(len(table)):
        for j in range(len(table)):
            if table[i, j]:
                ink = COLORS["muted"] if i == j else COLORS["paper"] if wrong[i, j] == wrong.max() else COLORS["ink"]
                axis.text(j, i, int(table[i, j]), ha="center", va="center", fontsize=10, color=ink)
    axis.set(xticks=range(len(table)), yticks=range(len(table)), xlabel="读成", ylabel="其实是")
    for axis, (picture, true, read) in zip(right.subplots(3, 3).flat, [*mistakes[:9], *[(None, 0, 0)] * 9]):
        axis.axis("off")
        if picture is not None:
            axis.imshow(picture, cmap="gray")
            axis.set_title(f"{true} 读成 {read}", fontsize=11, loc="center")
    return figure


def plot_by_distance(curves: Mapping[str, Sequence[float]]) -> Figure:
    """Mean cosine of two rows of positions over their distance on the grid, 1, 2, … patches. curves: name -> [far]."""
    figure, axis = plt.subplots(figsize=FULL)
    for (name, values), colour, style in zip(curves.items(), ("image", "muted", "K"), ("o-", "s--", "^:")):
        axis.plot(range(1, len(values) + 1), values, style, color=COLORS[colour], label=name)
    axis.axhline(0, color=COLORS["grid"], lw=1)
    axis.set(xlabel="两块相隔几格", ylabel="位置的余弦相似度")
    axis.grid()
    axis.legend()
    return figure


def plot_patches(patches: Sequence[int], pairs: np.ndarray, products: np.ndarray, right: np.ndarray) -> Figure:
    """Left: multiply-adds of one picture, all and those between tokens, [patches]. Right: accuracy [seeds patches]."""
    figure, (left, beside) = plt.subplots(1, 2, figsize=WIDE)
    places = range(len(patches))
    for values, name, colour, style in ((products, "全部", "ink", "o-"), (pairs, "两两之间", "K", "s--")):
        left.plot(places, values, style, color=COLORS[colour], label=name)
    left.set(yscale="log", ylabel="乘加，次（对数坐标）")
    left.legend()
    beside.fill_between(places, 100 * right.min(0), 100 * right.max(0), color=COLORS["Q"], alpha=0.15, lw=0)
    beside.plot(places, 100 * right.mean(0), "o-", color=COLORS["Q"])
    beside.set(ylabel="没见过的读对（%）")
    for axis in (left, beside):
        axis.set_xticks(places, patches)
        axis.set_xlabel("块的边长 P，像素")
        axis.grid()
    return figure


def plot_amounts(amounts: Sequence[int], curves: Mapping[str, np.ndarray], *, chance: float) -> Figure:
    """Accuracy over the number of training pictures. curves: model -> [seeds amounts]; a band from least to most."""
    figure, axis = plt.subplots(figsize=FULL)
    for (name, values), colour, marker in zip(curves.items(), ("K", "Q"), ("s", "o")):
        axis.fill_between(amounts, values.min(0), values.max(0), color=COLORS[colour], alpha=0.15, lw=0)
        axis.plot(amounts, values.mean(0), color=COLORS[colour], marker=marker, label=name)
    axis.axhline(chance, color=COLORS["muted"], ls=":", label="瞎猜")
    axis.set_xscale("log")
    axis.set_xticks(amounts, [f"{n:,}" for n in amounts])
    axis.minorticks_off()
    axis.set(xlabel="训练图片数（对数坐标）", ylabel="正确率", ylim=(0, None))
    axis.grid()
    figure.legend(loc="outside upper center", ncols=3)
    return figure
