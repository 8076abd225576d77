"""PPO as one figure: the actor writes, all four look at what it wrote, and two models learn from it some times.

B answers · T tokens, with the prompt · N = T - 1 predictions · V vocabulary · D width
"""

from dataclasses import dataclass

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from course_lib.widgets.diagram import SMALL, box, line
from course_lib.widgets.style import COLORS

LEARNS, FROZEN, DATA, RULE = "assistant", "system", "user", "paper"
WIDTH, HEIGHT = 2.7, 0.95
COLUMNS = (0.0, 3.35, 6.7, 10.05)  # left edges: written, looked at, judged, learned
ROWS = (6.2, 4.75, 3.3, 1.85)


@dataclass(frozen=True)
class Sizes:
    """Of the example that the figure is read on."""

    answers: int
    tokens: int
    vocabulary: int
    width: int
    epochs: int


def plot_ppo(sizes: Sizes) -> Figure:
    """From left to right: write, look, judge, learn; and the way back, so often on the same answers."""
    B, T, V, D = sizes.answers, sizes.tokens, sizes.vocabulary, sizes.width
    N = T - 1
    figure, axis = plt.subplots(figsize=(10.6, 5.6))
    written, looked, judged, learned = COLUMNS
    for at, name in zip(COLUMNS, ("写", "看", "判", f"学，{sizes.epochs} 遍")):
        axis.text(at + WIDTH / 2, 7.25, name, ha="center", fontsize=13)
    box(axis, written, ROWS[1], WIDTH, "策略 π_old 写", f"[{B}, 提示] → [{B}, {T}]", LEARNS, height=HEIGHT)
    box(axis, written, ROWS[2], WIDTH, "回答", f"[{B}, {T}]", DATA, height=HEIGHT)
    line(axis, (written + WIDTH / 2, ROWS[1] - HEIGHT / 2), (written + WIDTH / 2, ROWS[2] + HEIGHT / 2), head=True)
    for y, name, shape, tint in (
        (ROWS[0], "策略：记下 ln π_old", f"[{B}, {T}, {V}] → [{B}, {N}]", LEARNS),
        (ROWS[1], "评论家：V(s)", f"[{B}, {T}, {D}] → [{B}, {T}, 1]", LEARNS),
        (ROWS[2], "奖励模型：读完给一个分", f"[{B}, {T}, {D}] → [{B}]", FROZEN),
        (ROWS[3], "参考：ln π_ref", f"[{B}, {T}, {V}] → [{B}, {N}]", FROZEN),
    ):
        box(axis, looked, y, WIDTH, name, shape, tint, height=HEIGHT, fontsize=10.5)
        line(axis, (written + WIDTH, ROWS[2]), (looked, y), head=True, width=1.2)
    box(axis, judged, ROWS[2] - 0.4, WIDTH, "奖励：−β·KL，末格加分", f"[{B}, {N}]", RULE, height=HEIGHT, fontsize=10.5)
    box(axis, judged, ROWS[1] + 0.4, WIDTH, "GAE：优势 A、回报 R", f"各 [{B}, {N}]", RULE, height=HEIGHT, fontsize=10.5)
    for y in (ROWS[2], ROWS[3], ROWS[0]):
        line(axis, (looked + WIDTH, y), (judged, ROWS[2] - 0.4), head=True, width=1.2)
    line(axis, (looked + WIDTH, ROWS[1]), (judged, ROWS[1] + 0.4), head=True, width=1.2)
    middle = judged + WIDTH / 2
    line(axis, (middle, ROWS[2] - 0.4 + HEIGHT / 2), (middle, ROWS[1] + 0.4 - HEIGHT / 2), head=True)
    for y, name, shape, tint in (
        (ROWS[0], "策略 π：比值 π/π_old", f"[{B}, {N}]", LEARNS),
        (ROWS[1], "−min(比值·A, 裁过的·A)", f"[{B}, {N}] → 一个数", RULE),
        (ROWS[2], "评论家：½ (V − R)²", f"[{B}, {N}] → 一个数", LEARNS),
        (ROWS[3], "两个损失相加", "一个数", RULE),
    ):
        box(axis, learned, y, WIDTH, name, shape, tint, height=HEIGHT, fontsize=10.5)
    for y in (ROWS[1], ROWS[2]):
        line(axis, (judged + WIDTH, ROWS[1] + 0.4), (learned, y), head=True, width=1.2)
    for upper, lower in ((ROWS[0], ROWS[1]), (ROWS[2], ROWS[3])):
        at = learned + WIDTH / 2
        line(axis, (at, upper - HEIGHT / 2), (at, lower + HEIGHT / 2), head=True)
    edge, low = learned + WIDTH + 0.28, 0.95
    right = learned + WIDTH
    for start, end in (
        ((right, ROWS[1]), (edge - 0.14, ROWS[1])), ((edge - 0.14, ROWS[1]), (edge - 0.14, ROWS[3])),
        ((edge - 0.14, ROWS[3]), (right, ROWS[3])),
    ):  # fmt: skip
        axis.plot(*zip(start, end), color=COLORS["text"], lw=1.2, zorder=0)
    foot, entry = learned + WIDTH / 2, written + WIDTH / 2
    for start, end in (((foot, ROWS[3] - HEIGHT / 2), (foot, low)), ((foot, low), (entry, low))):
        axis.plot(*zip(start, end), color=COLORS["K"], lw=2.2, zorder=0)
    way = {"arrowstyle": "-|>", "lw": 2.2, "color": COLORS["K"], "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", (entry, ROWS[2] - HEIGHT / 2), (entry, low), arrowprops=way)
    axis.text(
        6.1, low + 0.12, "改策略和评论家的权重；学完几遍，重写一批", ha="center", fontsize=SMALL, color=COLORS["K"]
    )
    for at, (tint, says) in enumerate(((LEARNS, "权重在学"), (FROZEN, "权重冻住"), (DATA, "数据"), (RULE, "只是算式"))):
        x = 1.4 + 2.9 * at
        axis.add_patch(plt.Rectangle((x, 0.1), 0.5, 0.4, facecolor=COLORS[tint], edgecolor=COLORS["muted"], lw=1))
        axis.text(x + 0.65, 0.3, says, va="center", fontsize=11.5)
    axis.set(xlim=(-0.15, edge + 0.05), ylim=(0, 7.65))
    axis.axis("off")
    return figure
