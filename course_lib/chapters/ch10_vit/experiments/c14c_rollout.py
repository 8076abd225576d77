"""C14c: attention rollout finds the object, and finds it better than the last layer's attention alone.

Abnar & Zuidema 2020 (arXiv:2005.00928) propose it for text; Dosovitskiy et al. 2020 draw it for ViT (figure 6, D.8).
Chapter 10. The scenes hold one shape, so it is known which patches it stands on: the share of the class token's gaze
that falls on them is measured, beside their share of the picture, which is what a gaze that sees nothing gives. Two
rivals that could win: the last layer's attention, mean over heads, and the size of the right logit's gradient.
"""

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from course_lib.chapters.ch10_vit.scene_kinds import PATCH, covered, pictures, scenes, trained
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.rollout import rollout


def measure(seed: int, *, progress, steps: int, n_test: int) -> dict[str, float]:
    """Mean over scenes of the share of the gaze that falls on the shape's patches; 1 would be all of it."""
    model = trained(seed, steps, progress)
    drawn = scenes(10**6 + seed, 0, n_test)
    images, kinds = pictures(drawn, seed)
    on_shape = torch.from_numpy(covered(drawn))
    images.requires_grad_()
    logits = model(images)
    logits.gather(1, kinds[:, None]).sum().backward()
    with torch.no_grad():
        maps = model.attention_maps(images)
        gazes = {
            "rollout": rollout(maps)[:, 0, 1:],
            "last": maps[-1].mean(dim=1)[:, 0, 1:],
            "gradient": avg_pool2d(images.grad.abs().sum(1, keepdim=True), PATCH).flatten(1),
        }
        shares = {name: ((gaze * on_shape).sum(1) / gaze.sum(1)).mean().item() for name, gaze in gazes.items()}
    return shares | {
        "area": on_shape.float().mean().item(),
        "accuracy": (logits.argmax(-1) == kinds).float().mean().item(),
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Fails unless in every seed rollout lays at least 1.5 times the shape's share of the picture on it; partly if it
    does, but the last layer alone lays more there in some seed; holds otherwise."""
    values = {name: summary.values for name, summary in figures.items()}
    means = {name: f"{summary.mean:.0%}" for name, summary in figures.items()}
    said = (
        f"物体占画面的 {means['area']}；注意力展开有 {means['rollout']} 落在物体上，"
        f"最后一层注意力 {means['last']}，梯度 {means['gradient']}。"
    )
    if np.any(values["rollout"] < 1.5 * values["area"]):
        return Verdict("fails", f"{said}展开没有找到物体。")
    if np.any(values["last"] >= values["rollout"]):
        return Verdict("partly", f"{said}展开找得到物体，但只看最后一层更准。")
    return Verdict("holds", f"{said}展开找得到物体，比最后一层更准。")


CLAIM = Claim(
    id="C14c",
    chapter="10",
    title="注意力展开找得到物体",
    statement="把各层注意力乘起来（展开），CLS 的目光落在物体上，比只看最后一层更准。",
    question="CLS 的目光有多大一份落在物体盖住的图像块上？",
    refuted_if="有种子里，展开落在物体上的份额不到物体面积份额的 1.5 倍。"
    "够 1.5 倍，但最后一层单独看更准，只算部分成立。",
    seeds=(2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"steps": 80, "n_test": 100},
    full={"steps": 600, "n_test": 500},
    quick_seeds=(2,),
    labels={
        "rollout": "展开：落在物体上的份额",
        "last": "最后一层，各头平均：份额",
        "gradient": "梯度的大小：份额",
        "area": "物体占画面的份额",
        "accuracy": "没见过的场景上的正确率",
    },
    limits="只有两层，展开只乘两次；份额只在图像块之间算，CLS 自己那一份不计；物体的外框碰到的块都算它的。"
    "论文画的是 24 层的 ViT-L/16（附录 D.8），没有给出落在物体上的份额。",
)
