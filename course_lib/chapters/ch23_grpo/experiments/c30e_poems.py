"""C30e: GRPO on poems: rhyme past the poets' own, with everything beside it that nobody rewarded.

Rhyme, tones and no character twice are rewarded, each 0 where the form is missing. First with a poem's first line
given, then with two characters, where the poet may choose the form, of which the reward says nothing.  Chapter 23.
"""

from functools import cache

import numpy as np

from course_lib.chapters.ch23_grpo import poems
from course_lib.course.claims.core import Claim, Summary, Verdict

SHOWN = ("reward", "form", "five", "rhyme", "tone", "variety", "distinct", "one end", "repeated", "copied")
WAYS = ({"length": None, "beta": poems.BETA}, {"length": 2, "beta": 0.0})  # first line given, and two characters
RHYMED, FORM_FREE, BEFORE, AFTER = 0, 1, 0, 1
PARTS = 5  # of the rounds, for the curves


@cache
def before(n: int, length: int | None) -> dict[str, float]:
    """The poet's, the same for every seed."""
    return poems.shown(poems.reference(), n=n, length=length)


def measure(seed: int, *, progress, rounds: list[int], lr: float, n: int) -> dict[str, list]:
    """poets: of SHOWN but the reward, of the poets' own poems. shown: [way][before, after][SHOWN]; kl, held_out: [way]
    after, nats a poem, and a character of the poets' poems, less than before. rhymed: the mean of rhyme over five equal
    parts of the rounds, by way."""
    figures: dict[str, list] = {name: [] for name in ("shown", "kl", "held_out", "rhymed")}
    own = poems.poets_own()
    for way, count in progress([*zip(WAYS, rounds)], "GRPO"):
        policy, run = poems.learned(seed, rounds=count, lr=lr, **way)
        both = [before(n, way["length"]), poems.shown(policy, n=n, length=way["length"])]
        figures["shown"].append([[each[name] for name in SHOWN] for each in both])
        figures["kl"].append(both[AFTER]["kl"])
        figures["held_out"].append(both[AFTER]["held-out"] - both[BEFORE]["held-out"])
        parts = np.array_split(run.figures["rhyme"], PARTS)
        figures["rhymed"].append([float(part.mean()) if len(part) else 0.0 for part in parts])
    return {"poets": [own[name] for name in SHOWN[1:]]} | figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed, with the first line given, more of the poems rhyme than of the poets' own, 0.97 have the
    form, and against before five, tone, distinct fell by no more than 0.05, variety by 0.1, repeated rose by no more
    than 0.02, copied lines are 0.01 or fewer, and no character ends more than 0.15 of the lines that rhyme; with two
    characters the share of five rises by 0.3. Fails: on average no more rhyme than of the poets' own, or distinct fell
    by 0.1 or one character ends 0.3 of the lines. Else partly."""

    def of(name: str, way: int = RHYMED):
        values = figures["shown"].values[:, way, :, SHOWN.index(name)]
        return values[:, BEFORE], values[:, AFTER]

    def told_of(way: int, names: dict[str, str]) -> str:
        means = ((word, *(each.mean() for each in of(name, way))) for name, word in names.items())
        return "，".join(f"{word} {before:.2f} → {after:.2f}" for word, before, after in means)

    poets = figures["poets"].mean[SHOWN.index("rhyme") - 1]
    kl, held_out = figures["kl"].mean, figures["held_out"].mean
    free = {"five": "五言", "rhyme": "押韵", "variety": "不重字", "one end": "最常见的韵脚"}
    given = free | {"tone": "平仄", "form": "格式", "distinct": "相邻两字不同", "repeated": "重复的字"}
    told = (
        f"给了首句：{told_of(RHYMED, given)}；诗人自己押韵 {poets:.2f}；"
        f"KL {kl[RHYMED]:.1f} 奈特，真诗每字的对数概率变了 {held_out[RHYMED]:+.2f}。"
        f"只给两个字：{told_of(FORM_FREE, free)}，KL {kl[FORM_FREE]:.1f}。"
    )
    rhyme, ends = of("rhyme")[AFTER], of("one end")[AFTER]
    rose = {name: after - before for name in SHOWN for before, after in [of(name)]}
    more_five = np.subtract(*of("five", FORM_FREE)[::-1])
    if rhyme.mean() <= poets or rose["distinct"].mean() <= -0.1 or ends.mean() >= 0.3:
        return Verdict("fails", f"押韵没有超过诗人，或者诗垮了。{told}")
    lacking = [
        name
        for name, well in (
            ("有种子押韵没有超过诗人", rhyme > poets),
            ("格式不到 0.97", of("form")[AFTER] >= 0.97),
            ("五言的份额变了 0.05 以上", abs(rose["five"]) <= 0.05),
            ("平仄降了 0.05 以上", rose["tone"] >= -0.05),
            ("相邻两字不同的降了 0.05 以上", rose["distinct"] >= -0.05),
            ("不重字的降了 0.1 以上", rose["variety"] >= -0.1),
            ("重复的字多了 0.02 以上", rose["repeated"] <= 0.02),
            ("抄了 1% 以上的句子", of("copied")[AFTER] <= 0.01),
            ("一个字占了 15% 以上的韵脚", ends <= 0.15),
            ("只给两个字时，五言没有多 0.3", more_five >= 0.3),
        )
        if not well.all()
    ]
    if lacking:
        return Verdict("partly", f"不是每个种子都成立（{'；'.join(lacking)}）。{told}")
    return Verdict("holds", told)


CLAIM = Claim(
    id="C30e",
    chapter="23",
    title="押韵超过诗人，诗没有垮",
    statement="奖励押韵、平仄、不重字，给定首句：押韵的份额超过诗人自己，没有奖励的量也没有坏；"
    "同样的奖励，只给两个字，诗人就改写五言，因为二十个字比二十八个字容易不重复。",
    question="奖励里写了押韵、平仄、不重字，没有写五言还是七言。诗人会怎么钻这个空子？",
    refuted_if="给定首句时，押韵平均不超过诗人；或者诗垮了：相邻两字不同的少了 0.1，或三成的韵脚是同一个字。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"rounds": [2, 1], "lr": 5e-4, "n": 16},
    full={"rounds": [60, 30], "lr": 1e-3, "n": 256},
    quick_seeds=(0,),
    labels={
        "poets": "诗人自己的诗：格式、五言、押韵、平仄、不重字、相邻两字不同、最常见的韵脚、重复的字、抄来的句子",
        "shown": "写出来的诗；给首句、给两个字，各为原来、GRPO 以后；奖励（满分 3），然后同上",
        "kl": "一首诗到参考的 KL，奈特：给首句、给两个字",
        "held_out": "真诗每个字的对数概率变了多少",
        "rhymed": "训练中押韵的份额，分五段；每行一种",
    },
    limits="诗人不到一百万个数，只走几十步，每步 64 首；学习率在别的种子上试过，β 取自更长的试跑。"
    "两种给法的 β 不同（0.005 和 0），步数也不同，不能互相比快慢。"
    "规则看不见意思：诗更合规则，不更通顺。份额出自 256 首，标准误约 0.03。"
    "原来的诗人押韵已有六成，所以超过诗人不是难事，难的是别的不坏。",
)
