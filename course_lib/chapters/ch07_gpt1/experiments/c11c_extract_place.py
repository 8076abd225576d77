"""C11c: where <extract> stands. Does it use all that stands to its left, and nothing else?

Radford et al. 2018, figure 1: the mark is at the end. BERT's [CLS] may stand in front because nothing is masked.
Chapter 07.

In front, under a causal mask, chance is certain: that only tests the code. What the first n things tell is known
exactly, and does not rise from one thing to two (two that disagree are a toss-up): does accuracy follow it at every n?
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.chapters.ch07_gpt1.experiments.painters import (
    N_TEST,
    N_THINGS,
    TUNING_LR,
    pretrained,
    tuned_accuracy,
)
from course_lib.chapters.ch07_gpt1.gpt1_tasks import GPT1Task
from course_lib.chapters.ch07_gpt1.painters import best_possible, inventories
from course_lib.course.claims.core import Claim, Summary, Verdict

PLACES = (0, 1, 2, 3, 4)
N_LABELS = 1024


class Unmasked(GPT1Task):
    """The same weights without the causal mask: every token sees all."""

    def hidden(self, ids: Int[Tensor, "B R T"], is_token: Tensor | None = None) -> Float[Tensor, "B R T D"]:
        flat, T = ids.flatten(0, 1), ids.shape[-1]
        x = self.gpt.embedding(flat) + self.gpt.positions(T)
        everything = torch.ones(T, T, dtype=torch.bool)
        for block in self.gpt.blocks:
            x = block(x, everything)
        return x.unflatten(0, ids.shape[:2])


def measure(seed: int, *, progress, pretraining: int, steps: int) -> dict[str, list[float] | float]:
    """Accuracy on unseen texts with <extract> behind 0 to 4 things, and the best that is possible there; and in front,
    without a causal mask."""
    gpt, _ = pretrained(seed, pretraining, lambda each: progress(each, "unlabelled"))
    by_place = [
        tuned_accuracy(gpt, seed, N_LABELS, steps=steps, lr=TUNING_LR, place=place)[0]
        for place in progress(PLACES, "places")
    ]
    unmasked, _ = tuned_accuracy(gpt, seed, N_LABELS, steps=3 * steps, lr=TUNING_LR, place=0, task=Unmasked)
    texts, painters = inventories(seed, "test", N_TEST, N_THINGS)
    best = [best_possible(seed, texts[:, : 2 * place], painters) for place in PLACES]
    return {"by_place": by_place, "best": best, "front_unmasked": unmasked}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Within reach: at most 3 points below the best possible. Holds: in every seed behind 1, 2, 3 and 4 things, and in
    every seed each step up that the best makes, by 2 points or more, is a step up. Fails: behind any number of things
    more than 5 points below on average, or above 35 % in front."""
    by_place, best = figures["by_place"], figures["best"]
    short = best.values - by_place.values
    steps, possible = np.diff(by_place.values, axis=1), np.diff(best.mean)
    places = "；".join(
        f"{n} 件后 {share:.1%}（最好 {most:.1%}）" for n, (share, most) in enumerate(zip(by_place.mean, best.mean))
    )
    one_step = "、".join(f"{n} 到 {n + 1} 件 {100 * each:+.1f}" for n, each in enumerate(steps.mean(0)))
    measured = (
        f"<extract> 站在 {places}。每往后一件，多 {one_step} 个百分点。"
        f"站在最前但去掉因果掩码 {figures['front_unmasked'].mean:.1%}。瞎猜 25 %。"
    )
    if by_place.mean[0] > 0.35:
        return Verdict("fails", f"站在最前也读到了东西，掩码有洞。{measured}")
    if (short.mean(0)[1:] > 0.05).any():
        return Verdict("fails", f"有的位置上，左边的东西没有用尽。{measured}")
    follows = (steps[:, possible >= 0.02] > 0).all()
    if (short[:, 1:] <= 0.03).all() and follows:
        return Verdict("holds", f"每个位置都离只读左边能达到的最好不到 3 个百分点。{measured}")
    return Verdict("partly", f"大致跟着只读左边能达到的最好走，但不是每个种子、每一步都跟上。{measured}")


CLAIM = Claim(
    id="C11c",
    chapter="07",
    title="Extract 只知道左边，左边的它都用上了",
    statement="Extract 站在第 n 件东西之后，正确率就是只读前 n 件能达到的最好；最好的涨，它就涨。",
    question="Extract 站在第 0、1、2、3、4 件东西之后，各答对多少？只读前 n 件的人最多答对多少？每多一件都更准吗？",
    refuted_if="站在第 1 到 4 件中的某一件之后，平均比能达到的最好低 5 个百分点以上；或站在最前时高于 35 %（四选一）。",
    seeds=(10, 11, 12, 13, 14),
    measure=measure,
    judge=judge,
    quick={"pretraining": 120, "steps": 20},
    full={"pretraining": 300, "steps": 80},
    quick_seeds=(10,),
    labels={
        "by_place": "Extract 站在 0、1、2、3、4 件东西之后的正确率",
        "best": "只读前 0、1、2、3、4 件能达到的最好",
        "front_unmasked": "站在最前，去掉因果掩码的正确率",
    },
    limits="站在最前等于瞎猜由掩码决定，不用测，这里只当作检查。去掉掩码的那一项借用了带掩码预训练的权重，又训练到三倍步数，"
    "只说明原因在掩码，不说明双向更好或更差。真实文本没有算得出的“最好”。",
)
