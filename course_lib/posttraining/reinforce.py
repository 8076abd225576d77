"""REINFORCE (Williams 1992): raise the log-probability of what was written, by how much better it was than expected.

B answers · T tokens · N = T - 1 · P prompts · G answers to each
    ∇J = E[ Σ_t A_t ∇ log π(token t | all before) ],   A = reward - baseline
A baseline that does not depend on the answer leaves this mean as it is, since E[∇ log π] = 0, and takes noise away. The
mean of the others' rewards is one. The mean of the whole group is not, for the answer is in it: the gradient shrinks to
(G - 1)/G of itself (grpo.centred_rewards), which a learning rate makes up for.
Read first: log_probs.py.  Chapter 20.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from course_lib.foundations.checks import check_floating, check_within
from course_lib.posttraining.checks import check_numbers, check_positive
from course_lib.posttraining.log_probs import is_target, row_sums, token_log_probs


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
    check_numbers("advantages", weights)
    return -row_sums(weights * log_probs, mask).mean()


def reinforce(policy: nn.Module, batch: dict[str, Tensor], *, temperature: float = 1.0) -> Float[Tensor, ""]:
    """For Update: reinforce_loss of RollOut.batch(advantages=…), written at `temperature` by this policy as it is now.
    A second update on the same answers is no policy gradient any more."""
    check_positive("temperature", temperature)
    log_probs = token_log_probs(policy(batch["ids"], is_token=batch["is_token"]) / temperature, batch["ids"])
    return reinforce_loss(log_probs, batch["is_answer"], batch["advantages"])


def reward_to_go(rewards: Float[Tensor, "B N"], discount: float = 1.0) -> Float[Tensor, "B N"]:
    """What each token still brings: reward + discount · what the next one brings. A token cannot change what was paid
    before it, so leaving that out takes away noise alone. rewards: 0 outside the answers."""
    check_within("discount", discount, 0, 1)
    brings, steps = torch.zeros_like(rewards[:, 0]), []
    for reward in rewards.unbind(1)[::-1]:
        brings = reward + discount * brings
        steps.append(brings)
    return torch.stack(steps[::-1], dim=1)


def beyond_the_others(rewards: Float[Tensor, "P G"]) -> Float[Tensor, "P G"]:
    """Reward less the mean of the G - 1 others: leave one out (Kool et al. 2019; RLOO, Ahmadian et al. 2024,
    arXiv:2402.14740, eq. 8). Raises ValueError for NaN, and for groups of one."""
    check_numbers("rewards", rewards)
    if rewards.ndim != 2 or rewards.shape[1] < 2:
        raise ValueError(f"rewards {tuple(rewards.shape)} must be [P G] with G >= 2: one answer has nothing to beat")
    return rewards - (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
