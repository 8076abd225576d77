"""C13a: more examples in the prompt, more right answers on tasks never seen; and larger models gain more by them.

Brown et al. 2020 (arXiv:2005.14165), figures 1.2 and 1.3; slides, zero-, one- and few-shot.  Chapter 09.

Three sizes of GPT are trained on sequences that follow a task each: four colours, a made-up word for each of them. Then
they are asked about tasks that were kept from training, after 0, 1, 2, 4 and 8 examples. Without examples everybody can
only guess, by construction: judged is the growth from 1 example to 8, beside the best that is possible. The rival
explanation of the differences between sizes is the length of training: the smallest is also trained for longer.
"""

import torch

from course_lib.chapters.ch09_gpt3.in_context_evaluation import accuracy_by_shots
from course_lib.chapters.ch09_gpt3.in_context_tasks import EXAMPLE, best_possible, sequences
from course_lib.chapters.ch09_gpt3.in_context_zoo import N_EXAMPLES, train_on_tasks, unseen_tasks
from course_lib.course.claims.core import Claim, Summary, Verdict

SHOTS = (0, 1, 2, 4, 8)


def measure(seed: int, *, progress, sizes: list[str], steps: int, longer: int, n_test: int) -> dict[str, list]:
    """Accuracy by size and number of examples, on tasks never seen and on tasks of the training; that of the smallest
    after `longer` times the steps; the best possible."""
    unseen = unseen_tasks(1000 + seed, n_test)
    seen = sequences(n_test, N_EXAMPLES, "train", torch.Generator().manual_seed(2000 + seed))
    models = {
        size: train_on_tasks(size, seed, steps=steps, progress=lambda each, size=size: progress(each, size))
        for size in sizes
    }
    rival = train_on_tasks(sizes[0], seed, steps=longer * steps, progress=lambda each: progress(each, "longer"))
    return {
        "accuracy": [accuracy_by_shots(model, unseen, EXAMPLE, SHOTS) for model in models.values()],
        "accuracy_trained_tasks": [accuracy_by_shots(model, seen, EXAMPLE, SHOTS) for model in models.values()],
        "accuracy_smallest_longer": accuracy_by_shots(rival, unseen, EXAMPLE, SHOTS),
        "parameters": [sum(each.numel() for each in model.parameters()) for model in models.values()],
        "best": best_possible(unseen).mean(0)[list(SHOTS)].tolist(),
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Growth is accuracy after 8 examples less that after 1. Holds: in every seed it is 0.05 or more at every size,
    grows by 0.05 from size to size, and the smallest, trained for longer, stays 0.05 below the largest after 8. Fails:
    on average the largest grows by less than 0.2, or no more than the smallest, or the smallest trained for longer
    comes within 0.05 of it. Else partly."""
    accuracy, best = figures["accuracy"].values, figures["best"].mean  # [seeds sizes shots]
    one, few = accuracy[..., 1], accuracy[..., -1]
    growth, longer = few - one, figures["accuracy_smallest_longer"].values[:, -1]
    sizes = "、".join(f"{count / 1000:.0f} 千" for count in figures["parameters"].values[0])

    def told(each) -> str:
        return "、".join(f"{share:.0%}" for share in each.mean(0))

    measured = (
        f"参数 {sizes}：1 个示例答对 {told(one)}，最优 {best[1]:.0%}；8 个 {told(few)}，最优 {best[-1]:.0%}。"
        f"最小的练得更久，8 个示例答对 {longer.mean():.0%}"
        f"（各种子 {longer.min():.0%} 到 {longer.max():.0%}）。"
        f"没有示例只能乱猜（12.5 %），不作判据。"
        f"训练过的任务，8 个示例：{told(figures['accuracy_trained_tasks'].values[..., -1])}。"
    )
    if growth.mean(0)[-1] < 0.2:
        return Verdict("fails", f"最大的模型也没有从更多示例里学到多少。{measured}")
    if growth.mean(0)[-1] <= growth.mean(0)[0]:
        return Verdict("fails", f"大模型从更多示例里得到的不比小模型多。{measured}")
    if longer.mean() >= few.mean(0)[-1] - 0.05:
        return Verdict("fails", f"小模型练久一些就追上了大模型：差别不在大小。{measured}")
    broken = [] if (growth >= 0.05).all() else ["不是每个种子、每种大小都随示例增长"]
    broken += [] if ((growth[:, 1:] - growth[:, :-1]) >= 0.05).all() else ["增长没有在每个种子里都随大小变大"]
    broken += [] if (longer < few[:, -1] - 0.05).all() else ["有的种子里，小模型练久一些就追上了"]
    return Verdict("partly" if broken else "holds", "；".join(broken) + "。" * bool(broken) + measured)


CLAIM = Claim(
    id="C13a",
    chapter="09",
    title="示例越多越准，模型越大越会用示例",
    statement="在没见过的任务上，示例从 1 个加到 8 个，正确率上升；模型越大升得越多，小模型练得更久也追不上。",
    question="三种大小的模型，提示里放 1、2、4、8 个示例，没见过的任务各答对多少？离最优多远？最小的多练几倍呢？",
    refuted_if="示例从 1 个加到 8 个，最大的模型升了不到 0.2，或不比最小的升得多；或最小的练得更久，离它不到 0.05。",
    seeds=(10, 11, 12),
    measure=measure,
    judge=judge,
    quick={"sizes": ["small", "large"], "steps": 150, "longer": 2, "n_test": 1000},
    full={"sizes": ["small", "medium", "large"], "steps": 300, "longer": 3, "n_test": 2000},
    quick_seeds=(10,),
    labels={
        "accuracy": "没见过的任务，正确率：小、中、大（快速版：小、大）模型，各 0、1、2、4、8 个示例",
        "accuracy_trained_tasks": "训练过的任务，正确率：小、中、大（快速版：小、大）模型，各 0、1、2、4、8 个示例",
        "accuracy_smallest_longer": "没见过的任务，正确率：最小的模型，三倍步数（快速版：两倍），0、1、2、4、8 个示例",
        "parameters": "参数量：小、中、大（快速版：小、大）",
        "best": "最优的正确率：0、1、2、4、8 个示例",
    },
    limits="任务只是查表：哪种颜色配哪个词。没有示例时谁也只能乱猜，GPT-3 的零样本还有一句任务说明。"
    "三个模型都只训练 300 步，大模型的学习率小一半，谁也没有到最优：这里的大小之差，主要是学得快慢之差。"
    "训练 500 步的另一次（种子 0、1、2）里，小、中、大在 8 个示例时答对 53 %、71 %、88 %；"
    "那时小的练更久会怎样，没有测。"
    "真实规模：GPT-3 论文图 1.2、图 1.3 报告大模型更会用示例，八个大小各训练一次，没有种子的波动，也没有让小的练更久。",
)
