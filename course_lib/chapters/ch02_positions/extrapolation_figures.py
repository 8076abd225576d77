"""Figures of the extrapolation claims C04a, C04b and C06: values of all seeds in, Figure out. Chapters 02, 03.

S seeds · the figures of a record: `figures_of(load_record("C04a"))["along_rope"].values`
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.widgets.style import COLORS, FULL, LINE_STYLES, WIDE

NAMES = {
    "none": "无位置",
    "learned": "学习式",
    "sinusoidal": "正弦",
    "rope": "RoPE",
    "alibi": "ALiBi",
    "plain": "RoPE 原样",
    "PI": "位置内插",
    "NTK": "NTK-aware",
    "YaRN": "YaRN",
}
MARKERS = dict(zip(NAMES, "osD^vodsX"))


def plot_loss_along(
    curves: Mapping[str, np.ndarray], *, trained_length: int, bin_width: int = 8, guess: float | None = None
) -> Figure:
    """Loss along one long text, mean and spread over seeds; the trained length is shaded.

    curves: by scheme, [S, bins] in nats, each bin the mean over `bin_width` positions.
    guess: loss of a guess without any knowledge, drawn as a dash-dot line.
    """
    figure, axis = plt.subplots(figsize=WIDE)
    n_bins = np.shape(next(iter(curves.values())))[1]
    position = (np.arange(n_bins) + 0.5) * bin_width
    axis.axvspan(0, trained_length, color=COLORS["seen"], lw=0)
    for name, values in curves.items():
        _line_with_band(axis, position, values, name)
    axis.set(
        xlabel="文本里的位置（字母）",
        ylabel="损失（nat / 字母）",
        xlim=(0, n_bins * bin_width),
        ylim=(0, None),
        title=f"底色：训练时见过的位置（L = {trained_length}）",
    )
    axis.set_xticks(
        [trained_length * times for times in (0, 1, 2, 4, 8) if times * trained_length <= n_bins * bin_width]
    )
    _finish(figure, axis, guess)
    return figure


def plot_loss_at_lengths(
    losses: Mapping[str, np.ndarray], lengths: Sequence[int], *, trained_length: int, guess: float | None = None
) -> Figure:
    """Loss where a text of each length ends, mean and spread over seeds; losses: by scheme, [S, lengths] in nats."""
    figure, axis = plt.subplots(figsize=FULL)
    for name, values in losses.items():
        _line_with_band(axis, np.asarray(lengths), values, name, marker=MARKERS[name])
    axis.set_xscale("log", base=2)
    axis.minorticks_off()
    axis.set_xticks(lengths, [_as_multiple(length, trained_length) for length in lengths])
    axis.set(
        xlabel=f"读到多长（训练长度 L = {trained_length} 个字母）", ylabel="末尾的损失（nat / 字母）", ylim=(0, None)
    )
    _finish(figure, axis, guess)
    return figure


def plot_score_shares(shares: Mapping[str, np.ndarray]) -> Figure:
    """What the scores' variance is made of, a bar each; shares: by label, [S, 3] for content, position and cross."""
    figure, axis = plt.subplots(figsize=FULL)
    rows = np.arange(len(shares))[::-1]
    means = np.array([np.mean(values, axis=0) for values in shares.values()])
    spread = [np.std(np.asarray(values)[:, 2], ddof=1) if len(values) > 1 else 0.0 for values in shares.values()]
    left = np.zeros(len(means))
    for column, (label, colour) in enumerate(
        (("内容", COLORS["none"]), ("位置", COLORS["rope"]), ("内容×位置 交叉", COLORS["sinusoidal"]))
    ):
        axis.barh(rows, means[:, column], left=left, color=colour, label=label, height=0.62)
        for row, start, width in zip(rows, left, means[:, column]):
            if width >= 0.08:
                place = (start + width / 2, row)
                axis.text(*place, f"{width:.0%}", ha="center", va="center", color=COLORS["paper"], fontsize=13)
        left = left + means[:, column]
    for row, share, std in zip(rows, means[:, 2], spread):
        axis.text(1.01, row, f"交叉 {share:.0%} ± {std:.0%}" if share else "交叉 0", va="center", fontsize=12)
    axis.set_yticks(rows, list(shares))
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axis.set(xlim=(0, 1), xlabel="占注意力分数方差的份额（第一层，各头平均）")
    figure.legend(*axis.get_legend_handles_labels(), ncols=3, loc="outside upper center")
    return figure


def _line_with_band(axis: plt.Axes, x: np.ndarray, values: np.ndarray, name: str, marker: str | None = None) -> None:
    values = np.asarray(values)
    mean, std = values.mean(0), values.std(0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])
    colour = COLORS["rope" if name == "plain" else name]
    axis.plot(x, mean, color=colour, ls=LINE_STYLES.get(name, "-"), marker=marker, label=NAMES[name])
    axis.fill_between(x, mean - std, mean + std, color=colour, alpha=0.2, lw=0)


def _as_multiple(length: int, trained_length: int) -> str:
    times = length // trained_length
    return "L" if times == 1 else f"{times}L"


def _finish(figure: Figure, axis: plt.Axes, guess: float | None) -> None:
    if guess is not None:
        axis.axhline(guess, color=COLORS["muted"], ls="-.", lw=1.4, label="瞎猜")
    axis.grid(axis="y")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside right center")
