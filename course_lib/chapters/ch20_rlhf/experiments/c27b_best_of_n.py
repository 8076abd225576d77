"""C27b: the best of n by a learned reward model: what that model says of it, and what it is truly worth.

Gao et al. 2022 (arXiv:2210.10760) saw the true score rise, then fall. Here the true score is known: in the listed world
all is exact, on poems the curve is the mean over all draws of n out of one pool.  Chapter 20.
"""

import numpy as np
import torch

from course_lib import zoo
from course_lib.chapters.ch20_rlhf import listed_preferences, poem_preferences
from course_lib.chapters.ch20_rlhf.poem_preferences import EXAM, best_of_curve, pool, scores_of
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.posttraining.reward_model import RewardModel
from course_lib.toys import rhymes

COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def in_the_listed_world(n_pairs: int, seed: int, steps: int) -> tuple[list[float], list[float]]:
    """Proxy and true score of the best of each count of answers by the writer, who wrote the pairs, too."""
    world = listed_preferences.listed()
    some, _ = listed_preferences.pairs(n_pairs, seed, drawn="by the writer")
    proxy = listed_preferences.scores_of(listed_preferences.reward_model(some, seed, steps))
    wins = listed_preferences.best_of(proxy, world.probs, COUNTS)
    return (wins @ proxy).tolist(), (wins @ world.worth).tolist()


def on_poems(model: RewardModel, texts: list[str]) -> tuple[list[float], list[float], list[list[float]]]:
    """Proxy, true score and what each rule says, of the best of each count of poems."""
    total, said = rhymes.poem_rewards()(texts, [None] * len(texts))
    proxy = scores_of(model, texts)
    curves = [best_of_curve(proxy, each, COUNTS) for each in (total, *said.values())]
    return curves[0][0].tolist(), curves[0][1].tolist(), [true.tolist() for _, true in curves[1:]]


def measure(seed: int, *, progress, n_listed, steps: int, n_poems: int, n_pool: int) -> dict[str, list]:
    """By number of pairs and count, on poems last the zoo's poem-judge; best: of the true score itself."""
    world, texts = listed_preferences.listed(), pool(n_pool, EXAM + 1000 * seed)
    listed = [in_the_listed_world(n, seed, steps) for n in progress(n_listed, "listed world")]
    few = poem_preferences.reward_model(poem_preferences.pairs(n_poems, seed), seed)
    poems = [on_poems(model, texts) for model in progress((few, zoo.load("poem-judge")), "poems")]
    true = torch.tensor(rhymes.scores(texts))
    return {
        "listed_proxy": [proxy for proxy, _ in listed],
        "listed_true": [each for _, each in listed],
        "listed_best": (listed_preferences.best_of(world.worth, world.probs, COUNTS) @ world.worth).tolist(),
        "poems_proxy": [proxy for proxy, _, _ in poems],
        "poems_true": [each for _, each, _ in poems],
        "poems_rules": [rules for _, _, rules in poems],
        "poems_best": best_of_curve(true, true, COUNTS)[1].tolist(),
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: with the fewest pairs, in either world and every seed, the proxy rises from each count to the next and the
    true score at 1024 is below its peak by a tenth of what it had gained there. Fails: on average it is so in neither
    world. Else partly."""
    told, falls = [], []
    for name, proxy, true, best in (
        ("列得完的世界", "listed_proxy", "listed_true", "listed_best"),
        ("诗", "poems_proxy", "poems_true", "poems_best"),
    ):
        said, worth = figures[proxy].values[:, 0], figures[true].values[:, 0]
        peak = worth.max(axis=1)
        falls.append((peak - worth[:, -1]) / np.maximum(peak - worth[:, 0], 1e-9))
        many, ceiling = figures[true].mean[-1], figures[best].mean
        mean = worth.mean(axis=0)
        told.append(
            f"{name}：真正的分 {mean[0]:.2f}，最高 {mean.max():.2f}（n = {2 ** int(mean.argmax())}），"
            f"n = 1024 时 {mean[-1]:.2f}；对数最多的模型 {many[-1]:.2f}，按真正的分挑 {ceiling[-1]:.2f}"
        )
        told[-1] += "" if (np.diff(said) >= -1e-6).all() else "；奖励模型的分没有一直涨"
    sentence = "；".join(told) + "。"
    if all((each >= 0.1).all() for each in falls) and "没有一直涨" not in sentence:
        return Verdict("holds", sentence)
    if all(each.mean() < 0.1 for each in falls):
        return Verdict("fails", f"n 到 1024，真正的分没有跌下来，只是涨得慢。{sentence}")
    return Verdict("partly", f"不是两个世界、每个种子都跌。{sentence}")


CLAIM = Claim(
    id="C27b",
    chapter="20",
    title="按学来的分挑最好的，挑得越狠越好吗",
    statement="写 n 个，挑奖励模型打分最高的：n 越大，它的分一直涨；真正的分先涨后跌，跌掉所得的一成以上。",
    question="n 从 1 到 1024，真正的分会怎么走？",
    refuted_if="两个世界里，n = 1024 时真正的分都没有比最高处跌掉所得的一成。",
    seeds=(1, 2, 3),
    measure=measure,
    judge=judge,
    quick={"n_listed": [30], "steps": 12, "n_poems": 16, "n_pool": 1024},
    full={"n_listed": [30, 300, 3000], "steps": 80, "n_poems": 200, "n_pool": 3072},
    quick_seeds=(1,),
    labels={
        "listed_proxy": "列得完的世界，最好的一个，奖励模型的分；每行 30、300、3000 对，按 n = 1、2、4 … 1024",
        "listed_true": "同上，真正的分",
        "listed_best": "列得完的世界，按真正的分挑，按 n",
        "poems_proxy": "诗，最好的一首，奖励模型的分；学过 200、38400 对的，按 n",
        "poems_true": "同上，真正的分，满分 4",
        "poems_rules": "同上，按规则：格式、押韵、平仄、不重复",
        "poems_best": "诗，按真正的分挑，按 n",
    },
    limits="挑选不改变写的人：n = 1024 与原来的策略只差 5.9 奈特，强化学习可以走得远得多，那是第 21、23 章的事。"
    "真正的分有上限（诗 4 分，列得完的世界 4 分），奖励模型的分没有。诗的 n = 1024 是从同一批 3072 首里挑的，"
    "所以那一头只看到两三首。标签没有翻转，也没有偏心；偏心的标签会怎样，C27c 另问。",
)
