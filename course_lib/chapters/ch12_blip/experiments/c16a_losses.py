"""C16a: BLIP's three losses, one left out at a time: what is lost, and does one help with the task of another?

Li et al. 2022, section 3.2; slides, BLIP, 三个损失.  Chapter 12.
Equal steps, equal batches. That a head which no loss trains knows nothing is no finding; whether the two other tasks
suffer, too, is one. Without ITC the hard negatives are drawn by similarities that nothing trains.
"""

import torch

from course_lib.chapters.ch12_blip import learning
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.data.world.captions import LANGUAGES
from course_lib.training.loop import train

LOSSES = ("itc", "itm", "lm")
TASKS = ("retrieval", "matching", "captions")  # the task of each loss, in their order
LEFT_OUT = (None, *LOSSES)


def taught(seed: int, left_out: str | None, steps: int, progress) -> learning.Pretraining:
    torch.manual_seed(seed)
    model = learning.build()

    def loss(model, batch):
        losses = learning.losses(model, batch)
        return sum(getattr(losses, name) for name in LOSSES if name != left_out)

    stream = (learning.batches(10_000 * seed + step) for step in range(steps))
    train(model, stream, steps=steps, lr=learning.LR, weight_decay=0.05, loss=loss, progress=progress, history=[])
    return model.eval()


def measure(seed: int, *, progress, steps: int) -> dict[str, list[float]]:
    """By task, for all three losses and without each; on held-out combinations, mean of both languages."""
    figures = {task: [] for task in (*TASKS, "retrieval_by_matching")}
    for left_out in LEFT_OUT:
        model = taught(seed, left_out, steps, lambda x, n=left_out: progress(x, f"without {n}" if n else "all")).blip
        for task in TASKS:
            each = [learning.FIGURES[task](model, language) for language in LANGUAGES]
            figures[task].append(sum(each) / len(each))
        figures["retrieval_by_matching"].append(learning.retrieval_by_matching(model, "zh"))
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: without its own loss each task falls, in every seed, below a tenth of what all three reach above chance,
    and each loss helps another task by 0.05 or more in every seed. Fails: some task keeps half or more without its own
    loss, on average. Else partly: what helps nobody else is named."""
    chance = {"retrieval": 1 / 240, "matching": 0.5, "captions": 0.0}
    names = {"itc": "ITC", "itm": "ITM", "lm": "LM"}
    said = {"retrieval": "检索 R@1", "matching": "匹配", "captions": "描述全对"}
    above = {task: figures[task].values - chance[task] for task in said}
    told = "；".join(
        f"{said[task]}：三种都有 {figures[task].mean[0]:.1%}±{figures[task].std[0]:.1%}，"
        + "、".join(
            f"去掉 {names[loss]} {figures[task].mean[i]:.1%}±{figures[task].std[i]:.1%}"
            for i, loss in enumerate(names, 1)
        )
        for task in said
    )
    kept = {
        task: above[task][:, i].mean() / max(above[task][:, 0].mean(), 1e-9)
        for i, task in enumerate(("retrieval", "matching", "captions"), 1)
    }
    if any(share >= 0.5 for share in kept.values()):
        which = max(kept, key=kept.get)
        return Verdict("fails", f"{said[which]}不靠自己的损失也留下 {kept[which]:.0%}。{told}。")
    falls = all(
        (above[task][:, i] <= 0.1 * above[task][:, 0]).all()
        for i, task in enumerate(("retrieval", "matching", "captions"), 1)
    )
    helped = {
        loss: [
            said[task]
            for task in said
            if task != own and (figures[task].values[:, 0] - figures[task].values[:, i] >= 0.05).all()
        ]
        for i, (loss, own) in enumerate(zip(names, said), 1)
    }
    idle = [names[loss] for loss, tasks in helped.items() if not tasks]
    helps = "；".join(f"{names[loss]} 还帮了{'、'.join(tasks)}" for loss, tasks in helped.items() if tasks)
    told = f"{told}。{helps or '没有一种损失每个种子都帮到别的任务'}。"
    if falls and not idle:
        return Verdict("holds", told)
    if not falls:
        return Verdict("partly", f"去掉自己的损失，不是每项都跌到随机附近。{told}")
    return Verdict("partly", f"各有各的任务；但 {'、'.join(idle)} 没有稳定地帮到别的任务。{told}")


CLAIM = Claim(
    id="C16a",
    chapter="12",
    title="三种损失各管什么，互相帮忙吗",
    statement="去掉一种损失，它自己的任务跌到随机附近；另外的任务里也至少有一项变差。",
    question="检索、匹配、写描述各由一种损失训练。少一种，另外两项是变差，还是把省下的力气用得更好？",
    refuted_if="有一项任务没有自己的损失，平均还留下一半以上的成绩。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 20},
    full={"steps": 400},
    quick_seeds=(0,),
    labels={
        "retrieval": "检索：在 240 句里选对（R@1），三种都有、去掉 ITC、去掉 ITM、去掉 LM",
        "matching": "匹配：对的句子说对、错一处的句子说错，平均（随机 50%）",
        "captions": "写描述：一字不差",
        "retrieval_by_matching": "不用对比，用匹配的分数在 240 句里选对（中文）",
    },
    limits="步数相同，不是算力相同：少一种损失的一步更快。400 步，三项都还没学满；学得更久，差别会变小。"
    "画面只有一个东西，描述只有一种写法，所以写描述只看一字不差，不用 BLEU 和 CIDEr。"
    "快速形式只训练 20 步，什么也没学会。",
)
