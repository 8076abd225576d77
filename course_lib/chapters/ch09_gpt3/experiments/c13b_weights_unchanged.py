"""C13b: the same 8 examples in the prompt, or as training data of a few gradient steps: which answers better?

Brown et al. 2020 (arXiv:2005.14165), section 2: few-shot makes no gradient updates, fine-tuning does.  Chapter 09.

That the weights stay as they are in few-shot use is so by construction; it is checked, not judged. Judged is the rival:
a copy of the model per task, tuned on the task's 8 examples as questions without examples. It has the learning rate and
the number of steps that are best on the very questions asked.
"""

import copy

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from course_lib.chapters.ch09_gpt3.in_context_evaluation import answer, fingerprint
from course_lib.chapters.ch09_gpt3.in_context_tasks import ANSWERS, COLOURS, EXAMPLE, FIRST_ANSWER, follow, tasks
from course_lib.chapters.ch09_gpt3.in_context_zoo import train_on_tasks
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.models.gpt2 import GPT2

SIZE = "medium"
N_SHOTS = 8
LEARNING_RATES = (3e-4, 1e-3, 3e-3, 1e-2)
STEPS = (1, 3, 10, 30)


def ask(model: GPT2, shots: Int[Tensor, " K"], task: Int[Tensor, " 4"]) -> float:
    """Share of the four colours that are answered as the task has it, after these examples."""
    colours = torch.arange(len(COLOURS))[:, None]
    said = answer(model, shots.expand(len(COLOURS), -1), colours)
    return (said == task + FIRST_ANSWER).float().mean().item()


def possible(shots: Int[Tensor, " K"]) -> float:
    """The best share: colours among the examples are certain, the others a guess among the words that are left."""
    n_seen = len(shots[::EXAMPLE].unique())
    return (n_seen + (len(COLOURS) - n_seen) / (len(ANSWERS) - n_seen)) / len(COLOURS)


def tuned(
    model: GPT2, shots: Int[Tensor, " K"], task: Int[Tensor, " 4"], lr: float
) -> tuple[Float[Tensor, " steps"], GPT2]:
    """Shares right without examples after each number of STEPS of Adam on the examples; and the tuned copy."""
    pupil, pairs = copy.deepcopy(model), shots.view(-1, EXAMPLE)
    optimizer = torch.optim.Adam(pupil.parameters(), lr=lr)
    shares = []
    for step in range(1, max(STEPS) + 1):
        optimizer.zero_grad()
        cross_entropy(pupil(pairs[:, :1])[:, -1], pairs[:, 1]).backward()
        optimizer.step()
        if step in STEPS:
            shares.append(ask(pupil, shots[:0], task))
    return torch.tensor(shares), pupil


def changed(model: torch.nn.Module, other: torch.nn.Module) -> int:
    """How many numbers differ, compared as bits."""
    pairs = zip(model.parameters(), other.parameters(), strict=True)
    return sum(int((a.view(torch.int32) != b.view(torch.int32)).sum()) for a, b in pairs)


def measure(seed: int, *, progress, steps: int, n_tasks: int) -> dict[str, float | list]:
    """Shares right on tasks never seen: after 8 examples, without, and after tuning on them, by rate and step."""
    model = train_on_tasks(SIZE, seed, steps=steps, progress=lambda each: progress(each, SIZE))
    model.zero_grad(set_to_none=True)
    before, print_before = copy.deepcopy(model), fingerprint(model)
    chance = torch.Generator().manual_seed(1000 + seed)
    table = tasks("held out")
    asked = table[torch.randint(len(table), (n_tasks,), generator=chance)]
    examples = follow(asked, N_SHOTS, chance)
    cases = list(zip(examples, asked, strict=True))
    in_context = [ask(model, shots, task) for shots, task in cases]
    figures = {
        "in_context": sum(in_context) / n_tasks,
        "no_examples": sum(ask(model, shots[:0], task) for shots, task in cases) / n_tasks,
        "best": sum(possible(shots) for shots, _ in cases) / n_tasks,
        "changed_few_shot": changed(model, before),
        "same_fingerprint": float(fingerprint(model) == print_before),
    }
    shares = torch.zeros(len(LEARNING_RATES), len(STEPS))
    for shots, task in progress(cases, "tuning"):
        for row, lr in zip(shares, LEARNING_RATES):
            share, pupil = tuned(model, shots, task, lr)
            row += share / n_tasks
    figures |= {"tuned": shares.tolist(), "changed_tuned": changed(model, pupil)}
    return figures | {"parameters": sum(each.numel() for each in model.parameters())}


