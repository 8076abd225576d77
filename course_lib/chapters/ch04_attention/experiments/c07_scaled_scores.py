"""C07: the variance of q·k grows as d_k, 1/√d_k restores it; softmax entropy and gradients with and without.

Source: Vaswani et al. 2017, section 3.2.1 with footnote 4.  Chapter 04.
"""

import numpy as np
import torch

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.attention import attention_scores, attention_weights

N_TOKENS = 32
D_VALUE = 16


def measure(seed: int, *, progress, widths: list[int], n_sets: int) -> dict[str, float | list[float]]:
    """Random normal q, k, v in n_sets sets of 32 queries and 32 keys; one figure per head width, raw and scaled."""
    generator = torch.Generator().manual_seed(seed)
    names = ("variance", "entropy", "top_weight", "gradient_median", "gradient_mean")
    figures = {f"{name}_{form}": [] for name in names for form in ("raw", "scaled")}
    for width in progress(widths, "d_k"):
        q, k = torch.randn(2, n_sets, N_TOKENS, width, generator=generator)
        v, direction = torch.randn(2, n_sets, N_TOKENS, D_VALUE, generator=generator)
        for form, scale in {"raw": 1.0, "scaled": None}.items():
            q.requires_grad_()
            weights = attention_weights(q, k, scale=scale)
            (gradient,) = torch.autograd.grad((weights @ v * direction).sum(), q)
            size = gradient.norm(dim=-1)
            with torch.no_grad():
                figures[f"variance_{form}"].append(attention_scores(q, k, scale=scale).var().item())
                figures[f"entropy_{form}"].append(torch.special.entr(weights).sum(-1).mean().item())
                figures[f"top_weight_{form}"].append(weights.amax(-1).mean().item())
                figures[f"gradient_median_{form}"].append(size.median().item())
                figures[f"gradient_mean_{form}"].append(size.mean().item())
    exponent, _ = np.polyfit(np.log(widths), np.log(figures["variance_raw"]), 1)
    return figures | {"variance_exponent": float(exponent)}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Growth as d_k: exponent 1 within 0.05 (the fit's own spread is below 0.01; √d_k would be 0.5, d_k² 2).

    Restored: variance 1 within 5 % at every width. Alive: from the narrowest head to the widest, the entropy and the
    median gradient stay within 10 % when scaled, and lose at least half when not.
    """
    mean = {name: summary.mean for name, summary in figures.items()}
    exponent = float(mean["variance_exponent"])
    worst = float(np.abs(mean["variance_scaled"] - 1).max())
    kept = {name: float(values[-1] / values[0]) for name, values in mean.items() if np.ndim(values)}
    variances = abs(exponent - 1) < 0.05 and worst < 0.05
    scaled_steady = all(abs(kept[f"{name}_scaled"] - 1) < 0.1 for name in ("entropy", "gradient_median"))
    raw_dies = all(kept[f"{name}_raw"] < 0.5 for name in ("entropy", "gradient_median"))
    if not variances:
        return Verdict(
            "fails", f"方差不按 d_k 增长或没有被恢复：指数 {exponent:.3f}，缩放后方差偏离 1 达 {worst:.1%}。"
        )
    measured = (
        f"点积方差 ∝ d_k^{exponent:.3f}；除以 √d_k 后各宽度的方差与 1 相差不到 {worst:.1%}。"
        f"不缩放，d_k 从最小到最大，softmax 熵由 {mean['entropy_raw'][0]:.2f} 降到 {mean['entropy_raw'][-1]:.2f}，"
        f"最大权重由 {mean['top_weight_raw'][0]:.2f} 升到 {mean['top_weight_raw'][-1]:.2f}，"
        f"对 q 的梯度中位数由 {mean['gradient_median_raw'][0]:.2f} 变到 {mean['gradient_median_raw'][-1]:.2g}；"
        f"缩放后熵保持 {mean['entropy_scaled'][-1]:.2f}，梯度中位数保持 {mean['gradient_median_scaled'][-1]:.2f}。"
    )
    if not (scaled_steady and raw_dies):
        return Verdict("partly", f"方差如所说，但 softmax 没有随之饱和，或缩放没有让它平稳。{measured}")
    nuance = (
        f"消失的是中位数：不缩放时梯度的均值反而由 {mean['gradient_mean_raw'][0]:.1f} 变到 "
        f"{mean['gradient_mean_raw'][-1]:.1f}，少数查询梯度极大，多数几乎没有。"
    )
    return Verdict("holds", measured + nuance)


CLAIM = Claim(
    id="C07",
    chapter="04",
    title="√d_k 让分数的方差不随头宽增长",
    statement="q·k 的方差随 d_k 成正比增长；除以 √d_k 后方差回到 1，softmax 不饱和，梯度不消失。",
    question="头宽从 16 到 1024，q、k 的分量独立、方差为 1：分数的方差、softmax 的熵、对 q 的梯度各变成多少？",
    refuted_if="方差的增长指数偏离 1 超过 0.05，或缩放后的方差偏离 1 超过 5%（熵和梯度不因缩放而不同：只算部分成立）。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"widths": [16, 32, 64, 128, 256, 512, 1024], "n_sets": 32},
    full={"widths": [16, 32, 64, 128, 256, 512, 1024], "n_sets": 256},
    labels={
        "variance_raw": "q·k 的方差，d_k = 16…1024",
        "variance_scaled": "q·k/√d_k 的方差",
        "variance_exponent": "方差 ∝ d_k 的几次方",
        "entropy_raw": "softmax 熵（nat，32 个键），不缩放",
        "entropy_scaled": "softmax 熵（nat，32 个键），缩放",
        "top_weight_raw": "最大权重，不缩放",
        "top_weight_scaled": "最大权重，缩放",
        "gradient_median_raw": "对 q 的梯度范数的中位数，不缩放",
        "gradient_median_scaled": "对 q 的梯度范数的中位数，缩放",
        "gradient_mean_raw": "对 q 的梯度范数的均值，不缩放",
        "gradient_mean_scaled": "对 q 的梯度范数的均值，缩放",
    },
    limits="q、k 是独立的标准正态，像刚初始化的模型；训练之后它们相关，方差由模型自己决定。",
)
