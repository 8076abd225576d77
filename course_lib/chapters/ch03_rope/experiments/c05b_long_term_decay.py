"""C05b: "long-term decay" of RoPE scores: what exactly becomes smaller with distance, and what does not.

Source: Su et al. 2021 (arXiv:2104.09864), section 3.4.3, eq. 35 to 37 (Abel summation) and figure 2;
Barbero et al. 2024 (arXiv:2410.06205) on why that is no decay of attention.  Chapter 03.
"""

import torch

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.attention import attention_scores
from course_lib.foundations.rope import angles, frequencies, rotate_interleaved

D_HEAD = 128
NEAR = slice(1, 101)
FAR = slice(-100, None)


def measure(
    seed: int, *, progress, n_draws: int, max_distance: int, bookmarks: list[int]
) -> dict[str, float | list[float]]:
    """Scores divided by |q||k|, at every distance 0 … max_distance between query and key."""
    generator = torch.Generator().manual_seed(seed)
    freqs = frequencies(D_HEAD)
    turns = angles(torch.arange(max_distance + 1), freqs)

    def scores(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return attention_scores(rotate_interleaved(q, turns), k, scale=1.0)[:, 0] / (q.norm() * k.norm())

    total = torch.zeros(2, max_distance + 1, dtype=torch.float64)
    aligned_total, aligned_rises = torch.zeros(max_distance + 1, dtype=torch.float64), 0.0
    peaks = []
    for draw in progress(range(n_draws), "随机 q、k"):
        q, k = torch.randn(2, 1, D_HEAD, generator=generator, dtype=torch.float64)
        random, same = scores(q, k), scores(q, q)
        total += torch.stack([random, random.square()]) / n_draws
        aligned_total += same / n_draws
        aligned_rises += _share_of_rises(same) / n_draws
        favourite = bookmarks[draw % len(bookmarks)]
        key = rotate_interleaved(q, turns[favourite : favourite + 1])
        peaks.append(float(scores(q, key).argmax() == favourite))
    spread = (total[1] - total[0].square()).sqrt()
    aligned = turns.cos().mean(-1)
    envelope = torch.polar(torch.ones_like(turns), turns).cumsum(-1).abs().mean(-1) / (D_HEAD / 2)
    return {
        "random_mean": total[0][1:].mean().item(),
        "random_mean_largest": total[0][1:].abs().max().item(),
        "random_spread_near": spread[NEAR].mean().item(),
        "random_spread_far": spread[FAR].mean().item(),
        "aligned_near": aligned[NEAR].mean().item(),
        "aligned_far": aligned[FAR].mean().item(),
        "aligned_lowest": aligned.min().item(),
        "aligned_rises": _share_of_rises(aligned),
        "same_near": aligned_total[NEAR].mean().item(),
        "same_far": aligned_total[FAR].mean().item(),
        "same_rises": aligned_rises,
        "envelope_near": envelope[NEAR].mean().item(),
        "envelope_far": envelope[FAR].mean().item(),
        "envelope_rises": _share_of_rises(envelope),
        "chosen_distance_wins": sum(peaks) / len(peaks),
    }


def _share_of_rises(curve: torch.Tensor) -> float:
    """In how many of the steps to the next distance the curve goes up."""
    return float((curve.diff() > 0).double().mean())


def judge(figures: dict[str, Summary]) -> Verdict:
    """Three readings of "decays", far = the last 100 distances, near = 1 … 100.

    The bound: far below 0.7 of near (a constant bound would give 1). Aligned vectors on average: the same.
    Every score: the spread of random scores shrinks below 0.7 too, the aligned score rises on fewer than 5 % of its
    steps (a curve without trend rises on half of them), and no key can prefer a far distance.
    """
    mean = {name: float(summary.mean) for name, summary in figures.items()}
    bound = mean["envelope_far"] / mean["envelope_near"]
    aligned = max(mean[f"{name}_far"] / mean[f"{name}_near"] for name in ("aligned", "same"))
    spread = mean["random_spread_far"] / mean["random_spread_near"]
    measured = (
        f"从近处（1–100）到最远的 100 个距离，上界因子由 {mean['envelope_near']:.2f} 变到 {mean['envelope_far']:.2f}，"
        f"q = k 时的平均分数由 {mean['same_near']:.2f} 变到 {mean['same_far']:.2f}（以 |q||k| 为 1）；"
        f"随机 q、k 的均值始终约为 0（{mean['random_mean']:.4f}），"
        f"标准差由 {mean['random_spread_near']:.3f} 变到 {mean['random_spread_far']:.3f}。"
        f"q = k 的分数在 {mean['same_rises']:.0%} 的步子上是升的，上界自己也有 {mean['envelope_rises']:.0%}。"
        f"按某个距离造一个 k，{mean['chosen_distance_wins']:.0%} 的情形里它在那个距离分数最高，远近都行。"
    )
    if bound > 0.7 and aligned > 0.7:
        return Verdict("fails", f"没有测到衰减。{measured}")
    every_score = spread < 0.7 and mean["same_rises"] < 0.05 and mean["chosen_distance_wins"] < 0.05
    if bound < 0.7 and aligned < 0.7 and every_score:
        return Verdict("holds", measured)
    return Verdict("partly", f"衰减的是上界和同向向量的平均，不是每一个分数。{measured}")


CLAIM = Claim(
    id="C05b",
    chapter="03",
    title="RoPE 的长程衰减：衰减的是什么",
    statement="两个 token 相距越远，RoPE 的分数越小。",
    question="距离从 1 到几千：论文的上界、同向的 q 和 k、随机的 q 和 k，各自的分数怎样变化？",
    refuted_if="上界因子和同向分数在远处都不到近处的 0.7 以下；若只有它们衰减而随机分数不衰减，则只算部分成立。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"n_draws": 100, "max_distance": 1000, "bookmarks": [1, 10, 100, 1000]},
    full={"n_draws": 1000, "max_distance": 4096, "bookmarks": [1, 10, 100, 1000, 4000]},
    labels={
        "random_mean": "随机 q、k：所有距离的平均分数（|q||k| = 1）",
        "random_mean_largest": "随机 q、k：各距离平均分数的最大绝对值",
        "random_spread_near": "随机 q、k：分数的标准差，距离 1–100",
        "random_spread_far": "随机 q、k：分数的标准差，最远的 100 个距离",
        "aligned_near": "q = k = 全 1：平均分数，距离 1–100",
        "aligned_far": "q = k = 全 1：平均分数，最远的 100 个距离",
        "aligned_lowest": "q = k = 全 1：最低的分数",
        "aligned_rises": "q = k = 全 1：分数上升的步子所占比例",
        "same_near": "q = k 随机：平均分数，距离 1–100",
        "same_far": "q = k 随机：平均分数，最远的 100 个距离",
        "same_rises": "q = k 随机：分数上升的步子所占比例",
        "envelope_near": "论文的上界因子（除以 d/2），距离 1–100",
        "envelope_far": "论文的上界因子（除以 d/2），最远的 100 个距离",
        "envelope_rises": "上界因子上升的步子所占比例",
        "chosen_distance_wins": "k 按某个距离反转过来：在那个距离分数最高的比例",
    },
    limits="q、k 是随机的；训练好的模型用哪些频率、是否真的偏向近处，要看它的权重。",
)
