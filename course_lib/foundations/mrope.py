"""Where tokens stand in time, height and width: the positions of M-RoPE, for text with images and videos in it.

B texts · T tokens · (t, h, w) the grid of an image or video in patches · M side of a block, one token · s time step
A token of text stands at one and the same number on all three axes, the next one up. An image that begins at p has
its tokens at (p, p + row, p + column), a video at (p + floor(s · its place in time), …). After it the text goes on.
    s = 1                                          Qwen2-VL: time counts frames (two of the video are one)
    s = tokens per second · seconds between two    Qwen2.5-VL: time is time, at any frame rate
Wang et al. 2024, Qwen2-VL, arXiv:2409.12191, section 2.1; Bai et al. 2025, Qwen2.5-VL, arXiv:2502.13923, section 2.1.3.
Read first: axial.py, native.py.  Chapters 17 and 18.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from course_lib.foundations.checks import check_tensor
from course_lib.foundations.native import Grid, check_grid

Resume = Callable[[int, Int[Tensor, "3 n"]], int]  # where an image began, its positions -> where the text goes on


def after_largest(start: int, taken: Int[Tensor, "3 n"]) -> int:
    """The largest number so far, and 1: the papers' rule ("incrementing the maximum position ID of the preceding
    modality by one"), and transformers 4.57.6. No two tokens share a place."""
    return int(taken.max()) + 1


def after_sides(start: int, taken: Int[Tensor, "3 n"]) -> int:
    """The start and the longer of height and width: transformers 5.23.0. The same, but for videos that last longer than
    their sides are long: the text after those goes back in time."""
    return int(taken[1:].max()) + 1


def times(n: int, step: float) -> list[int]:
    """floor(step · i) for i = 0 … n - 1, in whole fractions, so that 49 · (4/49) is 4 and not 3.999….

    transformers 4.57.6 cuts the seconds between two frames to a whole number before it multiplies: from 4 frames a
    second on, 0.5 s is 0, and all frames of a video stand at one time. 5.23.0 multiplies first, as the paper does
    (transformers#48669, 2026-09).
    """
    exact = Fraction(step).limit_denominator(10**6)
    return [int(i * exact) for i in range(n)]


def vision_positions(start: int, grid: Grid, step: float = 1, merge: int = 2) -> Int[Tensor, "3 n"]:
    """(t, h, w) of the tokens of one image or video, in their order: frame by frame, row by row."""
    check_grid(grid, merge)
    axes = torch.tensor(times(grid.t, step)), torch.arange(grid.h // merge), torch.arange(grid.w // merge)
    return start + torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)


def position_ids(
    ids: Int[Tensor, "B T"],
    grids: Sequence[Grid] = (),
    tokens: Sequence[int] = (),
    steps: Sequence[float] | None = None,
    *,
    is_token: Bool[Tensor, "B T"] | None = None,
    merge: int = 2,
    resume: Resume = after_largest,
) -> Int[Tensor, "3 B T"]:
    """Time, height and width of every token.

    grids: of images and videos in reading order, text after text. tokens: the id that stands for each of them, once for
    each of its t h w / M² tokens; any other id is text. steps: s of each; 1 unless given. is_token: False on padding,
    which stands at 0.
    Raises ValueError where a run of such ids is not that of the next image or video, or some are left over.
    """
    check_tensor("ids", ids)
    steps = [1] * len(grids) if steps is None else steps
    if not len(grids) == len(tokens) == len(steps):
        raise ValueError(
            f"{len(tokens)} tokens and {len(steps)} steps for {len(grids)} images and videos; give one each"
        )
    found, seen = torch.zeros(3, *ids.shape, dtype=torch.long), 0
    for b, row in enumerate(ids.cpu()):
        told = torch.ones_like(row, dtype=torch.bool) if is_token is None else is_token[b].cpu()
        row, parts, i, start = row[told].tolist(), [], 0, 0
        while i < len(row):
            if row[i] not in tokens:
                run = next((j for j, token in enumerate(row[i:]) if token in tokens), len(row) - i)
                part, following = (start + torch.arange(run)).expand(3, -1), start + run
            else:
                check_run(row[i:], b, seen, grids, tokens, merge)
                part = vision_positions(start, grids[seen], steps[seen], merge)
                following, seen = resume(start, part), seen + 1
            parts.append(part)
            i, start = i + part.shape[1], following
        if parts:
            found[:, b, told] = torch.cat(parts, dim=1)
    if seen < len(grids):
        raise ValueError(
            f"the texts hold {seen} images and videos, and {len(grids)} are given; put in the others' tokens"
        )
    return found.to(ids.device)


def check_run(row: list[int], text: int, number: int, grids: Sequence[Grid], tokens: Sequence[int], merge: int) -> None:
    """Raise ValueError unless the row begins with all tokens of image or video `number`, and there is such a one."""
    if number >= len(grids):
        raise ValueError(
            f"text {text} holds more than the {len(grids)} images and videos that are given; give the missing one, or "
            f"take its tokens (id {row[0]}) out"
        )
    token, wanted = tokens[number], grids[number].n_tokens(merge)
    if row[0] != token:
        raise ValueError(
            f"text {text} has token {row[0]} where number {number} of the images and videos has {token}; give them in "
            "the order of the text"
        )
    run = next((j for j, other in enumerate(row) if other != token), len(row))
    if run < wanted:
        raise ValueError(
            f"text {text} has token {token} {run} times in a row, and number {number} of the images and videos, grid "
            f"{tuple(grids[number])}, is {wanted} tokens; write {wanted}, and cut no text inside of them"
        )
