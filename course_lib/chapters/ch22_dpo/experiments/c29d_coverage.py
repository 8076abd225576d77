"""C29d: does the margin tell the quality? Pairs that leave answers out, and answers that share features.

The loss asks for a difference (Rafailov et al. 2023, arXiv:2305.18290, equation 7): both may fall, and what no pair
shows may rise; "likelihood displacement" (Razin et al. 2024, arXiv:2410.08847).  Chapter 22.
Fifteen answers, of which pairs show ten; policies with a number for each answer, or with a few features for all. Half
of the reward's variance is linear in the features, half is each answer's own.
"""

import numpy as np
import torch
from torch import Tensor

from course_lib.chapters.ch22_dpo.learning import Featured, Pairs, Way, drawn, table_of, to_best
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.toys.three_answers import World

K, SHOWN, BETA = 15, 10, 0.1
FEATURES = (0, 8, 4, 2)  # 0: a number for each answer


def drawn_world(n_features: int, chance: torch.Generator) -> tuple[World, Featured]:
    """A reference that is linear in features drawn by lot, and its reward."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=chance, dtype=torch.float64)

    features, weights = normal(K, n_features), normal(n_features)
    linear = features @ normal(n_features) / n_features**0.5
    policy = Featured(features, weights)
    return World(policy.listed().detach(), (linear + normal(K)) / 2**0.5, BETA), policy


def looked_at(way: Way, world: World, pairs: Pairs) -> dict[str, float]:
    """What training on the pairs made of the policy."""
    moved = way.log_probs[-1] - way.log_probs[0]
    before, after = way.probs[0], way.probs[-1]
    return {
        "fell": float(pairs.sum(1) @ moved < 0),
        "unseen": float((after - before)[SHOWN:].sum()),
        "gain": float((after - before) @ world.reward),
        "loss": float(way.loss[-1] - way.loss[0]),
        "margin": float(((moved[:, None] - moved) * pairs).sum()),
    }


def measure(seed: int, *, progress, n_worlds: int, n_pairs: int, steps: int) -> dict[str, list[float]]:
    """By kind of policy, shares of worlds. fell: the chosen answers' mean log-probability is lower than before, though
    the loss has fallen. worse: the mean reward is lower than before, though the margin has grown. unseen: probability
    that answers of no pair gained, mean. margin_tells: correlation over worlds of margin and gain in reward."""
    figures: dict[str, list] = {name: [] for name in ("fell", "worse", "unseen", "margin_tells")}
    for n_features in FEATURES:
        found = []
        for number in progress(range(n_worlds), f"{n_features or 'no'} features"):
            chance = torch.Generator().manual_seed(1000 * seed + number)
            world, policy = drawn_world(n_features or 4, chance)
            pairs = drawn(n_pairs, covers=range(SHOWN), world=world, seed=1000 * seed + number)
            trained = policy if n_features else table_of(world)
            found.append(looked_at(to_best("DPO", pairs, world=world, policy=trained, steps=steps), world, pairs))
        by_name = {name: np.array([each[name] for each in found]) for name in found[0]}
        lower = by_name["loss"] < 0
        figures["fell"].append((by_name["fell"] * lower).mean())
        figures["worse"].append(((by_name["gain"] < 0) & (by_name["margin"] > 0)).mean())
        figures["unseen"].append(by_name["unseen"].mean())
        figures["margin_tells"].append(np.corrcoef(by_name["margin"], by_name["gain"])[0, 1])
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: of policies with features, all kinds together, the chosen fall in a tenth of the worlds or more in every
    seed, more often than with a number for each answer, and the reward falls in a tenth or more. Fails: on average
    the chosen fall in less than 0.02, or the reward in less than 0.02. Else partly."""
    fell, worse = figures["fell"].values, figures["worse"].values
    names = ("各答各的数", *(f"{n} 个特征" for n in FEATURES[1:]))
    told = "；".join(
        f"{name}：被选的概率降了的占 {fell.mean(axis=0)[i]:.0%}，奖励降了的占 {worse.mean(axis=0)[i]:.0%}，"
        f"没见过的回答平均多得概率 {figures['unseen'].mean[i]:+.2f}，"
        f"间隔与奖励之增的相关 {figures['margin_tells'].mean[i]:+.2f}"
        for i, name in enumerate(names)
    )
    shared_fell, shared_worse = fell[:, 1:].mean(axis=1), worse[:, 1:].mean(axis=1)
    if shared_fell.mean() < 0.02 or shared_worse.mean() < 0.02:
        return Verdict("fails", f"损失降了，被选的概率或者奖励几乎没有降过。{told}。")
    if (shared_fell >= 0.1).all() and (shared_fell > fell[:, 0]).all() and (shared_worse >= 0.1).all():
        return Verdict("holds", f"{told}。")
    return Verdict("partly", f"有这样的事，但不是每个种子都到一成，或者并不比各答各的数更多。{told}。")


CLAIM = Claim(
    id="C29d",
    chapter="22",
    title="间隔大了，策略就好了吗",
    statement="损失在降、间隔在涨，被选的回答可以比原来更少写，奖励也可以变低；回答共用特征时更常见。",
    question="训练曲线上，chosen 的对数概率在往下走。是坏了，还是常事？",
    refuted_if="共用特征的世界里，被选的概率下降或者奖励下降，平均不到 2%。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"n_worlds": 3, "n_pairs": 200, "steps": 40},
    full={"n_worlds": 16, "n_pairs": 200, "steps": 100},
    quick_seeds=(0,),
    labels={
        "fell": "损失降了、被选回答的平均对数概率也降了的世界：各答各的数，8、4、2 个特征",
        "worse": "间隔涨了、真正的平均奖励反而降了的世界",
        "unseen": "没有一对见过的五个回答，一共多得的概率",
        "margin_tells": "各世界之间，间隔与奖励之增的相关系数",
    },
    limits="世界是抽签来的：15 个回答，10 个见过，特征和奖励的另一半互不相干，β 是 0.1。比例随这些设定变，"
    "要看的是会不会发生，不是发生的百分比。参考策略写成对的回答，按它自己的概率抽；"
    "各答各的数时没见过的回答也会动，因为概率加起来是 1。真实模型的特征多得多，也学得会变。"
    "被选的几乎总在降，各答各的数时也一样：同一个回答在这一对里被选，在那一对里被拒；β 小，策略又收得很尖。"
    "所以这一条分不开共用特征的作用，第 22 章正文只有一对的例子才分得开：各答各的数时，被选的不会降。"
    "“变差”只看平均奖励，不减 KL。快速形式只有 3 个世界、40 步。",
)
