"""C16b: CapFilt on captions of which it is known which are wrong: does the cleaned set teach better than the noisy one?

Li et al. 2022, sections 3.3 and 5.1; slides, BLIP, 数据集自推荐.  Chapter 12.
Every model learns from scratch, for equal steps, from the same pictures; the captions differ. What the filter keeps is
counted against the truth, which nothing but the judge is told.
"""

import torch

from course_lib.chapters.ch12_blip import capfilt, captioning, learning
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.toys.one_shape import seen

TASKS = ("retrieval", "matching", "captions")
SETS = ("noisy", "capfilt")


def shares(right: torch.Tensor, kept: torch.Tensor) -> list[float]:
    """Right ones among all, among those kept (precision), and kept ones among the right (recall)."""
    both = (right & kept).sum()
    return [
        (part / max(int(of), 1)).item()
        for part, of in ((right.sum(), len(right)), (both, kept.sum()), (both, right.sum()))
    ]


def measure(seed: int, *, progress, steps: int, n_each: int, share: float) -> dict[str, list[float]]:
    """English: the filter's shares on the web's captions and on written ones, and by task what each set teaches; of
    captions BLEU and CIDEr, too."""
    chance = torch.Generator().manual_seed(seed)
    web = capfilt.web(n_each, share, chance)
    human = capfilt.true_pairs(seen(), capfilt.HUMAN)

    def fresh(pairs: capfilt.Pairs, name: str):
        torch.manual_seed(seed)
        return capfilt.taught(learning.build(), pairs, steps, seed, progress=lambda x: progress(x, name))

    first = fresh(capfilt.together(web, human), "noisy")
    captioner, matcher = capfilt.captioner_and_filter(first, human, steps // 4, seed, learning.LR / 2)
    new = capfilt.written(captioner.blip, web, chance)
    keep_web, keep_new = (capfilt.belief(matcher.blip, pairs) > 0.5 for pairs in (web, new))
    cleaned = capfilt.together(web.of(keep_web), new.of(keep_new), human)
    models = {"noisy": first, "capfilt": fresh(cleaned, "cleaned")}
    found = {task: [learning.FIGURES[task](models[name].blip, capfilt.LANGUAGE) for name in SETS] for task in TASKS}
    found["bleu"], found["cider"] = zip(*(captioning.measure(models[name].blip) for name in SETS))
    return found | {"web": shares(web.right(), keep_web), "written": shares(new.right(), keep_new)}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: CapFilt's set beats the noisy one by 0.05 or more on average in two tasks of three, loses 0.02 or more in
    none, and its mean over tasks is higher in every seed. Fails: the mean over tasks is no higher on average."""
    names = {"retrieval": "检索 R@1", "matching": "匹配", "captions": "描述全对"}
    gains = {task: figures[task].values[:, 1] - figures[task].values[:, 0] for task in TASKS}
    overall = sum(gains.values()) / len(gains)
    told = "；".join(
        f"{names[task]}：脏的 {figures[task].mean[0]:.1%}±{figures[task].std[0]:.1%}，"
        f"过滤加写 {figures[task].mean[1]:.1%}±{figures[task].std[1]:.1%}"
        for task in TASKS
    )
    for measure, said in (("bleu", "BLEU"), ("cider", "CIDEr")):
        told += (
            f"；描述的 {said}：脏的 {figures[measure].mean[0]:.0f}±{figures[measure].std[0]:.0f}，"
            f"过滤加写 {figures[measure].mean[1]:.0f}±{figures[measure].std[1]:.0f}"
        )
    before, precision, recall = figures["web"].mean
    written, kept, _ = figures["written"].mean
    told += (
        f"。网上的句子 {before:.0%} 是对的，过滤器留下的里面 {precision:.0%} 对，对的里面留下了 {recall:.0%}；"
        f"写的句子 {written:.0%} 是对的，留下的里面 {kept:.0%} 对。"
    )
    means = {task: gain.mean() for task, gain in gains.items()}
    if overall.mean() <= 0:
        return Verdict("fails", f"过滤再加写，三项平均没有更好（{overall.mean():+.1%}）。{told}")
    clear = sum(gain >= 0.05 for gain in means.values())
    if clear >= 2 and min(means.values()) > -0.02 and (overall > 0).all():
        return Verdict("holds", f"三项平均高 {overall.mean():.1%}，每个种子都高。{told}")
    return Verdict("partly", f"三项平均高 {overall.mean():.1%}，但不是项项、每个种子都如此。{told}")


CLAIM = Claim(
    id="C16b",
    chapter="12",
    title="写一句、筛一遍的数据，教得更好吗",
    statement="步数相同，用过滤过的网上句子加过滤过的写的句子训练，胜过直接用网上的句子。",
    question="拿四成说错的句子训练出来的模型，挑得出哪些说错了吗？挑过、补写过的数据，能教出更好的模型吗？",
    refuted_if="检索、匹配、写描述三项平均，五个种子的平均没有提高。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"steps": 12, "n_each": 1, "share": 0.4},
    full={"steps": 300, "n_each": 4, "share": 0.4},
    quick_seeds=(0,),
    labels={
        "retrieval": "检索：在 240 句里选对（R@1），脏的、过滤加写",
        "matching": "匹配：对的句子说对、错一处的句子说错，平均（随机 50%）",
        "captions": "写描述：一字不差",
        "bleu": "写描述：BLEU-4（满分 100；全部只错一处，也有 46 到 62），脏的、过滤加写",
        "cider": "写描述：CIDEr-D（满分 1000；全部只错一处，也有 279 到 663），脏的、过滤加写",
        "web": "网上的句子：对的占几成，留下的里面对的占几成，对的里面留下几成",
        "written": "写的句子：同上",
    },
    limits="噪声是整句换成别的搭配的说明，比换一个词容易挑。人写的 192 句覆盖了全部见过的搭配；"
    "真的 COCO 只盖住网上说法的一小部分。图只有 768 张，步数也少：更多数据、更多步，差别可能变小。"
    "快速形式只训练 12 步，什么也没学会。",
)
