"""Layer normalisation (Ba et al. 2016, arXiv:1607.06450) and RMSNorm (Zhang & Sennrich 2019, arXiv:1910.07467).

D width
LayerNorm takes the mean off a vector and divides by its spread; RMSNorm only divides by its length / sqrt(D).
The functions are the readable path; the modules call torch's fused kernels, and a test binds the two.
Read first: nothing.  Chapter 06.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from course_lib.foundations.checks import check_count


def layer_norm(
    x: Float[Tensor, "... D"], weight: Float[Tensor, " D"], bias: Float[Tensor, " D"], eps: float = 1e-5
) -> Float[Tensor, "... D"]:
    """(x - mean) / sqrt(variance + eps) · weight + bias, over the width of each vector; variance with 1/D."""
    centred = x - x.mean(dim=-1, keepdim=True)
    variance = centred.square().mean(dim=-1, keepdim=True)
    return centred * (variance + eps).rsqrt() * weight + bias


def rms_norm(x: Float[Tensor, "... D"], weight: Float[Tensor, " D"], eps: float = 1e-6) -> Float[Tensor, "... D"]:
    """x / sqrt(mean of x² + eps) · weight, over the width of each vector."""
    return x * (x.square().mean(dim=-1, keepdim=True) + eps).rsqrt() * weight


class LayerNorm(nn.Module):
    """layer_norm with a learned weight and bias: 2 D parameters."""

    def __init__(self, d_model: int, eps: float = 1e-5):
        super().__init__()
        check_width(d_model, eps)
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model))

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class RMSNorm(nn.Module):
    """rms_norm with a learned weight: D parameters."""

    def __init__(self, d_model: int, eps: float = 1e-6):
        super().__init__()
        check_width(d_model, eps)
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        return functional.rms_norm(x, self.weight.shape, self.weight, self.eps)


def check_width(d_model: int, eps: float) -> None:
    """Raise unless d_model and eps are positive: a vector of zeros would become 0/0."""
    check_count("d_model", d_model, 1)
    if not eps > 0:
        raise ValueError(f"eps ({eps}) must be positive, or a vector of equal numbers becomes 0/0; try eps=1e-5")
