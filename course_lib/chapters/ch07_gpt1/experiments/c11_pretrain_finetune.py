"""C11: at equally many labels, pre-training on unlabelled text and then fine-tuning beats training from scratch.

Radford et al. 2018, sections 3 and 5; slides, 二阶段法.  Chapter 07.
"""

import numpy as np

from course_lib.chapters.ch07_gpt1.experiments.painters import SCRATCH_LR, TUNING_LR, fresh, pretrained, tuned_accuracy
from course_lib.course.claims.core import Claim, Summary, Verdict

LABELS = (8, 16, 32, 64, 256, 1024)


def measure(seed: int, *, progress, pretraining: int, steps: int) -> dict[str, list[float] | float]:
    """Accuracy on unseen texts by number of labels: pre-trained, from scratch at the better of two rates, and from
    scratch for as many steps as pre-training and fine-tuning have together."""
    gpt, losses = pretrained(seed, pretraining, lambda each: progress(each, "unlabelled"))
    names = ("pretrained", "scratch", "scratch_long")
    found: dict[str, list[float]] = {f"{name}{kind}": [] for kind in ("", "_seen") for name in names}
    for n_labels in progress(LABELS, "labels"):
        runs = [tuned_accuracy(gpt, seed, n_labels, steps=steps, lr=TUNING_LR)]
        short = [tuned_accuracy(fresh(seed), seed, n_labels, steps=steps, lr=lr) for lr in (TUNING_LR, SCRATCH_LR)]
        runs.append(tuple(map(max, zip(*short))))
        runs.append(tuned_accuracy(fresh(seed), seed, n_labels, steps=pretraining + steps, lr=SCRATCH_LR))
        for name, (test, seen) in zip(names, runs):
            found[name].append(test)
            found[f"{name}_seen"].append(seen)
    return found | {"pretraining_loss": sum(losses[-20:]) / len(losses[-20:])}


def judge(figures: dict[str, Summary]) -> Verdict:
    """The rival is the better of the two that start from scratch. Holds: in every seed pre-training is ahead at every
    number of labels, and on average the lead shrinks from each number to the next. Fails: at half of the numbers or
    more it is not ahead on average. Else partly, and the sentence names the places."""
    names = ("pretrained", "scratch", "scratch_long")
    lead = figures["pretrained"].values - np.maximum(figures["scratch"].values, figures["scratch_long"].values)
    mean = lead.mean(axis=0)
    behind = [f"{n:,}" for n, values in zip(LABELS, lead.T) if (values <= 0).any()]
    grows = [f"{a:,} 到 {b:,}" for a, b, step in zip(LABELS, LABELS[1:], np.diff(mean)) if step >= 0]
    table = "；".join(
        f"{n:,} 条 {a:.0%}、{b:.0%}、{c:.0%}" for n, a, b, c in zip(LABELS, *(figures[name].mean for name in names))
    )
    leads = "、".join(f"{100 * each:+.0f}" for each in mean)
    measured = (
        f"没见过的文本上的正确率，依次是预训练再微调、从零训练、从零训练走同样多的总步数：{table}。"
        f"比后两者中好的那个多 {leads} 个百分点。四选一，瞎猜 25 %。"
    )
    if (mean <= 0).sum() >= len(LABELS) / 2:
        return Verdict("fails", f"预训练没有领先。{measured}")
    if not behind and not grows:
        return Verdict("holds", f"每一档都领先，标注越少领先越多。{measured}")
    told = f"没有在每个种子里领先的标注数：{'、'.join(behind)}。" if behind else "每个种子、每一档都领先。"
    told += f"但标注变多，领先反而变大的一段：{'、'.join(grows)} 条。" if grows else "标注越少领先越多。"
    return Verdict("partly", told + measured)


CLAIM = Claim(
    id="C11",
    chapter="07",
    title="同样多的标注，先预训练再微调胜过从零训练",
    statement="标注一样多时，先在无标注文本上预训练、再微调，比从零训练更准，从零训练走同样多的总步数也追不上；"
    "标注越少，差得越多。",
    question="8 到 1,024 条标注，预训练过的、从零训练的、从零训练走同样多总步数的，在没见过的文本上各答对多少？"
    "差距是不是一路变小？",
    refuted_if="六种标注数里有三种以上，预训练的平均正确率不高于两种从零训练中好的那个。",
    seeds=(10, 11, 12),
    measure=measure,
    judge=judge,
    quick={"pretraining": 120, "steps": 20},
    full={"pretraining": 300, "steps": 80},
    quick_seeds=(10,),
    labels={
        "pretrained": "预训练再微调：8、16、32、64、256、1,024 条标注时的正确率",
        "scratch": "从零训练（两个学习率里好的一个）：同样标注数的正确率",
        "scratch_long": "从零训练，步数等于预训练加微调：同样标注数的正确率",
        "pretrained_seen": "预训练再微调：在标注文本自己身上的正确率",
        "scratch_seen": "从零训练：在标注文本自己身上的正确率",
        "scratch_long_seen": "从零训练，同样多的总步数：在标注文本自己身上的正确率",
        "pretraining_loss": "预训练最后 20 步的损失（nat / 词）",
    },
    limits="无标注文本和任务出自同一个造出来的世界，谁画的恰好是预测下一个词最有用的隐变量，真实语料里两者没有这么贴合。"
    "真实规模：GPT-1 论文表 5，去掉预训练，八项平均从 74.7 降到 59.9，差 14.8 个点；那里没有按标注数拆开。"
    "从零训练挑了测试集上较好的学习率，这对它有利；总步数相同时，预训练每步读的词仍多两倍多。",
)
