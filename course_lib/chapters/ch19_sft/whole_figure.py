"""SFT as one figure: messages, template, mask; the base model with every shape; one loss; what comes before and after.

B conversations · T tokens · D width · V vocabulary
"""

from collections.abc import Sequence

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course_lib.chapters.ch19_sft.figures import SHORT
from course_lib.models.gpt2 import GPT2Config
from course_lib.widgets.diagram import SMALL, box, line
from course_lib.widgets.style import COLORS

WIDTH = 3.0
LEFT, MIDDLE, RIGHT = 0.0, 4.6, 9.6  # left edges of the columns
ATTENTION, FORWARD = 6.3, 3.3  # heights of the block's two sublayers


def plot_whole(
    config: GPT2Config, said: Sequence[str], tokens: Sequence[str], speakers: Sequence[str], learned: Sequence[bool]
) -> Figure:
    """said: the messages, a line each. tokens: of the whole conversation, at most 40 of them drawn."""
    T = len(tokens)
    figure, axis = plt.subplots(figsize=(9.8, 7.0))
    _texts(axis, said, tokens, speakers, learned)
    _model(axis, config, T)
    _loss(axis, config, T, sum(learned[1:]))
    _pipeline(axis)
    axis.set(xlim=(-0.2, 13.6), ylim=(-1.75, 10.3))
    axis.axis("off")
    return figure


