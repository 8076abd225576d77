"""REINFORCE (Williams 1992): raise the log-probability of what was written, by how much better it was than expected.

B answers · T tokens · N = T - 1 · P prompts · G answers to each
    ∇J = E[ Σ_t A_t ∇ log π(token t | all before) ],   A = reward - baseline
A baseline that does not depend on the answer leaves this mean as it is, since E[∇ log π] = 0, and takes noise away. One
made from the answer itself does depend on it: the mean of the whole group shrinks the gradient to (G - 1)/G of itself,
the mean of the others does not.
Read first: log_probs.py.  Chapter 20.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course_lib.foundations.checks import check_finite, check_floating
from course_lib.posttraining.log_probs import is_target, row_sums


def reinforce_loss(
    log_probs: Float[Tensor, "B N"], is_answer: Bool[Tensor, "B T"], advantages: Float[Tensor, "B _"]
) -> Float[Tensor, ""]:
    """-Σ over an answer's tokens of A · log π, mean over answers. Its gradient estimates -∇J; its value says nothing.

    advantages: [B 1], one for the whole answer, or [B N], one a token: what came after it. They are numbers: no
    gradient goes through them. Raises ValueError for advantages of another shape, NaN or infinite, and where a row has
    no answer.
    """
    check_floating("advantages", advantages)
    if advantages.shape not in ((len(log_probs), 1), log_probs.shape):
        B, N = log_probs.shape
        raise ValueError(f"advantages {tuple(advantages.shape)} must be ({B}, 1), one an answer, or ({B}, {N})")
    mask = is_target(is_answer)
    weights = advantages.detach().expand_as(log_probs).masked_fill(~mask, 0)
    if not weights.isfinite().all():
        row = int((~weights.isfinite()).nonzero()[0, 0])
        raise ValueError(f"the advantages of row {row} are not finite; look at its reward")
    return -row_sums(weights * log_probs.masked_fill(~mask, 0), mask).mean()


def reward_to_go(rewards: Float[Tensor, "B N"], discount: float = 1.0) -> Float[Tensor, "B N"]:
    """What each token still brings: reward + discount · what the next one brings. A token cannot change what was paid
    before it, so leaving that out takes away noise alone. rewards: 0 outside the answers."""
    check_finite("discount", discount)
    brings, steps = torch.zeros_like(rewards[:, 0]), []
    for reward in rewards.unbind(1)[::-1]:
        brings = reward + discount * brings
        steps.append(brings)
    return torch.stack(steps[::-1], dim=1)


def beyond_group_mean(rewards: Float[Tensor, "P G"]) -> Float[Tensor, "P G"]:
    """Reward less the mean of its group, itself among it: the gradient's mean is (G - 1)/G of the true one."""
    check_groups(rewards)
    return rewards - rewards.mean(1, keepdim=True)


def beyond_the_others(rewards: Float[Tensor, "P G"]) -> Float[Tensor, "P G"]:
    """Reward less the mean of the G - 1 others: leave one out (Kool et al. 2019; RLOO, Ahmadian et al. 2024,
    arXiv:2402.14740, eq. 8). The gradient's mean is the true one."""
    check_groups(rewards)
    n = rewards.shape[1]
    return rewards - (rewards.sum(1, keepdim=True) - rewards) / (n - 1)


def check_groups(rewards: Tensor) -> None:
    """Raise ValueError unless rewards are finite numbers, two or more to each prompt."""
    check_floating("rewards", rewards)
    if rewards.ndim != 2 or rewards.shape[1] < 2:
        raise ValueError(
            f"rewards {tuple(rewards.shape)} must be [P G] with 2 answers or more to each prompt: one alone has "
            "nothing to be compared with"
        )
    if not rewards.isfinite().all():
        prompt, answer = (~rewards.isfinite()).nonzero()[0].tolist()
        raise ValueError(f"the reward of answer {answer} to prompt {prompt} is {float(rewards[prompt, answer])}")
