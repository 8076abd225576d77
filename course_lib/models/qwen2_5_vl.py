"""Qwen2.5-VL (Bai et al. 2025, arXiv:2502.13923): a tower that mostly looks through windows, and time in seconds.

N patches · K numbers of a patch · D width of the tower · M side of a block of patches, one token · n = N / M² tokens
E width of the language model
The model is Qwen2VL with another tower: Qwen2VL(Qwen2VLConfig(tower=WindowTowerConfig(…), …)). All but a few of its
layers see windows of 112 × 112 pixels; the patches are put in the windows' order once, in front of the first layer, and
the tokens are put back once, behind the merger. RMSNorm and SwiGLU as in the language model, with biases in the latter.
Read first: qwen2_vl.py, foundations/windows.py.  Chapter 18.  Differs from qwen2_vl.py: the blocks' norm and
feed-forward, the windows, and what a step on the time axis is worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from course_lib.foundations.attention import check_heads
from course_lib.foundations.axial import AxialRotation, two_axes
from course_lib.foundations.checks import check_counts
from course_lib.foundations.native import Grid, Seen, frame_lengths, places
from course_lib.foundations.norm import RMSNorm
from course_lib.foundations.windows import window_order
from course_lib.models.qwen2_vl import Block, Merger, check_patches


@dataclass(frozen=True, kw_only=True)
class WindowTowerConfig:
    """window: side in pixels. full: layers, counted from 0, that see the whole frame; (7, 15, 23, 31) of 32 as
    released, every eighth. tokens_per_second: numbers that a second takes on the time axis; 2 as released, where the
    class of transformers says 4. patch, n_frames, merge, d_out: as in qwen2_vl.py."""

    d_out: int
    patch: int = 14
    n_frames: int = 2
    merge: int = 2
    channels: int = 3
    d_model: int = 64
    n_layers: int = 2
    n_heads: int = 4
    d_hidden: int = 176
    window: int = 112
    full: tuple[int, ...] = (1,)
    tokens_per_second: int = 2
    eps: float = 1e-6

    def __post_init__(self):
        check_counts(1, d_out=self.d_out, patch=self.patch, n_frames=self.n_frames, merge=self.merge)
        check_counts(1, channels=self.channels, n_layers=self.n_layers, tokens_per_second=self.tokens_per_second)
        check_heads(self.d_model, self.n_heads)
        two_axes(self.d_head)
        if self.window < self.patch * self.merge:
            raise ValueError(
                f"a window of {self.window} pixels holds no block of {self.patch * self.merge}; give a multiple of that"
            )
        for layer in self.full:
            if not 0 <= layer < self.n_layers:
                raise ValueError(f"full names layer {layer}; there are layers 0 to {self.n_layers - 1}")

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads

    @property
    def d_patch(self) -> int:
        """K."""
        return self.channels * self.n_frames * self.patch**2

    @property
    def side(self) -> int:
        """Blocks along a window: 4 for 112 pixels."""
        return self.window // (self.patch * self.merge)

    def tower(self) -> nn.Module:
        return WindowTower(self)

    def step(self, seen: Seen) -> float:
        """tokens_per_second times the seconds from one patch in time to the next, F / fps: 4, 2, 1, 0.5 at 1, 2, 4, 8
        frames a second. 1 for an image, which has no next one."""
        return 1 if seen.fps is None else self.tokens_per_second * self.n_frames / seen.fps


class BiasedSwiGLU(nn.Module):
    """SwiGLU with biases: (silu(x W_gate + b) · (x W_up + b)) W_down + b."""

    def __init__(self, d_model: int, d_hidden: int):
        super().__init__()
        check_counts(1, d_model=d_model, d_hidden=d_hidden)
        self.gate = nn.Linear(d_model, d_hidden)
        self.up = nn.Linear(d_model, d_hidden)
        self.down = nn.Linear(d_hidden, d_model)

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        return self.down(silu(self.gate(x)) * self.up(x))


class WindowTower(nn.Module):
    """(patches [N K], grids) -> [n E], both in the order of the patches."""

    def __init__(self, config: WindowTowerConfig):
        super().__init__()
        self.config = config
        self.patches = nn.Linear(config.d_patch, config.d_model, bias=False)
        self.blocks = nn.ModuleList(Block(config, RMSNorm, BiasedSwiGLU) for _ in range(config.n_layers))
        self.merger = Merger(RMSNorm(config.d_model, config.eps), config.d_model, config.d_out, config.merge)

    def forward(self, patches: Float[Tensor, "N K"], grids: Sequence[Grid]) -> Float[Tensor, "n E"]:
        check_patches(patches, grids, self.config.d_patch)
        order, windows = window_order(grids, self.config.side, self.config.merge)
        order, frames = order.to(patches.device), frame_lengths(grids)
        x = self.reordered(self.patches(patches), order)
        where = self.reordered(places(grids, self.config.merge).to(x.device).T, order).T
        rotation = AxialRotation(where, *two_axes(self.config.d_head), x.dtype)
        for i, block in enumerate(self.blocks):
            x = block(x, frames if i in self.config.full else windows, rotation)
        return self.merger(x)[order.argsort()]

    def reordered(self, x: Tensor, order: Tensor) -> Tensor:
        """Whole blocks of patches [N …] moved: within a block all stays as it is."""
        blocks = rearrange(x, "(n m) d -> n m d", m=self.config.merge**2)
        return rearrange(blocks[order], "n m d -> (n m) d")
