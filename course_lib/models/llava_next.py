"""Any resolution: LLaVA-1.5-HD (Liu et al. 2023, arXiv:2310.03744, appendix) and LLaVA-NeXT, also 1.6 (2024).

V views of a picture, the small one first (foundations/tiles.py) · N patches of a view · D, E widths of tower and
language model · rows × columns of patches in the whole grid of tiles
The tower sees every view alone. The tiles' patches are then laid out as one map, as they lie in the picture; the rows
or columns that hold only the empty border are cut off; each row ends with one learned vector, by which the language
model can tell where the next row begins. In front stand the patches of the small picture, whole.
    HD: CLIP-L/14 of 224 pixels, all grids of up to 6 tiles; NeXT: of 336 pixels, five grids of 2, 3 and 4 tiles
Of HD no code is public that we know of, and its paper gives no order: here the small picture comes first, as in NeXT's.
Read first: llava.py, foundations/tiles.py.  Chapter 15.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.foundations.checks import check_counts
from course_lib.foundations.patches import check_size
from course_lib.foundations.tiles import Grid, Tiling, check_views, grids_within
from course_lib.models.clip import ImageConfig
from course_lib.models.llava import Llava, LlavaConfig
from course_lib.models.splice import Count

NEXT_GRIDS = ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))  # as (rows, columns), in the released order, which breaks ties
HD_GRIDS = grids_within(6, 6)


class Tiled(NamedTuple):
    """A picture in views, [V C S S], and how they lie in it."""

    views: Float[Tensor, "V C S S"]
    tiling: Tiling


@dataclass(frozen=True, kw_only=True)
class LlavaNextConfig(LlavaConfig):
    """grids: those that a picture may be tiled in, for the preprocessing; the model takes any."""

    grids: tuple[Grid, ...] = NEXT_GRIDS

    def __post_init__(self):
        super().__post_init__()
        for rows, columns in self.grids:
            check_counts(1, rows=rows, columns=columns)


class LlavaNext(Llava):
    """(ids, pictures in views) -> logits [B T V]. row_end: the vector that ends each row."""

    def __init__(self, config: LlavaNextConfig, tower: nn.Module, lm: nn.Module):
        super().__init__(config, tower, lm)
        E = lm.config.d_model
        self.row_end = nn.Parameter(torch.randn(E) * E**-0.5)

    def tokens(self, images: Sequence[Tiled] | None) -> list[Float[Tensor, "_ E"]]:
        """What the language model reads of each picture: the small one, then the map row by row, each with its end."""
        if images is None or not len(images):
            return []
        check_tiled(images, self.tower.config)
        seen = self.projector(self.look(torch.cat([image.views for image in images])))
        patch = self.tower.config.patch
        parts = seen.split([len(image.views) for image in images])
        return [pack(part, image.tiling, patch, self.row_end) for part, image in zip(parts, images)]

    def counts(self, images: Sequence[Tiled] | None = None) -> list[Count]:
        """How many tokens each picture takes in the text, without looking at it."""
        return [count(image.tiling, self.tower.config.patch) for image in images or ()]


def pack(
    features: Float[Tensor, "V N D"], tiling: Tiling, patch: int, row_end: Float[Tensor, " D"]
) -> Float[Tensor, "_ D"]:
    """The small picture's N patches, then each row of the map without its border, and row_end after it."""
    check_views(features, tiling.grid)
    kept = merged(features, tiling.grid)[unpadded(tiling, patch)]
    ended = torch.cat([kept, row_end.to(kept.dtype).expand(len(kept), 1, -1)], dim=1)
    return torch.cat([features[0], ended.flatten(0, 1)])


def merged(features: Float[Tensor, "V N D"], grid: Grid) -> Float[Tensor, "rows columns D"]:
    """The tiles' patches as they lie in the picture; the small picture is left out."""
    side = round(features.shape[1] ** 0.5)
    return rearrange(features[1:], "(R L) (h w) D -> (R h) (L w) D", R=grid[0], h=side)


def unpadded(tiling: Tiling, patch: int) -> tuple[slice, slice]:
    """(rows, columns) of the map that are kept.

    As released: what of the picture fills no whole patch is cut with the border, at both ends alike, so of an odd
    surplus one row of border stays; and of a picture narrower than a patch the map keeps no patch at all.
    """
    rows, columns = (tiling.tile // patch * n for n in tiling.grid)
    if tiling.width / tiling.height > columns / rows:
        cut = (rows - int(round(tiling.height * (columns / tiling.width), 7))) // 2
        return slice(cut, rows - cut), slice(0, columns)
    cut = (columns - int(round(tiling.width * (rows / tiling.height), 7))) // 2
    return slice(0, rows), slice(cut, columns - cut)


def count(tiling: Tiling, patch: int) -> Count:
    """How many tokens `pack` makes."""
    side = tiling.tile // patch
    rows, columns = (kept.stop - kept.start for kept in unpadded(tiling, patch))
    n = side**2 + rows * (columns + 1)
    return Count(n, f"{side}·{side} + {rows}·({columns} + 1) = {n}")


def check_tiled(images: Sequence[Tiled], side: ImageConfig) -> None:
    """Raise unless each picture is its views, as many as its tiling says, of the tower's size."""
    for i, image in enumerate(images):
        if not isinstance(image, Tiled):
            raise TypeError(
                f"image {i} is of type {type(image).__name__}; a Tiled(views, tiling) is needed, as tiled() makes"
            )
        check_size(image.views, side.channels, side.height, side.width)
        check_views(image.views, image.tiling.grid)
        if (image.tiling.tile, image.tiling.tile) != (side.height, side.width):
            raise ValueError(
                f"image {i} is tiled by {image.tiling.tile} pixels, the tower sees {side.height}×{side.width}; "
                f"tile it with tiling_of(H, W, {side.height}, grids)"
            )
