"""GPT-2 (Radford et al. 2019, Language Models are Unsupervised Multitask Learners): GPT-1 with the norms moved inside.

B batch · T new tokens · S tokens with those in the cache · D width · H heads · Dh head width · V vocabulary · n layers
Section 2.3: pre-norm blocks, one more norm at the end, residual matrices that start 1/sqrt(2 n) smaller, a byte-level
vocabulary, twice the context.
Read first: gpt1.py.  Chapter 08.
"""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import linear

from course_lib.foundations.attention import check_heads
from course_lib.foundations.causal_attention import CausalSelfAttention, read_from
from course_lib.foundations.embedding import Embedding
from course_lib.foundations.gelu import GELUFeedForward
from course_lib.foundations.kv_cache import KVCache, one_each
from course_lib.foundations.norm import LayerNorm
from course_lib.foundations.positions import LearnedPositions


@dataclass(frozen=True, kw_only=True)
class GPT2Config:
    """context: the most tokens that have a position.
    init_std: of every matrix at the start; None: 1/sqrt(fan-in), with which narrow models learn 2-4x sooner than with
    the papers' 0.02."""

    n_vocab: int
    context: int = 128
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    dropout: float = 0.0
    init_std: float | None = None

    def __post_init__(self):
        check_heads(self.d_model, self.n_heads, n_layers=self.n_layers)

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads

    @property
    def d_hidden(self) -> int:
        return 4 * self.d_model

    @property
    def cached_numbers(self) -> int:
        """Numbers that one token leaves in the caches of all layers."""
        return self.n_layers * 2 * self.n_heads * self.d_head


def n_parameters(config: GPT2Config) -> int:
    """By formula, nothing is built: the tied head counts once."""
    D, heads, hidden = config.d_model, config.n_heads * config.d_head, config.d_hidden
    tables = (config.n_vocab + config.context) * D
    attention = D * 3 * heads + 3 * heads + heads * D + D
    feedforward = D * hidden + hidden + hidden * D + D
    return tables + config.n_layers * (attention + feedforward + 2 * 2 * D) + 2 * D


SIZES = {
    name: GPT2Config(n_vocab=50257, context=1024, d_model=D, n_layers=n, n_heads=H, dropout=0.1, init_std=0.02)
    for name, n, D, H in (
        ("gpt2", 12, 768, 12),
        ("gpt2-medium", 24, 1024, 16),
        ("gpt2-large", 36, 1280, 20),
        ("gpt2-xl", 48, 1600, 25),
    )
}


class Block(nn.Module):
    """x + attention(norm(x)), then x + feedforward(norm(x))."""

    def __init__(self, config: GPT2Config):
        super().__init__()
        self.norm_attention = LayerNorm(config.d_model)
        self.attention = CausalSelfAttention(
            config.d_model, config.n_heads, d_head=config.d_head, dropout=config.dropout
        )
        self.norm_feedforward = LayerNorm(config.d_model)
        self.feedforward = GELUFeedForward(config.d_model, config.d_hidden)
        self.drop = nn.Dropout(config.dropout)

    def forward(
        self, x: Float[Tensor, "B T D"], may_attend: Bool[Tensor, "..."] | None = None, cache: KVCache | None = None
    ) -> Float[Tensor, "B T D"]:
        x = x + self.drop(self.attention(self.norm_attention(x), may_attend, cache))
        return x + self.drop(self.feedforward(self.norm_feedforward(x)))


class GPT2(nn.Module):
    """ids [B T] -> logits [B T V] of the next token at every place."""

    def __init__(self, config: GPT2Config):
        super().__init__()
        self.config = config
        self.embedding = Embedding(config.n_vocab, config.d_model)
        self.positions = LearnedPositions(config.context, config.d_model)
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm_out = LayerNorm(config.d_model)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                std = parameter.shape[1] ** -0.5 if config.init_std is None else config.init_std
                if name.endswith(("to_out.weight", "down.weight")):  # what is added to the residual stream, 2 n times
                    std *= (2 * config.n_layers) ** -0.5
                nn.init.normal_(parameter, std=std)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(
        self,
        ids: Int[Tensor, "B T"],
        *,
        is_token: Bool[Tensor, "B S"] | None = None,
        caches: list[KVCache] | None = None,
    ) -> Float[Tensor, "B T V"]:
        return self.to_vocab(self.hidden(ids, is_token=is_token, caches=caches))

    def hidden(
        self,
        ids: Int[Tensor, "B T"],
        *,
        is_token: Bool[Tensor, "B S"] | None = None,
        caches: list[KVCache] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """What to_vocab reads: run after embed."""
        return self.run(self.embed(ids), is_token=is_token, caches=caches)

    def embed(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """The tokens' vectors; run adds where they stand."""
        return self.embedding(ids)

    def run(
        self,
        x: Float[Tensor, "B T D"],
        positions: Int[Tensor, "..."] | None = None,
        *,
        is_token: Bool[Tensor, "B S"] | None = None,
        caches: list[KVCache] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """What to_vocab reads, from vectors in place of ids: what embed gives, or features of another kind spliced in.

        positions: where they stand, unless it is where the tokens stand.
        is_token: False where one of the S slots (those in the caches, then those of x) is padding, on either side.
        caches: one for each layer, from new_caches; they hold the tokens of x afterwards.
        Raises ValueError if a position is outside the context.
        """
        may_attend, counted = read_from(x, caches[0].length if caches else 0, is_token)
        x = self.drop(x + self.positions.at(counted if positions is None else positions, x))
        for block, cache in zip(self.blocks, one_each(caches, len(self.blocks))):
            x = block(x, may_attend, cache)
        return self.norm_out(x)

    def to_vocab(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... V"]:
        """The tied head: x times the embedding's rows."""
        return linear(x, self.embedding.weight)

    def new_caches(self, capacity: int) -> list[KVCache]:
        return [KVCache(capacity) for _ in self.blocks]
