"""C26b: λ of GAE: bias and variance of the gradient under critics that are exact, noisy and constant.

Schulman et al. 2015 (arXiv:1506.02438, section 3) say that λ trades one for the other. By listing all 63 answers both
are exact: nothing is drawn but the policy and the critic's errors.  Chapter 20.
"""

import numpy as np

from course_lib.chapters.ch20_rlhf.learning import CRITICS, critic_of, policy_of, value_errors
from course_lib.course.claims.core import Claim, Summary, Verdict

LAMBDAS = (0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)
SAMPLES = (1, 16, 256)


def measure(seed: int, *, progress, n_policies: int) -> dict[str, list]:
    """bias, variance: by critic and λ, means over policies; best: by critic and answers a gradient, the λ whose
    bias² + variance / answers is least on average."""
    found = []
    for number in progress(range(n_policies), "policies"):
        policy = policy_of(1000 * seed + number)
        values = [critic_of(policy, critic, seed + 1) for critic in CRITICS]
        found.append([[list(value_errors(policy, each, lam).values()) for lam in LAMBDAS] for each in values])
    bias, variance = np.moveaxis(np.array(found), -1, 0)
    errors = [(bias**2 + variance / n).mean(axis=0) for n in SAMPLES]
    best = [[LAMBDAS[error[critic].argmin()] for error in errors] for critic in range(len(CRITICS))]
    return {"bias": bias.mean(axis=0).tolist(), "variance": variance.mean(axis=0).tolist(), "best": best}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: the exact critic never biases (1e-9); the others' bias falls from each λ to the next, to 0 at 1; from 0 to
    1 variance rises under every critic in every seed. Fails: the exact critic biases, another's bias at 1 is not 0 or
    on average no less at 0.95 than at 0, or on average variance does not rise under the exact one. Else partly."""
    bias, variance, best = (figures[name].values for name in ("bias", "variance", "best"))
    rises = variance[:, :, -1] > variance[:, :, 0]
    told = "；".join(
        f"{name}：偏差 {bias.mean(axis=0)[i, 0]:.2f} → {bias.mean(axis=0)[i, -1]:.2f}，"
        f"方差 {variance.mean(axis=0)[i, 0]:.1f} → {variance.mean(axis=0)[i, -1]:.1f}，"
        f"每步 1、16、256 个回答时最好的 λ 是 {'、'.join(f'{each:.2f}' for each in best.mean(axis=0)[i])}"
        for i, name in enumerate(("准的评论家", "有噪声的", "常数"))
    )
    told = f"λ 从 0 到 1，{told}。"
    means = bias.mean(axis=0)
    if (
        bias[:, 0].max() > 1e-9
        or bias[:, :, -1].max() > 1e-9
        or (means[1:, -2] >= means[1:, 0]).any()
        or variance.mean(axis=0)[0, -1] <= variance.mean(axis=0)[0, 0]
    ):
        return Verdict("fails", f"偏差或方差没有按说的变。{told}")
    if (np.diff(bias[:, 1:]) < 0).all() and rises.all():
        return Verdict("holds", told)
    return Verdict("partly", f"不是每个评论家都拿偏差换方差。{told}")


CLAIM = Claim(
    id="C26b",
    chapter="20",
    title="λ 拿偏差换方差，看评论家准不准",
    statement="评论家不准时，λ 从 0 到 1，梯度的偏差一路降到 0，方差升高；评论家准时，偏差始终是 0，λ = 0 方差最小。",
    question="评论家准、有噪声、只会说一个数：λ 该选多大？",
    refuted_if="准的评论家带来偏差，或者 λ = 1 时偏差不是 0，或者 λ 大了偏差不降。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"n_policies": 2},
    full={"n_policies": 20},
    labels={
        "bias": "偏差，精确梯度长度的几倍；每行一种评论家：准、有噪声、常数；按 λ = 0、0.25、0.5、0.75、0.9、0.95、1",
        "variance": "一个回答的梯度的方差，精确梯度长度平方的几倍；行列同上",
        "best": "误差最小的 λ；每行一种评论家，按每步 1、16、256 个回答",
    },
    limits="回答至多 5 个词元，奖励只在最后，γ = 1。几百个词元的回答，λ = 1 的方差大得多，λ 的得失也随之变。"
    "噪声给每个状态一个不变的误差；真的评论家错得有规律，相像的状态错得相像，而且一边训练一边变。"
    "这里量的是一步的梯度，不是学到最后的好坏。",
)
