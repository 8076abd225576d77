"""Decoding at speed for GPT-2: what LlamaReader reads of it, from a few products a layer. A test binds the two.

B batch · T new tokens · S tokens with those in the cache · C capacity · N layers · D width · H heads · Dh head width
Read first: gpt2.py, fast_reader.py.  Chapter 08.  Differs from fast_reader.py: positions are added to the tokens and
nothing is turned; norms, with mean and bias, stay as they are, for theirs is one kernel; every product has a bias.

Weights are copied when the reader is built: build another after an optimiser's step.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import layer_norm

from course_lib.decoding.fast_reader import FastReader, attend
from course_lib.foundations.norm import LayerNorm
from course_lib.models.gpt2 import GPT2, Block


class FastGPTReader(FastReader):
    """A GPT-2 in the middle of a text: `reader(ids)` gives the next token's logits.

    Dropout is never applied. capacity, is_token: as LlamaReader has them.
    Raises TypeError for another model, ValueError for a capacity beyond the context.
    """

    @torch.inference_mode()
    def __init__(self, model: GPT2, capacity: int, is_token: Bool[Tensor, "B T"] | None = None):
        if not isinstance(model, GPT2):
            raise TypeError(f"FastGPTReader reads GPT2, got {type(model).__name__}; use LlamaReader")
        n_padding = 0 if is_token is None else int((~is_token).sum(dim=1).min())
        if not 1 <= capacity <= model.config.context + n_padding:
            raise ValueError(f"capacity ({capacity}) must be 1 to {model.config.context}, the context of this model")
        self.tokens, self.positions = model.embedding, model.positions.weight.clone()
        self.capacity, self.length = capacity, 0
        self.layers = [Layer(block) for block in model.blocks]
        self.embedding, self.norm_out = self.embed, normaliser(model.norm_out)
        self.to_vocab = model.embedding.weight.mT.contiguous()
        self.memory = self.positions.new_empty(0)
        self._hide_padding(is_token)

    def embed(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Tokens plus positions, which count tokens and not padding."""
        start, end = self.length, self.length + ids.shape[1]
        if self.n_padding is None:
            return self.tokens(ids) + self.positions[start:end]
        slots = torch.arange(start, end, device=ids.device)
        return self.tokens(ids) + self.positions[(slots - self.n_padding).clamp(min=0)]

    def _turn(self, start: int, end: int) -> None:
        """Nothing is turned."""


class Layer:
    """gpt2.Block on flat tensors [B·T D]."""

    def __init__(self, block: Block):
        attention, feedforward = block.attention, block.feedforward
        self.attention, self.H = self, attention.n_heads
        inner = attention.to_out.in_features
        self.kept_shape = (2, self.H, inner // self.H)
        scale = torch.ones_like(attention.to_qkv.bias)
        scale[:inner] = (inner // self.H) ** -0.5  # the scale of the scores moves into the queries
        self.to_qkv = (attention.to_qkv.weight * scale[:, None]).mT.contiguous()
        self.bias_qkv = attention.to_qkv.bias * scale
        self.norm_attention, self.norm_feedforward = (
            normaliser(block.norm_attention),
            normaliser(block.norm_feedforward),
        )
        self.to_out, self.bias_out = transposed(attention.to_out)
        self.up, self.bias_up = transposed(feedforward.up)
        self.down, self.bias_down = transposed(feedforward.down)
        self.activation = feedforward.activation

    def __call__(self, x: Float[Tensor, "BT D"], B: int, turn, seen, slot, kept) -> Float[Tensor, "BT D"]:
        qkv = torch.addmm(self.bias_qkv, self.norm_attention(x), self.to_qkv).view(B, -1, 3, self.H, kept.shape[-1])
        slot.copy_(qkv.narrow(2, 1, 2).permute(0, 2, 3, 1, 4))
        k, v = kept.unbind(0)
        heads = attend(qkv.select(2, 0), k, v, self.H, seen)
        x = torch.addmm(x, heads, self.to_out).add_(self.bias_out)
        hidden = self.activation(torch.addmm(self.bias_up, self.norm_feedforward(x), self.up))
        return torch.addmm(x, hidden, self.down).add_(self.bias_down)


def transposed(linear: torch.nn.Linear) -> tuple[Tensor, Tensor]:
    """Matrix [in out] and bias, copied."""
    return linear.weight.mT.contiguous(), linear.bias.clone()


def normaliser(norm: LayerNorm):
    """The norm as a plain function with its weights at hand, copied."""
    shape, weight, bias, eps = norm.weight.shape, norm.weight.clone(), norm.bias.clone(), norm.eps
    return lambda x: layer_norm(x, shape, weight, bias, eps)
