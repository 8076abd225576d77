"""One exercise of each kind, for the tests of checking and of the page."""

import torch

from course_lib.course.exercises import Exercise, Mistake

NEXT = Exercise(
    id="98-mean-1-next",
    kind="choice",
    task="每个数都加 3，平均变成多少？只看：\n\n- 总和\n- 个数",
    choices={"A": "不变", "B": "加 3", "C": "乘 3"},
    solution="B",
    mistakes=[
        Mistake("unchanged", "A", "每个数都变大了，平均不会不动。"),
        Mistake("scaled", "C", "乘 3 是每个数都**乘** 3 时的事。"),
    ],
    passes="平均跟着平移。",
)
VALUE = Exercise(
    id="98-mean-1",
    title="心算平均",
    level=1,
    minutes=2,
    task="$x = (1, 2, 6)$，平均是多少？",
    solution=3.0,
    mistakes=[
        Mistake("sum", 9, "9 是总和，还要除以个数。"),
        Mistake("median", 2, "2 是中间那个数，不是平均。"),
        Mistake("pairs", 4.5, "你除以了 2。一共有 3 个数。"),
    ],
    hints=["先求和。", "再除以 3。"],
    passes="总和除以个数。",
    follow_up=NEXT,
)
SHARE = Exercise(
    id="98-mean-2",
    title="占多少",
    task="1,000 个词里有 26 个是“的”。占多少？",
    solution=0.026,
    percent=True,
    mistakes=[
        Mistake("inverse", 1000 / 26, "反了：26 除以 1,000。"),
        Mistake("others", 0.974, "这是其余的词。"),
        Mistake("per_mille", 0.26, "差十倍：26 / 1,000 是百分之二点六。"),
    ],
    hints=["除一除。"],
    passes="2.6 %。",
    next="两万个词里呢？",
)
BROKEN = """
def centred(x):
    return x - x.mean(dim=-1, keepdim=True)
"""
REPAIR = Exercise(
    id="98-mean-3",
    kind="repair",
    title="各列的平均",
    level=2,
    minutes=4,
    task="`centred(x)` 要让 [T, D] 的每一**列**平均为 0。找出这一处错，改对。",
    program=BROKEN,
    symptom="`centred(x).mean(0)` 不是 0，`centred(x).mean(1)` 是。",
    solution=lambda x: x - x.mean(dim=0),
    mistakes=[
        Mistake("unchanged", lambda x: x - x.mean(dim=-1, keepdim=True), "它让每一行平均为 0。"),
        Mistake("of_all", lambda x: x - x.mean(), "你减去了全部的平均，各列的平均仍然不同。"),
        Mistake("scaled", lambda x: (x - x.mean(dim=0)) / x.std(dim=0), "平均对了，可是还除了标准差。"),
    ],
    hints=["`dim` 说的是沿哪一维求平均。"],
    passes="沿第 0 维求平均，再减去。",
    next="输入是 [B, T, D] 时，`dim` 该写几？",
    cases=lambda rng: [(torch.from_numpy(rng.normal(size=size)),) for size in ((2, 3), (3, 2), (5, 4))],
)
