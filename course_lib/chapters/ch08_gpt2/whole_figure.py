"""GPT-2 as one figure: every shape, both additions and both kinds of norm, read from left to right on one example.

T tokens · D width · n layers · H heads · V vocabulary
"""

from collections.abc import Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course_lib.models.gpt2 import GPT2Config
from course_lib.widgets.style import COLORS

TRUNK = 5.6  # height of the residual stream
SMALL = 10.5


def plot_whole(
    config: GPT2Config, words: Sequence[str], ids: Sequence[int], following: Sequence[tuple[str, float]]
) -> Figure:
    """words, ids: the example, [T]. following: likeliest next tokens with their probabilities."""
    T, D, V, H = len(words), config.d_model, config.n_vocab, config.n_heads
    figure, axis = plt.subplots(figsize=(8.6, 5.0))
    _embedding(axis, words, ids)
    _line(axis, (2.1, TRUNK), (9.9, TRUNK), width=4)
    axis.text(2.12, TRUNK + 0.22, f"残差流 x\n[{T}, {D}]", fontsize=SMALL, va="bottom", color=COLORS["text"])
    frame = FancyBboxPatch((3.35, 0.35), 5.35, 6.15, boxstyle="round,pad=0,rounding_size=0.15")
    axis.add_patch(frame)
    frame.set(facecolor="none", edgecolor=COLORS["muted"], linestyle="--", linewidth=1.2)
    axis.text(8.6, 6.6, f"一个块，重复 n = {config.n_layers} 次", ha="right", va="bottom", fontsize=12)
    attention = [
        ("LayerNorm", f"[{T}, {D}]", "system"),
        ("q、k、v", f"[{T}, 3·{D}]", "user"),
        (f"{H} 个头的权重", f"[{H}, {T}, {T}]，因果掩码", "user"),
        ("合并各头，W_O", f"[{T}, {D}]", "user"),
    ]
    feedforward = [
        ("LayerNorm", f"[{T}, {D}]", "system"),
        ("放宽 W₁", f"[{T}, {4 * D}]", "answer"),
        ("GELU", f"[{T}, {4 * D}]", "answer"),
        ("收窄 W₂", f"[{T}, {D}]", "answer"),
    ]
    _branch(axis, 3.55, 5.55, "注意力", attention)
    _branch(axis, 6.25, 8.15, "前馈", feedforward)
    _head(axis, following, T, D, V)
    axis.set(xlim=(-0.05, 12.4), ylim=(0.2, 7.25))
    axis.axis("off")
    return figure


def _embedding(axis: Axes, words: Sequence[str], ids: Sequence[int]) -> None:
    for at, (word, number) in enumerate(zip(words, ids)):
        y = TRUNK + 0.7 - 0.86 * at
        _box(axis, 0.0, y, 0.52, word, "", "prompt", fontsize=14)
        axis.text(0.78, y, str(number), ha="center", va="center", fontsize=SMALL, color=COLORS["muted"])
    bottom = TRUNK + 0.7 - 0.86 * len(words)
    axis.text(0.5, bottom + 0.2, f"编号 [{len(words)}]", ha="center", fontsize=SMALL)
    _box(axis, 1.2, TRUNK, 0.9, "词表\n＋位置", "", "system", height=1.0)
    first, last = TRUNK + 0.7, bottom + 0.86
    _line(axis, (1.06, first + 0.2), (1.06, last - 0.2))
    _line(axis, (1.06, TRUNK), (1.15, TRUNK))


def _branch(axis: Axes, left: float, right: float, name: str, steps: Sequence[tuple[str, str, str]]) -> None:
    """Down from the trunk at left, through the steps, and up to the + at right."""
    middle, top = (left + right) / 2 + 0.1, TRUNK - 1.05
    axis.plot(left, TRUNK, "o", ms=5, color=COLORS["text"], zorder=3)
    heights = [top - 1.12 * at for at in range(len(steps))]
    _line(axis, (left, TRUNK), (left, heights[0]))
    _line(axis, (left, heights[0]), (middle - 0.85, heights[0]), head=True)
    for y, (label, shape, tint) in zip(heights, steps):
        _box(axis, middle - 0.85, y, 1.75, label, shape, tint)
    for upper, lower in pairwise(heights):
        _line(axis, (middle, upper - 0.38), (middle, lower + 0.38), head=True)
    end = right + 0.42
    _line(axis, (middle + 0.9, heights[-1]), (end, heights[-1]))
    _line(axis, (end, heights[-1]), (end, TRUNK - 0.2), head=True)
    axis.plot(end, TRUNK, "o", ms=17, mfc=COLORS["paper"], mec=COLORS["text"], zorder=3)
    axis.text(end, TRUNK, "+", ha="center", va="center", fontsize=15, zorder=4)
    axis.text((left + right) / 2 + 0.1, TRUNK + 0.25, name, ha="center", fontsize=12)


def _head(axis: Axes, following: Sequence[tuple[str, float]], T: int, D: int, V: int) -> None:
    _line(axis, (9.9, TRUNK), (10.4, TRUNK), head=True)
    axis.text(9.05, TRUNK + 0.22, f"[{T}, {D}]", fontsize=SMALL, va="bottom")
    heights = [TRUNK, TRUNK - 1.12]
    _box(axis, 10.4, heights[0], 1.75, "LayerNorm", f"[{T}, {D}]", "system")
    _box(axis, 10.4, heights[1], 1.75, "× 词表的转置", f"分数 [{T}, {V:,}]", "answer")
    _line(axis, (11.27, heights[0] - 0.38), (11.27, heights[1] + 0.38), head=True)
    _line(axis, (11.27, heights[1] - 0.38), (11.27, heights[1] - 0.75), head=True)
    axis.text(11.27, heights[1] - 1.0, "最后一处：下一个字", ha="center", va="center", fontsize=SMALL)
    widest = max(p for _, p in following)
    for at, (word, p) in enumerate(following):
        y = heights[1] - 1.5 - 0.52 * at
        axis.barh(y, 1.15 * p / widest, left=10.55, height=0.36, color=COLORS["Q"])
        axis.text(10.45, y, word, ha="right", va="center", fontsize=13)
        axis.text(10.6 + 1.15 * p / widest, y, f"{p:.0%}", va="center", fontsize=SMALL)


def _box(
    axis: Axes, left: float, y: float, width: float, label: str, shape: str, tint: str, *, height=0.76, fontsize=11
):
    box = FancyBboxPatch((left, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.08")
    box.set(facecolor=COLORS[tint], edgecolor=COLORS["muted"], linewidth=1, zorder=2)
    axis.add_patch(box)
    axis.text(
        left + width / 2, y + (0.14 if shape else 0), label, ha="center", va="center", fontsize=fontsize, zorder=3
    )
    if shape:
        place = {"ha": "center", "va": "center", "fontsize": 9.5, "color": COLORS["muted"], "zorder": 3}
        axis.text(left + width / 2, y - 0.2, shape, **place)


def _line(axis: Axes, start: tuple[float, float], end: tuple[float, float], *, head: bool = False, width: float = 1.6):
    style = {"arrowstyle": "-|>" if head else "-", "lw": width, "color": COLORS["text"], "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", end, start, arrowprops=style, zorder=1)
