"""Figures of chapter 02 (positional encoding): numbers in, Figure out."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.widgets.style import CMAPS, COLORS, FULL


def plot_bits_and_waves(n_positions: int, n_bits: int) -> Figure:
    """The binary digits of each position beside cosines of the same periods, slow digits to the left."""
    position = np.arange(n_positions)[:, None]
    digit = np.arange(n_bits)[::-1]
    bits = position >> digit & 1
    waves = (1 - np.cos(2 * np.pi * position / 2 ** (digit + 1))) / 2
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 4.6), sharey=True)
    for axis, values, title, form in zip(axes, (bits, waves), ("二进制：跳变", "换成余弦：渐变"), (".0f", ".1f")):
        axis.imshow(values, cmap=CMAPS["amount"], vmin=0, vmax=1, aspect="auto")
        axis.set_xticks(range(n_bits), [f"{2**j}" for j in digit])
        axis.set_yticks(range(0, n_positions, 2 if n_positions > 8 else 1))
        axis.set(title=title, xlabel="这一位的权（左慢右快）")
        for row, column in np.ndindex(*values.shape):
            value = values[row, column]
            colour = COLORS["ink"] if value > 0.6 else COLORS["paper"]
            text = f"{value:{form}}"
            axis.text(column, row, text, ha="center", va="center", fontsize=11, color=colour)
    axes[0].set_ylabel("位置")
    return figure


def plot_table_and_likeness(table: np.ndarray, position: int) -> Figure:
    """The encoding of all positions as a heat map, one row marked, and that row's dot product with every row.

    Args:
        table: [L, D] encoding, sine and cosine taking turns along the width.
        position: the marked row.
    """
    table = np.asarray(table)
    n_positions, d_model = table.shape
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.9), sharey=True, width_ratios=(1.5, 1))
    picture = left.imshow(table, cmap=CMAPS["signed"], vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    left.axhline(position, color=COLORS["ink"], lw=1.6)
    left.set(xlabel="通道（左快右慢）", ylabel="位置 pos", title=f"d_model = {d_model}")
    figure.colorbar(picture, ax=left, label="值", shrink=0.9)
    likeness = table @ table[position] / (d_model / 2)
    right.axvline(0, color=COLORS["grid"], lw=1)
    right.plot(likeness, np.arange(n_positions), color=COLORS["sinusoidal"], lw=1.8)
    right.axhline(position, color=COLORS["ink"], lw=1.6)
    right.set(xlim=(-0.55, 1.08), xlabel="点积 ÷ (d/2)", title=f"与位置 {position} 的点积")
    return figure


def plot_pair(frequencies: np.ndarray, pair: int, n_positions: int) -> Figure:
    """One pair's sine and cosine along the positions, and the dot product by distance with the pairs up to this one.

    Args:
        frequencies: [D/2] radians a position, fastest first.
        pair: index of the pair shown.
        n_positions: positions shown, from 0.
    """
    frequencies = np.asarray(frequencies)
    fine, position = np.linspace(0, n_positions - 1, 1200), np.arange(n_positions)
    angle = frequencies[pair]
    figure, (top, low) = plt.subplots(2, 1, figsize=(6.4, 4.9), sharex=True)
    for wave, colour, name in ((np.sin, COLORS["Q"], "sin"), (np.cos, COLORS["K"], "cos")):
        top.plot(fine, wave(angle * fine), color=colour, lw=1.2, alpha=0.6)
        top.plot(position, wave(angle * position), "o", color=colour, ms=3.2, label=name)
    top.set(ylim=(-1.15, 1.15), ylabel="通道的值", title=f"第 {pair} 对：走一圈 {2 * np.pi / angle:,.1f} 格")
    kernel = np.cos(position[:, None] * frequencies[: pair + 1]).mean(-1)
    full = np.cos(position[:, None] * frequencies).mean(-1)
    low.plot(position, full, color=COLORS["muted"], lw=1.4, ls="--", label=f"全部 {len(frequencies)} 对")
    low.plot(position, kernel, color=COLORS["sinusoidal"], label=f"只用前 {pair + 1} 对")
    low.axhline(0, color=COLORS["grid"], lw=1)
    low.set(ylim=(-1.1, 1.1), xlabel="上图：位置；下图：距离 k（格）", ylabel="平均每对的点积")
    for axis in (top, low):
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def plot_probe(truth: np.ndarray, guess: np.ndarray, n_fit: int, title: str) -> Figure:
    """The channel that a linear probe misses most (as the fit sees it), and the error of the whole vector.

    The channel is drawn around the end of the fitted positions, the error along all of them.

    Args:
        truth: [N, D] the encoding k positions on.
        guess: [N, D] what the probe says.
        n_fit: the probe was fitted on the first n_fit rows.
        title: heading of the figure.
    """
    truth, guess = np.asarray(truth), np.asarray(guess)
    position = np.arange(len(truth))
    error = np.linalg.norm(guess - truth, axis=-1) / np.linalg.norm(truth, axis=-1)
    channel = int(np.square(guess - truth)[:n_fit].mean(0).round(9).argmax())
    near = slice(max(0, n_fit - 32), n_fit + 32)
    figure, (top, low) = plt.subplots(2, 1, figsize=(6.4, 5.1))
    for axis, first in ((top, near.start), (low, 0)):
        axis.axvspan(first, n_fit - 1, color=COLORS["seen"], lw=0)
    top.plot(position[near], truth[near, channel], color=COLORS["ink"], lw=1.6, label="真值")
    top.plot(position[near], guess[near, channel], color=COLORS["unseen"], lw=1.8, ls="--", label="探针的猜测")
    top.set(ylim=(-1.6, 1.6), ylabel=f"通道 {channel}", title=title)
    low.semilogy(position, error.clip(1e-16, None), color=COLORS["unseen"], lw=1.6)
    low.axhline(1, color=COLORS["muted"], ls=":", lw=1.4)
    low.text(len(truth) - 1, 0.02, "点线：全猜 0", ha="right", va="top", fontsize=12, color=COLORS["muted"])
    low.set(ylim=(1e-17, 1e6), xlabel="位置（底色：拟合用到的）", ylabel="误差 / 向量长度")
    low.set_yticks([1e-15, 1e-10, 1e-5, 1])
    low.minorticks_off()
    top.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def plot_beyond(position: np.ndarray, nearest: np.ndarray, error: np.ndarray, n_seen: int, step: float) -> Figure:
    """How new the vectors beyond the trained length are, and how a shift fitted within it does there.

    Args:
        position: [N] positions.
        nearest: [N] distance of each vector to the nearest one of the positions below n_seen.
        error: [N-1] error of the fitted shift, as a share of the vector's length.
        n_seen: positions seen in training.
        step: distance of two neighbouring positions.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.5))
    for axis in (left, right):
        axis.axvspan(0, n_seen - 1, color=COLORS["seen"], lw=0)
        axis.set_xlabel("位置（底色：见过的）")
    left.plot(position, nearest, color=COLORS["sinusoidal"])
    left.axhline(step, color=COLORS["muted"], ls=":", lw=1.4)
    left.text(position[-1], step + 0.1, "相邻两格的距离", ha="right", va="bottom", fontsize=12, color=COLORS["muted"])
    left.set(ylabel="到最近的见过的向量", title="向量有多新")
    right.plot(position[:-1], error, color=COLORS["unseen"])
    right.set(ylabel="误差 / 向量长度", ylim=(-0.03, 1.05), title="拟合出来的平移")
    return figure


def plot_biases(slopes: np.ndarray, n_tokens: int) -> Figure:
    """ALiBi: what each head takes off the score at each distance, and the factor that this is after softmax."""
    distance = np.arange(n_tokens)
    figure, axis = plt.subplots(figsize=FULL)
    for slope, style in zip(slopes, ("-", "--", "-.", ":")):
        axis.plot(distance, np.exp(-slope * distance), style, color=COLORS["alibi"], label=f"斜率 {slope:g}")
    axis.set(xlabel="距离（token）", ylabel="权重乘上的因子", ylim=(0, 1.05))
    axis.legend()
    return figure
