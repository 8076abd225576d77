"""The dense layers of DeepSeek-V2 and V3 (arXiv:2405.04434, arXiv:2412.19437): Llama's block with MLA in it.

D width · H heads · R latent width · Dr rotated width · N layers
Read first: llama.py, foundations/mla.py.  Chapter 05.  Differs from llama.py: the attention, and RoPE on interleaved
pairs. DeepSeek's mixture of experts is another subject and is left out: Llama(DeepSeekConfig(…)) is the model.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Real
from torch import Tensor, nn

from course_lib.foundations.checks import check_count
from course_lib.foundations.mla import MultiHeadLatentAttention
from course_lib.foundations.rope import frequencies
from course_lib.foundations.rotation import InterleavedRotation, Rotation


@dataclass(frozen=True, kw_only=True)
class DeepSeekConfig:
    """d_head: content width of a head; d_rope: rotated width, shared by all heads. d_query_latent: None in V2-Lite."""

    n_vocab: int
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    d_latent: int = 24
    d_head: int = 16
    d_rope: int = 8
    d_value: int = 16
    d_query_latent: int | None = None
    d_hidden: int = 176
    rope_base: float = 10000.0
    norm_eps: float = 1e-6

    def __post_init__(self):
        check_count("n_layers", self.n_layers, 1)

    @property
    def cached_numbers(self) -> int:
        """Numbers that one token leaves in the caches of all layers."""
        return self.n_layers * (self.d_latent + self.d_rope)

    def attention(self) -> nn.Module:
        return MultiHeadLatentAttention(
            self.d_model,
            self.n_heads,
            d_latent=self.d_latent,
            d_head=self.d_head,
            d_rope=self.d_rope,
            d_value=self.d_value,
            d_query_latent=self.d_query_latent,
        )

    def rotation(self, positions: Real[Tensor, "..."], dtype: torch.dtype) -> Rotation:
        return InterleavedRotation(positions, frequencies(self.d_rope, self.rope_base), dtype)
