"""Exercises of chapter 24, PPO, DPO and GRPO compared. The three of the mould: a value, a function, a repair."""

import torch

from course_lib.course.exercises.core import Exercise, Mistake


def _shares(counts):
    return counts / counts.sum()


def _counts(rng):
    return [(torch.from_numpy(rng.uniform(0.5, 4.0, size=size)),) for size in (2, 3, 6)]


def _centred(x):
    return x - x.mean(dim=0)


CENTRED = """
def centred(x):
    return x - x.mean(dim=-1, keepdim=True)
"""


def _tables(rng):
    return [(torch.from_numpy(rng.normal(size=shape)),) for shape in ((2, 3), (3, 2), (5, 4))]


EXERCISES = [
    Exercise(
        id="24-comparison-1",
        title="样题，请替换：心算乘法次数",
        level=1,
        minutes=2,
        task="一个 [3, 4] 的矩阵乘一个 [4, 5] 的矩阵。不用电脑：一共做多少次乘法？",
        stub="answer = ...  # 一个整数",
        solution=60,
        mistakes=[
            Mistake("outputs", 15, "15 是结果的格子数。每一格要做 4 次乘法。"),
            Mistake("left", 12, "12 是左边矩阵的数的个数。它们每个要用 5 次。"),
            Mistake("additions", 45, "45 是加法：每一格 4 个乘积，加 3 次。题目问乘法。"),
        ],
        hints=["结果的形状是 [3, 5]。", "每一格是 4 个乘积的和。"],
        passes="三个长度相乘：行、中间、列。",
        follow_up=Exercise(
            id="24-comparison-1-next",
            kind="choice",
            task="右边换成 [4, 10]，乘法变成几倍？",
            choices={"A": "不变", "B": "2 倍", "C": "4 倍"},
            solution="B",
            mistakes=[
                Mistake("unchanged", "A", "结果多了一倍的格子，每一格还是 4 次。"),
                Mistake("both", "C", "只有列数翻倍，中间的 4 没有变。"),
            ],
            passes="乘法的次数与列数成正比。",
        ),
        tolerance=1e-6,
    ),
    Exercise(
        id="24-comparison-2",
        title="样题，请替换：占比",
        level=1,
        minutes=3,
        task="写 `shares(counts)`：`counts` 是 [N] 个正数，返回每个数占总和的多少，形状 [N]。",
        stub="def shares(counts):\n    ...",
        solution=_shares,
        mistakes=[
            Mistake("by_largest", lambda counts: counts / counts.max(), "你除以了最大的数。占比要除以总和。"),
            Mistake("by_number", lambda counts: counts / len(counts), "你除以了个数。占比要除以总和。"),
            Mistake("softmax", lambda counts: counts.softmax(-1), "这是 softmax，它先取了指数。这里直接除以总和。"),
        ],
        hints=["结果加起来是多少？", "总和是 `counts.sum()`。"],
        passes="除以总和，结果加起来是 1。",
        next="总和是 0 时怎么办？",
        cases=_counts,
    ),
    Exercise(
        id="24-comparison-3",
        title="样题，请替换：修一修",
        level=2,
        minutes=4,
        kind="repair",
        task="`centred(x)` 要让 [T, D] 的每一**列**平均为 0。找出这一处错，改对。",
        program=CENTRED,
        symptom="各列的平均都不是 0，各行的平均倒是 0。",
        solution=_centred,
        mistakes=[
            Mistake("unchanged", lambda x: x - x.mean(dim=-1, keepdim=True), "还是原来的：它让每一行平均为 0。"),
            Mistake("of_all", lambda x: x - x.mean(), "你减去了全部的平均，各列的平均仍然不同。"),
            Mistake("scaled", lambda x: (x - x.mean(dim=0)) / x.std(dim=0), "平均对了，可是还除了标准差；只要平移。"),
        ],
        hints=["`dim` 说的是沿哪一维求平均。", "列的平均沿 T 求，T 是第 0 维。"],
        passes="沿第 0 维求平均，再减去，每一列平均为 0。",
        next="输入是 [B, T, D] 时，`dim` 该写几？",
        cases=_tables,
    ),
]
