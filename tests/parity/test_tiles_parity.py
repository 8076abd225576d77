"""Our tiling against LLaVA-NeXT's in transformers: the grid, the size in it, the padding, the pixels, what is real."""

from itertools import product

import numpy as np
import pytest
import torch
from transformers.image_processing_utils import get_patch_output_size, select_best_resolution
from transformers.image_utils import ChannelDimension
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_next.modeling_llava_next import (
    get_anyres_image_grid_shape,
    image_size_to_num_patches,
    unpad_image,
)

from course_lib.foundations.tiles import (
    RELEASED,
    Tiling,
    boxes_of,
    fit,
    grids_within,
    is_patch,
    scale_to,
    tiling_of,
    views_of,
)

WITHIN = grids_within(12, 4)


def theirs(height: int, width: int, tile: int, grids) -> tuple[int, int]:
    pinpoints = [(rows * tile, columns * tile) for rows, columns in grids]
    H, W = select_best_resolution((height, width), pinpoints)
    return H // tile, W // tile


def brute_force(height: int, width: int, tile: int, grids) -> tuple[int, int]:
    """Every grid, in whole numbers: no float, and nothing of fit."""
    found = []
    for place, (rows, columns) in enumerate(grids):
        H, W = rows * tile, columns * tile
        inner = (H, width * H // height) if H * width <= W * height else (height * W // width, W)
        survive = min(inner[0] * inner[1], height * width)
        found.append((-survive, H * W - survive, place))
    return grids[min(found)[2]]


def loses_a_pixel(height: int, width: int, tile: int, grids) -> bool:
    """In some grid the released floats cut a side that fits exactly: 49 · (32 / 49) is 31.999…, and is taken as 31."""
    for rows, columns in grids:
        H, W = rows * tile, columns * tile
        scale = scale_to((H, W), height, width)
        exact = (H, width * H // height) if H * width <= W * height else (height * W // width, W)
        if (int(height * scale), int(width * scale)) != exact:
            return True
    return False


def test_their_other_functions_say_the_same():
    for height, width in sizes(100, 2000):
        tiling, pinpoints = tiling_of(height, width, 336, RELEASED), [(r * 336, c * 336) for r, c in RELEASED]
        assert get_anyres_image_grid_shape((height, width), pinpoints, 336) == tiling.grid
        assert image_size_to_num_patches((height, width), pinpoints, 336) == tiling.n_views


def sizes(n: int, most: int) -> list[tuple[int, int]]:
    return [tuple(pair) for pair in np.random.default_rng(0).integers(1, most, (n, 2)).tolist()]


@pytest.mark.parametrize(
    "grids", [RELEASED, tuple(g[::-1] for g in RELEASED), WITHIN], ids=["w first", "h first", "12"]
)
@pytest.mark.parametrize(("tile", "tried"), [(384, sizes(2000, 4000)), (8, list(product(range(1, 60), repeat=2)))])
def test_the_grid_is_theirs_and_the_best_of_all(grids, tile, tried):
    lost, refused = 0, 0
    for height, width in tried:
        if not any(fit(height, width, tile, grid)[0] for grid in grids):
            refused += 1  # theirs takes the smallest grid: 1×60 becomes nothing in all
            with pytest.raises(ValueError, match=f"{height}×{width}, is so long"):
                tiling_of(height, width, tile, grids)
            continue
        grid = tiling_of(height, width, tile, grids).grid
        assert grid == theirs(height, width, tile, grids)
        if loses_a_pixel(height, width, tile, grids):
            lost += 1
        else:
            assert grid == brute_force(height, width, tile, grids)
    assert refused < len(tried) / 20 and lost < len(tried) / 10


def test_where_the_floats_choose_another_grid():
    """49 · (32 / 49) is cut to 31, so the fourth row of tiles seems to bring nothing."""
    assert tiling_of(25, 49, 8, WITHIN).grid == theirs(25, 49, 8, WITHIN) == (2, 4)
    assert brute_force(25, 49, 8, WITHIN) == (3, 4)


@pytest.mark.parametrize("tile", [384, 8, 7])
def test_the_size_in_the_grid_and_the_padding(tile):
    processor = LlavaNextImageProcessorPil()
    for height, width in sizes(3000, 12 * tile):
        tiling = Tiling(height, width, tile, theirs(height, width, tile, RELEASED))
        blank = np.zeros((3, 1, 1), dtype=np.uint8)
        blank = np.broadcast_to(blank, (3, height, width))
        assert tiling.resized == get_patch_output_size(blank, tiling.canvas, ChannelDimension.FIRST)
        (above, _), (left, _) = processor._get_padding_size(tiling.resized, tiling.canvas)
        assert tiling.corner == (above, left)


@pytest.mark.parametrize("size", [(1, 1), (3, 90), (90, 3), (47, 48), (64, 64), (33, 70), (129, 40), (200, 300)])
def test_the_views_in_grey_levels(size):
    """Pillow rounds to a grey level after each of its two passes; ours does not. In between it also cuts what swings
    beyond 0 … 255, which these shades, 60 to 195, never do."""
    height, width = size
    tile = 32
    y, x = np.mgrid[:height, :width]
    image = np.stack([127 + 67 * np.sin(x / (9 + c) + y / (5 + 3 * c)) for c in range(3)]).astype(np.uint8)
    image[:, (x // 11 + y // 7) % 5 == 0] = 195
    grids = [g for g in RELEASED if fit(height, width, tile, g)[0]]
    processor = LlavaNextImageProcessorPil()
    expected = processor.get_image_patches(
        image, [(r * tile, c * tile) for r, c in grids], (tile, tile), tile, processor.resample
    )
    views = views_of(torch.tensor(image).double(), tiling_of(height, width, tile, grids), empty=0)
    assert len(views) == len(expected)
    assert np.abs(views.numpy() - np.stack(expected)).max() < 1.51


def unpadded(tiling: Tiling, patch: int) -> torch.Tensor:
    """What unpad_image keeps of the map of all patches of all tiles, as a mask in the order of our tiles."""
    rows, columns = tiling.grid
    n = tiling.tile // patch
    places = torch.arange(rows * columns * n * n).view(rows, columns, n, n)
    kept = unpad_image(places.transpose(1, 2).reshape(1, rows * n, columns * n), (tiling.height, tiling.width))
    mask = torch.zeros(places.numel(), dtype=torch.bool)
    mask[kept.flatten()] = True
    return mask.view(rows * columns, n * n)


def test_real_patches_are_those_that_unpadding_keeps():
    """Where the padding is whole patches, exactly. Else unpad_image counts in patches and cuts down: what it keeps
    differs from the patches that hold pixels by one row or column on each side at most."""
    exact = 0
    for height, width in sizes(2000, 300):
        tiling = tiling_of(height, width, 32, RELEASED) if max(height, width) < 90 * min(height, width) else None
        if tiling is None:
            continue
        real, kept = is_patch(tiling, 4)[1:], unpadded(tiling, 4)
        sides = tiling.corner, tiling.resized
        if not any(number % 4 for pair in sides for number in pair):
            exact += 1
            assert torch.equal(real, kept)
        lie = boxes_of(tiling, 4)[1:][real != kept]
        step = torch.tensor([4 * height / tiling.resized[0], 4 * width / tiling.resized[1]])
        edge = torch.stack([lie[:, 0], lie[:, 1], height - lie[:, 2], width - lie[:, 3]], dim=1)
        assert (edge.abs() <= step.repeat(2) * 1.001).any(dim=1).all()
    assert exact > 50
