"""ViT as one figure: every shape, both additions and every norm, read from left to right on one picture.

N patches · T = N + 1 tokens · D width · n layers · H heads · K classes
"""

from collections.abc import Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib.models.vit import ViTConfig
from course_lib.widgets.diagram import SMALL, box, branch, line, repeated
from course_lib.widgets.style import COLORS

TRUNK = 5.6  # height of the residual stream
SIDE = 1.75  # of the picture


def plot_whole(config: ViTConfig, picture: np.ndarray, classes: Sequence[tuple[str, float]]) -> Figure:
    """picture: [H W] grey or [H W 3], 0 … 1. classes: the likeliest, with their probabilities."""
    T, D, H, K = config.n_patches + 1, config.d_model, config.n_heads, config.n_classes
    figure, axis = plt.subplots(figsize=(9.6, 5.0))
    _tokens(axis, config, picture)
    line(axis, (4.75, TRUNK), (12.15, TRUNK), width=4)
    axis.text(4.8, TRUNK + 0.22, f"残差流 z\n[{T}, {D}]", fontsize=SMALL, va="bottom", color=COLORS["text"])
    repeated(axis, 5.75, 11.35, TRUNK, f"一个块，重复 n = {config.n_layers} 次")
    attention = [
        ("LayerNorm", f"[{T}, {D}]", "system"),
        ("q、k、v", f"[{T}, 3·{D}]", "user"),
        (f"{H} 个头，无掩码", f"权重 [{H}, {T}, {T}]", "user"),
        ("合并各头，投影", f"[{T}, {D}]", "user"),
    ]
    feedforward = [
        ("LayerNorm", f"[{T}, {D}]", "system"),
        ("放宽 W₁", f"[{T}, {config.d_hidden}]", "answer"),
        ("GELU", f"[{T}, {config.d_hidden}]", "answer"),
        ("收窄 W₂", f"[{T}, {D}]", "answer"),
    ]
    branch(axis, TRUNK, 5.95, 7.95, "注意力", attention)
    branch(axis, TRUNK, 8.65, 10.55, "前馈", feedforward)
    line(axis, (12.15, TRUNK), (12.55, TRUNK), head=True)
    heights = [TRUNK, TRUNK - 1.12, TRUNK - 2.24]
    box(axis, 12.55, heights[0], 1.75, "LayerNorm", f"[{T}, {D}]", "system")
    box(axis, 12.55, heights[1], 1.75, "只取第 0 行", f"[{D}]", "prompt")
    box(axis, 12.55, heights[2], 1.75, "分类头", f"分数 [{K}]", "answer")
    for upper, lower in pairwise(heights):
        line(axis, (13.42, upper - 0.38), (13.42, lower + 0.38), head=True)
    _bars(axis, heights[2], classes)
    axis.set(xlim=(-0.15, 14.6), ylim=(0.2, 7.25))
    axis.set_aspect("auto")
    axis.axis("off")
    return figure


def _tokens(axis: Axes, config: ViTConfig, picture: np.ndarray) -> None:
    """The picture with its cuts, one patch as a row of numbers, and the steps that make the residual stream."""
    (rows, columns), D = config.grid, config.d_model
    N, numbers = config.n_patches, config.channels * config.patch**2
    bottom = TRUNK - SIDE / 2
    axis.imshow(picture, extent=(0, SIDE, bottom, bottom + SIDE), cmap="gray", vmin=0, vmax=1, zorder=2)
    for at in range(1, columns):
        axis.plot([SIDE * at / columns] * 2, [bottom, bottom + SIDE], color=COLORS["image"], lw=1, zorder=3)
    for at in range(1, rows):
        axis.plot([0, SIDE], [bottom + SIDE * at / rows] * 2, color=COLORS["image"], lw=1, zorder=3)
    size = f"[{config.channels}, {config.height}, {config.width}]"
    axis.text(SIDE / 2, bottom + SIDE + 0.15, size, ha="center", va="bottom", fontsize=SMALL)
    left = 2.35
    steps = [
        (f"切成 {N} 块，摊平", f"[{N}, {numbers}]", "system"),
        ("投影 E", f"[{N}, {D}]", "answer"),
        ("前面拼上 CLS", f"[{N + 1}, {D}]", "prompt"),
        ("加位置", f"[{N + 1}, {D}]", "system"),
    ]
    line(axis, (SIDE + 0.05, TRUNK), (left, TRUNK), head=True)
    heights = [TRUNK - 1.12 * at for at in range(len(steps))]
    for y, (label, shape, tint) in zip(heights, steps):
        box(axis, left, y, 1.9, label, shape, tint)
    for upper, lower in pairwise(heights):
        line(axis, (left + 0.95, upper - 0.38), (left + 0.95, lower + 0.38), head=True)
    line(axis, (left + 1.9, heights[-1]), (4.6, heights[-1]))
    line(axis, (4.6, heights[-1]), (4.6, TRUNK))
    line(axis, (4.6, TRUNK), (4.78, TRUNK), width=4)
    _one_patch(axis, config, picture, bottom)


def _one_patch(axis: Axes, config: ViTConfig, picture: np.ndarray, bottom: float) -> None:
    """The patch with the most ink below the picture, laid out as its numbers, and a frame where it comes from."""
    rows, columns = config.grid
    P = config.patch
    ink = [picture[P * r : P * r + P, P * c : P * c + P].std() for r in range(rows) for c in range(columns)]
    row, column = divmod(int(np.argmax(ink)), columns)
    patch = picture[P * row : P * row + P, P * column : P * column + P]
    height, width = SIDE / rows, SIDE / columns
    corner = (width * column, bottom + SIDE - height * (row + 1))
    axis.add_patch(Rectangle(corner, width, height, fill=False, ec=COLORS["bad"], lw=2, zorder=4))
    numbers = patch.reshape(P * P, -1).mean(-1)[:16]
    top = bottom - 0.75
    for at, value in enumerate(numbers):
        step = SIDE / len(numbers)
        cell = Rectangle((step * at, top), step, 0.3, fc=str(value), ec=COLORS["muted"], lw=0.5, zorder=2)
        axis.add_patch(cell)
    axis.add_patch(Rectangle((0, top), SIDE, 0.3, fill=False, ec=COLORS["bad"], lw=2, zorder=4))
    says = f"一块摊平：{config.channels * P * P} 个数"
    axis.text(SIDE / 2, top - 0.12, says, ha="center", va="top", fontsize=SMALL)


def _bars(axis: Axes, above: float, classes: Sequence[tuple[str, float]]) -> None:
    line(axis, (13.42, above - 0.38), (13.42, above - 0.7), head=True)
    widest = max(p for _, p in classes)
    for at, (word, p) in enumerate(classes):
        y = above - 0.95 - 0.5 * at
        axis.barh(y, 0.95 * p / widest, left=13.0, height=0.34, color=COLORS["Q"])
        axis.text(12.9, y, word, ha="right", va="center", fontsize=12)
        axis.text(13.05 + 0.95 * p / widest, y, f"{p:.0%}", va="center", fontsize=SMALL)
