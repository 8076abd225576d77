"""Figures of chapter 04: attention by hand, on a sentence, on a photograph, and where the heads live.

B batch · T queries · S keys · D width · H heads · Dh head width.  Numbers in, Figure out.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib.foundations.attention import check_heads
from course_lib.widgets.style import CMAPS, COLORS


def head_colour(head: int, n_heads: int) -> tuple[float, ...]:
    """The colour of one head among n_heads, apart in lightness too."""
    return plt.get_cmap("cividis")(0.15 + 0.75 * head / max(1, n_heads - 1))


def _arrow(axis, end: Sequence[float], colour: str, start: Sequence[float] = (0, 0), **more) -> None:
    style = {"arrowstyle": "-|>", "color": colour, "lw": 2.6, "shrinkA": 0, "shrinkB": 0} | more
    axis.annotate("", xy=end, xytext=start, arrowprops=style)


def plot_by_hand(
    q: np.ndarray, keys: np.ndarray, values: np.ndarray, weights: np.ndarray, words: Sequence[str]
) -> Figure:
    """One query of width 2: where it points among the keys, the shares it gives, and the mean of the values.

    Args:
        q: [2] the query of the last word.
        keys, values: [S, 2] of every word.
        weights: [S] shares, sum 1.
        words: [S] what stands beside the arrows.
    """
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(8.6, 3.3), width_ratios=(1, 0.8, 1))
    for axis, points, letter in ((left, keys, "K"), (right, values, "V")):
        reach = 1.25 * max(1.0, np.abs(points).max())
        axis.axhline(0, color=COLORS["grid"], lw=1, zorder=0)
        axis.axvline(0, color=COLORS["grid"], lw=1, zorder=0)
        for word, point in zip(words, points):
            _arrow(axis, point, COLORS[letter], lw=2)
            axis.text(*(point + 0.09 * reach), word, color=COLORS[letter], ha="center", va="center", fontsize=14)
        axis.set(xlim=(-0.25 * reach, 1.2 * reach), ylim=(-0.25 * reach, 1.2 * reach), aspect="equal")
        axis.axis("off")
    _arrow(left, q, COLORS["Q"], lw=3.4)
    left.text(q[0], q[1] - 0.22, f"“{words[-1]}”的 q", color=COLORS["Q"], ha="center", va="center", fontsize=14)
    left.set_title("1 比方向：q 与各个 k")
    middle.barh(words, weights, color=COLORS["ink"], height=0.55)
    for place, share in enumerate(weights):
        middle.text(share + 0.03, place, f"{share:.2f}", va="center")
    middle.set(xlim=(0, 1.05), xticks=[], title="2 分权重，和为 1")
    middle.invert_yaxis()
    middle.set_box_aspect(1.25)
    middle.spines["bottom"].set_visible(False)
    total = np.zeros(2)
    for share, value in zip(weights, values):
        right.plot(*zip(total, total + share * value), color=COLORS["ink"], lw=1.4, ls="--", zorder=5)
        total = total + share * value
    _arrow(right, total, COLORS["ink"], lw=3.4)
    right.text(total[0] + 0.25, total[1] + 0.1, "输出", ha="left", va="center", fontsize=14)
    right.set_title("3 按权重把 v 加起来")
    return figure


def plot_maps(
    maps: Mapping[str, np.ndarray], words: Sequence[Sequence[str]], *, marked: int | None = None, heading: str = ""
) -> Figure:
    """Attention weights side by side: a row is a query, a column a key, dark is much.

    Args:
        maps: title -> [T, T] weights.
        words: for each map, its T words.
        marked: the row to frame.
        heading: heading of the whole figure.
    """
    figure, axes = plt.subplots(1, len(maps), figsize=(4.1 * len(maps), 4.9), squeeze=False)
    for axis, (title, weights), labels in zip(axes[0], maps.items(), words):
        n_words = len(labels)
        axis.imshow(weights, cmap=CMAPS["weight"], vmin=0, vmax=1)
        for row, column in np.argwhere(np.asarray(weights) >= 0.1):
            share = weights[row, column]
            colour = COLORS["paper"] if share > 0.55 else COLORS["ink"]
            axis.text(column, row, f"{share:.1f}", ha="center", va="center", fontsize=11, color=colour)
        axis.set_xticks(range(n_words), labels)
        axis.set_yticks(range(n_words), labels)
        axis.tick_params(length=0)
        axis.set_title(title, fontsize=13)
        axis.set(xlabel="看向谁（键）")
        if marked is not None:
            axis.add_patch(Rectangle((-0.5, marked - 0.5), n_words, 1, fill=False, lw=2.4, color=COLORS["Q"]))
    axes[0][0].set_ylabel("谁在看（查询）")
    figure.suptitle(heading, fontsize=14)
    return figure


def plot_dial(scores: np.ndarray, weights: np.ndarray, *, d_k: int, scaled: bool) -> Figure:
    """One query over its keys: the scores and the shares that softmax makes of them. Both [S]."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.2))
    keys = np.arange(1, len(scores) + 1)
    left.bar(keys, scores, color=COLORS["muted"])
    left.axhline(0, color=COLORS["ink"], lw=1)
    left.set(ylim=(-90, 90), xlabel="键的编号", title="分数" + (" q·k/√d_k" if scaled else " q·k"))
    left.set_yscale("symlog", linthresh=2, linscale=1.2)
    left.set_yticks([-50, -10, -2, 0, 2, 10, 50], ["−50", "−10", "−2", "0", "2", "10", "50"])
    right.bar(keys, weights, color=COLORS["Q"] if scaled else COLORS["bad"])
    right.axhline(1 / len(weights), color=COLORS["muted"], ls=":", lw=1.6)
    right.set(ylim=(0, 1.05), xlabel="键的编号", title=f"权重，最大 {weights.max():.2f}")
    for axis in (left, right):
        axis.set_xticks([1, 5, 10])
    figure.suptitle(f"d_k = {d_k}，{'除以 √d_k' if scaled else '不缩放'}", fontsize=14)
    return figure


