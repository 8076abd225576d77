"""Figures of chapter 14: a picture in its tiles, a row of text with images in it, what latents look at, and results.

V views · N patches of a view · Q latents · S slots.  Numbers in, Figure out.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.foundations.tiles import Grid, Tiling, fit
from course_lib.widgets.style import CMAPS, COLORS

EMPTY = "#5F6B76"  # what lies around a picture in its grid


def plot_views(
    picture: UInt8[np.ndarray, "H W 3"],
    views: UInt8[np.ndarray, "V T T 3"],
    grid: Grid,
    shown: Sequence[int],
    names: Sequence[str],
) -> Figure:
    """A picture with its tiles marked, and some of its views (0: the small picture) at one size with their names."""
    figure, axes = plt.subplots(1, 1 + len(shown), figsize=(2.5 + 2.0 * len(shown), 2.5), squeeze=False)
    first, *others = axes[0]
    H, W = picture.shape[:2]
    first.imshow(picture)
    _lines(first, H, W, grid)
    _frame(first, f"{H}×{W} 像素")
    for axis, at, name in zip(others, shown, names):
        axis.imshow(views[at])
        _frame(axis, name)
    return figure


def plot_tiling(photo: UInt8[np.ndarray, "h w 3"], tiling: Tiling, grids: Sequence[Grid], *, n_latents: int) -> Figure:
    """The picture at its size; it in the chosen grid, empty grey, tiles numbered; what survives in every grid.

    photo: the picture with as many pixels as may be drawn, in the shape of the tiling's. n_latents: tokens of a view."""
    figure = plt.figure(figsize=(7.6, 3.1))
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1.15, 1.15])
    side = max(*tiling.canvas, tiling.height, tiling.width)
    for axis in (left, middle):
        axis.set(
            xlim=(-0.02 * side, 1.02 * side), ylim=(1.02 * side, -0.02 * side), aspect="equal", xticks=[], yticks=[]
        )
        axis.spines[:].set_visible(False)
    left.imshow(photo, extent=(0, tiling.width, tiling.height, 0), zorder=1)
    left.set_title(f"原图 {tiling.height}×{tiling.width}", fontsize=12, loc="center")
    (H, W), (top, start), (height, width) = tiling.canvas, tiling.corner, tiling.resized
    middle.add_patch(plt.Rectangle((0, 0), W, H, color=EMPTY, zorder=0))
    middle.imshow(photo, extent=(start, start + width, top + height, top), zorder=1)
    _lines(middle, H, W, tiling.grid, colour=COLORS["resampler"])
    for at in range(tiling.n_views - 1):
        row, column = divmod(at, tiling.grid[1])
        _number(middle, (column + 0.5) * tiling.tile, (row + 0.5) * tiling.tile, at + 1)
    rows, columns = tiling.grid
    says = f"{rows}×{columns} 片，放到 {height}×{width}"
    middle.set_title(f"{says}\n{tiling.n_views} 幅，{tiling.n_views * n_latents:,} 个词元", fontsize=12, loc="center")
    _plot_grids(right, tiling, grids)
    return figure


def _plot_grids(axis: Axes, tiling: Tiling, grids: Sequence[Grid]) -> None:
    """A bar a grid: pixels of the picture that survive, and those of the grid that are left over."""
    found = [fit(tiling.height, tiling.width, tiling.tile, grid) for grid in grids]
    survive = np.array([each[0] for each in found]) / 1e4
    area = np.array([rows * columns * tiling.tile**2 for rows, columns in grids]) / 1e4
    places = np.arange(len(grids))
    colours = [COLORS["Q"] if grid == tiling.grid else COLORS["SFT"] for grid in grids]
    axis.barh(places, area, color=COLORS["grid"], label="用不上")
    axis.barh(places, survive, color=colours)
    axis.barh([0], [0], color=COLORS["Q"], label="留下，选中")
    axis.barh([0], [0], color=COLORS["SFT"], label="留下，落选")
    axis.axvline(tiling.height * tiling.width / 1e4, color=COLORS["ink"], lw=1, ls="--", label="原图")
    small = {} if len(grids) < 8 else {"fontsize": 8.5}
    axis.set_yticks(places, [f"{rows}×{columns}" for rows, columns in grids], **small)
    axis.invert_yaxis()
    axis.set_xlabel("万像素", fontsize=11)
    axis.tick_params(length=0)
    axis.legend(
        loc="lower center", bbox_to_anchor=(0.42, 1.0), ncols=2, fontsize=9.5, handlelength=1, columnspacing=0.8
    )


