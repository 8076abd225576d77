"""Qwen2-VL (Wang et al. 2024, Enhancing Vision-Language Model's Perception of the World at Any Resolution,
arXiv:2409.12191): images in their own shape, videos, and text in one row.

N patches of all images and videos together · K numbers of a patch · D width of the tower · M side of a block
n = N / M² tokens that they become · B texts · T tokens · E width of the language model · V vocabulary
The tower reads patches of two frames; 2D RoPE tells it where they are, and no frame sees another. The M² patches of a
block are laid side by side and go through an MLP: one token for 28 × 28 pixels. The language model is Qwen2, Llama with
a bias on q, k and v, and M-RoPE in place of RoPE. Everything learns in its time; nothing is added to the text's loss.
Read first: foundations/native.py, axial.py, packed.py, mrope.py; qwen2.py.  Chapter 17.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import gelu

from course_lib.foundations.attention import check_heads
from course_lib.foundations.axial import AxialRotation, two_axes
from course_lib.foundations.checks import check_counts
from course_lib.foundations.gelu import QuickGELUFeedForward
from course_lib.foundations.kv_cache import KVCache
from course_lib.foundations.mrope import Resume, after_largest, position_ids
from course_lib.foundations.native import Grid, Seen, frame_lengths, places
from course_lib.foundations.norm import LayerNorm
from course_lib.foundations.packed import PackedAttention
from course_lib.foundations.rotation import Rotation
from course_lib.models.llama import Llama, LlamaReader
from course_lib.models.qwen2 import Qwen2Config
from course_lib.models.splice import Count, splice


@dataclass(frozen=True, kw_only=True)
class TowerConfig:
    """patch: side in pixels. n_frames: of one patch. merge: M. d_hidden: 4 D unless given.

    d_out: width of what comes out, the language model's.
    """

    d_out: int
    patch: int = 14
    n_frames: int = 2
    merge: int = 2
    channels: int = 3
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    d_hidden: int | None = None
    eps: float = 1e-6

    def __post_init__(self):
        check_counts(1, d_out=self.d_out, patch=self.patch, n_frames=self.n_frames, merge=self.merge)
        check_counts(1, channels=self.channels, n_layers=self.n_layers)
        check_heads(self.d_model, self.n_heads)
        two_axes(self.d_head)
        if self.d_hidden is None:
            object.__setattr__(self, "d_hidden", 4 * self.d_model)

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads

    @property
    def d_patch(self) -> int:
        """K."""
        return self.channels * self.n_frames * self.patch**2

    def tower(self) -> nn.Module:
        return Tower(self)

    def step(self, seen: Seen) -> float:
        """From one frame to the next on the time axis of M-RoPE."""
        return 1


@runtime_checkable
class AnyTowerConfig(Protocol):
    """TowerConfig, or another that says as much of its tower: qwen2_5_vl.py."""

    d_out: int
    merge: int

    def tower(self) -> nn.Module: ...

    def step(self, seen: Seen) -> float: ...


@dataclass(frozen=True, kw_only=True)
class Qwen2VLConfig:
    """image_id, video_id: the tokens that stand where a token of an image, of a video goes. resume: see mrope.py."""

    tower: AnyTowerConfig
    text: Qwen2Config
    image_id: int
    video_id: int
    resume: Resume = after_largest

    def __post_init__(self):
        if self.tower.d_out != self.text.d_model:
            raise ValueError(
                f"the tower gives vectors of {self.tower.d_out}, the language model reads {self.text.d_model}; "
                f"set d_out={self.text.d_model}"
            )
        for name in ("image_id", "video_id"):
            if not 0 <= getattr(self, name) < self.text.n_vocab:
                raise ValueError(f"{name} ({getattr(self, name)}) is not in the vocabulary of {self.text.n_vocab}")


class Block(nn.Module):
    """x + attention(norm(x)), then x + feedforward(norm(x)), as in ViT; the lengths say who sees whom."""

    def __init__(self, config, norm: type[nn.Module], feedforward: type[nn.Module]):
        super().__init__()
        self.norm_attention = norm(config.d_model, config.eps)
        self.attention = PackedAttention(config.d_model, config.n_heads)
        self.norm_feedforward = norm(config.d_model, config.eps)
        self.feedforward = feedforward(config.d_model, config.d_hidden)

    def forward(self, x: Float[Tensor, "N D"], lengths: Sequence[int], rotation: Rotation) -> Float[Tensor, "N D"]:
        x = x + self.attention(self.norm_attention(x), lengths, rotation)
        return x + self.feedforward(self.norm_feedforward(x))


class Merger(nn.Module):
    """The M² patches of a block, normed, side by side, through two layers: the only place where they are mixed."""

    def __init__(self, norm: nn.Module, d_model: int, d_out: int, merge: int):
        super().__init__()
        width = merge**2 * d_model
        self.norm = norm
        self.up = nn.Linear(width, width)
        self.down = nn.Linear(width, d_out)

    def forward(self, x: Float[Tensor, "N D"]) -> Float[Tensor, "n E"]:
        return self.down(gelu(self.up(self.norm(x).view(-1, self.up.in_features))))


class Tower(nn.Module):
    """(patches [N K], grids) -> [n E], in the order of the patches. Its last blocks go to the merger without a norm of
    their own. Any image of any size: there is no table of positions."""

    def __init__(self, config: TowerConfig):
        super().__init__()
        self.config = config
        self.patches = nn.Linear(config.d_patch, config.d_model, bias=False)
        self.blocks = nn.ModuleList(Block(config, LayerNorm, QuickGELUFeedForward) for _ in range(config.n_layers))
        self.merger = Merger(LayerNorm(config.d_model, config.eps), config.d_model, config.d_out, config.merge)

    def forward(self, patches: Float[Tensor, "N K"], grids: Sequence[Grid]) -> Float[Tensor, "n E"]:
        check_patches(patches, grids, self.config.d_patch)
        x = self.patches(patches)
        where, lengths = places(grids, self.config.merge).to(x.device), frame_lengths(grids)
        rotation = AxialRotation(where, *two_axes(self.config.d_head), x.dtype)
        for block in self.blocks:
            x = block(x, lengths, rotation)
        return self.merger(x)


class Qwen2VL(nn.Module):
    """(ids [B T], what is seen) -> logits [B T V] of the next token. Its config says which tower it has: of Qwen2.5-VL,
    too."""

    def __init__(self, config: Qwen2VLConfig):
        super().__init__()
        self.config = config
        self.tower = config.tower.tower()
        self.lm = Llama(config.text)
        self.tie()

    def tie(self) -> None:
        """One matrix for embedding and output head, where the config says so."""
        if self.config.text.tied:
            self.lm.to_vocab.weight = self.lm.embedding.weight

    def forward(
        self, ids: Int[Tensor, "B T"], seen: Sequence[Seen] = (), *, is_token: Bool[Tensor, "B T"] | None = None
    ) -> Float[Tensor, "B T V"]:
        """seen: the images and videos of all texts in reading order, text after text. Each has one placeholder for
        each of its tokens, side by side. is_token: False on padding, on either side.

        Raises ValueError unless placeholders and what is seen match: see splice.py and mrope.py.
        """
        return self.lm.to_vocab(self.hidden(ids, seen, is_token=is_token))

    def hidden(
        self,
        ids: Int[Tensor, "B T"],
        seen: Sequence[Seen] = (),
        *,
        is_token: Bool[Tensor, "B T"] | None = None,
        caches: list[KVCache] | None = None,
    ) -> Float[Tensor, "B T E"]:
        """What to_vocab reads. caches: empty ones, which hold the tokens afterwards."""
        x = self.embed(ids, seen)
        return self.lm.run(x, self.positions(ids, seen, is_token), is_token=is_token, caches=caches)

    def embed(self, ids: Int[Tensor, "B T"], seen: Sequence[Seen] = ()) -> Float[Tensor, "B T E"]:
        """The tokens' vectors, with what is seen in place of the placeholders."""
        x, features = self.lm.embed(ids), self.look(seen)
        for what, token in (("image", self.config.image_id), ("video", self.config.video_id)):
            x = splice(x, ids, [own for own, one in zip(features, seen) if one.what == what], token, what)
        return x

    def look(self, seen: Sequence[Seen]) -> list[Float[Tensor, "_ E"]]:
        """The tokens of each, from all in one go, whatever their sizes."""
        if not len(seen):
            return []
        features = self.tower(torch.cat([one.patches for one in seen]), [one.grid for one in seen])
        return list(features.split([count.n for count in self.counts(seen)]))

    def counts(self, seen: Sequence[Seen] = ()) -> list[Count]:
        """How many tokens each takes in the text, without looking at it."""
        m = self.config.tower.merge
        sizes = [(one.grid.n_tokens(m), *one.grid, one.what) for one in seen]
        return [Count(n, f"{t}·({h}/{m})·({w}/{m}) = {t}·{h // m}·{w // m} = {n}", what) for n, t, h, w, what in sizes]

    def positions(
        self, ids: Int[Tensor, "B T"], seen: Sequence[Seen] = (), is_token: Bool[Tensor, "B T"] | None = None
    ) -> Int[Tensor, "3 B T"]:
        """Time, height and width of every token."""
        tower, tokens = self.config.tower, {"image": self.config.image_id, "video": self.config.video_id}
        return position_ids(
            ids,
            [one.grid for one in seen],
            [tokens[one.what] for one in seen],
            [tower.step(one) for one in seen],
            is_token=is_token,
            merge=tower.merge,
            resume=self.config.resume,
        )


