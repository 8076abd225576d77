"""C17: does stage 2 need stage 1, or only more steps?

Li et al. 2023 (arXiv:2301.12597), section 4.1 and figure 5: without stage 1 the zero-shot answers are far worse, and
with OPT they get worse again the longer stage 2 lasts.  Chapter 13.
Three ways to spend what stage 1 costs: on stage 1; on nothing; on more steps of stage 2, as many as stage 1 shows
pictures, and as many as its floating-point operations pay (counted by torch's FlopCounterMode: no clock is read).
"""

import torch

from course_lib.chapters.ch13_blip2 import learning
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.models.blip2 import Describer
from course_lib.toys.blip2_shapes import exact, stage1_loss, stage2_loss, step_flops, taught

SIZE = 32  # pictures a step


def begun(seed: int, stage1_steps: int, progress=iter) -> Describer:
    """The beginning of stage 2. One seed gives one Q-Former before stage 1, and one projection."""
    torch.manual_seed(seed)
    model = learning.build_stage1()
    if stage1_steps:
        taught(model, stage1_loss, stage1_steps, seed, size=SIZE, progress=progress)
    torch.manual_seed(seed)
    return learning.describer(model)


def curve(model: Describer, steps: int, at: list[int], seed: int, progress=iter) -> list[float]:
    """Exact captions on held-out combinations after the steps `at` of stage 2, and at its end."""
    found = []

    def watched(steps):
        for step in progress(steps):
            if step in at:
                found.append(exact(model))
            yield step

    taught(model, stage2_loss, steps, seed, size=SIZE, progress=watched)
    return [*found, exact(model)]


def measure(seed: int, *, progress, stage1_steps: int, stage2_steps: int, at: list[int]) -> dict[str, list[float]]:
    """Curves over stage 2, with stage 1 and without; the ends of longer trainings without it, and their steps."""
    after = begun(seed, stage1_steps, lambda x: progress(x, "stage 1"))
    figures = {"after": curve(after, stage2_steps, at, seed, lambda x: progress(x, "stage 2"))}
    figures["alone"] = curve(begun(seed, 0), stage2_steps, at, seed, lambda x: progress(x, "alone"))
    dearer = step_flops(learning.build_stage1(), stage1_loss, SIZE) / step_flops(begun(seed, 0), stage2_loss, SIZE)
    figures["longer_steps"] = [stage2_steps + stage1_steps, stage2_steps + round(dearer * stage1_steps)]
    figures["longer"] = [
        curve(begun(seed, 0), steps, [], seed, lambda x: progress(x, "alone, longer"))[-1]
        for steps in figures["longer_steps"]
    ]
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: over the curve's mean, captions after stage 1 are more often right by 0.05 or more in every seed, and at
    the end they are so, on average, by 0.02 or more than where stage 2 alone got as many operations. Fails: the mean of
    the curve is no higher on average. Else partly."""
    after, alone, longer = (figures[name] for name in ("after", "alone", "longer"))
    lead = (after.values - alone.values).mean(axis=1)

    def each(summary: Summary) -> str:
        return "、".join(f"{m:.1%}±{s:.1%}" for m, s in zip(summary.mean, summary.std))

    pictures, operations = figures["longer_steps"].mean
    told = (
        f"先做第一阶段：{each(after)}；不做：{each(alone)}。不做、但第二阶段加到 {pictures:.0f} 步（同样多的图）"
        f"和 {operations:.0f} 步（同样多的运算）：{each(longer)}。"
    )
    if lead.mean() <= 0:
        return Verdict("fails", f"先做第一阶段，第二阶段平均没有更好（{lead.mean():+.1%}）。{told}")
    bought = after.values[:, -1] - longer.values[:, 1]
    if (lead >= 0.05).all() and bought.mean() >= 0.02:
        return Verdict("holds", f"整条曲线平均高 {lead.mean():.1%}，同样多的运算全给第二阶段也追不上。{told}")
    if (lead >= 0.05).all():
        return Verdict(
            "partly",
            f"步数相同时整条曲线平均高 {lead.mean():.1%}，每个种子都高；"
            f"但把第一阶段的运算也给第二阶段，末尾差 {-bought.mean():+.1%}，追上了。{told}",
        )
    return Verdict("partly", f"整条曲线平均高 {lead.mean():.1%}，不是每个种子都这样明显。{told}")


CLAIM = Claim(
    id="C17",
    chapter="13",
    title="跳过第一阶段，第二阶段差多少",
    statement="跳过第一阶段，第二阶段学得更慢；把省下的运算都给第二阶段，也补不回来。",
    question="第一阶段的三种损失，到第二阶段都不用了。跳过它，直接让语言模型教 Q-Former，差多少？多教一会儿呢？",
    refuted_if="步数相同，先做第一阶段的曲线平均没有更高。",
    seeds=(0, 1, 2, 3),
    measure=measure,
    judge=judge,
    quick={"stage1_steps": 6, "stage2_steps": 8, "at": [2, 4]},
    full={"stage1_steps": 200, "stage2_steps": 200, "at": [25, 50, 100, 150]},
    quick_seeds=(0,),
    labels={
        "after": "先做第一阶段：第二阶段 25、50、100、150、200 步后，没见过的搭配一字不差的描述",
        "alone": "不做第一阶段：同上",
        "longer": "不做第一阶段、第二阶段更长：图一样多、运算一样多",
        "longer_steps": "更长是多少步",
    },
    limits="语言模型很小，读过的正是这些描述，一个前缀就能让它说对；画面只有一个东西，描述只有一种写法。"
    "论文里的语言模型大上万倍，图文对杂得多，那里不做第一阶段，OPT 会越学越差；这里看不到这种遗忘。"
    "中途的点学习率还没降下来。快速形式只训练几步，什么也没学会。",
)
