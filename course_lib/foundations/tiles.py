"""Any resolution: a picture cut into tiles of the size that the image tower reads, and all of it, small, in front.

C channels · H, W sides of the picture · T side of a tile · R × L rows and columns of tiles, the grid
V views = 1 + R L · P side of a patch · N patches of a view = (T // P)²
The rule is LLaVA-NeXT's (Liu et al. 2024), which xGen-MM (Xue et al. 2024, arXiv:2408.08872) took over: of the allowed
grids the one in which most of the picture's pixels survive, and of those the one with least left over. The picture is
resized in its own shape until it touches two sides of the grid, and lies in the middle of what stays empty.
All sizes are (height, width) and (rows, columns); the released code of both writes the width first.
Read first: patches.py.  Chapter 14.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from course_lib.foundations.checks import check_count, check_counts, check_floating

Grid = tuple[int, int]  # rows, columns
RELEASED = ((2, 1), (1, 2), (2, 2), (1, 3), (3, 1))  # xGen-MM's (1,2) (2,1) (2,2) (3,1) (1,3), columns first there


def grids_within(n_tiles: int, n_side: int) -> tuple[Grid, ...]:
    """All grids of at most n_tiles tiles and n_side rows or columns: (12, 4) is the report's 1,536 pixels of 384."""
    check_counts(1, n_tiles=n_tiles, n_side=n_side)
    sides = range(1, n_side + 1)
    return tuple((rows, columns) for rows in sides for columns in sides if rows * columns <= n_tiles)


@dataclass(frozen=True)
class Tiling:
    """How a picture of height × width pixels lies in a grid of tiles."""

    height: int
    width: int
    tile: int
    grid: Grid

    @property
    def canvas(self) -> tuple[int, int]:
        """Sides of the whole grid."""
        return self.grid[0] * self.tile, self.grid[1] * self.tile

    @property
    def resized(self) -> tuple[int, int]:
        """Sides of the picture in the grid: in its own shape, one of them the grid's."""
        (H, W), scale = self.canvas, scale_to(self.canvas, self.height, self.width)
        if W / self.width < H / self.height:
            return min(ceil(self.height * scale), H), W
        return H, min(ceil(self.width * scale), W)

    @property
    def corner(self) -> tuple[int, int]:
        """Where its upper left corner lies: the smaller half of what is empty stands in front."""
        (H, W), (height, width) = self.canvas, self.resized
        return (H - height) // 2, (W - width) // 2

    @property
    def n_views(self) -> int:
        """The tiles and the small picture."""
        return 1 + self.grid[0] * self.grid[1]


def tiling_of(height: int, width: int, tile: int, grids: Sequence[Grid]) -> Tiling:
    """The picture in the best of the grids; among equals, the first.

    Raises ValueError for 0 pixels, for no grid or an impossible one, and for a picture so long that in no grid a pixel
    of its short side is left.
    """
    check_counts(1, height=height, width=width, tile=tile)
    if not grids:
        raise ValueError("there are no grids; give some as (rows, columns), such as grids_within(12, 4)")
    for rows, columns in grids:
        check_counts(1, rows=rows, columns=columns)
    best = max(grids, key=lambda grid: fit(height, width, tile, grid))
    if not fit(height, width, tile, best)[0]:
        raise ValueError(
            f"the picture, {height}×{width}, is so long that none of its short side is left in {len(grids)} grids of "
            f"{tile}-pixel tiles; cut out what matters first"
        )
    return Tiling(height, width, tile, best)


def fit(height: int, width: int, tile: int, grid: Grid) -> tuple[int, int]:
    """(pixels of the picture that survive, minus those of the grid that are left over): the larger the better.

    A picture that is enlarged has no more pixels than before. In floats and cut down, as released: that loses a pixel
    in one size out of thousands, and may then change the choice.
    """
    canvas = grid[0] * tile, grid[1] * tile
    scale = scale_to(canvas, height, width)
    survive = min(int(height * scale) * int(width * scale), height * width)
    return survive, survive - canvas[0] * canvas[1]


def scale_to(canvas: tuple[int, int], height: int, width: int) -> float:
    """What the picture is multiplied by to touch two sides of the canvas."""
    return min(canvas[0] / height, canvas[1] / width)