def _texts(
    axis: Axes, said: Sequence[str], tokens: Sequence[str], speakers: Sequence[str], learned: Sequence[bool]
) -> None:
    middle, T = LEFT + WIDTH / 2, len(tokens)
    axis.text(middle, 9.85, "对话", ha="center", fontsize=13)
    for at, text in enumerate(said):
        axis.text(LEFT + 0.1, 9.35 - 0.42 * at, text, fontsize=10.5, va="center")
    y = 9.35 - 0.42 * len(said)
    line(axis, (middle, y), (middle, y - 0.45), head=True)
    box(axis, LEFT, y - 0.85, WIDTH, "对话模板 ChatML", f"编号 ids [1, {T}]", "system")
    line(axis, (middle, y - 1.25), (middle, y - 1.6), head=True)
    top = y - 1.85
    per_line = 8
    step = WIDTH / per_line
    for at, (token, speaker, mine) in enumerate(zip(tokens[:40], speakers, learned)):
        row, column = divmod(at, per_line)
        corner = (LEFT + step * column + 0.02, top - 0.4 * row - 0.17)
        edge = {"ec": COLORS["K"], "lw": 1.8, "zorder": 3} if mine else {"lw": 0, "zorder": 2}
        axis.add_patch(plt.Rectangle(corner, step - 0.04, 0.34, fc=COLORS.get(speaker, COLORS["grid"]), **edge))
        shown = SHORT.get(token, token)
        size = 6 if len(shown) > 1 else 8
        axis.text(
            corner[0] + step / 2 - 0.02, corner[1] + 0.17, shown, ha="center", va="center", fontsize=size, zorder=4
        )
    bottom = top - 0.4 * (-(-min(T, 40) // per_line)) - 0.05
    axis.text(middle, bottom, "橙框：助手写的，要学", ha="center", va="top", fontsize=SMALL, color=COLORS["K"])
    mask = bottom - 1.0
    box(axis, LEFT, mask, WIDTH, "掩码 is_answer", f"[1, {T}]，真的 {sum(learned)} 格", "answer")
    _orange(axis, [(LEFT + WIDTH, mask), (4.15, mask), (4.15, -0.85), (8.95, -0.85), (8.95, 4.6), (RIGHT, 4.6)])
    ids = y - 0.85
    axis.plot([LEFT + WIDTH, 3.75, 3.75], [ids, ids, 8.9], color=COLORS["text"], lw=1.6)
    line(axis, (3.75, 8.9), (MIDDLE, 8.9), head=True)


def _model(axis: Axes, config: GPT2Config, T: int) -> None:
    D, middle = config.d_model, MIDDLE + WIDTH / 2
    axis.text(middle, 9.85, "基座 GPT-2：一层也没有改", ha="center", fontsize=13)
    box(axis, MIDDLE, 8.9, WIDTH, "查词，加位置", f"[1, {T}, {D}]", "system")
    line(axis, (middle, 8.52), (middle, 1.18), head=True)
    _sublayer(axis, ATTENTION, f"因果自注意力，{config.n_heads} 头", f"[1, {T}, {D}]", "user")
    _sublayer(axis, FORWARD, "前馈", f"[1, {T}, {4 * D}] → [1, {T}, {D}]", "system")
    frame = FancyBboxPatch(
        (MIDDLE - 0.3, 1.75), WIDTH + 1.0, 6.45, boxstyle="round,pad=0,rounding_size=0.15", fc="none", ls="--", lw=1.2
    )
    frame.set_edgecolor(COLORS["muted"])
    axis.add_patch(frame)
    axis.text(MIDDLE - 0.2, 1.86, f"重复 {config.n_layers} 次", va="bottom", fontsize=SMALL)
    box(axis, MIDDLE, 0.8, WIDTH, "LayerNorm，过词表", f"分数 [1, {T}, {config.n_vocab}]", "system")
    axis.plot([MIDDLE + WIDTH, 9.2, 9.2], [0.8, 0.8, 8.9], color=COLORS["text"], lw=1.6)
    line(axis, (9.2, 8.9), (RIGHT, 8.9), head=True)


def _sublayer(axis: Axes, y: float, label: str, shape: str, tint: str) -> None:
    """Norm in front, the way around, the + behind."""
    middle, side, plus = MIDDLE + WIDTH / 2, MIDDLE + WIDTH + 0.35, y - 0.95
    norm = {"boxstyle": "round,pad=0.18", "facecolor": COLORS["paper"], "edgecolor": COLORS["muted"], "linewidth": 0.8}
    axis.text(middle, y + 0.9, "LayerNorm", ha="center", va="center", fontsize=9.5, bbox=norm, zorder=3)
    axis.plot(middle, y + 1.35, "o", ms=4, color=COLORS["text"], zorder=3)
    line(axis, (middle, y + 1.35), (side, y + 1.35))
    line(axis, (side, y + 1.35), (side, plus))
    line(axis, (side, plus), (middle + 0.17, plus), head=True)
    box(axis, MIDDLE, y, WIDTH, label, shape, tint)
    axis.plot(middle, plus, "o", ms=13, mfc=COLORS["paper"], mec=COLORS["text"], zorder=3)
    axis.text(middle, plus - 0.01, "+", ha="center", va="center", fontsize=12, zorder=4)


def _loss(axis: Axes, config: GPT2Config, T: int, n_learned: int) -> None:
    middle, width = RIGHT + 1.9, 3.8
    axis.text(middle, 9.85, "损失：只数要学的格", ha="center", fontsize=13)
    steps = (
        (8.9, "去掉最后一格", f"[1, {T - 1}, {config.n_vocab}]", "system"),
        (7.5, "log-softmax", f"[1, {T - 1}, {config.n_vocab}]", "system"),
        (6.1, "取出真的下一个词元", f"log p [1, {T - 1}]", "system"),
        (4.6, "掩码也去掉第一格，再挑", f"{n_learned} 个数", "answer"),
        (3.1, "平均，取负", "损失，一个数", "prompt"),
    )
    for at, (y, label, shape, tint) in enumerate(steps):
        box(axis, RIGHT, y, width, label, shape, tint)
        if at:
            line(axis, (middle, steps[at - 1][0] - 0.38), (middle, y + 0.38), head=True)
    line(axis, (middle, 2.72), (middle, 2.2), head=True)
    axis.text(
        middle,
        1.75,
        "求梯度，更新基座的全部权重\n（或者只更新 LoRA 的 A、B）",
        ha="center",
        va="center",
        fontsize=SMALL,
    )


def _pipeline(axis: Axes) -> None:
    """Where it stands: pre-training, SFT, and what goes on from it."""
    y, width = -1.35, 2.35
    stages = ("预训练，07 至 09", "SFT，本章", "奖励模型，20", "PPO 21，GRPO 23", "或者 DPO，22")
    for at, name in enumerate(stages):
        left = 0.05 + 2.72 * at
        box(axis, left, y, width, name, "", "answer" if at == 1 else "paper", height=0.6, fontsize=10)
        if 0 < at < 4:
            line(axis, (left - 0.37, y), (left, y), head=True)


def _orange(axis: Axes, corners: Sequence[tuple[float, float]]) -> None:
    """The way of the mask."""
    axis.plot(*zip(*corners), color=COLORS["K"], lw=2.2, zorder=0)
    line(axis, (corners[-1][0] - 0.2, corners[-1][1]), corners[-1], head=True)
