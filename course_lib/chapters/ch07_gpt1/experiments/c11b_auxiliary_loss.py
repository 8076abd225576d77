"""C11b: the auxiliary language-model loss during fine-tuning, on and off.

Radford et al. 2018, section 3.2, eq. 5, and section 5: it helped on the larger data sets, not on the smaller.
Chapter 07.
"""

from course_lib.chapters.ch07_gpt1.experiments.painters import SCRATCH_LR, TUNING_LR, fresh, pretrained, tuned_accuracy
from course_lib.course.claims.core import Claim, Summary, Verdict

LABELS = (8, 32, 256, 1024)


def measure(seed: int, *, progress, pretraining: int, steps: int) -> dict[str, list[float]]:
    """Accuracy on unseen texts by number of labels, λ = 0 and λ = 0.5, pre-trained and from scratch."""
    gpt, _ = pretrained(seed, pretraining, lambda each: progress(each, "unlabelled"))
    found: dict[str, list[float]] = {}
    for name, start, lr in (("pretrained", gpt, TUNING_LR), ("scratch", fresh(seed), SCRATCH_LR)):
        for form, weight in (("off", 0.0), ("on", 0.5)):
            found[f"{name}_{form}"] = [
                tuned_accuracy(start, seed, n_labels, steps=steps, lr=lr, lm_weight=weight)[0]
                for n_labels in progress(LABELS, f"{name}, {form}")
            ]
    return found


def judge(figures: dict[str, Summary]) -> Verdict:
    """The claim is that it helps the pre-trained model. Holds: on is ahead by a point or more on average at every
    number of labels. Fails: it is ahead by a point at none. Else partly."""
    on, off = figures["pretrained_on"].mean, figures["pretrained_off"].mean
    table = "；".join(f"{n} 条 {a:.1%} 对 {b:.1%}" for n, a, b in zip((8, 32, 256, 1024), on, off))
    scratch = figures["scratch_on"].mean - figures["scratch_off"].mean
    from_scratch = "、".join(f"{100 * lead:+.1f}" for lead in scratch)
    measured = f"预训练过的模型，开对关：{table}。从零训练，开比关多 {from_scratch} 个百分点。"
    if (on - off >= 0.01).all():
        return Verdict("holds", f"每种标注数下都有帮助。{measured}")
    if (on - off < 0.01).all():
        return Verdict("fails", f"没有一种标注数下有 1 个百分点的帮助，标注少时反而有害。{measured}")
    return Verdict("partly", f"有的标注数下有帮助。{measured}")


CLAIM = Claim(
    id="C11b",
    chapter="07",
    title="微调时的辅助语言模型损失，有没有帮助",
    statement="微调时加上 λ = 0.5 的语言模型损失，正确率更高。",
    question="8 到 1,024 条标注，λ = 0 和 λ = 0.5，在没见过的文本上各答对多少？",
    refuted_if="没有一种标注数下，开比关平均高 1 个百分点。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"pretraining": 120, "steps": 20},
    full={"pretraining": 300, "steps": 80},
    quick_seeds=(0,),
    labels={
        "pretrained_off": "预训练，λ = 0：8、32、256、1,024 条标注时的正确率",
        "pretrained_on": "预训练，λ = 0.5：同上",
        "scratch_off": "从零训练，λ = 0：同上",
        "scratch_on": "从零训练，λ = 0.5：同上",
    },
    limits="论文自己的消融也是有输有赢：大数据集受益，小数据集不受益。这里标注文本最多 1,024 条、每条 4 件东西，"
    "模型又早已读过同一世界的 19,200 条，再读这几条学不到新的，只会背下来。",
)
