"""C11b: the auxiliary language-model loss during fine-tuning, on and off.

Radford et al. 2018, section 3.2, eq. 5, and section 5: "larger datasets benefit from the auxiliary objective but
smaller datasets do not"; table 5: 75.0 on average without it, 74.7 with it.  Chapter 07.

Where accuracy is at the limit of what the texts tell, nothing can help. So the model is also taken halfway through its
pre-training, when it has not found the painters yet, and only numbers of labels with room below the limit are judged.
"""

from course_lib.chapters.ch07_gpt1.experiments.painters import (
    N_TEST,
    N_THINGS,
    SCRATCH_LR,
    TUNING_LR,
    fresh,
    pretrained,
    tuned_accuracy,
)
from course_lib.chapters.ch07_gpt1.painters import best_possible, inventories
from course_lib.course.claims.core import Claim, Summary, Verdict

LABELS = (8, 32, 256, 1024)


def measure(seed: int, *, progress, pretraining: int, halfway: int, steps: int) -> dict[str, list[float] | float]:
    """Accuracy on unseen texts by number of labels, λ = 0 and λ = 0.5, from three starts; the best that is possible."""
    gpt, _ = pretrained(seed, pretraining, lambda each: progress(each, "unlabelled"))
    half, _ = pretrained(seed, halfway, lambda each: progress(each, "unlabelled, halfway"))
    found: dict[str, list[float] | float] = {}
    for name, start, lr in (
        ("pretrained", gpt, TUNING_LR),
        ("half", half, TUNING_LR),
        ("scratch", fresh(seed), SCRATCH_LR),
    ):
        for form, weight in (("off", 0.0), ("on", 0.5)):
            found[f"{name}_{form}"] = [
                tuned_accuracy(start, seed, n_labels, steps=steps, lr=lr, lm_weight=weight)[0]
                for n_labels in progress(LABELS, f"{name}, {form}")
            ]
    return found | {"best": best_possible(seed, *inventories(seed, "test", N_TEST, N_THINGS))}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Judged are the numbers of labels, of both pre-trained models, where λ = 0 is 2 points or more below the best
    possible on average. Holds: at each of them λ = 0.5 is ahead by a point or more on average, and in every seed.
    Fails: it is ahead by a point on average at none. Else partly; so too if no place has room."""
    best = figures["best"].mean
    helped, hurt, unclear, told = [], [], [], []
    for name, said in (("pretrained", "预训练完的"), ("half", "只预训练一半的")):
        off, gain = figures[f"{name}_off"], figures[f"{name}_on"].values - figures[f"{name}_off"].values
        told.append(f"{said} " + "、".join(f"{100 * each:+.1f}" for each in gain.mean(0)))
        for n, room, values in zip(LABELS, best - off.mean, gain.T):
            if room < 0.02:
                continue
            sure = values.mean() >= 0.01 and (values > 0).all()
            kind = helped if sure else hurt if values.mean() <= -0.01 and (values < 0).all() else unclear
            kind.append((f"{said} {n:,} 条", values.mean()))
    scratch = (figures["scratch_on"].values - figures["scratch_off"].values).mean(0)
    told.append("从零训练的 " + "、".join(f"{100 * each:+.1f}" for each in scratch))
    counts = "、".join(f"{n:,}" for n in LABELS)

    def listed(kind: list[tuple[str, float]]) -> str:
        return "、".join(place for place, _ in kind) or "没有"

    measured = (
        f"{counts} 条标注，开比关多几个百分点：{'；'.join(told)}。这些文本能达到的最好是 {best:.1%}。"
        f"离它 2 个百分点以上、还有余地的地方，每个种子都有益（平均 1 点以上）：{listed(helped)}；"
        f"每个种子都有害：{listed(hurt)}；说不准：{listed(unclear)}。"
    )
    judged = helped + hurt + unclear
    if not judged:
        return Verdict("partly", f"处处都到了上限，这个设置答不了。{measured}")
    if len(helped) == len(judged):
        return Verdict("holds", f"凡有余地，都有帮助。{measured}")
    if not any(mean >= 0.01 for _, mean in judged):
        return Verdict("fails", f"有余地的地方，没有一处平均有 1 个百分点的帮助。{measured}")
    return Verdict("partly", f"只在一部分地方有帮助。{measured}")


CLAIM = Claim(
    id="C11b",
    chapter="07",
    title="微调时的辅助语言模型损失，有没有帮助",
    statement="只要正确率还没有到上限，微调时加上 λ = 0.5 的语言模型损失，正确率就更高。",
    question="预训练完的和只预训练一半的模型，8 到 1,024 条标注，λ = 0 和 λ = 0.5 各答对多少？离能达到的最好还有多远？",
    refuted_if="离上限 2 个百分点以上的地方，没有一处开比关平均高 1 个百分点。",
    seeds=(10, 11, 12, 13),
    measure=measure,
    judge=judge,
    quick={"pretraining": 120, "halfway": 60, "steps": 20},
    full={"pretraining": 300, "halfway": 120, "steps": 80},
    quick_seeds=(10,),
    labels={
        "pretrained_off": "预训练完，λ = 0：8、32、256、1,024 条标注时的正确率",
        "pretrained_on": "预训练完，λ = 0.5：同上",
        "half_off": "只预训练一半，λ = 0：同上",
        "half_on": "只预训练一半，λ = 0.5：同上",
        "scratch_off": "从零训练，λ = 0：同上",
        "scratch_on": "从零训练，λ = 0.5：同上",
        "best": "读完四件东西，能达到的最好",
    },
    limits="一种任务，λ 只试了论文的 0.5。真实规模也没有定论：GPT-1 论文 §5 说大数据集受益、小数据集不受益，"
    "同一篇的表 5 里八项平均却是不加 75.0、加 74.7，最小的 RTE 不加反而从 56.0 降到 54.4。",
)
