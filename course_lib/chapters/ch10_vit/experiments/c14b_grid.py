"""C14b: nobody tells a ViT which patch lies beside which; after training its position vectors say so.

Dosovitskiy et al. 2020 (arXiv:2010.11929), section 4.5 and figure 7 (middle): "closer patches tend to have more similar
position embeddings". Chapter 10. Cosines between the 64 vectors of an 8×8 grid, the mean over all vectors taken off
first, averaged by distance. The same for the vectors as they were before the first step, and with their places
shuffled: there no distance is nearer than another.
"""

import numpy as np
import torch

from course_lib.chapters.ch10_vit.scene_kinds import build, trained
from course_lib.course.claims.core import Claim, Summary, Verdict

START = 0.02  # as in the paper's code; from 0.2, which this course takes elsewhere, no grid is seen after so few steps


def by_distance(positions: np.ndarray, n: int) -> list[float]:
    """Mean cosine of the vectors [n² D] of an n × n grid at distances 1 … n - 1, in patches, rounded."""
    vectors = positions - positions.mean(axis=0)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    row, column = np.divmod(np.arange(n * n), n)
    distance = np.hypot(row[:, None] - row, column[:, None] - column).round()
    return [float((vectors @ vectors.T)[distance == far].mean()) for far in range(1, n)]


def measure(seed: int, *, progress, steps: int) -> dict[str, list[float]]:
    torch.manual_seed(seed)
    before = torch.nn.init.normal_(build().positions, std=START)
    model = trained(seed, steps, progress, positions_std=START)
    n = model.config.grid[0]
    untrained, learned = (each.detach().double().numpy()[1:] for each in (before, model.positions))
    places = np.random.default_rng(seed).permutation(n * n)
    return {
        "untrained": by_distance(untrained, n),
        "trained": by_distance(learned, n),
        "shuffled": by_distance(learned[places], n),
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Step: cosine at distance 1 less the mean of those at 4 and more. Holds if in every seed it is at least 0.1 and at
    least three times that of both controls; partly if only the mean is; fails otherwise."""

    def step(name: str) -> np.ndarray:
        values = figures[name].values
        return values[:, 0] - values[:, 3:].mean(axis=1)

    learned, control = step("trained"), np.maximum(np.abs(step("untrained")), np.abs(step("shuffled")))
    said = (
        f"训练后，相邻的比隔 4 格以上的相似 {learned.min():.2f} 到 {learned.max():.2f}；"
        f"训练前和打乱后至多差 {control.max():.2f}。"
    )
    if ((learned >= 0.1) & (learned >= 3 * control)).all():
        return Verdict("holds", f"{said}位置表里有网格。")
    if learned.mean() >= 0.1 and learned.mean() >= 3 * control.mean():
        return Verdict("partly", f"{said}平均看有网格，不是每个种子都有。")
    return Verdict("fails", f"{said}看不出网格。")


CLAIM = Claim(
    id="C14b",
    chapter="10",
    title="位置表自己学会了网格",
    statement="没有人告诉 ViT 哪两块相邻；训练以后，相邻的块位置向量更相似。",
    question="位置向量的相似度随距离怎样变？训练前、打乱后又怎样？",
    refuted_if="相邻的块不比隔 4 格以上的更相似（差不到 0.1），或者训练前、打乱后也差这么多。",
    seeds=(2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"steps": 60},
    full={"steps": 700},
    quick_seeds=(2,),
    labels={
        "trained": "训练后，距离 1 到 7 格的余弦",
        "untrained": "训练前",
        "shuffled": "训练后，位置打乱",
    },
    limits="两层、64 维、几百步，相似度远不如论文图 7 的明显；位置表从 0.2 开始时，这么几步看不出网格。",
)
