"""BLIP as one figure: an image tower, and one text model drawn in its three modes, read from top to bottom.

L tokens of a text · T = N + 1 tokens of an image · Dv width of the image tower · D of the texts · E shared · V words
"""

from collections.abc import Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course_lib.models.blip import BLIPConfig
from course_lib.widgets.diagram import SMALL, box, line
from course_lib.widgets.style import COLORS

WIDTH = 2.5
COLUMNS = (3.7, 7.25, 10.8)  # left edges of the three modes
SELF, CROSS, FORWARD = 7.4, 5.2, 3.0  # heights of a layer's sublayers
SEEN = CROSS - 1.41  # height at which the image's line runs
OUT = 0.75  # height of what is read


def plot_whole(config: BLIPConfig, image: np.ndarray, tokens: Sequence[str]) -> Figure:
    """image: [H, W, 3]. tokens: of its caption, without the first one. Boxes of one colour, not white, in one row share
    their parameters."""
    text = config.text
    L, D, E = len(tokens) + 1, text.d_model, config.d_shared
    figure, axis = plt.subplots(figsize=(9.6, 7.2))
    _image_tower(axis, config, image)
    modes = (
        ("只读文字", "[始]", "双向", ("取第 0 行，投影", f"[{E}]", "ITC")),
        ("读文字，看着图", "[编]", "双向", ("取第 0 行，分两类", "[2]", "ITM")),
        ("写文字，看着图", "[写]", "因果", ("每行过词表", f"[{L}, {text.n_vocab}]", "LM")),
    )
    for at, (left, (name, first, mask, read)) in enumerate(zip(COLUMNS, modes)):
        middle = left + WIDTH / 2
        said = first + "".join(tokens)
        axis.text(middle, 10.05, name, ha="center", fontsize=13)
        axis.text(middle, 9.6, said if len(said) < 14 else said[:12] + "…", ha="center", fontsize=SMALL)
        line(axis, (middle, 9.5), (middle, 9.2), head=True)
        box(axis, left, 8.82, WIDTH, "词 + 位置，LayerNorm", f"[{L}, {D}]", "system")
        line(axis, (middle, 8.44), (middle, OUT + 0.38), head=True)
        _sublayer(axis, left, SELF, f"自注意力，{mask}", f"[{L}, {D}]", "user" if mask == "双向" else "assistant")
        if at:
            _sublayer(axis, left, CROSS, "交叉注意力", f"[{L}, {D}]", "system")
            axis.plot([left - 0.42] * 2, [SEEN, CROSS], color=COLORS["image"], lw=2.2, zorder=0)
            line(axis, (left - 0.42, CROSS), (left, CROSS), head=True)
        _sublayer(axis, left, FORWARD, "前馈", f"[{L}, {text.d_hidden}] → [{L}, {D}]", "system")
        _read(axis, left, *read)
    axis.plot([WIDTH, COLUMNS[-1] - 0.42], [SEEN, SEEN], color=COLORS["image"], lw=2.2, zorder=0)
    _frame(axis, text.n_layers)
    axis.set(xlim=(-0.1, 13.85), ylim=(-0.5, 10.4))
    axis.axis("off")
    return figure


def _sublayer(axis: Axes, left: float, y: float, label: str, shape: str, tint: str) -> None:
    """The box, the way around it, the + and the norm behind it."""
    middle, side, plus = left + WIDTH / 2, left + WIDTH + 0.22, y - 0.62
    axis.plot(middle, y + 0.6, "o", ms=4, color=COLORS["text"], zorder=3)
    box(axis, left, y, WIDTH, label, shape, tint)
    line(axis, (middle, y + 0.6), (side, y + 0.6))
    line(axis, (side, y + 0.6), (side, plus))
    line(axis, (side, plus), (middle + 0.17, plus), head=True)
    axis.plot(middle, plus, "o", ms=13, mfc=COLORS["paper"], mec=COLORS["text"], zorder=3)
    axis.text(middle, plus - 0.01, "+", ha="center", va="center", fontsize=12, zorder=4)
    norm = {"boxstyle": "round,pad=0.18", "facecolor": COLORS["paper"], "edgecolor": COLORS["muted"], "linewidth": 0.8}
    axis.text(middle, y - 1.06, "LayerNorm", ha="center", va="center", fontsize=9.5, bbox=norm, zorder=3)


def _read(axis: Axes, left: float, label: str, shape: str, loss: str) -> None:
    middle = left + WIDTH / 2
    box(axis, left, OUT, WIDTH, label, shape, "paper")
    line(axis, (middle, OUT - 0.38), (middle, OUT - 0.68), head=True)
    axis.text(middle, -0.2, loss, ha="center", va="center", fontsize=14, color=COLORS["Q"])


def _image_tower(axis: Axes, config: BLIPConfig, image: np.ndarray) -> None:
    vit, middle = config.image, WIDTH / 2
    T, Dv = vit.n_patches + 1, vit.d_model
    inset = axis.inset_axes((middle - 0.75, 8.75, 1.5, 1.15), transform=axis.transData)
    inset.imshow(image)
    inset.axis("off")
    axis.text(middle, 10.05, "看图", ha="center", fontsize=13, color=COLORS["image"])
    steps = (
        ("切块，投影", f"[{vit.n_patches}, {Dv}]"),
        ("加分类词元和位置", f"[{T}, {Dv}]"),
        (f"ViT 的块 × {vit.n_layers}", f"[{T}, {Dv}]"),
        ("LayerNorm", f"[{T}, {Dv}]"),
    )
    heights = (7.8, 6.55, 5.3, SEEN)
    for above, y in pairwise((8.75 + 0.38, *heights, OUT)):
        line(axis, (middle, above - 0.38), (middle, y + 0.38), head=True)
    for y, (label, shape) in zip(heights, steps):
        box(axis, 0, y, WIDTH, label, shape, "paper")
    _read(axis, 0, "取第 0 行，投影", f"[{config.d_shared}]", "ITC")


def _frame(axis: Axes, n_layers: int) -> None:
    """Around one layer of all three modes."""
    left, bottom, top = COLUMNS[0] - 0.22, FORWARD - 1.36, SELF + 0.78
    right = COLUMNS[-1] + WIDTH + 0.42
    frame = FancyBboxPatch((left, bottom), right - left, top - bottom, boxstyle="round,pad=0,rounding_size=0.15")
    frame.set(facecolor="none", edgecolor=COLORS["muted"], linestyle="--", linewidth=1.2)
    axis.add_patch(frame)
    axis.text(left + 0.2, CROSS, f"这一层\n重复\n{n_layers} 次", fontsize=SMALL, va="center")
