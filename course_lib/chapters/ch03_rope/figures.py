"""Static figures of chapter 03 (rotary position embedding): numbers in, Figure out."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Circle, Rectangle, Wedge

from course_lib.widgets.style import CMAPS, COLORS


def plot_turned_pairs(q: Sequence[float], k: Sequence[float], step: float, pairs: Sequence[tuple[int, int]]) -> Figure:
    """One plane, q turned by m steps and k by n steps, one panel for each (m, n).

    Args:
        q, k: two numbers each, before rotation.
        step: angle of one position in radians.
        pairs: the (m, n) to draw.
    """
    radius = max(np.hypot(*q), np.hypot(*k))
    figure, axes = plt.subplots(1, len(pairs), figsize=(2.5 * len(pairs), 3.2), squeeze=False)
    for axis, (m, n) in zip(axes[0], pairs):
        ends, turns = {}, {}
        for name, vector, position in (("q", q, m), ("k", k, n)):
            turns[name] = np.arctan2(vector[1], vector[0]) + position * step
            ends[name] = np.hypot(*vector) * np.array([np.cos(turns[name]), np.sin(turns[name])])
            colour = COLORS[name.upper()]
            arrow = {"arrowstyle": "-|>", "color": colour, "lw": 2.6, "shrinkA": 0, "shrinkB": 0}
            axis.annotate("", xy=ends[name], xytext=(0, 0), arrowprops=arrow)
            label = ends[name] * (1 + 0.16 * radius / np.hypot(*vector))
            axis.text(*label, name, color=colour, ha="center", va="center", fontsize=15)
        gap = (np.degrees(turns["q"] - turns["k"]) + 180) % 360 - 180
        low = np.degrees(turns["k"] if gap >= 0 else turns["q"])
        size = 0.9 * min(np.hypot(*q), np.hypot(*k))
        axis.add_patch(Arc((0, 0), size, size, theta1=low, theta2=low + abs(gap), color=COLORS["ink"], lw=1.6))
        axis.add_patch(Circle((0, 0), radius, fill=False, color=COLORS["grid"], lw=1.2))
        axis.set(xlim=(-1.3 * radius, 1.3 * radius), ylim=(-1.3 * radius, 1.3 * radius), aspect="equal")
        axis.set_title(f"m = {m}，n = {n}\n夹角 {abs(gap):.0f}°，分数 {ends['q'] @ ends['k']:.3f}", loc="center")
        axis.axis("off")
    return figure


def plot_block_matrix(matrix: np.ndarray, position: int) -> Figure:
    """The rotation matrix of one position, values written in its blocks; matrix is [Dh, Dh]."""
    matrix = np.asarray(matrix)
    figure, axis = plt.subplots(figsize=(5.6, 4.7))
    picture = axis.imshow(matrix, cmap=CMAPS["signed"], vmin=-1, vmax=1)
    for row, column in np.argwhere(matrix != 0):
        value = matrix[row, column]
        colour = COLORS["paper"] if abs(value) > 0.6 else COLORS["ink"]
        text = f"{value:.2f}".replace("-0.00", "0.00")
        axis.text(column, row, text, ha="center", va="center", fontsize=11, color=colour)
    for start in range(0, len(matrix), 2):
        axis.add_patch(Rectangle((start - 0.5, start - 0.5), 2, 2, fill=False, lw=1.6, color=COLORS["ink"]))
    axis.set(xlabel="输入通道", ylabel="输出通道", title=f"位置 m = {position} 的旋转矩阵")
    figure.colorbar(picture, ax=axis, shrink=0.85, label="矩阵元素")
    return figure


def plot_layouts(d_head: int) -> Figure:
    """Which two channels turn together in the interleaved and in the half-split layout."""
    n_pairs = d_head // 2
    colours = plt.get_cmap("cividis")(np.linspace(0.0, 0.95, n_pairs))
    layouts = {
        "交错布局：论文、Meta 的 Llama 文件": [(2 * i, 2 * i + 1) for i in range(n_pairs)],
        "半分布局：HF 格式的 Llama、Qwen": [(i, i + n_pairs) for i in range(n_pairs)],
    }
    figure, axes = plt.subplots(2, 1, figsize=(6.4, 4.2))
    for axis, (title, pairs) in zip(axes, layouts.items()):
        for i, (first, second) in enumerate(pairs):
            middle, width = (first + second) / 2, second - first
            height = 0.5 + 0.3 * width
            axis.add_patch(Arc((middle, 0.45), width, height, theta1=0, theta2=180, color=colours[i], lw=2.6))
            for channel in (first, second):
                axis.add_patch(Rectangle((channel - 0.44, -0.4), 0.88, 0.8, color=colours[i]))
                text = f"{channel}"
                ink = COLORS["paper"] if i < n_pairs / 2 else COLORS["ink"]
                axis.text(channel, 0, text, ha="center", va="center", fontsize=13, color=ink)
        axis.set(xlim=(-0.7, d_head - 0.3), ylim=(-0.55, 1.4), title=title)
        axis.axis("off")
    handles = [plt.Line2D([], [], color=colour, lw=5, label=f"第 {i} 对") for i, colour in enumerate(colours)]
    figure.legend(handles=handles, ncols=n_pairs, loc="outside lower center")
    return figure


def plot_clocks(
    trained: Mapping[int, float], trained_length: int, now: Mapping[int, float], length: int, title: str
) -> Figure:
    """One clock a pair of channels: the arc seen in training, and the arc that positions reach now.

    Args:
        trained: pair index -> radians a position during training.
        trained_length: positions seen in training.
        now: pair index -> radians a position at present (a scaled frequency, or the same).
        length: positions in use at present.
        title: heading of the figure.
    """
    n_columns = (len(trained) + 1) // 2
    figure, axes = plt.subplots(2, n_columns, figsize=(1.75 * n_columns, 5.4), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, i in zip(axes.flat, trained):
        seen = min(360.0, np.degrees(trained[i] * (trained_length - 1)))
        reached = min(360.0, np.degrees(now[i] * (length - 1)))
        axis.add_patch(Wedge((0, 0), 1, 90 - seen, 90, color=COLORS["seen"]))
        if reached > seen:
            axis.add_patch(Wedge((0, 0), 1, 90 - reached, 90 - seen, color=COLORS["unseen"]))
        axis.add_patch(Circle((0, 0), 1, fill=False, color=COLORS["muted"], lw=1.4))
        hand = np.radians(90 - np.degrees(now[i] * (length - 1)))
        axis.plot([0, 0.92 * np.cos(hand)], [0, 0.92 * np.sin(hand)], color=COLORS["ink"], lw=2.2)
        turns = now[i] * (length - 1) / (2 * np.pi)
        axis.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
        axis.set_title(f"第 {i} 对", loc="center", fontsize=13)
        below = f"{turns:.{0 if turns >= 100 else 2}f} 圈\n步长 ×{now[i] / trained[i]:.2f}"
        axis.text(0.5, -0.04, below, transform=axis.transAxes, ha="center", va="top", fontsize=12)
    figure.suptitle(title, fontsize=14)
    return figure


def plot_scores_by_distance(
    distance: np.ndarray, aligned: np.ndarray, random_draws: np.ndarray, bound: np.ndarray
) -> Figure:
    """What decays with distance and what does not.

    Args:
        distance: [N] distances in tokens.
        aligned: [N] score of q = k = all ones, divided by its value at distance 0.
        random_draws: [R, N] scores of random q and k, divided by |q||k|.
        bound: [N] the paper's mean |S_i|, divided by its value at distance 0.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.7), sharex=True)
    left.plot(distance, bound, color=COLORS["ink"], ls="--", lw=1.8, label="论文图 2：上界的因子")
    left.plot(distance, aligned, color=COLORS["Q"], lw=1.4, label="q = k = 全 1")
    left.axhline(0, color=COLORS["grid"], lw=1)
    left.set(xlabel="距离 |n − m|（token）", ylabel="与距离 0 之比", title="同向：整体下降，步步抖动")
    left.legend()
    spread = random_draws.std(0)
    right.plot(distance, random_draws[:3].T, color=COLORS["muted"], lw=0.7, alpha=0.6)
    right.fill_between(distance, -spread, spread, color=COLORS["K"], alpha=0.3, label="±1 个标准差")
    right.plot(distance, random_draws.mean(0), color=COLORS["K"], lw=1.8, label="均值")
    right.set(xlabel="距离 |n − m|（token）", ylabel="分数 / (|q||k|)", title="随机：哪里都一样，没有衰减")
    right.set_ylim(-0.34, 0.44)
    right.legend(loc="upper right", ncols=2)
    return figure


