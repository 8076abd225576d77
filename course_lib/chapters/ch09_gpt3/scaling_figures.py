"""Figures of chapter 09 about size: loss against parameters, and who learns which facts.

M sizes · S seeds.  Numbers in, Figure out.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.chapters.ch09_gpt3.scaling import PowerLaw
from course_lib.widgets.style import COLORS


def plot_power_law(
    sizes: Sequence[float], losses: np.ndarray, law: PowerLaw, n_used: int, *, log: bool = True, title: str = ""
) -> Figure:
    """Measured loss over size with a fitted law; hollow points were not used for the fit.

    Args:
        sizes: [M] parameters.
        losses: [S, M] a row a seed.
        law: fitted to the mean of the first n_used sizes.
        n_used: how many sizes, from the smallest, the fit saw.
        log: logarithmic axes, or linear ones.
        title: heading.
    """
    figure, axis = plt.subplots(figsize=(6.6, 3.8))
    mean, grid = losses.mean(0), np.geomspace(min(sizes), max(sizes), 200)
    seen = grid <= sizes[n_used - 1]
    axis.plot(grid[seen], law.loss(grid[seen]), color=COLORS["Q"], label=f"拟合，α = {law.alpha:.2f}")
    axis.plot(grid[~seen], law.loss(grid[~seen]), "--", color=COLORS["Q"], label="外推")
    axis.vlines(sizes, losses.min(0), losses.max(0), color=COLORS["ink"], lw=1.6)
    axis.plot(sizes[:n_used], mean[:n_used], "o", color=COLORS["ink"], label="实测，用来拟合")
    if n_used < len(sizes):
        axis.plot(
            sizes[n_used:], mean[n_used:], "o", mfc=COLORS["paper"], color=COLORS["K"], ms=9, label="实测，没有用"
        )
    if log:
        wide = losses.max() > 20 * losses.min()
        ticks = [0.001, 0.01, 0.1, 1] if wide else [0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3]
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    low, high = 0.85 * min(mean.min(), law.loss(sizes[-1])), 1.2 * losses.max()
    axis.set_xticks([2000, 10000, 50000], ["2 千", "1 万", "5 万"])
    axis.minorticks_off()
    axis.set(ylim=(low if log else 0, high), xlabel="参数量 N（不含词表）", ylabel="损失（nat/字母）", title=title)
    axis.legend(fontsize=11)
    return figure


def plot_groups(sizes: Sequence[float], losses: np.ndarray, names: Sequence[str], ceiling: float) -> Figure:
    """Loss of each group of facts over size; the dotted line is knowing nothing.

    losses: [M, G], groups from frequent to rare; names: [G].
    """
    figure, axis = plt.subplots(figsize=(6.6, 3.6))
    shades = plt.get_cmap("cividis")(np.linspace(0, 0.85, len(names)))
    for group, (name, colour) in enumerate(zip(names, shades)):
        axis.plot(sizes, losses[:, group], marker="os^D"[group % 4], color=colour, label=name)
    axis.axhline(ceiling, ls=":", color=COLORS["muted"])
    axis.text(sizes[-1], ceiling - 0.08, "瞎猜", color=COLORS["muted"], ha="right", va="top")
    axis.set_xscale("log")
    axis.set_xticks([2000, 10000, 50000], ["2 千", "1 万", "5 万"])
    axis.minorticks_off()
    axis.set(ylim=(0, 1.2 * ceiling), xlabel="参数量 N（不含词表）", ylabel="损失（nat/字母）")
    axis.legend(fontsize=11, loc=(0.7, 0.18))
    return figure
