"""C13c: does a pure power law say what a larger model will lose, or a power law with a floor?

Kaplan et al. 2020 (arXiv:2001.08361), eq. 1.1, parameters without embeddings; slides, GPT-3, 更大的模型规模. The floor:
Henighan et al. 2020 (arXiv:2010.14701), eq. 1.1; Hoffmann et al. 2022 (arXiv:2203.15556), eq. 2.  Chapter 09.

Small decoders of six widths see the same batches of facts with a long tail. Both laws are fitted to the five smaller
ones of each seed and foretell the largest; a third forecast says "as much as the size before". The control has fewer
facts, all equally frequent, and is trained until the largest model knows them: is its loss a power law, too?
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
N_CONTROL = 512  # so few that the largest model learns them all in as many steps
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
    """Loss by size, in the long tail and in the control; fits to all sizes; forecasts of the largest, as a share of
    what was measured; and the loss of each group of facts at each size."""
    sizes, losses, groups, flat = [], [], [], []
    for tail, n_facts, measured in ((1.0, N_FACTS, losses), (0.0, N_CONTROL, flat)):
        world, chances = facts(n_facts, seed), frequencies(n_facts, tail)
        for width in widths:
            model = trained(width, world, chances, steps, seed, progress)
            with torch.no_grad():
                of_each = answer_losses(model, world).double()
            measured.append((chances * of_each).sum().item())
            if tail:
                sizes.append(sum(each.numel() for each in model.blocks.parameters()))
                groups.append([of_each[low:high].mean().item() for low, high in pairwise(EDGES)])
    law, floored = fit_power_law(sizes, losses), fit_power_law(sizes, losses, with_floor=True)
    figures = {
        "parameters": sizes,
        "loss": losses,
        "alpha": law.alpha,
        "alpha_error": law.alpha_error,
        "n_c": law.n_c,
        "r2": law.r2,
        "r2_floor": floored.r2,
        "floor": floored.floor,
        "residual": law.residual,
        "loss_flat": flat,
        "residual_flat": fit_power_law(sizes, flat).residual,
        "loss_by_group": groups,
    }
    for name, measured in (("", losses), ("_flat", flat)):
        forecasts = [
            *(fit_power_law(sizes[:-1], measured[:-1], with_floor=floor).loss(sizes[-1]) for floor in (False, True)),
            measured[-2],
        ]
        figures[f"forecast{name}"] = [float(each) / measured[-1] for each in forecasts]
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """A forecast is as far off as its log is from 0. Holds: in every seed the pure law is nearer to the largest than
    the law with a floor and than the size before, and the control, whose largest model has learned its facts, lies at
    least twice as far off a line. Fails: the law with a floor is nearer in every seed, or the size before on average,
    or the loss does not fall from the smallest to the largest. Else partly."""
    loss, sizes = figures["loss"].values, figures["parameters"].values[0].astype(int)
    forecast, off = figures["forecast"], np.abs(np.log(figures["forecast"].values))
    line, floored, before = off.T
    wins = f"{(line < floored).sum()}/{len(line)}"
    alpha, control = figures["alpha"], figures["loss_flat"].mean
    chance = np.log(16)
    apart = figures["residual_flat"].mean / figures["residual"].mean
    shares = "、".join(f"{mean:.2f} ± {std:.2f}" for mean, std in zip(forecast.mean, forecast.std))
    measured = (
        f"参数 {sizes[0]:,} 到 {sizes[-1]:,} 个（不含词表），"
        f"损失 {loss.mean(0)[0]:.2f} 降到 {loss.mean(0)[-1]:.2f} nat。"
        f"用较小的五个预测最大的，预测是实测的几倍：纯幂律、带下限的幂律、照抄前一个，{shares}；"
        f"{wins} 个种子里纯幂律比带下限的更近。"
        f"六个一起拟合，R² 纯幂律 {figures['r2'].mean:.3f}，带下限 {figures['r2_floor'].mean:.3f}，"
        f"下限 {figures['floor'].mean:.2f} ± {figures['floor'].std:.2f} nat；"
        f"纯幂律的指数 α = {alpha.mean:.2f} ± {alpha.std:.2f}。"
        f"对照（一样常见的事实，训练到会）：损失 {control[0]:.2f} 降到 {control[-1]:.4f}，"
        f"偏离直线 {figures['residual_flat'].mean:.0%}，长尾的偏离 {figures['residual'].mean:.1%}。"
    )
    if (loss[:, -1] >= loss[:, 0]).any() or before.mean() <= line.mean():
        return Verdict("fails", f"幂律没有说出大模型的损失。{measured}")
    if (floored < line).all():
        return Verdict("fails", f"每个种子里，带下限的幂律都说得更准：损失不是纯幂律。{measured}")
    if ((line < floored) & (line < before)).all() and control[-1] < chance / 2 and apart >= 2:
        return Verdict("holds", f"每个种子里，纯幂律都说得最准。{measured}")
    return Verdict("partly", f"纯幂律说得不比对手都准，或对照没有分开。{measured}")


CLAIM = Claim(
    id="C13c",
    chapter="09",
    title="损失随参数量按幂律下降，没有下限",
    statement="在这里训练的几个大小上，损失是纯幂律 L(N) = (N_c/N)^α：由小模型连成的直线，"
    "预测最大的模型比带下限的幂律更准。",
    question="六个大小的模型看同样的批次。用较小的五个预测最大的：纯幂律、带下限的幂律、照抄前一个大小，谁最准？"
    "没有长尾的世界，训练到会，也是幂律吗？",
    refuted_if="每个种子里带下限的幂律都预测得更准；或照抄前一个大小平均更准；或大模型的损失不比小模型低。",
    seeds=(10, 11, 12),
    measure=measure,
    judge=judge,
    quick={"steps": 120, "widths": [8, 12, 16, 24, 32]},
    full={"steps": 300, "widths": [8, 12, 16, 24, 32, 48]},
    quick_seeds=(10,),
    labels={
        "parameters": "参数量，不含词表与位置",
        "loss": "答案的损失，按事实的频率平均，nat/字母",
        "alpha": "纯幂律的指数 α",
        "alpha_error": "α 的标准误（一次拟合）",
        "n_c": "N_c：纯幂律上损失为 1 nat 的参数量",
        "r2": "R²，纯幂律（log L）",
        "r2_floor": "R²，带下限的幂律（log L）",
        "floor": "带下限的幂律：下限，nat/字母",
        "residual": "偏离纯幂律：log 损失的均方根",
        "loss_flat": "对照（512 条事实一样常见）的损失，nat/字母",
        "residual_flat": "对照偏离纯幂律：log 损失的均方根",
        "loss_by_group": "各大小在第 1–10、11–100、101–1000、1001–4096 常见的事实上的损失",
        "forecast": "最大者的预测 / 实测：纯幂律、带下限的幂律、照抄前一个大小",
        "forecast_flat": "对照里最大者的预测 / 实测：同上三种",
    },
    limits="语料是造出来的，长尾是放进去的；参数只跨一个半数量级，每个模型都只训练 300 步，没有训到头："
    "拟合出来的下限主要是没训够，不是语料的熵。α 随语料和训练步数而变，不能与 Kaplan 等人的 0.076 相比。"
    "真实规模：Kaplan 等（2020）的式子没有下限，Henighan 等（2020）和 Hoffmann 等（2022）的都有。",
)
