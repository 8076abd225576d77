"""GRPO as one figure: a question, a group of answers, rules, the group's own mean, and one model that moves.

P questions · G answers to each · B = P G · T tokens, with the question · N = T - 1 predictions · V vocabulary
"""

from dataclasses import dataclass
from itertools import pairwise

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from course_lib.widgets.diagram import SMALL, box, line
from course_lib.widgets.style import COLORS

LEARNS, FROZEN, DATA, RULE = "assistant", "system", "user", "paper"
WIDTH, HEIGHT = 2.75, 0.95
COLUMNS = (0.0, 3.5, 7.0, 10.5)  # left edges
UPPER, MIDDLE, LOWER = 5.0, 3.4, 1.8


@dataclass(frozen=True)
class Sizes:
    """Of the example that the figure is read on."""

    questions: int
    group: int
    prompt: int
    tokens: int
    vocabulary: int


def plot_grpo(sizes: Sizes) -> Figure:
    """From left to right: write, judge and read again, compare in the group, one number; and the way back."""
    P, G, T, V = sizes.questions, sizes.group, sizes.tokens, sizes.vocabulary
    B, N = P * G, T - 1
    figure, axis = plt.subplots(figsize=(10.4, 5.0))

    def put(column: int, y: float, label: str, shape: str, tint: str) -> None:
        box(axis, COLUMNS[column], y, WIDTH, label, shape, tint, height=HEIGHT, fontsize=10)

    put(0, UPPER, f"{P} 个问题", f"[{P}, {sizes.prompt}]", DATA)
    put(0, MIDDLE, f"写：策略各写 {G} 个回答", f"[{B}, {T}]，记下 ln π_old [{B}, {N}]", LEARNS)
    put(1, UPPER, "规则打分", f"[{B}, {T}] → [{B}]", RULE)
    put(1, MIDDLE, "策略 π 再读一遍", f"[{B}, {T}, {V}] → [{B}, {N}]", LEARNS)
    put(1, LOWER, "参考 π_ref（β > 0 才要）", f"[{B}, {T}, {V}] → [{B}, {N}]", FROZEN)
    put(2, UPPER, "组里减平均，除以标准差", f"[{P}, {G}] → 优势 [{B}]", RULE)
    put(2, MIDDLE, "比值 π/π_old，裁剪，乘优势", f"[{B}, {N}]", RULE)
    put(2, LOWER, "β k3", f"[{B}, {N}]", RULE)
    put(3, MIDDLE, "每个回答里平均，再平均", f"[{B}, {N}] → [{B}] → 一个数", RULE)
    right = [left + WIDTH for left in COLUMNS]
    line(axis, (COLUMNS[0] + WIDTH / 2, UPPER - HEIGHT / 2), (COLUMNS[0] + WIDTH / 2, MIDDLE + HEIGHT / 2), head=True)
    for y in (UPPER, MIDDLE, LOWER):
        line(axis, (right[0], MIDDLE), (COLUMNS[1], y), head=True)
        line(axis, (right[1], y), (COLUMNS[2], y), head=True)
    line(axis, (right[1], MIDDLE - 0.2), (COLUMNS[2], LOWER + 0.2), head=True, width=1.2)
    down = COLUMNS[2] + WIDTH / 2
    line(axis, (down, UPPER - HEIGHT / 2), (down, MIDDLE + HEIGHT / 2), head=True)
    for y in (MIDDLE, LOWER):
        line(axis, (right[2], y), (COLUMNS[3], MIDDLE - (0.2 if y == LOWER else 0)), head=True)
    edge, top = right[3] + 0.25, 6.35
    way = ((right[3], MIDDLE), (edge, MIDDLE), (edge, top), (COLUMNS[0] - 0.3, top), (COLUMNS[0] - 0.3, MIDDLE))
    for start, end in pairwise(way):
        axis.plot(*zip(start, end), color=COLORS["K"], lw=2.2, zorder=0)
    arrow = {"arrowstyle": "-|>", "lw": 2.2, "color": COLORS["K"], "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", (COLUMNS[0], MIDDLE), (COLUMNS[0] - 0.32, MIDDLE), arrowprops=arrow)
    axis.text(edge - 0.1, top + 0.13, "只改策略的权重，再写一批", ha="right", fontsize=SMALL, color=COLORS["K"])
    axis.text(COLUMNS[3] + WIDTH / 2, UPPER, "没有评论家", ha="center", va="center", fontsize=13, color=COLORS["GRPO"])
    for at, (tint, says) in enumerate(((LEARNS, "权重在学"), (FROZEN, "权重冻住"), (DATA, "数据"), (RULE, "只是算式"))):
        x = 1.6 + 2.9 * at
        axis.add_patch(plt.Rectangle((x, 0.4), 0.5, 0.4, facecolor=COLORS[tint], edgecolor=COLORS["muted"], lw=1))
        axis.text(x + 0.65, 0.6, says, va="center", fontsize=11.5)
    axis.set(xlim=(-0.45, edge + 0.1), ylim=(0.3, 6.8))
    axis.axis("off")
    return figure
