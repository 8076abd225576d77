"""C10d: the translator writes held-out numerals and dates exactly, greedily and with a beam; the edges apart.

Vaswani et al. 2017 (arXiv:1706.03762), section 6.1: beams of 4 and alpha 0.6; slides, Encoder和Decoder.  Chapter 06.

Held out: a tenth of all values. Edges: the ends of every length and of the calendar, none of them ever trained on.
The source character 零 alone, for instance, was never seen: it always stood inside a longer number.
"""

import torch

from course_lib.chapters.ch06_transformer.numerals import edge_pairs, encode, pairs
from course_lib.chapters.ch06_transformer.numerals_zoo import exact_match, train_translator, translation_loss
from course_lib.course.claims.core import Claim, Summary, Verdict

BEAMS = (1, 4)


def measure(seed: int, *, progress, steps: int, n_pairs: int) -> dict[str, float | list[float]]:
    """Exact match by number of beams, on held-out numbers and dates and on the edges of both."""
    drawn = pairs(seed, "held out", n_pairs)
    parts = {
        "numbers": [pair for pair in drawn if "年" not in pair.source],
        "dates": [pair for pair in drawn if "年" in pair.source],
        "edge_numbers": edge_pairs(with_dates=False),
        "edge_dates": [pair for pair in edge_pairs() if "年" in pair.source],
    }
    model = train_translator(seed, steps=steps, progress=progress)
    with torch.no_grad():
        loss = translation_loss(model, encode(drawn)).item()
    found = {name: [exact_match(model, part, n_beams=n) for n in BEAMS] for name, part in parts.items()}
    return {"held_out": [exact_match(model, drawn, n_beams=n) for n in BEAMS], "loss": loss, **found}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed at least 99 % of the held-out values are exact, greedily and with a beam. Fails: fewer than
    95 % on average. The edges are said apart and do not decide."""
    held_out = figures["held_out"].values
    said = {
        "没见过的": "held_out",
        "其中数": "numbers",
        "日期": "dates",
        "边界的数": "edge_numbers",
        "边界日期": "edge_dates",
    }
    measured = "；".join(
        f"{text}：贪心 {figures[name].mean[0]:.2%}，束宽 4 {figures[name].mean[1]:.2%}" for text, name in said.items()
    )
    worst = figures["edge_numbers"].values[:, 0].min()
    edges = f"边界最差的种子是 {worst:.0%}。"
    if held_out.mean() < 0.95:
        return Verdict("fails", f"没有学会。{measured}。")
    if (held_out >= 0.99).all():
        return Verdict("holds", f"{measured}。{edges}")
    return Verdict("partly", f"不是每个种子都到 99 %。{measured}。{edges}")


CLAIM = Claim(
    id="C10d",
    chapter="06",
    title="没见过的数和日期，写得一字不差",
    statement="训练不到一分钟的小模型，对没见过的数和日期，99 % 以上一字不差；贪心就够，束搜索帮不上多少。",
    question="没见过的数、日期、各种长度的边界值，整句全对的比例各是多少？束宽 4 比贪心多对几个？",
    refuted_if="没见过的值上，整句全对的比例平均不到 95 %。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 120, "n_pairs": 200},
    full={"steps": 800, "n_pairs": 1500},
    quick_seeds=(0,),
    labels={
        "held_out": "没见过的值，整句全对：贪心、束宽 4",
        "numbers": "其中的数：贪心、束宽 4",
        "dates": "其中的日期：贪心、束宽 4",
        "edge_numbers": "边界的数（0，各种长度的 1、10…0、10…01、10…010、9…9）：贪心、束宽 4",
        "edge_dates": "边界日期（年初年末、闰日）：贪心、束宽 4",
        "loss": "没见过的值上每个 token 的损失（nat）",
    },
    limits="答案几乎完全由源句决定，所以束搜索没有余地。自然语言里一句话有许多译法，束搜索与长度惩罚才有用武之地。",
)
