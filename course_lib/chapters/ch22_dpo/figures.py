"""Figures of chapter 22: how hard a pair pulls, where the probability goes, what claims measured.

S updates · K answers.  Numbers in, Figure out.
"""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.widgets.style import CMAPS, COLORS

LINES = ("DPO", "Q", "V", "image", "resampler")
REACH = 30.0  # nats either way
KINDS = ("权重", "梯度", "Adam", "激活")
TINTS = ("Q", "V", "K", "image")


def plot_tilt(
    reference: Float[np.ndarray, " K"],
    factors: Float[np.ndarray, " K"],
    best: Float[np.ndarray, " K"],
    names: Sequence[str],
) -> Figure:
    """Each answer before and after, and between the two by what it was multiplied before all were divided by Z."""
    figure, axis = plt.subplots(figsize=(6.8, 3.5))
    places = np.arange(len(names))
    for shift, values, colour, label in (
        (-0.2, reference, "SFT", "参考 π_ref"),
        (0.2, best, "optimum", "最好的 π*"),
    ):
        axis.bar(places + shift, values, 0.38, color=COLORS[colour], label=label)
        for place, p in zip(places + shift, values):
            axis.text(place, p + 0.02, f"{p:.2f}", ha="center", fontsize=11.5)
    axis.set_xticks(places, [f"{name}\n× {factor:,.3g}" for name, factor in zip(names, factors)])
    axis.set(ylim=(0, 1.12), ylabel="概率")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def plot_pull(curves: Mapping[str, Callable[[np.ndarray], np.ndarray]], *, says: str) -> Figure:
    """How much of what it pulled at the start a pair still pulls, over d of the chosen less d of the rejected answer.
    Below 0 it pulls back."""
    figure, axis = plt.subplots(figsize=(7.0, 3.6))
    away = np.linspace(-REACH, REACH, 601)
    for (name, pull), colour in zip(curves.items(), LINES):
        axis.plot(away, pull(away), color=COLORS[colour], label=name, lw=2.2)
    axis.axhline(0, color=COLORS["muted"], lw=1)
    axis.axvline(0, color=COLORS["muted"], lw=1, ls=":")
    axis.plot(0, 1, "o", color=COLORS["ink"], ms=6)
    axis.set(xlim=(-REACH, REACH), ylim=(-1.1, 2.3))
    axis.set(xlabel="Δ = d(选中) − d(落选)，奈特；左边是排错了的对", ylabel="出力，起点时算 1")
    figure.legend(loc="outside upper center", ncols=len(curves), title=says, title_fontsize=11)
    return figure


def plot_where(
    probs: Float[np.ndarray, "S+1 3"], loss: Float[np.ndarray, " S"], step: int, names: Sequence[str]
) -> Figure:
    """Left the probability of each answer after `step` updates, its first value as a dashed frame; right each along the
    training, and the loss, with a line at the step."""
    figure, (axis, beside) = plt.subplots(1, 2, figsize=(7.6, 3.6), width_ratios=[1, 1.35])
    colours = [COLORS[name] for name in ("V", "SFT", "resampler")]
    places = np.arange(len(names))
    axis.bar(places, probs[step], 0.7, color=colours)
    axis.bar(places, probs[0], 0.7, facecolor="none", edgecolor=COLORS["ink"], ls="--", lw=1.2)
    for place, p, before in zip(places, probs[step], probs[0]):
        axis.text(place, max(p, before) + 0.02, f"{p:.3f}" if p >= 0.001 else f"{p:.4f}", ha="center", fontsize=11.5)
    axis.set_xticks(places, list(names), fontsize=11)
    axis.set(ylim=(0, 1.12), ylabel="概率（虚框是出发时）")
    for column, (name, colour) in enumerate(zip(names, colours)):
        beside.plot(probs[:, column], color=colour, lw=2.2, label=name.replace("\n", ""))
    beside.plot(loss, color=COLORS["ink"], ls=":", lw=2, label="损失")
    beside.axvline(step, color=COLORS["muted"], lw=1.2)
    beside.set(ylim=(0, 1.12), xlabel="第几步")
    figure.legend(*beside.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=11)
    return figure


def plot_tokens(rows: Sequence[tuple[str, str, Sequence[float]]], *, limit: float = 3.0) -> Figure:
    """Texts below each other, a square a token, tinted by its log-ratio: blue written more than the reference does, red
    less. rows: name, tokens, log-ratios; NaN for tokens of the prompt, which stay blank. limit: of the tint, nats."""
    longest = max(len(tokens) for _, tokens, _ in rows)
    figure, axis = plt.subplots(figsize=(7.8, 0.6 + 0.95 * len(rows)))
    for down, (name, tokens, ratios) in enumerate(rows):
        total = float(np.nansum(ratios))
        axis.text(0, -1.75 * down - 0.25, f"{name}：d = {total:.1f} 奈特".replace("-", "−"), fontsize=12)
        for at, (token, ratio) in enumerate(zip(tokens, ratios)):
            known = not np.isnan(ratio)
            share = float(np.clip(ratio / limit, -1, 1)) if known else 0.0
            shade = plt.get_cmap(CMAPS["signed"])(0.5 - 0.5 * share) if known else COLORS["paper"]
            axis.add_patch(
                plt.Rectangle((at, -1.75 * down - 1.45), 0.94, 0.94, facecolor=shade, edgecolor=COLORS["grid"])
            )
            ink = COLORS["paper"] if abs(share) > 0.6 else COLORS["ink"]
            axis.text(at + 0.47, -1.75 * down - 1.0, token, ha="center", va="center", fontsize=11.5, color=ink)
    axis.set(xlim=(-0.1, longest + 0.1), ylim=(-1.75 * len(rows) + 0.1, 0.3))
    axis.axis("off")
    return figure


