"""C31c: what each method is sensitive to: rate, β, ε, noise of the verdicts, scale of the reward, one turned at a time.

Henderson et al. 2018 (arXiv:1709.06560) found results of policy gradients to hang on settings and seeds; PPO was
proposed for needing little care (Schulman et al. 2017, arXiv:1707.06347). GRPO divides rewards by their spread (Shao et
al. 2024, arXiv:2402.03300), PPO whitens what is left after the penalty, DPO sees which of two was preferred. On the
strip of syllables, from each method's own best rate and β, judged by the true J.  Chapter 24.
"""

import math

import numpy as np

from course_lib.chapters.ch24_comparison.learning import METHODS, sensitivity
from course_lib.course.claims.core import Claim, Summary, Verdict

FACTORS = (1 / 8, 1 / 2, 1.0, 2.0, 8.0)
KNOBS = {
    "lr": FACTORS,
    "beta": FACTORS,
    "clip": (0.05, 0.1, 0.2, 0.5, math.inf),
    "noise": (0.0, 0.1, 0.2, 0.4, 0.8),
    "scale": (0.1, 0.3, 1.0, 3.0, 10.0),
}
USUAL = (2, 2, 2, 0, 2)  # places of the values that are not turned
WORDS = dict(zip(KNOBS, ("学习率", "β", "ε", "噪声", "奖励的尺度")))


def measure(seed: int, *, progress, rounds: int) -> dict[str, list]:
    """share: [METHODS][KNOBS][values], of the way from the reference's J to that of π*, after the last round; below 0
    it ended below its start."""
    return {
        "share": [
            [sensitivity(method, knob, values, seed=seed, rounds=rounds).tolist() for knob, values in KNOBS.items()]
            for method in progress(METHODS, "methods")
        ]
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Loss: share with the usual value less the least along a knob. Holds: in every seed by the scale PPO loses 0.2 or
    more, GRPO 0.05 or less and DPO nothing, and by the rate and by the noise DPO loses more than each of the others.
    Fails: on average PPO loses by the scale no more than GRPO, or DPO loses neither by the rate nor by the noise more
    than each of the others. Else partly."""
    share = figures["share"].values
    usual = np.stack([share[:, :, k, place] for k, place in enumerate(USUAL)], axis=-1)
    loss = usual - share.min(axis=-1)  # [seed, method, knob]
    mean, fell = loss.mean(axis=0), (share < 0).mean(axis=(0, 3))
    ppo, dpo, grpo = range(3)
    lr, noise, scale = (list(KNOBS).index(name) for name in ("lr", "noise", "scale"))
    told = (
        "最坏的值比平常少走："
        + "；".join(
            f"{word} " + "，".join(f"{name} {mean[i, k]:.2f}" for i, name in enumerate(METHODS))
            for k, word in enumerate(WORDS.values())
        )
        + "。跌到起点以下的："
        + "，".join(f"{name} {(share[:, i] < 0).mean():.1%}" for i, name in enumerate(METHODS))
        + f"（其中学习率一项：{'，'.join(f'{name} {fell[i, lr]:.0%}' for i, name in enumerate(METHODS))}）。"
    )
    most = [mean[dpo, k] > mean[[ppo, grpo], k].max() for k in (lr, noise)]
    if mean[ppo, scale] <= mean[grpo, scale] or not any(most):
        return Verdict("fails", f"奖励的尺度对 PPO 不比对 GRPO 要紧，或者学习率和噪声都不是 DPO 最怕。{told}")
    lacking = [
        word
        for word, well in (
            ("尺度没有让 PPO 少走两成", loss[:, ppo, scale] >= 0.2),
            ("尺度让 GRPO 少走了半成以上", loss[:, grpo, scale] <= 0.05),
            ("尺度动了 DPO", loss[:, dpo, scale] == 0),
            ("学习率不是每次都伤 DPO 最多", loss[:, dpo, lr] > loss[:, [ppo, grpo], lr].max(axis=1)),
            ("噪声不是每次都伤 DPO 最多", loss[:, dpo, noise] > loss[:, [ppo, grpo], noise].max(axis=1)),
        )
        if not well.all()
    ]
    if lacking:
        return Verdict("partly", f"不是每个种子都成立（{'；'.join(lacking)}）。{told}")
    return Verdict("holds", told)


CLAIM = Claim(
    id="C31c",
    chapter="24",
    title="谁怕什么",
    statement="奖励乘十、除以十：PPO 少走两成以上，GRPO 除以 std，DPO 只看谁好，都不受影响；学习率和噪声，DPO 最怕。",
    question="学习率、β、ε、噪声、奖励的尺度，一次只动一样。哪一样会让哪种方法走坏？",
    refuted_if="奖励的尺度让 PPO 少走的平均不比 GRPO 多；或者学习率和噪声，DPO 平均都不是少走最多的。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"rounds": 3},
    full={"rounds": 32},
    quick_seeds=(0,),
    labels={
        "share": "从参考到 π* 的路走了几成；PPO、DPO、GRPO，各五行：学习率和 β（自己的 1/8、1/2、1、2、8 倍），"
        "ε（0.05、0.1、0.2、0.5、不裁剪），噪声（0、0.1、0.2、0.4、0.8），奖励的尺度（0.1、0.3、1、3、10 倍）"
    },
    limits="一条音节带，策略和 critic 都是表，1024 个回答，AdamW，学习率降到 0。一次只动一样，不看两样一起。"
    "噪声的意思两边对等，不相同：有这么大一份判断是抽签，DPO 是抛硬币定谁好，另外两种是拿到同一轮别人的奖励。"
    "PPO 怕尺度，是因为 β 没有跟着乘：奖励和 β 一起乘就没有影响。倍数以各自的最好为一倍，"
    "DPO 的学习率离走坏的地方本来就近。critic 是一张表，用的学习率和策略一样，真实的 PPO 还要给 critic 调参。"
    "PPO 的有些格子是一两个种子带下来的：没有抽到最好的回答，就停在六成。",
)
