"""C26c: what a policy earns while it learns, with and without a baseline, and when every answer earns 5 more.

Eight answers an update, AdamW (training/step.py), rewards of 0 to 4 turns; what the policy earns is exact.  Chapter 20.
"""

import numpy as np

from course_lib.chapters.ch20_rlhf.learning import LEARNING, taught
from course_lib.course.claims.core import Claim, Summary, Verdict

LRS = (0.05, 0.2)
OFFSETS = (0.0, 5.0)


def measure(seed: int, *, progress, updates: int) -> dict[str, list]:
    """By learning rate, offset and baseline: the mean of what is earned on the way, and what is earned at last."""
    curves = [
        [[taught(baseline, seed, lr, updates=updates, offset=offset) for baseline in LEARNING] for offset in OFFSETS]
        for lr in progress(LRS, "learning rates")
    ]
    found = np.array(curves)
    return {"mean": found.mean(axis=-1).tolist(), "last": found[..., -1].tolist()}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Differences of what is earned on the way, seed by seed, beside twice their standard error. Holds: at either rate
    the others' mean earns more than no baseline, V(s) no less than that; 5 more for every answer costs the policy
    without a baseline, and moves those with one by 0.05 at most. Fails: on average over both rates a baseline earns
    nothing, or 5 more cost nothing without one, or they cost 0.1 with one. Else partly."""
    mean, last = figures["mean"].values, figures["last"].mean
    none, others, value = (mean[:, :, 0, i] for i in range(3))
    gain, more, cost = others - none, value - others, none - mean[:, :, 1, 0]
    moved = abs(mean[:, :, 1, 1:] - mean[:, :, 0, 1:])

    def clear(each):
        return (each.mean(axis=0) > 2 * each.std(axis=0, ddof=1) / len(each) ** 0.5).all()

    told = "；".join(
        f"学习率 {lr:g}，最后得到：不用基线 {last[i, 0, 0]:.2f}，"
        f"其余回答的平均 {last[i, 0, 1]:.2f}，V(s) {last[i, 0, 2]:.2f}；"
        f"每个回答多给 5：{last[i, 1, 0]:.2f}、{last[i, 1, 1]:.2f}、{last[i, 1, 2]:.2f}"
        for i, lr in enumerate(LRS)
    )
    told = f"满分 4。{told}。"
    if gain.mean() <= 0 or cost.mean() <= 0 or moved.mean() >= 0.1:
        return Verdict("fails", f"基线没有用，或者多给的 5 没有按说的起作用。{told}")
    if clear(gain) and (more.mean(axis=0) >= 0).all() and clear(cost) and moved.max() <= 0.05:
        return Verdict("holds", told)
    return Verdict("partly", f"不是每个学习率都分得清。{told}")


CLAIM = Claim(
    id="C26c",
    chapter="20",
    title="有基线学得快，也不怕奖励整体变大",
    statement="同样多的回答，有基线的策略一路上得到的更多，V(s) 最多。"
    "每个回答多给 5，最好的回答没有变，没有基线的策略却学坏了；有基线的一点不差。",
    question="每个回答都多得 5 分，学习会变吗？",
    refuted_if="有基线的没有得到更多，或者多给 5 以后没有基线的也一样好。",
    seeds=tuple(range(6)),
    measure=measure,
    judge=judge,
    quick={"updates": 12},
    full={"updates": 120},
    quick_seeds=(0, 1),
    labels={
        "mean": "一路上平均得到的奖励，满分 4；按学习率 0.05、0.2，多给 0、5，不用基线、其余回答的平均、V(s)",
        "last": "同上，最后得到的奖励",
    },
    limits="V(s) 是精确值，真的评论家要一边学一边猜。"
    "AdamW 会按梯度的大小调步子，换成普通的梯度下降，过大的奖励坏得更快。"
    "没有 KL，也没有熵：策略早早只写一种回答，就再也看不到更好的，有没有基线都会。"
    "只看两种学习率，不是每种方法各自最好的。",
)
