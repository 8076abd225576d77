"""C10c: how post-norm and pre-norm bear a large learning rate.

Xiong et al. 2020 (arXiv:2002.04745): at initialisation the gradients of post-norm are large near the output, so that it
needs warm-up; pre-norm does not. Vaswani et al. 2017 have post-norm and 4,000 steps of warm-up.  Chapter 06.

Four layers a stack, numbers of one to four digits, the course's loop (5 % warm-up, clipping at 1). Peak learning rates
over a range of 64; the loss at the end, and whether the run learned at all. It could come out either way.
"""

import math

import torch
from torch import nn

from course_lib.chapters.ch06_transformer.numerals import encode, pairs
from course_lib.chapters.ch06_transformer.numerals_zoo import numeral_batch, numeral_config, translation_loss
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.models.transformer import Transformer
from course_lib.training.loop import train

NORMS = ("post", "pre")
RATES = (1e-3, 4e-3, 1.6e-2, 6.4e-2)
N_LAYERS = 4
SIZE = 32
MAX_DIGITS = 4


def small_model(norm: str, seed: int) -> Transformer:
    torch.manual_seed(seed)
    return Transformer(numeral_config(norm, d_model=32, n_layers=N_LAYERS, d_hidden=64))


def gradient_by_layer(model: nn.Module, batch) -> list[float]:
    """Norm of the gradient of each decoder layer's feed-forward output matrix, first layer to last, before any step."""
    model.zero_grad()
    translation_loss(model, batch).backward()
    return [layer.feedforward.down.weight.grad.norm().item() for layer in model.decoder]


def measure(seed: int, *, progress, steps: int) -> dict[str, list[list[float]]]:
    """Loss on held-out numbers after training, by norm and learning rate; gradients at the start, by norm and layer."""
    test = encode(pairs(seed, "held out", 300, max_digits=MAX_DIGITS, percent_dates=0))
    batches = [numeral_batch(seed, step, SIZE, max_digits=MAX_DIGITS, percent_dates=0) for step in range(steps)]
    losses = []
    for norm in NORMS:
        row = []
        for lr in progress(RATES, norm):
            model = small_model(norm, seed)
            try:
                train(model, batches, steps=steps, lr=lr, loss=translation_loss, history=[])
                with torch.no_grad():
                    value = translation_loss(model.eval(), test).item()
            except FloatingPointError:
                value = math.nan
            row.append(value if math.isfinite(value) else 100.0)
        losses.append(row)
    gradients = [gradient_by_layer(small_model(norm, seed), batches[0]) for norm in NORMS]
    return {"loss": losses, "gradient": gradients}


def judge(figures: dict[str, Summary]) -> Verdict:
    """A run has learned if its loss is below 1 nat (knowing nothing of the source costs about 2). Holds: at some rate
    pre-norm learned in every seed and post-norm in none, and at no rate the other way round. Fails: at every rate
    post-norm learned at least as often. Else partly."""
    learned = (figures["loss"].values < 1.0).mean(axis=0)
    post, pre = learned
    rates = ("0.001", "0.004", "0.016", "0.064")
    loss = figures["loss"].mean
    table = "；".join(
        f"学习率 {rate}：post {a:.2f}（学会 {p:.0%}），pre {b:.2f}（学会 {q:.0%}）"
        for rate, a, b, p, q in zip(rates, *loss, post, pre)
    )
    first, last = figures["gradient"].mean[:, 0], figures["gradient"].mean[:, -1]
    gradients = f"起点处，末层梯度是首层的几倍：post {last[0] / first[0]:.1f}，pre {last[1] / first[1]:.1f}。"
    if (post >= pre).all():
        return Verdict("fails", f"在每个学习率上 post-norm 都不比 pre-norm 差。{table}。{gradients}")
    if ((pre == 1) & (post == 0)).any() and (pre >= post).all():
        return Verdict("holds", f"有一档学习率 pre-norm 每次都学会，post-norm 一次也没有。{table}。{gradients}")
    return Verdict("partly", f"pre-norm 在有的学习率上学会得更多，但分界不清楚，或有一档反过来。{table}。{gradients}")


CLAIM = Claim(
    id="C10c",
    chapter="06",
    title="post-norm 与 pre-norm，谁经得起大学习率",
    statement="四层深、热身 5 % 时，pre-norm 能在更大的学习率下学会，post-norm 在那里学不会。",
    question="学习率从 0.001 到 0.064，两种放法训练完的损失各是多少，几个种子学会了？",
    refuted_if="在每个学习率上，post-norm 学会的次数都不少于 pre-norm。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 30},
    full={"steps": 120},
    quick_seeds=(0,),
    labels={
        "loss": "训练后在没见过的数上的损失（nat）：行 post、pre，列学习率 0.001、0.004、0.016、0.064",
        "gradient": "第一步之前，解码器各层前馈输出矩阵的梯度大小：行 post、pre，列第 1 到 4 层",
    },
    limits="四层、宽 32、120 步、有梯度裁剪和 5 % 热身。论文比的是几万步和有没有热身；更深更长时差别会更大，"
    "而训练成功时 post-norm 的最后效果常常不差，这里也看不出来。",
)
