"""GPT-3 (Brown et al. 2020, arXiv:2005.14165): GPT-2 in which every other layer looks at a local band only.

B batch · T new tokens · S tokens with those in the cache · D width · H heads · Dh head width · V vocabulary · n layers
Section 2.1: "alternating dense and locally banded sparse attention patterns"; the width of the band is not printed.
A window as wide as the context makes every layer dense, and the model GPT-2.
Read first: gpt2.py, foundations/sparse.py.  Chapter 09.
"""

from dataclasses import dataclass
from itertools import cycle

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import linear

from course_lib.foundations.attention import check_heads
from course_lib.foundations.causal_attention import CausalSelfAttention, read_from
from course_lib.foundations.checks import check_count
from course_lib.foundations.embedding import Embedding
from course_lib.foundations.gelu import GELUFeedForward
from course_lib.foundations.kv_cache import KVCache, one_each
from course_lib.foundations.norm import LayerNorm
from course_lib.foundations.positions import LearnedPositions
from course_lib.foundations.sparse import banded_mask


@dataclass(frozen=True, kw_only=True)
class GPT3Config:
    """context: the most tokens that have a position.
    init_std: of every matrix at the start; None: 1/sqrt(fan-in), with which narrow models learn 2-4x sooner than with
    the papers' 0.02.
    window: how many tokens a banded layer sees, itself among them.  head_width: Dh where it is not D / H."""

    n_vocab: int
    context: int = 128
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    dropout: float = 0.0
    init_std: float | None = None
    window: int = 16
    head_width: int | None = None

    def __post_init__(self):
        check_count("n_layers", self.n_layers, 1)
        if self.head_width is None:
            check_heads(self.d_model, self.n_heads)
        banded_mask(0, 0, self.window)

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads if self.head_width is None else self.head_width

    @property
    def d_hidden(self) -> int:
        return 4 * self.d_model

    @property
    def cached_numbers(self) -> int:
        """Numbers that one token leaves in the caches of all layers."""
        return self.n_layers * 2 * self.n_heads * self.d_head


def n_parameters(config: GPT3Config) -> int:
    """By formula, nothing is built: the tied head counts once."""
    D, heads, hidden = config.d_model, config.n_heads * config.d_head, config.d_hidden
    tables = (config.n_vocab + config.context) * D
    attention = D * 3 * heads + 3 * heads + heads * D + D
    feedforward = D * hidden + hidden + hidden * D + D
    return tables + config.n_layers * (attention + feedforward + 2 * 2 * D) + 2 * D


# Table 2.1 as printed: in the rows XL and 13B n_heads · d_head is not d_model. Window: GPT-Neo's, for want of another.
SIZES = {
    name: GPT3Config(
        n_vocab=50257, context=2048, d_model=D, n_layers=n, n_heads=H, head_width=Dh, window=256, init_std=0.02
    )
    for name, n, D, H, Dh in (
        ("GPT-3 Small", 12, 768, 12, 64),
        ("GPT-3 Medium", 24, 1024, 16, 64),
        ("GPT-3 Large", 24, 1536, 16, 96),
        ("GPT-3 XL", 24, 2048, 24, 128),
        ("GPT-3 2.7B", 32, 2560, 32, 80),
        ("GPT-3 6.7B", 32, 4096, 32, 128),
        ("GPT-3 13B", 40, 5140, 40, 128),
        ("GPT-3 175B", 96, 12288, 96, 128),
    )
}


class Block(nn.Module):
    """x + attention(norm(x)), then x + feedforward(norm(x))."""

    def __init__(self, config: GPT3Config):
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


class GPT3(nn.Module):
    """ids [B T] -> logits [B T V] of the next token at every place."""

    def __init__(self, config: GPT3Config):
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
        T, n_held = x.shape[-2], caches[0].length if caches else 0
        may_attend, counted = read_from(x, n_held, is_token)
        x = self.drop(x + self.positions.at(counted if positions is None else positions, x))
        masks = cycle([may_attend, self.banded(T, n_held + T, may_attend, is_token)])
        for block, cache, mask in zip(self.blocks, one_each(caches, len(self.blocks)), masks):
            x = block(x, mask, cache)
        return self.norm_out(x)

    def banded(
        self, T: int, S: int, may_attend: Bool[Tensor, "..."] | None, is_token: Bool[Tensor, "B S"] | None = None
    ) -> Bool[Tensor, "..."] | None:
        """The mask of layers 1, 3, 5 …; the others keep may_attend."""
        if self.config.window >= S:
            return may_attend
        band = banded_mask(T, S, self.config.window, is_token).to(self.embedding.weight.device)
        return band if may_attend is None else band & may_attend

    def to_vocab(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... V"]:
        """The tied head: x times the embedding's rows."""
        return linear(x, self.embedding.weight)

    def new_caches(self, capacity: int) -> list[KVCache]:
        return [KVCache(capacity) for _ in self.blocks]
