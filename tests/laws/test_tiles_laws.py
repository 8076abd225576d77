import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from course_lib.foundations.tiles import (
    RELEASED,
    Tiling,
    boxes_of,
    fit,
    grids_within,
    is_patch,
    put_together,
    resize,
    striped,
    tiling_of,
    views_of,
)

WITHIN = grids_within(12, 4)
SIDE = st.integers(1, 70)
TILE = st.sampled_from([4, 8, 12])
GRIDS = st.sampled_from([RELEASED, WITHIN])
SEEDS = st.integers(0, 2**32)


def tiled(height: int, width: int, tile: int, grids=WITHIN) -> Tiling:
    """Too long a picture is another test's."""
    assume(any(fit(height, width, tile, grid)[0] for grid in grids))
    return tiling_of(height, width, tile, grids)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@given(SIDE, SIDE, TILE, GRIDS, SEEDS)
def test_tiles_put_together_are_the_resized_picture_in_the_middle(H, W, T, grids, seed):
    """To the bit; around it nothing but what was asked for; and the first view is all of it."""
    tiling, image = tiled(H, W, T, grids), normal(seed, 2, H, W)
    views = views_of(image, tiling, empty=7.5)
    assert views.shape == (tiling.n_views, 2, T, T)
    assert torch.equal(views[0], resize(image, T, T))
    canvas = put_together(views, tiling.grid)
    assert canvas.shape[1:] == tiling.canvas
    (top, left), (h, w) = tiling.corner, tiling.resized
    assert torch.equal(canvas[:, top : top + h, left : left + w], resize(image, h, w))
    canvas[:, top : top + h, left : left + w] = 7.5
    assert (canvas == 7.5).all()
    assert (tiling.canvas[0] - h - 2 * top) in (0, 1) and (tiling.canvas[1] - w - 2 * left) in (0, 1)
    assert h == tiling.canvas[0] or w == tiling.canvas[1]


@given(SIDE, SIDE, TILE)
def test_a_picture_on_its_side_has_its_grid_on_its_side(H, W, T):
    """Where no two grids are equally good, or 1 × 1 is allowed, which a small picture then takes."""
    tiling, turned = tiled(H, W, T), tiled(W, H, T)
    best = max(fit(H, W, T, grid) for grid in WITHIN)
    if sum(fit(H, W, T, grid) == best for grid in WITHIN) == 1:
        assert turned.grid == tiling.grid[::-1]
        assert turned.resized == tiling.resized[::-1] and turned.corner == tiling.corner[::-1]
    if max(H, W) <= T:
        assert tiling.grid == turned.grid == (1, 1)


def test_without_a_grid_of_one_tile_the_order_of_the_list_decides_for_small_pictures():
    """All five of xGen-MM's grids hold all of a small picture, and its first two waste alike: two tiles one over the
    other, for a picture twice as wide as high, too. transformers reads the pairs the other way round."""
    assert tiling_of(100, 200, 384, RELEASED).grid == tiling_of(200, 100, 384, RELEASED).grid == (2, 1)
    turned = [grid[::-1] for grid in RELEASED]
    assert tiling_of(200, 100, 384, turned).grid == (1, 2)
    assert tiling_of(100, 200, 384, [(1, 1), *RELEASED]).grid == (1, 1)


@given(SIDE, SIDE, TILE, GRIDS)
def test_no_grid_keeps_more_of_the_picture(H, W, T, grids):
    tiling = tiled(H, W, T, grids)
    kept, left_over = fit(H, W, T, tiling.grid)
    for grid in grids:
        others, waste = fit(H, W, T, grid)
        assert kept > others or (kept == others and left_over >= waste)


def test_the_most_tokens():
    """12 tiles of 384 and the small picture, 128 tokens each: 1,664. The released grids end at 4 + 1 views: 640."""
    counts = {tiling_of(H, W, 384, WITHIN).n_views for H in range(50, 2500, 70) for W in range(50, 2500, 70)}
    assert max(counts) * 128 == 1664 and min(counts) == 2
    assert all(max(grid) * 384 <= 1536 for grid in WITHIN) and len(WITHIN) == 15
    assert max(1 + rows * columns for rows, columns in RELEASED) * 128 == 640
    assert max(1 + rows * columns for rows, columns in grids_within(12, 12)) == 13


