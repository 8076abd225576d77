"""DPO as one figure: a pair goes through two models, four sums become one margin, and one model moves.

B pairs · T tokens, with the prompt · N = T - 1 predictions · V vocabulary
"""

from dataclasses import dataclass

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from course_lib.widgets.diagram import SMALL, box, line
from course_lib.widgets.style import COLORS

LEARNS, FROZEN, DATA, RULE = "assistant", "system", "user", "paper"
WIDTH, HEIGHT = 2.75, 0.95
COLUMNS = (0.0, 3.6, 7.3, 11.0)  # left edges
UPPER, LOWER = 5.0, 2.6


@dataclass(frozen=True)
class Sizes:
    """Of the example that the figure is read on."""

    pairs: int
    tokens: int
    vocabulary: int


def plot_dpo(sizes: Sizes) -> Figure:
    """From left to right: the pair, both models on both answers, the four numbers, the loss; and the way back."""
    B, T, V = sizes.pairs, sizes.tokens, sizes.vocabulary
    N = T - 1
    figure, axis = plt.subplots(figsize=(10.4, 5.0))
    for y, side in ((UPPER, "选中的"), (LOWER, "落选的")):
        box(axis, COLUMNS[0], y, WIDTH, f"问题 + {side}回答", f"[{B}, {T}]", DATA, height=HEIGHT)
    for y, name, tint in ((6.3, "策略 π", LEARNS), (1.3, "参考 π_ref", FROZEN)):
        box(axis, COLUMNS[1], y, WIDTH, name, f"2 × [{B}, {T}] → 2 × [{B}, {T}, {V}]", tint, height=HEIGHT)
        box(axis, COLUMNS[2], y, WIDTH, "取写下的词元，回答里相加", f"2 × [{B}, {N}] → 2 × [{B}]", RULE, height=HEIGHT)
        line(axis, (COLUMNS[1] + WIDTH, y), (COLUMNS[2], y), head=True)
        for side in (UPPER, LOWER):
            line(axis, (COLUMNS[0] + WIDTH, side), (COLUMNS[1], y), head=True, width=1.2)
    middle, left = COLUMNS[2] + WIDTH / 2, COLUMNS[3]
    for y, name in ((UPPER, "d(选中) = ln π − ln π_ref"), (LOWER, "d(落选) = ln π − ln π_ref")):
        box(axis, COLUMNS[2], y, WIDTH, name, f"[{B}]", RULE, height=HEIGHT, fontsize=10.5)
        line(axis, (COLUMNS[2] + WIDTH, y), (left, 3.8), head=True)
    for start, end in ((6.3, UPPER), (1.3, LOWER)):
        sign = 1 if start < end else -1
        line(axis, (middle, start + sign * HEIGHT / 2), (middle, end - sign * HEIGHT / 2), head=True)
    axis.text(middle, 3.8, "每个 d 都要两个模型的数", ha="center", va="center", fontsize=SMALL)
    box(axis, left, 3.8, WIDTH, "间隔 m = β·(两个 d 之差)", f"[{B}]", RULE, height=HEIGHT, fontsize=10.5)
    box(axis, left, 1.9, WIDTH, "−ln σ(m)，平均", "一个数", RULE, height=HEIGHT)
    line(axis, (left + WIDTH / 2, 3.8 - HEIGHT / 2), (left + WIDTH / 2, 1.9 + HEIGHT / 2), head=True)
    edge, top, entry = left + WIDTH + 0.3, 7.25, COLUMNS[1] + WIDTH / 2
    for start, end in (((left + WIDTH, 1.9), (edge, 1.9)), ((edge, 1.9), (edge, top)), ((edge, top), (entry, top))):
        axis.plot(*zip(start, end), color=COLORS["K"], lw=2.2, zorder=0)
    way = {"arrowstyle": "-|>", "lw": 2.2, "color": COLORS["K"], "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", (entry, 6.3 + HEIGHT / 2), (entry, top + 0.02), arrowprops=way)
    axis.text(edge - 0.1, top + 0.13, "只改策略的权重", ha="right", fontsize=SMALL, color=COLORS["K"])
    for at, (tint, says) in enumerate(((LEARNS, "权重在学"), (FROZEN, "权重冻住"), (DATA, "数据"), (RULE, "只是算式"))):
        x = 1.6 + 3.1 * at
        axis.add_patch(plt.Rectangle((x, 0.0), 0.5, 0.4, facecolor=COLORS[tint], edgecolor=COLORS["muted"], lw=1))
        axis.text(x + 0.65, 0.2, says, va="center", fontsize=11.5)
    axis.set(xlim=(-0.15, edge + 0.1), ylim=(-0.1, 7.7))
    axis.axis("off")
    return figure
