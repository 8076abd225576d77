"""CLIP as one figure: two towers, one space, one matrix, read from left to right on one example.

N images and as many texts · L tokens of a text · D width of a tower · E common width
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course_lib.models.clip import CLIPConfig
from course_lib.widgets.style import CMAPS, COLORS

SMALL = 12.5
TOP, BOTTOM = 5.3, 2.9  # heights of the two towers


def plot_whole(config: CLIPConfig, image: np.ndarray, tokens: Sequence[str], cosines: np.ndarray) -> Figure:
    """image: [H, W, 3]. tokens: of its caption, the end included. cosines: [N, N] of a batch, the example first."""
    image_config, text_config = config.image, config.text
    D, F, L, E = image_config.d_model, text_config.d_model, len(tokens), config.d_shared
    n = image_config.n_patches
    figure, axis = plt.subplots(figsize=(9.4, 5.8))
    _tower(
        axis,
        TOP,
        "image",
        [
            ("切块，× W", f"[{n}, {image_config.channels * image_config.patch**2}]\n→ [{n}, {D}]"),
            ("加分类词元\n加位置\nLayerNorm", f"[{n + 1}, {D}]"),
            (f"块 × {image_config.n_layers}\n彼此可见", f"[{n + 1}, {D}]"),
            ("取分类词元\nLayerNorm", f"[{D}]"),
            ("投影\n除以长度", f"[{E}]"),
        ],
    )
    _tower(
        axis,
        BOTTOM,
        "text",
        [
            ("查词表", f"[{L}]\n→ [{L}, {F}]"),
            ("加位置", f"[{L}, {F}]"),
            (f"块 × {text_config.n_layers}\n因果掩码", f"[{L}, {F}]"),
            ("LayerNorm\n取结束符", f"[{F}]"),
            ("投影\n除以长度", f"[{E}]"),
        ],
    )
    inset = axis.inset_axes((0.0, TOP - 0.5, 1.0, 1.0), transform=axis.transData)
    inset.imshow(image)
    inset.axis("off")
    axis.text(0.5, TOP - 0.75, "图像塔", ha="center", fontsize=12, color=COLORS["image"])
    third = -(-L // 3)
    said = "\n".join("".join(tokens[at : at + third]) for at in range(0, L, third))
    axis.text(0.5, BOTTOM, said, ha="center", va="center", fontsize=11)
    axis.text(0.5, BOTTOM - 0.8, "文字塔", ha="center", fontsize=12, color=COLORS["text"])
    _block(axis, D, F)
    _matrix(axis, cosines, E)
    axis.set(xlim=(-0.1, 12.6), ylim=(-0.1, 6.6))
    axis.axis("off")
    return figure


def _tower(axis: Axes, y: float, colour: str, steps: Sequence[tuple[str, str]]) -> None:
    for at, (label, shape) in enumerate(steps):
        left = 1.35 + 1.66 * at
        _line(axis, (left - 0.3, y), (left, y))
        box = FancyBboxPatch((left, y - 0.48), 1.36, 0.96, boxstyle="round,pad=0,rounding_size=0.1")
        box.set(facecolor=COLORS["paper"], edgecolor=COLORS[colour], linewidth=1.6)
        axis.add_patch(box)
        axis.text(left + 0.68, y, label, ha="center", va="center", fontsize=SMALL)
        axis.text(
            left + 0.68, y + 0.55, shape, ha="center", va="bottom", fontsize=11, linespacing=1.05, color=COLORS["muted"]
        )


def _block(axis: Axes, D: int, F: int) -> None:
    """Inside of one block, both towers': the residual stream and its two branches."""
    y = 1.45
    axis.text(0.0, y, "每一块里\n残差流", fontsize=SMALL, va="center")
    axis.plot([1.1, 10.6], [y, y], color=COLORS["ink"], lw=3.5, solid_capstyle="butt")
    wide = f"{D} → {4 * D} → {D}" if D == F else "放宽四倍再收窄"
    branches = ((1.4, "LayerNorm", "多头注意力"), (5.9, "LayerNorm", f"前馈 quick GELU\n{wide}"))
    for left, first, second in branches:
        for x, width, label in ((left + 0.3, 1.35, first), (left + 1.9, 2.1, second)):
            box = FancyBboxPatch((x, 0.15), width, 0.75, boxstyle="round,pad=0,rounding_size=0.1")
            box.set(facecolor=COLORS["system"], edgecolor=COLORS["muted"], linewidth=1)
            axis.add_patch(box)
            axis.text(x + width / 2, 0.52, label, ha="center", va="center", fontsize=11.5)
        for start, end, head in (
            ((left, y), (left, 0.52), False),
            ((left, 0.52), (left + 0.3, 0.52), True),
            ((left + 1.65, 0.52), (left + 1.9, 0.52), True),
            ((left + 4.0, 0.52), (left + 4.2, 0.52), False),
            ((left + 4.2, 0.52), (left + 4.2, y - 0.17), True),
        ):
            _line(axis, start, end, head=head)
        axis.plot(left + 4.2, y, "o", ms=14, mfc=COLORS["paper"], mec=COLORS["ink"], zorder=3)
        axis.text(left + 4.2, y, "+", ha="center", va="center", fontsize=13, zorder=4)


def _matrix(axis: Axes, cosines: np.ndarray, E: int) -> None:
    N = len(cosines)
    inset = axis.inset_axes((10.25, 3.1, 2.0, 2.0), transform=axis.transData)
    inset.imshow(cosines, cmap=CMAPS["weight"], vmin=-0.5, vmax=1)
    inset.set(xticks=[], yticks=[])
    for i in range(N):
        for j in range(N):
            colour = COLORS["paper"] if cosines[i, j] > 0.5 else COLORS["ink"]
            inset.text(j, i, f"{cosines[i, j]:.1f}", ha="center", va="center", fontsize=SMALL, color=colour)
        inset.add_patch(plt.Rectangle((i - 0.46, i - 0.46), 0.92, 0.92, fill=False, ec=COLORS["K"], lw=2))
    axis.text(11.25, 5.25, f"余弦 [{N}, {N}]\n图 [{N}, {E}] · 文 [{E}, {N}]", ha="center", va="bottom", fontsize=SMALL)
    axis.text(11.25, 2.95, "× 1/τ\n行：哪句？列：哪张图？\n两个交叉熵，取平均", ha="center", va="top", fontsize=SMALL)
    _line(axis, (9.35, TOP), (10.2, 4.6))
    _line(axis, (9.35, BOTTOM), (10.2, 3.6))


def _line(axis: Axes, start: tuple[float, float], end: tuple[float, float], *, head: bool = True) -> None:
    style = {"arrowstyle": "-|>" if head else "-", "lw": 1.5, "color": COLORS["ink"], "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", end, start, arrowprops=style, zorder=1)
