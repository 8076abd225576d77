"""C13a: more examples in the prompt, more right answers on tasks never seen; and larger models gain more by them.

Brown et al. 2020 (arXiv:2005.14165), figures 1.2 and 1.3; slides, zero-, one- and few-shot.  Chapter 09.

Three sizes of GPT are trained on sequences that follow a task each: four colours, a made-up word for each of them. Then
they are asked about tasks that were kept from training, after 0, 1, 2, 4 and 8 examples. The best that is possible is
known: a colour among the examples is certain, another one is a guess among the words that are left.
"""

import torch

from course_lib.chapters.ch09_gpt3.in_context_evaluation import accuracy_by_shots
from course_lib.chapters.ch09_gpt3.in_context_tasks import EXAMPLE, best_possible, sequences
from course_lib.chapters.ch09_gpt3.in_context_zoo import N_EXAMPLES, train_on_tasks, unseen_tasks
from course_lib.course.claims.core import Claim, Summary, Verdict

SHOTS = (0, 1, 2, 4, 8)


def measure(seed: int, *, progress, sizes: list[str], steps: int, n_test: int) -> dict[str, list]:
    """Accuracy by size and number of examples, on tasks never seen and on tasks of the training; the best possible."""
    unseen = unseen_tasks(1000 + seed, n_test)
    seen = sequences(n_test, N_EXAMPLES, "train", torch.Generator().manual_seed(2000 + seed))
    models = {
        size: train_on_tasks(size, seed, steps=steps, progress=lambda each, size=size: progress(each, size))
        for size in sizes
    }
    return {
        "accuracy": [accuracy_by_shots(model, unseen, EXAMPLE, SHOTS) for model in models.values()],
        "accuracy_trained_tasks": [accuracy_by_shots(model, seen, EXAMPLE, SHOTS) for model in models.values()],
        "parameters": [sum(each.numel() for each in model.parameters()) for model in models.values()],
        "best": best_possible(unseen).mean(0)[list(SHOTS)].tolist(),
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed and size few (8) > one > zero, each by 0.05, and few-shot gains over zero-shot grow with
    size, by 0.05 from size to size, in every seed. Fails: on average the largest gains less than 0.2 by 8 examples, or
    no more than the smallest."""
    accuracy = figures["accuracy"].values  # [seeds sizes shots]
    zero, one, few = accuracy[..., 0], accuracy[..., 1], accuracy[..., -1]
    gap = few - zero
    sizes = "、".join(f"{count / 1000:.0f} 千" for count in figures["parameters"].values[0])

    def told(each) -> str:
        return "、".join(f"{share:.0%}" for share in each.mean(0))

    trained = figures["accuracy_trained_tasks"].values[..., -1]
    measured = (
        f"参数 {sizes}：0 个示例答对 {told(zero)}（乱猜是 12.5 %），1 个 {told(one)}，8 个 {told(few)}，"
        f"8 个时的最优是 {figures['best'].mean[-1]:.0%}。训练过的任务，8 个示例：{told(trained)}。"
    )
    if gap.mean(0)[-1] < 0.2:
        return Verdict("fails", f"最大的模型也没有从示例里学到多少。{measured}")
    if gap.mean(0)[-1] <= gap.mean(0)[0]:
        return Verdict("fails", f"大模型从示例里得到的不比小模型多。{measured}")
    ordered = ((one - zero) >= 0.05).all() and ((few - one) >= 0.05).all()
    grows = ((gap[:, 1:] - gap[:, :-1]) >= 0.05).all()
    if ordered and grows:
        return Verdict("holds", measured)
    broken = [] if ordered else ["少样本 > 单样本 > 零样本没有在每个种子、每种大小都成立"]
    broken += [] if grows else ["差距没有在每个种子里都随大小增长"]
    return Verdict("partly", f"{'；'.join(broken)}。{measured}")


CLAIM = Claim(
    id="C13a",
    chapter="09",
    title="示例越多越准，模型越大越会用示例",
    statement="在没见过的任务上，少样本好于单样本，单样本好于零样本；差距随模型增大。",
    question="三种大小的模型，提示里放 0、1、2、4、8 个示例，没见过的任务各答对多少？",
    refuted_if="最大的模型有 8 个示例时比没有示例只好不到 0.2，或者它的差距不大于最小的模型。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"sizes": ["small", "large"], "steps": 150, "n_test": 1000},
    full={"sizes": ["small", "medium", "large"], "steps": 500, "n_test": 4000},
    quick_seeds=(0,),
    labels={
        "accuracy": "没见过的任务，正确率：小、中、大（快速版：小、大）模型，各 0、1、2、4、8 个示例",
        "accuracy_trained_tasks": "训练过的任务，正确率：小、中、大（快速版：小、大）模型，各 0、1、2、4、8 个示例",
        "parameters": "参数量：小、中、大（快速版：小、大）",
        "best": "最优的正确率：0、1、2、4、8 个示例",
    },
    limits="任务只是查表：哪种颜色配哪个词。没有示例时谁也只能乱猜，GPT-3 的零样本还有一句任务说明。"
    "三个模型训练步数相同，大模型的学习率小一半；小模型训练得更久会怎样，没有测。",
)
