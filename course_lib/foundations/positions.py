"""Positions that are added: sinusoidal and learned vectors, and ALiBi's bias on the scores.

L positions · D width · T queries · S keys · H heads · omega_i = base^(-2i/D), in radians per position
sinusoidal: Vaswani et al. 2017, arXiv:1706.03762, section 3.5.   learned: Gehring et al. 2017, arXiv:1705.03122.
ALiBi: Press et al. 2021, arXiv:2108.12409.   Read first: embedding.py.  Chapter 02.
"""

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.foundations.checks import broadcast, check_count, check_counts, check_even


def sinusoidal(
    n_positions: int, d_model: int, base: float = 10000.0, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "{n_positions} {d_model}"]:
    """PE[pos, 2i] = sin(pos · omega_i), PE[pos, 2i+1] = cos(pos · omega_i): sine and cosine take turns along the width.

    Computed in float64 and rounded once. Raises ValueError if d_model is odd or not positive, or n_positions < 0.
    """
    check_count("n_positions", n_positions)
    if not dtype.is_floating_point:
        raise TypeError(f"dtype is {dtype}, which would cut every sine to 0; give a floating-point type")
    position = torch.arange(n_positions, dtype=torch.float64)
    angle = position[:, None] * wave_frequencies(d_model, base)
    return rearrange([angle.sin(), angle.cos()], "two L i -> L (i two)").to(dtype)


def shift_matrix(k: float, d_model: int, base: float = 10000.0) -> Float[Tensor, "{d_model} {d_model}"]:
    """The fixed matrix M_k with PE(pos + k) = M_k @ PE(pos) for every pos: one 2×2 rotation for each frequency."""
    angle = k * wave_frequencies(d_model, base)
    cos, sin = angle.cos(), angle.sin()
    return torch.block_diag(*rearrange([cos, sin, -sin, cos], "(row column) i -> i row column", row=2))


def wave_frequencies(d_model: int, base: float = 10000.0) -> Float[Tensor, "{d_model}//2"]:
    """omega_i = base^(-2i/d_model), radians per position, fastest first, float64; a sine and a cosine share one."""
    check_even("d_model", d_model)
    if not base > 0:
        raise ValueError(f"base ({base}) must be positive; the paper uses 10000")
    return base ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)


class LearnedPositions(nn.Module):
    """One trained vector for each position; there is none for a position beyond n_positions."""

    def __init__(self, n_positions: int, d_model: int):
        super().__init__()
        check_counts(1, n_positions=n_positions, d_model=d_model)
        self.weight = nn.Parameter(torch.randn(n_positions, d_model) * d_model**-0.5)

    def forward(self, n_tokens: int) -> Float[Tensor, "{n_tokens} D"]:
        """The vectors of positions 0 … n_tokens-1. Raises ValueError beyond the table."""
        if not 0 <= n_tokens <= len(self.weight):
            raise ValueError(
                f"{n_tokens} tokens, but only positions 0 to {len(self.weight) - 1} have a vector; "
                f"build LearnedPositions with n_positions >= {n_tokens} and train it at that length"
            )
        return self.weight[:n_tokens]

    def at(self, positions: Int[Tensor, "..."], x: Float[Tensor, "B T D"]) -> Float[Tensor, "... D"]:
        """The vectors of the positions of x, [T] or [B T]. Raises ValueError outside the table."""
        if broadcast(positions.shape, x.shape[:2]) != x.shape[:2]:
            raise ValueError(
                f"positions {tuple(positions.shape)} must be [T] or [B T] for x {tuple(x.shape)} = [B T D]"
            )
        least, most = (int(positions.min()), int(positions.max())) if positions.numel() else (0, -1)
        return self(most + 1 if least >= 0 else least)[positions]


def alibi_slopes(n_heads: int) -> Float[Tensor, " {n_heads}"]:
    """2^(-8/H), 2^(-16/H), … 2^-8 for H a power of two; otherwise those of the power below it and every
    other slope of the power above, as in the authors' code (float64)."""
    check_count("n_heads", n_heads, 1)
    power = 2 ** (n_heads.bit_length() - 1)
    slopes = [2 ** (-8 * (h + 1) / power) for h in range(power)]
    between = [2 ** (-4 * (2 * h + 1) / power) for h in range(n_heads - power)]
    return torch.tensor(slopes + between, dtype=torch.float64)


def alibi_bias(n_heads: int, n_queries: int, n_keys: int) -> Float[Tensor, "{n_heads} {n_queries} {n_keys}"]:
    """-slope · distance, to be added to the attention scores before softmax. The last query sits at the last key."""
    check_counts(0, n_queries=n_queries, n_keys=n_keys)
    if n_queries > n_keys:
        raise ValueError(f"n_queries ({n_queries}) must not exceed n_keys ({n_keys}); the queries are the last tokens")
    query = torch.arange(n_keys - n_queries, n_keys)
    distance = (query[:, None] - torch.arange(n_keys)).abs()
    return -alibi_slopes(n_heads)[:, None, None] * distance
