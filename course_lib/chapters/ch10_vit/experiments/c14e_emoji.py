"""C14e: C14 once more on emoji: does the gap close there, too?

Chapter 10. Eight groups, 348 to 2,786 pictures by two hands, read in the drawings of a third; the convolutional net is
as large as the ViT. Dosovitskiy et al. 2020 (arXiv:2010.11929), section 4.3, need millions of pictures for it.
"""

from course_lib.chapters.ch10_vit.emoji_groups import accuracy, convnet, taught, vit
from course_lib.course.claims.core import Claim, Summary, Verdict

SHARES = [0.125, 0.5, 1.0]


def measure(seed: int, *, progress, shares: list[float], steps: int) -> dict[str, list[float]]:
    """Accuracy of both on the unseen hand, amount by amount: the same pictures, as many steps."""
    builds = {"vit": vit, "net": convnet}
    right: dict[str, list[float]] = {name: [] for name in builds}
    for share in progress(shares, "数据量"):
        for name, build in builds.items():
            right[name].append(accuracy(taught(build, share, seed=seed, steps=steps)))
    return right


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds if in every seed the net's lead on all pictures is less than half of that on the fewest; partly if its mean
    is; fails otherwise, and if the net does not lead on the fewest in the mean."""
    lead = figures["net"].values - figures["vit"].values  # [seeds, amounts]
    few, many = lead[:, 0], lead[:, -1]
    said = (
        f"卷积网领先：图最少时平均 {100 * few.mean():+.1f} 个百分点，"
        f"全部图 {100 * many.mean():+.1f} 个（{100 * many.min():+.1f} 到 {100 * many.max():+.1f}）。"
    )
    if few.mean() <= 0:
        return Verdict("fails", f"{said}图最少时卷积网没有领先。")
    if many.mean() >= few.mean() / 2:
        return Verdict("fails", f"{said}差距没有合上。")
    if (many >= few / 2).any():
        return Verdict("partly", f"{said}平均看差距小了一半，不是每个种子都如此。")
    return Verdict("holds", f"{said}每个种子里差距都缩小了一半以上。")


CLAIM = Claim(
    id="C14e",
    chapter="10",
    title="换成 emoji，差距也缩小",
    statement="emoji 分成八类，图从八分之一加到全部，ViT 落后卷积网的差距也缩小一半以上。",
    question="没见过的第三家画的 emoji，ViT 和同样大小的卷积网各分对多少？",
    refuted_if="全部图都给时，卷积网的领先仍有图最少时的一半。",
    seeds=(2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"shares": [0.125, 1.0], "steps": 80},
    full={"shares": SHARES, "steps": 400},
    quick_seeds=(2,),
    labels={
        "vit": "ViT 在没见过的一家上的正确率，348、1,393、2,786 张",
        "net": "卷积网在没见过的一家上的正确率，同样的张数",
    },
    limits="最多只有 2,786 张，训练的图都原样，没有随机挪动。"
    "同一样东西，另外两家画的可能在训练里。论文不用很强的增强和正则，要到几千万张才追上。",
)
