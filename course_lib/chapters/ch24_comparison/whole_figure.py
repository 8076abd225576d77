"""The three methods on one sheet, a row each: what lies there, who writes, who judges, and what learns.

P questions · B answers · T tokens, with the question · N = T - 1 predictions
"""

from dataclasses import dataclass
from itertools import pairwise

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from course_lib.widgets.diagram import box, line
from course_lib.widgets.style import COLORS

LEARNS, FROZEN, DATA, RULE = "assistant", "system", "user", "paper"
WIDTH, HEIGHT = 2.7, 1.0
COLUMNS = (1.1, 4.3, 7.5, 10.7)  # left edges
HEADS = ("先有的", "写", "评", "学")
ROWS = {"PPO": 5.4, "GRPO": 3.3, "DPO": 1.2}


@dataclass(frozen=True)
class Sizes:
    """Of the example: as many answers for each method."""

    questions: int
    answers: int
    tokens: int


def plot_three(sizes: Sizes) -> Figure:
    """PPO, GRPO, DPO from left to right; arrows back to writing where a method writes anew after it has learned."""
    P, B, T = sizes.questions, sizes.answers, sizes.tokens
    G, N = B // P, T - 1
    texts = {
        "PPO": (
            (f"{B} 个问题", f"[{B}, S]", DATA),
            ("策略各写一个", f"[{B}, {T}]", LEARNS),
            ("奖励、参考、评论家", f"[{B}]，[{B}, {N}]，[{B}, {N}]", FROZEN),
            ("策略、评论家：比值、裁剪", f"优势 [{B}, {N}]", LEARNS),
        ),
        "GRPO": (
            (f"{P} 个问题", f"[{P}, S]", DATA),
            (f"策略各写 {G} 个", f"[{B}, {T}]", LEARNS),
            ("奖励、参考；组里比", f"[{P}, {G}]，[{B}, {N}]", FROZEN),
            ("策略：比值、裁剪，加 k3", f"优势 [{B}]", LEARNS),
        ),
        "DPO": (
            (f"{B // 2} 对，好坏已标", f"2 × [{B // 2}, {T}]", DATA),
            ("不写", "", RULE),
            ("参考", f"2 × [{B // 2}]", FROZEN),
            ("策略：−ln σ(间隔)", f"间隔 [{B // 2}]", LEARNS),
        ),
    }
    figure, axis = plt.subplots(figsize=(10.4, 4.9))
    for left, head in zip(COLUMNS, HEADS):
        axis.text(left + WIDTH / 2, 6.55, head, ha="center", fontsize=13)
    for method, y in ROWS.items():
        axis.text(0.45, y, method, ha="center", va="center", fontsize=14, color=COLORS[method])
        for left, (label, shape, tint) in zip(COLUMNS, texts[method]):
            box(axis, left, y, WIDTH, label, shape, tint, height=HEIGHT, fontsize=10.5)
        for left, right in pairwise(COLUMNS):
            line(axis, (left + WIDTH, y), (right, y), head=True)
        if method != "DPO":
            start, end, low = COLUMNS[3] + WIDTH / 2, COLUMNS[1] + WIDTH / 2, y - HEIGHT / 2 - 0.25
            for one, other in pairwise(((start, y - HEIGHT / 2), (start, low), (end, low))):
                axis.plot(*zip(one, other), color=COLORS["K"], lw=2)
            line(axis, (end, low), (end, y - HEIGHT / 2), head=True)
            axis.text((start + end) / 2, low - 0.24, "换一批再写", ha="center", va="center", color=COLORS["K"])
    for at, (tint, says) in enumerate(((LEARNS, "权重在学"), (FROZEN, "这一步不改权重"), (DATA, "数据"))):
        x = 2.2 + 3.6 * at
        axis.add_patch(plt.Rectangle((x, -0.1), 0.5, 0.4, facecolor=COLORS[tint], edgecolor=COLORS["muted"], lw=1))
        axis.text(x + 0.65, 0.1, says, va="center", fontsize=11)
    axis.set(xlim=(0, COLUMNS[3] + WIDTH + 0.2), ylim=(-0.2, 6.9))
    axis.axis("off")
    return figure
