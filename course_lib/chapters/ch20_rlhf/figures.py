"""Figures of chapter 20: noisy gradients around the exact one, a grid world, a strip of tokens, curves of results.

A answers (arms) · S states · N tokens of an answer.  Numbers in, Figure out.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.toys.grid_world import MOVES, GridWorld
from course_lib.widgets.style import CMAPS, COLORS

CORNERS = np.array([[-(3**0.5) / 2, -0.5], [3**0.5 / 2, -0.5], [0, 1]])  # where each of three answers pulls
LINES = ("Q", "K", "V", "image", "SFT", "resampler")


def plot_cloud(
    gradients: Float[np.ndarray, "n 3"],
    exact: Float[np.ndarray, " 3"],
    names: Sequence[str],
    *,
    reach: float,
    dots: int = 400,
) -> Figure:
    """Estimates of one gradient over three logits, the first `dots` as dots, in the plane in which the three add up to
    0; the mean of all and the exact one as arrows. reach: half the width that is shown; dots beyond it are counted in
    words."""
    figure, (axis, beside) = plt.subplots(1, 2, figsize=(7.6, 3.9), width_ratios=[1.25, 1])
    flat = gradients @ CORNERS
    drawn = flat[:dots]
    inside = (np.abs(drawn) <= reach).all(1)
    axis.plot(*drawn[inside].T, "o", ms=3.5, color=COLORS["Q"], alpha=0.35, mew=0)
    for corner, name in zip(CORNERS, names):
        axis.plot([0, 0.8 * reach * corner[0]], [0, 0.8 * reach * corner[1]], color=COLORS["grid"], lw=1.2, zorder=0)
        axis.text(*(0.9 * reach * corner), name, ha="center", va="center", fontsize=12)
    for to, colour in ((exact @ CORNERS, COLORS["optimum"]), (flat.mean(0), COLORS["K"])):
        axis.annotate("", to, (0, 0), arrowprops={"arrowstyle": "-|>", "lw": 2.6, "color": colour, "shrinkA": 0})
    axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
    outside = f"，框外还有 {int((~inside).sum())} 个" if not inside.all() else ""
    axis.set_xlabel(f"{len(flat):,} 次估计里的 {len(drawn)} 次{outside}", fontsize=11.5)
    places = np.arange(3)
    spread = gradients.std(0)
    beside.bar(places - 0.2, exact, 0.38, color=COLORS["optimum"], label="精确的梯度")
    beside.bar(places + 0.2, gradients.mean(0), 0.38, color=COLORS["K"], label="估计的平均")
    beside.errorbar(places + 0.2, gradients.mean(0), spread, fmt="none", ecolor=COLORS["muted"], capsize=4)
    beside.axhline(0, color=COLORS["muted"], lw=1)
    beside.set_xticks(places, list(names))
    limit = max(0.5, 1.1 * float((np.abs(gradients.mean(0)) + spread).max()))
    beside.set(ylim=(-limit, limit), ylabel="梯度")
    beside.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=10.5, handlelength=1)
    return figure


def plot_grid(
    world: GridWorld,
    values: Float[np.ndarray, " S"],
    policy: Float[np.ndarray, "S 4"],
    visits: Float[np.ndarray, " S"],
) -> Figure:
    """Left each square's value, with an arrow for its likeliest move; right how often an episode acts there."""
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.0))
    rows, columns = (1 + max(each[at] for each in world.squares) for at in (0, 1))
    limit = max(1.0, float(np.abs(values).max()))
    kinds = (-values, CMAPS["signed"], (-limit, limit)), (visits, CMAPS["weight"], (0, max(1.0, float(visits.max()))))
    for axis, (shown, colours, span) in zip(axes, kinds):  # blue: worth having
        cells = np.full((rows, columns), np.nan)
        for square, amount in zip(world.squares, shown):
            cells[square] = amount
        axis.imshow(cells, cmap=colours, vmin=span[0], vmax=span[1])
        axis.set(xticks=[], yticks=[], xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
        for row in range(rows):
            for column in range(columns):
                if np.isnan(cells[row, column]):
                    axis.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, color=COLORS["muted"]))
    pays = world.entering[~world.is_end][0]  # for entering each square
    step = float(pays[~world.is_end][0])
    for s, (row, column) in enumerate(world.squares):
        if world.is_end[s]:
            sign, colour = ("终点 +1", "good") if pays[s] > step else ("终点 −1", "bad")
            for axis in axes:
                axis.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, color=COLORS[colour], alpha=0.85))
                axis.text(column, row, sign, ha="center", va="center", fontsize=10.5, color=COLORS["paper"])
            continue
        down, right = MOVES[int(policy[s].argmax())]
        _word(axes[0], column, row + 0.3, f"{values[s]:.2f}".replace("-", "−"), abs(values[s]) / limit)
        strong = COLORS["paper"] if abs(values[s]) / limit > 0.6 else COLORS["ink"]
        way = {"arrowstyle": "-|>", "lw": 1.8, "color": strong, "shrinkA": 0, "shrinkB": 0}
        tail, head = (column - 0.2 * right, row - 0.12 - 0.2 * down), (column + 0.2 * right, row - 0.12 + 0.2 * down)
        axes[0].annotate("", head, tail, arrowprops=way)
        _word(axes[1], column, row, f"{visits[s]:.2f}", visits[s] / max(1.0, float(visits.max())))
    axes[0].set_title("价值 V，和最好的一步", fontsize=12.5, loc="center")
    axes[1].set_title("一趟平均走到几次", fontsize=12.5, loc="center")
    return figure


