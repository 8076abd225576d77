"""Positions that are added: sinusoidal and learned vectors, and ALiBi's bias on the scores.

L positions · D width · T queries · S keys · H heads · omega_i = base^(-2i/D), in radians per position
sinusoidal: Vaswani et al. 2017, arXiv:1706.03762, section 3.5.   learned: Gehring et al. 2017, arXiv:1705.03122.
ALiBi: Press et al. 2021, arXiv:2108.12409.   Read first: embedding.py.  Chapter 02.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn


def sinusoidal(
    n_positions: int, d_model: int, base: float = 10000.0, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "{n_positions} {d_model}"]:
    """PE[pos, 2i] = sin(pos · omega_i), PE[pos, 2i+1] = cos(pos · omega_i): sine and cosine take turns along the width.

    Computed in float64 and rounded once. Raises ValueError if d_model is odd or not positive, or n_positions < 0.
    """
    if n_positions < 0:
        raise ValueError(f"n_positions ({n_positions}) must not be negative")
    position = torch.arange(n_positions, dtype=torch.float64)
    angle = position[:, None] * wave_frequencies(d_model, base)
    return rearrange([angle.sin(), angle.cos()], "two L i -> L (i two)").to(dtype)


def shift_matrix(k: float, d_model: int, base: float = 10000.0) -> Float[Tensor, "{d_model} {d_model}"]:
    """The fixed matrix M_k with PE(pos + k) = M_k @ PE(pos) for every pos: one 2×2 rotation for each frequency."""
    angle = k * wave_frequencies(d_model, base)
    cos, sin = angle.cos(), angle.sin()
    return torch.block_diag(*rearrange([cos, sin, -sin, cos], "(row column) i -> i row column", row=2))


def wave_frequencies(d_model: int, base: float = 10000.0) -> Float[Tensor, "{d_model}//2"]:
    """omega_i = base^(-2i/d_model), radians per position, fastest first, float64."""
    if d_model < 2 or d_model % 2:
        raise ValueError(
            f"d_model ({d_model}) must be even and at least 2: a sine and a cosine for each frequency; "
            f"try d_model={max(2, d_model + 1)}"
        )
    if not base > 0:
        raise ValueError(f"base ({base}) must be positive; the paper uses 10000")
    return base ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)


class LearnedPositions(nn.Module):
    """One trained vector for each position; there is none for a position beyond n_positions."""

    def __init__(self, n_positions: int, d_model: int):
        super().__init__()
        if n_positions < 1 or d_model < 1:
            raise ValueError(f"n_positions ({n_positions}) and d_model ({d_model}) must be at least 1")
        self.weight = nn.Parameter(torch.randn(n_positions, d_model) * d_model**-0.5)

    def forward(self, n_tokens: int) -> Float[Tensor, "{n_tokens} D"]:
        """The vectors of positions 0 … n_tokens-1. Raises ValueError beyond the table."""
        if not 0 <= n_tokens <= len(self.weight):
            raise ValueError(
                f"{n_tokens} tokens, but only positions 0 to {len(self.weight) - 1} have a vector; "
                f"build LearnedPositions with n_positions >= {n_tokens} and train it at that length"
            )
        return self.weight[:n_tokens]


def alibi_slopes(n_heads: int) -> Float[Tensor, " {n_heads}"]:
    """2^(-8/H), 2^(-16/H), … 2^-8 for H a power of two; otherwise those of the power below it and every
    other slope of the power above, as in the authors' code (float64)."""
    if n_heads < 1:
        raise ValueError(f"n_heads ({n_heads}) must be at least 1")
    power = 2 ** (n_heads.bit_length() - 1)
    slopes = [2 ** (-8 * (h + 1) / power) for h in range(power)]
    between = [2 ** (-4 * (2 * h + 1) / power) for h in range(n_heads - power)]
    return torch.tensor(slopes + between, dtype=torch.float64)


def alibi_bias(n_heads: int, n_queries: int, n_keys: int) -> Float[Tensor, "{n_heads} {n_queries} {n_keys}"]:
    """-slope · distance, to be added to the attention scores before softmax. The last query sits at the last key."""
    if n_queries > n_keys:
        raise ValueError(f"n_queries ({n_queries}) must not exceed n_keys ({n_keys}); the queries are the last tokens")
    query = torch.arange(n_keys - n_queries, n_keys)
    distance = (query[:, None] - torch.arange(n_keys)).abs()
    return -alibi_slopes(n_heads)[:, None, None] * distance
