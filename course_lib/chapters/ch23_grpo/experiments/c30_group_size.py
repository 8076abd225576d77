"""C30: the size of a group when the number of answers stays: many small groups, or few large ones?

Sums from a model that imitated a demonstrator who is right half of the time (C30c), and the three answers of the page.
A group of two whose answers earn the same teaches nothing; a large group asks fewer questions. DeepSeekMath (Shao et
al. 2024, arXiv:2402.03300) has G = 64; Wu et al. 2025 (arXiv:2510.00977) find 2 nearly as good as 16.
Chapter 23.
"""

import copy

import numpy as np

from course_lib.chapters.ch23_grpo import learning
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.toys import sums
from course_lib.toys.sums_answers import accuracy

SIZES = (2, 4, 8, 16, 64)
N, PARTS = 64, 6  # answers a round; parts of the rounds, for the curves


def measure(seed: int, *, progress, sft_steps: int, rounds: int, n_asked: int) -> dict[str, list]:
    """By size: sampled and greedy right on held-out sums after the same number of answers; reward, taught: means of six
    equal parts of the rounds. before: sampled. listed: on three answers the mean reward of the last policy."""
    start = learning.follower(0.5, "random", seed, steps=sft_steps)
    found = {
        G: learning.groups([G], n=N, make=lambda: copy.deepcopy(start), rounds=rounds, seed=seed)[G]
        for G in progress(SIZES, "groups")
    }
    asked = sums.questions("held-out", n_asked, seed)
    ways = [learning.to_best(P=N // G, G=G, rounds=40, seed=seed) for G in SIZES]
    figures = {
        "before": accuracy(start, asked, sample=True, seed=seed),
        "sampled": [accuracy(model, asked, sample=True, seed=seed) for model, _ in found.values()],
        "greedy": [accuracy(model, asked) for model, _ in found.values()],
        "listed": [float(way.probs[-1] @ learning.three_answers().reward) for way in ways],
    }
    for name in ("reward", "taught"):
        figures[name] = [
            [float(part.mean()) for part in np.array_split(run.figures[name], PARTS)] for _, run in found.values()
        ]
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: on average over the seeds sampled answers are right 0.03 more often with G = 8 than with 2, and with 64
    not 0.03 more often than with 8. Fails: 8 is no better than 2. Else partly."""
    sampled = figures["sampled"].mean
    step, more = sampled[2] - sampled[0], sampled[4] - sampled[2]
    each = figures["sampled"].values[:, 2] - figures["sampled"].values[:, 0]
    told = f"每轮 {N} 个回答，抽样答对：出发时 {figures['before'].mean:.1%}；" + "，".join(
        f"G = {G} {right:.1%}±{std:.1%}（起初有 {taught:.0%} 的组不全相同）"
        for G, right, std, taught in zip(SIZES, sampled, figures["sampled"].std, figures["taught"].mean[:, 0])
    )
    told += f"。8 比 2 多 {step:+.1%}（各种子 {each.min():+.1%} 到 {each.max():+.1%}），64 比 8 多 {more:+.1%}。"
    told += "三个回答上最后的平均奖励：" + "、".join(f"{each:.2f}" for each in figures["listed"].mean) + "。"
    if step <= 0:
        return Verdict("fails", f"同样多的回答，8 个一组不比 2 个一组好。{told}")
    if step >= 0.03 and more < 0.03:
        return Verdict("holds", told)
    lacking = "8 比 2 好得不到 3 个百分点" if step < 0.03 else "64 比 8 还要好 3 个百分点以上"
    return Verdict("partly", f"{lacking}。{told}")


CLAIM = Claim(
    id="C30",
    chapter="23",
    title="一组几个回答",
    statement="回答的总数不变：组从 2 加到 8，答对的多 3 个百分点以上；再加到 64，问的题少了，就不再多。",
    question="每轮只写 64 个回答：32 道题各写 2 个，8 道题各写 8 个，还是 1 道题写 64 个？",
    refuted_if="平均起来，8 个一组抽样答对的不比 2 个一组多。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"sft_steps": 20, "rounds": 6, "n_asked": 40},
    full={"sft_steps": 200, "rounds": 60, "n_asked": 300},
    quick_seeds=(0,),
    labels={
        "before": "GRPO 以前，抽样答对的",
        "sampled": "GRPO 以后，抽样答对的，组 2、4、8、16、64",
        "greedy": "取最大答对的，同样次序",
        "listed": "三个回答上最后的平均奖励，同样次序",
        "reward": "训练中的奖励，每行一种组，分六段平均",
        "taught": "奖励不全相同的组，同样排列",
    },
    limits="一种学习率（0.0003，在 G = 8、别的种子上选的），60 轮，还没有学到头；别的学习率下次序可能不同。"
    "奖励只有 0 和 1，起初三四成对；对的很少时，小组更常一个对的也没有。除以 std 时，组的大小也改变步子的大小。"
    "写的总数一样，时间不一样：一题写 64 个，提示只读一次。"
    "三个回答上每种组停的地方不同（C30d），这里只比同样多回答以后的奖励。",
)