def _word(axis: Axes, x: float, y: float, text: str, strength: float) -> None:
    colour = COLORS["paper"] if strength > 0.6 else COLORS["ink"]
    axis.text(x, y, text, ha="center", va="center", fontsize=11, color=colour)


def plot_strip(
    tokens: Sequence[str],
    rewards: Float[np.ndarray, " N"],
    values: Float[np.ndarray, " N"],
    deltas: Float[np.ndarray, " N"],
    advantages: Float[np.ndarray, " N"],
) -> Figure:
    """One column a token: what it was paid, what was expected before it, the surprise δ, and its advantage."""
    figure, axis = plt.subplots(figsize=(7.6, 3.4))
    rows = (
        ("奖励 $r_t$", rewards),
        ("价值 $V(s_t)$", values),
        ("意外 $\\delta_t$", deltas),
        ("优势 $A_t$", advantages),
    )
    limit = max(0.5, *(float(np.abs(each).max()) for _, each in rows))
    for at, token in enumerate(tokens):
        axis.add_patch(plt.Rectangle((at + 0.05, 4.1), 0.9, 0.8, color=COLORS["answer"]))
        axis.text(at + 0.5, 4.5, token, ha="center", va="center", fontsize=15)
    for down, (name, numbers) in enumerate(rows):
        y = 3 - down
        axis.text(-0.1, y + 0.45, name, ha="right", va="center", fontsize=12.5)
        for at, number in enumerate(numbers):
            shade = plt.get_cmap(CMAPS["signed"])(0.5 - 0.5 * float(number) / limit)
            axis.add_patch(plt.Rectangle((at + 0.05, y), 0.9, 0.85, color=shade))
            _word(axis, at + 0.5, y + 0.43, f"{number:.2f}".replace("-", "−"), abs(number) / limit)
    axis.set(xlim=(-1.5, len(tokens) + 0.05), ylim=(-0.05, 5.0))
    axis.axis("off")
    return figure


def plot_curves(
    places: Sequence[float],
    curves: Mapping[str, Float[np.ndarray, "seeds places"]],
    *,
    across: str,
    up: str,
    level: tuple[str, float] | None = None,
) -> Figure:
    """A line a name: the mean over seeds, from the lowest to the highest seed as a band; all are shares, across and
    up. level: a dashed line and its name."""
    figure, axis = plt.subplots(figsize=(6.8, 3.5))
    for (name, values), colour in zip(curves.items(), LINES):
        axis.plot(places, values.mean(0), "o-", color=COLORS[colour], label=name)
        axis.fill_between(places, values.min(0), values.max(0), color=COLORS[colour], alpha=0.15, lw=0)
    if level is not None:
        axis.axhline(level[1], color=COLORS["muted"], ls="--", lw=1.4, label=level[0])
    axis.set_xticks(list(places))
    axis.xaxis.set_major_formatter("{x:.0%}")
    axis.yaxis.set_major_formatter("{x:.0%}")
    axis.set(xlabel=across, ylabel=up)
    figure.legend(loc="outside upper center", ncols=min(4, len(curves) + (level is not None)), fontsize=11)
    return figure


