"""Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1; the same in V3, arXiv:2412.19437).

B batch · T queries · S keys · D width · H heads · Dh content width of a head · Dr rotated width · Dv value width
R latent width of keys and values · Rq latent width of queries
Read first: gqa.py.  Chapter 05.  Differs from gqa.py: what is kept of a token is one latent vector of R numbers, from
which every head makes its own key and value, and one rotated key of Dr numbers for all heads: R + Dr in all.

    joint compression   c = norm(W_dkv x); key and value of head h are W_uk[h] c and W_uv[h] c       eq. 9-11
    decoupled RoPE      score = content score + q_rope · k_rope, only the latter turned              eq. 14-18
    absorption          (W_uq x)ᵀ (W_uk c) = (W_ukᵀ W_uq x)ᵀ c: the queries come to the latents, and no key is made
A turned content key would be R_n W_uk c: the rotation of position n stands between W_uq and W_uk, and they no longer
merge. So the content is not turned.
"""

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn

from course_lib.foundations.attention import attend
from course_lib.foundations.checks import check_batch, check_counts, check_even
from course_lib.foundations.gqa import attend_in_groups_fast
from course_lib.foundations.kv_cache import KVCache
from course_lib.foundations.norm import RMSNorm
from course_lib.foundations.rotation import Rotation


class MultiHeadLatentAttention(nn.Module):
    """Two ways to one result: `naive` makes every head's keys and values, `absorbed` attends to the latents themselves.

    The cache holds [latent ‖ turned key], R + Dr numbers a token, on both ways.
    d_query_latent: Rq, or None for queries straight from x (DeepSeek-V2-Lite).
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        *,
        d_latent: int,
        d_head: int,
        d_rope: int,
        d_value: int | None = None,
        d_query_latent: int | None = None,
        eps: float = 1e-6,
    ):
        super().__init__()
        d_value = d_head if d_value is None else d_value
        check_counts(1, d_model=d_model, n_heads=n_heads, d_latent=d_latent, d_head=d_head, d_value=d_value)
        check_even("d_rope", d_rope)
        self.n_heads, self.d_latent, self.d_head, self.d_rope = n_heads, d_latent, d_head, d_rope
        self.scale = (d_head + d_rope) ** -0.5
        d_query = n_heads * (d_head + d_rope)
        if d_query_latent is None:
            self.to_q = nn.Linear(d_model, d_query, bias=False)
        else:
            check_counts(1, d_query_latent=d_query_latent)
            self.to_q = nn.Sequential(
                nn.Linear(d_model, d_query_latent, bias=False),
                RMSNorm(d_query_latent, eps),
                nn.Linear(d_query_latent, d_query, bias=False),
            )
        self.to_latent = nn.Linear(d_model, d_latent + d_rope, bias=False)
        self.norm_latent = RMSNorm(d_latent, eps)
        self.to_k = nn.Linear(d_latent, n_heads * d_head, bias=False)
        self.to_v = nn.Linear(d_latent, n_heads * d_value, bias=False)
        self.to_out = nn.Linear(n_heads * d_value, d_model, bias=False)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        may_attend: Bool[Tensor, "..."] | None = None,
        *,
        rotation: Rotation | None = None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """As DeepSeek runs it: naive where many tokens come at once without a cache, absorbed where there is one."""
        way = self.naive if cache is None else self.absorbed
        return way(x, may_attend, rotation=rotation, cache=cache)

    def naive(
        self,
        x: Float[Tensor, "B T D"],
        may_attend: Bool[Tensor, "..."] | None = None,
        *,
        rotation: Rotation | None = None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """The readable path: multi-head attention whose keys and values are made from the latents."""
        q_content, q_rope = self.queries(x, rotation)
        latent, k_rope = self.kept(x, rotation, cache).split([self.d_latent, self.d_rope], dim=-1)
        k_content = rearrange(self.to_k(latent), "B S (H Dh) -> B H S Dh", H=self.n_heads)
        v = rearrange(self.to_v(latent), "B S (H Dv) -> B H S Dv", H=self.n_heads)
        q = torch.cat([q_content, q_rope], dim=-1)
        k = torch.cat([k_content, repeat(k_rope, "B S Dr -> B H S Dr", H=self.n_heads)], dim=-1)
        heads = attend(q, k, v, may_attend, scale=self.scale)
        return self.to_out(rearrange(heads, "B H T Dv -> B T (H Dv)"))

    def absorbed(
        self,
        x: Float[Tensor, "B T D"],
        may_attend: Bool[Tensor, "..."] | None = None,
        *,
        rotation: Rotation | None = None,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        """The same as multi-query attention of width R + Dr over what is kept: no key or value is ever made."""
        q_content, q_rope = self.queries(x, rotation)
        kept = rearrange(self.kept(x, rotation, cache), "B S d -> B 1 S d")
        to_k = rearrange(self.to_k.weight, "(H Dh) R -> H Dh R", H=self.n_heads)
        to_v = rearrange(self.to_v.weight, "(H Dv) R -> H Dv R", H=self.n_heads)
        q_latent = einsum(q_content, to_k, "B H T Dh, H Dh R -> B H T R")
        q = torch.cat([q_latent, q_rope], dim=-1)
        mixed = attend_in_groups_fast(q, kept, kept, may_attend, scale=self.scale)[..., : self.d_latent]
        heads = einsum(mixed, to_v, "B H T R, H Dv R -> B T H Dv")
        return self.to_out(rearrange(heads, "B T H Dv -> B T (H Dv)"))

    def queries(
        self, x: Float[Tensor, "B T D"], rotation: Rotation | None
    ) -> tuple[Float[Tensor, "B H T Dh"], Float[Tensor, "B H T Dr"]]:
        """Content and turned part of every head's query."""
        check_batch(x, self.to_latent.in_features)
        q = rearrange(self.to_q(x), "B T (H d) -> B H T d", H=self.n_heads)
        q_content, q_rope = q.split([self.d_head, self.d_rope], dim=-1)
        return q_content, q_rope if rotation is None else rotation(q_rope)

    def kept(
        self, x: Float[Tensor, "B T D"], rotation: Rotation | None, cache: KVCache | None
    ) -> Float[Tensor, "B S _"]:
        """[latent ‖ turned key] of the tokens of x, after those in the cache if there is one."""
        latent, k_rope = self.to_latent(x).split([self.d_latent, self.d_rope], dim=-1)
        if rotation is not None:
            k_rope = rotation(k_rope[:, None])[:, 0]
        kept = torch.cat([self.norm_latent(latent), k_rope], dim=-1)
        return kept if cache is None else cache.append(kept)[0]
