"""The Transformer of 2017: encoder, decoder, and what lies between (Vaswani et al., arXiv:1706.03762).

B batch · S source tokens · T target tokens · D width · H heads · F hidden width · V vocabulary · N layers of each stack
    encoder   N × (self-attention, feed-forward); every token sees every token
    decoder   N × (self-attention that looks back only, cross-attention, feed-forward);
              in cross-attention the queries come from the decoder, keys and values from the encoder's output
Post-norm, LayerNorm(x + f(x)), is the paper's; pre-norm, x + f(LayerNorm(x)), came later (Xiong et al. 2020,
arXiv:2002.04745) and needs one more LayerNorm at the end of each stack.
Read first: foundations/attention.py, kv_cache.py, positions.py, norm.py, feedforward.py.  Chapter 06.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from course_lib.foundations.attention import MultiHeadAttention, causal_mask, check_heads
from course_lib.foundations.embedding import Embedding
from course_lib.foundations.feedforward import FeedForward
from course_lib.foundations.kv_cache import KVCache, attend_to, cached_self_attention, keys_and_values
from course_lib.foundations.norm import LayerNorm
from course_lib.foundations.positions import sinusoidal


class PostNorm(nn.Module):
    """LayerNorm(x + dropout(sublayer(x))), section 3.1."""

    def __init__(self, d_model: int, dropout: float):
        super().__init__()
        self.norm = LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "B T D"], sublayer: Callable) -> Float[Tensor, "B T D"]:
        return self.norm(x + self.dropout(sublayer(x)))


class PreNorm(nn.Module):
    """x + dropout(sublayer(LayerNorm(x))): the sum runs through the whole stack without being normalised."""

    def __init__(self, d_model: int, dropout: float):
        super().__init__()
        self.norm = LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "B T D"], sublayer: Callable) -> Float[Tensor, "B T D"]:
        return x + self.dropout(sublayer(self.norm(x)))


RESIDUALS = {"post": PostNorm, "pre": PreNorm}


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """norm: "post" (2017) or "pre". The paper's base model has sizes 512, 6, 8, 2048 and dropout 0.1."""

    n_source_vocab: int
    n_target_vocab: int
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    d_hidden: int = 256
    norm: str = "post"
    dropout: float = 0.0

    def __post_init__(self):
        check_sizes(self)

    def tables(self) -> tuple[Embedding, Embedding, nn.Parameter]:
        """Source embedding, target embedding and the matrix before the softmax: three of them."""
        output = nn.Parameter(torch.randn(self.n_target_vocab, self.d_model) * self.d_model**-0.5)
        return Embedding(self.n_source_vocab, self.d_model), Embedding(self.n_target_vocab, self.d_model), output


@dataclass(frozen=True, kw_only=True)
class SharedTransformerConfig:
    """One vocabulary for both languages, and one matrix for all three tables, section 3.4."""

    n_vocab: int
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    d_hidden: int = 256
    norm: str = "post"
    dropout: float = 0.0

    def __post_init__(self):
        check_sizes(self)

    def tables(self) -> tuple[Embedding, Embedding, nn.Parameter]:
        """Source embedding, target embedding and the matrix before the softmax: one and the same."""
        table = Embedding(self.n_vocab, self.d_model)
        return table, table, table.weight


class EncoderLayer(nn.Module):
    """Self-attention over the whole source, then feed-forward."""

    def __init__(self, config):
        super().__init__()
        residual = RESIDUALS[config.norm]
        self.attention = MultiHeadAttention(config.d_model, config.n_heads)
        self.around_attention = residual(config.d_model, config.dropout)
        self.feedforward = FeedForward(config.d_model, config.d_hidden)
        self.around_feedforward = residual(config.d_model, config.dropout)

    def forward(self, x: Float[Tensor, "B S D"], may_attend: Bool[Tensor, "..."] | None) -> Float[Tensor, "B S D"]:
        x = self.around_attention(x, lambda x: self.attention(x, may_attend=may_attend))
        return self.around_feedforward(x, self.feedforward)


class DecoderLayer(nn.Module):
    """Masked self-attention over the target, cross-attention to the encoder's output, feed-forward."""

    def __init__(self, config):
        super().__init__()
        residual = RESIDUALS[config.norm]
        self.attention = MultiHeadAttention(config.d_model, config.n_heads)
        self.around_attention = residual(config.d_model, config.dropout)
        self.cross_attention = MultiHeadAttention(config.d_model, config.n_heads)
        self.around_cross_attention = residual(config.d_model, config.dropout)
        self.feedforward = FeedForward(config.d_model, config.d_hidden)
        self.around_feedforward = residual(config.d_model, config.dropout)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        encoded: Float[Tensor, "B S D"],
        may_read: Bool[Tensor, "B 1 1 S"] | None,
        maps: list[Tensor] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """may_read: which source tokens there are. A list of your own as `maps` gets the cross-attention [B H T S]."""

        def cross(x: Tensor) -> Tensor:
            out, weights = self.cross_attention(x, encoded, may_read, return_weights=True)
            if maps is not None:
                maps.append(weights)
            return out

        may_attend = causal_mask(x.shape[1]).to(x.device)
        x = self.around_attention(x, lambda x: self.attention(x, may_attend=may_attend))
        x = self.around_cross_attention(x, cross)
        return self.around_feedforward(x, self.feedforward)

    def step(
        self, x: Float[Tensor, "B T D"], cache: KVCache, source: KVCache, may_read: Bool[Tensor, "B 1 1 S"] | None
    ) -> Float[Tensor, "B T D"]:
        """The same for T new tokens only: earlier ones are in the cache, the encoder's keys and values in `source`."""
        x = self.around_attention(x, lambda x: cached_self_attention(self.attention, x, cache))
        x = self.around_cross_attention(
            x, lambda x: attend_to(self.cross_attention, x, *source.held(), may_attend=may_read)
        )
        return self.around_feedforward(x, self.feedforward)


