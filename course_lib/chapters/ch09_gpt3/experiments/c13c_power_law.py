"""C13c: over the sizes trained here the loss falls with the number of parameters as a power law.

Kaplan et al. 2020 (arXiv:2001.08361), eq. 1.1, parameters without embeddings; slides, GPT-3,
更大的模型规模.  Chapter 09.

Small decoders of six widths see the same batches of facts with a long tail. The loss on the answers, over all facts
with their frequencies, has no floor. Its logarithm against the logarithm of the size: is it a line, does the line
through the smaller sizes say what the largest will do, and is it still one where all facts are equally frequent?
"""

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from course_lib.chapters.ch09_gpt3.facts import ANSWER, N_LETTERS, NAME, facts, frequencies
from course_lib.chapters.ch09_gpt3.scaling import fit_power_law
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.toys.position_schemes import LearnedScheme
from course_lib.toys.tiny_lm import TinyLM, TinyLMConfig
from course_lib.training.loop import train

N_FACTS = 4096
BATCH = 256
PEAK_LR = 1e-2
EDGES = (0, 10, 100, 1000, N_FACTS)  # groups of facts, most frequent first


def answer_losses(model: TinyLM, ids: Int[Tensor, "B 5"]) -> Float[Tensor, "B"]:
    """Mean loss on a fact's answer letters, nats a letter."""
    logits = model(ids)[:, NAME - 1 : NAME + ANSWER - 1]
    return cross_entropy(logits.transpose(1, 2), ids[:, NAME:], reduction="none").mean(-1)


def trained(width: int, world: Tensor, chances: Tensor, steps: int, seed: int, progress) -> TinyLM:
    torch.manual_seed(seed)
    config = TinyLMConfig(n_vocab=N_LETTERS, d_model=width, n_layers=2, n_heads=2)
    model = TinyLM(config, LearnedScheme(NAME + ANSWER, width))
    chance = torch.Generator().manual_seed(seed)
    batches = (world[torch.multinomial(chances, BATCH, True, generator=chance)] for _ in range(steps))
    train(
        model,
        batches,
        steps=steps,
        lr=PEAK_LR,
        loss=lambda model, ids: answer_losses(model, ids).mean(),
        progress=lambda each: progress(each, f"d = {width}"),
        history=[],
    )
    return model.eval()


def measure(seed: int, *, progress, steps: int, widths: list[int]) -> dict[str, object]:
    """Loss by size, with the long tail and without; fits; and the loss of each group of facts at each size."""
    world = facts(N_FACTS, seed)
    sizes, losses, groups, flat = [], [], [], []
    for tail, measured in ((1.0, losses), (0.0, flat)):
        chances = frequencies(N_FACTS, tail)
        for width in widths:
            model = trained(width, world, chances, steps, seed, progress)
            with torch.no_grad():
                of_each = answer_losses(model, world).double()
            measured.append((chances * of_each).sum().item())
            if tail:
                sizes.append(sum(each.numel() for each in model.blocks.parameters()))
                groups.append([of_each[low:high].mean().item() for low, high in pairwise(EDGES)])
    law, without_largest = fit_power_law(sizes, losses), fit_power_law(sizes[:-1], losses[:-1])
    return {
        "parameters": sizes,
        "loss": losses,
        "alpha": law.alpha,
        "alpha_error": law.alpha_error,
        "n_c": law.n_c,
        "residual": law.residual,
        "r2": law.r2,
        "r2_exponential": float(np.corrcoef(sizes, np.log(losses))[0, 1] ** 2),
        "predicted_over_measured": float(without_largest.loss(sizes[-1]) / losses[-1]),
        "loss_flat": flat,
        "r2_flat": fit_power_law(sizes, flat).r2,
        "residual_flat": fit_power_law(sizes, flat).residual,
        "loss_by_group": groups,
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed loss falls with every size, the line explains at least 95 % of log loss and more than an
    exponential does, and the smaller sizes foretell the largest within 30 %. Fails: the mean r2 is under 0.8, or an
    exponential explains more on average, or loss does not fall from the smallest to the largest."""
    loss, r2, other = (figures[name].values for name in ("loss", "r2", "r2_exponential"))
    sizes, foretold = figures["parameters"].values[0].astype(int), figures["predicted_over_measured"].values
    alpha, error = figures["alpha"], figures["alpha_error"].mean
    measured = (
        f"参数 {sizes[0]:,} 到 {sizes[-1]:,} 个（不含词表），"
        f"损失 {loss.mean(0)[0]:.2f} 降到 {loss.mean(0)[-1]:.2f} nat；"
        f"指数 α = {alpha.mean:.2f} ± {alpha.std:.2f}（种子之间），一次拟合的标准误 {error:.2f}；"
        f"R² 幂律 {r2.mean():.3f}，指数函数 {other.mean():.3f}；"
        f"各点偏离直线约 {figures['residual'].mean:.0%}；"
        f"用较小的几个预测最大的，预测值是实测的 {foretold.mean():.2f} 倍。"
        f"所有事实一样常见时，损失 {figures['loss_flat'].mean[0]:.2f} 到 {figures['loss_flat'].mean[-1]:.2f}，"
        f"偏离直线约 {figures['residual_flat'].mean:.0%}。"
    )
    if r2.mean() < 0.8 or other.mean() > r2.mean() or (loss[:, -1] >= loss[:, 0]).any():
        return Verdict("fails", f"这几个大小上的损失不是幂律。{measured}")
    falls = (np.diff(loss, axis=1) < 0).all()
    if falls and (r2 >= 0.95).all() and (r2 > other).all() and (np.abs(foretold - 1) <= 0.3).all():
        return Verdict("holds", measured)
    return Verdict("partly", f"大致是幂律，但不是每个种子都经得起全部检验。{measured}")


CLAIM = Claim(
    id="C13c",
    chapter="09",
    title="损失随参数量按幂律下降",
    statement="在这里训练的几个大小上，损失对参数量在双对数坐标里是一条直线：L(N) = (N_c/N)^α。",
    question="六个大小的模型看同样的批次，损失的对数对参数量的对数是直线吗？小模型连成的线能预测最大的吗？",
    refuted_if="直线解释不到 log 损失变化的 80 %，或指数函数比幂律更合，或大模型的损失不比小模型低。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 150, "widths": [8, 12, 16, 24]},
    full={"steps": 300, "widths": [8, 12, 16, 24, 32, 48]},
    quick_seeds=(0,),
    labels={
        "parameters": "参数量，不含词表与位置",
        "loss": "答案的损失，按事实的频率平均，nat/字母",
        "alpha": "幂律的指数 α",
        "alpha_error": "α 的标准误（一次拟合）",
        "n_c": "N_c：拟合线上损失为 1 nat 的参数量",
        "residual": "偏离拟合线：log 损失的均方根",
        "r2": "R²，幂律（log L 对 log N）",
        "r2_exponential": "R²，指数函数（log L 对 N）",
        "predicted_over_measured": "去掉最大的再拟合：最大者的预测 / 实测",
        "loss_flat": "所有事实一样常见时的损失，nat/字母",
        "r2_flat": "所有事实一样常见时的 R²",
        "residual_flat": "所有事实一样常见时，偏离拟合线",
        "loss_by_group": "各大小在第 1–10、11–100、101–1000、1001–4096 常见的事实上的损失",
    },
    limits="语料是造出来的，长尾是放进去的；参数只跨一个半数量级，每个模型都只训练 300 步，没有训到头。"
    "α 的值随语料和训练步数而变，不能与 Kaplan 等人的 0.076 相比。",
)
