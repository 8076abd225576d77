"""C11c: where <extract> stands. Under a causal mask a mark in front has read nothing, and accuracy falls to chance.

Radford et al. 2018, figure 1: the mark is at the end. BERT's [CLS] may stand in front because nothing is masked.
Chapter 07.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.chapters.ch07_gpt1.experiments.painters import TUNING_LR, pretrained, tuned_accuracy
from course_lib.chapters.ch07_gpt1.gpt1_tasks import GPT1Task
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
    """Accuracy on unseen texts with <extract> behind 0 to 4 things; and in front, without a causal mask."""
    gpt, _ = pretrained(seed, pretraining, lambda each: progress(each, "unlabelled"))
    by_place = [
        tuned_accuracy(gpt, seed, N_LABELS, steps=steps, lr=TUNING_LR, place=place)[0]
        for place in progress(PLACES, "places")
    ]
    unmasked, _ = tuned_accuracy(gpt, seed, N_LABELS, steps=3 * steps, lr=TUNING_LR, place=0, task=Unmasked)
    return {"by_place": by_place, "front_unmasked": unmasked}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in front within 5 points of chance in every seed, at the end at least 80 %, and in front without the mask
    at least twice chance. Fails: in front, masked, above 35 % on average."""
    by_place, free = figures["by_place"], figures["front_unmasked"]
    front, end = by_place.values[:, 0], by_place.values[:, -1]
    places = "、".join(f"{n} 件后 {share:.0%}" for n, share in enumerate(by_place.mean))
    measured = f"<extract> 站在 {places}；站在最前但去掉因果掩码 {free.mean:.0%}。瞎猜 25 %。"
    if front.mean() > 0.35:
        return Verdict("fails", f"站在最前也读到了东西。{measured}")
    if (abs(front - 0.25) <= 0.05).all() and (end >= 0.8).all() and (free.values >= 0.5).all():
        return Verdict("holds", f"它只知道左边。{measured}")
    return Verdict("partly", f"方向对，幅度不够分明。{measured}")


CLAIM = Claim(
    id="C11c",
    chapter="07",
    title="把 Extract 挪到最前，正确率掉到瞎猜",
    statement="因果掩码下，Extract 记号站在文本最前时，分类正确率等于瞎猜；越往后站，读到的越多，越准。",
    question="Extract 站在第 0、1、2、3、4 件东西之后，各答对多少？去掉掩码再放最前呢？",
    refuted_if="站在最前时平均正确率高于 35 %（四选一）。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"pretraining": 120, "steps": 20},
    full={"pretraining": 300, "steps": 80},
    quick_seeds=(0,),
    labels={
        "by_place": "Extract 站在 0、1、2、3、4 件东西之后的正确率",
        "front_unmasked": "站在最前，去掉因果掩码的正确率",
    },
    limits="去掉掩码的那一项借用了带掩码预训练的权重，又多训练到三倍步数，只说明原因在掩码，不说明双向更好或更差。",
)
