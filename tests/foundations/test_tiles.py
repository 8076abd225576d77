"""What readers and authors plausibly hand in by mistake: each is refused in the room's own words."""

import pytest
import torch

from course_lib.foundations.perceiver import PerceiverResampler
from course_lib.foundations.tiles import (
    RELEASED,
    boxes_of,
    grids_within,
    put_together,
    striped,
    tiling_of,
    views_of,
)

R = torch.randn
WITHIN = grids_within(12, 4)
TILING = tiling_of(20, 30, 16, RELEASED)
SAMPLER = PerceiverResampler(3, 1, 8, 2)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: tiling_of(0, 5, 8, WITHIN), ValueError, r"height \(0\) must be at least 1"),
        (lambda: tiling_of(5, 0, 8, WITHIN), ValueError, r"width \(0\) must be at least 1"),
        (lambda: tiling_of(5, 5, 0, WITHIN), ValueError, r"tile \(0\) must be at least 1"),
        (lambda: tiling_of(5.5, 5, 8, WITHIN), TypeError, "height is 5.5; a whole number"),
        (lambda: tiling_of(5, 5, 8, []), ValueError, "no grids; give some as .rows, columns."),
        (lambda: tiling_of(5, 5, 8, [(1, 0)]), ValueError, r"columns \(0\) must be at least 1"),
        (lambda: tiling_of(1, 33, 8, WITHIN), ValueError, "1×33, is so long .* 15 grids of 8-pixel tiles; cut out"),
        (lambda: tiling_of(5000, 1, 384, RELEASED), ValueError, "5000×1, is so long .* 5 grids of 384-pixel"),
        (lambda: grids_within(0, 4), ValueError, r"n_tiles \(0\) must be at least 1"),
        (lambda: views_of(R(3, 30, 20), TILING), ValueError, r"image \(3, 30, 20\) must be .* 20×30 pixels"),
        (lambda: views_of(R(1, 3, 20, 30), TILING), ValueError, r"image \(1, 3, 20, 30\) must be \[C H W\]"),
        (lambda: views_of(torch.zeros(3, 20, 30, dtype=torch.uint8), TILING), TypeError, r"write image.float\(\)"),
        (lambda: put_together(R(4, 3, 8, 8), (2, 2)), ValueError, "4 views, but a grid of 2×2 has 4 tiles .* 5 in all"),
        (lambda: striped(R(4, 9, 2), (2, 2)), ValueError, "4 views, but a grid of 2×2"),
        (lambda: boxes_of(TILING, 17), ValueError, "a patch of 17 is larger than a tile of 16"),
        (lambda: boxes_of(TILING, 0), ValueError, r"patch \(0\) must be at least 1"),
        (lambda: PerceiverResampler(0, 1, 8, 2), ValueError, r"n_latents \(0\)"),
        (lambda: PerceiverResampler(3, 0, 8, 2), ValueError, r"n_layers \(0\)"),
        (lambda: PerceiverResampler(3, 1, 8, 3), ValueError, r"n_heads \(3\) must divide d_model \(8\)"),
        (lambda: PerceiverResampler(3, 1, 8, 3, d_head=0), ValueError, r"d_head \(0\)"),
        (lambda: SAMPLER(R(5, 8)), ValueError, r"x \(5, 8\) must end in d_model = 8, as \[B T D\]"),
        (lambda: SAMPLER(R(2, 5, 7)), ValueError, r"x \(2, 5, 7\) must end in d_model = 8"),
        (lambda: SAMPLER(torch.ones(2, 5, 8).long()), TypeError, r"media is torch.int64; write media.float\(\)"),
        (lambda: SAMPLER(R(2, 5, 8), torch.ones(2, 4).bool()), ValueError, r"is_media \(2, 4\) must be \(2, 5\)"),
        (lambda: SAMPLER(R(2, 5, 8), torch.ones(2, 5)), ValueError, "boolean, not torch.float32"),
    ],
)
def test_is_refused_with_its_mend(call, error, says, as_readers_have_it):
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize(
    ("size", "grid", "resized"),
    [
        ((1, 1), (1, 1), (384, 384)),
        ((384, 384), (1, 1), (384, 384)),
        ((385, 384), (2, 1), (385, 384)),
        ((1, 1536), (1, 4), (1, 1536)),
        ((100_000, 100_000), (3, 3), (1152, 1152)),
        ((768, 1536), (2, 4), (768, 1536)),
        ((1537, 1153), (4, 3), (1536, 1152)),
    ],
)
def test_awkward_sizes(size, grid, resized):
    tiling = tiling_of(*size, 384, WITHIN)
    assert (tiling.grid, tiling.resized) == (grid, resized)
