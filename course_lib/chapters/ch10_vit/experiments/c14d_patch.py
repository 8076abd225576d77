"""C14d: a smaller patch costs more, and reads better.

Dosovitskiy et al. 2020 (arXiv:2010.11929), section 3.1: the number of tokens goes with 1/P². On ImageNet, fine-tuned
from ImageNet-21k, the authors' repository reports 81.8 % for B/32 and 84.6 % for B/16 (README, expected results).
Chapter 10. The same digits as C14, as many steps, one patch size after the other, down to a pixel a token. The cost is
counted, operation by operation, by torch's FlopCounterMode on the meta device: it is exact, and no clock is read.
"""

from dataclasses import replace
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from course_lib.chapters.ch10_vit.learning import accuracy, scans, split, taught, vit
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.models.vit import ViT, ViTConfig

PATCHES = [8, 4, 2, 1]


def products(config: ViTConfig) -> tuple[int, int]:
    """Multiply-adds of one picture: (of every query with every key and value, all). Norms and GELU are left out."""
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        ViT(config)(torch.empty(1, config.channels, config.height, config.width))
    batched = counter.get_flop_counts()["Global"].get(torch.ops.aten.bmm, 0)
    return batched // 2, counter.get_total_flops() // 2


def measure(seed: int, *, progress, patches: list[int], steps: int) -> dict[str, list[float]]:
    """Patch size by patch size: multiply-adds of one picture, between tokens and all; accuracy on the digits held out
    and on those learned from.
    """
    figures: dict[str, list[float]] = {"pairs": [], "products": [], "right": [], "fitted": []}
    images, labels = scans()
    seen = split(seed)[1]
    for patch in progress(patches, "块的边长"):
        config = replace(vit().config, patch=patch)
        pairs, every = products(config)
        model = taught(partial(ViT, config), 1437, seed=seed, steps=steps)
        with torch.no_grad():
            fitted = (model(images[seen]).argmax(-1) == labels[seen]).float().mean().item()
        for name, value in zip(figures, (pairs, every, accuracy(model, seed), fitted)):
            figures[name].append(value)
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """From the largest patch to the smallest. Holds if the cost grows and the mean accuracy rises, by half a point or
    more, at every step; partly if the smallest patch beats the largest by that in every seed; fails otherwise."""
    cost, right = figures["products"].mean, figures["right"].mean
    growth = cost[1:] / cost[:-1]
    said = (
        f"每小一档，乘加是原来的 {'、'.join(f'{each:.1f}' for each in growth)} 倍；"
        f"读对的从 {right[0]:.1%} 依次到 {'、'.join(f'{each:.1%}' for each in right[1:])}。"
    )
    last_gain = figures["right"].values[:, -1] - figures["right"].values[:, 0]
    if (growth > 1).all() and (right[1:] - right[:-1] >= 0.005).all():
        return Verdict("holds", f"{said}每小一档都更准。")
    if (last_gain >= 0.005).all():
        return Verdict("partly", f"{said}最小的块胜过最大的，但不是每小一档都更准。")
    return Verdict("fails", f"{said}多花的没有换来更准。")


CLAIM = Claim(
    id="C14d",
    chapter="10",
    title="块越小，花得越多，读得越准",
    statement="同样的步数，块的边长每减半，计算多出几倍，没见过的数字读得更准。",
    question="块的边长从 8 减到 1 像素，一张图要算多少次乘加，没见过的数字读对多少？",
    refuted_if="最小的块不比最大的多读对 0.5 个百分点；或者有一档变小以后没有更准。",
    seeds=(2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"patches": [8, 2], "steps": 120},
    full={"patches": PATCHES, "steps": 500},
    quick_seeds=(2,),
    labels={
        "pairs": "词元两两之间的乘加，一张图，边长 8、4、2、1",
        "products": "全部乘加，一张图",
        "right": "没见过的数字上的正确率",
        "fitted": "训练过的数字上的正确率",
    },
    limits="图只有 8×8，最大的块就是整张图；步数相同，不是花费相同，也没有逐个块调学习率。",
)
