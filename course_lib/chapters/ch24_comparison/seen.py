"""What PPO, DPO and GRPO make of the same scores: the push that each gives the ln π of every answer.

Four answers of one token to one question, among more; the policy has gone a little way from its reference. Pushes are
minus the gradients of the rooms' own losses, before the first update, where π is π_old.  Chapter 24.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.posttraining.dpo import dpo_loss
from course_lib.posttraining.grpo import group_advantages, grpo_loss, kl_penalty
from course_lib.posttraining.ppo import judge, policy_loss

SCORES = torch.tensor([0.2, 0.9, 0.5, 0.4], dtype=torch.float64)
GONE = torch.tensor([0.6, 0.3, -0.4, -0.8], dtype=torch.float64)  # ln π - ln π_ref
BETA = 0.5


def seen(
    scores: Float[Tensor, " B"], gone: Float[Tensor, " B"] = GONE, *, beta: float = BETA
) -> dict[str, Float[Tensor, " B"]]:
    """By method. DPO has two pairs, the first and the second half; who earned more is preferred, and that is all it
    hears. The critic of PPO expects the mean score."""
    reference = torch.full((len(scores), 1), 0.2, dtype=scores.dtype).log()
    old = reference + gone[:, None]
    mask = torch.ones_like(old, dtype=torch.bool)

    def push(loss_of) -> Float[Tensor, " B"]:
        now = old.clone().requires_grad_()
        return -torch.autograd.grad(loss_of(now), now)[0][:, 0]

    values = scores.mean().expand_as(old)
    advantages = judge(scores, old, reference, values, mask, beta=beta).advantages
    group = group_advantages(scores[None])
    pairs = scores.view(2, 2).argsort(1, descending=True) + torch.tensor([[0], [2]])

    def grouped(now):
        return grpo_loss(now, old, group, mask, penalty=kl_penalty(now, reference, beta=beta))

    def paired(now):
        return dpo_loss(*(now - reference)[pairs.T, 0], beta=beta)

    return {
        "PPO": push(lambda now: policy_loss(now, old, advantages, mask)),
        "DPO": push(paired),
        "GRPO": push(grouped),
    }
