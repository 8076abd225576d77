"""C28: PPO's four models: what each keeps in memory, by kind, and what each part of a round computes and takes.

Actor, critic, reference and reward model (Ouyang et al. 2022, arXiv:2203.02155), the same GPT-2 four times, fp32,
AdamW. Bytes are counted, operations by torch's FlopCounterMode; seconds are this process's own on one thread, and
another machine has others.  Chapter 21.
"""

import time
from collections.abc import Callable
from statistics import median

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.toys.model_costs import CONFIGS, operations
from course_lib.toys.ppo_step import PARTS, PPOStep


def seconds(work: Callable[[], object]) -> float:
    """Of this process on its processor, not of the clock on the wall."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(seed: int, *, progress, n: int, length: int, rounds: int) -> dict[str, list]:
    """memory: [config][ROLES][KINDS] in megabytes. operations, seconds: [config][PARTS], of one update; the median of
    `rounds` rounds for the seconds."""
    figures: dict[str, list] = {"memory": [], "operations": [], "seconds": []}
    for config in progress(CONFIGS, "models"):
        step = PPOStep(config, n=n, length=length, seed=seed)
        figures["operations"].append([operations(getattr(step, part)) for part in PARTS])
        figures["memory"].append(list(step.memory().values()))
        taken = [[seconds(getattr(step, part)) for part in PARTS] for _ in range(rounds)]
        figures["seconds"].append([median(each) for each in zip(*taken)])
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed and for every model all four together need at most 2.6 times what the actor does by itself,
    the two that only read at most a fifth of it, writing is at most a quarter of the operations, and on average over
    seeds a larger share of the seconds than of the operations. Fails: on average 3.5 times as much or more, or the two
    that only read a third or more, or writing half of the operations or more. Else partly."""
    memory, work, took = (figures[name].values for name in ("memory", "operations", "seconds"))
    each = memory.sum(axis=-1)
    times = each.sum(axis=-1) / each[..., 0]
    reads = each[..., 2:].sum(axis=-1) / each.sum(axis=-1)
    writes, waits = (part[..., 0] / part.sum(axis=-1) for part in (work, took))
    kinds = memory.mean(axis=0).sum(axis=1)
    told = "；".join(
        f"{name}：合计 {each.sum(axis=-1).mean(axis=0)[c]:.1f} MB，是单独训练 actor 的 {times.mean(axis=0)[c]:.2f} 倍"
        f"（权重 {kinds[c, 0]:.1f}，梯度 {kinds[c, 1]:.1f}，Adam {kinds[c, 2]:.1f}，激活 {kinds[c, 3]:.1f}），"
        f"只读的两个占 {reads.mean(axis=0)[c]:.0%}；写占一步运算的 {writes.mean(axis=0)[c]:.0%}，"
        f"占这台机器上处理器时间的 {waits.mean(axis=0)[c]:.0%}"
        for c, name in enumerate(("窄的", "宽的", "诗人那样的"))
    )
    told = f"{told}。"
    if times.mean() >= 3.5 or reads.mean() >= 1 / 3 or writes.mean() >= 0.5:
        return Verdict("fails", f"四个模型差不多就是四倍，或者只读的两个占了三分之一，或者写占了运算的一半。{told}")
    small = (times <= 2.6).all() and (reads <= 0.2).all() and (writes <= 0.25).all()
    if small and (waits.mean(axis=0) > writes.mean(axis=0)).all():
        return Verdict("holds", told)
    return Verdict("partly", f"不是每个模型、每个种子都这样。{told}")


CLAIM = Claim(
    id="C28",
    chapter="21",
    title="四个模型，要几份内存",
    statement="四个同样大的模型要的内存不是单独训练一个的四倍，是两倍半左右：只读的两个没有梯度、Adam 和激活，"
    "占不到两成；写回答的运算不到一步的四分之一，花的时间却不止。",
    question="PPO 要同时放四个模型。内存是只训练 actor 的四倍吗？一步里，什么最花时间？",
    refuted_if="合计平均不少于单独训练 actor 的 3.5 倍，或者只读的两个占到三分之一，或者写占一步运算的一半。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"n": 4, "length": 8, "rounds": 1},
    full={"n": 32, "length": 32, "rounds": 9},
    quick_seeds=(0,),
    labels={
        "memory": "兆字节；每个模型（窄、宽、诗人那样的）：actor、critic、参考、奖励模型，各按权重、梯度、Adam、激活",
        "operations": "一步的矩阵运算，十亿次；每个模型：写、参考、奖励模型、critic、更新一次",
        "seconds": "处理器秒，单线程，与机器有关；次序同上",
    },
    limits="四个模型一样大，真实的奖励模型和 critic 可以小一些。激活数的是反向传播要留下的张量，不数临时的，"
    "也没有重算激活、低精度，没有分到几张卡。运算不是时间：写是一个词一个词地写，机器用得最不满；"
    "秒数随机器变，在 GPU 上、回答长的时候，写占的份额通常更大。每写一次只更新一次；更新几次时，写的份额按比例变小。",
)
