"""C16e: emoji whose names are swapped: does a model that learnt from them find which, and does that help?

Li et al. 2022, section 3.3, on real drawings with their real names; which names are swapped is known.  Chapter 12.
The filter is the cosine of the model that learnt from all pairs, wrong ones too; what is kept teaches a new one.
"""

import torch

from course_lib.chapters.ch12_blip import emoji_names
from course_lib.course.claims.core import Claim, Summary, Verdict

THRESHOLDS = (0.4, 0.5, 0.6, 0.7, 0.8)
USED = 2  # 0.6


def measure(seed: int, *, progress, steps: int, share: float) -> dict[str, list[float]]:
    """The filter's shares by threshold, and R@1 after learning from all pairs, from those kept, from the right ones."""
    pairs = emoji_names.swapped(share, torch.Generator().manual_seed(seed))

    def taught(name: str, which: torch.Tensor):
        return emoji_names.taught(pairs.of(which), steps, seed, lambda x: progress(x, name))

    right = pairs.right()
    noisy = taught("swapped", torch.ones_like(right))
    belief = emoji_names.belief(noisy, pairs)
    keeps = [belief > threshold for threshold in THRESHOLDS]
    kept = keeps[USED] if keeps[USED].sum() >= emoji_names.BATCH else torch.ones_like(right)  # too few to learn from
    models = [noisy, taught("filtered", kept), taught("right", right)]
    return {
        "precision": [((right & keep).sum() / keep.sum().clamp(min=1)).item() for keep in keeps],
        "recall": [((right & keep).sum() / right.sum()).item() for keep in keeps],
        "before": right.float().mean().item(),
        "retrieval": [emoji_names.retrieval(model) for model in models],
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: at the threshold in use the right ones are more among the kept by 0.05 or more in every seed, and R@1
    after learning from the kept is higher in every seed. Fails: by less than 0.02 on average, or R@1 no higher on
    average. Else partly."""
    used, retrieval = 2, figures["retrieval"].values
    cleaner = figures["precision"].values[:, used] - figures["before"].values
    better = retrieval[:, 1] - retrieval[:, 0]

    def listed(name: str) -> str:
        return "、".join(f"{mean:.0%}±{std:.0%}" for mean, std in zip(figures[name].mean, figures[name].std))

    told = (
        f"名字原来 {figures['before'].mean:.0%} 是对的。余弦的门槛 0.4、0.5、0.6、0.7、0.8，"
        f"留下的里面对的占 {listed('precision')}，对的里面留下 {listed('recall')}。"
        f"用全部、用过 0.6 的、只用对的训练，没见过的画师画的图选对名字（R@1）：{listed('retrieval')}。"
    )
    if cleaner.mean() < 0.02 or better.mean() <= 0:
        return Verdict(
            "fails", f"过滤没有挑出错的（{cleaner.mean():+.1%}），或检索没有更好（{better.mean():+.1%}）。{told}"
        )
    if (cleaner >= 0.05).all() and (better > 0).all():
        return Verdict("holds", f"检索平均高 {better.mean():.1%}，每个种子都高。{told}")
    return Verdict("partly", f"检索平均高 {better.mean():.1%}，但不是每个种子都如此，或挑得不够干净。{told}")


CLAIM = Claim(
    id="C16e",
    chapter="12",
    title="真的图，换错的名字",
    statement="三成名字换错的表情图上，学过这些图的模型按余弦过滤，留下的名字更干净；步数相同，用留下的重新训练，检索更好。",
    question="表情图配着真的名字，三成换给了别的图。拿它们教出来的模型，挑得出哪些换错了吗？",
    refuted_if="留下的里面，对的平均只多不到 2 个百分点；或者用留下的重新训练，检索平均没有更好。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"steps": 12, "share": 0.3},
    full={"steps": 600, "share": 0.3},
    quick_seeds=(0,),
    labels={
        "precision": "余弦的门槛 0.4、0.5、0.6、0.7、0.8，留下的里面对的占几成",
        "recall": "同上，对的里面留下几成",
        "before": "原来对的占几成",
        "retrieval": "没见过的画师画的图，在 288 个名字里选对（R@1，中英文平均）：用全部、用过 0.6 的、只用对的训练",
    },
    limits="过滤器只用对比（ITC）的余弦，没有匹配头：匹配头在这么少的步数里什么也没学会。"
    "名字是整个换成别的，比写得不准容易挑。每样东西有四对（两位画师、两种语言），错的各错各的，才挑得出。"
    "只有食物和动植物 288 样，检索的成绩都不高。门槛 0.6 是用另一个种子定的。快速形式只训练 12 步，什么也没学会。",
)
