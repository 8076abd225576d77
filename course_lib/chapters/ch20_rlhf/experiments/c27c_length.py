"""C27c: length taken for quality: labels by people who now and then just take the longer answer.

The listed world; pairs of all answers alike; of n answers of the writer the reward model picks one. Beside it labels
that are turned by chance, as many of them. Reward models that prefer what is long: Singhal et al. 2023
(arXiv:2310.03716).  Chapter 20.
"""

import numpy as np
import torch

from course_lib.chapters.ch20_rlhf import listed_preferences
from course_lib.course.claims.core import Claim, Summary, Verdict

LAZY = (0.0, 0.3, 0.5, 0.7)
COUNTS = (1, 4, 16, 64, 256, 1024)


def picked(some: torch.Tensor, seed: int, steps: int) -> dict[str, list[float]]:
    """Of the best of each count by a reward model of these pairs: its score, true score and syllables."""
    world = listed_preferences.listed()
    proxy = listed_preferences.scores_of(listed_preferences.reward_model(some, seed, steps))
    wins = listed_preferences.best_of(proxy, world.probs, COUNTS)
    values = {"proxy": proxy, "true": world.worth, "length": listed_preferences.syllables(world.ids).double()}
    return {name: (wins @ each).tolist() for name, each in values.items()}


def measure(seed: int, *, progress, n_pairs: int, steps: int) -> dict[str, list]:
    """By share of lazy labels and count; chance_true: as many labels turned by chance. wrong: share of wrong ones."""
    worth = listed_preferences.listed().worth
    lazy, chance, wrong = [], [], []
    for share in progress(LAZY, "shares"):
        some = listed_preferences.lazy_pairs(n_pairs, seed, share, drawn="alike")
        wrong.append(float((worth[some[:, 0]] < worth[some[:, 1]]).double().mean()))
        turned, _ = listed_preferences.pairs(n_pairs, seed, wrong[-1])
        lazy.append(picked(some, seed, steps))
        chance.append(picked(turned, seed, steps))
    figures = {name: [each[name] for each in lazy] for name in lazy[0]}
    return figures | {"wrong": wrong, "chance_true": [each["true"] for each in chance]}


def judge(figures: dict[str, Summary]) -> Verdict:
    """With the most lazy labels. Holds: in every seed the proxy rises, the true score at 1024 lies below that at 1, and
    turning as many by chance leaves it above. Fails: on average it does not lie below, or chance does as much harm.
    Else partly."""
    true, chance, proxy = (figures[name].values[:, -1] for name in ("true", "chance_true", "proxy"))
    mean = figures["true"].mean
    told = (
        f"偷懒 {'、'.join(f'{share:.0%}' for share in LAZY)}，"
        f"标错 {'、'.join(f'{share:.1%}' for share in figures['wrong'].mean)}："
        f"n = 1024 时真正的分 {'、'.join(f'{each:.2f}' for each in mean[:, -1])}（n = 1 时 {mean[0, 0]:.2f}），"
        f"音节 {'、'.join(f'{each:.1f}' for each in figures['length'].mean[:, -1])}；"
        f"同样多的标签偶然翻转，真正的分 {'、'.join(f'{each:.2f}' for each in figures['chance_true'].mean[:, -1])}。"
    )
    if true[:, -1].mean() >= true[:, 0].mean() or chance[:, -1].mean() <= true[:, -1].mean():
        return Verdict("fails", f"真正的分没有跌下来，或者偶然的错一样坏。{told}")
    if (true[:, -1] < true[:, 0]).all() and (chance[:, -1] > true[:, -1]).all() and (np.diff(proxy) >= 0).all():
        return Verdict("holds", told)
    return Verdict("partly", f"不是每个种子都如此。{told}")


CLAIM = Claim(
    id="C27c",
    chapter="20",
    title="把长当成好，挑得越狠越坏",
    statement="七成的标签是偷懒的人给的，他们只挑长的：奖励模型的分随 n 一直涨，真正的分却跌到不挑还好；"
    "同样多的标签错得没有规律，就没有这样坏。",
    question="标签错得有规律，和错得偶然，一样坏吗？",
    refuted_if="n = 1024 时真正的分不比 n = 1 低，或者偶然的错一样坏。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"n_pairs": 200, "steps": 15},
    full={"n_pairs": 3000, "steps": 120},
    quick_seeds=(0,),
    labels={
        "proxy": "最好的一个，奖励模型的分；每行偷懒 0、30%、50%、70%，按 n = 1、4、16、64、256、1024",
        "true": "同上，真正的分",
        "length": "同上，音节",
        "wrong": "标错的标签，按偷懒的份额",
        "chance_true": "同样多的标签偶然翻转，最好的一个，真正的分；行列同上",
    },
    limits="偷懒的份额很大，而且只看长短；真人的偏好混着许多别的。这个世界里超过五个音节要倒扣，正好罚了偏爱长的人，"
    "现实中长的回答有时确实更好。偷懒七成时将近一半的标签是错的，偶然翻转这么多，几乎什么也学不到，也就跌不下来。",
)
