"""Figures of chapter 06: the whole model, one step of decoding, alignment, norms, and the four suspects.

N layers · H heads · T target tokens · S source tokens.  Numbers in, Figure out.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from course_lib.widgets.style import CMAPS, COLORS

NORM_COLOURS = {"post": COLORS["K"], "pre": COLORS["Q"]}


def _box(axis, x: float, y: float, text: str, colour: str, *, width: float = 3.4, height: float = 0.62) -> None:
    style = "round,pad=0.02,rounding_size=0.12"
    axis.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=style, fc=colour, ec=COLORS["muted"], lw=1))
    axis.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=12.5)


def _arrow(axis, start: tuple[float, float], end: tuple[float, float], colour: str = COLORS["muted"], **more) -> None:
    style = {"arrowstyle": "-|>", "color": colour, "lw": 1.6, "shrinkA": 0, "shrinkB": 0} | more
    axis.annotate("", xy=end, xytext=start, arrowprops=style)


def plot_whole_model() -> Figure:
    """Encoder left, decoder right: what enters, what each layer does, where keys and values come from."""
    figure, axis = plt.subplots(figsize=(8.4, 5.2))
    tint = {"attention": COLORS["user"], "cross": COLORS["assistant"], "ffn": "#DDF2E4", "plain": COLORS["system"]}
    left, right = 0.0, 5.4
    embed = ("嵌入 × √D + 位置", "plain")
    encoder = [("源 token：一千零二十四⊣", "plain"), embed, ("自注意力（不遮未来）", "attention"), ("前馈层", "ffn")]
    decoder = [("右移的目标：⊢1024", "plain"), embed, ("自注意力（因果掩码）", "attention"), ("交叉注意力", "cross")]
    decoder += [("前馈层", "ffn"), ("线性层 + softmax", "plain"), ("下一个 token：1024⊣", "plain")]
    for x, boxes in ((left, encoder), (right, decoder)):
        for place, (text, kind) in enumerate(boxes):
            _box(axis, x, place, text, tint[kind])
            if place:
                _arrow(axis, (x + 1.7, place - 0.38), (x + 1.7, place - 0.02))
    for x, first, last, name in ((left, 2, 3, "编码器"), (right, 2, 4, "解码器")):
        height = last - first + 0.95
        corner = (x - 0.2, first - 0.17)
        axis.add_patch(Rectangle(corner, 3.8, height, fill=False, lw=1.4, ls="--", ec=COLORS["muted"]))
        side = x - 0.3 if x == left else x + 3.7
        axis.text(side, first + height / 2 - 0.17, f"{name}\n× N", ha="right" if x == left else "left", va="center")
    end = (right - 0.02, 3.31)
    axis.plot([1.7, 1.7, 4.55], [3.62, 4.35, 4.35], color=COLORS["K"], lw=2.2)
    axis.plot([4.55, 4.55], [4.35, 3.31], color=COLORS["K"], lw=2.2)
    _arrow(axis, (4.55, 3.31), end, COLORS["K"], lw=2.2)
    axis.text(3.1, 4.5, "K、V：读一次源句，每一步都用", ha="center", va="bottom", color=COLORS["K"], fontsize=12.5)
    axis.text(right + 1.85, 2.81, "Q", color=COLORS["Q"], va="center", fontsize=13)
    axis.set(xlim=(-1.5, 10.3), ylim=(-0.2, 6.8))
    axis.axis("off")
    return figure


def plot_rows(
    read: Sequence[str], expected: Sequence[str], title: str, *, wrong: Sequence[bool] | None = None
) -> Figure:
    """What the decoder reads above what it is asked for, place by place; a red arrow where wrong."""
    n = len(read)
    figure, axis = plt.subplots(figsize=(1.1 + 1.05 * n, 2.7))
    for t, (seen, said) in enumerate(zip(read, expected)):
        bad = bool(wrong and wrong[t])
        for y, char, fill in ((0, seen, COLORS["prompt"]), (1.6, said, COLORS["answer"])):
            axis.add_patch(Rectangle((t - 0.38, y), 0.76, 0.7, fc=fill, ec=COLORS["bad"] if bad else COLORS["muted"]))
            axis.text(t, y + 0.35, char, ha="center", va="center", fontsize=16)
        _arrow(axis, (t, 0.74), (t, 1.56), COLORS["bad"] if bad else COLORS["ink"])
    axis.text(-0.7, 0.35, "读到", ha="right", va="center")
    axis.text(-0.7, 1.95, "要说", ha="right", va="center")
    axis.set(xlim=(-1.7, n - 0.4), ylim=(-0.1, 2.4))
    axis.set_title(title, fontsize=13)
    axis.axis("off")
    return figure


def plot_step(
    source: Sequence[str],
    written: Sequence[str],
    cross: np.ndarray,
    self_attention: np.ndarray,
    candidates: Sequence[tuple[str, float]],
    *,
    done: bool,
) -> Figure:
    """One step of decoding: what may be seen, where the cross-attention looks, and the likeliest next tokens.

    Args:
        source: [S] source tokens.
        written: [T] what the decoder has read so far, start token first.
        cross: [S] weights of the newest token over the source.
        self_attention: [T, T] whether row may see column.
        candidates: likeliest next tokens and their probabilities, best first.
        done: whether the text has ended before this step.
    """
    n_source, n_written = len(source), len(written)
    layout = [["cross", "cross"], ["mask", "top"]]
    figure, axes = plt.subplot_mosaic(layout, figsize=(7.2, 4.4), height_ratios=(0.62, 1))
    axis = axes["cross"]
    axis.bar(range(n_source), cross, color=COLORS["K"], width=0.7)
    for place, share in enumerate(cross):
        if share >= 0.15:
            axis.text(place, share + 0.04, f"{share:.2f}", ha="center", fontsize=12)
    axis.set_xticks(range(n_source), source, fontsize=15)
    axis.set(ylim=(0, 1.25), yticks=[0, 1], xlim=(-0.6, max(n_source, 11) - 0.4))
    axis.tick_params(axis="x", length=0)
    axis.set_title("交叉注意力：写这一个字时，看源句的哪里", fontsize=13)
    axis = axes["mask"]
    axis.imshow(self_attention, cmap=CMAPS["weight"], vmin=0, vmax=1.6)
    axis.set_xticks(range(n_written), written, fontsize=12)
    axis.set_yticks(range(n_written), written, fontsize=12)
    axis.tick_params(length=0)
    axis.add_patch(Rectangle((-0.5, n_written - 1.5), n_written, 1, fill=False, lw=2.4, color=COLORS["Q"]))
    axis.set_title("自注意力：谁可以看谁", fontsize=13)
    axis = axes["top"]
    labels, shares = zip(*candidates)
    colours = [COLORS["muted"] if done else COLORS["Q"], *[COLORS["grid"]] * (len(shares) - 1)]
    axis.barh(range(len(shares)), shares, color=colours)
    axis.set_yticks(range(len(shares)), labels, fontsize=15)
    for place, share in enumerate(shares):
        inside = share > 0.75
        where = {"x": share - 0.02, "ha": "right", "color": COLORS["paper"]} if inside else {"x": share + 0.02}
        axis.text(y=place, s=f"{share:.1%}" if share >= 5e-4 else "不到 0.1%", va="center", fontsize=12, **where)
    axis.set(xlim=(0, 1.02), xticks=[0, 0.5, 1])
    axis.invert_yaxis()
    axis.set_title("已经写完" if done else f"下一个：{labels[0]}", fontsize=13)
    figure.suptitle("已写：" + "".join(written), fontsize=15)
    return figure


def plot_alignment(maps: Sequence[np.ndarray], pairs: Sequence[tuple[str, str, Sequence[Sequence[int]]]]) -> Figure:
    """Cross-attention of one head for several sentences, the true places framed.

    maps: [T, S] each. pairs: source (with END), target (with END), and for each target character the true places.
    """
    widths = [max(4, len(source)) for source, _, _ in pairs]
    figure, axes = plt.subplots(1, len(pairs), figsize=(9.2, 4.0), width_ratios=widths, squeeze=False)
    for axis, weights, (source, target, says) in zip(axes[0], maps, pairs):
        axis.imshow(weights, cmap=CMAPS["weight"], vmin=0, vmax=1)
        axis.set_xticks(range(len(source)), list(source), fontsize=13)
        axis.set_yticks(range(len(target)), list(target), fontsize=13)
        axis.tick_params(length=0)
        for t, places in enumerate(says):
            for place in places:
                axis.add_patch(Rectangle((place - 0.5, t - 0.5), 1, 1, fill=False, lw=1.8, ec=COLORS["K"]))
    axes[0][0].set(ylabel="要写的字")
    figure.supxlabel("源句；橙框：真正说出它的字", fontsize=13)
    return figure


def plot_alignment_accuracy(by_head: np.ndarray, baselines: Mapping[str, float]) -> Figure:
    """C10b: alignment accuracy of each head, a dot a seed, against the baselines.

    by_head: [seeds, N, H].
    """
    n_layers, n_heads = by_head.shape[1:]
    figure, axis = plt.subplots(figsize=(7.6, 3.6))
    labels = [f"层 {n + 1}\n头 {h}" for n in range(n_layers) for h in range(n_heads)]
    values = by_head.reshape(len(by_head), -1)
    axis.bar(range(len(labels)), values.mean(0), color=COLORS["K"], width=0.6)
    for seed in values:
        axis.plot(range(len(labels)), seed, "o", ms=5, color=COLORS["ink"], clip_on=False, zorder=3)
    for (name, share), style in zip(baselines.items(), ("--", ":", "-.")):
        axis.axhline(share, color=COLORS["muted"], ls=style, lw=1.8, label=f"{name} {share:.0%}")
    axis.set_xticks(range(len(labels)), labels)
    axis.set(ylim=(0, 1.05), ylabel="对齐准确率")
    axis.set_yticks([0, 0.5, 1], ["0", "50 %", "100 %"])
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def plot_norms(rates: Sequence[float], loss: np.ndarray, gradient: np.ndarray) -> Figure:
    """C10c: loss after training against the learning rate, and gradients at the start by layer.

    loss: [seeds, 2, rates]; gradient: [seeds, 2, N]; post-norm first.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.8, 3.5))
    for n, (norm, colour) in enumerate(NORM_COLOURS.items()):
        marker, line = ("s", "--") if norm == "post" else ("o", "-")
        mean = loss[:, n].mean(0)
        left.fill_between(rates, loss[:, n].min(0), loss[:, n].max(0), color=colour, alpha=0.22, lw=0)
        left.plot(rates, mean, line, marker=marker, color=colour, label=f"{norm}-norm")
        depth = np.arange(1, gradient.shape[-1] + 1)
        right.plot(depth, gradient[:, n].mean(0), line, marker=marker, color=colour)
    left.set_xscale("log")
    left.set_xticks(rates, [f"{rate:g}" for rate in rates])
    left.minorticks_off()
    left.set(xlabel="最大学习率", title="训练后的损失（nat）")
    left.set_ylim(bottom=0)
    right.set(xlabel="解码器的第几层", title="第一步之前，梯度的大小")
    right.set_xticks(depth)
    right.set_ylim(bottom=0)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def plot_case(
    history: Sequence[float],
    healthy: Sequence[float],
    shares: tuple[float, float],
    samples: Sequence[tuple[str, str]],
    *,
    title: str,
    verdict: str = "",
) -> Figure:
    """One suspect: its training loss beside the healthy one, two accuracies, and what it writes itself.

    Args:
        history, healthy: training loss of every step.
        shares: accuracy a token with the true words before it, and share of texts right when it writes itself.
        samples: truth and what the model wrote.
        title, verdict: above the figure and below it.
    """
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(8.8, 3.5), width_ratios=(1.25, 0.8, 0.95))
    left.plot(_smooth(healthy), color=COLORS["muted"], ls=":", label="正常")
    left.plot(_smooth(history), color=COLORS["bad"], label="嫌疑")
    left.set_yscale("log")
    left.set(ylim=(1e-4, 4), xlabel="步", title="训练损失（nat）")
    left.legend(loc="lower left")
    middle.bar([0, 1], shares, color=[COLORS["muted"], COLORS["Q"]], width=0.6)
    for place, share in enumerate(shares):
        middle.text(place, share + 0.03, f"{share:.0%}", ha="center")
    middle.set_xticks([0, 1], ["给真的\n前文", "自己\n写"])
    middle.set(ylim=(0, 1.18), yticks=[], title="正确率")
    middle.spines["left"].set_visible(False)
    right.axis("off")
    right.set_title("它写了什么", fontsize=14)
    for row, (truth, said) in enumerate(samples):
        y = 0.88 - row / max(1, len(samples)) * 0.92
        good = truth == said
        right.text(0.0, y, truth, transform=right.transAxes, fontsize=13, color=COLORS["muted"])
        right.text(0.42, y, "→", transform=right.transAxes, fontsize=13, color=COLORS["muted"])
        colour = COLORS["good"] if good else COLORS["bad"]
        right.text(0.56, y, said or "（空）", transform=right.transAxes, fontsize=13, color=colour)
    figure.suptitle(title, fontsize=14)
    if verdict:
        figure.supxlabel(verdict, fontsize=13, color=COLORS["bad"])
    return figure


def _smooth(history: Sequence[float], window: int = 9) -> np.ndarray:
    """Moving average over the last `window` steps; as long as the history."""
    total = np.cumsum(np.asarray(history, dtype=float))
    before = np.concatenate([np.zeros(min(window, len(total))), total[:-window]])
    return (total - before) / np.minimum(np.arange(1, len(total) + 1), window)
