"""C18: every tile sampled on its own, or all tiles together into as many tokens: which reads small things better?

Xue et al. 2024 (arXiv:2408.08872), section 3.2 samples each tile on its own and compares that with one budget for the
whole image; equal budgets are our control.  Chapter 14.
Posters of 2×2 tiles and their squeezed view; equal steps, equal posters, equal tokens.
"""

import torch

from course_lib.chapters.ch14_blip3 import learning
from course_lib.chapters.ch14_blip3.posters import TILE, Thing
from course_lib.course.claims.core import Claim, Summary, Verdict

LATENTS = (1, 4)  # of each view
N_VIEWS = 5
SIDE = 2 * TILE
TOLD = {
    "shapes": lambda thing: not thing.is_digit,
    "digits": lambda thing: thing.is_digit,
    "whole": lambda thing: not is_cut(thing),
    "cut": lambda thing: is_cut(thing),
}


def is_cut(thing: Thing) -> bool:
    """Whether an edge between tiles goes through it."""
    return any(place - thing.radius < TILE < place + thing.radius for place in (thing.x, thing.y))


def measure(seed: int, *, progress, steps: int, n_posters: int) -> dict[str, list[list[float]]]:
    """Share of things named right, [latents of a view] × [each view on its own, all together]."""
    source = learning.pool(range(seed * n_posters, (seed + 1) * n_posters), SIDE, SIDE)
    figures = {name: [] for name in ("right", *TOLD)}
    for n_latents in LATENTS:
        found = []
        for together in (False, True):
            torch.manual_seed(seed)
            model = learning.build(n_latents * (N_VIEWS if together else 1), together=together)
            name = f"{n_latents * N_VIEWS} tokens, {'together' if together else 'each on its own'}"
            learning.taught(model, source, steps, seed, progress=lambda x, name=name: progress(x, name))
            found.append(learning.marks(model, learning.exam(SIDE, SIDE)))
        for name, counts in {"right": lambda thing: True, **TOLD}.items():
            figures[name].append([learning.share(marks, counts) for marks in found])
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: each view on its own names 0.05 more of the things right, or more, at every budget in every seed. Fails:
    on average over the budgets no more. Else partly."""
    gains = figures["right"].values[:, :, 0] - figures["right"].values[:, :, 1]

    def both(name: str, budget: int) -> str:
        mean, std = figures[name].mean[budget], figures[name].std[budget]
        return f"{mean[0]:.1%}±{std[0]:.1%} 对 {mean[1]:.1%}±{std[1]:.1%}"

    told = "；".join(
        f"{n * N_VIEWS} 个词元，各自采样对一起采样：{both('right', i)}"
        f"（图形 {both('shapes', i)}，手写数字 {both('digits', i)}，被块边切开的 {both('cut', i)}）"
        for i, n in enumerate(LATENTS)
    )
    if gains.mean() <= 0:
        return Verdict("fails", f"各自采样没有读对更多（{gains.mean():+.1%}）。{told}。")
    if (gains >= 0.05).all():
        return Verdict("holds", f"各自采样多读对 {gains.mean():.1%}，每个种子、每个预算都多。{told}。")
    return Verdict("partly", f"平均多读对 {gains.mean():.1%}，但不是每个种子、每个预算都多 5 个百分点。{told}。")


CLAIM = Claim(
    id="C18",
    chapter="14",
    title="每块各自采样，还是一起采样",
    statement="词元总数相同，每个视图各自采样，比所有视图拼在一起采样读对更多的小东西。",
    question="五个视图，二十个词元：每个视图各分四个，还是二十个一起看全部？",
    refuted_if="两种词元预算平均，各自采样没有读对更多。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 4, "n_posters": 64},
    full={"steps": 1000, "n_posters": 2048},
    quick_seeds=(0,),
    labels={
        "right": "读对的东西：每行一种预算（5、20 个词元），各自采样、一起采样",
        "shapes": "其中的图形",
        "digits": "其中的手写数字",
        "whole": "其中完整地落在一块里的",
        "cut": "其中被块的边切开的",
    },
    limits="海报只有 2×2 片，东西最多三样，问的是有什么，不问在哪里；真的图大得多，问题也杂。"
    "只训练 1,000 步。先用 300 步跑过一遍，两种都在三成三上下，各采各的平均低 0.7 个百分点；"
    "那时还没学满，才加长，判据没有改。"
    "一起采样的可学习向量是五倍，参数也多一点。"
    "词元一样多，运算不一样多：一起采样时，每个向量要看全部视图。"
    "快速形式只训练 4 步，什么也没学会。",
)
