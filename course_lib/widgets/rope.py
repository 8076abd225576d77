"""The course's picture: RoPE as clocks, one a frequency.

The reader's browser computes it (js/rope_rotation.js); tests/widgets/test_rope.py holds that equal to foundations.rope.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import traitlets

from course_lib.foundations.rope import angles, frequencies, rotate_interleaved
from course_lib.widgets.figure import CourseWidget, source
from course_lib.widgets.rope_figure import plot_rotation
from course_lib.widgets.style import COLORS, to_png, use_style

MAX_D_HEAD = 16
MAX_POSITION = 32


class RopeRotation(CourseWidget):
    """q and k as arrows on one plane a frequency. See `rope_rotation`."""

    module = "rope_rotation"
    _esm = source("rope_rotation")

    q = traitlets.List().tag(sync=True)  # before rotation, interleaved pairs
    k = traitlets.List().tag(sync=True)
    freqs = traitlets.List().tag(sync=True)  # radians per position, fastest first
    m = traitlets.Float().tag(sync=True)  # positions at the start
    n = traitlets.Float().tag(sync=True)
    max_position = traitlets.Int(MAX_POSITION).tag(sync=True)
    colors = traitlets.Dict().tag(sync=True)


def rope_rotation(
    d_head: int = 8,
    base: float = 10000.0,
    q: Sequence[float] | None = None,
    k: Sequence[float] | None = None,
    *,
    m: float = 3,
    n: float = 9,
    name: str = "03-rope-rotation",
) -> RopeRotation:
    """q at position m and k at position n, turned on each plane; the score rests while n - m is kept.

    d_head: even, at most 16; base: of the frequencies; q, k: d_head numbers each before rotation (default: vectors that
    show well); m, n: positions at the start, 0 … 32.
    Raises ValueError for an odd or too large d_head, q or k of another length or all zeros, positions out of range.
    """
    freqs = frequencies(d_head, base)
    if d_head > MAX_D_HEAD:
        raise ValueError(f"d_head ({d_head}) is more than {MAX_D_HEAD}: {d_head // 2} planes do not fit a page")
    for label, position in (("m", m), ("n", n)):
        if not 0 <= position <= MAX_POSITION:
            raise ValueError(f"{label} ({position}) must lie between 0 and {MAX_POSITION}")
    given = {
        "q": _default(d_head, first_angle=0.5, step=1.1) if q is None else q,
        "k": _default(d_head, first_angle=0.1, step=0.6) if k is None else k,
    }
    vectors = {}
    for label, vector in given.items():
        try:
            vectors[label] = [float(number) for number in vector]
        except (TypeError, ValueError):
            vectors[label] = []
        if len(vectors[label]) != d_head or not any(vectors[label]) or not all(map(math.isfinite, vectors[label])):
            raise ValueError(f"{label} must be {d_head} numbers, finite and not all 0; got {vector!r}")
    turned = {
        label: rotate_interleaved(torch.tensor(vectors[label], dtype=torch.float64), angles(torch.tensor(at), freqs))
        for label, at in (("q", m), ("k", n))
    }
    score = float(turned["q"] @ turned["k"])
    state: dict[str, Any] = {**vectors, "freqs": freqs.tolist(), "m": m, "n": n, "max_position": MAX_POSITION}
    use_style()
    return RopeRotation(
        first_frame=to_png(plot_rotation(vectors["q"], vectors["k"], freqs.numpy(), m, n, MAX_POSITION), dpi=100),
        alt=(
            f"{d_head // 2} 个平面上的 q 和 k：q 在位置 m = {m:g}，k 在位置 n = {n:g}，各按自己的频率转过；"
            f"分数 {score:.4f} 只由 n − m = {n - m:g} 决定，下方曲线是每个距离的分数"
        ),
        name=name,
        colors={key: COLORS[key] for key in ("Q", "K", "ink", "grid", "resampler")},
        **state,
    )


def _default(d_head: int, first_angle: float, step: float) -> list[float]:
    """A vector whose pairs all point elsewhere and shorten a little from plane to plane."""
    pairs = ((first_angle + step * i, 1 - 0.35 * i / (d_head // 2)) for i in range(d_head // 2))
    return [length * part(angle) for angle, length in pairs for part in (math.cos, math.sin)]