def judge(figures: dict[str, Summary]) -> Verdict:
    """The rival has the rate and number of steps that are best on average over the seeds. Holds: in every seed the
    prompt answers better by 0.05 or more. Fails: on average it does not answer better, or gains less than 0.2 over no
    examples, or a weight changed in few-shot use. Else partly."""
    prompt, mean = figures["in_context"].values, figures["tuned"].mean
    row, column = divmod(int(mean.argmax()), mean.shape[1])
    rival = figures["tuned"].values[:, row, column]
    none, best = figures["no_examples"].mean, figures["best"].mean
    first_step = figures["tuned"].values[:, :, 0].max(1).mean()
    count, bits = int(figures["parameters"].values[0]), figures["changed_few_shot"].values
    measured = (
        f"没见过的任务，问四种颜色：没有示例答对 {none:.0%}；8 个示例放进提示 {prompt.mean():.0%}"
        f"（各种子 {prompt.min():.0%} 到 {prompt.max():.0%}）；"
        f"拿这 8 个示例做梯度下降，最好的学习率 {LEARNING_RATES[row]:g} 走 {STEPS[column]} 步，{rival.mean():.0%}"
        f"（{rival.min():.0%} 到 {rival.max():.0%}），只走一步至多 {first_step:.0%}；最优 {best:.0%}。"
        f"{count:,} 个权重，放进提示变了 {bits.max():.0f} 个，梯度下降变了 {figures['changed_tuned'].mean:,.0f} 个。"
    )
    if bits.any() or (figures["same_fingerprint"].values != 1).any():
        return Verdict("fails", f"用示例答题时权重变了。{measured}")
    if prompt.mean() - none < 0.2:
        return Verdict("fails", f"放进提示没有起多大作用。{measured}")
    if prompt.mean() <= rival.mean():
        return Verdict("fails", f"做梯度下降答得不比放进提示差。{measured}")
    if (prompt >= rival + 0.05).all():
        return Verdict("holds", f"放进提示答得更好。{measured}")
    return Verdict("partly", f"平均是放进提示好一些，但差得不多，或者不是每个种子都这样。{measured}")


CLAIM = Claim(
    id="C13b",
    chapter="09",
    title="同样的示例，放进提示胜过改权重",
    statement="没见过的任务，8 个示例放进提示（权重一个比特不变），比拿它们做几步梯度下降答得更准。",
    question="同样 8 个示例，一种放进提示，一种当训练数据改权重，学习率和步数挑对它最有利的：哪种更准？离最优多远？",
    refuted_if="做梯度下降的平均答得不比放进提示的差；或用示例答题时有一个权重变了。",
    seeds=(10, 11, 12),
    measure=measure,
    judge=judge,
    quick={"steps": 150, "n_tasks": 10},
    full={"steps": 400, "n_tasks": 20},
    quick_seeds=(10,),
    labels={
        "in_context": "没见过的任务，8 个示例放进提示，四种颜色的正确率",
        "no_examples": "没有示例的正确率",
        "best": "8 个示例，最优的正确率",
        "tuned": "在 8 个示例上做梯度下降，不再给示例：学习率 0.0003、0.001、0.003、0.01（行），1、3、10、30 步（列）",
        "changed_few_shot": "放进提示前后变了的权重，个（构造决定，只作检查）",
        "same_fingerprint": "权重的 SHA-256 前后相同（1 为是）",
        "changed_tuned": "梯度下降 30 步后变了的权重，个",
        "parameters": "参数量",
    },
    limits="中号模型，任务是查表：四种颜色四个词，8 个示例几乎把答案全给了，几步就能背下来。"
    "梯度下降的学习率和步数是在所问的题上挑的，这对它有利；它还要为每个任务另存一份权重。"
    "真实规模：GPT-3 论文 §2 说微调的成绩通常最好，代价是每个任务都要一份标注数据；那里的微调用几千条以上，不是 8 条。",
)
