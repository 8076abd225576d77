"""Grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245); multi-query attention is its case G = 1
(Shazeer 2019, arXiv:1911.02150), multi-head attention its case G = H.

B batch · T queries · S keys · D width · H heads · G kv heads · P = H/G heads of a group · Dh head width
Read first: attention.py, kv_cache.py.  Chapter 05.  Differs from attention.py: P heads share one key and one value, so
the cache holds 2 G Dh numbers a token and layer instead of 2 H Dh.
"""

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from course_lib.foundations.attention import attend, check_heads, check_mask
from course_lib.foundations.checks import check_batch
from course_lib.foundations.kv_cache import KVCache
from course_lib.foundations.rotation import Rotation


def attend_in_groups(
    q: Float[Tensor, "B H T Dh"],
    k: Float[Tensor, "B G S Dh"],
    v: Float[Tensor, "B G S Dv"],
    may_attend: Bool[Tensor, "..."] | None = None,
    *,
    scale: float | None = None,
) -> Float[Tensor, "B H T Dv"]:
    """The readable path: head h reads the keys and values of group h // P, here copied for it."""
    n_shared = check_groups(q.shape[1], k.shape[1])
    k, v = (repeat(x, "B G S d -> B (G P) S d", P=n_shared) for x in (k, v))
    return attend(q, k, v, may_attend, scale=scale)


def attend_in_groups_fast(
    q: Float[Tensor, "B H T Dh"],
    k: Float[Tensor, "B G S Dh"],
    v: Float[Tensor, "B G S Dv"],
    may_attend: Bool[Tensor, "..."] | None = None,
    *,
    scale: float | None = None,
) -> Float[Tensor, "B H T Dv"]:
    """The same without copies: to a key it is all one whether P heads ask one question each, or one head asks P.

    may_attend: whatever broadcasts to [B H T S]; cheapest is one for all heads, [T S] or [B 1 T S].
    """
    B, H, T, _ = q.shape
    n_shared = check_groups(H, k.shape[1])
    if may_attend is not None:
        check_mask(may_attend, torch.Size((B, H, T, k.shape[2])))
        lead = may_attend.shape[:-2]
        may_attend = may_attend.expand(*lead, T, may_attend.shape[-1])
        if lead and lead[-1] == H:
            may_attend = rearrange(may_attend, "... (G P) T S -> ... G (P T) S", P=n_shared)
        elif T > 1:
            may_attend = may_attend.repeat(*[1] * len(lead), n_shared, 1)
        may_attend = may_attend.expand(B, -1 if lead else 1, n_shared * T, k.shape[2])
    q = rearrange(q, "B (G P) T Dh -> B G (P T) Dh", P=n_shared)
    out = scaled_dot_product_attention(q, k, v, attn_mask=may_attend, scale=scale)
    return rearrange(out, "B G (P T) Dv -> B (G P) T Dv", P=n_shared)


class GroupedQueryAttention(nn.Module):
    """H heads of queries over G heads of keys and values.

    (2 H + 2 G) Dh D weights; with `bias` (H + 2 G) Dh more, on q, k and v as in Qwen2 and Qwen2.5.
    d_head: D / H unless given.  Raises ValueError unless G divides H.
    """

    def __init__(self, d_model: int, n_heads: int, n_kv_heads: int, *, d_head: int | None = None, bias: bool = False):
        super().__init__()
        if d_head is None:
            check_heads(d_model, n_heads)
            d_head = d_model // n_heads
        check_groups(n_heads, n_kv_heads)
        self.n_heads, self.n_kv_heads = n_heads, n_kv_heads
        self.to_q = nn.Linear(d_model, n_heads * d_head, bias=bias)
        self.to_k = nn.Linear(d_model, n_kv_heads * d_head, bias=bias)
        self.to_v = nn.Linear(d_model, n_kv_heads * d_head, bias=bias)
        self.to_out = nn.Linear(n_heads * d_head, d_model, bias=False)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        may_attend: Bool[Tensor, "..."] | None = None,
        *,
        rotation: Rotation | None = None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Self-attention of x over itself, or over the cache and itself.

        may_attend: [T S] or [B 1 T S], S counting the tokens in the cache; None lets every query see all S.
        rotation: turns q and k by the positions of x. Keys are turned once, before they enter the cache.
        """
        check_batch(x, self.to_q.in_features)
        q = rearrange(self.to_q(x), "B T (H Dh) -> B H T Dh", H=self.n_heads)
        k = rearrange(self.to_k(x), "B T (G Dh) -> B G T Dh", G=self.n_kv_heads)
        v = rearrange(self.to_v(x), "B T (G Dh) -> B G T Dh", G=self.n_kv_heads)
        if rotation is not None:
            q, k = rotation(q), rotation(k)
        if cache is not None:
            k, v = cache.append(k, v)
        heads = attend_in_groups_fast(q, k, v, may_attend)
        return self.to_out(rearrange(heads, "B H T Dh -> B T (H Dh)"))


def check_groups(n_heads: int, n_kv_heads: int) -> int:
    """P = H / G. Raises ValueError unless G divides H; names the nearest number that does."""
    if n_heads < 1 or n_kv_heads < 1 or n_heads % n_kv_heads:
        good = [g for g in range(1, n_heads + 1) if n_heads % g == 0]
        mend = f"; try n_kv_heads={min(good, key=lambda g: abs(g - n_kv_heads))}, one of {good}" if good else ""
        raise ValueError(f"n_kv_heads ({n_kv_heads}) must divide n_heads ({n_heads}){mend}")
    return n_heads // n_kv_heads
