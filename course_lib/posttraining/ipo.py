"""IPO: a margin to reach, not to widen for ever (Azar et al. 2023, arXiv:2310.12036, equation 17).

N pairs, as in dpo.py
    loss = mean of (d_chosen - d_rejected - 1/(2 β))²
DPO's loss falls as long as the margin grows: where one answer always wins, the best margin is infinite, and the
reference is forgotten. Here the margin stops at 1/(2 β).
d: the paper's are sums over an answer's tokens, so that 1/(2 β) means less for long answers. TRL divides by each
answer's length, as the authors told it (huggingface/trl#1265): dpo.on_pairs with per_token=True.
Read first: dpo.py.  Chapter 22.
"""

from jaxtyping import Float
from torch import Tensor

from course_lib.posttraining.dpo import margins


def ipo_loss(chosen: Float[Tensor, " N"], rejected: Float[Tensor, " N"], *, beta: float = 0.1) -> Float[Tensor, ""]:
    """chosen, rejected: the answers' d, in nats or nats a token. beta: the paper's τ. Raises as dpo.margins does."""
    return ((margins(chosen, rejected, beta) / beta - 1 / (2 * beta)) ** 2).mean()
