"""C30b: without the critic: what GRPO keeps in memory beside PPO, and what a step computes; with β 0 no reference, too.

PPO learns two models and asks a third (Ouyang et al. 2022, arXiv:2203.02155; the reward is a rule here, no fourth),
GRPO learns one and asks one (Shao et al. 2024, arXiv:2402.03300, figure 4), with β 0 it is alone. The same GPT-2, as
many answers of as many tokens, fp32, AdamW. Bytes and operations are counted, no clock is read.  Chapter 23.
"""

from functools import partial

import torch
from torch import nn

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.grpo import group_advantages, grpo_loss, on_answers
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.posttraining.ppo import Critic, ppo_loss
from course_lib.posttraining.ppo import judge as judged
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.rollout import RollOut, roll_out
from course_lib.toys.model_costs import CONFIGS, memory, operations
from course_lib.training.step import Settings, Update

WAYS = ("PPO", "GRPO", "GRPO β = 0")
SETTINGS = Settings(steps=9, lr=1e-4)


def cost(way: str, config: GPT2Config, P: int, G: int, length: int, seed: int) -> tuple[list[float], list[float]]:
    """Memory by kind; operations of writing P · G answers, judging them, and one update."""
    torch.manual_seed(seed)
    policy = GPT2(config)
    models: list[nn.Module] = (
        [policy] + [Reference(policy)] * (way != WAYS[2]) + [Critic(GPT2(config))] * (way == "PPO")
    )
    prompt, draw = torch.randint(config.n_vocab, (P, length)), torch.Generator().manual_seed(seed)
    written: list[RollOut] = []
    writes = operations(lambda: written.append(roll_out(policy, prompt, n=G, limit=length, end=None, generator=draw)))
    batch, rewards = written[0].batch(), torch.rand(P * G, generator=draw)
    ids, mask = batch["ids"], is_target(batch["is_answer"])
    asked = Reference(models[2]) if way == "PPO" else None  # the counter cannot follow a learner where it learns not

    @torch.no_grad()
    def judge_all():
        if len(models) > 1:
            batch["reference"] = token_log_probs(models[1](ids), ids)
        if asked is None:
            batch["advantages"] = group_advantages(rewards.view(P, G))
            return
        values = asked(ids)[:, :-1, 0]
        told = judged(rewards, batch["old"], batch.pop("reference"), values, mask)
        batch.update(values=values, advantages=told.advantages, returns=told.returns)

    judges = operations(judge_all)
    if way == "PPO":
        learners, loss = nn.ModuleDict({"actor": policy, "critic": models[2]}), ppo_loss
    else:
        learners, loss = policy, partial(on_answers, loss=grpo_loss, beta=0.04 if len(models) > 1 else 0.0)
    update = Update(learners, SETTINGS, loss=loss)
    learns = operations(lambda: update(batch))
    return memory(models, update, lambda: loss(learners, batch)[0]), [writes, judges, learns]


def measure(seed: int, *, progress, P: int, G: int, length: int) -> dict[str, list]:
    """memory: [config][WAYS][weights, gradients, Adam, activations] in megabytes. operations: [config][WAYS][write,
    judge, learn]."""
    found = [[cost(way, config, P, G, length, seed) for way in WAYS] for config in progress(CONFIGS, "models")]
    return {
        "memory": [[kinds for kinds, _ in ways] for ways in found],
        "operations": [[work for _, work in ways] for ways in found],
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: for each model GRPO needs at most 0.6 of PPO's weights, gradients and Adam together, 0.7 of its memory in
    all and 0.75 of the operations of a step, and with β 0 less of each. Fails: on average 0.9 of the memory in all or
    more, or no fewer operations. Else partly."""
    memory, work = figures["memory"].values, figures["operations"].values.sum(axis=-1)
    states, whole = memory[..., :3].sum(axis=-1), memory.sum(axis=-1)
    parts = [each[..., 1:] / each[..., :1] for each in (states, whole, work)]  # [seed, config, GRPO and β 0]
    told = "；".join(
        f"{name}：GRPO {each[..., 0].min():.0%} 到 {each[..., 0].max():.0%}，"
        f"β = 0 {each[..., 1].min():.0%} 到 {each[..., 1].max():.0%}"
        for name, each in zip(("权重、梯度、Adam", "内存合计", "一步的运算"), parts)
    )
    activations = memory[..., 1, 3] / memory[..., 0, 3]
    told = f"PPO 的百分之几，三种模型：{told}。激活是 PPO 的 {activations.min():.0%} 到 {activations.max():.0%}。"
    if parts[1][..., 0].mean() >= 0.9 or parts[2][..., 0].mean() >= 1:
        return Verdict("fails", f"去掉 critic 没有省下什么。{told}")
    within = all((each[..., 0] <= most).all() for each, most in zip(parts, (0.6, 0.7, 0.75)))
    if within and all((each[..., 1] < each[..., 0]).all() for each in parts):
        return Verdict("holds", told)
    return Verdict("partly", f"不是每种模型都省得那样多。{told}")


CLAIM = Claim(
    id="C30b",
    chapter="23",
    title="去掉 critic，省下什么",
    statement="同样的模型、同样多的回答：GRPO 的权重、梯度、Adam 合计不到 PPO 的六成，连同激活不到七成，"
    "一步的运算不到四分之三；β = 0 不要参考，还要少。",
    question="三个模型去掉一个，内存省三分之一，还是更多？",
    refuted_if="内存合计平均不少于 PPO 的九成，或者一步的运算没有更少。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"P": 2, "G": 2, "length": 8},
    full={"P": 4, "G": 8, "length": 32},
    quick_seeds=(0,),
    labels={
        "memory": "兆字节；每个模型（窄、宽、诗人那样的）：PPO、GRPO、β = 0 的 GRPO，各按权重、梯度、Adam、激活",
        "operations": "一步的矩阵运算，十亿次；每个模型：同样三种，各按写、评、学",
    },
    limits="奖励是规则，三种都没有奖励模型；要奖励模型时，三种各加上同样的一份。价值模型和策略一样大，真实的可以小一些。"
    "激活数的是反向传播要留下的张量，不数临时的，没有重算，没有低精度。写一次只学一遍。运算不是时间。"
    "诗人那样的模型大半是词表，价值模型不算词表上的概率，所以去掉它省得少。两种方法要多少回答才学到同样好，这里没有比。",
)
