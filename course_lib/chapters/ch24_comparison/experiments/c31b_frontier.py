"""C31b: what each method gets for its KL: β swept, against the most that any policy gets at that KL, and over seeds.

The most reward at a KL is that of some π* ∝ ref exp(r / β): the strip of syllables lists them all. Gao et al. 2022
(arXiv:2210.10760) compare methods by the KL they spend; the slides call PPO flexible and robust, DPO simple and stable.
Each method with its own best rate, as many answers, as many updates.  Chapter 24.
"""

from course_lib.chapters.ch24_comparison.learning import METHODS, best_reward, frontier, task
from course_lib.course.claims.core import Claim, Summary, Verdict

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of each method's own β


def measure(seed: int, *, progress, rounds: int) -> dict[str, list]:
    """reward, kl: [METHODS][FACTORS], E r and KL to the reference after the last round. most: E r of the best policy
    with that KL. before: E r of the reference."""
    points = [frontier(method, FACTORS, seed=seed, rounds=rounds) for method in progress(METHODS, "methods")]
    world = task()[0]
    return {
        "reward": [each[:, 0].tolist() for each in points],
        "kl": [each[:, 1].tolist() for each in points],
        "most": [[best_reward(float(kl)) for kl in each[:, 1]] for each in points],
        "before": float(world.worth(world.reference)),
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Efficiency: the reward gained over the most at the same KL, mean over FACTORS. Spread: standard deviation of E r
    over seeds, each method with its own β, FACTORS 1. Holds: in every seed PPO and GRPO are 0.05 more efficient than
    DPO, and DPO's spread is twice each of theirs. Fails: on average DPO is at least as efficient as one of them,
    or its spread the smallest. Else partly."""
    reward, most = figures["reward"].values, figures["most"].values
    before = figures["before"].values[:, None, None]
    each = ((reward - before) / (most - before)).mean(axis=-1)
    ppo, dpo, grpo = range(3)
    spread = figures["reward"].std[:, FACTORS.index(1.0)]
    kl = figures["kl"].mean
    told = (
        "同样的 KL，拿到能拿的几成（五个 β 平均）："
        + "，".join(f"{name} {each.mean(axis=0)[i]:.3f}" for i, name in enumerate(METHODS))
        + "。奖励在种子之间的标准差："
        + "，".join(f"{name} {spread[i]:.3f}" for i, name in enumerate(METHODS))
        + "。β 从四倍到四分之一，KL："
        + "，".join(f"{name} {kl[i, -1]:.2f} 到 {kl[i, 0]:.2f}" for i, name in enumerate(METHODS))
        + "。"
    )
    others = each[:, [ppo, grpo]]
    if (others.mean(axis=0) <= each[:, dpo].mean()).any() or spread[dpo] <= spread.min():
        return Verdict("fails", f"DPO 在同样的 KL 上不比两者都少，或者它散得最小。{told}")
    better = (others >= each[:, [dpo]] + 0.05).all(axis=0)
    wider = spread[dpo] >= 2 * spread[[ppo, grpo]]
    if better.all() and wider.all():
        return Verdict("holds", told)
    lacking = [
        word
        for i, name in enumerate(("PPO", "GRPO"))
        for word, well in ((f"{name} 不是每个种子都多半成", better[i]), (f"DPO 没有散到 {name} 的两倍", wider[i]))
        if not well
    ]
    return Verdict("partly", f"{'；'.join(lacking)}。{told}")


CLAIM = Claim(
    id="C31b",
    chapter="24",
    title="同样的 KL，谁拿到的奖励多",
    statement="同样的 KL，PPO 和 GRPO 拿到的奖励都比 DPO 多；说 DPO 稳定，"
    "换一批对，它的终点却散得最开，是另外两种的两倍以上。",
    question="β 从大到小，每种方法画出一条“奖励 – KL”的线。谁的线在上面？换个种子，谁的线动得多？",
    refuted_if="平均来看，DPO 在同样的 KL 上拿到的不比另外两种都少；或者 DPO 在种子之间散得最小。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"rounds": 4},
    full={"rounds": 64},
    quick_seeds=(0, 1),
    labels={
        "reward": "平均奖励；PPO、DPO、GRPO，各按自己的 β 的 1/4、1/2、1、2、4 倍",
        "kl": "到参考的 KL，奈特；次序同上",
        "most": "同样的 KL，最多能有的奖励；次序同上",
        "before": "参考的平均奖励",
    },
    limits="一条音节带，策略是一张表，2048 个回答，DPO 的对全由参考写下：好回答参考很少写，对里就很少见。"
    "真的模型会把学到的推广到没见过的回答，差距会小。DPO 的标签是按 Bradley–Terry 抽的，"
    "PPO 和 GRPO 看到的奖励没有噪声。"
    "稳定在这里只指种子之间的散布；训练中不发散、不要调参，是另一件事（C31c）。"
    "五个种子的标准差只够看出大概：PPO 的几乎全出自种子 4 一个，它没有抽到最好的回答；去掉它，另四个相差不到 0.02。",
)
