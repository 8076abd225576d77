"""C11: at equally many labels, pre-training on unlabelled text and then fine-tuning beats training from scratch.

Radford et al. 2018, sections 3 and 5; slides, 二阶段法.  Chapter 07.
"""

from course_lib.chapters.ch07_gpt1.experiments.painters import SCRATCH_LR, TUNING_LR, fresh, pretrained, tuned_accuracy
from course_lib.course.claims.core import Claim, Summary, Verdict

LABELS = (8, 16, 32, 64, 256, 1024)


def measure(seed: int, *, progress, pretraining: int, steps: int) -> dict[str, list[float] | float]:
    """Accuracy on unseen texts by number of labels: pre-trained, and from scratch at the better of two rates."""
    gpt, losses = pretrained(seed, pretraining, lambda each: progress(each, "unlabelled"))
    found: dict[str, list[float]] = {"pretrained": [], "scratch": [], "pretrained_seen": [], "scratch_seen": []}
    for n_labels in progress(LABELS, "labels"):
        test, seen = tuned_accuracy(gpt, seed, n_labels, steps=steps, lr=TUNING_LR)
        runs = [tuned_accuracy(fresh(seed), seed, n_labels, steps=steps, lr=lr) for lr in (TUNING_LR, SCRATCH_LR)]
        found["pretrained"].append(test)
        found["pretrained_seen"].append(seen)
        found["scratch"].append(max(test for test, _ in runs))
        found["scratch_seen"].append(max(seen for _, seen in runs))
    return found | {"pretraining_loss": sum(losses[-20:]) / len(losses[-20:])}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: with 8 to 64 labels pre-training is ahead in every seed, by 10 points or more on average at 8, 16 and 32,
    and with the most labels the lead is smaller than with the fewest. Fails: at 8, 16 and 32 labels it is not ahead on
    average."""
    lead = figures["pretrained"].values - figures["scratch"].values
    table = "；".join(
        f"{n} 条 {a:.0%} 对 {b:.0%}"
        for n, a, b in zip((8, 16, 32, 64, 256, 1024), figures["pretrained"].mean, figures["scratch"].mean)
    )
    measured = f"没见过的文本上的正确率，预训练再微调对从零训练：{table}。四选一，瞎猜 25 %。"
    if (lead.mean(axis=0)[:3] <= 0).all():
        return Verdict("fails", f"预训练没有领先。{measured}")
    if (lead[:, :4] > 0).all() and (lead.mean(axis=0)[:3] >= 0.1).all() and lead.mean(0)[-1] < lead.mean(0)[0]:
        return Verdict("holds", f"标注越少，预训练领先越多。{measured}")
    return Verdict("partly", f"领先不是处处都稳。{measured}")


CLAIM = Claim(
    id="C11",
    chapter="07",
    title="同样多的标注，先预训练再微调胜过从零训练",
    statement="标注一样多时，先在无标注文本上预训练、再微调，比从零训练更准；标注越少，差得越多。",
    question="8 到 1,024 条标注，预训练过的和没预训练过的，在没见过的文本上各答对多少？",
    refuted_if="8、16、32 条标注时，预训练的平均正确率都不高于从零训练。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"pretraining": 120, "steps": 20},
    full={"pretraining": 300, "steps": 80},
    quick_seeds=(0,),
    labels={
        "pretrained": "预训练再微调：8、16、32、64、256、1,024 条标注时的正确率",
        "scratch": "从零训练（两个学习率里好的一个）：同样标注数的正确率",
        "pretrained_seen": "预训练再微调：在标注文本自己身上的正确率",
        "scratch_seen": "从零训练：在标注文本自己身上的正确率",
        "pretraining_loss": "预训练最后 20 步的损失（nat / 词）",
    },
    limits="无标注文本和任务出自同一个造出来的世界，谁画的恰好是预测下一个词最有用的隐变量。真实语料里两者没有这么贴合，"
    "论文的提升是几个百分点，不是几十个。从零训练挑了测试集上较好的学习率，这对它有利。",
)
