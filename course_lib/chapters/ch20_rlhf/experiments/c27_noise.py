"""C27: how often a reward model prefers what the rules prefer, by number of pairs and share of turned labels.

The listed world of 511 answers: all numbers with all shares. Poems of the zoo's poet: some of them. Always held out,
and against the true preference; beside it how often it agrees with the labels it has learned from.  Chapter 20.
"""

import numpy as np

from course_lib.chapters.ch20_rlhf import listed_preferences, poem_preferences
from course_lib.course.claims.core import Claim, Summary, Verdict

FLIPS = (0.0, 0.1, 0.2, 0.3, 0.4)


def in_the_listed_world(n: int, flip: float, seed: int, steps: int) -> tuple[float, float]:
    """Right on the answers held out; agreement with the labels learned from."""
    some, _ = listed_preferences.pairs(n, seed, flip)
    scores = listed_preferences.scores_of(listed_preferences.reward_model(some, seed, steps))
    agrees = (scores[some[:, 0]] > scores[some[:, 1]]).double().mean()
    return listed_preferences.right(scores, listed_preferences.listed().is_held_out), float(agrees)


def on_poems(n: int, flip: float, seed: int, n_exam: int) -> tuple[float, float]:
    model = poem_preferences.learned(n, seed, flip)
    some = poem_preferences.pairs(n, seed, flip)[:n_exam]
    return poem_preferences.right(model, poem_preferences.exam(n_exam)), poem_preferences.agrees(model, some)


def measure(seed: int, *, progress, n_listed, steps: int, n_poems, n_exam: int) -> dict[str, list]:
    """listed…: by number and share. poems…: by number without turned labels, then the largest with 0.2 and 0.4."""
    cells = [[(n, flip) for flip in FLIPS] for n in n_listed]
    listed = [[in_the_listed_world(*cell, seed, steps) for cell in row] for row in progress(cells, "listed world")]
    few = [*((n, 0.0) for n in n_poems), (n_poems[-1], 0.2), (n_poems[-1], 0.4)]
    poems = [on_poems(*cell, seed, n_exam) for cell in progress(few, "poems")]
    return {
        "listed": [[held for held, _ in row] for row in listed],
        "listed_labels": [[agrees for _, agrees in row] for row in listed],
        "poems": [held for held, _ in poems],
        "poems_labels": [agrees for _, agrees in poems],
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in either world and every seed the most pairs are 0.03 better than the fewest, and turning 40 % of the
    most costs 0.03; in the listed world that still leaves 0.6. Fails: in the listed world, on average, more pairs or
    truer labels do not help. Else partly."""
    listed, poems = figures["listed"].values, figures["poems"].values
    more = listed[:, -1, 0] - listed[:, 0, 0], poems[:, -3] - poems[:, 0]
    noise = listed[:, -1, 0] - listed[:, -1, -1], poems[:, -3] - poems[:, -1]
    told = (
        f"列得完的世界：最少的对 {listed.mean(axis=0)[0, 0]:.1%}，最多的对 {listed.mean(axis=0)[-1, 0]:.1%}，"
        f"最多的对、四成标签翻转 {listed.mean(axis=0)[-1, -1]:.1%}。"
        f"诗：{poems.mean(axis=0)[0]:.1%}，{poems.mean(axis=0)[-3]:.1%}，{poems.mean(axis=0)[-1]:.1%}。"
    )
    if more[0].mean() <= 0 or noise[0].mean() <= 0:
        return Verdict("fails", f"对数多了没有更准，或者标签翻转没有更不准。{told}")
    enough = all((each >= 0.03).all() for each in (*more, *noise))
    if enough and (listed[:, -1, -1] >= 0.6).all():
        return Verdict("holds", told)
    lacking = [
        name
        for name, each in zip(("列得完的世界：对数", "诗：对数", "列得完的世界：翻转", "诗：翻转"), (*more, *noise))
        if (np.asarray(each) < 0.03).any()
    ]
    return Verdict("partly", f"不是每个种子都差到 3 个百分点（{'、'.join(lacking) or '四成翻转后不到 60%'}）。{told}")


CLAIM = Claim(
    id="C27",
    chapter="20",
    title="奖励模型准不准，看对数和标签",
    statement="成对比较越多，奖励模型在没见过的对上越准；标签翻转得越多越不准；翻转四成，对数多了仍好过乱猜。",
    question="一百对好标签，还是一万对有四成是错的？",
    refuted_if="对数多了没有更准，或者标签翻转四成也一样准。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"n_listed": (100, 1000), "steps": 15, "n_poems": (16, 48), "n_exam": 60},
    full={"n_listed": (100, 1000, 10_000), "steps": 120, "n_poems": (200, 800, 2400), "n_exam": 600},
    quick_seeds=(0,),
    labels={
        "listed": "列得完的世界，没见过的回答，判对的对；每行 100、1000、10000 对，按翻转 0、10%、20%、30%、40%",
        "listed_labels": "同上，与学过的标签一致的对",
        "poems": "诗，没见过的诗，判对的对：200、800、2400 对，2400 对翻转 20%，2400 对翻转 40%",
        "poems_labels": "同上，与学过的标签一致的对",
    },
    limits="标签是规则给的：同一对总是同一个答案，翻转是偶然的。人的标签错得有规律，偏爱长的、像自己写的；"
    "这样的错，对数再多也洗不掉。诗的奖励模型不到一百万个数，每对只看一遍，一首诗平均出现在四对里；"
    "种子之间共用同一批诗，换的是谁和谁比、翻转哪些、学的次序。列得完的世界里，回答只有 511 个，"
    "步数固定，100 对的每一对要看近四十遍，所以它记住了标签。",
)
