"""BLIP-2 as one figure: a layer of the Q-Former with its two columns, what stage 1 reads of them, and stage 2.

Q queries · L words of a text · N tokens of an image, Dv wide · D width of the Q-Former · E shared · V words
W width of the language model
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course_lib.models.blip2 import QFormerConfig
from course_lib.widgets.diagram import SMALL, box, line
from course_lib.widgets.style import COLORS

WIDTH = 2.5
TOWER, QUERIES, TEXT, STAGE2 = 0.0, 3.7, 6.75, 10.9  # left edges of the columns
SELF, CROSS, FORWARD = 7.35, 5.15, 2.95  # heights of a layer's sublayers
OUT = 0.7  # height of what is read


def plot_whole(
    config: QFormerConfig, image: np.ndarray, text: str, n_words: int, n_places: int, d_shared: int, d_lm: int
) -> Figure:
    """image: [H, W, 3]. n_words: L, n_places: N. Stage 2 keeps what is pink and the self-attention."""
    Q, D, L, N = config.n_queries, config.d_model, n_words, n_places
    F, Dv, V = config.d_hidden, config.d_image, config.n_vocab
    figure, axis = plt.subplots(figsize=(9.6, 7.2))
    _tower(axis, image, f"[{N}, {Dv}]")
    for left, name, says, shape, tint in (
        (QUERIES, "查询", f"{Q} 个学来的向量", f"[{Q}, {D}]", "resampler"),
        (TEXT, "字", text, f"[{L}, {D}]", "Q"),
    ):
        middle = left + WIDTH / 2
        axis.text(middle, 10.0, name, ha="center", fontsize=13, color=COLORS[tint])
        axis.text(middle, 9.55, says, ha="center", fontsize=SMALL)
        line(axis, (middle, 9.45), (middle, 9.15), head=True)
        box(axis, left, 8.77, WIDTH, "LayerNorm" if left == QUERIES else "词 + 位置，LayerNorm", shape, "paper")
        line(axis, (middle, 8.39), (middle, OUT + 0.38), head=True)
        _around(axis, left, SELF)
    _joined(axis, f"自注意力，一份参数，三张掩码：[{Q + L}, {D}]")
    box(axis, QUERIES, CROSS, WIDTH, "交叉注意力", f"[{Q}, {D}]", "assistant")
    _around(axis, QUERIES, CROSS)
    box(axis, QUERIES, FORWARD, WIDTH, "查询的前馈", f"[{Q}, {F}] → [{Q}, {D}]", "assistant")
    box(axis, TEXT, FORWARD, WIDTH, "字的前馈", f"[{L}, {F}] → [{L}, {D}]", "user")
    for left in (QUERIES, TEXT):
        _around(axis, left, FORWARD)
    axis.plot([TOWER + WIDTH / 2, QUERIES - 0.2], [CROSS, CROSS], color=COLORS["image"], lw=2.2, zorder=0)
    line(axis, (QUERIES - 0.3, CROSS), (QUERIES, CROSS), head=True)
    _frame(axis, config)
    _stage1(axis, Q, L, V, d_shared)
    _stage2(axis, Q, L, D, d_lm)
    axis.set(xlim=(-0.1, 13.6), ylim=(-0.75, 10.45))
    axis.axis("off")
    return figure


def _tower(axis: Axes, image: np.ndarray, shape: str) -> None:
    middle = TOWER + WIDTH / 2
    inset = axis.inset_axes((middle - 0.75, 8.6, 1.5, 1.15), transform=axis.transData)
    inset.imshow(image)
    inset.axis("off")
    axis.text(middle, 10.0, "看图", ha="center", fontsize=13, color=COLORS["image"])
    line(axis, (middle, 8.55), (middle, 7.6), head=True)
    box(axis, TOWER, 7.15, WIDTH, "图像塔", "", "system", height=0.9)
    axis.text(middle, 6.45, "冻结", ha="center", fontsize=12, color=COLORS["muted"])
    line(axis, (middle, 6.3), (middle, CROSS), head=True)
    axis.text(middle, CROSS - 0.35, shape, ha="center", va="center", fontsize=SMALL, color=COLORS["image"])


def _joined(axis: Axes, says: str) -> None:
    """One box over both columns."""
    box(axis, QUERIES, SELF, TEXT + WIDTH - QUERIES, says, "", "system")


def _around(axis: Axes, left: float, y: float) -> None:
    """The way around a sublayer, the + and the norm behind it."""
    middle, side, plus = left + WIDTH / 2, left + WIDTH + 0.2, y - 0.6
    axis.plot(middle, y + 0.58, "o", ms=4, color=COLORS["text"], zorder=3)
    line(axis, (middle, y + 0.58), (side, y + 0.58))
    line(axis, (side, y + 0.58), (side, plus))
    line(axis, (side, plus), (middle + 0.17, plus), head=True)
    axis.plot(middle, plus, "o", ms=13, mfc=COLORS["paper"], mec=COLORS["text"], zorder=3)
    axis.text(middle, plus - 0.01, "+", ha="center", va="center", fontsize=12, zorder=4)
    norm = {"boxstyle": "round,pad=0.18", "facecolor": COLORS["paper"], "edgecolor": COLORS["muted"], "linewidth": 0.8}
    axis.text(middle, y - 1.04, "LayerNorm", ha="center", va="center", fontsize=9.5, bbox=norm, zorder=3)


def _frame(axis: Axes, config: QFormerConfig) -> None:
    left, bottom, top = QUERIES - 0.22, FORWARD - 1.32, SELF + 0.76
    right = TEXT + WIDTH + 0.36
    frame = FancyBboxPatch((left, bottom), right - left, top - bottom, boxstyle="round,pad=0,rounding_size=0.15")
    frame.set(facecolor="none", edgecolor=COLORS["muted"], linestyle="--", linewidth=1.2)
    axis.add_patch(frame)
    says = f"Q-Former 的一层\n重复 {config.n_layers} 次\n交叉注意力\n每 {config.cross_every} 层一次"
    axis.text(
        TEXT + WIDTH / 2 + 0.1,
        CROSS,
        says,
        ha="center",
        fontsize=SMALL,
        va="center",
        bbox={"facecolor": COLORS["paper"], "edgecolor": "none", "pad": 2},
        zorder=3,
    )


def _stage1(axis: Axes, Q: int, L: int, V: int, E: int) -> None:
    half = WIDTH / 2 - 0.05
    box(axis, QUERIES, OUT, half, "投影", f"[{Q}, {E}]", "paper")
    box(axis, QUERIES + half + 0.1, OUT, half, "分两类", f"[{Q}, 2]", "paper")
    box(axis, TEXT, OUT, half, "第 0 行", f"[{E}]", "paper")
    box(axis, TEXT + half + 0.1, OUT, half, "过词表", f"[{L}, {V}]", "paper")
    for left, loss, says in (
        (QUERIES - 0.05, "ITC", "取最大"),
        (QUERIES + half + 0.05, "ITM", "取平均"),
        (TEXT - 0.05, "ITC", ""),
        (TEXT + half + 0.05, "ITG", ""),
    ):
        middle = left + half / 2 + 0.05
        axis.text(middle, 0.1, loss, ha="center", va="center", fontsize=12.5, color=COLORS["Q"])
        axis.text(middle, -0.3, says, ha="center", va="center", fontsize=SMALL)
    axis.text(TEXT + 0.1, -0.62, "第一阶段", ha="center", fontsize=13)


def _stage2(axis: Axes, Q: int, L: int, D: int, W: int) -> None:
    middle = STAGE2 + WIDTH / 2
    axis.text(middle, 10.0, "第二阶段", ha="center", fontsize=13)
    axis.text(middle, 9.55, "只用查询那一列的输出", ha="center", fontsize=SMALL)
    axis.text(middle, 9.0, f"[{Q}, {D}]", ha="center", fontsize=SMALL, color=COLORS["resampler"])
    line(axis, (middle, 8.85), (middle, 8.43), head=True)
    box(axis, STAGE2, 8.05, WIDTH, "线性层", f"[{Q}, {W}]", "assistant")
    line(axis, (middle, 7.67), (middle, 7.05), head=True)
    box(axis, STAGE2, 6.67, WIDTH, "前缀，后面接字", f"[{Q} + {L}, {W}]", "paper")
    line(axis, (middle, 6.29), (middle, 5.45), head=True)
    box(axis, STAGE2, 4.9, WIDTH, "语言模型", "", "system", height=1.1)
    axis.text(middle, 3.95, "冻结", ha="center", fontsize=12, color=COLORS["muted"])
    line(axis, (middle, 3.8), (middle, 3.3), head=True)
    axis.text(middle, 2.95, "下一个字", ha="center", fontsize=12)
    axis.text(middle, 2.5, "损失只算在字上", ha="center", fontsize=SMALL)
