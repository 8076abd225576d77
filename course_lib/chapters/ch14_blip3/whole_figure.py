"""BLIP-3 as one figure: views through a frozen tower, a resampler that reads each view, one row of slots, one loss.

V views · N patches of a view · D width of the tower · Q latents · E width of the language model · S slots · K words
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course_lib.foundations.tiles import Grid
from course_lib.models.blip3 import BLIP3
from course_lib.widgets.diagram import SMALL, box, line
from course_lib.widgets.style import COLORS

WIDTH = 2.7
LEFT, MIDDLE, RIGHT = 0.0, 4.55, 10.0  # left edges of the three columns
ATTENTION, FORWARD = 6.45, 3.7  # heights of the sampler's two sublayers


def plot_whole(
    model: BLIP3,
    picture: UInt8[np.ndarray, "H W 3"],
    views: UInt8[np.ndarray, "V T T 3"],
    grid: Grid,
    tokens: Sequence[str],
) -> Figure:
    """tokens: of the text, "图" where the image goes, the first of them the placeholder's neighbour or itself."""
    V, vision, n_latents = len(views), model.tower.config, model.config.n_latents
    N, D, E = vision.n_patches, vision.d_model, model.lm.config.d_model
    figure, axis = plt.subplots(figsize=(9.8, 7.2))
    _views(axis, picture, views, grid)
    _tower(axis, V, N, D, vision.n_layers)
    _sampler(axis, V, N, D, n_latents, model.config.n_layers)
    box(axis, MIDDLE, 1.05, WIDTH, "LayerNorm，线性层", f"[{V}, {n_latents}, {E}]", "paper")
    n_image = V * n_latents
    _language_model(axis, model, tokens, n_image)
    box(axis, MIDDLE, -0.25, WIDTH, "一幅接一幅", f"[{n_image}, {E}]", "paper")
    line(axis, (MIDDLE + WIDTH / 2, 0.67), (MIDDLE + WIDTH / 2, 0.13), head=True)
    _purple(axis, [(MIDDLE + WIDTH, -0.25), (9.3, -0.25), (9.3, 6.85), (RIGHT, 6.85)])
    axis.set(xlim=(-0.15, 13.6), ylim=(-0.8, 10.4))
    axis.axis("off")
    return figure


def _views(axis: Axes, picture: np.ndarray, views: np.ndarray, grid: Grid) -> None:
    axis.text(WIDTH / 2, 10.05, "图", ha="center", fontsize=13, color=COLORS["image"])
    inset = axis.inset_axes((WIDTH / 2 - 0.85, 8.15, 1.7, 1.75), transform=axis.transData)
    inset.imshow(picture)
    inset.axis("off")
    H, W = picture.shape[:2]
    for row in range(grid[0] + 1):
        inset.plot([-0.5, W - 0.5], [H * row / grid[0] - 0.5] * 2, color=COLORS["resampler"], lw=1)
    for column in range(grid[1] + 1):
        inset.plot([W * column / grid[1] - 0.5] * 2, [-0.5, H - 0.5], color=COLORS["resampler"], lw=1)
    line(axis, (WIDTH / 2, 8.1), (WIDTH / 2, 7.45), head=True)
    axis.text(WIDTH / 2 + 0.15, 7.75, "缩小一幅，切成片", fontsize=SMALL, va="center")
    step = 3.1 / len(views)
    for at, view in enumerate(views):
        small = axis.inset_axes((-0.2 + step * at, 6.75, 0.92 * step, 0.62), transform=axis.transData)
        small.imshow(view)
        small.axis("off")


def _tower(axis: Axes, V: int, N: int, D: int, n_layers: int) -> None:
    middle = WIDTH / 2
    line(axis, (middle, 6.7), (middle, 6.3), head=True)
    steps = (
        ("每幅切成图像块，投影", f"[{V}, {N}, {D}]"),
        ("加位置", f"[{V}, {N}, {D}]"),
        (f"ViT 的块 × {n_layers}", f"[{V}, {N}, {D}]"),
        ("LayerNorm", f"[{V}, {N}, {D}]"),
    )
    for at, (label, shape) in enumerate(steps):
        y = 5.9 - 1.15 * at
        box(axis, LEFT, y, WIDTH, label, shape, "system")
        if at:
            line(axis, (middle, y + 0.77), (middle, y + 0.38), head=True)
    _dashed(axis, LEFT - 0.12, 1.95, WIDTH + 0.24, 4.45, "SigLIP 的图像塔，冻住", below=True)
    _purple(axis, [(LEFT + WIDTH, 2.45), (3.5, 2.45), (3.5, ATTENTION), (MIDDLE, ATTENTION)])
    axis.text(3.42, 4.4, "图像\n特征", fontsize=SMALL, ha="right", color=COLORS["image"])


def _sampler(axis: Axes, V: int, N: int, D: int, Q: int, n_layers: int) -> None:
    middle = MIDDLE + WIDTH / 2
    axis.text(middle, 10.05, "重采样器", ha="center", fontsize=13, color=COLORS["resampler"])
    box(axis, MIDDLE, 9.2, WIDTH, "可学习的向量，每幅一份", f"[{V}, {Q}, {D}]", "paper")
    line(axis, (middle, 8.82), (middle, 1.43), head=True)
    _sublayer(axis, ATTENTION, 1.02, "q 来自向量；k、v 来自\n[图像特征；向量]", f"每个向量看 {N} + {Q} 个键", "user")
    _sublayer(axis, FORWARD, 0.76, "前馈", f"[{V}, {Q}, {4 * D}] → [{V}, {Q}, {D}]", "system")
    _dashed(axis, MIDDLE - 0.5, 2.35, WIDTH + 1.35, 5.8, f"重复 {n_layers} 次")


