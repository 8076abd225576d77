"""C29: from pairs alone to the best policy: KL(π ‖ π*) by number of pairs, beside the gradient that knows the reward.

Rafailov et al. 2023 (arXiv:2305.18290), section 4: DPO and the KL-constrained reward have the same optimum, if
preferences follow Bradley and Terry. IPO (arXiv:2310.12036) and the hinge (arXiv:2309.06657) see endless pairs, too.
Two listed worlds: the three answers of the page, and fifteen drawn anew for every seed.  Chapter 22.
"""

from course_lib.chapters.ch22_dpo.learning import drawn, fifteen_answers, ipo_best, table_of, to_best
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.posttraining.kl import exact_kl
from course_lib.toys.three_answers import three_answers

ENDLESS = ("DPO", "exact", "IPO", "hinge")


def measure(seed: int, *, progress, counts, steps: int) -> dict[str, list]:
    """By world: KL(π ‖ π*) of the reference, of each loss on endless pairs, of DPO by number of pairs; KL of IPO's
    policy to where IPO should stand still."""
    figures: dict[str, list] = {name: [] for name in ("before", "endless", "pairs", "ipo_off")}
    for name, world, policy in (
        ("three answers", three_answers(), lambda: table_of(three_answers())),
        ("fifteen answers", fifteen_answers(seed)[0], lambda: fifteen_answers(seed)[1]),
    ):
        ways = {
            method: to_best(method, world=world, policy=policy(), steps=steps)
            for method in progress(ENDLESS, f"{name}, endless pairs")
        }
        few = [
            to_best("DPO", drawn(n, world=world, seed=seed), world=world, policy=policy(), steps=steps)
            for n in progress(counts, f"{name}, drawn pairs")
        ]
        figures["before"].append(float(ways["DPO"].kl[0]))
        figures["endless"].append([float(way.kl[-1]) for way in ways.values()])
        figures["pairs"].append([float(way.kl[-1]) for way in few])
        figures["ipo_off"].append(float(exact_kl(ways["IPO"].log_probs[-1], ipo_best(world))))
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Fails: with endless pairs DPO or the exact gradient ends 1e-3 or more from π*, in any seed and world. Holds:
    DPO's KL with the most pairs is below 1e-3 in every seed, too, and IPO and the hinge end ten times as far, on
    average. Else partly."""
    endless, pairs = figures["endless"].values, figures["pairs"].values
    mean, few = figures["endless"].mean, figures["pairs"].mean
    told = "；".join(
        f"{name}：出发时 KL {figures['before'].mean[w]:.3f}，无穷多对时 DPO {endless[:, w, 0].max():.1e}、"
        f"精确梯度 {endless[:, w, 1].max():.1e}（最差的种子），IPO {mean[w, 2]:.3f}、铰链 {mean[w, 3]:.3f}（平均）；"
        f"抽出来的对，从最少到最多，DPO {few[w, 0]:.3f} → {few[w, -1]:.1e}，最差 {pairs[:, w, -1].max():.1e}"
        for w, name in enumerate(("三个回答", "十五个回答"))
    )
    if (endless[:, :, :2] >= 1e-3).any():
        return Verdict("fails", f"对数无穷多，KL 也没有降到 1e-3 以下。{told}。")
    if (pairs[:, :, -1] < 1e-3).all() and (mean[:, 2:] >= 1e-2).all():
        return Verdict("holds", f"{told}。")
    reached = int((pairs[:, :, -1] < 1e-3).sum())
    return Verdict(
        "partly",
        f"对数无穷多时到得了；抽出来的对最多时，{pairs[:, :, -1].size} 次里有 {reached} 次降到 1e-3 以下。{told}。",
    )


CLAIM = Claim(
    id="C29",
    chapter="22",
    title="只看成对偏好，到得了 π* 吗",
    statement="偏好由 r 按 Bradley–Terry 抽出，对数够多，DPO 的策略到 π* 的 KL 小于 0.001，"
    "与知道 r 的精确梯度到的是同一点；IPO 和铰链损失停在别处。",
    question="DPO 没有见过 r，只见过谁赢了谁。它能走到用 r 算出来的那一点吗？要多少对？",
    refuted_if="对数无穷多，DPO 或精确梯度的 KL 仍不小于 0.001。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"counts": [1000], "steps": 150},
    full={"counts": [100, 1000, 10_000, 100_000], "steps": 150},
    quick_seeds=(0,),
    labels={
        "before": "出发时到 π* 的 KL：三个回答，十五个回答",
        "endless": "无穷多对，训练后到 π* 的 KL；每行一个世界，按 DPO、精确梯度、IPO、铰链",
        "pairs": "抽出来的对，DPO 到 π* 的 KL；每行一个世界，按 100、1,000、10,000、100,000 对",
        "ipo_off": "IPO 的策略到它自己的闭式解的 KL",
    },
    limits="偏好真的由 r 按 Bradley–Terry 抽出，策略是一张表，π* 一定在它能表示的范围里，成对的回答由参考策略写；"
    "这三条真实数据都不保证。每次更新看全部的对。只有一百对时，有的对从来一边倒，DPO 的间隔会一直涨，"
    "这里 150 步就停，KL 还没有涨到头。IPO 的 β 与 DPO 的单位不同，换一个 β 会停在另一点，但不会是 π*。"
    "快速形式只有 1,000 对。",
)
