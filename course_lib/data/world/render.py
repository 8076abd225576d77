"""From scenes to pixels: anti-aliased, vectorised over scenes, the same bytes on every platform.

N scenes · H pixel rows · W pixel columns.  Read first: scenes.py.
Each kind is a function from a pixel's centre, seen from the shape's centre, to the share of the pixel that the shape
covers. Only + − × ÷ and √ are used, which IEEE 754 rounds alike everywhere.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from course_lib.data.world.dice import Dice
from course_lib.data.world.scenes import COLOURS, Scene
from course_lib.data.world.text_image import text_mask
from course_lib.foundations.checks import check_count, check_finite

Array = Float[np.ndarray, "..."]

# half the extent of each kind's bounding box, in radii: left, up, right, down
EXTENT = {
    "circle": (1.0, 1.0, 1.0, 1.0),
    "square": (0.86, 0.86, 0.86, 0.86),
    "triangle": (0.95, 1.0, 0.95, 0.75),
    "cross": (1.0, 1.0, 1.0, 1.0),
    "ring": (1.0, 1.0, 1.0, 1.0),
    "diamond": (1.0, 1.0, 1.0, 1.0),
}


def edge(a: float, b: float, c: Array, x: Array, y: Array) -> Array:
    """Share of a pixel centred on (x, y) that lies on the side a·x + b·y <= c of a straight edge, exactly.

    Sliding the edge over a unit pixel adds up two boxes of widths |a| and |b|: a ramp if one is 0, else parabola,
    line, parabola.
    """
    a_side, b_side = abs(a), abs(b)
    reach, knee = (a_side + b_side) / 2, abs(a_side - b_side) / 2
    t = np.clip(c - (a * x + b * y), -reach, reach)
    if a_side == 0 or b_side == 0:
        return t / (2 * reach) + np.float32(0.5)
    begun = t + reach
    past_first, past_second = np.maximum(t + knee, 0), np.maximum(t - knee, 0)
    return (begun * begun - past_first * past_first - past_second * past_second) / (2 * a_side * b_side)


def circle(x: Array, y: Array, r: Array) -> Array:
    return np.clip(np.float32(0.5) - (np.sqrt(x * x + y * y) - r), 0, 1)


def square(x: Array, y: Array, r: Array) -> Array:
    return edge(1, 0, 0.86 * r, abs(x), y) * edge(0, 1, 0.86 * r, x, abs(y))


def triangle(x: Array, y: Array, r: Array) -> Array:
    """Apex (0, −r), base from (−0.95 r, 0.75 r) to (0.95 r, 0.75 r)."""
    left, right = edge(-1.75, -0.95, 0.95 * r, x, y), edge(1.75, -0.95, 0.95 * r, x, y)
    inside_box = (y > -r - 0.5) & (abs(x) < 0.95 * r + 0.5)  # beyond its tips the sides cross and mean nothing
    return left * right * edge(0, 1, 0.75 * r, x, y) * inside_box


def cross(x: Array, y: Array, r: Array) -> Array:
    x, y = abs(x), abs(y)
    thin_x, thin_y = edge(1, 0, 0.34 * r, x, y), edge(0, 1, 0.34 * r, x, y)
    return edge(1, 0, r, x, y) * thin_y + edge(0, 1, r, x, y) * thin_x - thin_x * thin_y


def ring(x: Array, y: Array, r: Array) -> Array:
    return circle(x, y, r) - circle(x, y, 0.52 * r)


def diamond(x: Array, y: Array, r: Array) -> Array:
    sides = edge(1, 1, r, x, y) * edge(1, -1, r, x, y) * edge(-1, 1, r, x, y) * edge(-1, -1, r, x, y)
    return sides * (np.maximum(abs(x), abs(y)) < r + 0.5)


COVERAGE = {"circle": circle, "square": square, "triangle": triangle, "cross": cross, "ring": ring, "diamond": diamond}


def render_batch(scenes: Sequence[Scene], scale: float = 1.0) -> UInt8[np.ndarray, "N H W 3"]:
    """Pictures of scenes that share one canvas size, `scale` pixels for each pixel of the canvas.

    Later shapes cover earlier ones, labels cover shapes. Raises ValueError for no scene, mixed sizes, or a scale that
    leaves no pixel.
    """
    sizes = {(scene.height, scene.width) for scene in scenes}
    if len(sizes) != 1:
        listed = ", ".join(f"{w}×{h}" for h, w in sorted(sizes)) or "none"
        raise ValueError(f"one batch needs scenes of one size, got {listed}; render the sizes one after another")
    check_finite("scale", scale)
    H, W = (round(side * scale) for side in sizes.pop())
    if H < 1 or W < 1:
        raise ValueError(f"scale {scale} leaves {W}×{H} pixels; both sides must be at least 1")
    n_at_once = max(1, 2**17 // (H * W))  # keeps the work in the processor's cache
    parts = [_render(scenes[i : i + n_at_once], H, W, scale) for i in range(0, len(scenes), n_at_once)]
    return np.concatenate(parts)


def _render(scenes: Sequence[Scene], H: int, W: int, scale: float) -> UInt8[np.ndarray, "N H W 3"]:
    canvas = np.empty((len(scenes), 3, H, W), dtype=np.float32)
    canvas[:] = np.array([scene.background for scene in scenes], dtype=np.float32)[:, None, None, None]
    columns = np.arange(W, dtype=np.float32) + np.float32(0.5)
    rows = (np.arange(H, dtype=np.float32) + np.float32(0.5))[:, None]
    for layer in range(max(len(scene.shapes) for scene in scenes)):
        same_kind = defaultdict(list)
        for n, scene in enumerate(scenes):
            if layer < len(scene.shapes):
                same_kind[scene.shapes[layer].kind].append(n)
        for kind, members in same_kind.items():
            shapes = [scenes[n].shapes[layer] for n in members]
            numbers = np.array([(s.x, s.y, s.radius) for s in shapes]) * scale
            x, y, r = numbers.astype(np.float32).T[:, :, None, None]
            coverage = COVERAGE[kind](columns - x, rows - y, r)[:, None]
            paint = np.array([COLOURS[s.colour] for s in shapes], dtype=np.float32)[:, :, None, None]
            under = canvas[members]
            canvas[members] = under + (paint - under) * coverage
    for n, scene in enumerate(scenes):
        for label in scene.labels:
            ink = text_mask(label.text, label.x * scale, label.y * scale, label.height * scale, H, W)
            paint = np.array(COLOURS[label.colour], dtype=np.float32)[:, None, None]
            canvas[n] += (paint - canvas[n]) * ink.astype(np.float32)
    return np.ascontiguousarray((canvas + np.float32(0.5)).astype(np.uint8).transpose(0, 2, 3, 1))


def render(scene: Scene, scale: float = 1.0) -> UInt8[np.ndarray, "H W 3"]:
    """One scene's picture; see render_batch."""
    return render_batch([scene], scale)[0]


def add_grain(images: UInt8[np.ndarray, "*N H W 3"], seed: int, strength: int = 10) -> UInt8[np.ndarray, "*N H W 3"]:
    """Camera grain: each number shifted by an integer drawn alike from −strength … +strength, cut to 0 … 255."""
    check_count("strength", strength)
    start = Dice(seed, "grain").below(2**31)
    n_words = -(-images.size // 4)
    raw = np.random.PCG64(start).random_raw(n_words).astype("<u8").view("<u2")[: images.size]
    shift = (raw.astype(np.int32) * (2 * strength + 1) >> 16) - strength
    return np.clip(images.astype(np.int32) + shift.reshape(images.shape), 0, 255).astype(np.uint8)


def to_model(images: UInt8[np.ndarray, "N H W 3"]) -> Float[np.ndarray, "N 3 H W"]:
    """Bytes to float32 in [−1, 1], channels first, as the course's image models take them."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(np.float32) / np.float32(127.5) - 1
