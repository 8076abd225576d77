"""C30d: GRPO where the best policy is known: how far from π* it settles, and which of its parts makes it do so.

π* ∝ π_ref exp(r / β) on three answers. GRPO (Shao et al. 2024, arXiv:2402.03300): rewards divided by the group's std;
k3, whose gradient is of KL(ref ‖ π); a mean that includes the answer itself; clipped ratios. Each is switched off: std
by Dr. GRPO (arXiv:2503.20783), k3's direction by weighing with π / π_old (DeepSeek-V3.2, arXiv:2512.02556), the mean by
that of the others (RLOO, arXiv:2402.14740), the clip by none.  Chapter 23.
"""

import math
from functools import cache

import numpy as np

from course_lib.chapters.ch23_grpo.learning import others_advantages, settles, to_best
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.posttraining.dr_grpo import dr_advantages
from course_lib.posttraining.grpo import group_advantages
from course_lib.posttraining.kl import exact_kl
from course_lib.toys.three_answers import three_answers

WAYS = {  # from GRPO, one more off each time; then one alone
    "GRPO": dict(advantages=group_advantages, reweigh=False, clip=0.2),
    "不除以 std": dict(advantages=dr_advantages, reweigh=False, clip=0.2),
    "k3 也加权": dict(advantages=dr_advantages, reweigh=True, clip=0.2),
    "均值也不含自己": dict(advantages=others_advantages, reweigh=True, clip=0.2),
    "也不裁剪": dict(advantages=others_advantages, reweigh=True, clip=math.inf),
    "只除以 std": dict(advantages=group_advantages, reweigh=True, clip=math.inf),
    "只有 k3 的方向": dict(advantages=others_advantages, reweigh=False, clip=math.inf),
    "只有均值含自己": dict(advantages=dr_advantages, reweigh=True, clip=math.inf),
}
GRPO, CLIP, FAIR, ALONE = 0, 3, 4, slice(5, None)  # clip alone is on in way 3
SIZES = (2, 4, 16, 64)
N, G, LR, EPOCHS = 256, 8, 0.1, 4  # N answers a round


@cache
def expected(way: str, G: int) -> float:
    """KL(π ‖ π*) where the mean gradient is 0: the same for every seed."""
    still = {name: each for name, each in WAYS[way].items() if name != "clip"}
    return float(exact_kl(settles(G=G, **still), three_answers().best))


def measure(seed: int, *, progress, rounds: int) -> dict[str, list]:
    """kl, settles: by way, KL(π ‖ π*) after the last round, and where the mean gradient is 0. curve: at eleven equal
    distances from the first round to the last. by_size: of GRPO and of it without std and with k3 weighed, by G, N
    answers a round; by_size_settles: the same of the mean gradient."""

    def trained(how: dict, G: int):
        return to_best(P=N // G, G=G, rounds=rounds, epochs=EPOCHS, lr=LR, seed=seed, **how).kl

    ways = [trained(how, G) for how in progress(WAYS.values(), "ways")]
    places = np.linspace(0, rounds, 11).round().astype(int).tolist()
    sized = ("GRPO", "k3 也加权")
    return {
        "kl": [float(kl[-1]) for kl in ways],
        "settles": [expected(way, G) for way in WAYS],
        "curve": [kl[places].tolist() for kl in ways],
        "by_size": [[float(trained(WAYS[way], size)[-1]) for size in SIZES] for way in progress(sized, "sizes")],
        "by_size_settles": [[expected(way, size) for size in SIZES] for way in sized],
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed GRPO ends 0.01 or more from π*, with all four off within 1e-3; with the std, k3's direction
    or the mean alone on 1e-3 or more, with the clip alone within 1e-3. Fails: on average GRPO ends within 1e-3, or with
    all off 1e-3 or more away. Else partly."""
    kl, mean, still = figures["kl"].values, figures["kl"].mean, figures["settles"].mean
    told = "；".join(f"{name} {each:.1e}（算得 {there:.1e}）" for name, each, there in zip(WAYS, mean, still))
    told = f"训练后到 π* 的 KL，平均，括号里是平均梯度为零的地方：{told}。"
    sizes = figures["by_size"].mean
    told += f"组从 {SIZES[0]} 到 {SIZES[-1]}：GRPO {sizes[0, 0]:.3f} → {sizes[0, -1]:.3f}，"
    told += f"不除以 std、k3 加权 {sizes[1, 0]:.1e} → {sizes[1, -1]:.1e}。"
    if mean[GRPO] < 1e-3 or mean[FAIR] >= 1e-3:
        return Verdict("fails", f"GRPO 停在了 π*，或者四样全关也到不了。{told}")
    off = [
        name
        for name, well in (
            ("GRPO 离 π* 不足 0.01", (kl[:, GRPO] >= 1e-2).all()),
            ("四样全关，有种子没有到 0.001 以内", (kl[:, FAIR] < 1e-3).all()),
            ("有一样单独开着，也到了 0.001 以内", (kl[:, ALONE] >= 1e-3).all()),
            ("单单裁剪也移动了终点", (kl[:, CLIP] < 1e-3).all()),
        )
        if not well
    ]
    if off:
        return Verdict("partly", f"{'；'.join(off)}。{told}")
    return Verdict("holds", told)


CLAIM = Claim(
    id="C30d",
    chapter="23",
    title="GRPO 停在哪里",
    statement="三个回答上，GRPO 停在离 π* 不止 0.01 的地方。除以 std、k3 的方向、均值里有自己，各自都让它停在别处；"
    "裁剪不移动终点。四样全关，KL 小于 0.001。",
    question="GRPO 的优势是组里比出来的，KL 是估出来的，比率还要裁剪。哪几样会让它停在 π* 以外的地方？",
    refuted_if="GRPO 停在离 π* 0.001 以内，或者四样全关仍不小于 0.001。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"rounds": 20},
    full={"rounds": 200},
    quick_seeds=(0,),
    labels={
        "kl": "训练后到 π* 的 KL：" + "、".join(WAYS),
        "settles": "平均梯度为零的策略到 π* 的 KL，同样排列",
        "curve": "到 π* 的 KL，从头到尾十一处；每行同样排列",
        "by_size": "组 2、4、16、64：GRPO；不除以 std、k3 加权",
        "by_size_settles": "同上，平均梯度为零的地方",
    },
    limits="一个世界，一个 β（0.5），策略是一张表，回答只有一个词：1/|o| 这样的长度归一化在这里不起作用。奖励没有噪声。"
    "每轮 256 个回答，学率降到零，所以剩下的抽样噪声很小；学习率不降时还会在终点周围晃。"
    "裁剪不移动终点，是因为到终点时比率已回到 1；它会放慢路上的步子。"
    "除以 std 相当于换一个 β：β 可以重新调，所以“停在别处”不等于“更差”。"
    "平均梯度按每轮的第一次更新算，不计后三次。",
)
