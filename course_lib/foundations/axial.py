"""RoPE along several axes: each pair of a head listens to one of them.

A axes · B batch · T tokens · H heads · Dh head width · P = Dh/2 pairs
2D RoPE of the image tower: the first half of the pairs turns by the row, the second by the column, both halves with
the same frequencies.  M-RoPE of the language model: one line of frequencies, cut into sections; the fastest pairs turn
by time, the next by the row, the slowest by the column. With all axes equal, M-RoPE is RoPE.
Wang et al. 2024, Qwen2-VL, arXiv:2409.12191, section 2.1.
Read first: rotation.py.  Chapter 17.  Differs from rotation.py: positions have one row for each axis.
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float, Real
from torch import Tensor

from course_lib.foundations.checks import check_counts
from course_lib.foundations.rope import check_pairs, frequencies


class AxialRotation:
    """Turns [B H T Dh], pairs (x0, xP), (x1, xP+1), …, each by the position along its own axis.

    positions: [A T] for all, or [A B T]. freqs: radians per position of each pair. axes: which row each pair reads.
    """

    def __init__(
        self,
        positions: Real[Tensor, "A *B T"],
        freqs: Float[Tensor, " P"],
        axes: list[int],
        dtype: torch.dtype,
    ):
        along = positions[axes].to(freqs.dtype)
        self.angles = rearrange(along, "P ... T -> ... 1 T P") * freqs.to(positions.device)
        cos, sin = self.angles.cos().to(dtype), self.angles.sin().to(dtype)
        self.cos, self.sin = torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)

    def __call__(self, x: Float[Tensor, "B H T Dh"]) -> Float[Tensor, "B H T Dh"]:
        """Raises ValueError for another number of tokens, of texts or of pairs than the positions had."""
        if x.shape[-2:] != self.cos.shape[-2:]:
            check_pairs(x, self.angles)
        if self.cos.ndim > 3 and self.cos.shape[0] not in (1, len(x)):
            raise ValueError(f"x {tuple(x.shape)} has {len(x)} texts and the positions are for {self.cos.shape[0]}")
        return torch.addcmul(x * self.cos, x.roll(x.shape[-1] // 2, dims=-1), self.sin)


def two_axes(d_head: int, base: float = 10000.0) -> tuple[Float[Tensor, " P"], list[int]]:
    """Frequencies and axes of the tower's 2D RoPE: Dh/4 pairs for the row, and the same Dh/4 for the column.

    Raises ValueError unless 4 divides d_head.
    """
    if d_head % 4:
        raise ValueError(
            f"d_head ({d_head}) must be a multiple of 4: half of the pairs turn by the row, half by the column"
        )
    each = frequencies(d_head // 2, base)
    return torch.cat([each, each]), [0] * len(each) + [1] * len(each)


def three_axes(
    d_head: int, sections: Sequence[int], base: float = 1_000_000.0
) -> tuple[Float[Tensor, " P"], list[int]]:
    """Frequencies and axes of M-RoPE: sections = how many pairs turn by time, row and column; (16, 24, 24) of 64.

    Raises ValueError unless the three make up all pairs.
    """
    check_counts(0, **dict(zip(("pairs of time", "pairs of rows", "pairs of columns"), sections)))
    if len(sections) != 3 or 2 * sum(sections) != d_head:
        raise ValueError(
            f"sections {tuple(sections)} must be three, and make up the {d_head // 2} pairs of a head of {d_head}; "
            f"the released share is 2 : 3 : 3"
        )
    return frequencies(d_head, base), [axis for axis in range(3) for _ in range(sections[axis])]
