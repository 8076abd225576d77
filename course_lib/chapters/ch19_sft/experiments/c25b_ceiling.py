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
    """Settles near p: within 0.05 of it. Holds: on average over the seeds sampled and greedy answers both do, for every
    error and p. Fails: sampled ones are 0.1 or more from p somewhere, above or below. Else partly."""
    p = np.array(SHARES)
    sampled, greedy = figures["sampled"].mean - p, figures["greedy"].mean - p
    names = ("随机的错", "固定的错", "不会进位")
    told = "；".join(
        f"{name}：抽样 {'、'.join(f'{x:.0%}' for x in figures['sampled'].mean[i])}，"
        f"取最大 {'、'.join(f'{x:.0%}' for x in figures['greedy'].mean[i])}"
        for i, name in enumerate(names)
    )
    told = f"示范者对 30%、50%、70%、90% 时，{told}。"
    told += f"抽样停在示范者上下 5 个百分点以内的，12 格里有 {(np.abs(sampled) <= 0.05).sum()} 格。"
    apart = (
        f"和示范者差多少：抽样 {sampled.min():+.1%} 到 {sampled.max():+.1%}，"
        f"取最大 {greedy.min():+.1%} 到 {greedy.max():+.1%}"
    )
    if np.abs(sampled).max() >= 0.1:
        return Verdict("fails", f"抽样的回答也没有都停在示范者那里。{apart}。{told}")
    if max(np.abs(sampled).max(), np.abs(greedy).max()) <= 0.05:
        return Verdict("holds", f"抽样和取最大都停在示范者那里。{apart}。{told}")
    return Verdict("partly", f"{apart}。{told}")


CLAIM = Claim(
    id="C25b",
    chapter="19",
    title="上限被示范者锁死了吗",
    statement="示范者答对的份额是 p，SFT 以后的模型也停在 p 上下 5 个百分点：抽样这样，取最大也这样。",
    question="示范者只有一半答对，十位每次错得不一样。模型每次取概率最大的字，会对多少？",
    refuted_if="抽样的回答，答对的份额和示范者差 10 个百分点以上，不管高低。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 10, "n_asked": 50},
    full={"steps": 200, "n_asked": 300},
    quick_seeds=(0,),
    labels={
        "sampled": "抽样答对的，每行一种错（随机、固定、不会进位），每列示范者对 30%、50%、70%、90%",
        "greedy": "取最大答对的，同样排列",
    },
    limits="只学最后一层的前馈网络和最后的归一化，底子的其余部分不动：全部都学只试跑过几次，没有入档：示范者错得多时，毁掉了"
    "底子原来会的加法。底子本来就会加，所以这里看到的是模仿把它拉低，不是它学会加法。错都在十位；答案只有两位。"
    "抽样只学了 200 步，没有学满的格子会比示范者低，不能当作上限的证据。底子只有一个，种子只换题目和示范。",
)
