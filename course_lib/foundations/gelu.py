"""GELU and its two approximations (Hendrycks & Gimpel 2016, arXiv:1606.08415), and the feed-forward layer around them.

D width · F hidden width
A soft gate: x times the chance that a normal draw is below x. GPT-1 and GPT-2 use the tanh form ("gelu_new" elsewhere),
BERT and ViT the exact one, CLIP the quick one. They differ by up to 5e-4 and 0.02: released weights want their own.
Read first: feedforward.py.  Chapter 07.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from course_lib.foundations.checks import check_counts


def gelu(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """x Φ(x), Φ the normal distribution function: section 2."""
    return functional.gelu(x)


def gelu_tanh(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))): section 2, the first approximation. One fused kernel."""
    return functional.gelu(x, approximate="tanh")


def gelu_tanh_by_formula(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """The readable path of gelu_tanh."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def quick_gelu(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """x σ(1.702 x): section 2, the second approximation."""
    return x * torch.sigmoid(1.702 * x)


class GELUFeedForward(nn.Module):
    """activation(x W1 + b1) W2 + b2: 2 D F + F + D parameters."""

    def __init__(self, d_model: int, d_hidden: int, activation: Callable[[Tensor], Tensor] = gelu_tanh):
        super().__init__()
        check_counts(1, d_model=d_model, d_hidden=d_hidden)
        self.up = nn.Linear(d_model, d_hidden)
        self.down = nn.Linear(d_hidden, d_model)
        self.activation = activation

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        return self.down(self.activation(self.up(x)))


class QuickGELUFeedForward(GELUFeedForward):
    """GELUFeedForward with quick_gelu, faster: x σ(1.702 x) is silu(1.702 x) / 1.702, with silu one fused kernel, and
    both factors are moved into the two matrices, which are small. A test binds it to the readable one."""

    def __init__(self, d_model: int, d_hidden: int):
        super().__init__(d_model, d_hidden, quick_gelu)

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        inner = functional.silu(functional.linear(x, 1.702 * self.up.weight, 1.702 * self.up.bias))
        return functional.linear(inner, self.down.weight / 1.702, self.down.bias)
