"""C28e: the control of C28c: a reward that means nothing, all else the same. What moves then is not the reward's doing.

Whitened advantages (ppo.judge) are as large for noise as for what can be learned, so the policy walks either way; C28d
sees the same near π*. Chapter 21.
"""

import copy
import hashlib
from dataclasses import replace

from course_lib.chapters.ch21_ppo import poems
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.posttraining.ppo import Critic
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.rewards import Rewards
from course_lib.toys.aligned_poet import examined, without_dropout
from course_lib.toys.poet_policy import train_ppo
from course_lib.training.step import Settings

SEEN = ("form", "rhyme", "tone", "variety", "distinct", "one end", "repeated", "kl", "held-out")
HEADS = 154  # of 256: 0.6, as often as the poet rhymes


def coin(text: str, _: object) -> float:
    """1 or 0 by lot, the same for the same poem."""
    return float(hashlib.sha256(text.encode()).digest()[0] < HEADS)


def measure(seed: int, *, progress, rounds: int, n: int) -> dict[str, list]:
    """SEEN: of n poems by the poet before, and after PPO by the coin, β 0, as C28c has it. reward: of each round."""
    reference, actor = poems.reference(), without_dropout(poems.reference()).requires_grad_(True)
    found = [examined(reference, reference, n=n, seed=seed)]
    settings = Settings(steps=rounds * poems.WRITING.epochs, lr=1e-3, weight_decay=0.0)
    for rewards in progress([Rewards({"coin": (1.0, coin)})], "PPO"):
        run = train_ppo(
            actor,
            Critic(copy.deepcopy(actor)),
            Reference(reference),
            rewards,
            settings,
            replace(poems.WRITING, seed=seed),
            beta=0.0,
            progress=False,
        )
    found.append(examined(actor.eval(), reference, n=n, seed=seed))
    seen = {name.replace(" ", "_").replace("-", "_"): [each[name] for each in found] for name in SEEN}
    return seen | {"reward": run.figures["score"][:: poems.WRITING.epochs]}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed the KL is 5 or more, real poems are 0.2 less likely a character, the rhyme falls by 0.1, and
    the pairs of characters are at most 0.03 less different. Fails: on average the KL is below 1, or the pairs are 0.06
    less different. Else partly."""
    kl, held, rhyme, distinct = (figures[name].values for name in ("kl", "held_out", "rhyme", "distinct"))
    lost = distinct[:, 0] - distinct[:, 1]

    def of(name: str) -> str:
        return " → ".join(f"{value:.2f}" for value in figures[name].mean)

    told = (
        f"奖励是掷硬币：KL {figures['kl'].mean[1]:.1f} 奈特，真诗每字的对数概率 {of('held_out')}，押韵 {of('rhyme')}；"
        f"相邻两字不同的 {of('distinct')}，没有重字的 {of('variety')}，句末最常见的字占 {of('one_end')}。"
    )
    if kl[:, 1].mean() < 1 or lost.mean() >= 0.06:
        return Verdict("fails", f"没有东西可学时策略没有走远，或者用字也一样塌了。{told}")
    walks = (kl[:, 1] >= 5) & (held[:, 0] - held[:, 1] >= 0.2) & (rhyme[:, 0] - rhyme[:, 1] >= 0.1)
    if (walks & (lost <= 0.03)).all():
        return Verdict("holds", told)
    return Verdict(
        "partly",
        f"{len(kl)} 个种子里，走远、押韵也变少的有 {walks.sum()} 个，用字没有塌的有 {(lost <= 0.03).sum()} 个。{told}",
    )


CLAIM = Claim(
    id="C28e",
    chapter="21",
    title="奖励是掷硬币，策略走多远",
    statement="奖励没有意义、β 是 0，策略照样走开：KL 超过 5 奈特，真诗的概率变低，押韵变少；用字却没有塌。",
    question="只奖励押韵，KL 涨了，用字塌了。哪些是奖励带来的？换成一枚硬币再走一遍。",
    refuted_if="KL 平均不到 1 奈特，或者相邻两字不同的份额平均少了 0.06 以上。",
    seeds=(2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"rounds": 2, "n": 16},
    full={"rounds": 24, "n": 128},
    quick_seeds=(2,),
    labels={
        "form": "格式对的：原来的诗人，学过硬币的",
        "rhyme": "押韵的，次序同上",
        "tone": "平仄对的句子",
        "variety": "没有重字的",
        "distinct": "相邻两字，不同的份额",
        "one_end": "第二、四句末最常见的那个字占的份额",
        "repeated": "同一首里重复的字",
        "kl": "一首诗到参考的 KL，奈特",
        "held_out": "真诗每个字的对数概率，奈特",
        "reward": "学习中每一轮的平均奖励",
    },
    limits="一次预试（种子 0、1）之后才写下这一条，所以用了没有看过的种子。"
    "步子的噪声有多大，随学习率、批的大小和 critic 而变：这里学习率 0.001，"
    "每轮 32 首，critic 从零学起，优势又除以自己的标准差，噪声和信号一样大。学习率小、批大，走得近。"
    "硬币对同一首诗总是同一面，所以严格说有东西可背，只是诗几乎不会重来。",
)
