"""C31: the mould's sample; say here what is measured, by which formula, and after which source.  Chapter 24."""

import numpy as np

from course_lib.course.claims.core import Claim, Summary, Verdict


def measure(seed: int, *, progress, n_draws: int) -> dict[str, float]:
    """Mean of `n_draws` normal numbers, in standard errors."""
    chance = np.random.default_rng(seed)
    drawn = [chance.normal() for _ in progress(range(n_draws), "draws")]
    return {"mean": float(np.mean(drawn) * np.sqrt(n_draws))}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds if every mean is within four standard errors of 0."""
    worst = np.abs(figures["mean"].values).max()
    if worst > 4:
        return Verdict("fails", f"平均数离 0 有 {worst:.2f} 个标准误，超过 4 个。")
    return Verdict("holds", f"平均数离 0 至多 {worst:.2f} 个标准误。")


CLAIM = Claim(
    id="C31",
    chapter="24",
    title="样例，请换成本章的主张",
    statement="标准正态随机数的平均数靠近 0。",
    question="平均数离 0 有几个标准误？",
    refuted_if="任何一个种子的平均数离 0 超过 4 个标准误。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"n_draws": 100},
    full={"n_draws": 1000},
    quick_seeds=(0,),
    labels={"mean": "平均数（标准误）"},
    limits="这里写玩具规模看不到什么。",
)
