"""Figure of claim C08: what one head cannot do and two can. Values of all seeds in, Figure out. Chapter 04."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.widgets.style import COLORS, FULL


def plot_accuracy_by_heads(
    accuracy: np.ndarray,
    heads: Sequence[int],
    *,
    foils: Mapping[str, np.ndarray] | None = None,
    one_guessed: float = 0.125,
) -> Figure:
    """Share of positions with both letters right: a bar for each number of heads, a dot for each seed.

    accuracy: [seeds, len(heads)]. foils: more bars by label, [seeds] each, hollow: they have other parameters.
    one_guessed: accuracy of knowing one letter and guessing the other, drawn as a dotted line.
    """
    columns = {f"{n} 头": values for n, values in zip(heads, np.asarray(accuracy).T)}
    labels = [*columns, *(foils or {})]
    values = np.array([*columns.values(), *(foils or {}).values()])
    figure, axis = plt.subplots(figsize=FULL)
    for place, each in enumerate(values):
        foil = place >= len(columns)
        colour = COLORS["none"] if foil else COLORS["Q"]
        axis.bar(place, each.mean(), width=0.62, color=COLORS["paper"] if foil else colour, edgecolor=colour, lw=1.6)
        axis.plot(np.full(len(each), place), each, "o", ms=5, color=COLORS["ink"], clip_on=False, zorder=3)
        axis.text(place, each.mean() + 0.04, f"{each.mean():.0%}", ha="center")
    axis.axhline(one_guessed, color=COLORS["muted"], ls=(0, (1, 2)), lw=1.6, label="知道一个字母，另一个瞎猜", zorder=0)
    axis.set_xticks(range(len(labels)), labels)
    axis.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axis.set(ylim=(0, 1.12), ylabel="两个字母都对")
    axis.grid(axis="y")
    axis.set_axisbelow(True)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center")
    return figure
