"""Figures of chapter 07 (GPT-1): numbers in, Figure out."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course_lib.widgets.style import COLORS, FULL, WIDE

FORMS = {
    "pretrained": ("预训练再微调", COLORS["Q"], "o"),
    "half": ("只预训练一半", COLORS["V"], "^"),
    "scratch": ("从零训练", COLORS["K"], "s"),
    "scratch_long": ("从零训练，总步数相同", COLORS["none"], "^"),
}
CHIPS = {"start": COLORS["system"], "delimiter": COLORS["system"], "extract": COLORS["assistant"]}


def plot_next_word(
    words: Sequence[str],
    chances: Sequence[tuple[str, float]],
    groups: Mapping[str, float],
    *,
    truth: str,
    title: str,
) -> Figure:
    """The text so far; the likeliest next words, the true one in green; and the chance given to groups of words.

    chances: (word, probability), the most likely first. groups: name -> the sum over its words.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.9), width_ratios=(1.5, 1))
    labels = [word for word, _ in chances][::-1]
    values = [chance for _, chance in chances][::-1]
    colours = [COLORS["good"] if word == truth else COLORS["Q"] for word in labels]
    left.barh(range(len(labels)), values, color=colours, height=0.66)
    for place, value in enumerate(values):
        left.text(value + 0.001, place, f"{value:.1%}", va="center")
    left.set_yticks(range(len(labels)), labels)
    left.set_xticks([0, 0.02, 0.04], ["0", "2 %", "4 %"])
    left.set(xlim=(0, max(0.05, 1.2 * max(values))), title="最可能的下一个词")
    right.bar(range(len(groups)), list(groups.values()), color=COLORS["image"], width=0.6)
    for place, value in enumerate(groups.values()):
        right.text(place, value + 0.03, f"{value:.0%}", ha="center")
    right.set_xticks(range(len(groups)), list(groups))
    right.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    right.set(ylim=(0, 1.15), title="落在谁的爱画里")
    text = "，".join(words[-3:])
    figure.suptitle(
        f"{title}\n{'…，' if len(words) > 3 else ''}{text + '，' if text else ''}____", fontsize=12, linespacing=1.5
    )
    return figure


def plot_transformations(rows: Mapping[str, Sequence[Sequence[tuple[str, str]]]]) -> Figure:
    """The four input transformations: readings as rows of chips (text, role), roles start, text, delimiter, extract."""
    readings = [(name, reading) for name, several in rows.items() for reading in several]
    figure, axis = plt.subplots(figsize=(7.6, 0.62 * len(readings) + 0.5))
    widest = 0.0
    for line, (name, reading) in enumerate(readings):
        first = line == 0 or readings[line - 1][0] != name
        if first:
            axis.text(-0.3, -line, name, ha="right", va="center")
        x = 0.0
        for text, role in reading:
            width = 0.55 + 0.42 * len(text)
            colour = CHIPS.get(role, COLORS["prompt"])
            axis.add_patch(
                FancyBboxPatch(
                    (x, -line - 0.32),
                    width,
                    0.64,
                    boxstyle="round,pad=0.02,rounding_size=0.1",
                    fc=colour,
                    ec=COLORS["ink"] if role == "extract" else COLORS["muted"],
                    lw=1.8 if role == "extract" else 0.8,
                )
            )
            axis.text(x + width / 2, -line, text, ha="center", va="center", fontsize=12)
            x += width + 0.15
        widest = max(widest, x)
    axis.set(xlim=(-3.2, widest), ylim=(-len(readings) + 0.4, 0.6))
    axis.axis("off")
    return figure


