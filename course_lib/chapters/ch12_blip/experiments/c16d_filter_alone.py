"""C16d: what filtering alone, filtering and writing, and the truth teach; and the filter at other thresholds.

Li et al. 2022, table 1: there the filter and the captioner each help, and both together most.  Chapter 12.
The web, what people wrote and the steps are those of C16b, but for fewer steps. The filter's threshold is 0.5 there and
in the paper; what it would keep at others is counted against the truth. English.
"""

import torch

from course_lib.chapters.ch12_blip import capfilt, learning
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.toys.one_shape import seen

TASKS = ("retrieval", "matching", "captions")
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9)


def kept(right: torch.Tensor, belief: torch.Tensor) -> tuple[list[float], list[float]]:
    """By threshold: share of right ones among those kept, and of kept ones among the right; 0 of nothing."""
    keeps = [belief > threshold for threshold in THRESHOLDS]
    return [share(right[keep]) for keep in keeps], [share(keep[right]) for keep in keeps]


def share(are: torch.Tensor) -> float:
    return are.float().mean().item() if len(are) else 0.0


def measure(seed: int, *, progress, steps: int, n_each: int, share: float) -> dict[str, list[float]]:
    """Tasks after learning from: filtered; filtered and written; the truth."""
    chance = torch.Generator().manual_seed(seed)
    web = capfilt.web(n_each, share, chance)
    human = capfilt.true_pairs(seen(), capfilt.HUMAN)

    def fresh(name: str, *sets: capfilt.Pairs):
        torch.manual_seed(seed)
        pairs = capfilt.together(*sets, human)
        return capfilt.taught(learning.build(), pairs, steps, seed, progress=lambda x: progress(x, name))

    captioner, matcher = capfilt.captioner_and_filter(fresh("noisy", web), human, steps // 4, seed, learning.LR / 2)
    new = capfilt.written(captioner.blip, web, chance)
    belief, belief_new = (capfilt.belief(matcher.blip, pairs) for pairs in (web, new))
    good, good_new = web.of(belief > 0.5), new.of(belief_new > 0.5)
    models = [
        fresh("filtered", good),
        fresh("filtered and written", good, good_new),
        fresh("true", capfilt.true_pairs(web.shown, 0)),
    ]
    precision, recall = kept(web.right(), belief)
    precision_new, recall_new = kept(new.right(), belief_new)
    return {task: [learning.FIGURES[task](model.blip, capfilt.LANGUAGE) for model in models] for task in TASKS} | {
        "precision": precision,
        "recall": recall,
        "precision_written": precision_new,
        "recall_written": recall_new,
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: with written captions, too, the mean over the tasks is higher than with filtering alone by 0.05 or more
    in every seed. Fails: it is no higher on average. Else partly."""
    names = {"retrieval": "检索 R@1", "matching": "匹配", "captions": "描述全对"}
    gain = sum(figures[task].values[:, 1] - figures[task].values[:, 0] for task in names) / len(names)
    told = "；".join(
        f"{said}：只过滤 {figures[task].mean[0]:.1%}±{figures[task].std[0]:.1%}，"
        f"过滤加写 {figures[task].mean[1]:.1%}±{figures[task].std[1]:.1%}，"
        f"全对的 {figures[task].mean[2]:.1%}±{figures[task].std[2]:.1%}"
        for task, said in names.items()
    )
    told += "。过滤器的门槛 0.1、0.5、0.9：网上的句子，留下的里面对的占 " + "、".join(
        f"{x:.0%}" for x in figures["precision"].mean[[0, 2, 4]]
    )
    told += "，对的里面留下 " + "、".join(f"{x:.0%}" for x in figures["recall"].mean[[0, 2, 4]]) + "。"
    if gain.mean() <= 0:
        return Verdict("fails", f"加上写的句子，三项平均没有更好（{gain.mean():+.1%}）。{told}")
    if (gain >= 0.05).all():
        return Verdict("holds", f"加上写的句子，三项平均高 {gain.mean():.1%}，每个种子都高。{told}")
    return Verdict("partly", f"加上写的句子，三项平均高 {gain.mean():.1%}，但在种子的波动之内。{told}")


CLAIM = Claim(
    id="C16d",
    chapter="12",
    title="只筛不写，够不够",
    statement="步数相同，过滤过的网上句子再加上过滤过的写的句子，胜过只过滤。",
    question="CapFilt 又筛又写。只筛不写，会差多少？",
    refuted_if="加上写的句子，三项任务的平均没有提高。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 12, "n_each": 1, "share": 0.4},
    full={"steps": 300, "n_each": 4, "share": 0.4},
    quick_seeds=(0,),
    labels={
        "retrieval": "检索：在 240 句里选对（R@1），只过滤、过滤加写、全对的",
        "matching": "匹配：对的句子说对、错一处的句子说错，平均（随机 50%）",
        "captions": "写描述：一字不差",
        "precision": "网上的句子，门槛 0.1、0.3、0.5、0.7、0.9，留下的里面对的占几成",
        "recall": "同上，对的里面留下几成",
        "precision_written": "写的句子，留下的里面对的占几成",
        "recall_written": "写的句子，对的里面留下几成",
    },
    limits="写描述的只学了几百步，写的句子约三成多是错的；真实的写得好得多，网上的句子也更差，写就更值得。"
    "图只有 768 张，描述只有一种说法，写的句子添不了花样。"
    "门槛 0.9 时有一个种子一句也没留下，留下的里面对的按 0 算。快速形式只训练 12 步，什么也没学会。",
)
