"""C28b: what PPO is sensitive to: ε, the learning rate and β turned by themselves and together, on the strip.

The clip was proposed so that settings need little care (Schulman et al. 2017, arXiv:1707.06347, section 6.1 sweeps ε);
Henderson et al. 2018 (arXiv:1709.06560) found results to hang on settings and seeds. Here the best J is known, so each
run is a share of the way from the reference to it.  Chapter 21.
"""

import math

import numpy as np

from course_lib.chapters.ch21_ppo.learning import sweep
from course_lib.course.claims.core import Claim, Summary, Verdict

CLIPS = (0.05, 0.1, 0.2, 0.5, math.inf)
LRS = (0.02, 0.06, 0.2, 0.6)
BETAS = (0.1, 0.5)


def measure(seed: int, *, progress, rounds: int) -> dict[str, list]:
    """way: [clip][lr][β], the share of the way from the reference's J to the best J after `rounds` rounds of 4 epochs:
    1 all of it, 0 none, below 0 worse than the reference."""
    return {"way": sweep(CLIPS, LRS, BETAS, rounds=rounds, seed=seed, progress=progress).tolist()}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Spread: largest less smallest along one factor, mean over the others, ε = ∞ left out. Holds: in every seed the
    rate's spread is twice that of ε or more, and at the two largest rates going without a clip ends lower on average
    than ε = 0.2. Fails: on average over seeds ε's spread is no smaller than the rate's, or without a clip no run at all
    ends lower than the same run with ε = 0.2. Else partly."""
    way = figures["way"].values
    bound = way[:, :-1]
    by_clip, by_lr = (np.ptp(bound, axis=axis).mean(axis=(1, 2)) for axis in (1, 2))
    by_beta = np.ptp(bound, axis=3).mean(axis=(1, 2))
    chosen, free = way[:, CLIPS.index(0.2)], way[:, -1]
    fast, loose = chosen[:, 2:].mean(axis=(1, 2)), free[:, 2:].mean(axis=(1, 2))
    told = (
        f"终点（1 是 π*，0 是参考）随学习率变 {by_lr.mean():.2f}，随 ε（0.05 到 0.5）变 {by_clip.mean():.2f}，"
        f"随 β 变 {by_beta.mean():.2f}；种子之间的标准差平均 {figures['way'].std.mean():.3f}。"
        f"两个大的学习率：ε 0.2 走到 {fast.mean():.2f}，不裁剪 {loose.mean():.2f}。"
        f"跌到参考以下的：有裁剪 {(bound < 0).mean():.1%}，不裁剪 {(free < 0).mean():.1%}。"
    )
    if by_clip.mean() >= by_lr.mean() or (free >= chosen).all():
        return Verdict("fails", f"ε 和学习率一样敏感，或者不裁剪从来不差。{told}")
    if (by_lr >= 2 * by_clip).all() and (loose < fast).all():
        return Verdict("holds", told)
    return Verdict("partly", f"不是每个种子都这样：学习率的影响不到 ε 的两倍，或者不裁剪并不更差。{told}")


CLAIM = Claim(
    id="C28b",
    chapter="21",
    title="ε、学习率、β，哪一个最要小心",
    statement="学习率换三十倍，终点的差别是 ε 换十倍的两倍以上；学习率大时，不裁剪比 ε = 0.2 差。",
    question="裁剪说是为了不必精调。ε 从 0.05 换到 0.5，终点差多少？学习率呢？",
    refuted_if="ε 造成的差别平均不小于学习率，或者不裁剪的没有一次比 ε = 0.2 差。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"rounds": 3},
    full={"rounds": 30},
    quick_seeds=(0,),
    labels={
        "way": "从参考到 π* 的路走了几成；每行一个 ε（0.05、0.1、0.2、0.5、不裁剪），"
        "按学习率 0.02、0.06、0.2、0.6，各按 β 0.1、0.5"
    },
    limits="世界是一条音节带，策略和 critic 都是表，每轮 32 个回答、4 遍，AdamW，学习率降到 0。"
    "学习率小的一头是走得不够，不是走坏；轮数多了，这一头的差别会变小。学习率的范围（三十倍）比 ε 的（十倍）宽，"
    "两个数因此不完全对等。大模型上还有这里没有的敏感：奖励的尺度、批的大小、critic 的起点。",
)
