"""PPO (Schulman et al. 2017, arXiv:1707.06347) on written answers, as RLHF has it (Ziegler et al. 2019,
arXiv:1909.08593; Ouyang et al. 2022, arXiv:2203.02155).

B rows · T tokens · N = T - 1 predictions, as in log_probs.py; mask: is_target(is_answer)
    write    the actor writes; its log-probabilities `old` and the critic's values are kept as they are now
    judge    scores of whole answers; the reference takes β (log π - log ref) off every token; advantages by GAE
    learn    some epochs on these answers: L = -E min(ratio · A, clip(ratio, 1 - ε, 1 + ε) · A) + c · value loss
The ratio π / π_old is not a reward, though both are written r. The clip takes the gradient away from a token that has
gone far enough; it does not hold the ratio there.
Read first: log_probs.py, kl.py, gae.py.  Chapter 21.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.foundations.checks import check_within
from course_lib.posttraining.checks import check_alike, check_frozen, check_numbers, check_positive
from course_lib.posttraining.gae import gae, whiten
from course_lib.posttraining.kl import k1, k3, log_ratio
from course_lib.posttraining.log_probs import (
    check_answered,
    check_masked,
    is_last,
    is_target,
    masked_mean,
    token_log_probs,
)


class Critic(nn.Module):
    """ids [B T] -> V [B T 1]: the return to be expected after each token, by a body of its own and one linear layer.

    body: with `hidden` and `config.d_model`, as the GPTs have. At the start V is 0 everywhere.
    """

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body
        self.value = nn.Linear(body.config.d_model, 1)
        nn.init.zeros_(self.value.weight)
        nn.init.zeros_(self.value.bias)

    def forward(
        self, ids: Int[Tensor, "B T"], *, is_token: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T 1"]:
        return self.value(self.body.hidden(ids, is_token=is_token))


@dataclass(frozen=True)
class FourModels:
    """What PPO holds: two that learn, two that stand still. Raises ValueError where a frozen one could learn, or two
    roles are one object: then the reference would follow the actor."""

    actor: nn.Module
    critic: nn.Module
    reference: nn.Module
    reward: nn.Module

    def __post_init__(self):
        if len({id(model) for model in vars(self).values()}) < 4:
            raise ValueError("two of the four models are the same object; give a copy: copy.deepcopy(model)")
        for name in ("reference", "reward"):
            free = [n for n, p in getattr(self, name).named_parameters() if p.requires_grad]
            if free:
                raise ValueError(f"the {name} model's {free[0]} could learn; write {name}.requires_grad_(False)")

    def learners(self) -> nn.ModuleDict:
        """Actor and critic as one module, for training/step.py's Update and `ppo_loss`."""
        return nn.ModuleDict({"actor": self.actor, "critic": self.critic})


class Judged(NamedTuple):
    """Of every token [B N]: what it brought, how much better than expected that was (whitened), and what the critic
    should have said."""

    rewards: Tensor
    advantages: Tensor
    returns: Tensor


def judge(
    scores: Float[Tensor, " B"],
    old: Float[Tensor, "B N"],
    reference: Float[Tensor, "B N"],
    values: Float[Tensor, "B N"],
    mask: Bool[Tensor, "B N"],
    *,
    beta: float = 0.05,
    gamma: float = 1.0,
    lam: float = 0.95,
) -> Judged:
    """Once after writing, before any update. values: the critic's at each token's own state, critic(ids)[:, :-1, 0]."""
    rewards = penalised_rewards(scores, old, reference, mask, beta=beta)
    advantages = gae(rewards, values, mask, gamma=gamma, lam=lam)
    return Judged(rewards, whiten(advantages, mask), (advantages + values).masked_fill(~mask, 0))


def penalised_rewards(
    scores: Float[Tensor, " B"],
    old: Float[Tensor, "B N"],
    reference: Float[Tensor, "B N"],
    mask: Bool[Tensor, "B N"],
    *,
    beta: float,
) -> Float[Tensor, "B N"]:
    """-β (log π_old - log ref) at every token, and the answer's score at its last one; 0 elsewhere.

    Raises ValueError for NaN, rows without an answer, log-probabilities that ask for gradients, and β below 0.
    """
    check_within("beta", beta, 0, math.inf)
    check_numbers("scores", scores)
    check_frozen(scores=scores, old=old)
    if scores.shape != mask.shape[:1]:
        raise ValueError(f"scores {tuple(scores.shape)} must be one for each of the {len(mask)} rows")
    d = log_ratio(old, reference)
    check_masked(d, mask)
    check_answered(mask)
    kl = k1(d).masked_fill(~mask, 0)
    check_numbers("the log-ratio to the reference", kl)
    return -beta * kl + scores[:, None] * is_last(mask)


