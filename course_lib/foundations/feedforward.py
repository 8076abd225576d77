"""The position-wise feed-forward layer of 2017 (Vaswani et al., arXiv:1706.03762, section 3.3), and SwiGLU (Shazeer
2020, arXiv:2002.05202).

D width · F hidden width, 4 D in 2017
Every token goes through alone; only attention moves anything between tokens.
Read first: nothing.  Chapter 06.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu, silu

from course_lib.foundations.checks import check_counts


class FeedForward(nn.Module):
    """max(0, x W1 + b1) W2 + b2, eq. 2: 2 D F + F + D parameters."""

    def __init__(self, d_model: int, d_hidden: int):
        super().__init__()
        check_counts(1, d_model=d_model, d_hidden=d_hidden)
        self.up = nn.Linear(d_model, d_hidden)
        self.down = nn.Linear(d_hidden, d_model)

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        return self.down(relu(self.up(x)))


class SwiGLU(nn.Module):
    """(silu(x W_gate) · x W_up) W_down, eq. 6, no biases: 3 D F parameters, as many as FeedForward's at F = 8/3 D."""

    def __init__(self, d_model: int, d_hidden: int):
        super().__init__()
        check_counts(1, d_model=d_model, d_hidden=d_hidden)
        self.gate = nn.Linear(d_model, d_hidden, bias=False)
        self.up = nn.Linear(d_model, d_hidden, bias=False)
        self.down = nn.Linear(d_hidden, d_model, bias=False)

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        return self.down(silu(self.gate(x)) * self.up(x))


def swiglu_width(d_model: int, multiple_of: int = 256) -> int:
    """Llama's F: two thirds of 4 D, rounded up to a multiple (Touvron et al. 2023, arXiv:2302.13971). 4096 -> 11008."""
    check_counts(1, d_model=d_model, multiple_of=multiple_of)
    return -(-int(8 * d_model / 3) // multiple_of) * multiple_of
