"""GPT-1 (Radford et al. 2018, Improving Language Understanding by Generative Pre-Training): the decoder alone.

B batch · T new tokens · S tokens with those in the cache · D width · H heads · Dh head width · V vocabulary · n layers
Post-norm blocks as in 2017, learned positions, GELU, an output head tied to the embedding.
gpt2.py and gpt3.py have the same names in the same order: diff them.
Read first: foundations/causal_attention.py, gelu.py, norm.py.  Chapter 07.
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
class GPT1Config:
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


def n_parameters(config: GPT1Config) -> int:
    """By formula, nothing is built: the tied head counts once."""
    D, heads, hidden = config.d_model, config.n_heads * config.d_head, config.d_hidden
    tables = (config.n_vocab + config.context) * D
    attention = D * 3 * heads + 3 * heads + heads * D + D
    feedforward = D * hidden + hidden + hidden * D + D
    return tables + config.n_layers * (attention + feedforward + 2 * 2 * D)


SIZES = {
    "openai-gpt": GPT1Config(
        n_vocab=40478, context=512, d_model=768, n_layers=12, n_heads=12, dropout=0.1, init_std=0.02
    )
}


class Block(nn.Module):
    """norm(x + attention(x)), then norm(x + feedforward(x)): section 4.1, as in 2017."""

    def __init__(self, config: GPT1Config):
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
        x = self.norm_attention(x + self.drop(self.attention(x, may_attend, cache)))
        return self.norm_feedforward(x + self.drop(self.feedforward(x)))


class GPT1(nn.Module):
    """ids [B T] -> logits [B T V] of the next token at every place."""

    def __init__(self, config: GPT1Config):
        super().__init__()
        self.config = config
        self.embedding = Embedding(config.n_vocab, config.d_model)
        self.positions = LearnedPositions(config.context, config.d_model)
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                std = parameter.shape[1] ** -0.5 if config.init_std is None else config.init_std
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
        return x

    def to_vocab(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... V"]:
        """The tied head: x times the embedding's rows."""
        return linear(x, self.embedding.weight)

    def new_caches(self, capacity: int) -> list[KVCache]:
        return [KVCache(capacity) for _ in self.blocks]
