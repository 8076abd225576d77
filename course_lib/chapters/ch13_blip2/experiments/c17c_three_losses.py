"""C17c: stage 1's three losses, one left out at a time, and writing under a mask that leaks: what each is good for.

Li et al. 2023 (arXiv:2301.12597), section 3.2; table 6 there: ITG added to ITC and ITM helps retrieval.  Chapter 13.
Equal steps, equal pictures. That a head which no loss trains knows nothing is no finding; whether the others suffer,
and whether the queries serve a language model less in a short stage 2, is one.
"""

import torch
from torch import nn

from course_lib.chapters.ch13_blip2 import learning
from course_lib.chapters.ch13_blip2.experiments.c17_two_stages import SIZE
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.qformer_masks import both_ways_mask
from course_lib.models.blip2 import Stage1
from course_lib.models.blip_pretrain import caption_loss
from course_lib.toys.blip2_shapes import N_QUERIES, exact, judgement, losses, retrieval, stage2_loss, taught
from course_lib.toys.told_shape import exam, ids_of, is_token

LOSSES = ("itc", "itm", "lm")  # the third is ITG
ARMS = (None, *LOSSES, "leak")  # what is left out, and last all three with a mask that leaks


class Leaking(nn.Module):
    """Writes with ITM's mask: queries see the words, the words see what follows."""

    def __init__(self, model: Stage1):
        super().__init__()
        self.model = model

    def next_words(self, seen, ids, is_token=None):
        mask = both_ways_mask(N_QUERIES, ids.shape[1])
        return self.model.next_words(seen, ids, is_token, may_attend=mask)


def loss_of(arm: str | None):
    def loss(model, batch):
        found = losses(model, batch)._asdict()
        if arm == "leak":
            images, ids, _ = batch
            found["lm"] = caption_loss(Leaking(model), model.look(images), ids, is_token(ids))
        return sum(each for name, each in found.items() if name != arm)

    return loss


@torch.no_grad()
def surprise(model: Stage1) -> float:
    """Nats a word of the right captions, of combinations never shown, under the right mask."""
    images, numbers, _ = exam()
    ids = ids_of("zh")[numbers]
    return caption_loss(model, model.look(images), ids, is_token(ids), smoothing=0).item()


def measure(seed: int, *, progress, steps: int, stage2_steps: int) -> dict[str, list[float]]:
    """By task, for all three losses, without each, and with the leak."""
    figures = {name: [] for name in ("retrieval", "matching", "surprise", "captions")}
    for arm in ARMS:
        torch.manual_seed(seed)
        model = learning.build_stage1()
        taught(model, loss_of(arm), steps, seed, size=SIZE, progress=lambda x, arm=arm: progress(x, arm or "all"))
        torch.manual_seed(seed)
        describer = taught(learning.describer(model), stage2_loss, stage2_steps, seed, size=SIZE)
        for name, figure in (("retrieval", retrieval), ("matching", judgement), ("surprise", surprise)):
            figures[name].append(figure(model))
        figures["captions"].append(exact(describer))
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: captions after stage 2 are right less often, on average by 0.05 or more and in every seed, whichever loss
    is left out, and where the mask leaks. Fails: no arm loses 0.05 on average. Else partly: which do is named."""
    said = {"itc": "去掉 ITC", "itm": "去掉 ITM", "lm": "去掉 ITG", "leak": "ITG 的遮罩漏"}

    def row(name: str, form: str) -> str:
        return "、".join(f"{m:{form}}±{s:{form}}" for m, s in zip(figures[name].mean, figures[name].std))

    told = (
        f"三种都有、{'、'.join(said.values())}：检索 {row('retrieval', '.0%')}；匹配 {row('matching', '.0%')}；"
        f"按对的遮罩读，每个词 {row('surprise', '.2f')} nat；短短的第二阶段后描述全对 {row('captions', '.0%')}。"
    )
    captions = figures["captions"].values
    lost = {arm: captions[:, 0] - captions[:, i] for i, arm in enumerate(said, 1)}
    hurts = [arm for arm, loss in lost.items() if loss.mean() >= 0.05]
    if not hurts:
        return Verdict("fails", f"少哪一种，第二阶段的描述都没有差 5 个百分点。{told}")
    if len(hurts) == len(said) and all((loss > 0).all() for loss in lost.values()):
        return Verdict("holds", f"少哪一种都更差。{told}")
    which = "、".join(f"{said[arm]}（差 {lost[arm].mean():.0%}）" for arm in hurts)
    return Verdict("partly", f"第二阶段的描述变差的：{which}；其余没有稳定地变差。{told}")


CLAIM = Claim(
    id="C17c",
    chapter="13",
    title="第一阶段的三种损失，少一种会怎样",
    statement="第一阶段少一种损失，或者 ITG 的遮罩漏了，接着的第二阶段就写得更差。",
    question="第二阶段只写描述。对比、匹配这两种损失，还有 ITG 的遮罩，对它有用吗？",
    refuted_if="去掉任何一种损失，或者让遮罩漏，第二阶段写对的平均都没有少 5 个百分点。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 4, "stage2_steps": 4},
    full={"steps": 200, "stage2_steps": 50},
    quick_seeds=(0,),
    labels={
        "retrieval": "检索：在 240 句里选对（R@1）；三种都有、去掉 ITC、去掉 ITM、去掉 ITG、ITG 的遮罩漏",
        "matching": "匹配：对的句子说对、错一处的句子说错，平均（随机 50%）",
        "surprise": "ITG 按对的遮罩读，每个词的损失，nat",
        "captions": "第二阶段 50 步后，没见过的搭配一字不差的描述",
    },
    limits="第一阶段只有 200 步，学得更久会怎样，这里没有测。先用 80 步跑过一遍：那时三种都有，匹配也还在随机附近，"
    "看不出 ITM 的用处，才加到 200 步；判据没有改。"
    "步数相同，不是算力相同：少一种损失的一步更快。"
    "画面只有一个东西，描述只有一种写法。快速形式只训练几步，什么也没学会。",
)
