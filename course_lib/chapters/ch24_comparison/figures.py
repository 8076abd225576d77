"""Figures of chapter 24: the whole model, and the picture that carries the idea.  Numbers in, Figure out."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.widgets.style import COLORS


def plot_whole(steps: Mapping[str, str]) -> Figure:
    """Boxes from left to right. steps: name -> shape, as written below the box."""
    figure, axis = plt.subplots(figsize=(6.4, 1.8))
    for at, (name, shape) in enumerate(steps.items()):
        box = {"boxstyle": "round,pad=0.5", "facecolor": COLORS["prompt"], "edgecolor": COLORS["Q"]}
        axis.text(at, 0.6, name, ha="center", va="center", bbox=box)
        axis.text(at, 0, shape, ha="center", va="center")
        if at:
            axis.annotate("", (at - 0.3, 0.6), (at - 0.7, 0.6), arrowprops={"arrowstyle": "->"})
    axis.set(xlim=(-0.5, len(steps) - 0.5), ylim=(-0.4, 1.2))
    axis.axis("off")
    return figure


def plot_mean(values: Sequence[float]) -> Figure:
    """A bar for each value, and their mean as a line."""
    figure, axis = plt.subplots(figsize=(6.4, 3.0))
    places = np.arange(1, len(values) + 1)
    axis.bar(places, values, color=COLORS["Q"], label="数")
    axis.axhline(float(np.mean(values)), color=COLORS["K"], label="平均")
    axis.set(xlabel="第几个", ylabel="大小", xticks=places)
    figure.legend(loc="outside lower center", ncols=2)
    return figure
