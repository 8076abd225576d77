"""Windows: each patch sees those in its own square of the image, and the cost grows with the image's area.

M side of a block of patches, one token · S side of a window, in blocks · n tokens of the images, t h w / M²
The windows begin at the upper left; those at the right and lower edge are as small as what is left, and nothing is
padded. Only the order changes: windows one after the other, each row by row, so that attend_within can cut them.
Bai et al. 2025, Qwen2.5-VL, arXiv:2502.13923, section 2.1.1: "regions smaller than 112×112 are processed without
padding". 112 pixels are 8 × 8 patches of 14, or S = 4 blocks; the released code calls the 112 window_size.
Read first: native.py, packed.py.  Chapter 18.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.foundations.checks import check_count
from course_lib.foundations.native import Grid, check_grid


def window_order(grids: Sequence[Grid], side: int, merge: int = 2) -> tuple[Int[Tensor, " n"], list[int]]:
    """The blocks of all images window by window, and how many patches each window has: M² for each of its blocks.

    x[order] lays blocks so; y[order.argsort()] brings them back. Windows are of one frame (F frames in one).
    Raises ValueError for a side below 1, or a grid that is not made of whole blocks.
    """
    check_count("side", side, 1)
    window, n_windows = [torch.zeros(0, dtype=torch.long)], 0
    for grid in grids:
        check_grid(grid, merge)
        t, rows, columns = grid.t, grid.h // merge, grid.w // merge
        down, across = -(-rows // side), -(-columns // side)
        time, row, column = torch.meshgrid(*map(torch.arange, (t, rows, columns)), indexing="ij")
        number = (time * down + row // side) * across + column // side
        window.append(n_windows + number.flatten())
        n_windows += t * down * across
    window = torch.cat(window)
    return window.argsort(stable=True), (window.bincount(minlength=n_windows) * merge**2).tolist()
