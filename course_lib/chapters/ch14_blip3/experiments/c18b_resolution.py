"""C18b: more tokens or more pixels? Tokens, operations and what is read right, against the grid of tiles.

xGen-MM's any-resolution tiling (Xue et al. 2024, arXiv:2408.08872, section 3.2) buys both at once.  Chapter 14.
Posters of 96×96, squeezed into 32×32 alone, or with tiles of a grid. In 1×2 tiles a square poster is as small as
squeezed, and half of the canvas is empty: tokens without pixels. 2×2 shows it at 64×64, 3×3 as it is.
"""

import torch
from torch.utils.flop_counter import FlopCounterMode

from course_lib.chapters.ch14_blip3 import learning
from course_lib.chapters.ch14_blip3.posters import RADII, TILE, poster
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.tiles import Grid

GRIDS: tuple[Grid | None, ...] = (None, (1, 2), (2, 2), (3, 3))
SIDE = 3 * TILE
RADIUS = range(RADII[0], RADII[1] + 1)


def flops(model, grids) -> int:
    """Multiplications and additions of one poster's way from its pixels to the logits of a text of 8 tokens."""
    seen = learning.views(poster(0, SIDE, SIDE).picture, grids)
    text = learning.encode(learning.IMAGE + "红色圆形，蓝色7。")
    with FlopCounterMode(display=False) as counter:
        model([text], [seen.views], [seen.is_patch])
    return counter.get_total_flops()


def measure(seed: int, *, progress, steps: int, n_posters: int) -> dict[str, list]:
    """By grid; right_by_size also by radius."""
    figures = {name: [] for name in ("tokens", "megaflops", "shapes", "digits", "right_by_size")}
    for grid in GRIDS:
        grids = None if grid is None else [grid]
        source = learning.pool(range(seed * n_posters, (seed + 1) * n_posters), SIDE, SIDE, grids)
        exam = learning.pool(learning.EXAM, SIDE, SIDE, grids)
        torch.manual_seed(seed)
        model = learning.build()
        name = "squeezed alone" if grid is None else f"{grid[0]}×{grid[1]} tiles"
        learning.taught(model, source, steps, seed, progress=lambda x, name=name: progress(x, name))
        found = learning.marks(model, exam)
        figures["tokens"].append(model.config.n_latents * exam.features.shape[1])
        figures["megaflops"].append(flops(model, grids) / 1e6)
        figures["shapes"].append(learning.share(found, lambda thing: not thing.is_digit))
        figures["digits"].append(learning.share(found, lambda thing: thing.is_digit))
        figures["right_by_size"].append([learning.share(found, lambda thing, r=r: thing.radius == r) for r in RADIUS])
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: 1×2 tiles, three times the tokens and no more pixels, read within 0.05 of what the squeezed view alone
    does, on average; 2×2 reads 0.05 more than that in every seed, and 3×3 0.05 more than 2×2. Fails: 1×2 gains as much
    as 3×3 does, or 3×3 gains nothing, on average. Else partly."""
    right = figures["right_by_size"].values.mean(axis=-1)  # sizes count alike
    more, mean = right - right[:, :1], right.mean(axis=0)
    names = ("只有压小的图", "1×2", "2×2", "3×3")
    told = "；".join(
        f"{name}：{figures['tokens'].mean[i]:.0f} 个词元，{figures['megaflops'].mean[i]:.1f} 百万次运算，"
        f"读对 {mean[i]:.1%}（最小的 {figures['right_by_size'].mean[i, 0]:.1%}，"
        f"最大的 {figures['right_by_size'].mean[i, -1]:.1%}）"
        for i, name in enumerate(names)
    )
    gains = more.mean(axis=0)
    if gains[3] <= 0 or gains[1] >= gains[3]:
        return Verdict("fails", f"像素多了没有读对更多，或者只加词元也一样多。{told}。")
    if (
        abs(gains[1]) <= 0.05
        and (right[:, 2] - right[:, 0] >= 0.05).all()
        and (right[:, 3] - right[:, 2] >= 0.05).all()
    ):
        return Verdict("holds", f"只加词元{gains[1]:+.1%}，加到 3×3 的像素{gains[3]:+.1%}。{told}。")
    return Verdict("partly", f"只加词元{gains[1]:+.1%}，2×2 {gains[2]:+.1%}，3×3 {gains[3]:+.1%}。{told}。")


CLAIM = Claim(
    id="C18b",
    chapter="14",
    title="管用的是词元，还是像素",
    statement="词元变成三倍而像素不变，读对的几乎不变；像素多了，读对的才多，而且一级一级地多。",
    question="海报是方的。切成 1×2，词元变成三倍，读得更清楚吗？",
    refuted_if="3×3 没有读对更多，或者 1×2 多读对的和 3×3 一样多。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 3, "n_posters": 48},
    full={"steps": 400, "n_posters": 1024},
    quick_seeds=(0,),
    labels={
        "tokens": "一张海报的词元：只有压小的图、1×2、2×2、3×3",
        "megaflops": "从像素到一句 8 个词元的话，百万次运算",
        "shapes": "读对的图形",
        "digits": "读对的手写数字",
        "right_by_size": "读对的东西，每行一种切法，按半径 4、5、6、7 像素",
    },
    limits="东西有 8 到 14 像素，压小以后只剩 3 到 5 像素，图像塔认不出；真实图片里大小混杂，得失没有这样分明。"
    "换一种切法，像素、东西的大小、落在哪里一起变，这个实验分不开它们。图像塔是冻住的，只见过原样大小、"
    "中心在 8 的倍数上的东西。第 14 章正文有对照：3×3 只留 2×2 那么多像素，大小和位置照旧，读对的几乎不少；"
    "像素一个不少，平移 2 像素，几乎全错。所以 2×2 读不出，主要是大小和位置，“管用的是像素”由这里得不出来。"
    "每种切法各训练一个模型，400 步，没有学满。1×2 对方形海报本来就不合适，只用来分开词元和像素。"
    "运算只数矩阵乘法，不量时间。快速形式只训练 3 步，什么也没学会。",
)