def plot_best_of(
    counts: Sequence[int],
    worlds: Mapping[
        str,
        tuple[Mapping[str, Float[np.ndarray, "seeds counts"]], Mapping[str, Float[np.ndarray, "seeds counts"]]],
    ],
) -> Figure:
    """A row a world: left what the reward model says of the best of n, right what it is truly worth. Lines are means
    over seeds, bands all seeds; n is on a logarithmic scale and says so."""
    figure, axes = plt.subplots(len(worlds), 2, figsize=(7.6, 0.9 + 2.15 * len(worlds)), squeeze=False, sharex=True)
    names: dict[str, str] = {}
    for row, (world, both) in zip(axes, worlds.items()):
        for axis, curves, what in zip(row, both, ("奖励模型的分", "真分数")):
            for name, values in curves.items():
                colour = names.setdefault(name, LINES[len(names) % len(LINES)])
                axis.plot(counts, values.mean(0), "o-", ms=4, color=COLORS[colour])
                axis.fill_between(counts, values.min(0), values.max(0), color=COLORS[colour], alpha=0.15, lw=0)
            axis.set_title(f"{world}：{what}", fontsize=12)
            axis.set_xscale("log", base=2)
            axis.set_xticks([1, 4, 16, 64, 256, 1024], ["1", "4", "16", "64", "256", "1,024"], fontsize=11)
            axis.minorticks_off()
    for axis in axes[-1]:
        axis.set_xlabel("写几个，n（对数刻度）", fontsize=12)
    for name, colour in names.items():
        axes[0, 0].plot([], [], "o-", ms=4, color=COLORS[colour], label=name)
    figure.legend(loc="outside upper center", ncols=len(names), fontsize=11)
    return figure


def plot_lambda(
    lambdas: Sequence[float],
    bias: Mapping[str, Float[np.ndarray, "seeds lambdas"]],
    variance: Mapping[str, Float[np.ndarray, "seeds lambdas"]],
) -> Figure:
    """Bias and variance beside each other over λ, a line a critic: the mean over seeds, and all seeds as a band."""
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.4))
    for axis, curves, up in zip(axes, (bias, variance), ("偏差，梯度长度的几倍", "方差，长度平方的几倍")):
        for (name, values), colour in zip(curves.items(), LINES):
            axis.plot(
                lambdas, values.mean(0), "o-", ms=5, color=COLORS[colour], label=name if axis is axes[0] else None
            )
            axis.fill_between(lambdas, values.min(0), values.max(0), color=COLORS[colour], alpha=0.15, lw=0)
        axis.set(xlabel="λ", ylabel=up, ylim=(0, None))
    figure.legend(loc="outside upper center", ncols=len(bias))
    return figure


def plot_bars(values: Mapping[str, Float[np.ndarray, " seeds"]], *, up: str, level: float | None = None) -> Figure:
    """A bar a name: the mean over seeds, each seed a dot. The scale up is logarithmic and says so.
    level: a dashed line."""
    figure, axis = plt.subplots(figsize=(6.8, 3.4))
    for at, (seeds, colour) in enumerate(zip(values.values(), LINES)):
        axis.bar(at, float(np.mean(seeds)), 0.7, color=COLORS[colour])
        axis.plot([at] * len(seeds), seeds, "o", ms=4, color=COLORS["ink"], mfc=COLORS["paper"])
    if level is not None:
        axis.axhline(level, color=COLORS["muted"], ls="--", lw=1.4)
    axis.set_yscale("log")
    axis.set_xticks(range(len(values)), list(values), fontsize=11.5)
    axis.set_ylabel(f"{up}（对数刻度）")
    return figure
