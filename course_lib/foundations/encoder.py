"""Self-attention in which every token sees every other, and the pre-norm block around it: ViT's encoder and CLIP's.

B batch · T tokens · D width · H heads · Dh head width = D / H · F hidden width
Read first: attention.py, norm.py, gelu.py.  Chapter 10.  Differs from models/transformer.py: the norms stand before the
sublayers, the activation is GELU. Fast kernels, which a test binds to `attend`.
"""

from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from course_lib.foundations.attention import attend, attention_weights, check_heads, check_mask
from course_lib.foundations.checks import check_batch
from course_lib.foundations.gelu import GELUFeedForward, QuickGELUFeedForward, gelu, quick_gelu
from course_lib.foundations.norm import LayerNorm


class SelfAttention(nn.Module):
    """H heads over all tokens; one matrix makes q, k and v: 4 D² weights, 4 D biases."""

    def __init__(self, d_model: int, n_heads: int):
        super().__init__()
        check_heads(d_model, n_heads)
        self.n_heads = n_heads
        self.to_qkv = nn.Linear(d_model, 3 * d_model)
        self.to_out = nn.Linear(d_model, d_model)

    def forward(
        self, x: Float[Tensor, "B T D"], may_attend: Bool[Tensor, "..."] | None = None
    ) -> Float[Tensor, "B T D"]:
        """may_attend: [T T] for all, or [B 1 T T]; None: everything. A query that may see nothing reads zeros."""
        q, k, v = self.heads(x)
        if may_attend is not None:
            check_mask(may_attend, torch.Size((*q.shape[:3], q.shape[2])))
        if q.dtype == torch.bfloat16 and q.device.type == "cpu" and q.requires_grad:
            read = attend(q, k, v, may_attend)  # here the fused kernel's backward takes four times as long
        else:
            read = scaled_dot_product_attention(q, k, v, attn_mask=may_attend)
        return self.to_out(rearrange(read, "B H T Dh -> B T (H Dh)"))

    def heads(self, x: Float[Tensor, "B T D"]) -> list[Float[Tensor, "B H T Dh"]]:
        """q, k and v, head by head. Raises ValueError unless x is [B T D]."""
        check_batch(x, self.to_qkv.in_features)
        return [rearrange(part, "B T (H Dh) -> B H T Dh", H=self.n_heads) for part in self.to_qkv(x).chunk(3, dim=-1)]

    def weights(
        self, x: Float[Tensor, "B T D"], may_attend: Bool[Tensor, "..."] | None = None
    ) -> Float[Tensor, "B H T T"]:
        """The share that each token gives to each: what `forward` has mixed the values by."""
        q, k, _ = self.heads(x)
        return attention_weights(q, k, may_attend)


class EncoderBlock(nn.Module):
    """x + attention(norm(x)), then x + feedforward(norm(x))."""

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_hidden: int,
        *,
        activation: Callable[[Tensor], Tensor] = gelu,
        eps: float = 1e-6,
    ):
        super().__init__()
        self.norm_attention = LayerNorm(d_model, eps)
        self.attention = SelfAttention(d_model, n_heads)
        self.norm_feedforward = LayerNorm(d_model, eps)
        if activation is quick_gelu:
            self.feedforward = QuickGELUFeedForward(d_model, d_hidden)
        else:
            self.feedforward = GELUFeedForward(d_model, d_hidden, activation)

    def forward(
        self, x: Float[Tensor, "B T D"], may_attend: Bool[Tensor, "..."] | None = None
    ) -> Float[Tensor, "B T D"]:
        x = x + self.attention(self.norm_attention(x), may_attend)
        return x + self.feedforward(self.norm_feedforward(x))


class Encoder(nn.Module):
    """n blocks, one after the other."""

    def __init__(
        self,
        n_layers: int,
        d_model: int,
        n_heads: int,
        d_hidden: int,
        *,
        activation: Callable[[Tensor], Tensor] = gelu,
        eps: float = 1e-6,
    ):
        super().__init__()
        self.blocks = nn.ModuleList(
            EncoderBlock(d_model, n_heads, d_hidden, activation=activation, eps=eps) for _ in range(n_layers)
        )

    def forward(
        self, x: Float[Tensor, "B T D"], may_attend: Bool[Tensor, "..."] | None = None
    ) -> Float[Tensor, "B T D"]:
        for block in self.blocks:
            x = block(x, may_attend)
        return x

    def attention_maps(
        self, x: Float[Tensor, "B T D"], may_attend: Bool[Tensor, "..."] | None = None
    ) -> Float[Tensor, "n B H T T"]:
        """What every head of every layer looks at, on the way through."""
        maps = []
        for block in self.blocks:
            maps.append(block.attention.weights(block.norm_attention(x), may_attend))
            x = block(x, may_attend)
        return torch.stack(maps)


@torch.no_grad()
def init_encoder(encoder: Encoder, std: float | None) -> None:
    """Matrices from a normal draw, biases 0. std None: 1/sqrt(fan-in), with which narrow models learn sooner than with
    the papers' 0.02; what is added to the residual stream, 2 n times, begins 1/sqrt(2 n) smaller."""
    for name, parameter in encoder.named_parameters():
        if parameter.ndim == 2:
            scale = parameter.shape[1] ** -0.5 if std is None else std
            if name.endswith(("to_out.weight", "down.weight")):
                scale *= (2 * len(encoder.blocks)) ** -0.5
            nn.init.normal_(parameter, std=scale)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
