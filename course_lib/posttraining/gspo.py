"""GSPO: one ratio for an answer (Zheng et al. 2025, arXiv:2507.18071, section 4).

B answers · N predictions, as in grpo.py
    s_i = (π(o_i) / π_old(o_i))^(1/|o_i|) = exp(mean over the answer's tokens of log π - log π_old)
    L = - 1/B Σ_i min(s_i · A_i, clip(s_i, 1 - low, 1 + high) · A_i)
The reward is of the whole answer, so the ratio is, too: all its tokens are clipped or none. As a geometric mean it
hardly leaves 1: the paper's widths are 3e-4 and 4e-4.
Read first: grpo.py.  Chapter 23.
"""

from jaxtyping import Bool, Float
from torch import Tensor

from course_lib.posttraining.grpo import check_rows
from course_lib.posttraining.kl import log_ratio
from course_lib.posttraining.log_probs import row_means
from course_lib.posttraining.ppo import surrogate


def gspo_loss(
    log_probs: Float[Tensor, "B N"],
    old: Float[Tensor, "B N"],
    advantages: Float[Tensor, " B"],
    mask: Bool[Tensor, "B N"],
    *,
    low: float = 3e-4,
    high: float = 4e-4,
    penalty: Float[Tensor, "B N"] | None = None,
) -> Float[Tensor, ""]:
    """Mean over answers. penalty: of every token, its mean over each answer is added; the paper has none."""
    check_rows(advantages, log_probs)
    losses = -surrogate(row_means(log_ratio(log_probs, old, "old"), mask), advantages, low, high)
    return (losses if penalty is None else losses + row_means(penalty, mask)).mean()
