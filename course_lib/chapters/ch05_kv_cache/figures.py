"""Figures of chapter 05: what a step costs, what four designs keep, what absorption changes, what it all weighs.

H query heads · G key-value heads · T queries · S keys.  Numbers in, Figure out.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib.widgets.style import CMAPS, COLORS

DESIGNS = {
    "MHA": (COLORS["Q"], "o"),
    "GQA": (COLORS["K"], "s"),
    "MQA": (COLORS["SFT"], "^"),
    "MLA": (COLORS["resampler"], "D"),
}


def plot_step_cost(steps: np.ndarray, without: np.ndarray, cached: np.ndarray) -> Figure:
    """Multiplications of each step and of all steps up to it, in billions. All arrays [N]."""
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.3))
    for axis, title, change in zip(axes, ("这一步", "到这一步为止"), (lambda x: x, np.cumsum)):
        for counts, label, colour, style in (
            (without, "没有缓存：全部重读", "bad", "--"),
            (cached, "有缓存：只读新词", "Q", "-"),
        ):
            axis.plot(steps, change(counts) / 1e9, style, color=COLORS[colour], label=label)
        axis.set(xlabel="已有的 token 数（对数轴）", title=title, xscale="log", yscale="log")
        axis.grid()
    axes[0].set_ylabel("一层的乘法（十亿次）")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def plot_designs(n_heads: int, n_kv_heads: int, kept: Mapping[str, int]) -> Figure:
    """Four ways to share: queries above, what the cache keeps of a token below, a line from each head to what it reads.

    kept: design -> numbers that one token leaves in a layer.
    """
    figure, axes = plt.subplots(1, 4, figsize=(9.2, 3.3))
    groups = {"MHA": n_heads, "GQA": n_kv_heads, "MQA": 1, "MLA": 0}
    for axis, (name, count) in zip(axes, groups.items()):
        heads = np.arange(n_heads) + 0.5
        axis.scatter(heads, np.full(n_heads, 2.6), s=150, color=COLORS["Q"], zorder=3)
        places = (np.arange(count) + 0.5) * n_heads / count if count else np.array([n_heads / 2])
        for place in places if count else ():
            for x, letter in ((place - 0.36, "K"), (place, "V")):
                axis.add_patch(Rectangle((x, 0.5), 0.32, 0.8, color=COLORS[letter], zorder=3))
        if not count:
            axis.add_patch(Rectangle((n_heads / 2 - 1.5, 0.5), 2.1, 0.8, color=COLORS["image"], zorder=3))
            axis.add_patch(Rectangle((n_heads / 2 + 0.75, 0.5), 0.4, 0.8, color=COLORS["K"], zorder=3))
            axis.text(n_heads / 2 - 0.45, 0.9, "c", ha="center", va="center", color=COLORS["paper"], zorder=4)
        for head in range(n_heads):
            place = places[head * len(places) // n_heads]
            axis.plot([heads[head], place], [2.45, 1.3], color=COLORS["muted"], lw=1.1, zorder=1)
        axis.text(n_heads / 2, 0.1, f"存 {kept[name]} 个数", ha="center", va="center", fontsize=13)
        axis.set_title(name, loc="center")
        axis.set(xlim=(-0.2, n_heads + 0.2), ylim=(-0.2, 3.0))
        axis.axis("off")
    for y, text, colour in ((2.6, "q", "Q"), (0.9, "缓存", "ink")):
        axes[0].text(-0.5, y, text, ha="right", va="center", color=COLORS[colour], fontsize=14)
    return figure


def plot_receipt(
    lines: Sequence[tuple[str, int]], scores: Mapping[str, np.ndarray], words: Sequence[str], *, title: str, gap: float
) -> Figure:
    """What a token leaves behind, line by line, and the scores of two ways to the same sentence.

    Args:
        lines: (what is kept, how many numbers), as on a shop's receipt.
        scores: two titles -> [T, S] scores, causal.
        words: [T].
        title: heading.
        gap: the largest difference of the two, in standard deviations of the first.
    """
    figure, (receipt, *maps) = plt.subplots(1, 3, figsize=(9.6, 3.7), width_ratios=(1.05, 1, 1))
    total = sum(count for _, count in lines)
    for row, (text, count) in enumerate([*lines, ("合计", total)]):
        y = -0.16 * row
        size = 15 if text == "合计" else 13
        receipt.text(0, y, text, va="center", fontsize=size)
        receipt.text(1, y, f"{count:,}", va="center", ha="right", fontsize=size)
    receipt.plot([0, 1], [-0.16 * len(lines) + 0.08] * 2, color=COLORS["ink"], lw=1.2)
    receipt.set(xlim=(0, 1), ylim=(-0.9, 0.15), title="每层每个 token 存几个数")
    receipt.axis("off")
    same = gap < 1e-9
    verdict = "两张分数图相同" if same else f"分数差到 {gap:.1f} 个标准差"
    receipt.text(0, -0.78, verdict, va="center", fontsize=14, color=COLORS["good" if same else "bad"])
    hidden = np.triu(np.ones((len(words), len(words)), dtype=bool), 1)
    most = max(np.abs(each[~hidden]).max() for each in scores.values())
    for axis, (name, each) in zip(maps, scores.items()):
        axis.imshow(np.ma.array(each, mask=hidden), cmap=CMAPS["signed"], vmin=-most, vmax=most)
        axis.set_xticks(range(len(words)), words, fontsize=11)
        axis.set_yticks(range(len(words)), words, fontsize=11)
        axis.tick_params(length=0)
        axis.set_title(name, fontsize=13)
    figure.suptitle(title, fontsize=14)
    return figure


def plot_lost(distances: Sequence[int], lost: np.ndarray, spread: np.ndarray, best_fixed: float) -> Figure:
    """C09c: error of absorbed scores against the distance of query and key; mean and std over seeds, [N]."""
    figure, axis = plt.subplots(figsize=(6.4, 3.4))
    places = np.arange(len(distances))
    axis.fill_between(places, lost - spread, lost + spread, color=COLORS["bad"], alpha=0.25, lw=0)
    axis.plot(places, lost, "s-", color=COLORS["bad"], label="RoPE 耦合，直接吸收")
    axis.axhline(best_fixed, color=COLORS["K"], ls="--", label="RoPE 耦合，最合适的固定矩阵（平均）")
    axis.plot(places, np.zeros(len(places)), "o-", color=COLORS["Q"], label="RoPE 解耦，吸收", clip_on=False, zorder=4)
    axis.set_xticks(places, [str(distance) for distance in distances])
    axis.set(xlabel="查询与键的距离（token）", ylabel="误差 / 分数的标准差", ylim=(0, None))
    axis.grid(axis="y")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=1)
    return figure


def plot_calculator(
    gib: Mapping[str, np.ndarray], batches: Sequence[int], *, own: str, title: str, cards: tuple[int, int] = (24, 80)
) -> Figure:
    """GiB of cache in four designs, a dot for each batch size, on a logarithmic axis with the memory of two cards.

    Args:
        gib: design -> [len(batches)].
        batches: texts at once.
        own: the design that the released model has.
        title: heading.
        cards: GiB of memory, vertical lines.
    """
    figure, axis = plt.subplots(figsize=(6.8, 3.3))
    for row, (name, sizes) in enumerate(gib.items()):
        colour, marker = DESIGNS[name]
        y = len(gib) - 1 - row
        axis.plot(sizes, np.full(len(sizes), y), marker=marker, color=colour, ms=9, lw=1.2)
        for size in sizes:
            text = f"{size:,.0f}" if size >= 100 else f"{size:.3g}"
            axis.text(size, y + 0.24, text, ha="center", va="bottom", fontsize=12)
    for card, side, sign in zip(cards, ("right", "left"), ("{} GiB ", " {} GiB 的卡")):
        axis.axvline(card, color=COLORS["bad"], ls=(0, (4, 3)), lw=1.4, zorder=0)
        axis.text(card, len(gib) - 0.3, sign.format(card), color=COLORS["bad"], ha=side, va="bottom", fontsize=12)
    labels = [f"{name}（发布的）" if name == own else name for name in gib]
    axis.set_yticks(range(len(gib)), labels[::-1])
    axis.set_xscale("log")
    axis.set(xlim=(3e-3, 2e5), ylim=(-0.5, len(gib) - 0.3))
    axis.set_xlabel(f"缓存（GiB，对数轴）；每行从左到右：{'、'.join(map(str, batches))} 段对话同时")
    axis.set_xticks([1e-2, 1, 1e2, 1e4], ["0.01", "1", "100", "10,000"])
    figure.suptitle(title, fontsize=14)
    return figure


def plot_quality(facts: np.ndarray, n_facts: Sequence[int], language: np.ndarray, kept: Sequence[int]) -> Figure:
    """C09b: facts named right, and the loss on language; a dot for each seed.

    facts: [seeds, 4 designs, len(n_facts)]; language: [seeds, 4]; kept: numbers a token and layer of the designs.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.6), width_ratios=(1.5, 1))
    labels = [f"{name}\n存 {count}" for name, count in zip(DESIGNS, kept)]
    width = 0.8 / len(n_facts)
    for place, count in enumerate(n_facts):
        for design, (colour, _) in enumerate(DESIGNS.values()):
            x, values = design + (place - (len(n_facts) - 1) / 2) * width, facts[:, design, place]
            alone = design == 0
            left.bar(
                x, values.mean(), width * 0.92, color=colour, alpha=1 if place == len(n_facts) - 1 else 0.35,
                label=f"{count} 件事" if alone else None,
            )  # fmt: skip
            left.plot(np.full(len(values), x), values, "o", ms=4, color=COLORS["ink"], zorder=3, clip_on=False)
            left.text(x, values.max() + 0.03, f"{values.mean():.0%}", ha="center", fontsize=11)
    left.axhline(0.125, color=COLORS["muted"], ls=(0, (1, 2)), lw=1.6, zorder=0)
    left.set(ylim=(0, 1.12), title=f"记录题：浅 {n_facts[0]} 件事，深 {n_facts[-1]} 件事", ylabel="答对的比例")
    left.set_yticks([0, 0.125, 0.5, 1], ["0", "瞎猜", "50 %", "100 %"])
    for design, (colour, marker) in enumerate(DESIGNS.values()):
        right.plot(np.full(len(language), design), language[:, design], marker, color=colour, ms=8, ls="none")
        right.hlines(language[:, design].mean(), design - 0.25, design + 0.25, color=colour)
    right.set(title="小语言的损失，越低越好", ylabel="nat", xlim=(-0.5, 3.5))
    right.grid(axis="y")
    left.set_xticks(range(4), labels)
    right.set_xticks(range(4), list(DESIGNS))
    return figure


