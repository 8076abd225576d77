"""Dr. GRPO: GRPO without its two divisions (Liu et al. 2025, arXiv:2503.20783, section 3).

P prompts · G answers · B = P G rows · N predictions, as in grpo.py
    A_i = r_i - mean of the group                no std: a prompt that nearly all or nearly none solve weighs no more
    L = - 1/(B · limit) Σ_i Σ_t …                no 1/|o_i|: a token weighs the same in long and in short answers
limit: a constant, the most tokens that an answer may have. It scales the gradient and nothing else; what matters is
that it does not depend on the batch.
Read first: grpo.py.  Chapter 23.
"""

from jaxtyping import Bool, Float
from torch import Tensor

from course_lib.foundations.checks import check_count
from course_lib.posttraining.grpo import centred_rewards, token_losses


def dr_advantages(rewards: Float[Tensor, "P G"]) -> Float[Tensor, " P*G"]:
    """r - mean of the group. Raises as grpo.group_advantages does."""
    return centred_rewards(rewards).flatten()


def dr_grpo_loss(
    log_probs: Float[Tensor, "B N"],
    old: Float[Tensor, "B N"],
    advantages: Float[Tensor, " B"],
    mask: Bool[Tensor, "B N"],
    *,
    limit: int,
    clip: float = 0.2,
    penalty: Float[Tensor, "B N"] | None = None,
) -> Float[Tensor, ""]:
    """Sum over all tokens / (B · limit). An answer without a token adds 0. Raises ValueError for answers longer than
    the limit."""
    check_count("limit", limit, 1)
    losses = token_losses(log_probs, old, advantages, mask, clip, clip, penalty)
    if (longest := int(mask.sum(1).max())) > limit:
        raise ValueError(f"an answer has {longest} tokens, the limit is {limit}; give the roll-out's limit")
    return losses.masked_fill(~mask, 0).sum() / (len(mask) * limit)
