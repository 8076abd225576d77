"""C14: the fewer the data, the further a ViT stands behind a convolutional net; with more, the gap closes.

Dosovitskiy et al. 2020 (arXiv:2010.11929), section 4.3, figures 3 and 4: there over 9 to 300 million pictures, against
BiT. Here over 50 to 1,437 handwritten digits, against three layers of convolution with fewer parameters.  Chapter 10.
"""

from course_lib.chapters.ch10_vit.learning import accuracy, convnet, taught, vit
from course_lib.course.claims.core import Claim, Summary, Verdict

AMOUNTS = [50, 100, 200, 400, 800, 1437]


def measure(seed: int, *, progress, amounts: list[int], steps: int) -> dict[str, list[float]]:
    """Held-out accuracy of both, amount by amount: the same digits, as many steps."""
    builds = {"vit": vit, "net": convnet}
    right: dict[str, list[float]] = {name: [] for name in builds}
    for n in progress(amounts, "数据量"):
        for name, build in builds.items():
            right[name].append(accuracy(taught(build, n, seed=seed, steps=steps), seed))
    return right


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds if in every seed the net leads by 5 points or more on the fewest digits, and by less than half of that
    lead on the most; partly if only the first is so; fails if the ViT is not behind on the fewest."""
    lead = figures["net"].values - figures["vit"].values  # [seeds, amounts]
    few, many = lead[:, 0], lead[:, -1]
    said = (
        f"数据最少时卷积网领先 {100 * few.min():.1f} 到 {100 * few.max():.1f} 个百分点，"
        f"最多时 {100 * many.min():+.1f} 到 {100 * many.max():+.1f} 个。"
    )
    if few.min() < 0.05:
        return Verdict("fails", f"{said}有的种子在数据最少时领先不到 5 个。")
    if (many >= few / 2).any():
        return Verdict("partly", f"{said}有的种子里差距没有缩小一半。")
    return Verdict("holds", f"{said}每个种子里差距都缩小了一半以上。")


CLAIM = Claim(
    id="C14",
    chapter="10",
    title="数据少时卷积网赢，数据多了差距缩小",
    statement="训练的图越少，ViT 落后卷积网越多；图多起来，差距缩小一半以上。",
    question="同样的数字、同样的步数，ViT 和卷积网在没见过的数字上各对多少？",
    refuted_if="数据最少时卷积网领先不到 5 个百分点，或者数据最多时领先没有缩小一半。",
    seeds=(2, 3, 4, 5),
    measure=measure,
    judge=judge,
    quick={"amounts": [50, 1437], "steps": 120},
    full={"amounts": AMOUNTS, "steps": 500},
    quick_seeds=(2,),
    labels={
        "vit": "ViT 在没见过的数字上的正确率，" + "、".join(f"{n:,}" for n in AMOUNTS) + " 张",
        "net": "卷积网在没见过的数字上的正确率，同样的张数",
    },
    limits="只有手写数字；卷积网只有三层，不到 ViT 的一半大；训练的图都原样，没有随机挪动，也没有逐个数据量调学习率。"
    "差距按百分点算，错误率之比没有缩小。"
    "论文是预训练以后再微调。",
)