def plot_speed(contexts: Sequence[int], panels: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Tokens decoded a second against the tokens already in the cache, by design.

    panels: title -> design -> [N, 3] median, slowest and fastest round.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(4.4 * len(panels), 3.6), squeeze=False)
    for axis, (title, rates) in zip(axes[0], panels.items()):
        for name, each in rates.items():
            colour, marker = DESIGNS[name]
            median, low, high = np.asarray(each).T
            axis.fill_between(contexts, low, high, color=colour, alpha=0.15, lw=0)
            axis.plot(contexts, median, marker=marker, color=colour, label=name)
        axis.set_xscale("log", base=2)
        axis.set_xticks(contexts, [f"{context:,}" for context in contexts])
        axis.set(xlabel="缓存里已有的 token 数", title=title, ylim=(0, None))
        axis.grid(axis="y")
    axes[0][0].set_ylabel("每秒生成的 token")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def plot_against(panels: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    """Tokens a second of several ways to the same tokens. panels: title -> design -> way -> rate."""
    figure, axes = plt.subplots(1, len(panels), figsize=(4.4 * len(panels), 3.5), squeeze=False)
    colours = (COLORS["Q"], COLORS["V"], COLORS["SFT"])
    for axis, (title, designs) in zip(axes[0], panels.items()):
        ways = list(next(iter(designs.values())))
        for place, (way, colour) in enumerate(zip(ways, colours)):
            x = np.arange(len(designs)) + (place - (len(ways) - 1) / 2) * 0.27
            axis.bar(x, [rates[way] for rates in designs.values()], 0.25, color=colour, label=way)
        axis.set_xticks(range(len(designs)), list(designs))
        axis.yaxis.set_major_formatter("{x:,.0f}")
        axis.set_title(title)
        axis.grid(axis="y")
        axis.set_axisbelow(True)
    axes[0][0].set_ylabel("每秒生成的 token")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
