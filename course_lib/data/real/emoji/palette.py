"""Few colours for many pictures with opacity: k-means (Lloyd 1982) on what a colour looks like on white and on black.

All sums are of whole numbers below 2**53, so they are exact and come out the same on every machine.
"""

import numpy as np
from jaxtyping import Float64, UInt8

AT_ONCE = 1 << 14  # colours compared with all centres in one product


def quantize(
    pictures: UInt8[np.ndarray, "*P 4"], n: int = 256, rounds: int = 20
) -> tuple[UInt8[np.ndarray, "*P"], UInt8[np.ndarray, "colours 4"]]:
    """(the number of a colour for each pixel, at most n colours of red, green, blue and straight opacity)."""
    packed, where, count = np.unique(
        np.ascontiguousarray(pictures).view(np.uint32), return_inverse=True, return_counts=True
    )
    look = seen(packed[:, None].view(np.uint8))
    centres = spread(look, count, min(n, len(look)))
    for _ in range(rounds):
        near = nearest_centre(look, centres)
        weight = np.bincount(near, count, len(centres))
        sums = np.stack([np.bincount(near, count * axis, len(centres)) for axis in look.T], 1)
        moved = np.floor(sums / np.maximum(weight, 1)[:, None] + 0.5)
        moved = np.where(weight[:, None] > 0, moved, centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    colours = unseen(centres)
    order = np.lexsort(colours.T)
    place = np.argsort(order).astype(np.uint8)
    return place[nearest_centre(look, centres)][where].reshape(pictures.shape[:-1]), colours[order]


def seen(colours: UInt8[np.ndarray, "C 4"]) -> Float64[np.ndarray, "C 6"]:
    """Red, green, blue on white, then on black: whole numbers."""
    alpha = colours[:, 3:].astype(np.int64)
    on_black = (colours[:, :3] * alpha + 127) // 255
    return np.concatenate([on_black + 255 - alpha, on_black], 1).astype(np.float64)


def unseen(look: Float64[np.ndarray, "C 6"]) -> UInt8[np.ndarray, "C 4"]:
    """The colour with straight opacity that looks so, as nearly as one can."""
    on_white, on_black = look[:, :3], look[:, 3:]
    alpha = np.clip(255 - np.floor((on_white - on_black).sum(1) / 3 + 0.5), 0, 255)[:, None]
    levels = np.floor(on_black * 255 / np.maximum(alpha, 1) + 0.5)
    return np.concatenate([np.clip(levels, 0, 255), alpha], 1).astype(np.uint8)


def spread(look: Float64[np.ndarray, "C 6"], count: np.ndarray, n: int) -> Float64[np.ndarray, "n 6"]:
    """The commonest colour, then again and again the one whose pixels are worst served by those chosen."""
    chosen = [look[count.argmax()]]
    distance = np.full(len(look), np.inf)
    for _ in range(n - 1):
        distance = np.minimum(distance, np.square(look - chosen[-1]).sum(1))
        chosen.append(look[(distance * count).argmax()])
    return np.array(chosen)


def nearest_centre(look: Float64[np.ndarray, "C 6"], centres: Float64[np.ndarray, "n 6"]) -> np.ndarray:
    """The number of the centre at the least distance from each colour, the first of equals."""
    size = np.square(centres).sum(1)
    parts = (look[i : i + AT_ONCE] for i in range(0, len(look), AT_ONCE))
    return np.concatenate([(size - 2 * part @ centres.T).argmin(1) for part in parts])