def plot_frequency_ratios(ratios: Mapping[str, np.ndarray], turns: np.ndarray) -> Figure:
    """How much each method slows each pair: scaled frequency over original frequency.

    Args:
        ratios: method name (a key of COLORS) -> [Dh/2] ratio.
        turns: [Dh/2] turns that each pair makes within the training length, falling.
    """
    figure, axis = plt.subplots(figsize=(6.4, 3.8))
    for (name, ratio), style in zip(ratios.items(), ("-", "--", "-.", ":")):
        axis.plot(ratio, style, color=COLORS[name], label=name)
    for limit in (32, 1):
        crossing = np.interp(-np.log(limit), -np.log(turns), np.arange(len(turns)))  # the number of a pair, not whole
        axis.axvline(crossing, color=COLORS["muted"], lw=1, ls=":")
        axis.text(crossing, 1.06, f"训练里走 {limit} 圈", ha="center", fontsize=12, color=COLORS["muted"])
    axis.set(xlabel="通道对的编号（左快右慢）", ylabel="新频率 / 原频率", ylim=(0, 1.15))
    axis.legend(loc="center right", bbox_to_anchor=(1.0, 0.72))
    return figure


def plot_losses(
    at: Sequence[float],
    losses: Mapping[str, tuple[np.ndarray, np.ndarray]],
    *,
    trained_length: int,
    guess: float,
    labels: Mapping[str, str],
    xlabel: str,
) -> Figure:
    """Loss on texts longer than those of training, a band of one standard deviation over seeds.

    Args:
        at: [N] lengths or positions in tokens, up to 8 times trained_length.
        losses: a key of COLORS -> mean and standard deviation over seeds, [N] each, in nats a token.
        trained_length: length of the training texts in tokens.
        guess: loss of guessing blindly, in nats a token.
        labels: what the legend says in place of a key.
        xlabel: what `at` counts.
    """
    figure, axis = plt.subplots(figsize=(6.4, 4.0))
    for (name, (mean, std)), marker in zip(losses.items(), "osD^vP"):
        axis.fill_between(at, mean - std, mean + std, color=COLORS[name], alpha=0.2, lw=0)
        axis.plot(at, mean, marker=marker, markersize=4, color=COLORS[name], label=labels.get(name, name))
    axis.axvline(trained_length, color=COLORS["muted"], lw=1, ls=":")
    axis.axhline(guess, color=COLORS["muted"], lw=1.4, ls="--", label="瞎猜")
    ticks = [trained_length * times for times in (1, 2, 4, 8)]
    axis.set_xscale("log", base=2)
    axis.set_xticks(ticks, [str(tick) for tick in ticks])
    axis.set(xlabel=xlabel, ylabel="损失（nat / token）", ylim=(0, None))
    figure.legend(ncols=len(losses) + 1, loc="outside upper center", columnspacing=1.2, handlelength=1.4)
    return figure
