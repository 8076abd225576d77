"""A small decoder for experiments: the same model under any position scheme.

B batch · T tokens · D width · H heads · Dh head width · V vocabulary · N layers
Pre-norm blocks as in GPT-2, no biases, output head tied to the embedding. The model predicts; the loss is outside.
Read first: foundations/attention.py, toys/position_schemes.py.  Chapters 02-04.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, scaled_dot_product_attention

from course_lib.foundations.attention import attention_scores, causal_mask, check_heads, masked_softmax
from course_lib.foundations.checks import check_batch
from course_lib.foundations.embedding import Embedding
from course_lib.toys.position_schemes import NoPositions


@dataclass(frozen=True, kw_only=True)
class TinyLMConfig:
    n_vocab: int
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4

    def __post_init__(self):
        check_heads(self.d_model, self.n_heads, n_layers=self.n_layers)

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads


class Attention(nn.Module):
    """Causal multi-head attention that asks the position scheme to turn q and k and to bias the scores."""

    def __init__(self, config: TinyLMConfig):
        super().__init__()
        self.n_heads = config.n_heads
        self.to_q = nn.Linear(config.d_model, config.d_model, bias=False)
        self.to_k = nn.Linear(config.d_model, config.d_model, bias=False)
        self.to_v = nn.Linear(config.d_model, config.d_model, bias=False)
        self.to_out = nn.Linear(config.d_model, config.d_model, bias=False)

    def heads(self, x: Float[Tensor, "B T D"], positions: NoPositions) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """q, k (turned), v, each [B H T Dh], and the bias on the scores, [H T T] or None."""
        q, k, v = (
            rearrange(to(x), "B T (H Dh) -> B H T Dh", H=self.n_heads) for to in (self.to_q, self.to_k, self.to_v)
        )
        bias = positions.bias(self.n_heads, x.shape[1])
        return positions.turn(q), positions.turn(k), v, bias if bias is None else bias.to(x)

    def forward(self, x: Float[Tensor, "B T D"], positions: NoPositions) -> Float[Tensor, "B T D"]:
        q, k, v, bias = self.heads(x, positions)
        if bias is None:
            out = scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            may_attend = causal_mask(x.shape[1]).to(x.device)
            out = scaled_dot_product_attention(q, k, v, attn_mask=bias.masked_fill(~may_attend, -torch.inf))
        return self.to_out(rearrange(out, "B H T Dh -> B T (H Dh)"))

    def scores(self, x: Float[Tensor, "B T D"], positions: NoPositions) -> Float[Tensor, "B H T T"]:
        """The readable path: scores before the mask and softmax, with the scheme's bias."""
        q, k, _, bias = self.heads(x, positions)
        scores = attention_scores(q, k)
        return scores if bias is None else scores + bias


class Block(nn.Module):
    """x + attention(norm(x)), then x + feedforward(norm(x)), Radford et al. 2019."""

    def __init__(self, config: TinyLMConfig):
        super().__init__()
        self.norm_attention = nn.LayerNorm(config.d_model)
        self.attention = Attention(config)
        self.norm_feedforward = nn.LayerNorm(config.d_model)
        self.up = nn.Linear(config.d_model, 4 * config.d_model, bias=False)
        self.down = nn.Linear(4 * config.d_model, config.d_model, bias=False)

    def forward(self, x: Float[Tensor, "B T D"], positions: NoPositions) -> Float[Tensor, "B T D"]:
        x = x + self.attention(self.norm_attention(x), positions)
        return x + self.down(gelu(self.up(self.norm_feedforward(x))))


class TinyLM(nn.Module):
    """ids [B T] -> logits [B T V].

    Every matrix starts with standard deviation 1/sqrt(fan-in): at this width it learns 2-4x sooner than with 0.02.
    """

    def __init__(self, config: TinyLMConfig, positions: NoPositions | None = None):
        super().__init__()
        self.config = config
        self.embedding = Embedding(config.n_vocab, config.d_model)
        self.positions = NoPositions() if positions is None else positions
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm_out = nn.LayerNorm(config.d_model)
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)

    def forward(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        return linear(self.hidden(ids), self.embedding.weight)

    def hidden(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """What the tied head reads: run after embed."""
        return self.run(self.embed(ids))

    def embed(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """The tokens' vectors; the position scheme comes in run."""
        x = self.embedding(ids)
        check_batch(x, self.config.d_model)
        return x

    def run(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """What the tied head reads, from vectors in place of ids; they stand at 0 … T-1."""
        x = self.positions.embed(x)
        for block in self.blocks:
            x = block(x, self.positions)
        return self.norm_out(x)

    def attention_scores(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "N B H T T"]:
        """The scores of every layer before mask and softmax, by the readable path."""
        x = self.positions.embed(self.embed(ids))
        scores = []
        for block in self.blocks:
            scores.append(block.attention.scores(block.norm_attention(x), self.positions))
            x = block(x, self.positions)
        return torch.stack(scores)

    def attention_maps(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "N B H T T"]:
        """The attention weights of every layer: rows sum to 1, nothing above the diagonal."""
        return masked_softmax(self.attention_scores(ids), causal_mask(ids.shape[1]).to(ids.device))
