"""C25b: demonstrators who are right in a share p of their answers; what does SFT on them reach?

Three kinds of error: another number each time, the carry forgotten now and then, the carry never known. Answers drawn
from the model imitate the demonstrator, errors and all. The likeliest answer is the demonstrator's most frequent one:
errors that scatter lose to it, errors that are always alike win where they are more than half.  Chapter 19; 23 goes on.
"""

import numpy as np

from course_lib.chapters.ch19_sft import learning
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.toys.sums import ERRORS, Demonstrator

SHARES = (0.3, 0.5, 0.7, 0.9)


def measure(seed: int, *, progress, steps: int, n_asked: int) -> dict[str, list[list[float]]]:
    """By error and p, on pairs held out, asked as the demonstrator is asked."""
    figures = {"sampled": np.zeros((len(ERRORS), len(SHARES))), "greedy": np.zeros((len(ERRORS), len(SHARES)))}
    cells = [(i, k) for i in range(len(ERRORS)) for k in range(len(SHARES))]
    for i, k in progress(cells, "示范者"):
        model = learning.from_demonstrator(SHARES[k], ERRORS[i], seed, steps=steps)
        asked = Demonstrator(SHARES[k], ERRORS[i]).questions("held-out", n_asked, seed)
        figures["sampled"][i, k] = learning.accuracy(model, asked, sample=True, seed=seed)
        figures["greedy"][i, k] = learning.accuracy(model, asked)
    return {name: each.tolist() for name, each in figures.items()}


def judge(figures: dict[str, Summary]) -> Verdict:
    """That p is a ceiling. Holds: on average over the seeds sampled and greedy answers both settle within 0.05 of p, for
    every error and p. Fails: sampled ones do not, for some error and p, by more than 0.1. Else partly: which do not."""
    p = np.array(SHARES)
    sampled, greedy = figures["sampled"].mean - p, figures["greedy"].mean - p
    names = ("随机的错", "固定的错", "不会进位")
    told = "；".join(
        f"{name}：抽样 {'、'.join(f'{x:.0%}' for x in figures['sampled'].mean[i])}，"
        f"取最大 {'、'.join(f'{x:.0%}' for x in figures['greedy'].mean[i])}"
        for i, name in enumerate(names)
    )
    told = f"示范者对 30%、50%、70%、90% 时，{told}。"
    if np.abs(sampled).max() > 0.1:
        return Verdict("fails", f"抽样的回答离示范者差到 {np.abs(sampled).max():.1%}。{told}")
    if np.abs(sampled).max() <= 0.05 and np.abs(greedy).max() <= 0.05:
        return Verdict("holds", f"抽样和取最大都停在示范者那里。{told}")
    return Verdict("partly", f"抽样离示范者至多 {np.abs(sampled).max():.1%}，取最大差到 {np.abs(greedy).max():.1%}。{told}")


CLAIM = Claim(
    id="C25b",
    chapter="19",
    title="上限被示范者锁死了吗",
    statement="示范者有 p 的时候答对，SFT 以后的模型也停在 p：抽样这样，取最大也这样。",
    question="示范者只有一半答对，每次错得不一样。模型每次取概率最大的字，会对多少？",
    refuted_if="抽样的回答答对的份额，和示范者差 10 个百分点以上。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 10, "n_asked": 50},
    full={"steps": 300, "n_asked": 500},
    quick_seeds=(0,),
    labels={
        "sampled": "抽样答对的，每行一种错（随机、固定、不会进位），每列示范者对 30%、50%、70%、90%",
        "greedy": "取最大答对的，同样排列",
    },
    limits="",
)
