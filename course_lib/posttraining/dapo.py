"""DAPO's changes to GRPO (Yu et al. 2025, arXiv:2503.14476, section 3).

P prompts · G answers · B = P G rows · N predictions, as in grpo.py
    clip-higher         ratio within 1 - 0.2 … 1 + 0.28: an unlikely token may grow further        3.1
    dynamic sampling    groups whose rewards are all equal are drawn anew: grpo.teaches             3.2
    token mean          Σ over all tokens / how many: long answers weigh more                       3.3
    overlong penalty    an answer near the limit loses up to 1 from its reward                      3.4
No KL. The paper's token mean is over one group (equation 8), then over groups; TRL's, and this one's, over all rows of
the batch, so that a prompt with long answers weighs more.
Read first: grpo.py.  Chapter 23.
"""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.foundations.checks import check_counts
from course_lib.posttraining.grpo import token_losses
from course_lib.posttraining.log_probs import masked_mean


def dapo_loss(
    log_probs: Float[Tensor, "B N"],
    old: Float[Tensor, "B N"],
    advantages: Float[Tensor, " B"],
    mask: Bool[Tensor, "B N"],
    *,
    low: float = 0.2,
    high: float = 0.28,
    penalty: Float[Tensor, "B N"] | None = None,
) -> Float[Tensor, ""]:
    """Mean over all tokens of the batch. A row without one, such as a masked truncated answer, plays no part."""
    return masked_mean(token_losses(log_probs, old, advantages, mask, low, high, penalty), mask)


def overlong_penalty(lengths: Int[Tensor, " B"], *, limit: int, buffer: int) -> Float[Tensor, " B"]:
    """To be added to the rewards, equation 13: 0 up to limit - buffer tokens, then down in a line to -1 at the limit,
    and -1 beyond. Raises ValueError for a buffer longer than the limit."""
    check_counts(1, limit=limit, buffer=buffer)
    if buffer > limit:
        raise ValueError(f"buffer ({buffer}) must be at most the limit ({limit}): the penalty begins at limit - buffer")
    return ((limit - buffer - lengths) / buffer).clamp(-1, 0)