def _sublayer(axis: Axes, y: float, height: float, label: str, shape: str, tint: str) -> None:
    """Norm in front, the way around, the + behind."""
    middle, side, plus = MIDDLE + WIDTH / 2, MIDDLE + WIDTH + 0.3, y - 1.0
    norm = {"boxstyle": "round,pad=0.18", "facecolor": COLORS["paper"], "edgecolor": COLORS["muted"], "linewidth": 0.8}
    axis.text(middle, y + 0.95, "LayerNorm", ha="center", va="center", fontsize=9.5, bbox=norm, zorder=3)
    axis.plot(middle, y + 1.35, "o", ms=4, color=COLORS["text"], zorder=3)
    line(axis, (middle, y + 1.35), (side, y + 1.35))
    line(axis, (side, y + 1.35), (side, plus))
    line(axis, (side, plus), (middle + 0.17, plus), head=True)
    two_lines = "\n" in label
    box(axis, MIDDLE, y, WIDTH, "" if two_lines else label, "" if two_lines else shape, tint, height=height)
    if two_lines:
        axis.text(middle, y + 0.16, label, ha="center", va="center", fontsize=10.5, zorder=3)
        axis.text(middle, y - 0.36, shape, ha="center", va="center", fontsize=9.5, color=COLORS["muted"], zorder=3)
    axis.plot(middle, plus, "o", ms=13, mfc=COLORS["paper"], mec=COLORS["text"], zorder=3)
    axis.text(middle, plus - 0.01, "+", ha="center", va="center", fontsize=12, zorder=4)


def _language_model(axis: Axes, model: BLIP3, tokens: Sequence[str], n_image: int) -> None:
    lm, middle, width = model.lm.config, RIGHT + 1.7, 3.4
    E, S = lm.d_model, len(tokens) - 1 + n_image
    axis.text(middle, 10.05, "语言模型", ha="center", fontsize=13)
    axis.text(middle, 9.5, "".join("〈图〉" if each == "图" else each for each in tokens), ha="center", fontsize=11)
    line(axis, (middle, 9.35), (middle, 8.93), head=True)
    box(axis, RIGHT, 8.55, width, "查词", f"[{len(tokens)}, {E}]", "system")
    line(axis, (middle, 8.17), (middle, 7.75), head=True)
    box(axis, RIGHT, 7.0, width, "", "", "paper", height=1.5)
    axis.text(middle, 7.5, f"一行：占位符换成 {n_image} 个", ha="center", va="center", fontsize=10.5, zorder=3)
    _slots(axis, tokens, width)
    axis.text(middle, 6.45, f"[{S}, {E}]", ha="center", va="center", fontsize=9.5, color=COLORS["muted"], zorder=3)
    line(axis, (middle, 6.25), (middle, 5.33), head=True)
    box(axis, RIGHT, 4.95, width, f"GPT-2 的块 × {lm.n_layers}，因果", f"[{S}, {E}]", "system")
    line(axis, (middle, 4.57), (middle, 3.58), head=True)
    box(axis, RIGHT, 3.2, width, "LayerNorm，过词表", f"[{S}, {lm.n_vocab}]", "system")
    line(axis, (middle, 2.82), (middle, 1.43), head=True)
    box(axis, RIGHT, 1.05, width, "交叉熵，只数文字", "一个数", "prompt")


def _slots(axis: Axes, tokens: Sequence[str], width: float) -> None:
    """The row, small: one cell a token, an image three wide."""
    shown = list(tokens[:8])
    cells = sum(3 if each == "图" else 1 for each in shown)
    step, x = (width - 0.3) / cells, RIGHT + 0.15
    for each in shown:
        span = 3 * step if each == "图" else step
        colour = COLORS["image"] if each == "图" else COLORS["user"]
        axis.add_patch(plt.Rectangle((x + 0.02, 6.75), span - 0.04, 0.42, color=colour, zorder=3))
        x += span


def _purple(axis: Axes, corners: Sequence[tuple[float, float]]) -> None:
    """Where what comes from the picture goes."""
    axis.plot(*zip(*corners), color=COLORS["image"], lw=2.2, zorder=0)
    line(axis, (corners[-1][0] - 0.25, corners[-1][1]), corners[-1], head=True)


def _dashed(
    axis: Axes, left: float, bottom: float, width: float, height: float, says: str, *, below: bool = False
) -> None:
    frame = FancyBboxPatch((left, bottom), width, height, boxstyle="round,pad=0,rounding_size=0.15")
    frame.set(facecolor="none", edgecolor=COLORS["muted"], linestyle="--", linewidth=1.2)
    axis.add_patch(frame)
    if below:
        axis.text(left + width / 2, bottom - 0.12, says, ha="center", va="top", fontsize=SMALL)
    else:
        axis.text(left + 0.08, bottom + 0.1, says, ha="left", va="bottom", fontsize=SMALL)
