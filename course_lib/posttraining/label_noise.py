"""DPO where some preferences are the wrong way round.

N pairs, as in dpo.py; a share `flipped` of them names the wrong answer; L(m) = -log σ(m) at the margin m
    cautious    (1 - ε) L(m) + ε L(-m)                    cDPO (Mitchell 2023, ericmitchell.ai/cdpo.pdf)
    robust      ((1 - ε) L(m) - ε L(-m)) / (1 - 2 ε)      rDPO (Chowdhury et al. 2024, arXiv:2403.00409)
cDPO is label smoothing: the best margin of a pair is no longer infinite but log((1 - ε)/ε). rDPO's mean over flips is
the loss of the clean labels, whatever the margin; so it has DPO's aim again, and its infinite margins.
Read first: dpo.py.  Chapter 22.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from course_lib.posttraining.dpo import margins


def cautious_loss(
    chosen: Float[Tensor, " N"], rejected: Float[Tensor, " N"], *, beta: float = 0.1, flipped: float
) -> Float[Tensor, ""]:
    """cDPO. flipped: ε. Raises as dpo.margins does, and unless 0 <= ε < 0.5."""
    check_flipped(flipped)
    m = margins(chosen, rejected, beta)
    return -((1 - flipped) * logsigmoid(m) + flipped * logsigmoid(-m)).mean()


def robust_loss(
    chosen: Float[Tensor, " N"], rejected: Float[Tensor, " N"], *, beta: float = 0.1, flipped: float
) -> Float[Tensor, ""]:
    """rDPO; may be negative. flipped: ε. Raises as cautious_loss does."""
    check_flipped(flipped)
    m = margins(chosen, rejected, beta)
    return -((1 - flipped) * logsigmoid(m) - flipped * logsigmoid(-m)).mean() / (1 - 2 * flipped)


def check_flipped(share: float) -> None:
    """Raise ValueError unless the share lies in 0 … 0.5, without 0.5: half flipped labels say nothing."""
    if not 0 <= share < 0.5:
        raise ValueError(f"flipped ({share}) must be at least 0 and below 0.5; with more, swap chosen and rejected")
