"""C29c: two models or four: what DPO and PPO keep in memory, apart, and what a step computes.

DPO's policy and reference (Rafailov et al. 2023, arXiv:2305.18290), PPO's actor, critic, reference and reward model
(Ouyang et al. 2022, arXiv:2203.02155). The same GPT-2 four times, as many answers of as many tokens, fp32, AdamW.
Bytes are counted, not sampled, and operations by torch's FlopCounterMode: no clock is read.  Chapter 22.
"""

from copy import deepcopy
from functools import partial

import torch

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.dpo import answer_scores, dpo_loss, on_pairs
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.posttraining.ppo import Critic, FourModels, ppo_loss
from course_lib.posttraining.ppo import judge as judged
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.reward_model import RewardModel
from course_lib.posttraining.rollout import roll_out
from course_lib.toys.model_costs import CONFIGS, memory, operations
from course_lib.training.step import Settings, Update


def of_dpo(config: GPT2Config, n: int, length: int, seed: int) -> tuple[list[float], list[float]]:
    """Memory by kind; operations of writing (nothing), judging (the reference), learning. n/2 pairs."""
    torch.manual_seed(seed)
    policy = GPT2(config)
    reference = Reference(policy)
    ids = torch.randint(config.n_vocab, (2, n // 2, 2 * length))
    is_token = torch.ones_like(ids, dtype=torch.bool)
    is_answer = is_token & (torch.arange(2 * length) >= length)
    batch = {
        side: {"ids": ids[i], "is_token": is_token[i], "is_answer": is_answer[i]}
        for i, side in enumerate(("chosen", "rejected"))
    }

    def hear():
        for part in batch.values():
            part["reference"] = answer_scores(reference, part).detach()

    heard = operations(hear)
    update = Update(policy, Settings(steps=9, lr=1e-4), loss=partial(on_pairs, loss=dpo_loss))
    learned = operations(lambda: update(batch))
    found = memory([policy, reference], update, lambda: on_pairs(policy, batch, loss=dpo_loss)[0])
    return found, [0.0, heard, learned]


def of_ppo(config: GPT2Config, n: int, length: int, seed: int) -> tuple[list[float], list[float]]:
    """Memory by kind; operations of writing n answers, judging them, and one update."""
    torch.manual_seed(seed)
    actor = GPT2(config)
    four = FourModels(actor, Critic(GPT2(config)), Reference(actor), RewardModel(deepcopy(actor)).requires_grad_(False))
    asked = Reference(four.critic)  # the counter cannot follow a model that may learn where it does not
    prompt, draw = torch.randint(config.n_vocab, (n, length)), torch.Generator().manual_seed(seed)
    written: list = []
    writes = operations(lambda: written.append(roll_out(actor, prompt, limit=length, end=None, generator=draw)))
    batch = written[0].batch()

    @torch.no_grad()
    def judge_all():
        ids, is_answer = batch["ids"], batch["is_answer"]
        scores, values = four.reward(ids, is_answer), asked(ids)[:, :-1, 0]
        told = judged(scores, batch["old"], token_log_probs(four.reference(ids), ids), values, is_target(is_answer))
        batch.update(values=values, advantages=told.advantages, returns=told.returns)

    judges = operations(judge_all)
    update = Update(four.learners(), Settings(steps=9, lr=1e-4), loss=ppo_loss)
    learns = operations(lambda: update(batch))
    found = memory(list(vars(four).values()), update, lambda: ppo_loss(four.learners(), batch)[0])
    return found, [writes, judges, learns]


def measure(seed: int, *, progress, n: int, length: int) -> dict[str, list]:
    """memory: [config][DPO, PPO][KINDS] in megabytes. operations: [config][DPO, PPO][write, judge, learn]."""
    found = [[way(config, n, length, seed) for way in (of_dpo, of_ppo)] for config in progress(CONFIGS, "models")]
    return {
        "memory": [[memory for memory, _ in pair] for pair in found],
        "operations": [[work for _, work in pair] for pair in found],
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: for each model DPO needs at most 0.55 of PPO's weights, gradients and Adam, at most 0.65 of its memory in
    all, and half of the operations of a step with one update. Fails: on average no less than 0.8 of the memory in all,
    or no fewer operations. Else partly."""
    memory, work = figures["memory"].values, figures["operations"].values.sum(axis=-1)
    kinds, total = memory[:, :, 0] / memory[:, :, 1], memory.sum(axis=-1)
    total, work = total[:, :, 0] / total[:, :, 1], work[:, :, 0] / work[:, :, 1]
    shares, lengths = kinds.mean(axis=0), figures["operations"].mean
    told = "；".join(
        f"{name}：权重 {shares[c, 0]:.2f}，梯度 {shares[c, 1]:.2f}，Adam {shares[c, 2]:.2f}，激活 {shares[c, 3]:.2f}，"
        f"合计 {total.mean(axis=0)[c]:.2f}"
        f"（{figures['memory'].mean[c, 0].sum():.1f} 对 {figures['memory'].mean[c, 1].sum():.1f} MB），"
        f"一步的运算 {work.mean(axis=0)[c]:.2f}（PPO 的运算里写占 {lengths[c, 1, 0] / lengths[c, 1].sum():.0%}）"
        for c, name in enumerate(("窄的", "宽的", "诗人那样的"))
    )
    told = f"DPO 与 PPO 之比，{told}。"
    if total.mean() >= 0.8 or work.mean() >= 1:
        return Verdict("fails", f"两个模型没有省下多少。{told}")
    if (kinds[..., :3] <= 0.55).all() and (total <= 0.65).all() and (work <= 0.5).all():
        return Verdict("holds", told)
    return Verdict("partly", f"有的省了，有的没有省到说的那么多。{told}")


CLAIM = Claim(
    id="C29c",
    chapter="22",
    title="两个模型，省下什么",
    statement="同样的模型、同样多的回答：DPO 的权重、梯度、Adam 都是 PPO 的一半，连同激活不到三分之二；"
    "一步的运算不到一半。",
    question="从四个模型到两个，内存省一半吗？激活也是？",
    refuted_if="内存合计平均不少于 PPO 的八成，或者一步的运算没有更少。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"n": 4, "length": 8},
    full={"n": 32, "length": 32},
    quick_seeds=(0,),
    labels={
        "memory": "兆字节；每个模型（窄、宽、诗人那样的）：DPO、PPO，各按权重、梯度、Adam、激活",
        "operations": "一步的矩阵运算，十亿次；每个模型：DPO、PPO，各按写、评、学",
    },
    limits="四个模型一样大；真实的奖励模型和价值模型可以小一些。激活数的是反向传播要留下的张量，不数临时的；"
    "没有重算激活，没有低精度，没有分到几张卡。DPO 的参考可以先算好再拿走，那时训练中只剩一个模型；这里两个都算在内。"
    "PPO 写一次只学一遍，照惯例学几遍时，写和评分摊下来少一些。运算不是时间：写是一个词一个词地写，机器用得最不满。"
    "诗人那样的模型大半是词表：价值模型和奖励模型不算词表上的概率，DPO 的两个模型都要算，所以激活和运算省得少。"
    "DPO 的回答早已写好，写它们的运算这里不算；收集偏好的人力也不算。",
)
