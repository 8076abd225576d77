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
    figure, axes = plt.subplots(1, 1 + len(shown), figsize=(1.8 + 1.4 * len(shown), 1.9), squeeze=False)
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

    photo: the picture with as many pixels as may be drawn, in its own shape. n_latents: tokens of a view."""
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


def plot_row(
    names: Sequence[str],
    images: Sequence[int],
    counted: Sequence[bool],
    pictures: Sequence[UInt8[np.ndarray, "H W 3"]] = (),
    *,
    width: int = 20,
) -> Figure:
    """Slots of one row, `width` to a line: the text's token or which view's token (names), image 0: text, 1, 2, …: of
    that image, whose picture stands above. counted: whether the loss counts the slot (✓ below it)."""
    n_lines = -(-len(names) // width)
    figure, axis = plt.subplots(figsize=(7.6, 1.0 + 0.95 * n_lines))
    for at, (name, image, told) in enumerate(zip(names, images, counted)):
        line, column = divmod(at, width)
        y = -1.5 * line
        tint = {"color": COLORS["user"]} if not image else {"color": COLORS["image"], "alpha": 1 if image % 2 else 0.55}
        axis.add_patch(plt.Rectangle((column + 0.04, y), 0.92, 0.8, lw=0, **tint))
        ink = COLORS["ink"] if image % 2 == 0 else COLORS["paper"]
        axis.text(column + 0.5, y + 0.4, name, ha="center", va="center", fontsize=10.5, color=ink)
        if told:
            axis.text(column + 0.5, y - 0.3, "✓", ha="center", va="center", fontsize=11, color=COLORS["good"])
    left = 0.0
    for at, picture in enumerate(pictures, 1):
        H, W = picture.shape[:2]
        inset = axis.inset_axes((left + 1.3, 1.0, 1.6 * W / H, 1.25), transform=axis.transData)
        inset.imshow(picture)
        inset.axis("off")
        axis.text(left + 0.2, 1.6, f"图 {at}", fontsize=11, va="center")
        left += 1.9 + 1.6 * W / H
    axis.set(xlim=(0, width), ylim=(-1.5 * n_lines + 0.8, 2.4))
    axis.axis("off")
    return figure


def plot_read(
    picture: UInt8[np.ndarray, "H W 3"],
    views: UInt8[np.ndarray, "V T T 3"],
    grid: Grid | None,
    boxes: Sequence[tuple[float, float, float]],
    said: Sequence[str],
    right: Sequence[bool],
) -> Figure:
    """A poster with what a model says of each thing on it, and what its tower saw of it, in the poster's own scale.

    boxes: centre x, y and half the width of each thing. said: of each, at most four.
    grid: None where only the small picture was seen."""
    H, W = picture.shape[:2]
    figure, (left, middle) = plt.subplots(1, 2, figsize=(7.6, 3.6))
    left.imshow(picture)
    for (x, y, r), ok in zip(boxes, right):
        colour = COLORS["good" if ok else "bad"]
        left.add_patch(plt.Rectangle((x - r - 1.5, y - r - 1.5), 2 * r + 2, 2 * r + 2, fill=False, ec=colour, lw=2))
    _frame(left, f"{sum(right)} / {len(right)} 样说对")
    left.set_title(f"海报 {H}×{W}", fontsize=12, loc="center")
    T = views.shape[1]
    rows, columns = grid or (0, 0)
    gap = T // 4
    wall = np.full((max(rows, 1) * T, T + (gap + columns * T if grid else 0), 3), 255, dtype=np.uint8)
    wall[:T, :T] = views[0]
    for at, view in enumerate(views[1:]):
        row, column = divmod(at, columns)
        wall[row * T : (row + 1) * T, T + gap + column * T : T + gap + (column + 1) * T] = view
    middle.imshow(wall)
    middle.set(xlim=(-1, 4.3 * T), ylim=(4.3 * T, -1), xticks=[], yticks=[])
    for at, (text, ok) in enumerate(zip(said, right)):
        x, y = (0.05 + 2.2 * (at % 2)) * T, (3.4 + 0.5 * (at // 2)) * T
        middle.text(
            x, y, ("✓ " if ok else "✗ ") + text, fontsize=11.5, color=COLORS["good" if ok else "bad"], va="center"
        )
    middle.spines[:].set_visible(False)
    for column in range(columns + 1):
        middle.plot([T + gap + column * T - 0.5] * 2, [-0.5, rows * T - 0.5], color=COLORS["resampler"], lw=1)
    for row in range(rows + 1 if grid else 0):
        x = T + gap - 0.5
        middle.plot([x, x + columns * T], [row * T - 0.5] * 2, color=COLORS["resampler"], lw=1)
    middle.set_title(
        "塔看见的：" + ("只有缩小的全图" if not grid else f"缩小的全图，{rows}×{columns} 片"), fontsize=12, loc="center"
    )
    return figure


def plot_looks(views: UInt8[np.ndarray, "V T T 3"], maps: Float[np.ndarray, "V Q N+Q"]) -> Figure:
    """What every latent looks at: a row a view, the patches as bright as their share of the largest, in tenths, and in
    words how much goes to the picture."""
    V, Q, keys = maps.shape
    side, largest = round((keys - Q) ** 0.5), maps[:, :, : keys - Q].max()
    figure, axes = plt.subplots(V, Q + 1, figsize=(1.35 * (Q + 1), 1.6 * V), squeeze=False)
    for row, view, looks in zip(axes, views, maps):
        row[0].imshow(view)
        _frame(row[0], "塔看见的")
        for at, (axis, look) in enumerate(zip(row[1:], looks), 1):
            share = look[: keys - Q].reshape(side, side)
            axis.imshow((10 * share / largest).round() / 10, cmap=CMAPS["amount"], vmin=0, vmax=1)
            _frame(axis, f"看图 {share.sum():.0%}")
            axis.set_title(f"向量 {at}", fontsize=11, loc="center")
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