class Qwen2VLReader(LlamaReader):
    """A model in the middle of its texts, for decoding/: the first ids are the prompts with their placeholders, all
    later ones are text, and stand one after the largest number so far.

    capacity: tokens that there is room for, prompt and answer. is_token: of the prompts, padded on the left.
    """

    def __init__(
        self, model: Qwen2VL, capacity: int, seen: Sequence[Seen] = (), is_token: Bool[Tensor, "B T"] | None = None
    ):
        super().__init__(model.lm, capacity, is_token)
        self.whole, self.seen = model, seen

    @torch.inference_mode()
    def __call__(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]:
        """A placeholder is never next. Raises ValueError where the caches are full, and what the model raises."""
        held, T = self.caches[0].length, ids.shape[1]
        is_token = None if self.is_token is None else self.is_token[:, : held + T]
        if held:
            x, positions = self.model.embed(ids), self.following[:, None] + torch.arange(T, device=ids.device)
            self.following = self.following + T
        else:
            x, positions = self.whole.embed(ids, self.seen), self.whole.positions(ids, self.seen, is_token)
            self.following = positions.amax(dim=(0, 2)) + 1
        logits = self.model.to_vocab(self.model.run(x, positions, is_token=is_token, caches=self.caches)[:, -1])
        logits[:, [self.whole.config.image_id, self.whole.config.video_id]] = -torch.inf
        return logits

    @torch.inference_mode()
    def reorder(self, rows: Int[Tensor, " rows"]) -> None:
        """Go on with copies of these rows, for beam search."""
        super().reorder(rows)
        self.following = self.following[rows]


def check_patches(patches: Tensor, grids: Sequence[Grid], d_patch: int) -> None:
    """Raise ValueError unless the patches [N K] are as many as the grids have, each of K numbers."""
    wanted = sum(grid.n_patches for grid in grids), d_patch
    if tuple(patches.shape) != wanted:
        raise ValueError(
            f"patches {tuple(patches.shape)} must be {wanted}: those of {len(grids)} grids, C·F·P² numbers each; "
            "make them by patchify_frames with the tower's patch, merge and n_frames"
        )
