"""A leak detector for causal masks: change token j, and see which logits move.

B batch · T tokens · H heads · Dh head width · V vocabulary
Under a right mask the logits at i depend on tokens 0 … i alone. MASKS holds the right way and four that people write.
Read first: gpt2.py.  Chapter 08.
"""

from collections.abc import Callable

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.foundations.attention import attention_scores, causal_mask, masked_softmax
from course_lib.foundations.checks import check_count
from course_lib.models.gpt2 import GPT2

Weigh = Callable[[Float[Tensor, "B H T T"]], Float[Tensor, "B H T T"]]


def minus_infinity(scores: Float[Tensor, "B H T T"]) -> Float[Tensor, "B H T T"]:
    """The right way: -inf before the softmax, and weight exactly 0 after it."""
    return masked_softmax(scores, causal_mask(scores.shape[-1]))


def zero_scores(scores: Float[Tensor, "B H T T"]) -> Float[Tensor, "B H T T"]:
    """ "Future scores become 0": e to the 0 is 1, so the future gets a share."""
    return scores.masked_fill(~causal_mask(scores.shape[-1]), 0.0).softmax(dim=-1)


def after_softmax(scores: Float[Tensor, "B H T T"]) -> Float[Tensor, "B H T T"]:
    """The mask multiplied in after the softmax: future values stay out, but future keys are in the denominator."""
    return scores.softmax(dim=-1) * causal_mask(scores.shape[-1])


def one_too_far(scores: Float[Tensor, "B H T T"]) -> Float[Tensor, "B H T T"]:
    """A diagonal off by one: each token sees the very token that it has to predict."""
    may_attend = torch.ones(scores.shape[-2:], dtype=torch.bool).tril(1)
    return masked_softmax(scores, may_attend)


def finite(scores: Float[Tensor, "B H T T"]) -> Float[Tensor, "B H T T"]:
    """-1e4 for -inf: right as long as no score comes near -1e4."""
    return scores.masked_fill(~causal_mask(scores.shape[-1]), -1e4).softmax(dim=-1)


MASKS: dict[str, Weigh] = {
    "−∞（对）": minus_infinity,
    "填 0": zero_scores,
    "softmax 后再乘": after_softmax,
    "错一格": one_too_far,
    "−1e4": finite,
}


@torch.no_grad()
def read(
    model: GPT2, ids: Int[Tensor, "B T"], weigh: Weigh = minus_infinity, *, sharpness: float = 1.0
) -> Float[Tensor, "B T V"]:
    """The model's logits with scores · sharpness turned into weights by `weigh`; by default what the model gives."""
    x = model.embedding(ids) + model.positions(ids.shape[1])
    for block in model.blocks:
        room = block.attention
        qkv = room.to_qkv(block.norm_attention(x))
        q, k, v = rearrange(qkv, "B T (three H Dh) -> three B H T Dh", three=3, H=room.n_heads).unbind()
        heads = weigh(attention_scores(q, k) * sharpness) @ v
        x = x + room.to_out(rearrange(heads, "B H T Dh -> B T (H Dh)"))
        x = x + block.feedforward(block.norm_feedforward(x))
    return model.to_vocab(model.norm_out(x))


def moved(
    logits: Callable[[Int[Tensor, "B T"]], Float[Tensor, "B T V"]], ids: Int[Tensor, " T"], n_vocab: int
) -> Bool[Tensor, "T T"]:
    """[j i]: whether another token at place j moves the logits at place i, by more than rounding."""
    check_count("n_vocab", n_vocab, 2)
    T = len(ids)
    changed = ids.repeat(T, 1)
    changed.diagonal().copy_((ids + 1) % n_vocab)
    before, after = logits(ids[None]), logits(changed)
    return (after - before).abs().amax(dim=-1) > 1e-5 * before.abs().max()


def leaks(moved: Bool[Tensor, "T T"]) -> int:
    """How many of the pairs j > i are lit: places that see what comes later."""
    return int(moved.tril(-1).sum())
