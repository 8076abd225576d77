"""Figures of in-context learning, chapter 09: accuracy over examples, and over the size of the model.

S sizes · K numbers of examples.  Numbers in, Figure out.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.widgets.style import COLORS

SIZE_COLOURS = (COLORS["V"], COLORS["K"], COLORS["Q"])
SIZE_MARKERS = ("^", "s", "o")


def plot_shots(
    shots: Sequence[int],
    accuracy: np.ndarray,
    parameters: Sequence[int],
    best: np.ndarray,
    *,
    chance: float,
    spread: np.ndarray | None = None,
    heading: str = "",
) -> Figure:
    """Left: accuracy over the number of examples, a line a size. Right: over parameters, a line a number of examples.

    Args:
        shots: [K] numbers of examples, from 0.
        accuracy: [S, K], 0 … 1.
        parameters: [S].
        best: [K] what nobody can exceed on average.
        chance: accuracy of guessing blindly.
        spread: [S, K] standard deviation over seeds.
        heading: heading of the whole figure.
    """
    spread = np.zeros_like(accuracy) if spread is None else spread
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.8), sharey=True)
    places = range(len(shots))
    for mean, std, count, colour, marker in zip(accuracy, spread, parameters, SIZE_COLOURS, SIZE_MARKERS):
        left.fill_between(places, mean - std, mean + std, color=colour, alpha=0.2, lw=0)
        left.plot(places, mean, marker=marker, color=colour, label=f"{count / 1000:.0f} 千参数")
    left.plot(places, best, "--", color=COLORS["optimum"], label="最优")
    left.axhline(chance, color=COLORS["muted"], ls=":", label="乱猜")
    left.set_xticks(places, [str(each) for each in shots])
    left.set(ylim=(0, 1.02), xlabel="示例个数 k", ylabel="没见过的任务，正确率", title="按示例个数看")
    left.legend(fontsize=11)
    shades = plt.get_cmap("cividis")(np.linspace(0.0, 0.85, len(shots)))
    for k, colour in zip(range(len(shots)), shades):
        right.fill_between(
            parameters, accuracy[:, k] - spread[:, k], accuracy[:, k] + spread[:, k], color=colour, alpha=0.2, lw=0
        )
        right.plot(parameters, accuracy[:, k], marker="o", color=colour)
        right.text(parameters[-1] * 1.12, accuracy[-1, k], f"{shots[k]} 个示例", va="center", fontsize=12)
    right.set_xscale("log")
    right.set_xticks(parameters, [f"{count / 1000:.0f}" for count in parameters])
    right.minorticks_off()
    right.set(xlabel="参数量（千）", title="按模型大小看")
    right.set_xlim(parameters[0] / 1.2, parameters[-1] * 3)
    figure.suptitle(heading, fontsize=14)
    return figure


def plot_prompt(
    examples: Sequence[tuple[str, str]], question: str, chances: Sequence[float], answers: Sequence[str], *, right: str
) -> Figure:
    """A prompt as the model reads it, and how likely it finds each answer.

    Args:
        examples: [K] (what is asked, what is answered).
        question: what is asked last.
        chances: [A] probability of each answer.
        answers: [A] the answers.
        right: the right one.
    """
    figure, (left, bars) = plt.subplots(1, 2, figsize=(7.2, 3.6), width_ratios=(0.7, 1.1))
    n_rows = max(9, len(examples) + 1)
    rows = [*(f"{asked}  →  {said}" for asked, said in examples), f"{question}  →  ？"]
    for row, text in enumerate(rows):
        last = row == len(rows) - 1
        colour = COLORS["user"] if last else COLORS["system"]
        left.text(0.02, n_rows - row - 0.5, text, va="center", fontsize=13, bbox={"fc": colour, "ec": "none", "pad": 3})
    left.set(xlim=(0, 1), ylim=(0, n_rows), title=f"{len(examples)} 个示例，再加一问")
    left.axis("off")
    places = range(len(answers))
    colours = [COLORS["good"] if answer == right else COLORS["muted"] for answer in answers]
    bars.barh(places, chances, color=colours, height=0.6)
    for place, (share, answer) in enumerate(zip(chances, answers)):
        bars.text(share + 0.02, place, f"{share:.2f}" + ("  ← 对" if answer == right else ""), va="center", fontsize=12)
    bars.set_yticks(places, answers)
    bars.set(xlim=(0, 1.2), xticks=[0, 0.5, 1], xlabel="概率", title="模型的回答")
    bars.invert_yaxis()
    return figure
