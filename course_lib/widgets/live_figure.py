"""The still form of js/live_text.js: a text, and what the model hesitates between after its prompt."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.widgets.style import COLORS, missing_glyphs

PER_LINE, LINES = 10, 7
BEFORE, AFTER = "#8A9199", COLORS["Q"]


def plot_next_token(still: Mapping[str, Any], breaks: Sequence[str] = ()) -> Figure:
    """Left the text, the prompt on its tint; right the likeliest next tokens, before and after the knobs.

    still: as live_model.still_frame gives it. breaks: texts after which a line ends.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.8), width_ratios=[1.15, 1])
    _text(left, still["tokens"], still["n_prompt"], breaks)
    names = [_shown(text) for _, text, _, _ in still["next"]]
    for shift, (colour, label, which) in zip((-0.2, 0.2), ((BEFORE, "模型给的概率", 2), (AFTER, "拧过旋钮", 3))):
        shares = [100 * each[which] for each in still["next"]]
        right.barh([i + shift for i in range(len(names))], shares, height=0.36, color=colour, label=label)
    right.set_yticks(range(len(names)), names)
    right.invert_yaxis()
    right.set(xlabel="概率（%）", title=f"读到「{_shown(still['tokens'][still['at']])}」，下一个是什么")
    figure.legend(loc="outside lower right", ncols=2)
    return figure


def plot_versions(stills: Mapping[str, Mapping[str, Any]], breaks: Sequence[str] = ()) -> Figure:
    """What each model wrote after the same words. stills: label of a model -> as live_model.still_frame gives it."""
    figure, all_axes = plt.subplots(1, len(stills), figsize=(7.6, 3.4), squeeze=False)
    for axes, (label, still) in zip(all_axes[0], stills.items()):
        _text(axes, still["tokens"][still["n_prompt"] :], 0, breaks)
        axes.set(title=f"{label}写的", xlim=(0, 8), ylim=(5, 0))
    first = next(iter(stills.values()))
    given = "".join(map(_shown, first["tokens"][: first["n_prompt"]]))
    figure.suptitle(f"给的是 {given}", x=0.01, ha="left", fontsize=14)
    return figure


def _text(axes: Axes, tokens: list[str], n_prompt: int, breaks: Sequence[str]) -> None:
    axes.set(xlim=(0, PER_LINE), ylim=(LINES, 0), title="蓝底是开头，其余是模型写的")
    axes.axis("off")
    column, row = 0, 0
    for i, token in enumerate(tokens):
        width = max(len(_shown(token)) * (1 if token > "\u2e80" else 0.5), 0.9)
        if column + width > PER_LINE:
            column, row = 0, row + 1
        ground = {"facecolor": COLORS["prompt"], "edgecolor": "none", "pad": 3} if i < n_prompt else None
        axes.text(column + width / 2, row + 0.6, _shown(token), ha="center", va="center", fontsize=16, bbox=ground)
        column += width
        if i >= n_prompt and (token.endswith("\n") or token in breaks):
            column, row = 0, row + 1


def _shown(text: str) -> str:
    """The text as the font can draw it."""
    text = text.replace("\n", "↵").replace(" ", "␣")
    missing = missing_glyphs(text)
    return "".join("□" if character in missing else character for character in text)
