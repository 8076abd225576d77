"""Real inputs that need no download: two photographs and 1,797 handwritten digits, installed with scikit-learn.

Photographs: CC BY 2.0, named in scikit-learn's own notice (CREDITS). Digits: UCI Optical Recognition of Handwritten
Digits, test part (Alpaydin and Kaynak 1998), CC BY 4.0. scikit-learn is imported on first use.
"""

from functools import cache

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

PHOTOGRAPHS = ("china", "flower")
CREDITS = {
    "china": "flickr.com/photos/danielbuechele/6061409035, CC BY 2.0",
    "flower": "flickr.com/photos/vultilion/6056698931, CC BY 2.0",
}


@cache
def _photograph(name: str) -> UInt8[np.ndarray, "427 640 3"]:
    from sklearn.datasets import load_sample_image

    return load_sample_image(f"{name}.jpg")


def photograph(name: str, *, width: int | None = None, height: int | None = None) -> UInt8[np.ndarray, "H W 3"]:
    """A temple roof ("china") or a dahlia ("flower"), 640×427 pixels, or resized by area to width × height.

    With one side given the other follows, so that the picture is not stretched. Raises ValueError for another name or
    a side below 1.
    """
    if name not in PHOTOGRAPHS:
        raise ValueError(f"unknown photograph {name!r}; there are {', '.join(PHOTOGRAPHS)}")
    picture = _photograph(name)
    H, W = picture.shape[:2]
    if width is None and height is None:
        return picture.copy()
    width = width if width is not None else round(W * height / H)
    height = height if height is not None else round(H * width / W)
    if width < 1 or height < 1:
        raise ValueError(f"cannot resize to {width}×{height}; both sides must be at least 1")
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


@cache
def _digits() -> tuple[UInt8[np.ndarray, "1797 8 8"], Int[np.ndarray, "1797"]]:
    from sklearn.datasets import load_digits

    found = load_digits()
    return np.minimum(found.images * 16, 255).astype(np.uint8), found.target.astype(np.int64)


def digits() -> tuple[UInt8[np.ndarray, "1797 8 8"], Int[np.ndarray, "1797"]]:
    """(pictures of 8×8 grey levels 0 … 255, the digit each shows)."""
    pictures, labels = _digits()
    return pictures.copy(), labels.copy()