def plot_to_best(
    counts: Sequence[int],
    worlds: Mapping[str, Float[np.ndarray, "seeds counts"]],
    ends: Mapping[str, Mapping[str, float]],
    level: float,
) -> Figure:
    """A panel a world: KL to the best policy by number of pairs, mean and all seeds; dashed, where other losses end
    with endless pairs. Both scales are logarithmic and say so."""
    figure, axes = plt.subplots(1, len(worlds), figsize=(7.6, 3.6), sharey=True, squeeze=False)
    for at, (axis, (world, values)) in enumerate(zip(axes[0], worlds.items())):
        axis.plot(counts, values.mean(0), "o-", color=COLORS["DPO"], label="DPO" if at == 0 else None)
        axis.fill_between(counts, values.min(0), values.max(0), color=COLORS["DPO"], alpha=0.18, lw=0)
        for (name, kl), colour in zip(ends[world].items(), LINES[1:]):
            axis.axhline(kl, color=COLORS[colour], ls="--", lw=1.6, label=f"{name}（无穷多对）" if at == 0 else None)
        axis.axhline(level, color=COLORS["muted"], ls=":", lw=1.4, label=f"{level:g}" if at == 0 else None)
        axis.set(xscale="log", yscale="log", title=world)
        axis.set_xlabel("多少对（对数刻度）")
    axes[0, 0].set_ylabel("到 π* 的 KL（对数刻度）")
    figure.legend(loc="outside upper center", ncols=4, fontsize=10.5)
    return figure


def plot_poems(
    runs: Sequence[str],
    right: Mapping[str, Float[np.ndarray, "seeds runs"]],
    reward: Float[np.ndarray, "seeds runs+1"],
) -> Figure:
    """Left the share of pairs judged right, those learned from beside new ones; right what written poems earn, first
    before any training. Bars are means, dots seeds."""
    figure, (axis, beside) = plt.subplots(1, 2, figsize=(7.8, 3.6), width_ratios=[1.25, 1])
    places = np.arange(len(runs))
    for shift, (name, values), colour in zip((-0.2, 0.2), right.items(), ("SFT", "DPO")):
        _bars(axis, places + shift, values, COLORS[colour], name, 0.36)
    axis.axhline(0.5, color=COLORS["muted"], ls="--", lw=1.2)
    axis.set_xticks(places, list(runs), fontsize=10)
    axis.set(ylim=(0, 1.08), ylabel="判对的份额（虚线是猜）")
    _bars(beside, np.arange(len(runs) + 1), reward, COLORS["DPO"], None, 0.6)
    beside.set_xticks(np.arange(len(runs) + 1), ["以前", *runs], fontsize=10)
    beside.set(ylim=(float(reward.min()) - 0.4, float(reward.max()) + 0.2), ylabel="写出来的诗，满分 4（不从 0 起）")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def _bars(axis: Axes, places: np.ndarray, values: np.ndarray, colour: str, name: str | None, width: float) -> None:
    axis.bar(places, values.mean(0), width, color=colour, label=name)
    for seed in values:
        axis.plot(places, seed, "o", ms=4, color=COLORS["ink"], mfc=COLORS["paper"])


def plot_costs(
    flips: Sequence[float],
    kl: Mapping[str, Float[np.ndarray, "seeds flips"]],
    memory: Mapping[str, Float[np.ndarray, " kinds"]],
) -> Figure:
    """Left KL to the best policy by share of turned labels, a line a loss; right megabytes by kind, a bar a method."""
    figure, (axis, beside) = plt.subplots(1, 2, figsize=(7.8, 3.7), width_ratios=[1.35, 1])
    for (name, values), colour in zip(kl.items(), LINES):
        axis.plot(flips, values.mean(0), "o-", color=COLORS[colour], label=name)
        axis.fill_between(flips, values.min(0), values.max(0), color=COLORS[colour], alpha=0.15, lw=0)
    axis.xaxis.set_major_formatter("{x:.0%}")
    axis.set(xlabel="标签翻转的份额", ylabel="到 π* 的 KL", ylim=(0, None))
    axis.set_xticks(list(flips))
    axis.legend(loc="upper left", fontsize=10.5)
    below = np.zeros(len(memory))
    table = np.array(list(memory.values()))
    for kind, tint, column in zip(KINDS, TINTS, table.T):
        beside.bar(range(len(memory)), column, 0.6, bottom=below, color=COLORS[tint], label=kind)
        below += column
    for place, total in enumerate(below):
        beside.text(place, total * 1.01, f"{total:.0f}", ha="center", va="bottom", fontsize=11.5)
    beside.set_xticks(range(len(memory)), list(memory))
    beside.set(ylabel="兆字节", ylim=(0, 1.45 * below.max()))
    beside.legend(loc="upper left", ncols=2, fontsize=10.5, handlelength=1)
    return figure
