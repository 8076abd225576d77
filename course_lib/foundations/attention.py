"""Scaled dot-product attention and multi-head attention (Vaswani et al. 2017, arXiv:1706.03762, section 3.2).

B batch · T queries · S keys · D width · H heads · Dh head width = D / H
Read first: embedding.py, positions.py.  Chapter 04.
"""

import torch
from einops import einsum, rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import dropout

from course_lib.foundations.checks import broadcast, check_count, check_counts, check_floating


def attention_scores(
    q: Float[Tensor, "... T Dh"], k: Float[Tensor, "... S Dh"], *, scale: float | None = None
) -> Float[Tensor, "... T S"]:
    """q·k for every query and key, times `scale`: 1/sqrt(Dh) unless given, which keeps the variance at 1."""
    check_floating("q", q)
    check_floating("k", k)
    d_head = q.shape[-1]
    if d_head != k.shape[-1] or d_head == 0:
        raise ValueError(
            f"q {tuple(q.shape)} and k {tuple(k.shape)} must end in one and the same head width, at least 1"
        )
    return einsum(q, k, "... T Dh, ... S Dh -> ... T S") * (d_head**-0.5 if scale is None else scale)


def masked_softmax(
    scores: Float[Tensor, "... T S"], may_attend: Bool[Tensor, "... #T #S"] | None = None
) -> Float[Tensor, "... T S"]:
    """Softmax over the keys that each query may attend to (True). A query with no such key gets zeros, not NaN."""
    if may_attend is None:
        return scores.softmax(dim=-1)
    check_mask(may_attend, scores.shape)
    weights = scores.masked_fill(~may_attend, -torch.inf).softmax(dim=-1)
    return weights.masked_fill(~may_attend, 0)


def attention_weights(
    q: Float[Tensor, "... T Dh"],
    k: Float[Tensor, "... S Dh"],
    may_attend: Bool[Tensor, "... #T #S"] | None = None,
    *,
    scale: float | None = None,
) -> Float[Tensor, "... T S"]:
    """softmax(q kᵀ / sqrt(Dh)): row t holds the share that query t gives to each key."""
    return masked_softmax(attention_scores(q, k, scale=scale), may_attend)


def attend(
    q: Float[Tensor, "... T Dh"],
    k: Float[Tensor, "... S Dh"],
    v: Float[Tensor, "... S Dv"],
    may_attend: Bool[Tensor, "... #T #S"] | None = None,
    *,
    scale: float | None = None,
) -> Float[Tensor, "... T Dv"]:
    """Attention(Q, K, V) = softmax(Q Kᵀ / sqrt(Dh)) V, eq. 1. A query that may attend to nothing gets zeros.

    Raises ValueError if head widths of q and k, lengths of k and v, or the mask's shape disagree.
    """
    check_floating("v", v)
    weights = attention_weights(q, k, may_attend, scale=scale)
    if k.shape[-2] != v.shape[-2]:
        raise ValueError(f"k has {k.shape[-2]} keys but v has {v.shape[-2]} values; each key needs its own value")
    return einsum(weights, v, "... T S, ... S Dv -> ... T Dv")


def causal_mask(T: int, S: int | None = None) -> Bool[Tensor, "T S"]:
    """True where the key is not later than the query. With S > T the queries are the last T of the S positions.

    (torch's `is_causal` aligns the first query with the first key instead; the two agree for S == T.)
    """
    S = T if S is None else S
    check_counts(None, T=T, S=S)
    if not 0 <= T <= S:
        raise ValueError(f"causal_mask needs 0 <= T <= S, got T={T}, S={S}: the queries are the last T of S positions")
    return torch.ones(T, S, dtype=torch.bool).tril(S - T)


class MultiHeadAttention(nn.Module):
    """H attentions side by side on slices of width D / H, then one projection that mixes them, section 3.2.2.

    4 D² weights (plus 4 D biases) for any number of heads. Self-attention, or cross-attention with a context.
    """

    def __init__(self, d_model: int, n_heads: int, *, bias: bool = True, dropout: float = 0.0):
        super().__init__()
        check_heads(d_model, n_heads)
        self.n_heads = n_heads
        self.dropout = dropout
        self.to_q = nn.Linear(d_model, d_model, bias=bias)
        self.to_k = nn.Linear(d_model, d_model, bias=bias)
        self.to_v = nn.Linear(d_model, d_model, bias=bias)
        self.to_out = nn.Linear(d_model, d_model, bias=bias)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        context: Float[Tensor, "B S D"] | None = None,
        may_attend: Bool[Tensor, "..."] | None = None,
        return_weights: bool = False,
    ) -> Float[Tensor, "B T D"] | tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T S"]]:
        """Queries from x; keys and values from context, which is x itself unless given.

        may_attend: [T S] for all, or [B 1 T S], or [B H T S]. With return_weights the weights come second,
        as they were before dropout.
        """
        context = x if context is None else context
        if x.ndim != 3 or context.shape[::2] != x.shape[::2] or x.shape[-1] != self.to_q.in_features:
            raise ValueError(
                f"x {tuple(x.shape)} and context {tuple(context.shape)} must end in d_model = {self.to_q.in_features}, "
                "as [B T D] and [B S D] with as many rows"
            )
        if may_attend is not None and may_attend.ndim not in (2, 4):
            raise ValueError(
                f"may_attend has shape {tuple(may_attend.shape)}; give [T S], [B 1 T S] or [B H T S] "
                "(for [B T S] write may_attend[:, None])"
            )
        q = rearrange(self.to_q(x), "B T (H Dh) -> B H T Dh", H=self.n_heads)
        k = rearrange(self.to_k(context), "B S (H Dh) -> B H S Dh", H=self.n_heads)
        v = rearrange(self.to_v(context), "B S (H Dh) -> B H S Dh", H=self.n_heads)
        weights = attention_weights(q, k, may_attend)
        heads = einsum(dropout(weights, self.dropout, self.training), v, "B H T S, B H S Dh -> B H T Dh")
        out = self.to_out(rearrange(heads, "B H T Dh -> B T (H Dh)"))
        return (out, weights) if return_weights else out


def check_heads(d_model: int, n_heads: int, **others: int) -> None:
    """Raise ValueError unless d_model splits into n_heads equal parts; names the nearest number that does.

    others: further sizes by name, each at least 1.
    """
    check_counts(1, d_model=d_model, **others)
    check_count("n_heads", n_heads, None)
    if n_heads < 1 or d_model % n_heads:
        good = [h for h in range(1, d_model + 1) if d_model % h == 0]
        nearest = min(good, key=lambda h: abs(h - n_heads))
        raise ValueError(f"n_heads ({n_heads}) must divide d_model ({d_model}); try n_heads={nearest}, one of {good}")


def check_mask(may_attend: Tensor, shape: torch.Size) -> None:
    """Raise unless may_attend is boolean and broadcasts to the scores' shape [… T S]."""
    if may_attend.dtype != torch.bool:
        raise TypeError(
            f"may_attend must be boolean, True = may attend; got {may_attend.dtype}; try mask == 0 or mask > 0"
        )
    if broadcast(may_attend.shape, shape) != shape:
        raise ValueError(
            f"may_attend {tuple(may_attend.shape)} does not broadcast to the scores {tuple(shape)} = [… T S]"
        )
