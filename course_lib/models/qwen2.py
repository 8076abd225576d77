"""Qwen2 (Yang et al. 2024, arXiv:2407.10671) as Qwen2-VL and Qwen2.5-VL read with it: Llama with a bias on q, k and v,
and M-RoPE in place of RoPE, which is RoPE where there is text alone.

B texts · T tokens · N layers
Read first: llama.py, foundations/axial.py.  Chapter 17.  Differs from llama.py: positions have three axes.
Llama(Qwen2Config(…)) is the model.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Real
from torch import Tensor, nn

from course_lib.foundations.attention import check_heads
from course_lib.foundations.axial import AxialRotation, three_axes
from course_lib.foundations.gqa import GroupedQueryAttention, check_groups
from course_lib.foundations.rotation import Rotation


@dataclass(frozen=True, kw_only=True)
class Qwen2Config:
    """sections: how many pairs of a head turn by time, row and column; (16, 24, 24) as released, of 64.

    tied: the output head is the embedding, as in the 2B model.
    """

    n_vocab: int
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    n_kv_heads: int = 2
    d_hidden: int = 176
    sections: tuple[int, int, int] = (2, 3, 3)
    rope_base: float = 1_000_000.0
    norm_eps: float = 1e-6
    tied: bool = False

    def __post_init__(self):
        check_heads(self.d_model, self.n_heads, n_layers=self.n_layers)
        check_groups(self.n_heads, self.n_kv_heads)
        three_axes(self.d_head, self.sections, self.rope_base)

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads

    @property
    def cached_numbers(self) -> int:
        """Numbers that one token leaves in the caches of all layers."""
        return self.n_layers * 2 * self.n_kv_heads * self.d_head

    def attention(self) -> nn.Module:
        return GroupedQueryAttention(self.d_model, self.n_heads, self.n_kv_heads, bias=True)

    def rotation(self, positions: Real[Tensor, "..."], dtype: torch.dtype) -> Rotation:
        """positions: [3 B T]; or [T] or [B T], which all three axes share, as in text alone."""
        if positions.ndim < 3:
            positions = positions.expand(3, *positions.shape)
        return AxialRotation(positions, *three_axes(self.d_head, self.sections, self.rope_base), dtype)
