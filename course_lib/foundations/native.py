"""Native resolution: each image keeps its shape and becomes as many patches as it has room for.

T frames · C channels · H, W sides · P side of a patch · F frames of one patch · M side of a block of patches that
become one token · t = T / F, h = H / P, w = W / P the grid · N = t h w patches · K = C F P² numbers of one
Both sides are rounded to multiples of M P, 28 as released, and the image is stretched to them: nothing is padded and
nothing is cut off. An image is a video of F equal frames, so one layer reads both.
Patches lie block by block: the M² that become one token stand beside each other, whichever row they are in.
Wang et al. 2024, Qwen2-VL, arXiv:2409.12191, section 2.1; the rule of sizes is smart_resize of qwen-vl-utils and
transformers.
Read first: patches.py.  Chapter 17.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, sqrt
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.foundations.checks import check_counts, check_floating

LONGEST = 200  # times as long as wide: the most that the released code takes


class Grid(NamedTuple):
    """Patches along time, height and width, as grid_thw elsewhere."""

    t: int
    h: int
    w: int

    @property
    def n_patches(self) -> int:
        return self.t * self.h * self.w

    def n_tokens(self, merge: int = 2) -> int:
        """What the language model reads of it: t h w / M². An image of 28 a × 28 b pixels is a b tokens."""
        return self.n_patches // merge**2


@dataclass(frozen=True, eq=False)
class Seen:
    """An image or a video, ready to be seen. patches: in the order of `patchify_frames`.

    fps: frames a second of a video, those that were taken of it, not those that it was recorded with; None: an image.
    """

    patches: Float[Tensor, "N K"]
    grid: Grid
    fps: float | None = None

    def __post_init__(self):
        if len(self.patches) != self.grid.n_patches:
            raise ValueError(
                f"{len(self.patches)} patches, but the grid {tuple(self.grid)} has {self.grid.n_patches}; "
                "make both by patchify_frames"
            )
        if self.fps is not None:
            check_fps(self.fps)

    @property
    def what(self) -> str:
        return "image" if self.fps is None else "video"


def native_size(
    height: int, width: int, *, factor: int = 28, min_pixels: int = 56 * 56, max_pixels: int = 12_845_056
) -> tuple[int, int]:
    """(height, width) in multiples of the factor, of at least min_pixels and at most max_pixels in all.

    Each side goes to its nearest multiple, halves to the even one. If that makes too many pixels, both sides shrink
    by the same share and are cut down; if too few, both grow and are rounded up. As released, to the pixel, and so
    are its oddities: a long thin image whose short side rounds to 0 passes for one of too few pixels, and may shrink
    (10×1990 -> 28×812); one that grows may come to lie above max_pixels where that is close to min_pixels.
    max_pixels: 12,845,056 = 128² · 28² in the released configurations, 1,003,520 in the class of transformers.
    Raises ValueError for 0 pixels, an image over 200 times as long as wide, and limits that leave no size.
    """
    check_counts(1, height=height, width=width, factor=factor, min_pixels=min_pixels)
    if max_pixels < max(min_pixels, factor**2):
        raise ValueError(
            f"max_pixels ({max_pixels}) must be at least min_pixels ({min_pixels}) and {factor}² = {factor**2}, one "
            "token: raise it, or lower min_pixels"
        )
    short, long = sorted((height, width))
    if long > LONGEST * short:
        raise ValueError(
            f"the image, height {height} and width {width}, is {long / short:.1f} times as long as wide, and the "
            f"model takes {LONGEST} times at most; cut out what matters first, or pad the short side to "
            f"{ceil(long / LONGEST)} pixels"
        )
    h, w = (round(side / factor) * factor for side in (height, width))
    if h * w > max_pixels:
        shrink = sqrt(height * width / max_pixels)
        return tuple(max(factor, floor(side / shrink / factor) * factor) for side in (height, width))
    if h * w < min_pixels:
        grow = sqrt(min_pixels / (height * width))
        return tuple(ceil(side * grow / factor) * factor for side in (height, width))
    return h, w


def patchify_frames(
    frames: Float[Tensor, "T C H W"], patch: int = 14, *, merge: int = 2, n_frames: int = 2
) -> tuple[Float[Tensor, "N K"], Grid]:
    """Cut into patches of n_frames frames each, and the grid; the last frame is repeated to fill the last patches.

    So an image, a video of one frame, becomes n_frames equal ones. The numbers of a patch lie as [C F P P].
    Raises TypeError for whole numbers; ValueError for no frame and sides that are no multiples of patch · merge.
    """
    check_floating("frames", frames)
    check_counts(1, patch=patch, merge=merge, n_frames=n_frames)
    factor = patch * merge
    if frames.ndim != 4 or not len(frames):
        raise ValueError(
            f"frames {tuple(frames.shape)} must be [T C H W] with T at least 1; for an image write x[None]"
        )
    H, W = frames.shape[2:]
    if H % factor or W % factor or not H or not W:
        raise ValueError(
            f"frames of {H}×{W} pixels are not made of blocks of {factor}, {merge} patches of {patch} a side; "
            "resize to native_size(H, W) first"
        )
    missing = -len(frames) % n_frames
    frames = torch.cat([frames, frames[-1:].expand(missing, -1, -1, -1)])
    patches = rearrange(
        frames, "(t f) C (h m p) (w n q) -> (t h w m n) (C f p q)", f=n_frames, m=merge, n=merge, p=patch, q=patch
    )
    return patches, Grid(len(frames) // n_frames, H // patch, W // patch)


def unpatchify_frames(
    patches: Float[Tensor, "N K"], grid: Grid, patch: int = 14, *, merge: int = 2, n_frames: int = 2
) -> Float[Tensor, "T C H W"]:
    """The inverse of patchify_frames, with the frame that it repeated."""
    t, h, w = grid
    sizes = dict(t=t, h=h // merge, w=w // merge, m=merge, n=merge, f=n_frames, p=patch, q=patch)
    return rearrange(patches, "(t h w m n) (C f p q) -> (t f) C (h m p) (w n q)", **sizes)


def places(grids: Sequence[Grid], merge: int = 2) -> Int[Tensor, "2 N"]:
    """Row and column of each patch in its own frame, in the order of the patches: what the tower's 2D RoPE turns by.

    Raises ValueError for a grid of rows or columns that do not go into blocks.
    """
    found = [torch.zeros(2, 0, dtype=torch.long)]
    for grid in grids:
        check_grid(grid, merge)
        t, h, w = grid
        both = torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij"))
        both = rearrange(both, "two (h m) (w n) -> two (h w m n)", m=merge, n=merge)
        found.append(both.repeat(1, t))
    return torch.cat(found, dim=1)


def frame_lengths(grids: Sequence[Grid]) -> list[int]:
    """Patches of each frame (F frames in one) of each: a patch sees those of its own frame, and no other."""
    return [grid.h * grid.w for grid in grids for _ in range(grid.t)]


def frames_at(n_frames: int, recorded_fps: float, fps: float = 2.0, *, fewest: int = 4, most: int = 768) -> list[int]:
    """Which of the video's frames to take for `fps` a second, from frame 0 on, evenly: an even number of them.

    As transformers' Qwen2VLVideoProcessor samples: between `fewest` and `most` frames and no more than there are, then
    cut down to an even number. So what is taken a second is (taken / n_frames) · recorded_fps, close to fps at best;
    a video of one frame is taken as it is.
    Raises ValueError for no frame and for 0 frames a second.
    """
    check_counts(1, n_frames=n_frames, fewest=fewest, most=most)
    check_fps(fps)
    check_fps(recorded_fps)
    wanted = max(n_frames / recorded_fps * fps, fewest)
    taken = max(1, floor(min(wanted, most // 2 * 2, n_frames) / 2) * 2)
    return [i * n_frames // taken for i in range(taken)]


def check_grid(grid: Grid, merge: int) -> None:
    """Raise ValueError unless the grid is whole blocks of merge × merge patches."""
    if min(grid) < 1 or grid.h % merge or grid.w % merge:
        raise ValueError(f"the grid {tuple(grid)} must be (t, h, w) with h and w multiples of {merge}, none of them 0")


def check_fps(fps: float) -> None:
    """Raise ValueError unless fps is a finite number above 0."""
    if not 0 < fps < float("inf"):
        raise ValueError(f"fps ({fps}) must be above 0 and finite: frames a second; for an image give None")
