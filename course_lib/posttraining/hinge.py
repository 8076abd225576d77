"""The hinge loss on DPO's margin (Liu et al. 2023, RSO, arXiv:2309.06657, "hinge-norm").

N pairs, as in dpo.py
    loss = mean of max(0, 1 - β (d_chosen - d_rejected))
A pair whose margin has reached 1 pulls no more. SLiC-HF (Zhao et al. 2023, arXiv:2305.10425), after which this loss is
often called, has a hinge on log π alone, without a reference.
Read first: dpo.py.  Chapter 22.
"""

from jaxtyping import Float
from torch import Tensor

from course_lib.posttraining.dpo import margins


def hinge_loss(chosen: Float[Tensor, " N"], rejected: Float[Tensor, " N"], *, beta: float = 0.1) -> Float[Tensor, ""]:
    """chosen, rejected: the answers' d. Raises as dpo.margins does."""
    return (1 - margins(chosen, rejected, beta)).clamp(min=0).mean()
