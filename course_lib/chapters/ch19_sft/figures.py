"""Figures of chapter 19: a conversation with what is learned of it, packed rows, LoRA, answers and how they are drawn.

T tokens · A answers.  Numbers in, Figure out.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.widgets.style import COLORS

SHORT = {"<|im_start|>": "始", "<|im_end|>": "终", "\n": "↵", "system": "系统", "user": "用户", "assistant": "助手"}
PER_LINE = 20
TEXTS = ("Q", "K", "V", "image", "video", "resampler", "text", "SFT")  # colours of the texts of a packed row


def plot_talk(
    tokens: Sequence[str],
    speakers: Sequence[str],
    learned: Sequence[bool],
    asked: Sequence[str] = (),
    written: Sequence[Sequence[str]] = (),
) -> Figure:
    """A conversation token by token, tinted by its speaker, framed where it is learned; below, each question asked and
    what a model that learned so writes on, faint behind the first end. speakers: a role, or "" for nobody's."""
    lines = -(-len(tokens) // PER_LINE)
    height = 1.35 * lines + (0.75 + 1.35 * len(asked) if asked else 0)
    figure, axis = plt.subplots(figsize=(8.2, 0.3 + 0.43 * height))
    for at, (token, speaker, mine) in enumerate(zip(tokens, speakers, learned)):
        line, column = divmod(at, PER_LINE)
        _cell(axis, column, -1.35 * line, token, COLORS.get(speaker, COLORS["paper"]), framed=mine)
    y = -1.35 * lines - 0.1
    if asked:
        axis.text(0, y + 0.5, "这样学过以后，问它，让它写 12 个词元：", fontsize=11.5, va="center")
        y -= 0.75
    for question, words in zip(asked, written):
        axis.text(0, y + 0.5, question, fontsize=12.5, va="center", color=COLORS["muted"])
        ended = False
        for column, token in enumerate(words):
            _cell(axis, column + 6, y, token, COLORS["paper"] if ended else COLORS["assistant"], faint=ended)
            ended |= token == "<|im_end|>"
        y -= 1.35
    axis.set(xlim=(-0.1, PER_LINE + 0.1), ylim=(y + 1.1, 1.15))
    axis.axis("off")
    return figure


def plot_surprise(
    tokens: Sequence[str], probabilities: Sequence[float | None], learned: Sequence[bool], speakers: Sequence[str]
) -> Figure:
    """A short text: below each token how likely the model held it, and what it costs, -ln p; None: nothing says it."""
    figure, axis = plt.subplots(figsize=(8.2, 1.75))
    for at, (token, p, mine, speaker) in enumerate(zip(tokens, probabilities, learned, speakers)):
        _cell(axis, at, 0, token, COLORS.get(speaker, COLORS["paper"]), framed=mine)
        if p is not None:
            colour = COLORS["ink"] if mine else COLORS["muted"]
            axis.text(at + 0.5, -0.45, f"{p:g}", ha="center", fontsize=11, color=colour)
            size = 13 if mine else 11
            axis.text(at + 0.5, -1.1, f"{-np.log(p):.2f}", ha="center", fontsize=size, color=colour)
    for y, name in ((0.5, "词元"), (-0.3, "概率"), (-0.95, "−ln p")):
        axis.text(-0.2, y, name, ha="right", va="center", fontsize=11.5)
    axis.set(xlim=(-1.2, max(len(tokens), 13) + 0.1), ylim=(-1.3, 1.15))
    axis.axis("off")
    return figure


def plot_packed(
    rows: Sequence[Sequence[int]],
    lengths: Sequence[int],
    room: int,
    may: Bool[np.ndarray, "T T"],
    places: Sequence[int],
) -> Figure:
    """Rows as bricks, what fills up grey; who may look at whom in the first row, and where its tokens are counted.

    rows: numbers of the texts in each row. places: of the first row's tokens."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.0, 3.6), width_ratios=[1.25, 1])
    for y, row in enumerate(rows):
        x = 0
        for i in row:
            brick = plt.Rectangle((x, y + 0.08), lengths[i], 0.84, fc=_of_text(i), ec=COLORS["paper"], lw=1.5)
            left.add_patch(brick)
            left.text(x + lengths[i] / 2, y + 0.5, str(i + 1), ha="center", va="center", color=COLORS["paper"])
            x += lengths[i]
        left.add_patch(plt.Rectangle((x, y + 0.08), room - x, 0.84, fc=COLORS["grid"], lw=0))
    empty = 1 - sum(lengths[i] for row in rows for i in row) / (room * len(rows))
    left.set(xlim=(0, room), ylim=(len(rows), 0), xlabel="格", ylabel="行", yticks=[])
    left.set_title(f"{len(rows)} 行 × {room} 格，空着 {empty:.0%}", fontsize=12.5, loc="center")
    left.spines[:].set_visible(False)
    T = len(may)
    of_text = np.repeat(np.array(rows[0]), [lengths[i] for i in rows[0]])
    shown = np.ones((T, T, 3))
    for i in range(T):
        for j in range(T):
            if may[i, j]:
                same = i < len(of_text) and j < len(of_text) and of_text[i] == of_text[j]
                colour = _of_text(of_text[i]) if same else COLORS["grid"]
                crosses = i < len(of_text) and j < len(of_text) and not same
                shown[i, j] = plt.matplotlib.colors.to_rgb(COLORS["bad"] if crosses else colour)
    right.imshow(shown)
    ticks = [0, *(at for at in range(1, len(of_text)) if of_text[at] != of_text[at - 1])]
    right.set_xticks(ticks, [str(places[at]) for at in ticks])
    right.set_yticks([])
    right.tick_params(length=0)
    right.set(xlabel="被看的格：下面的数是各段开头的位置", ylabel="看的格")
    right.xaxis.label.set_fontsize(11)
    n_crossed = int(
        may[: len(of_text), : len(of_text)].sum() - sum(n * (n + 1) // 2 for n in (lengths[i] for i in rows[0]))
    )
    right.set_title(f"第 1 行谁看谁：串门 {n_crossed} 对", fontsize=12.5, loc="center")
    return figure


def plot_lora(
    W: Float[np.ndarray, "O I"], B: Float[np.ndarray, "O r"], A: Float[np.ndarray, "r I"], scale: float
) -> Figure:
    """W, and beside it the product of a thin and a flat matrix, with every number written; then the sum."""
    parts = [("W，冻住", W), ("B", B), ("A", A), ("合并以后", W + scale * B @ A)]
    figure, axes = plt.subplots(1, 4, figsize=(8.0, 2.3), width_ratios=[3, 1.25, 3, 3])
    largest = max(float(np.abs(each).max()) for _, each in parts)
    for axis, (name, matrix) in zip(axes, parts):
        axis.imshow(matrix, cmap="RdBu_r", vmin=-1.6 * largest, vmax=1.6 * largest)
        for i, row in enumerate(matrix):
            for j, number in enumerate(row):
                axis.text(j, i, f"{number:g}", ha="center", va="center", fontsize=12)
        axis.set(xticks=[], yticks=[], xlabel="×".join(map(str, matrix.shape)))
        axis.set_title(name, fontsize=12.5, loc="center")
    for axis, sign in ((axes[0], f"+ {scale:g} ×"), (axes[1], "×"), (axes[2], "=")):
        axis.text(1.06, 0.5, sign, transform=axis.transAxes, va="center", fontsize=13)
    figure.get_layout_engine().set(wspace=0.14)
    return figure


def plot_answers(probabilities: Float[np.ndarray, "100"], right: int, carryless: int) -> Figure:
    """How likely each whole answer 0 … 99 is. The right one green, the one with the carry forgotten red."""
    figure, axis = plt.subplots(figsize=(7.6, 2.9))
    colours = [COLORS["SFT"]] * 100
    colours[carryless], colours[right] = COLORS["bad"], COLORS["good"]
    axis.bar(range(100), probabilities, width=0.9, color=colours)
    best = int(probabilities.argmax())
    axis.annotate(
        f"最可能：{best}",
        (best, probabilities[best]),
        (0, 6),
        textcoords="offset points",
        ha="center",
        fontsize=12,
        color=colours[best],
    )
    named = {f"忘了进位 {carryless}": ("bad", carryless)} if carryless != right else {}
    for name, (colour, place) in ({f"对的 {right}": ("good", right)} | named).items():
        axis.bar([place], [0], color=COLORS[colour], label=f"{name}：{probabilities[place]:.0%}")
    others = probabilities.sum() - probabilities[[*{right, carryless}]].sum()
    axis.bar([0], [0], color=COLORS["SFT"], label=f"别的数，合起来：{others:.0%}")
    axis.set(xlabel="整个回答", ylabel="概率", xlim=(-0.8, 99.8), ylim=(0, 1.12))
    axis.yaxis.set_major_formatter("{x:.0%}")
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def plot_ceiling(
    shares: Sequence[float], reached: Mapping[str, tuple[Float[np.ndarray, "seeds A"], Float[np.ndarray, "seeds A"]]]
) -> Figure:
    """A panel a kind of error: the student's share right over the demonstrator's, sampled and greedy, seeds as dots."""
    figure, axes = plt.subplots(1, len(reached), figsize=(8.2, 3.2), sharey=True, squeeze=False)
    at = np.array(shares)
    for axis, (kind, found) in zip(axes[0], reached.items()):
        axis.plot([0, 1], [0, 1], color=COLORS["optimum"], ls="--", lw=1.2, label="与示范者一样")
        for values, colour, name in zip(found, ("Q", "K"), ("照概率抽", "取最可能的")):
            axis.plot(at, values.mean(0), color=COLORS[colour], label=name, marker="o", ms=4)
            axis.fill_between(at, values.min(0), values.max(0), color=COLORS[colour], alpha=0.2, lw=0)
        axis.set(xlim=(0, 1.02), ylim=(-0.03, 1.05), xlabel="示范者写对")
        axis.set_title(kind, fontsize=12.5, loc="center")
        axis.xaxis.set_major_formatter("{x:.0%}")
        axis.yaxis.set_major_formatter("{x:.0%}")
        axis.set_xticks([0, 0.5, 1])
    axes[0][0].set_ylabel("学生写对")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def plot_reached(
    reached: Mapping[str, Float[np.ndarray, "seeds groups"]], groups: Sequence[str], *, label: str
) -> Figure:
    """A group of bars a group, a bar a measure: the mean over seeds, each seed a dot."""
    figure, axis = plt.subplots(figsize=(7.6, 3.2))
    width = 0.8 / len(reached)
    for at, ((name, values), colour) in enumerate(zip(reached.items(), TEXTS)):
        places = np.arange(len(groups)) + width * (at - (len(reached) - 1) / 2)
        axis.bar(places, values.mean(0), 0.92 * width, color=COLORS[colour], label=name)
        for seed in values:
            axis.plot(places, seed, "o", ms=3.5, color=COLORS["ink"], mfc=COLORS["paper"])
    axis.set_xticks(range(len(groups)), list(groups))
    axis.set(ylabel=label, ylim=(0, 1.06))
    axis.yaxis.set_major_formatter("{x:.0%}")
    figure.legend(loc="outside upper center", ncols=len(reached))
    return figure


def _cell(
    axis: Axes, column: float, y: float, token: str, colour: str, *, framed: bool = False, faint: bool = False
) -> None:
    edge = {"ec": COLORS["K"], "lw": 2.4} if framed else {"ec": COLORS["grid"], "lw": 0.8}
    axis.add_patch(plt.Rectangle((column + 0.07, y + 0.02), 0.86, 0.96, fc=colour, zorder=2 if framed else 1, **edge))
    shown = SHORT.get(token, token)
    ink = COLORS["muted"] if faint or token in SHORT else COLORS["ink"]
    size = 9.5 if len(shown) > 1 else 12.5
    axis.text(
        column + 0.5,
        y + 0.5,
        shown,
        ha="center",
        va="center",
        fontsize=size,
        color=ink,
        alpha=0.55 if faint else 1,
        zorder=3,
    )


def _of_text(i: int) -> str:
    return COLORS[TEXTS[i % len(TEXTS)]]