@settings(max_examples=50)
@given(SIDE, SIDE, TILE, GRIDS)
def test_patches_lie_where_their_pixels_come_from(H, W, T, grids):
    """A picture whose two colours are its rows and columns: what a patch holds on average is where its box says."""
    assume(min(H, W) >= 4)
    tiling = tiled(H, W, T, grids)
    y, x = torch.meshgrid(torch.arange(H).double() + 0.5, torch.arange(W).double() + 0.5, indexing="ij")
    views = views_of(torch.stack([y, x]), tiling, empty=torch.nan)
    boxes = boxes_of(tiling, 4).unflatten(1, (T // 4, T // 4)).double()
    patches = views.unfold(2, 4, 4).unfold(3, 4, 4).mean(dim=(4, 5))
    middle = torch.stack([boxes[..., 0] + boxes[..., 2], boxes[..., 1] + boxes[..., 3]], dim=1) / 2
    full = ~patches.isnan().any(dim=1, keepdim=True).expand_as(patches)
    blur = 2 * max(1, H / tiling.resized[0], W / tiling.resized[1], H / T, W / T)  # at the rim the filter is one-sided
    assert ((patches - middle).abs()[full] <= blur).all()
    inner = full & (middle > 3 * blur) & (middle < torch.tensor([H, W]).view(2, 1, 1) - 3 * blur)
    assert ((patches - middle).abs()[inner] < 0.05 * blur).all()


@given(SIDE, SIDE, TILE, GRIDS, SEEDS)
def test_a_patch_is_real_if_it_holds_a_pixel(H, W, T, grids, seed):
    tiling = tiled(H, W, T, grids)
    views = views_of(torch.ones(1, H, W), tiling, empty=0)
    holds = views.unfold(2, 4, 4).unfold(3, 4, 4).flatten(4).any(dim=-1).flatten(1)
    assert torch.equal(is_patch(tiling, 4), holds)


@given(SIDE, SIDE, TILE, GRIDS)
def test_boxes_of_real_patches_cover_the_picture_once(H, W, T, grids):
    tiling = tiled(H, W, T, grids)
    boxes, real = boxes_of(tiling, 4).double(), is_patch(tiling, 4)
    for of_view in (slice(0, 1), slice(1, None)):
        top, left, bottom, right = boxes[of_view][real[of_view]].unbind(-1)
        area = (bottom.clamp(max=H) - top.clamp(min=0)) * (right.clamp(max=W) - left.clamp(min=0))
        assert float(area.sum()) == pytest.approx(H * W, rel=1e-5)


def test_between_the_tiles_of_so400m_lie_seams_that_no_patch_holds():
    """27 patches of 14 are 378 of 384 pixels: 6 are left out on the right and at the bottom of every tile."""
    tiling = tiling_of(768, 768, 384, RELEASED)
    boxes = boxes_of(tiling, 14)[1:]
    assert boxes.shape[:2] == (4, 729)
    seen = torch.zeros(768, 768, dtype=torch.bool)
    for top, left, bottom, right in boxes.flatten(0, 1).long().tolist():
        seen[top:bottom, left:right] = True
    assert not seen[378:384].any() and not seen[:, 378:384].any() and not seen[762:].any()
    assert float(seen.double().mean()) == pytest.approx((378 / 384) ** 2)


@pytest.mark.parametrize("grid", [(2, 2), (1, 3), (3, 1), (2, 1), (3, 4)])
def test_released_pieces_are_stripes(grid):
    """Of 27² features a tile, as in so400m: each released piece spans the whole width, in (27 / columns) rows."""
    rows, columns = grid
    n = 27
    row, column = torch.meshgrid(torch.arange(rows * n), torch.arange(columns * n), indexing="ij")
    places = torch.stack([row, column], dim=-1)
    tiles = places.view(rows, n, columns, n, 2).transpose(1, 2).reshape(rows * columns, n * n, 2)
    features = torch.cat([torch.zeros(1, n * n, 2, dtype=torch.long), tiles]).double()
    pieces = striped(features, grid)
    assert torch.equal(pieces[0], features[0]) and pieces.shape == features.shape
    assert torch.equal(pieces[1:].flatten(0, 1), places.flatten(0, 1).double())
    for piece, tile in zip(pieces[1:], features[1:]):
        widths = [int(each[:, 1].max() - each[:, 1].min()) + 1 for each in (piece, tile)]
        heights = [int(each[:, 0].max() - each[:, 0].min()) + 1 for each in (piece, tile)]
        assert widths == [columns * n, n] and heights[1] == n
        assert heights[0] in (n // columns, -(-n // columns), -(-n // columns) + 1)
    assert torch.equal(pieces, features) == (columns == 1)
