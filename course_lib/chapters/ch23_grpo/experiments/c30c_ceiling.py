"""C30c: past the demonstrator: GRPO from models that imitated one who is right in a share p, the rule as reward.

SFT can only reach what it is shown (C25b: answers drawn from it are right about as often as the demonstrator's). GRPO
(Shao et al. 2024, arXiv:2402.03300) asks only that a right answer is written now and then: groups in which all answers
earn the same teach nothing. Three kinds of error: another number each time, the carry forgotten now and then, the carry
never known.  Chapter 23.
"""

import copy

import numpy as np

from course_lib.chapters.ch23_grpo import learning
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.toys.sums import Demonstrator
from course_lib.toys.sums_answers import accuracy

CASES = ((0.5, "random"), (0.3, "random"), (0.7, "random"), (0.3, "systematic"), (0.5, "carry"))
NAMES = ("随机的错 50%", "随机的错 30%", "随机的错 70%", "固定的错 30%", "不会进位 50%")
PARTS = 6  # of the rounds, for the curves


def measure(seed: int, *, progress, sft_steps: int, rounds: int, n_asked: int) -> dict[str, list[list[float]]]:
    """By case, on pairs held out, asked as the demonstrator is asked: sampled and greedy right before and after GRPO.
    reward, taught: by case, means of six equal parts of the rounds."""
    figures: dict[str, list] = {name: [] for name in ("sampled", "greedy", "reward", "taught")}
    for p, error in progress(CASES, "示范者"):
        before = learning.follower(p, error, seed, steps=sft_steps)
        after = copy.deepcopy(before)
        run = learning.past_ceiling(after, p, error, rounds=rounds, seed=seed)
        asked = Demonstrator(p, error).questions("held-out", n_asked, seed)
        figures["sampled"].append([accuracy(model, asked, sample=True, seed=seed) for model in (before, after)])
        figures["greedy"].append([accuracy(model, asked) for model in (before, after)])
        for name in ("reward", "taught"):
            figures[name].append([float(part.mean()) for part in np.array_split(run.figures[name], PARTS)])
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every case and seed, after GRPO, sampled and greedy answers are right in p + (1 - p)/2 or more: half of
    what the demonstrator lacks is made up. Fails: with random errors and p = 0.5 the sampled ones are on average not
    even 0.1 above p. Else partly."""
    p = np.array([share for share, _ in CASES])
    sampled, greedy = figures["sampled"].values, figures["greedy"].values
    told = "；".join(
        f"{name}：抽样 {s[0]:.0%} → {s[1]:.0%}，取最大 {g[0]:.0%} → {g[1]:.0%}"
        for name, s, g in zip(NAMES, figures["sampled"].mean, figures["greedy"].mean)
    )
    began = figures["taught"].mean[:, 0]
    told = f"GRPO 前后，{told}。起初六分之一的轮次里，奖励不全相同的组占 {began.min():.0%} 到 {began.max():.0%}。"
    if figures["sampled"].mean[0, 1] < p[0] + 0.1:
        return Verdict("fails", f"随机的错、示范者对一半时，抽样没有越过示范者 10 个百分点。{told}")
    made_up = np.minimum(sampled[..., 1], greedy[..., 1]) - p - (1 - p) / 2
    if (made_up >= 0).all():
        return Verdict("holds", told)
    short = "、".join(name for name, least in zip(NAMES, made_up.min(axis=0)) if least < 0)
    return Verdict("partly", f"不是每种错、每个种子都补上了一半（{short}）。{told}")


CLAIM = Claim(
    id="C30c",
    chapter="23",
    title="越过示范者",
    statement="示范者只对一部分，SFT 跟着他停下；GRPO 从那里出发，规则当奖励，抽样和取最大都把示范者缺的补上一半以上，"
    "不管错是随机的、固定的，还是从来不会进位。",
    question="示范者只有三成对，错得还都一样，SFT 以后取最大几乎全错。只告诉它每次对没对，GRPO 学得会吗？",
    refuted_if="随机的错、示范者对一半时，GRPO 以后抽样答对的平均不到六成。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"sft_steps": 20, "rounds": 6, "n_asked": 40},
    full={"sft_steps": 200, "rounds": 150, "n_asked": 300},
    quick_seeds=(0,),
    labels={
        "sampled": "抽样答对的，GRPO 前、后；每行：随机 50%、30%、70%，固定 30%，不会进位 50%",
        "greedy": "取最大答对的，同样排列",
        "reward": "训练中的奖励，分六段平均",
        "taught": "奖励不全相同的组，分六段平均",
    },
    limits="底子本来会加法，SFT 才把它拉低：GRPO 找回的是还写得出来的东西，不是教会新的。不会进位的那一种，"
    "对的答案起初几乎不出现，靠偶然写对的几次起步；一次也写不出来时，这里的结果不适用。奖励是规则，没有错判；答案只有两三个词。"
    "学习率在别的种子上选过（0.0003；0.001 时会垮）。"
    "SFT 只学最后一层的前馈网络和最后的归一化，只学了 200 步；GRPO 学全部。"
    "底子只有一个，种子换示范、题目和抽样。",
)
