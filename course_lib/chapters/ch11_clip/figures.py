"""Figures of chapter 11: pairs, their matrix, how a loss falls, and what a text finds.

N images · M texts.  Numbers in, Figure out.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.widgets.style import CMAPS, COLORS, FULL


def plot_matrix(
    values: np.ndarray, images: np.ndarray, captions: Sequence[str], *, title: str, signed: bool = False
) -> Figure:
    """[N, M] numbers in cells, the images [N, H, W, 3] before the rows, the captions over the columns; the diagonal
    is framed. signed: colours around 0, for gradients."""
    N, M = values.shape
    figure, axis = plt.subplots(figsize=(1.6 + 1.5 * M, 1.3 + 0.95 * N))
    largest = float(np.abs(values).max()) or 1.0
    colours = {"cmap": CMAPS["signed"], "vmin": -largest, "vmax": largest}
    axis.imshow(values, aspect="auto", **(colours if signed else {"cmap": CMAPS["weight"], "vmin": 0, "vmax": 1}))
    for i in range(N):
        for j in range(M):
            share = values[i, j] / (largest if signed else 1)
            colour = COLORS["paper"] if abs(share) > 0.6 else COLORS["ink"]
            axis.text(j, i, f"{values[i, j]:.2f}", ha="center", va="center", color=colour, fontsize=13)
        frame = plt.Rectangle((i - 0.47, i - 0.46), 0.94, 0.92, fill=False, ec=COLORS["K"], lw=2.5)
        axis.add_patch(frame)
        _picture(axis, images[i], i)
    axis.set_xticks(range(M), captions)
    axis.xaxis.tick_top()
    axis.set_yticks([])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_xlabel(title)
    return figure


def _picture(axis: Axes, image: np.ndarray, row: int) -> None:
    left, middle = axis.transAxes.inverted().transform(axis.transData.transform((-0.92, row)))
    inset = axis.inset_axes((left - 0.09, middle - 0.13, 0.18, 0.26))
    inset.imshow(image)
    inset.axis("off")


def plot_learning(curves: Mapping[str, Sequence[float]], n: int) -> Figure:
    """The loss of every step and the line of ln n, where no image knows its text. curves: label -> losses."""
    figure, axis = plt.subplots(figsize=FULL)
    for (label, losses), colour in zip(curves.items(), ("Q", "K")):
        axis.plot(np.arange(1, len(losses) + 1), losses, color=COLORS[colour], label=label, lw=1.5)
    axis.axhline(np.log(n), color=COLORS["muted"], ls="--", lw=1.2)
    said = f"ln {n} = {np.log(n):.2f}，什么都没分开"
    axis.annotate(said, (len(losses), np.log(n)), (0, 6), textcoords="offset points", ha="right", color=COLORS["muted"])
    axis.set(xlabel="步", ylabel="损失（奈特）", ylim=(0, 1.2 * np.log(n)))
    axis.grid()
    if len(curves) > 1:
        axis.legend()
    return figure


def plot_found(found: Mapping[str, tuple[np.ndarray, Sequence[bool]]]) -> Figure:
    """What each text finds, best first: label -> (pictures [k, H, W, 3], which of them are right, framed green)."""
    k = max(len(pictures) for pictures, _ in found.values())
    figure, axes = plt.subplots(
        len(found), k + 1, figsize=(1.6 + 0.78 * k, 0.82 * len(found)), width_ratios=[2.2, *[1] * k], squeeze=False
    )
    for at, (row, (label, (pictures, right))) in enumerate(zip(axes, found.items())):
        for axis in row:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        row[0].text(0.97, 0.5, label, ha="right", va="center", fontsize=13, transform=row[0].transAxes)
        for rank, (axis, picture, is_right) in enumerate(zip(row[1:], pictures, right), 1):
            axis.imshow(picture)
            axis.spines[:].set(visible=bool(is_right), color=COLORS["good"], linewidth=3)
            if at == 0:
                axis.set_title(f"第 {rank}", fontsize=11, loc="center")
    return figure


def plot_sharpness(cosines: Sequence[float], taus: Sequence[float]) -> Figure:
    """Softmax of one image's cosines at each temperature: a line a text, the first of them the right one."""
    figure, axis = plt.subplots(figsize=FULL)
    shares = np.exp(np.array(cosines)[None] / np.array(taus)[:, None])
    shares /= shares.sum(1, keepdims=True)
    for at, (share, cosine) in enumerate(zip(shares.T, cosines)):
        label = f"{'对的' if at == 0 else '错的'}，余弦 {cosine:g}"
        axis.plot(
            taus, share, color=COLORS[("Q", "K", "SFT")[min(at, 2)]], ls=("-", "--", ":")[min(at, 2)], label=label
        )
    axis.set_xscale("log")
    axis.set_xticks([0.01, 0.07, 0.5, 1], ["0.01", "0.07", "0.5", "1"])
    axis.minorticks_off()
    axis.set(xlabel="温度 τ（对数刻度）", ylabel="概率", ylim=(-0.03, 1.05))
    axis.grid()
    axis.legend()
    return figure
