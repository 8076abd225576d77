"""Rotary position embedding, RoPE (Su et al. 2021, arXiv:2104.09864).

T positions · Dh head width · P = Dh/2 pairs · theta_i = base^(-2i/Dh), i = 0 … P-1, in radians per position
Read first: positions.py.  Chapter 03.  Differs from positions.py: q and k are turned; nothing is added to the token.

One rotation, two ways of choosing the pairs:
    interleaved   (x0, x1), (x2, x3), …        the paper, Llama's own files
    half-split    (x0, xP), (x1, xP+1), …      Llama, Qwen in transformers' format
`interleaved_to_half_split` is the permutation between them. A model keeps the layout that it was trained with.
"""

import torch
from einops import rearrange
from jaxtyping import Float, Int, Real
from torch import Tensor

from course_lib.foundations.checks import broadcast, check_even, check_floating
from course_lib.foundations.positions import wave_frequencies


def frequencies(d_head: int, base: float = 10000.0) -> Float[Tensor, "{d_head}//2"]:
    """Radians per position of each pair, fastest first: theta_i = base^(-2i/d_head), section 3.2.2.

    float64, since in float32 the angles of position 100,000 are off by up to 4e-3 radians.
    The very waves of the sinusoidal encoding. Raises ValueError if d_head is odd or not positive, or base is not
    positive.
    """
    check_even("d_head", d_head)
    return wave_frequencies(d_head, base)


def angles(positions: Real[Tensor, "*T"], freqs: Float[Tensor, " P"]) -> Float[Tensor, "*T P"]:
    """position · theta_i, in radians, for every position and pair. Positions may be fractions."""
    check_floating("freqs", freqs)
    return positions[..., None].to(freqs) * freqs


def rotate_interleaved(x: Float[Tensor, "... Dh"], angles: Float[Tensor, "... Dh//2"]) -> Float[Tensor, "... Dh"]:
    """Turn the pairs (x0, x1), (x2, x3), … of x by their angles, eq. 34. Leading axes broadcast."""
    check_pairs(x, angles)
    cos, sin = angles.cos().to(x), angles.sin().to(x)
    first, second = rearrange(x, "... (P two) -> two ... P", two=2)
    turned = torch.stack([first * cos - second * sin, first * sin + second * cos])
    return rearrange(turned, "two ... P -> ... (P two)")


def rotate_half_split(x: Float[Tensor, "... Dh"], angles: Float[Tensor, "... Dh//2"]) -> Float[Tensor, "... Dh"]:
    """Turn the pairs (x0, xP), (x1, xP+1), … of x by their angles. Leading axes broadcast."""
    check_pairs(x, angles)
    cos, sin = angles.cos().to(x), angles.sin().to(x)
    first, second = rearrange(x, "... (two P) -> two ... P", two=2)
    turned = torch.stack([first * cos - second * sin, first * sin + second * cos])
    return rearrange(turned, "two ... P -> ... (two P)")


def rotate_complex(x: Float[Tensor, "... Dh"], angles: Float[Tensor, "... Dh//2"]) -> Float[Tensor, "... Dh"]:
    """rotate_interleaved in one multiplication: (x0 + i x1) · e^(i angle), eq. 12. float32 and float64 only."""
    check_pairs(x, angles)
    turn = torch.polar(torch.ones_like(angles), angles).to(x.device, x.dtype.to_complex())
    pairs = torch.view_as_complex(rearrange(x, "... (P two) -> ... P two", two=2).contiguous())
    return rearrange(torch.view_as_real(pairs * turn), "... P two -> ... (P two)")


def rotation_matrix(position: float, freqs: Float[Tensor, " P"]) -> Float[Tensor, "2*P 2*P"]:
    """The block-diagonal R_m of eq. 15, on interleaved pairs: R_m @ x == rotate_interleaved(x, position · freqs)."""
    check_floating("freqs", freqs)
    cos, sin = (position * freqs).cos(), (position * freqs).sin()
    blocks = rearrange([cos, -sin, sin, cos], "(row column) P -> P row column", row=2)
    return torch.block_diag(*blocks)


def interleaved_to_half_split(d_head: int) -> Int[Tensor, " {d_head}"]:
    """The permutation p = [0, 2, 4, …, 1, 3, 5, …] for which

    rotate_half_split(x[..., p], a) == rotate_interleaved(x, a)[..., p].

    Applied to the rows of W_q and W_k inside each head it changes a model's layout and none of its scores.
    """
    check_even("d_head", d_head)
    return rearrange(torch.arange(d_head), "(P two) -> (two P)", two=2)


def check_pairs(x: Tensor, angles: Tensor) -> None:
    """Raise unless x holds floats, two for each angle, and their leading axes broadcast as [… T] with [… T].

    Angles [B T P] need an axis for the heads of x [B H T Dh]: torch would take B for H.
    """
    check_floating("x", x)
    d_head, n_pairs = x.shape[-1], angles.shape[-1]
    if d_head % 2:
        raise ValueError(f"x has an odd head width ({d_head}); RoPE turns pairs of numbers, so it must be even")
    if d_head != 2 * n_pairs:
        raise ValueError(
            f"x has head width {d_head}, so {d_head // 2} pairs, but angles holds {n_pairs}; use frequencies({d_head})"
        )
    heads_missing = 2 < angles.ndim < x.ndim and angles.shape[:-2].numel() > 1
    if heads_missing or broadcast(x.shape[:-1], angles.shape[:-1]) is None:
        raise ValueError(
            f"x {tuple(x.shape)} and angles {tuple(angles.shape)} do not match before the last axis; "
            "give one angle row for each position of x, [T P], or [B 1 T P] where texts differ"
        )