def plot_extract(
    tokens: Sequence[str], place: int, shares: Sequence[float], classes: Sequence[str], *, truth: int, accuracy: float
) -> Figure:
    """A text with <extract> in it, what it has read (tinted) and what it cannot see (white), and its answer.

    place: index of <extract> in tokens. shares: its probability for each class. accuracy: over many texts.
    """
    figure, (top, below) = plt.subplots(2, 1, figsize=(7.6, 3.9), height_ratios=(1, 1.7))
    x = 0.0
    for i, token in enumerate(tokens):
        width = 0.5 + 0.4 * len(token)
        colour = COLORS["assistant"] if i == place else COLORS["prompt"] if i < place else COLORS["paper"]
        top.add_patch(
            FancyBboxPatch(
                (x, 0), width, 0.8, boxstyle="round,pad=0.02,rounding_size=0.1", fc=colour, ec=COLORS["muted"]
            )
        )
        top.text(
            x + width / 2,
            0.4,
            token,
            ha="center",
            va="center",
            fontsize=10.5,
            color=COLORS["ink" if i <= place else "muted"],
        )
        x += width + 0.12
    top.set(xlim=(-0.1, x), ylim=(-0.2, 1.1))
    top.axis("off")
    top.set_title(f"Extract 左边有 {place} 个记号可读；1,000 条文本上的正确率 {accuracy:.0%}", loc="left")
    colours = [COLORS["good"] if i == truth else COLORS["Q"] for i in range(len(classes))]
    below.bar(range(len(classes)), shares, color=colours, width=0.55)
    for i, share in enumerate(shares):
        below.text(i, share + 0.03, f"{share:.0%}", ha="center")
    below.axhline(1 / len(classes), color=COLORS["muted"], ls=(0, (1, 2)), lw=1.6)
    below.set_xticks(
        range(len(classes)), [f"画家{name}" + ("（真）" if i == truth else "") for i, name in enumerate(classes)]
    )
    below.set(ylim=(0, 1.18), ylabel="这一条的概率")
    below.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    return figure


def plot_labels(
    labels: Sequence[int], curves: Mapping[str, tuple[np.ndarray, np.ndarray]], *, chance: float = 0.25
) -> Figure:
    """Claim C11: accuracy against the number of labels; curves: a name of FORMS -> mean and spread."""
    figure, axis = plt.subplots(figsize=FULL)
    for key, (mean, std) in curves.items():
        name, colour, marker = FORMS[key]
        axis.plot(labels, mean, marker=marker, color=colour, label=name)
        axis.fill_between(labels, mean - std, mean + std, color=colour, alpha=0.18, lw=0)
    axis.axhline(chance, color=COLORS["muted"], ls=(0, (1, 2)), lw=1.6, label=f"瞎猜 {chance:.0%}")
    axis.set_xscale("log", base=2)
    axis.set_xticks(labels, [f"{n:,}" for n in labels])
    axis.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    axis.set(xlabel="标注的文本（条）", ylabel="没见过的文本上的正确率", ylim=(0, 1.05))
    axis.grid(axis="y")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def plot_auxiliary(labels: Sequence[int], differences: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Claim C11b: accuracy with the auxiliary loss less accuracy without, in points, mean and spread by seed."""
    figure, axis = plt.subplots(figsize=WIDE)
    width = 0.75 / len(differences)
    for number, (key, (mean, std)) in enumerate(differences.items()):
        name, colour, _ = FORMS[key]
        places = np.arange(len(labels)) + width * (number - (len(differences) - 1) / 2)
        axis.bar(places, 100 * mean, width=0.95 * width, color=colour, label=name, yerr=100 * std, error_kw={"lw": 1.4})
    axis.axhline(0, color=COLORS["ink"], lw=1.2)
    axis.set_xticks(range(len(labels)), [f"{n:,} 条" for n in labels])
    axis.set(ylabel="开 − 关（百分点）", xlabel="标注的文本")
    axis.grid(axis="y")
    axis.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def plot_places(by_place: np.ndarray, best: Sequence[float], unmasked: np.ndarray) -> Figure:
    """Claim C11c: accuracy by how many things <extract> has read [seeds, 5], the best possible there [5]; in front
    without a mask [seeds]."""
    figure, axis = plt.subplots(figsize=FULL)
    columns = [*np.asarray(by_place).T, np.asarray(unmasked)]
    labels = [*(f"{n} 件后" for n in range(len(columns) - 1)), "最前\n不遮"]
    for place, values in enumerate(columns):
        hollow = place == len(columns) - 1
        colour = COLORS["none"] if hollow else COLORS["Q"]
        axis.bar(place, values.mean(), width=0.6, color=COLORS["paper"] if hollow else colour, edgecolor=colour, lw=1.6)
        axis.plot(np.full(len(values), place), values, "o", ms=5, color=COLORS["ink"], clip_on=False, zorder=3)
        axis.text(place, values.mean() + 0.05, f"{values.mean():.0%}", ha="center")
    axis.hlines(best, *(np.arange(len(best)) + side for side in (-0.4, 0.4)), COLORS["optimum"], lw=2, label="最优")
    axis.axhline(0.25, color=COLORS["muted"], ls=(0, (1, 2)), lw=1.6, label="瞎猜 25 %")
    axis.set_xticks(range(len(labels)), labels)
    axis.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    axis.set(ylim=(0, 1.18), ylabel="正确率", xlabel="Extract 站在哪里")
    figure.legend(loc="outside upper center", ncols=2)
    return figure
