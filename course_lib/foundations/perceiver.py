"""The Perceiver resampler (Alayrac et al. 2022, Flamingo, arXiv:2204.14198, section 3.1; after Jaegle et al. 2021).

B batch · N media tokens · Q latents · D width · H heads · Dh head width · F hidden width · n layers
Q learned vectors read any number of media tokens and come out as Q tokens. In every layer they attend to the media and
to themselves in one softmax over N + Q keys; the media are never changed. Nothing says where a media token stands, but
what its own features say.
Read first: attention.py, norm.py.  Chapter 14.  Differs from encoder.py: the queries are latents; no biases; Dh need
not be D / H.
"""

from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from course_lib.foundations.attention import attend, attention_weights, check_heads
from course_lib.foundations.checks import check_batch, check_counts, check_floating
from course_lib.foundations.gelu import gelu
from course_lib.foundations.norm import LayerNorm


class PerceiverAttention(nn.Module):
    """Queries from the latents; keys and values from [media; latents], each behind a norm of its own: 4 D H Dh weights.

    may_attend: [B 1 1 N+Q], the media first.
    """

    def __init__(self, d_model: int, n_heads: int, d_head: int, eps: float = 1e-5):
        super().__init__()
        self.n_heads = n_heads
        self.norm_media = LayerNorm(d_model, eps)
        self.norm_latents = LayerNorm(d_model, eps)
        self.to_q = nn.Linear(d_model, n_heads * d_head, bias=False)
        self.to_k = nn.Linear(d_model, n_heads * d_head, bias=False)
        self.to_v = nn.Linear(d_model, n_heads * d_head, bias=False)
        self.to_out = nn.Linear(n_heads * d_head, d_model, bias=False)

    def forward(
        self,
        latents: Float[Tensor, "B Q D"],
        media: Float[Tensor, "B N D"],
        may_attend: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "B Q D"]:
        read = attend(*self.heads(latents, media), may_attend)
        return self.to_out(rearrange(read, "B H Q Dh -> B Q (H Dh)"))

    def heads(self, latents: Float[Tensor, "B Q D"], media: Float[Tensor, "B N D"]) -> list[Float[Tensor, "B H _ Dh"]]:
        """q of the latents; k and v of the media, then of the latents."""
        latents = self.norm_latents(latents)
        both = torch.cat([self.norm_media(media), latents], dim=1)
        parts = self.to_q(latents), self.to_k(both), self.to_v(both)
        return [rearrange(part, "B T (H Dh) -> B H T Dh", H=self.n_heads) for part in parts]


class PerceiverBlock(nn.Module):
    """latents + attention, then latents + activation(norm(latents) W1) W2."""

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_head: int,
        d_hidden: int,
        activation: Callable[[Tensor], Tensor] = gelu,
        eps: float = 1e-5,
    ):
        super().__init__()
        self.attention = PerceiverAttention(d_model, n_heads, d_head, eps)
        self.norm_feedforward = LayerNorm(d_model, eps)
        self.up = nn.Linear(d_model, d_hidden, bias=False)
        self.down = nn.Linear(d_hidden, d_model, bias=False)
        self.activation = activation

    def forward(
        self,
        latents: Float[Tensor, "B Q D"],
        media: Float[Tensor, "B N D"],
        may_attend: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "B Q D"]:
        latents = latents + self.attention(latents, media, may_attend)
        return latents + self.down(self.activation(self.up(self.norm_feedforward(latents))))


class PerceiverResampler(nn.Module):
    """media [B N D] -> [B Q D], for any N: Q D + n (4 D H Dh + 2 D F + 6 D) + 2 D parameters.

    d_head: D / H unless given.  d_hidden: 4 D unless given.
    init_std: of every matrix at the start, None: 1/sqrt(fan-in); what is added to the latents, 2 n times, begins
    1/sqrt(2 n) smaller. The latents begin as normal draws of spread 1, as released.
    """

    def __init__(
        self,
        n_latents: int,
        n_layers: int,
        d_model: int,
        n_heads: int,
        *,
        d_head: int | None = None,
        d_hidden: int | None = None,
        activation: Callable[[Tensor], Tensor] = gelu,
        eps: float = 1e-5,
        init_std: float | None = None,
    ):
        super().__init__()
        if d_head is None:
            check_heads(d_model, n_heads)
            d_head = d_model // n_heads
        d_hidden = 4 * d_model if d_hidden is None else d_hidden
        check_counts(1, n_latents=n_latents, n_layers=n_layers, d_model=d_model, n_heads=n_heads, d_head=d_head)
        check_counts(1, d_hidden=d_hidden)
        self.latents = nn.Parameter(torch.randn(n_latents, d_model))
        self.blocks = nn.ModuleList(
            PerceiverBlock(d_model, n_heads, d_head, d_hidden, activation, eps) for _ in range(n_layers)
        )
        self.norm_out = LayerNorm(d_model, eps)
        for name, parameter in self.blocks.named_parameters():
            if parameter.ndim == 2:
                std = parameter.shape[1] ** -0.5 if init_std is None else init_std
                if name.endswith(("to_out.weight", "down.weight")):
                    std *= (2 * n_layers) ** -0.5
                nn.init.normal_(parameter, std=std)

    def forward(
        self, media: Float[Tensor, "B N D"], is_media: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "B Q D"]:
        """is_media: False where a row is padding; latents whose media are all padding read themselves alone."""
        latents, may_attend = self.start(media, is_media)
        for block in self.blocks:
            latents = block(latents, media, may_attend)
        return self.norm_out(latents)

    def attention_maps(
        self, media: Float[Tensor, "B N D"], is_media: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "n B H Q N+Q"]:
        """What every latent looks at in every head of every layer: the media first, then the latents."""
        latents, may_attend = self.start(media, is_media)
        maps = []
        for block in self.blocks:
            q, k, _ = block.attention.heads(latents, media)
            maps.append(attention_weights(q, k, may_attend))
            latents = block(latents, media, may_attend)
        return torch.stack(maps)

    def start(
        self, media: Float[Tensor, "B N D"], is_media: Bool[Tensor, "B N"] | None
    ) -> tuple[Float[Tensor, "B Q D"], Bool[Tensor, "B 1 1 N+Q"] | None]:
        """The latents once for each row, and the mask. Raises ValueError unless media are [B N D], is_media [B N]."""
        check_floating("media", media)
        check_batch(media, self.latents.shape[1])
        latents = self.latents.expand(len(media), -1, -1)
        if is_media is None:
            return latents, None
        if is_media.shape != media.shape[:2] or is_media.dtype != torch.bool:
            raise ValueError(
                f"is_media {tuple(is_media.shape)} must be {tuple(media.shape[:2])}, one for each media token, "
                f"and boolean, not {is_media.dtype}"
            )
        may_attend = torch.cat([is_media, is_media.new_ones(latents.shape[:2])], dim=1)
        return latents, rearrange(may_attend, "B S -> B 1 1 S")