def plot_saturation(widths: Sequence[int], figures: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """C07 over head widths: variance of the scores, entropy of softmax, median gradient; raw against scaled.

    figures: "variance_raw", "variance_scaled", "entropy_…", "gradient_median_…" -> mean and std over seeds, each [W].
    """
    figure, axes = plt.subplots(1, 3, figsize=(9.0, 3.4))
    panels = {"variance": "分数的方差", "entropy": "softmax 的熵（nat）", "gradient_median": "对 q 的梯度，中位数"}
    for axis, (name, title) in zip(axes, panels.items()):
        for form, colour, marker, label in (("raw", "bad", "s", "不缩放"), ("scaled", "Q", "o", "除以 √d_k")):
            mean, std = figures[f"{name}_{form}"]
            axis.fill_between(widths, mean - std, mean + std, color=COLORS[colour], alpha=0.25, lw=0)
            axis.plot(widths, mean, marker=marker, color=COLORS[colour], label=label)
        axis.set_xscale("log", base=2)
        axis.set_xticks([16, 128, 1024], ["16", "128", "1024"])
        axis.set_title(title, fontsize=13)
        axis.set_xlabel("头宽 d_k")
    axes[0].set_yscale("log")
    axes[2].set_yscale("log")
    axes[1].set_ylim(0, 3.6)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def plot_heads_in_linear(d_model: int, n_heads: int) -> Figure:
    """W_q as one matrix [D, D]: the rows of a head are a block, and give that head's slice of q."""
    check_heads(d_model, n_heads)
    d_head = d_model // n_heads
    figure, axis = plt.subplots(figsize=(7.0, 3.6))
    for row in range(d_model):
        head = row // d_head
        colour = head_colour(head, n_heads)
        ink = COLORS["paper"] if head < n_heads / 2 else COLORS["ink"]
        for column in range(d_model):
            axis.add_patch(Rectangle((column, -row), 0.94, 0.94, color=colour, alpha=0.85))
        axis.add_patch(Rectangle((d_model + 1.2, -row), 0.94, 0.94, color=COLORS["image"], alpha=0.3))
        axis.add_patch(Rectangle((d_model + 3.6, -row), 0.94, 0.94, color=colour))
        axis.text(d_model + 4.07, -row + 0.45, f"{row}", ha="center", va="center", color=ink, fontsize=11)
    for head in range(n_heads):
        middle = -(head + 0.5) * d_head + 0.97
        axis.text(-0.3, middle, f"头 {head}\n的 {d_head} 行", ha="right", va="center", fontsize=12)
        axis.text(d_model + 4.9, middle, f"头 {head} 的 q\n宽 {d_head}", ha="left", va="center", fontsize=12)
    for x, text in ((d_model / 2, "W_q，一个 Linear"), (d_model + 1.67, "x"), (d_model + 4.07, "q")):
        axis.text(x, 1.5, text, ha="center", va="bottom", fontsize=13)
    axis.text(d_model + 0.6, 1.5 - d_model / 2, "·", ha="center", va="center", fontsize=20)
    axis.text(d_model + 2.9, 1.5 - d_model / 2, "=", ha="center", va="center", fontsize=16)
    axis.set(xlim=(-3.2, d_model + 8), ylim=(-d_model + 0.8, 2.4), aspect="equal")
    axis.axis("off")
    return figure


def plot_split(owner: np.ndarray, *, n_heads: int, head: int | None, title: str, kept: Mapping[str, bool]) -> Figure:
    """Which head each number of x [T, D] enters.

    Args:
        owner: [T, D] head that the number enters.
        n_heads: how many heads there are.
        head: the head to show alone, or None for all.
        title: heading.
        kept: short checks and whether they pass, listed beside the picture.
    """
    n_tokens, d_model = owner.shape
    figure, axis = plt.subplots(figsize=(7.0, 3.5))
    for token, channel in np.ndindex(owner.shape):
        mine = head is None or owner[token, channel] == head
        colour = head_colour(owner[token, channel], n_heads) if mine else COLORS["grid"]
        axis.add_patch(Rectangle((channel, -token), 0.94, 0.94, color=colour))
        ink = COLORS["paper"] if mine and owner[token, channel] < n_heads / 2 else COLORS["ink"]
        label = f"{token * d_model + channel}"
        axis.text(channel + 0.47, -token + 0.47, label, ha="center", va="center", fontsize=12, color=ink)
    for token in range(n_tokens):
        axis.text(-0.3, -token + 0.47, f"token {token}", ha="right", va="center", fontsize=13)
    for place, (check, passes) in enumerate(kept.items()):
        sign, colour = ("✓", COLORS["good"]) if passes else ("×", COLORS["bad"])
        axis.text(d_model + 0.6, -0.85 * place + 0.45, f"{sign} {check}", color=colour, va="center", fontsize=13)
    for each in range(n_heads):
        y = -0.85 * (len(kept) + each) - 0.1
        axis.add_patch(Rectangle((d_model + 0.6, y), 0.6, 0.6, color=head_colour(each, n_heads)))
        axis.text(d_model + 1.4, y + 0.3, f"进入头 {each}", va="center", fontsize=13)
    axis.set(xlim=(-2.3, d_model + 6.4), ylim=(-n_tokens + 0.7, 1.0), aspect="equal")
    axis.axis("off")
    figure.suptitle(title, fontsize=14)
    return figure


def plot_patch_attention(photo: np.ndarray, weights: np.ndarray, query: tuple[int, int], *, title: str) -> Figure:
    """Where one patch of a photograph looks.

    Args:
        photo: [height, width, 3] bytes.
        weights: [rows, columns] shares of the patches, sum 1.
        query: row and column of the patch that looks.
        title: heading.
    """
    rows, columns = weights.shape
    height, width = photo.shape[0] / rows, photo.shape[1] / columns
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.2))
    left.imshow(photo)
    lit = np.kron(weights / weights.max(), np.ones((round(height), round(width))))[..., None]
    right.imshow((photo * (0.12 + 0.88 * lit)).astype(np.uint8))
    for axis in (left, right):
        corner = (query[1] * width - 0.5, query[0] * height - 0.5)
        axis.add_patch(Rectangle(corner, width, height, fill=False, lw=2.6, color=COLORS["paper"]))
        axis.add_patch(Rectangle(corner, width, height, fill=False, lw=1.4, color=COLORS["bad"]))
        axis.axis("off")
    left.set_title("照片，框是查询", fontsize=13)
    most = np.sort(weights.ravel())[::-1][:10].sum()
    right.set_title(f"亮 = 权重大；前 10 块占 {most:.0%}", fontsize=13)
    figure.suptitle(title, fontsize=14)
    return figure


def plot_cost(lengths: Sequence[int], pairs: Mapping[str, np.ndarray]) -> Figure:
    """Multiplications of one layer against the number of tokens. pairs: part -> [N] counts."""
    figure, axis = plt.subplots(figsize=(6.4, 3.6))
    for (name, counts), style, colour in zip(pairs.items(), ("-", "--"), ("Q", "SFT")):
        axis.plot(lengths, counts, style, marker="o", color=COLORS[colour], label=name)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(lengths, [f"{length:,}" for length in lengths])
    axis.set(xlabel="token 数 T", ylabel="一层的乘法次数")
    axis.legend()
    return figure
