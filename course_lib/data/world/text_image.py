"""Short text drawn into images: what an OCR question asks about.

The bitmap font of font.py at any height, with the exact share of each pixel that the ink covers (a box filter).
"""

import numpy as np
from jaxtyping import Float, UInt8

from course_lib.data.world.dice import Dice
from course_lib.data.world.font import ASCENT, DESCENT, GLYPHS, WIDTH

# without look-alikes such as 0/O, 1/l/I, 5/S
READABLE = "2346789ABCDEFGHJKLMNPQRTUVWXYZ"


def bitmap(text: str) -> Float[np.ndarray, "rows columns"]:
    """Ink (1) and paper (0), one dot between letters. Raises ValueError on a character that the font lacks."""
    missing = sorted(set(text) - set(GLYPHS))
    if missing:
        raise ValueError(f"the bitmap font has no {' '.join(map(repr, missing))}; it has {''.join(GLYPHS)!r}")
    if not text:
        raise ValueError("no text to draw")
    rows = [".".join(GLYPHS[character][row] for character in text) for row in range(ASCENT + DESCENT)]
    return np.array([[dot == "#" for dot in row] for row in rows], dtype=np.float64)


def text_size(text: str, height: float) -> tuple[float, float]:
    """Width and height in pixels of the whole line when a capital letter is `height` pixels tall."""
    dot = height / ASCENT
    return dot * (len(text) * (WIDTH + 1) - 1), dot * (ASCENT + DESCENT)


def _overlap(n_pixels: int, n_dots: int, start: float, dot: float) -> Float[np.ndarray, "n_pixels n_dots"]:
    """Share of each pixel that each dot covers along one axis; dot k spans start + k·dot … start + (k+1)·dot."""
    pixel = np.arange(n_pixels)[:, None]
    left = start + dot * np.arange(n_dots)[None]
    return np.clip(np.minimum(left + dot, pixel + 1) - np.maximum(left, pixel), 0, 1)


def text_mask(
    text: str, x: float, y: float, height: float, canvas_height: int, canvas_width: int
) -> Float[np.ndarray, "canvas_height canvas_width"]:
    """Ink per pixel in [0, 1]; (x, y) is the middle of the line, `height` that of a capital, in pixels."""
    dots = bitmap(text)
    wide, tall = text_size(text, height)
    dot = height / ASCENT
    down = _overlap(canvas_height, len(dots), y - tall / 2, dot)
    along = _overlap(canvas_width, dots.shape[1], x - wide / 2, dot)
    return down @ dots @ along.T


def draw_text(
    image: UInt8[np.ndarray, "H W 3"], text: str, x: float, y: float, height: float, colour: tuple[int, int, int]
) -> UInt8[np.ndarray, "H W 3"]:
    """A copy of the image with the text centred on (x, y), capitals `height` pixels tall."""
    ink = text_mask(text, x, y, height, *image.shape[:2])[..., None]
    return np.floor(image * (1 - ink) + np.array(colour) * ink + 0.5).astype(np.uint8)


def random_text(seed: int, index: int = 0, *, n_characters: int = 4, alphabet: str = READABLE) -> str:
    """Text number `index` of world `seed`, each character drawn alike."""
    dice = Dice(seed, "text", index)
    return "".join(dice.choice(alphabet) for _ in range(n_characters))
