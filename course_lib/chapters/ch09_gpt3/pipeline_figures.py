"""Figures of chapter 09 about data: filter, near-copies, mixture, and what cleaning is worth.

Numbers in, Figure out.
"""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from course_lib.widgets.style import COLORS

LABEL_COLOURS = {"干净": COLORS["V"], "乱序": COLORS["K"], "套话": COLORS["muted"], "副本": COLORS["image"]}
CLUSTER_COLOURS = [COLORS[name] for name in ("Q", "K", "V", "image", "video", "resampler")]


def plot_filter(
    keep: Callable[[np.ndarray], np.ndarray], scores: Mapping[str, np.ndarray], title: str, *, by_score: bool = True
) -> Figure:
    """A rule from score to chance of being kept, where the documents' scores lie, and what is kept of each kind.

    Args:
        keep: scores [M] in 0 … 1 -> probabilities [M].
        scores: kind of document -> its scores.
        title: heading of the whole figure.
        by_score: also draw "probability = score", which the rule is often taken for.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.6), width_ratios=(1.25, 1))
    grid = np.linspace(0, 1, 401)
    if by_score:
        left.plot(grid, grid, ls=":", color=COLORS["bad"], label="误以为：概率 = 分数")
    left.plot(grid, keep(grid), color=COLORS["ink"], label="这条规则")
    for place, (kind, values) in enumerate(scores.items()):
        height = -0.08 - 0.09 * place
        left.plot(values, np.full(len(values), height), "|", color=LABEL_COLOURS[kind], ms=7, mew=1, alpha=0.5)
    left.set(xlim=(-0.02, 1.02), ylim=(-0.42, 1.05), xlabel="分数 s（下面的短线：各篇文档）", ylabel="留下的概率")
    left.set_yticks([0, 0.5, 1])
    left.legend(loc="upper left", fontsize=11)
    for place, (kind, values) in enumerate(scores.items()):
        share = keep(values).mean()
        right.barh(place, 1, color=COLORS["grid"], height=0.6)
        right.barh(place, share, color=LABEL_COLOURS[kind], height=0.6)
        right.text(1.03, place, f"{share:.1%}", va="center")
    right.set_yticks(range(len(scores)), list(scores))
    right.set(xlim=(0, 1.3), xticks=[0, 0.5, 1], xlabel="留下的份额")
    right.invert_yaxis()
    figure.suptitle(title, fontsize=14)
    return figure


def plot_lsh(
    curve: Callable[[np.ndarray], np.ndarray],
    knee: float,
    similarity: np.ndarray,
    pairs: Sequence[tuple[int, int]],
    groups: Sequence[Sequence[int]],
    names: Sequence[str],
    title: str,
    *,
    low: float = 0.1,
) -> Figure:
    """The S-curve over the similarity of two documents, and the graph of documents that its candidates make.

    Args:
        curve: similarities [M] -> chance of being a candidate [M].
        knee: similarity to mark.
        similarity: [N, N] true similarities.
        pairs: candidate pairs i < j.
        groups: clusters, as lists of places.
        names: [N] of the documents; they stand on a circle.
        title: heading of the whole figure.
        low: pairs of one cluster below this similarity get a red dotted line.
    """
    n = len(names)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.9), width_ratios=(1.15, 1))
    grid = np.linspace(0, 1, 401)
    left.plot(grid, curve(grid), color=COLORS["Q"])
    left.axvline(knee, color=COLORS["muted"], ls="--", lw=1.4)
    left.text(0.0, 1.03, f"虚线：拐点 {knee:.2f}", fontsize=12, color=COLORS["muted"])
    found = set(pairs)
    for i in range(n):
        for j in range(i + 1, n):
            colour = COLORS["K"] if (i, j) in found else COLORS["muted"]
            left.plot(similarity[i, j], -0.06, "|", color=colour, ms=10, mew=1.6)
    left.set(xlim=(-0.02, 1.02), ylim=(-0.12, 1.12), xlabel="真实的 Jaccard 相似度", ylabel="成为候选的概率")
    angle = np.pi / 2 - 2 * np.pi * np.arange(n) / n
    x, y = np.cos(angle), np.sin(angle)
    for group in groups:
        for place, i in enumerate(group):
            for j in group[place + 1 :]:
                if similarity[i, j] < low:
                    right.plot(x[[i, j]], y[[i, j]], ":", color=COLORS["bad"], lw=1.2, zorder=1)
    for i, j in pairs:
        right.plot(x[[i, j]], y[[i, j]], color=COLORS["K"], lw=2, zorder=2)
    colours = iter(CLUSTER_COLOURS * n)
    for group in groups:
        colour = next(colours) if len(group) > 1 else COLORS["grid"]
        right.scatter(x[list(group)], y[list(group)], s=330, color=colour, zorder=3)
    for i, name in enumerate(names):
        alone = any(list(group) == [i] for group in groups)
        ink = COLORS["ink"] if alone else COLORS["paper"]
        right.text(x[i], y[i] - 0.01, name, ha="center", va="center", color=ink, zorder=4)
    right.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal", title=f"{len(groups)} 簇，每簇留一篇")
    right.axis("off")
    figure.suptitle(title, fontsize=14)
    return figure


def plot_epochs(
    names: Sequence[str], possible: Sequence[tuple[float, float]], printed: Sequence[tuple[float, float]]
) -> Figure:
    """Epochs of each source: what printed weight and size allow (bar), and what is printed (mark), both as ranges."""
    figure, axis = plt.subplots(figsize=(7.2, 3.2))
    for place, ((fewest, most), (low, high)) in enumerate(zip(possible, printed)):
        fits = low <= most and fewest <= high
        axis.barh(
            place, most - fewest, left=fewest, height=0.5, color=COLORS["Q"], label=None if place else "算出的范围"
        )
        axis.plot(
            (low + high) / 2,
            place,
            "D" if fits else "X",
            ms=9,
            color=COLORS["good"] if fits else COLORS["bad"],
        )
        axis.text(max(most, high) + 0.08, place, "对得上" if fits else "对不上", va="center")
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(xlim=(0, 5.2), xlabel="读了几遍（横条：算出的范围；标记：印出的）")
    return figure


def plot_corpora(names: Sequence[str], panels: Mapping[str, tuple[np.ndarray, Sequence[float]]]) -> Figure:
    """C13d: loss on good texts by training corpus, a dot a seed; a panel for each kind of text.

    Args:
        names: [C].
        panels: kind of text -> losses [seeds, C] in nats a character, and [C] the share of it in each corpus, which is
            written in.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(9.6, 3.6), squeeze=False)
    for axis, (title, (losses, share)) in zip(axes[0], panels.items()):
        mean = losses.mean(0)
        axis.bar(range(len(names)), mean, color=[COLORS["muted"]] * 2 + [COLORS["Q"]] * (len(names) - 2), width=0.66)
        for place, part in enumerate(share):
            axis.plot([place] * len(losses), losses[:, place], "o", color=COLORS["ink"], ms=4)
            axis.text(place, 0.03 * losses.max(), f"占\n{part:.0%}", ha="center", color=COLORS["paper"], fontsize=11)
            axis.text(
                place, losses[:, place].max() + 0.02 * losses.max(), f"{mean[place]:.3f}", ha="center", fontsize=11
            )
        axis.set_xticks(range(len(names)), names, fontsize=11)
        axis.set(title=title, ylim=(0, 1.15 * losses.max()))
    axes[0, 0].set_ylabel("好文本上的损失（nat/字）")
    return figure


def plot_masks(masks: Mapping[str, np.ndarray], query: int) -> Figure:
    """Who may look at whom, [T, T] a mask; the row of one query is framed, what it sees is counted."""
    figure, axes = plt.subplots(1, len(masks), figsize=(2.3 * len(masks), 3.0))
    for axis, (title, mask) in zip(np.atleast_1d(axes), masks.items()):
        axis.imshow(mask, cmap="Blues", vmin=0, vmax=1.4)
        size = len(mask)
        axis.add_patch(plt.Rectangle((-0.5, query - 0.5), size, 1, fill=False, lw=2.2, color=COLORS["Q"]))
        axis.set(xticks=[], yticks=[], xlabel=f"第 {query + 1} 个看得见 {int(mask[query].sum())} 个")
        axis.set_title(title, fontsize=12)
    np.atleast_1d(axes)[0].set_ylabel("谁在看")
    return figure