def plot_row(names: Sequence[str], images: Sequence[int], counted: Sequence[bool], *, width: int = 22) -> Figure:
    """Slots of one row, `width` to a line: the text's token or which view's token (names), image 0: text, −1: padding,
    1, 2, …: of that image. counted: whether the slot is a guess that the loss counts (✓ below it)."""
    n_lines = -(-len(names) // width)
    figure, axis = plt.subplots(figsize=(8.6, 0.25 + 1.12 * n_lines))
    colours = {-1: COLORS["grid"], 0: COLORS["user"]}
    for at, (name, image, told) in enumerate(zip(names, images, counted)):
        line, column = divmod(at, width)
        y = -1.5 * line
        colour = colours.get(image, (COLORS["image"], COLORS["video"])[(image - 1) % 2])
        axis.add_patch(plt.Rectangle((column + 0.04, y), 0.92, 0.8, color=colour))
        ink = COLORS["ink"] if image < 1 else COLORS["paper"]
        axis.text(column + 0.5, y + 0.4, name, ha="center", va="center", fontsize=10.5, color=ink)
        if told:
            axis.text(column + 0.5, y - 0.3, "✓", ha="center", va="center", fontsize=11, color=COLORS["good"])
    axis.set(xlim=(0, width), ylim=(-1.5 * n_lines + 0.8, 0.9))
    axis.axis("off")
    return figure


def plot_looks(
    views: UInt8[np.ndarray, "V T T 3"],
    own: Float[np.ndarray, "V N"],
    together: Float[np.ndarray, "V N"],
    names: Sequence[str],
) -> Figure:
    """What one latent looks at: over the patches of every view, where views are sampled each on its own, and together.

    own: each view sums to at most 1; together: all views do. Share of the largest, as brightness of the picture."""
    V = len(views)
    figure, axes = plt.subplots(2, V, figsize=(1.55 * V + 0.6, 3.5), squeeze=False)
    for row, (weights, title) in enumerate(((own, "各采各的"), (together, "一起采"))):
        for axis, view, each, name in zip(axes[row], views, weights, names):
            side = round(len(each) ** 0.5)
            share = each.reshape(side, side) / weights.max()
            bright = np.kron(0.25 + 0.75 * share, np.ones((view.shape[0] // side,) * 2))[..., None]
            axis.imshow((view * bright).astype(np.uint8))
            _frame(axis, f"{each.sum():.0%}")
            if not row:
                axis.set_title(name, fontsize=11.5, loc="center")
        axes[row, 0].set_ylabel(title, fontsize=12)
    return figure


def plot_reached(
    reached: Mapping[str, Float[np.ndarray, "seeds groups"]],
    groups: Sequence[str],
    *,
    label: str,
    chance: float | None = None,
    percent: bool = True,
) -> Figure:
    """A group of bars a group, a bar a setting: the mean over seeds, each seed a dot. reached: setting -> results."""
    figure, axis = plt.subplots(figsize=(6.8, 3.3))
    width = 0.8 / len(reached)
    for at, ((name, values), colour) in enumerate(zip(reached.items(), ("Q", "K", "V", "image"))):
        places = np.arange(len(groups)) + width * (at - (len(reached) - 1) / 2)
        axis.bar(places, values.mean(0), 0.92 * width, color=COLORS[colour], label=name)
        for seed in values:
            axis.plot(places, seed, "o", ms=4, color=COLORS["ink"], mfc=COLORS["paper"])
    if chance is not None:
        axis.axhline(chance, color=COLORS["muted"], ls="--", lw=1.4)
    axis.set_xticks(range(len(groups)), list(groups))
    axis.set(ylabel=label)
    if percent:
        axis.set_ylim(0, 1.05)
        axis.yaxis.set_major_formatter("{x:.0%}")
    figure.legend(loc="outside upper center", ncols=len(reached))
    return figure


def plot_answers(pictures: Sequence[UInt8[np.ndarray, "H W 3"]], said: Sequence[str], marks: Sequence[bool]) -> Figure:
    """Pictures with what was said of each below it; ✓ and a green frame, or ✗ and a red one."""
    figure, axes = plt.subplots(1, len(pictures), figsize=(2.1 * len(pictures), 2.6), squeeze=False)
    for axis, picture, text, right in zip(axes[0], pictures, said, marks):
        axis.imshow(picture)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(visible=True, color=COLORS["good" if right else "bad"], linewidth=2.5)
        axis.set_xlabel(("✓ " if right else "✗ ") + text, fontsize=11)
    return figure


def plot_questions(
    softmax: Float[np.ndarray, "N N"], sigmoid: Float[np.ndarray, "N N"], names: Sequence[str]
) -> Figure:
    """The same cosines read in two ways: each row shared out, each cell a question of its own."""
    N = len(names)
    figure, axes = plt.subplots(1, 2, figsize=(1.2 + 2.1 * N, 1.2 + 0.75 * N))
    for axis, cells, title in zip(axes, (softmax, sigmoid), ("CLIP：每行分一份", "SigLIP：每格一题")):
        axis.imshow(cells, aspect="auto", cmap=CMAPS["weight"], vmin=0, vmax=1)
        for i in range(N):
            for j in range(N):
                colour = COLORS["paper"] if cells[i, j] > 0.6 else COLORS["ink"]
                axis.text(j, i, f"{cells[i, j]:.2f}", ha="center", va="center", color=colour)
        axis.set_xticks(range(N), names, fontsize=11)
        axis.set_yticks(range(N), [f"图 {i + 1}" for i in range(N)], fontsize=11)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set_title(title, fontsize=12.5, loc="center")
    return figure


def _frame(axis: Axes, below: str) -> None:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color=COLORS["muted"], linewidth=1)
    axis.set_xlabel(below, fontsize=11.5)


def _lines(axis: Axes, height: int, width: int, grid: Grid, colour: str = COLORS["resampler"]) -> None:
    """Around every tile."""
    rows, columns = grid
    for row in range(rows + 1):
        axis.plot([-0.5, width - 0.5], [height * row / rows - 0.5] * 2, color=colour, lw=1.3, zorder=2)
    for column in range(columns + 1):
        axis.plot([width * column / columns - 0.5] * 2, [-0.5, height - 0.5], color=colour, lw=1.3, zorder=2)


def _number(axis: Axes, x: float, y: float, number: int) -> None:
    disc = {"boxstyle": "circle,pad=0.2", "facecolor": COLORS["paper"], "edgecolor": "none", "alpha": 0.85}
    axis.text(x, y, str(number), ha="center", va="center", fontsize=9.5, bbox=disc, zorder=3)
