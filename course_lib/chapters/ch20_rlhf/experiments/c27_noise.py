"""C27: how often a reward model prefers what the rules prefer, by number of pairs and share of turned labels.

The listed world of 511 answers: all numbers with all shares. Poems of the zoo's poet: by number alone. Always held out,
and against the true preference; beside it how often it agrees with the labels it has learned from.  Chapter 20.
"""

from course_lib import zoo
from course_lib.chapters.ch20_rlhf import listed_preferences, poem_judge, poem_preferences
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.posttraining.reward_model import RewardModel
from course_lib.toys.rhymes import Pair

FLIPS = (0.0, 0.1, 0.2, 0.3, 0.4)


def in_the_listed_world(n: int, flip: float, seed: int, steps: int) -> tuple[float, float]:
    """Right on the answers held out; agreement with the labels learned from."""
    some, _ = listed_preferences.pairs(n, seed, flip)
    scores = listed_preferences.scores_of(listed_preferences.reward_model(some, seed, steps))
    agrees = (scores[some[:, 0]] > scores[some[:, 1]]).double().mean()
    return listed_preferences.right(scores, listed_preferences.listed().is_held_out), float(agrees)


def on_poems(model: RewardModel, n_exam: int, some: list[Pair]) -> tuple[float, float]:
    """Right on pairs held out; agreement with pairs learned from."""
    return (
        poem_preferences.right(model, poem_preferences.exam(n_exam)),
        poem_preferences.agrees(model, some[:n_exam]),
    )


def measure(seed: int, *, progress, n_listed, steps: int, n_poems, n_exam: int) -> dict[str, list]:
    """listed…: by number and share. poems…: by number, and last the zoo's poem-judge, which has seen most."""
    cells = [[(n, flip) for flip in FLIPS] for n in n_listed]
    listed = [[in_the_listed_world(*cell, seed, steps) for cell in row] for row in progress(cells, "listed world")]
    learned = [poem_preferences.pairs(n, seed) for n in n_poems]
    models = [poem_preferences.reward_model(some, seed) for some in progress(learned, "poems")]
    poems = [on_poems(model, n_exam, some) for model, some in zip(models, learned)]
    poems.append(on_poems(zoo.load("poem-judge"), n_exam, poem_judge.pairs_of(0)))
    return {
        "listed": [[held for held, _ in row] for row in listed],
        "listed_labels": [[agrees for _, agrees in row] for row in listed],
        "poems": [held for held, _ in poems],
        "poems_labels": [agrees for _, agrees in poems],
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in either world and every seed the most pairs are 0.03 better than the fewest; in the listed world turning
    40 % of the most costs 0.03 and still leaves 0.6. Fails: in the listed world, on average, more pairs or truer labels
    do not help. Else partly."""
    listed, poems = figures["listed"].values, figures["poems"].values
    more, noise = listed[:, -1, 0] - listed[:, 0, 0], listed[:, -1, 0] - listed[:, -1, -1]
    told = (
        f"列得完的世界：最少的对 {listed.mean(axis=0)[0, 0]:.1%}，最多的对 {listed.mean(axis=0)[-1, 0]:.1%}，"
        f"四成标签翻转，最少的对 {listed.mean(axis=0)[0, -1]:.1%}，最多的对 {listed.mean(axis=0)[-1, -1]:.1%}。"
        f"诗：{'、'.join(f'{each:.1%}' for each in poems.mean(axis=0))}。"
    )
    if more.mean() <= 0 or noise.mean() <= 0:
        return Verdict("fails", f"对数多了没有更准，或者标签翻转没有更不准。{told}")
    lacking = [
        name
        for name, each, least in (
            ("列得完的世界：对数", more, 0.03),
            ("列得完的世界：翻转", noise, 0.03),
            ("诗：对数", poems[:, -1] - poems[:, 0], 0.03),
            ("四成翻转以后", listed[:, -1, -1], 0.6),
        )
        if (each < least).any()
    ]
    if lacking:
        return Verdict("partly", f"不是每个种子都够（{'、'.join(lacking)}）。{told}")
    return Verdict("holds", told)


CLAIM = Claim(
    id="C27",
    chapter="20",
    title="奖励模型准不准，看对数和标签",
    statement="成对比较越多，奖励模型在没见过的对上越准；标签翻转得越多越不准；翻转四成，对数多了仍好过乱猜。",
    question="一百对好标签，还是一万对有四成是错的？",
    refuted_if="对数多了没有更准，或者标签翻转四成也一样准。",
    seeds=(1, 2, 3),
    measure=measure,
    judge=judge,
    quick={"n_listed": [100, 1000], "steps": 12, "n_poems": [16, 32], "n_exam": 60},
    full={"n_listed": [100, 1000, 10_000], "steps": 80, "n_poems": [200, 800], "n_exam": 500},
    quick_seeds=(1,),
    labels={
        "listed": "列得完的世界，没见过的回答，判对的对；每行 100、1000、10000 对，按翻转 0、10%、20%、30%、40%",
        "listed_labels": "同上，与学过的标签一致的对",
        "poems": "诗，没见过的诗，判对的对：学过 200、800、38400 对",
        "poems_labels": "同上，与学过的标签一致的对",
    },
    limits="标签是规则给的：同一对总是同一个答案，翻转是偶然的。人的标签错得有规律，偏爱长的、像自己写的；"
    "那样的错，C27c 另问。诗只比对数，没有比翻转：几百对诗还学不到多少，翻转的差别看不出来；"
    "学过 38,400 对的是课程带的 poem-judge，三个种子是同一个模型。一首诗平均出现在四对里，种子之间共用同一批诗。"
    "列得完的世界里回答只有 511 个，步数固定，100 对的每一对要看二十几遍，所以它记住了标签。",
)
