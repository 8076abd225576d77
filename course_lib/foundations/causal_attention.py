"""Causal self-attention as GPT computes it: one matrix makes q, k and v, and the mask is part of the layer.

B batch · T queries · S keys, the queries being the last T of the S positions · D width · H heads · Dh head width
Read first: attention.py, kv_cache.py.  Chapter 07.  Differs from attention.py: q, k, v side by side in one matrix, as
in the released checkpoints (c_attn); a cache; fast kernels, which a test binds to `attend`.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import dropout as drop
from torch.nn.functional import scaled_dot_product_attention

from course_lib.foundations.attention import causal_mask, check_heads, check_mask
from course_lib.foundations.checks import check_batch
from course_lib.foundations.kv_cache import KVCache


def attend_causally(
    q: Float[Tensor, "B H T Dh"],
    k: Float[Tensor, "B H S Dh"],
    v: Float[Tensor, "B H S Dh"],
    may_attend: Bool[Tensor, "..."] | None = None,
    *,
    dropout: float = 0.0,
) -> Float[Tensor, "B H T Dh"]:
    """`attend` with causal_mask(T, S), by the kernel that is fastest here.

    may_attend: [T S] or [B 1 T S], taken instead of causal_mask(T, S).
    dropout: share of the weights that is dropped.
    Raises ValueError where T > S: the queries are the last T of the S positions.
    """
    T, S = q.shape[2], k.shape[2]
    if may_attend is not None:
        check_mask(may_attend, torch.Size((len(q), 1, T, S)))
    elif T > S:
        raise ValueError(f"{T} queries cannot be the last of {S} keys; give T <= S, or may_attend [T S]")
    if q.dtype == torch.bfloat16 and q.device.type == "cpu" and q.requires_grad:
        # here the fused kernel's backward takes four times as long as these three products
        seen = causal_mask(T, S) if may_attend is None else may_attend
        hide = torch.zeros(seen.shape, dtype=q.dtype).masked_fill(~seen, torch.finfo(q.dtype).min)
        scores = torch.baddbmm(_rows(hide, q), q.flatten(0, 1), k.flatten(0, 1).mT, alpha=q.shape[-1] ** -0.5)
        out = (drop(scores.softmax(-1), dropout) @ v.flatten(0, 1)).unflatten(0, q.shape[:2])
        return out if may_attend is None else out.masked_fill(~seen.any(-1, keepdim=True), 0)  # nothing seen: zeros
    if may_attend is None and 1 < T < S:
        may_attend = causal_mask(T, S).to(q.device)
    is_causal = may_attend is None and T > 1
    return scaled_dot_product_attention(q, k, v, attn_mask=may_attend, dropout_p=dropout, is_causal=is_causal)


def _rows(hide: Tensor, q: Tensor) -> Tensor:
    """[T S] or [B 1 T S] -> what broadcasts to [(B H) T S]."""
    return hide if hide.ndim == 2 else hide.expand(-1, q.shape[1], -1, -1).flatten(0, 1)


class CausalSelfAttention(nn.Module):
    """H heads, each token over itself and the tokens before it: 4 D H Dh weights, 3 H Dh + D biases.

    d_head: D / H unless given.
    """

    def __init__(self, d_model: int, n_heads: int, *, d_head: int | None = None, dropout: float = 0.0):
        super().__init__()
        if d_head is None:
            check_heads(d_model, n_heads)
            d_head = d_model // n_heads
        self.n_heads, self.dropout = n_heads, dropout
        self.to_qkv = nn.Linear(d_model, 3 * n_heads * d_head)
        self.to_out = nn.Linear(n_heads * d_head, d_model)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        may_attend: Bool[Tensor, "..."] | None = None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """may_attend: [T S] or [B 1 T S] instead of the causal mask, S counting the tokens in the cache."""
        check_batch(x, self.to_qkv.in_features)
        parts = self.to_qkv(x).chunk(3, dim=-1)  # chunks, for their gradients are joined in one copy, not in two
        q, k, v = (rearrange(part, "B T (H Dh) -> B H T Dh", H=self.n_heads) for part in parts)
        if cache is not None:
            k, v = cache.append(k, v)
        heads = attend_causally(q, k, v, may_attend, dropout=self.dropout if self.training else 0.0)
        return self.to_out(rearrange(heads, "B H T Dh -> B T (H Dh)"))


def read_from(
    x: Float[Tensor, "B T D"], n_held: int, is_token: Bool[Tensor, "B S"] | None
) -> tuple[Bool[Tensor, "B 1 T S"] | None, Int[Tensor, "..."]]:
    """The mask of T new tokens among S slots, those in the caches (n_held) first (None: all that is earlier), and
    their positions [T] or [B T], which count tokens and not padding. is_token: False where a slot is padding.

    Raises ValueError unless x is [B T D] and is_token [B S].
    """
    check_batch(x, x.shape[-1])
    B, T, S = len(x), x.shape[1], n_held + x.shape[1]
    if is_token is None:
        return None, torch.arange(n_held, S, device=x.device)
    if is_token.shape != (B, S) or is_token.dtype != torch.bool:
        raise ValueError(
            f"is_token {tuple(is_token.shape)} must be {(B, S)}: one row a text, one column for each of the {n_held} "
            f"tokens in the caches and the {T} of ids; and boolean, not {is_token.dtype}"
        )
    may_attend = causal_mask(T, S).to(x.device) & rearrange(is_token, "B S -> B 1 1 S")
    return may_attend, (is_token.cumsum(dim=1) - 1).clamp(min=0)[:, n_held:]
