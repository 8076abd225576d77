"""C13b: answering after examples changes no bit of the network.

Brown et al. 2020 (arXiv:2005.14165), section 2: no gradient updates, the examples are only in the context.  Chapter 09.

A model answers 4000 questions on tasks never seen, after 0 and after 8 examples; its weights are compared bit by bit
with a copy made before. For contrast one step of gradient descent is made on the same sequences.
"""

import copy

import torch

from course_lib.chapters.ch09_gpt3.in_context_evaluation import accuracy_by_shots, fingerprint
from course_lib.chapters.ch09_gpt3.in_context_tasks import EXAMPLE
from course_lib.chapters.ch09_gpt3.in_context_zoo import answer_loss, train_on_tasks, unseen_tasks
from course_lib.course.claims.core import Claim, Summary, Verdict

SIZE = "medium"
N_TEST = 4000


def changed(model: torch.nn.Module, other: torch.nn.Module) -> int:
    """How many numbers differ, compared as bits."""
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    return sum(int((a.view(torch.int32) != b.view(torch.int32)).sum()) for a, b in pairs)


def measure(seed: int, *, progress, steps: int) -> dict[str, float]:
    """Numbers changed by few-shot use and by one gradient step, and what few-shot use gained meanwhile."""
    model = train_on_tasks(SIZE, seed, steps=steps, progress=lambda each: progress(each, SIZE))
    model.zero_grad(set_to_none=True)
    before, print_before = copy.deepcopy(model), fingerprint(model)
    unseen = unseen_tasks(1000 + seed, N_TEST)
    zero, eight = accuracy_by_shots(model, unseen, EXAMPLE, (0, 8))
    used = {
        "changed_few_shot": changed(model, before),
        "same_fingerprint": float(fingerprint(model) == print_before),
        "gradients_few_shot": sum(each.grad is not None for each in model.parameters()),
    }
    answer_loss(model, unseen[:32]).backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    return {
        **used,
        "changed_one_step": changed(model, before),
        "parameters": sum(each.numel() for each in model.parameters()),
        "accuracy_0": zero,
        "accuracy_8": eight,
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed no number changes, no gradient is made, and 8 examples gain at least 0.2. Fails: any number
    changes. The comparison must see changes: one gradient step changes at least half of the numbers, else partly."""
    bits, step = figures["changed_few_shot"].values, figures["changed_one_step"].values
    count = int(figures["parameters"].values[0])
    zero, eight = figures["accuracy_0"].values, figures["accuracy_8"].values
    measured = (
        f"{count:,} 个权重里，用示例答题前后变了 {bits.max():.0f} 个，产生梯度的张量 "
        f"{figures['gradients_few_shot'].values.max():.0f} 个；正确率却从 {zero.mean():.0%} 到 {eight.mean():.0%}。"
        f"对照：一步梯度下降变了 {step.min():,.0f} 个。"
    )
    if bits.any() or (figures["same_fingerprint"].values != 1).any():
        return Verdict("fails", f"权重变了。{measured}")
    if figures["gradients_few_shot"].values.any() or (step < count / 2).any():
        return Verdict("partly", f"比较不够灵敏，或产生了梯度。{measured}")
    if ((eight - zero) < 0.2).any():
        return Verdict("partly", f"权重没有变，但示例也没有起多大作用。{measured}")
    return Verdict("holds", measured)


CLAIM = Claim(
    id="C13b",
    chapter="09",
    title="用示例答题，权重一个比特也不变",
    statement="少样本只改变输入：使用前后，网络的每个权重逐比特相同。",
    question="模型看了 8 个示例后答得好多了。它的权重变了多少个？做一步梯度下降又会变多少个？",
    refuted_if="有一个权重在使用前后不同。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 100},
    full={"steps": 300},
    quick_seeds=(0,),
    labels={
        "changed_few_shot": "用 0 个和 8 个示例答题后变了的权重，个",
        "same_fingerprint": "权重的 SHA-256 前后相同（1 为是）",
        "gradients_few_shot": "答题后带有梯度的张量，个",
        "changed_one_step": "一步梯度下降后变了的权重，个",
        "parameters": "参数量",
        "accuracy_0": "没见过的任务，0 个示例的正确率",
        "accuracy_8": "没见过的任务，8 个示例的正确率",
    },
    limits="“不变”的是权重；每层的激活当然随输入变化，示例的作用全在那里。",
)
