"""Boxes (x1, y1, x2, y2): in pixels, in [0, 1000), in pixels of the resized picture; intersection over union.

Read first: scenes.py.  Chapters 16 to 18.
Qwen-VL and Qwen2-VL write boxes as integers in [0, 1000) of each side (arXiv:2308.12966, 2.3); Qwen2.5-VL writes
pixels of the picture after its own resizing (arXiv:2502.13923, 2.1.2).
"""

import math
import re

import numpy as np
from jaxtyping import Float, Int, Real

from course_lib.data.world.render import EXTENT
from course_lib.data.world.scenes import Label, Scene, Shape
from course_lib.data.world.text_image import text_size
from course_lib.foundations.checks import check_text, check_within

Boxes = Real[np.ndarray, "... 4"]


def box_of(item: Shape | Label) -> tuple[float, float, float, float]:
    """The tight box of one shape, or of a label's line of text, in canvas pixels."""
    if isinstance(item, Label):
        wide, tall = text_size(item.text, item.height)
        return item.x - wide / 2, item.y - tall / 2, item.x + wide / 2, item.y + tall / 2
    left, up, right, down = (share * item.radius for share in EXTENT[item.kind])
    return item.x - left, item.y - up, item.x + right, item.y + down


def boxes_of(scene: Scene) -> Float[np.ndarray, "N 4"]:
    """Boxes of all shapes, then of all labels, in painting order."""
    return np.array([box_of(item) for item in (*scene.shapes, *scene.labels)], dtype=np.float64).reshape(-1, 4)


def _fours(boxes: Boxes) -> Boxes:
    """boxes as an array. Raises ValueError unless each is four finite numbers."""
    boxes = np.asarray(boxes)
    if boxes.shape[-1:] != (4,) or not np.isfinite(boxes).all():
        raise ValueError(f"boxes of shape {boxes.shape} must end in 4 finite numbers x1, y1, x2, y2; got {boxes}")
    return boxes


def _sides(width: float, height: float) -> Float[np.ndarray, "4"]:
    if not (width > 0 and height > 0):
        raise ValueError(f"a picture of {width}×{height} has no pixels; both sides must be above 0")
    return np.array([width, height, width, height], dtype=np.float64)


def to_thousand(boxes: Boxes, width: float, height: float) -> Int[np.ndarray, "... 4"]:
    """Pixels → integers 0 … 999: the thousandth of each side that holds the edge; outside is cut off."""
    return np.clip(np.floor(_fours(boxes) / _sides(width, height) * 1000), 0, 999).astype(np.int64)


def from_thousand(boxes: Int[np.ndarray, "... 4"], width: float, height: float) -> Boxes:
    """Integers 0 … 999 → pixels, at the middle of each thousandth: off by at most side / 2000.

    Raises ValueError for a number outside [0, 1000).
    """
    boxes = _fours(boxes)
    check_within("box numbers", boxes, 0, 999)
    return (boxes + 0.5) / 1000 * _sides(width, height)


def resize_boxes(boxes: Boxes, old: tuple[float, float], new: tuple[float, float]) -> Boxes:
    """Pixels of an `old` = (width, height) picture → pixels of the same picture resized to `new`."""
    return _fours(boxes) * (_sides(*new) / _sides(*old))


def smart_resize(
    width: int, height: int, *, multiple: int = 28, min_pixels: int = 56 * 56, max_pixels: int = 14 * 14 * 4 * 1280
) -> tuple[int, int]:
    """(width, height) to which Qwen2-VL and Qwen2.5-VL resize: multiples of 28, area within bounds, aspect nearly kept.

    Rounds each side to the nearest multiple; where the area leaves the bounds, scales both sides by the same factor
    first and rounds down (too large) or up (too small). Raises ValueError for an aspect ratio above 200, like theirs.
    """
    _sides(width, height)
    if max_pixels < min_pixels:
        raise ValueError(f"max_pixels ({max_pixels}) must not be less than min_pixels ({min_pixels})")
    if max(width, height) > 200 * min(width, height):
        raise ValueError(f"aspect ratio of {width}×{height} is above 200; crop or pad the picture first")
    sides = [max(multiple, round(side / multiple) * multiple) for side in (width, height)]
    area = sides[0] * sides[1]
    if area > max_pixels:
        shrink = math.sqrt(width * height / max_pixels)
        sides = [max(multiple, math.floor(side / shrink / multiple) * multiple) for side in (width, height)]
    elif area < min_pixels:
        grow = math.sqrt(min_pixels / (width * height))
        sides = [math.ceil(side * grow / multiple) * multiple for side in (width, height)]
    return sides[0], sides[1]


def area(boxes: Boxes) -> Float[np.ndarray, "..."]:
    """Area; a box whose corners are swapped has none."""
    boxes = _fours(boxes).astype(np.float64)
    return np.asarray(np.maximum(boxes[..., 2] - boxes[..., 0], 0) * np.maximum(boxes[..., 3] - boxes[..., 1], 0))


def iou(a: Boxes, b: Boxes) -> Float[np.ndarray, "..."]:
    """Intersection over union of boxes pair by pair (shapes broadcast), in [0, 1]; 0 where both are empty."""
    a, b = _fours(a).astype(np.float64), _fours(b).astype(np.float64)
    common = np.concatenate([np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])], axis=-1)
    shared = area(common)
    union = area(a) + area(b) - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0.0)


def iou_table(a: Real[np.ndarray, "N 4"], b: Real[np.ndarray, "M 4"]) -> Float[np.ndarray, "N M"]:
    """Every box of a with every box of b."""
    return iou(np.asarray(a)[:, None], np.asarray(b)[None])


def box_text(box: Int[np.ndarray, "4"], name: str | None = None) -> str:
    """Qwen-VL's way of writing: <ref>name</ref><box>(x1,y1),(x2,y2)</box>."""
    x1, y1, x2, y2 = (int(value) for value in _fours(box))
    ref = f"<ref>{name}</ref>" if name else ""
    return f"{ref}<box>({x1},{y1}),({x2},{y2})</box>"


_POINT = r"\(\s*(\d{1,9})\s*,\s*(\d{1,9})\s*\)"
_BOX = re.compile(rf"<box>\s*{_POINT}\s*,\s*{_POINT}\s*</box>")


def parse_boxes(text: str) -> Int[np.ndarray, "N 4"]:
    """All boxes written in a text, in order, of numbers up to nine digits; none gives an array of shape [0, 4]."""
    check_text("text", text)
    return np.array([[int(n) for n in found] for found in _BOX.findall(text)], dtype=np.int64).reshape(-1, 4)
