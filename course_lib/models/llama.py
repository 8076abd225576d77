"""The modern decoder: RMSNorm, SwiGLU, RoPE, grouped-query attention (Touvron et al. 2023, arXiv:2302.13971 and
2307.09288). With MLA instead of GQA it is the dense part of DeepSeek-V2 and V3: deepseek.py.

B batch · T new tokens · S tokens with those in the cache · D width · H heads · G kv heads · V vocabulary · N layers
Read first: foundations/gqa.py, norm.py, feedforward.py, rotation.py.  Chapters 05, 06.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Real
from torch import Tensor, nn

from course_lib.foundations.attention import causal_mask, check_heads
from course_lib.foundations.causal_attention import read_from
from course_lib.foundations.embedding import Embedding
from course_lib.foundations.feedforward import SwiGLU
from course_lib.foundations.gqa import GroupedQueryAttention, check_groups
from course_lib.foundations.kv_cache import KVCache, one_each
from course_lib.foundations.norm import RMSNorm
from course_lib.foundations.rope import frequencies
from course_lib.foundations.rotation import HalfSplitRotation, Rotation


@dataclass(frozen=True, kw_only=True)
class LlamaConfig:
    """n_kv_heads: n_heads for MHA, 1 for MQA. qkv_bias: as in Qwen2 and Qwen2.5."""

    n_vocab: int
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    n_kv_heads: int = 2
    d_hidden: int = 176
    rope_base: float = 10000.0
    norm_eps: float = 1e-6
    qkv_bias: bool = False

    def __post_init__(self):
        check_heads(self.d_model, self.n_heads, n_layers=self.n_layers)
        check_groups(self.n_heads, self.n_kv_heads)
        frequencies(self.d_head, self.rope_base)

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads

    @property
    def cached_numbers(self) -> int:
        """Numbers that one token leaves in the caches of all layers."""
        return self.n_layers * 2 * self.n_kv_heads * self.d_head

    def attention(self) -> nn.Module:
        return GroupedQueryAttention(self.d_model, self.n_heads, self.n_kv_heads, bias=self.qkv_bias)

    def rotation(self, positions: Real[Tensor, "..."], dtype: torch.dtype) -> Rotation:
        return HalfSplitRotation(positions, frequencies(self.d_head, self.rope_base), dtype)


class Block(nn.Module):
    """x + attention(norm(x)), then x + feedforward(norm(x))."""

    def __init__(self, config):
        super().__init__()
        self.norm_attention = RMSNorm(config.d_model, config.norm_eps)
        self.attention = config.attention()
        self.norm_feedforward = RMSNorm(config.d_model, config.norm_eps)
        self.feedforward = SwiGLU(config.d_model, config.d_hidden)

    def forward(
        self,
        x: Float[Tensor, "B T D"],
        may_attend: Bool[Tensor, "..."] | None,
        rotation: Rotation,
        cache: KVCache | None = None,
    ) -> Float[Tensor, "B T D"]:
        x = x + self.attention(self.norm_attention(x), may_attend, rotation=rotation, cache=cache)
        return x + self.feedforward(self.norm_feedforward(x))


class Llama(nn.Module):
    """ids [B T] -> logits [B T V]. The config says which attention and which rotation the blocks get.

    Every matrix starts with standard deviation 1/sqrt(fan-in), as in tiny_lm.py.
    """

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embedding = Embedding(config.n_vocab, config.d_model)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm_out = RMSNorm(config.d_model, config.norm_eps)
        self.to_vocab = nn.Linear(config.d_model, config.n_vocab, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)

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
        """The tokens' vectors; run turns what it makes of them by where they stand."""
        return self.embedding(ids)

    def run(
        self,
        x: Float[Tensor, "B T D"],
        positions: Real[Tensor, "..."] | None = None,
        *,
        is_token: Bool[Tensor, "B S"] | None = None,
        caches: list[KVCache] | None = None,
    ) -> Float[Tensor, "B T D"]:
        """What to_vocab reads, from vectors in place of ids: what embed gives, or features of another kind spliced in.

        positions: for the config's rotation, of whatever axes it takes; where the tokens stand unless given.
        is_token: False where one of the S slots (those in the caches, then those of x) is padding, on either side.
        caches: one for each layer, from new_caches; they hold the tokens of x afterwards.
        """
        T, n_held = x.shape[-2], caches[0].length if caches else 0
        may_attend, counted = read_from(x, n_held, is_token)
        if may_attend is None and T > 1:
            may_attend = causal_mask(T, n_held + T).to(x.device)
        rotation = self.config.rotation(counted if positions is None else positions, x.dtype)
        for block, cache in zip(self.blocks, one_each(caches, len(self.blocks))):
            x = block(x, may_attend, rotation, cache)
        return self.norm_out(x)

    def new_caches(self, capacity: int) -> list[KVCache]:
        return [KVCache(capacity) for _ in self.blocks]


class LlamaReader:
    """A model in the middle of a text: `reader(ids)` reads new tokens and gives the logits of the next one.

    model: Llama, or any with its new_caches, hidden and to_vocab, such as GPT2.
    capacity: how many tokens there is room for, prompt and answer together.
    is_token: [B T] of the prompt; False on its padding, which must be on the left. All later ids are tokens.
    """

    def __init__(self, model: nn.Module, capacity: int, is_token: Bool[Tensor, "B T"] | None = None):
        self.model = model
        self.caches = model.new_caches(capacity)
        self.is_token = None
        if is_token is not None:
            check_left_padding(is_token)
            room = max(0, capacity - is_token.shape[1])
            self.is_token = torch.cat([is_token, is_token.new_ones(len(is_token), room)], dim=1)

    @torch.inference_mode()
    def __call__(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]:
        """Raises ValueError where the caches are full."""
        is_token = None if self.is_token is None else self.is_token[:, : self.caches[0].length + ids.shape[-1]]
        x = self.model.hidden(ids, is_token=is_token, caches=self.caches)
        return self.model.to_vocab(x[:, -1])

    @torch.inference_mode()
    def reorder(self, rows: Int[Tensor, " rows"]) -> None:
        """Go on with copies of these rows, for beam search."""
        for cache in self.caches:
            cache.reorder(rows)
        if self.is_token is not None:
            self.is_token = self.is_token[rows]


def check_left_padding(is_token: Tensor) -> None:
    """Raise unless every row is padding, then tokens to its end: what comes next is read off the last slot."""
    if is_token.dtype != torch.bool:
        raise TypeError(f"is_token must be boolean, True = token; got {is_token.dtype}; try is_token > 0")
    if is_token.shape[1] and not is_token[:, -1].all():
        row = int((~is_token[:, -1]).nonzero()[0])
        raise ValueError(f"row {row} of the prompts ends in padding; pad on the left, so that all rows end together")
    if (inside := is_token[:, :-1] & ~is_token[:, 1:]).any():
        raise ValueError(
            f"row {int(inside.nonzero()[0, 0])} of the prompts has padding between tokens; pad on the left"
        )
