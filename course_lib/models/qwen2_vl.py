"""Qwen2-VL (Wang et al. 2024, Enhancing Vision-Language Model's Perception of the World at Any Resolution,
arXiv:2409.12191): pictures in their own shape, films, and text in one row.

N patches of all pictures and films together · K numbers of a patch · D width of the tower · M side of a block
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
from course_lib.models.llama import Llama, check_left_padding
from course_lib.models.qwen2 import Qwen2Config


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
        two_axes(self.d_model // self.n_heads)
        if self.d_hidden is None:
            object.__setattr__(self, "d_hidden", 4 * self.d_model)

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
    """image_id, video_id: the tokens that stand where a token of a picture, of a film goes. resume: see mrope.py."""

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
    """x + attention(norm(x)), then x + feedforward(norm(x)), as in ViT."""

    def __init__(self, config: TowerConfig):
        super().__init__()
        self.norm_attention = LayerNorm(config.d_model, config.eps)
        self.attention = PackedAttention(config.d_model, config.n_heads)
        self.norm_feedforward = LayerNorm(config.d_model, config.eps)
        self.feedforward = QuickGELUFeedForward(config.d_model, config.d_hidden)

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
    their own. Any picture of any size: there is no table of positions."""

    def __init__(self, config: TowerConfig):
        super().__init__()
        self.config = config
        self.patches = nn.Linear(config.d_patch, config.d_model, bias=False)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.merger = Merger(LayerNorm(config.d_model, config.eps), config.d_model, config.d_out, config.merge)

    def forward(self, patches: Float[Tensor, "N K"], grids: Sequence[Grid]) -> Float[Tensor, "n E"]:
        check_patches(patches, grids, self.config.d_patch)
        x = self.patches(patches)
        rotation = rotation_of(places(grids, self.config.merge).to(x.device), self.config, x.dtype)
        lengths = frame_lengths(grids)
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
        """seen: the pictures and films of all texts in reading order, text after text. Each has as many placeholders
        in the ids as it has tokens, one after the other. is_token: False on padding, on either side.

        Raises ValueError where placeholders and tokens of what is seen do not match.
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
        positions = self.positions(ids, seen, is_token)
        return self.lm.run(self.embed(ids, seen), positions, is_token=is_token, caches=caches)

    def positions(
        self, ids: Int[Tensor, "B T"], seen: Sequence[Seen] = (), is_token: Bool[Tensor, "B T"] | None = None
    ) -> Int[Tensor, "3 B T"]:
        tower = self.config.tower
        grids, steps = [one.grid for one in seen], [tower.step(one) for one in seen]
        settings = dict(is_token=is_token, merge=tower.merge, resume=self.config.resume)
        return position_ids(ids, self.is_vision(ids), grids, steps, **settings)

    def embed(self, ids: Int[Tensor, "B T"], seen: Sequence[Seen] = ()) -> Float[Tensor, "B T E"]:
        """The tokens' vectors, with what is seen in place of the placeholders."""
        x = self.lm.embed(ids)
        features = self.look(seen) if len(seen) else x.new_zeros(0, x.shape[-1])
        return x.masked_scatter(self.is_vision(ids)[..., None], features.to(x.dtype))

    def look(self, seen: Sequence[Seen]) -> Float[Tensor, "n E"]:
        """All pictures and films in one go, whatever their sizes."""
        return self.tower(torch.cat([one.patches for one in seen]), [one.grid for one in seen])

    def is_vision(self, ids: Int[Tensor, "B T"]) -> Bool[Tensor, "B T"]:
        return (ids == self.config.image_id) | (ids == self.config.video_id)


class Qwen2VLReader:
    """A model in the middle of a text, for decoding/: the first ids are the prompts with their placeholders, all later
    ones are text, and stand one after the largest number so far.

    capacity: tokens that there is room for, prompt and answer. is_token: [B T] of the prompts, padded on the left.
    """

    def __init__(
        self,
        model: Qwen2VL,
        capacity: int,
        seen: Sequence[Seen] = (),
        is_token: Bool[Tensor, "B T"] | None = None,
    ):
        if is_token is not None:
            check_left_padding(is_token)
        self.model, self.seen, self.is_token = model, seen, is_token
        self.caches = model.lm.new_caches(capacity)

    @torch.inference_mode()
    def __call__(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B V"]:
        """Raises ValueError where the caches are full."""
        if not self.caches[0].length:
            positions = self.model.positions(ids, self.seen, self.is_token)
            x = self.model.embed(ids, self.seen)
        else:
            positions = self.following[:, None] + torch.arange(ids.shape[1], device=ids.device)
            x = self.model.lm.embed(ids)
            if self.is_token is not None:
                self.is_token = torch.cat([self.is_token, torch.ones_like(ids, dtype=torch.bool)], dim=1)
        hidden = self.model.lm.run(x, positions, is_token=self.is_token, caches=self.caches)
        self.following = 1 + (positions.amax(dim=(0, 2)) if positions.ndim == 3 else positions.amax(dim=1))
        return self.model.lm.to_vocab(hidden[:, -1])

    @torch.inference_mode()
    def reorder(self, rows: Int[Tensor, " rows"]) -> None:
        """Go on with copies of these rows, for beam search."""
        for cache in self.caches:
            cache.reorder(rows)
        self.following = self.following[rows]
        if self.is_token is not None:
            self.is_token = self.is_token[rows]


def rotation_of(positions: Int[Tensor, "2 N"], config: object, dtype: torch.dtype) -> Rotation:
    return AxialRotation(positions, *two_axes(config.d_model // config.n_heads), dtype)


def check_patches(patches: Tensor, grids: Sequence[Grid], d_patch: int) -> None:
    """Raise ValueError unless the patches [N K] are as many as the grids have, each of K numbers."""
    wanted = sum(grid.n_patches for grid in grids), d_patch
    if tuple(patches.shape) != wanted:
        raise ValueError(
            f"patches {tuple(patches.shape)} must be {wanted}: those of {len(grids)} grids, C·F·P² numbers each; "
            "make them by patchify_frames with the tower's patch, merge and n_frames"
        )