def views_of(image: Float[Tensor, "C H W"], tiling: Tiling, *, empty: float = -1.0) -> Float[Tensor, "V C T T"]:
    """The picture squeezed into one tile, then the tiles row by row.

    empty: what lies around the picture; black, as released, in pictures from -1 to 1.
    Bicubic, widened with the reduction (antialias), as in Pillow; it may swing a little beyond the picture's own range.
    Raises ValueError for another picture than the tiling's.
    """
    check_floating("image", image)
    if image.ndim != 3 or image.shape[1:] != (tiling.height, tiling.width):
        raise ValueError(
            f"image {tuple(image.shape)} must be [C H W] with {tiling.height}×{tiling.width} pixels, as in the tiling; "
            "for another picture make another tiling_of(H, W, …)"
        )
    canvas = image.new_full((len(image), *tiling.canvas), empty)
    (top, left), (height, width) = tiling.corner, tiling.resized
    canvas[:, top : top + height, left : left + width] = resize(image, height, width)
    small = resize(image, tiling.tile, tiling.tile)[None]
    return torch.cat([small, rearrange(canvas, "C (R t) (L u) -> (R L) C t u", t=tiling.tile, u=tiling.tile)])


def put_together(views: Float[Tensor, "V C T T"], grid: Grid) -> Float[Tensor, "C RT LT"]:
    """The inverse: the canvas that the tiles were cut from; the small picture is left out."""
    check_views(views, grid)
    return rearrange(views[1:], "(R L) C t u -> C (R t) (L u)", R=grid[0])


def resize(image: Float[Tensor, "C H W"], height: int, width: int) -> Float[Tensor, "C {height} {width}"]:
    return interpolate(image[None], (height, width), mode="bicubic", antialias=True)[0]


def boxes_of(tiling: Tiling, patch: int) -> Float[Tensor, "V N 4"]:
    """Where each patch of each view lies in the picture: (top, left, bottom, right) in its pixels.

    Outside of the picture where the patch is empty. Where patch does not divide the tile, the rest on the right and at
    the bottom is in no patch, as in SigLIP so400m: 27 patches of 14 leave 6 of 384 pixels out.
    """
    places = corners(tiling, patch)
    stretch = torch.tensor([tiling.height, tiling.width]) / torch.tensor(
        [[tiling.tile, tiling.tile], *[tiling.resized] * (tiling.n_views - 1)]
    )
    return torch.cat([places, places + patch], dim=-1) * torch.cat([stretch, stretch], dim=-1)[:, None]


def is_patch(tiling: Tiling, patch: int) -> Bool[Tensor, "V N"]:
    """False where a patch is empty: it holds not one pixel of the picture. The small picture fills its tile."""
    places = corners(tiling, patch)
    size = torch.tensor(tiling.resized)
    found = ((places < size) & (places + patch > 0)).all(dim=-1)
    found[0] = True
    return found


def corners(tiling: Tiling, patch: int) -> Int[Tensor, "V N 2"]:
    """(top, left) of each patch, in pixels of the view's picture: of the small one, then of the one in the grid."""
    check_count("patch", patch, 1)
    if patch > tiling.tile:
        raise ValueError(f"a patch of {patch} is larger than a tile of {tiling.tile}; take smaller patches")
    inside = torch.arange(tiling.tile // patch) * patch
    inside = torch.cartesian_prod(inside, inside)
    tiles = torch.cartesian_prod(*(torch.arange(n) * tiling.tile for n in tiling.grid))
    starts = torch.cat([torch.zeros(1, 2, dtype=torch.long), tiles - torch.tensor(tiling.corner)])
    return starts[:, None] + inside


def striped(features: Float[Tensor, "V N D"], grid: Grid) -> Float[Tensor, "V N D"]:
    """What xGen-MM's released code samples in place of tiles: it lays the tiles' features out as one map [R·√N L·√N],
    as LLaVA-NeXT does to cut the padding off, and then cuts this map into R L pieces of N in reading order. So a piece
    is a stripe as wide as the picture, not a tile; the two agree for one column of tiles.
    """
    check_views(features, grid)
    side = round(features.shape[1] ** 0.5)
    rows = rearrange(features[1:], "(R L) (h w) D -> (R h L w) D", R=grid[0], h=side)
    return torch.cat([features[:1], rows.unflatten(0, (-1, features.shape[1]))])


def check_views(views: Tensor, grid: Grid) -> None:
    """Raise ValueError unless there are as many views as the grid has tiles, and one more."""
    if len(views) != 1 + grid[0] * grid[1]:
        raise ValueError(
            f"{len(views)} views, but a grid of {grid[0]}×{grid[1]} has {grid[0] * grid[1]} tiles and the small "
            f"picture, {1 + grid[0] * grid[1]} in all"
        )
