"""RLHF as one figure: three steps, every model with what goes in and out of it, and which weights move.

P prompts · S tokens of a prompt · G answers to each · B = P G rows · T tokens, with the prompt · N = T - 1 predictions
K answers that people rank · D width · V vocabulary
"""

from dataclasses import dataclass

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.widgets.diagram import SMALL, box, line
from course_lib.widgets.style import COLORS

WIDTH = 3.1
FIRST, SECOND, THIRD, FOURTH = 0.0, 3.9, 7.9, 11.6  # left edges: step one, two, and the two columns of three
LEARNS, FROZEN, DATA, RULE = "assistant", "system", "user", "paper"


@dataclass(frozen=True)
class Sizes:
    """Of the example that the figure is read on."""

    prompts: int
    prompt: int
    answers: int
    tokens: int
    ranked: int
    vocabulary: int
    width: int


def plot_pipeline(sizes: Sizes) -> Figure:
    """InstructGPT's three steps, each from top to bottom."""
    P, S, G, T, K, V, D = vars(sizes).values()
    B, pairs = P * G, K * (K - 1) // 2
    figure, axis = plt.subplots(figsize=(10.4, 6.2))
    for left, width, title in (
        (FIRST, WIDTH, "一　模仿示范（SFT）"),
        (SECOND, WIDTH, "二　学会打分（奖励模型）"),
        (THIRD, FOURTH + WIDTH - THIRD, "三　为分数而写（强化学习）"),
    ):
        axis.text(left + width / 2, 8.35, title, ha="center", fontsize=13.5)
    _column(
        axis,
        FIRST,
        [
            (7.4, "人写的示范", f"问题和回答 [{B}, {T}]", DATA),
            (5.9, "语言模型 π", f"[{B}, {T}] → [{B}, {T}, {V}]", LEARNS),
            (4.4, "交叉熵，只数回答", "一个数", RULE),
        ],
    )
    _column(
        axis,
        SECOND,
        [
            (7.4, f"π 写 {K} 个回答", f"[{K}, {T}]", FROZEN),
            (5.9, "人来排名次", f"{K} 选 2：{pairs} 对 [{pairs}, 2]", DATA),
            (4.4, "奖励模型的主干", f"[{K}, {T}] → [{K}, {T}, {D}]", LEARNS),
            (2.9, "末格，乘一个向量", f"[{K}, {D}] → [{K}]", LEARNS),
            (1.4, "−ln σ(胜 − 负)", f"{pairs} 对平均：一个数", RULE),
        ],
    )
    _column(
        axis,
        THIRD,
        [
            (7.4, "问题", f"[{P}, {S}]", DATA),
            (5.9, f"策略 π，各写 {G} 个", f"回答 [{B}, {T}]", LEARNS),
            (4.4, "奖励模型", f"[{B}, {T}] → [{B}]", FROZEN),
            (2.9, "总分 = 奖励 − β·KL", f"[{B}]", RULE),
            (1.4, "减基线：优势 A", f"[{B}, 1]", RULE),
        ],
    )
    _third(axis, B, T)
    _between(axis)
    for at, (tint, says) in enumerate(((LEARNS, "权重在学"), (FROZEN, "权重冻住"), (DATA, "数据"), (RULE, "只是算式"))):
        x = 2.0 + 3.3 * at
        axis.add_patch(plt.Rectangle((x, -0.35), 0.5, 0.42, facecolor=COLORS[tint], edgecolor=COLORS["muted"], lw=1))
        axis.text(x + 0.65, -0.14, says, va="center", fontsize=11.5)
    axis.set(xlim=(-0.15, FOURTH + WIDTH + 0.35), ylim=(-0.5, 8.8))
    axis.axis("off")
    return figure


def _column(axis: Axes, left: float, steps: list[tuple[float, str, str, str]]) -> None:
    middle = left + WIDTH / 2
    for at, (y, label, shape, tint) in enumerate(steps):
        box(axis, left, y, WIDTH, label, shape, tint, height=0.9)
        if at:
            line(axis, (middle, steps[at - 1][0] - 0.46), (middle, y + 0.46), head=True)


def _third(axis: Axes, B: int, T: int) -> None:
    """The right half of step three: the reference, the critic, and the way back to the policy."""
    N, middle = T - 1, FOURTH + WIDTH / 2
    box(axis, FOURTH, 5.9, WIDTH, "参考 π_ref", f"ln π_ref [{B}, {N}]", FROZEN, height=0.9)
    line(axis, (THIRD + WIDTH, 5.9), (FOURTH, 5.9), head=True)
    axis.plot([middle, middle], [5.45, 2.9], color=COLORS["text"], lw=1.6, zorder=1)
    line(axis, (middle, 2.9), (THIRD + WIDTH, 2.9), head=True)
    axis.text(middle + 0.12, 4.2, "ln π − ln π_ref：\n离参考多远", fontsize=SMALL, va="center")
    box(axis, FOURTH, 1.4, WIDTH, "−A · ln π，对 π 求梯度", "一个数", RULE, height=0.9)
    line(axis, (THIRD + WIDTH, 1.4), (FOURTH, 1.4), head=True)
    edge = FOURTH + WIDTH + 0.25
    for start, end in (((FOURTH + WIDTH, 1.4), (edge, 1.4)), ((edge, 1.4), (edge, 6.75))):
        axis.plot(*zip(start, end), color=COLORS["K"], lw=2.2, zorder=0)
    axis.plot([edge, THIRD + WIDTH - 0.5], [6.75, 6.75], color=COLORS["K"], lw=2.2, zorder=0)
    line(axis, (THIRD + WIDTH - 0.5, 6.75), (THIRD + WIDTH - 0.5, 6.36), head=True)
    axis.text(edge - 0.1, 6.92, "改权重，再写一批", fontsize=SMALL, ha="right", color=COLORS["K"])


def _between(axis: Axes) -> None:
    """What one step hands to the next: the policy, the reference, the reward model."""
    gap = (FIRST + WIDTH + SECOND) / 2
    axis.plot([FIRST + WIDTH, gap, gap], [5.9, 5.9, 7.4], color=COLORS["muted"], lw=1.4, ls="--", zorder=0)
    line(axis, (gap, 7.4), (SECOND, 7.4), head=True, width=1.2)
    gap = (SECOND + WIDTH + THIRD) / 2
    axis.plot([SECOND + WIDTH, gap, gap], [2.9, 2.9, 4.4], color=COLORS["muted"], lw=1.4, ls="--", zorder=0)
    line(axis, (gap, 4.4), (THIRD, 4.4), head=True, width=1.2)
    axis.text(
        FIRST + WIDTH / 2,
        3.3,
        "学好的 π 有三个去处：\n第二步写回答，\n第三步当策略的起点，\n再复制一份当参考",
        ha="center",
        va="top",
        fontsize=SMALL,
    )
