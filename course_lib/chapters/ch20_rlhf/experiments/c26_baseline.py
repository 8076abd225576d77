"""C26: what a baseline does to the policy gradient: its mean and its variance, beside the exact one.

REINFORCE (Williams 1992), estimates of groups of four answers; the exact gradient lists all 63 answers.  Chapter 20.
"""

from course_lib.chapters.ch20_rlhf.learning import BASELINES, compared, exact_gradient, gradients, policy_of
from course_lib.course.claims.core import Claim, Summary, Verdict


def measure(seed: int, *, progress, n_groups: int) -> dict[str, list[float]]:
    """By baseline, in the order of BASELINES; each seed is another policy."""
    policy = policy_of(seed)
    exact = exact_gradient(policy)
    found = [
        compared(gradients(policy, baseline, n_groups, seed), exact) for baseline in progress(BASELINES, "baselines")
    ]
    return {name: [each[name] for each in found] for name in found[0]}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: without the group's own mean every slope is within 4 standard errors of 1 and nothing is left aside (3 at
    most); with it the slope is within 4 of 3/4 and not of 1; in every seed the mean, V(s) and the others' mean take
    variance away, V(s) most, and the far constant adds some. Fails: a mean is wrong, or on average the mean reward
    or V(s) take nothing away, or the far constant adds nothing. Else partly."""
    slope, error, aside = (figures[name].values for name in ("slope", "slope_error", "aside"))
    ratio = figures["variance"].values / figures["variance"].values[:, :1]
    right, own = slope[:, :5], slope[:, 5]
    off = (abs(right - 1) / error[:, :5]).max()
    off_own = (abs(own - 0.75) / error[:, 5]).max()
    told = "、".join(
        f"{name} {ratio.mean(axis=0)[i]:.2f}（{ratio.min(axis=0)[i]:.2f} 到 {ratio.max(axis=0)[i]:.2f}）"
        for i, name in ((1, "平均奖励"), (2, "V(s)"), (3, "其余回答的平均"), (4, "过大的常数"))
    )
    told = (
        f"不含自己的基线，平均梯度与精确梯度至多差 {off:.1f} 个标准误；含自己的组平均把它缩到 {own.mean():.3f} 倍。"
        f"方差是不用基线时的几倍：{told}。"
    )
    if (
        off > 4
        or aside.max() > 3
        or off_own > 4
        or (abs(own - 1) <= 4 * error[:, 5]).any()
        or (ratio.mean(axis=0)[[1, 2]] >= 1).any()
        or ratio.mean(axis=0)[4] <= 1
    ):
        return Verdict("fails", f"平均梯度不对，或者方差没有按说的变。{told}")
    if (ratio[:, 1:4] < 1).all() and (ratio[:, 2] <= ratio[:, [1, 3]].min(axis=1)).all() and (ratio[:, 4] > 1).all():
        return Verdict("holds", told)
    return Verdict("partly", f"平均梯度都对，方差却不是每个策略都按说的变。{told}")


CLAIM = Claim(
    id="C26",
    chapter="20",
    title="基线不改变梯度的平均，只改变方差",
    statement="基线不依赖回答自己，梯度的平均就不变。平均奖励、V(s)、其余回答的平均都减小方差，V(s) 减得最多；"
    "过大的常数增大方差；把自己也算进去的组平均，使梯度缩到 1 − 1/G。",
    question="四个回答一组，估计几万次：平均还是精确的梯度吗？方差变了多少？",
    refuted_if="平均梯度与精确梯度差得超过 4 个标准误，或者平均奖励、V(s) 没有减小方差。",
    seeds=tuple(range(8)),
    measure=measure,
    judge=judge,
    quick={"n_groups": 1000},
    full={"n_groups": 20_000},
    labels={
        "slope": "平均梯度有精确梯度的几倍长：不用基线、平均奖励、V(s)、其余回答的平均、过大的常数、含自己的组平均",
        "slope_error": "它的标准误",
        "aside": "偏到旁边的部分，以标准误计；约 1 是只有偶然",
        "variance": "一组的梯度的方差，所有数加起来",
    },
    limits="只有 63 个回答、363 个数的策略，随机定的，还没有学过。平均奖励和 V(s) 用的是精确值；真要用，得自己估计，"
    "估计不准，好处就小。方差小多少与奖励有没有大的平均值有关：奖励平均为 0 时，减去平均什么也不变。"
    "其余回答的平均自己也有噪声，组越小越吵。方差小不等于学得快，那是 C26c 问的。",
)