class Transformer(nn.Module):
    """source ids [B S], target ids [B T] -> logits [B T V] of what follows each target token.

    For training the target goes in moved right by one, shift_right(target, start), and is predicted as it is.
    positions: (n, D, dtype=…) -> [n D], added to the embeddings, which are multiplied by sqrt(D).
    """

    def __init__(self, config: TransformerConfig | SharedTransformerConfig, positions: Callable = sinusoidal):
        super().__init__()
        self.config = config
        self.positions = positions
        self.source_embedding, self.target_embedding, output = config.tables()
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.n_layers))
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.n_layers))
        last = LayerNorm if config.norm == "pre" else lambda _: nn.Identity()
        self.norm_encoder, self.norm_decoder = last(config.d_model), last(config.d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.to_vocab = nn.Linear(*output.shape[::-1])
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
                nn.init.zeros_(module.bias)
        self.to_vocab.weight = output

    def forward(
        self, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"], is_token: Bool[Tensor, "B S"] | None = None
    ) -> Float[Tensor, "B T V"]:
        """is_token: False where the source is padded. Padding after the target needs no mask: none looks ahead."""
        return self.decode(target, self.encode(source, is_token), is_token)

    def encode(self, source: Int[Tensor, "B S"], is_token: Bool[Tensor, "B S"] | None = None) -> Float[Tensor, "B S D"]:
        may_read = key_mask(source, is_token)
        x = self.embed(self.source_embedding, source)
        for layer in self.encoder:
            x = layer(x, may_read)
        return self.norm_encoder(x)

    def decode(
        self,
        target: Int[Tensor, "B T"],
        encoded: Float[Tensor, "B S D"],
        is_token: Bool[Tensor, "B S"] | None = None,
        maps: list[Tensor] | None = None,
    ) -> Float[Tensor, "B T V"]:
        may_read = key_mask(encoded[..., 0], is_token)
        x = self.embed(self.target_embedding, target)
        for layer in self.decoder:
            x = layer(x, encoded, may_read, maps)
        return self.to_vocab(self.norm_decoder(x))

    def cross_attention_maps(
        self, source: Int[Tensor, "B S"], target: Int[Tensor, "B T"], is_token: Bool[Tensor, "B S"] | None = None
    ) -> Float[Tensor, "N B H T S"]:
        """Which source tokens each layer and head reads to predict what follows each target token."""
        maps: list[Tensor] = []
        self.decode(target, self.encode(source, is_token), is_token, maps)
        return torch.stack(maps)

    def embed(self, table: Embedding, ids: Int[Tensor, "B T"], start: int = 0) -> Float[Tensor, "B T D"]:
        """Vectors times sqrt(D), plus the positions from `start` on, section 3.4 and 3.5."""
        d_model = self.config.d_model
        tokens = table(ids) * d_model**0.5
        positions = self.positions(start + ids.shape[-1], d_model, dtype=tokens.dtype)[start:]
        return self.dropout(tokens + positions.to(tokens))


class Translator:
    """A model in the middle of a translation: `translator(ids)` reads target tokens and gives the next one's logits.

    The source is encoded once, and its keys and values are made once. capacity: target tokens there is room for.
    A model with dropout must be in eval mode.
    """

    @torch.inference_mode()
    def __init__(
        self,
        model: Transformer,
        source: Int[Tensor, "B S"],
        capacity: int,
        is_token: Bool[Tensor, "B S"] | None = None,
    ):
        self.model = model
        self.may_read = key_mask(source, is_token)
        encoded = model.encode(source, is_token)
        self.caches = [KVCache(capacity) for _ in model.decoder]
        self.sources = [KVCache(max(1, source.shape[1])) for _ in model.decoder]
        for layer, cache in zip(model.decoder, self.sources):
            cache.append(*keys_and_values(layer.cross_attention, encoded))

    @torch.inference_mode()
    def __call__(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]:
        """Raises ValueError where the caches are full."""
        x = self.model.embed(self.model.target_embedding, ids, start=self.caches[0].length)
        for layer, cache, source in zip(self.model.decoder, self.caches, self.sources):
            x = layer.step(x, cache, source, self.may_read)
        return self.model.to_vocab(self.model.norm_decoder(x[:, -1]))

    @torch.inference_mode()
    def reorder(self, rows: Int[Tensor, " rows"]) -> None:
        """Go on with copies of these rows, for beam search."""
        for cache in self.caches + self.sources:
            cache.reorder(rows)
        if self.may_read is not None:
            self.may_read = self.may_read[rows]


def shift_right(target: Int[Tensor, "B T"], start: int) -> Int[Tensor, "B T"]:
    """What the decoder is given to predict `target`: the start token, then all but the last of it."""
    return torch.cat([torch.full_like(target[:, :1], start), target[:, :-1]], dim=1)


def key_mask(source: Tensor, is_token: Tensor | None) -> Bool[Tensor, "B 1 1 S"] | None:
    """is_token as a mask for every head and query. Raises ValueError unless it is [B S] like the source."""
    if is_token is None:
        return None
    if is_token.shape != source.shape:
        raise ValueError(f"is_token {tuple(is_token.shape)} must have the shape of the source, {tuple(source.shape)}")
    return rearrange(is_token, "B S -> B 1 1 S")


def check_sizes(config) -> None:
    """Raise ValueError for sizes that cannot be built."""
    check_heads(config.d_model, config.n_heads, d_hidden=config.d_hidden, n_layers=config.n_layers)
    if config.norm not in RESIDUALS:
        raise ValueError(f"norm ({config.norm!r}) must be one of {list(RESIDUALS)}")
