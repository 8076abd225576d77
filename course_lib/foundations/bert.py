"""The parts of BERT (Devlin et al. 2018, arXiv:1810.04805) that BLIP's text model and BLIP-2's Q-Former are built from.

B batch · T tokens · S tokens of the context, such as an image's · D width · Dv the context's width · V vocabulary
A layer of BERT is three sublayers or two, each followed by a norm, LayerNorm(x + f(x)), eps 1e-12, biases everywhere:
    PostNorm(SelfAttention(D, H), D)              the tokens read each other
    PostNorm(CrossAttention(D, H, Dv), D)         the tokens read the context; BERT itself has none
    PostNorm(GELUFeedForward(D, F, gelu), D)      exact GELU
Read first: encoder.py, gelu.py.  Chapter 12.  Differs from encoder.py: the norm stands behind the sum.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from course_lib.foundations.attention import attention_weights, causal_mask, check_heads, check_mask
from course_lib.foundations.checks import check_batch, check_counts, check_tensor
from course_lib.foundations.embedding import Embedding
from course_lib.foundations.gelu import gelu
from course_lib.foundations.norm import LayerNorm


class PostNorm(nn.Module):
    """norm(x + sublayer(x, …)); what else the sublayer takes goes through."""

    def __init__(self, sublayer: nn.Module, d_model: int, eps: float = 1e-12):
        super().__init__()
        self.sublayer = sublayer
        self.norm = LayerNorm(d_model, eps)

    def forward(self, x: Float[Tensor, "B T D"], *others) -> Float[Tensor, "B T D"]:
        return self.norm(x + self.sublayer(x, *others))


class CrossAttention(nn.Module):
    """H heads: queries from x [B T D], keys and values from a context of another width [B S Dv].

    2 D² + 2 D Dv weights, 4 D biases; one matrix makes k and v.
    """

    def __init__(self, d_model: int, n_heads: int, d_context: int):
        super().__init__()
        check_heads(d_model, n_heads, d_context=d_context)
        self.n_heads = n_heads
        self.to_q = nn.Linear(d_model, d_model)
        self.to_kv = nn.Linear(d_context, 2 * d_model)
        self.to_out = nn.Linear(d_model, d_model)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        context: Float[Tensor, "B S Dv"],
        may_attend: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """may_attend: [T S], or [B 1 1 S] where contexts are padded; None: everything."""
        return self.attend(x, *self.keys_and_values(context), may_attend)

    def attend(
        self,
        x: Float[Tensor, "B T D"],
        k: Float[Tensor, "B H S Dh"],
        v: Float[Tensor, "B H S Dh"],
        may_attend: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """For keys and values that are there already: they serve every token that is still to be written."""
        q = self.queries(x)
        if len(k) != len(q):
            raise ValueError(f"{len(q)} rows of x but {len(k)} contexts; each row reads its own")
        if may_attend is not None:
            check_mask(may_attend, torch.Size((*q.shape[:3], k.shape[2])))
        read = scaled_dot_product_attention(q, k, v, attn_mask=may_attend)
        return self.to_out(rearrange(read, "B H T Dh -> B T (H Dh)"))

    def queries(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B H T Dh"]:
        check_batch(x, self.to_q.in_features)
        return rearrange(self.to_q(x), "B T (H Dh) -> B H T Dh", H=self.n_heads)

    def keys_and_values(self, context: Float[Tensor, "B S Dv"]) -> list[Float[Tensor, "B H S Dh"]]:
        """Raises ValueError for a context of another width."""
        if context.ndim != 3 or context.shape[-1] != self.to_kv.in_features:
            raise ValueError(f"context {tuple(context.shape)} must be [B S Dv] with Dv = {self.to_kv.in_features}")
        parts = self.to_kv(context).chunk(2, dim=-1)
        return [rearrange(part, "B S (H Dh) -> B H S Dh", H=self.n_heads) for part in parts]

    def weights(self, x: Float[Tensor, "B T D"], context: Float[Tensor, "B S Dv"]) -> Float[Tensor, "B H T S"]:
        """The share that each token gives to each part of the context."""
        return attention_weights(self.queries(x), self.keys_and_values(context)[0])


class BertEmbeddings(nn.Module):
    """ids [B T] -> norm(words + positions) [B T D]. BERT adds a third table, which sentence; BLIP and BLIP-2 do not.

    context: the most tokens of a text.
    """

    def __init__(self, n_vocab: int, context: int, d_model: int, eps: float = 1e-12):
        super().__init__()
        check_counts(1, context=context)
        self.words = Embedding(n_vocab, d_model)
        self.positions = nn.Parameter(torch.randn(context, d_model) * d_model**-0.5)
        self.norm = LayerNorm(d_model, eps)

    def forward(self, ids: Int[Tensor, "B T"], start: int = 0) -> Float[Tensor, "B T D"]:
        """start: the position of the first token. Raises ValueError for empty texts and for texts past the context."""
        check_tensor("ids", ids)
        if ids.ndim != 2 or 0 in ids.shape:
            raise ValueError(f"ids {tuple(ids.shape)} must be [B T], T at least 1: an empty text has a first token too")
        end, context = start + ids.shape[1], len(self.positions)
        if end > context:
            raise ValueError(f"{end} tokens, the context holds {context}; cut the text, but keep its end")
        return self.norm(self.words(ids) + self.positions[start:end])


class WordHead(nn.Module):
    """x [B T D] -> logits [B T V]: one more layer and norm, then the table of words itself, and a bias a word."""

    def __init__(self, n_vocab: int, d_model: int, eps: float = 1e-12):
        super().__init__()
        self.transform = nn.Linear(d_model, d_model)
        self.norm = LayerNorm(d_model, eps)
        self.bias = nn.Parameter(torch.zeros(n_vocab))

    def forward(self, x: Float[Tensor, "B T D"], words: Float[Tensor, "V D"]) -> Float[Tensor, "B T V"]:
        """words: the weight of the embedding; it is no parameter of the head, so there is nothing to tie."""
        return self.norm(gelu(self.transform(x))) @ words.mT + self.bias


def text_mask(
    ids: Int[Tensor, "B T"], is_token: Bool[Tensor, "B T"] | None = None, *, causal: bool = False
) -> Bool[Tensor, "..."] | None:
    """Who may attend to whom: to what is no padding, and, if causal, not to what comes later. None: all to all.

    Raises ValueError unless is_token is [B T] like the ids, and where a text begins with padding; TypeError unless it
    is boolean.
    """
    mask = causal_mask(ids.shape[1]).to(ids.device) if causal else None
    if is_token is None:
        return mask
    if is_token.shape != ids.shape:
        raise ValueError(f"is_token {tuple(is_token.shape)} must have the shape of the ids, {tuple(ids.shape)}")
    if is_token.dtype != torch.bool:
        raise TypeError(f"is_token must be boolean, True = token; got {is_token.dtype}; try is_token > 0")
    if not is_token[:, 0].all():
        row = int((~is_token[:, 0]).nonzero()[0])
        raise ValueError(f"text {row} begins with padding, or is empty; pad behind it: its first token is read out")
    there = rearrange(is_token, "B T -> B 1 1 T")
    return there if mask is None else mask & there


@torch.no_grad()
def init_bert(module: nn.Module, std: float | None) -> None:
    """Matrices and tables from a normal draw, biases 0, norms as they are. std: BERT's 0.02; None: 1/sqrt(width of what
    comes in), with which narrow models learn sooner."""
    for name, parameter in module.named_parameters():
        if parameter.ndim == 2:
            nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5 if std is None else std)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
