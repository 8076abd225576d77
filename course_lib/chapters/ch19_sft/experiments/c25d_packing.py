"""C25d: the same talks, a row each, packed with walls, packed without: what is learned, and from how much work.

Krell et al. 2021 (arXiv:2107.02027) pack texts so that none sees another; without walls a text also reads what happens
to stand before it in its row (huggingface/trl#3067, #3910).  Chapter 19.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from course_lib.chapters.ch19_sft import learning
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.posttraining.chat import Rendered
from course_lib.posttraining.packing import packed, packed_loss
from course_lib.posttraining.sft import sft_loss
from course_lib.toys import sums


def walls(texts: Sequence[Rendered]) -> dict[str, Tensor]:
    return packed(texts, sums.CONTEXT, sums.chat().end)


def no_walls(texts: Sequence[Rendered]) -> dict[str, Tensor]:
    """The same rows, each read as one text. What fills them up lies at the end, where nothing before it can see it."""
    batch = walls(texts)
    return {
        "ids": batch["ids"],
        "is_token": torch.ones_like(batch["ids"], dtype=torch.bool),
        "is_answer": batch["is_answer"],
    }


WAYS = {"separate": (learning.batch, sft_loss), "walls": (walls, packed_loss), "no walls": (no_walls, sft_loss)}


def talks(seed: int, step: int) -> list[Rendered]:
    return learning.rendered(sums.talks(learning.BATCH, 100_000 * seed + step))


def measure(seed: int, *, progress, steps: int) -> dict[str, list[float]]:
    """By way. held_out_loss: of talks held out, a row each, whatever way was learned."""
    figures = {name: [] for name in ("held_out_loss", "right", "kiloflops", "padding")}
    held_out = learning.batch(learning.rendered(sums.talks(300, 1, split="held-out")))
    for collate, loss in progress(WAYS.values(), "装法"):
        batches = [collate(talks(seed, step)) for step in range(steps)]
        n_tokens = sum(len(text.ids) for step in range(steps) for text in talks(seed, step))
        model = learning.train(
            lambda step, batches=batches: batches[step],
            history=[],
            steps=steps,
            collate=lambda batch: batch,
            loss=loss,
        )
        with FlopCounterMode(display=False) as counter:
            loss(model, batches[0])
        figures["kiloflops"].append(counter.get_total_flops() / sum(len(text.ids) for text in talks(seed, 0)) / 1000)
        figures["padding"].append(1 - n_tokens / sum(batch["ids"].numel() for batch in batches))
        with torch.no_grad():
            figures["held_out_loss"].append(sft_loss(model, held_out).item())
        figures["right"].append(learning.accuracy(model, learning.exam()))
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: with walls the held-out loss is within 0.02 of separate rows' in every seed, padding is less than half as
    much, and a token takes fewer operations; without walls the loss is 0.03 or more above that with walls in every
    seed. Fails: with walls it is 0.05 or more above separate rows' on average, or padding is not less. Else partly."""
    loss, work, empty = (figures[name].values for name in ("held_out_loss", "kiloflops", "padding"))
    told = "；".join(
        f"{name}：没见过的对话上损失 {figures['held_out_loss'].mean[i]:.3f}，答对 {figures['right'].mean[i]:.1%}，"
        f"每个词元 {figures['kiloflops'].mean[i]:.0f} 千次运算，空位 {figures['padding'].mean[i]:.1%}"
        for i, name in enumerate(("各占一行", "拼起来，有墙", "拼起来，没有墙"))
    )
    gap, leak = loss[:, 1] - loss[:, 0], loss[:, 2] - loss[:, 1]
    if gap.mean() >= 0.05 or empty.mean(axis=0)[1] >= empty.mean(axis=0)[0]:
        return Verdict("fails", f"有墙也学得更差，或者空位没有少。{told}。")
    same, emptier, cheaper = (
        (abs(gap) <= 0.02).all(),
        (2 * empty[:, 1] < empty[:, 0]).all(),
        (work[:, 1] < work[:, 0]).all(),
    )
    if same and emptier and cheaper and (leak >= 0.03).all():
        return Verdict("holds", f"有墙学得一样，空位少，运算少；没有墙就差。{told}。")
    return Verdict("partly", f"没有墙，损失多 {leak.mean():+.3f}，有墙 {gap.mean():+.3f}。{told}。")


CLAIM = Claim(
    id="C25d",
    chapter="19",
    title="拼在一行里，要不要墙",
    statement="把对话拼进一行，有墙就和各占一行学得一样，空位少一半以上，运算也少；没有墙，串了门，学得更差。",
    question="把几段对话拼进一行，不加墙，模型会学得差吗？",
    refuted_if="有墙的损失比各占一行高出 0.05，或者空位没有少。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 10},
    full={"steps": 150},
    quick_seeds=(0,),
    labels={
        "held_out_loss": "没见过的对话上的损失，各占一行：各占一行、拼起来有墙、拼起来没有墙",
        "right": "答对的",
        "kiloflops": "向前一遍，摊到每个词元（不算空位）的千次运算",
        "padding": "空位的份额",
    },
    limits="对话只有 19 到 40 个词元，长短相近，拼进 64 个位置，空位本来就不多；真实对话长短悬殊，省得多。"
    "运算只数矩阵乘法；有墙的那一种带掩码，快慢不只看运算，时间不在这里量。"
    "没有墙的那一种，位置也不从 0 数起：串门和位置两样一起变。",
)
