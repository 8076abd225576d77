"""RoPE for many layers: cosine and sine are worked out once in a forward pass, then every layer only multiplies.

B batch · T tokens · H heads · Dh head width · P = Dh/2 pairs
The same numbers as rope.py, in two multiplications and an addition a layer: (x cos + x' sin), x' being x with the two
numbers of each pair exchanged, and the sign of the first sine turned.
Read first: rope.py.  Chapter 05.
"""

from typing import Protocol, runtime_checkable

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Real
from torch import Tensor

from course_lib.foundations.rope import angles, check_pairs


@runtime_checkable
class Rotation(Protocol):
    """What an attention turns its queries and keys with: whatever was built from their positions, along any axes."""

    def __call__(self, x: Float[Tensor, "B H T Dh"]) -> Float[Tensor, "B H T Dh"]: ...


class HalfSplitRotation:
    """Turns [B H T Dh] by its positions, pairs (x0, xP), (x1, xP+1), … : Llama and Qwen in transformers' format."""

    def __init__(self, positions: Real[Tensor, "*B T"], freqs: Float[Tensor, " P"], dtype: torch.dtype):
        self.angles = rearrange(angles(positions, freqs), "... T P -> ... 1 T P")
        cos, sin = self.angles.cos().to(dtype), self.angles.sin().to(dtype)
        self.cos, self.sin = torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)

    def __call__(self, x: Float[Tensor, "B H T Dh"]) -> Float[Tensor, "B H T Dh"]:
        check_fits(x, self)
        return torch.addcmul(x * self.cos, x.roll(x.shape[-1] // 2, dims=-1), self.sin)


class InterleavedRotation:
    """Turns [B H T Dh] by its positions, pairs (x0, x1), (x2, x3), … : the paper and DeepSeek."""

    def __init__(self, positions: Real[Tensor, "*B T"], freqs: Float[Tensor, " P"], dtype: torch.dtype):
        self.angles = rearrange(angles(positions, freqs), "... T P -> ... 1 T P")
        self.cos = repeat(self.angles.cos().to(dtype), "... P -> ... (P two)", two=2)
        sin = self.angles.sin().to(dtype)
        self.sin = rearrange([-sin, sin], "two ... P -> ... (P two)")

    def __call__(self, x: Float[Tensor, "B H T Dh"]) -> Float[Tensor, "B H T Dh"]:
        check_fits(x, self)
        exchanged = x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
        return torch.addcmul(x * self.cos, exchanged, self.sin)


def check_fits(x: Tensor, rotation: HalfSplitRotation | InterleavedRotation) -> None:
    """check_pairs, whose look at broadcasting costs more than the rotation itself where one token is decoded: not
    repeated where width and number of tokens agree. Raises ValueError for positions of other texts than those of x."""
    if rotation.cos.ndim > 3 and rotation.cos.shape[:-3] not in ((1,), x.shape[:1]):
        raise ValueError(f"x {tuple(x.shape)} needs positions [T] or [B T], and this rotation was built from others")
    if x.shape[-2:] != rotation.cos.shape[-2:]:
        check_pairs(x, rotation.angles)