def surrogate(
    d: Float[Tensor, "*rows"], advantages: Float[Tensor, "*rows"], low: float, high: float
) -> Float[Tensor, "*rows"]:
    """min(ratio · A, clip(ratio, 1 - low, 1 + high) · A), to be raised; ratio = exp(d), d = log π - log π_old.

    Raises ValueError for shapes that differ, NaN among the advantages or gradients through them, and widths below 0.
    """
    check_alike(log_ratio=d, advantages=advantages)
    check_numbers("advantages", advantages)
    check_frozen(advantages=advantages)
    check_within("low", low, 0, math.inf)
    check_within("high", high, 0, math.inf)
    ratio = d.exp()
    return torch.min(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)


def policy_loss(
    log_probs: Float[Tensor, "B N"],
    old: Float[Tensor, "B N"],
    advantages: Float[Tensor, "B N"],
    mask: Bool[Tensor, "B N"],
    *,
    clip: float = 0.2,
) -> Float[Tensor, ""]:
    """- mean of the surrogate over all tokens of the batch: the paper's equation 7."""
    return -masked_mean(surrogate(log_ratio(log_probs, old, "old"), advantages, clip, clip), mask)


def value_loss(
    values: Float[Tensor, "B N"],
    old: Float[Tensor, "B N"],
    returns: Float[Tensor, "B N"],
    mask: Bool[Tensor, "B N"],
    *,
    clip: float = 0.2,
) -> Float[Tensor, ""]:
    """Half the squared error, mean over all tokens: the larger of the values' own and that of the values held within
    ± clip of the old ones. Not in the paper, but in its code (OpenAI baselines, ppo2)."""
    check_alike(values=values, old=old, returns=returns)
    check_frozen(old=old, returns=returns)
    check_within("clip", clip, 0, math.inf)
    held = old + (values - old).clamp(-clip, clip)
    return masked_mean(torch.max((values - returns) ** 2, (held - returns) ** 2), mask) / 2


def ppo_loss(
    learners: nn.ModuleDict,
    batch: dict[str, Tensor],
    *,
    clip: float = 0.2,
    value_clip: float = 0.2,
    value_weight: float = 0.1,
    temperature: float = 1.0,
) -> tuple[Float[Tensor, ""], dict[str, float]]:
    """For Update: loss=ppo_loss, weigh=sft.n_targets. batch: rollout.RollOut's (ids, is_token, is_answer [B T], old
    [B N]), and values, advantages, returns [B N] from `judge`. temperature: the roll-out's. No dropout: old and new
    would differ before any update."""
    ids, is_token, mask = batch["ids"], batch["is_token"], is_target(batch["is_answer"])
    check_positive("temperature", temperature)
    log_probs = token_log_probs(learners["actor"](ids, is_token=is_token) / temperature, ids)
    values = learners["critic"](ids, is_token=is_token)[:, :-1, 0]
    policy = policy_loss(log_probs, batch["old"], batch["advantages"], mask, clip=clip)
    value = value_loss(values, batch["values"], batch["returns"], mask, clip=value_clip)
    figures = clip_figures(log_probs, batch["old"], batch["advantages"], mask, low=clip, high=clip)
    return policy + value_weight * value, {"policy": policy.item(), "value": value.item(), **figures}


@torch.no_grad()
def clip_figures(
    log_probs: Float[Tensor, "B N"],
    old: Float[Tensor, "B N"],
    advantages: Float[Tensor, "B N"],
    mask: Bool[Tensor, "B N"],
    *,
    low: float,
    high: float,
) -> dict[str, float]:
    """clipped: share of tokens that the clip leaves without a gradient. ratio: its mean. moved: KL(π_old ‖ π) by k3."""
    check_masked(log_probs, mask)
    d = log_ratio(log_probs, old, "old").masked_fill(~mask, 0)
    clipped = surrogate(d, advantages, low, high) < d.exp() * advantages
    means = {"clipped": clipped.to(d.dtype), "ratio": d.exp(), "moved": k3(-d)}
    return {name: masked_mean(each, mask).item() for name, each in means.items()}
