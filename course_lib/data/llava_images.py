"""From any picture to what LLaVA-1.5 and LLaVA-NeXT expect, as their released processors make it with Pillow.

V views · S side of a view
    LLAVA(picture)           the middle of the picture, S = 336: `llava-hf/llava-1.5-7b-hf`
    LLAVA(square(picture))   all of it, padded to a square first, as LLaVA-1.5 was trained and is evaluated
    tiled(picture)           NeXT: all of it, small, and in tiles; what is empty is black
Read first: images.py, foundations/tiles.py.  Chapter 15.
"""

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from course_lib.data.images import CLIP, CLIP_MEAN, Picture, Preprocessing, rgb
from course_lib.foundations.tiles import Grid, tiling_of
from course_lib.models.llava_next import NEXT_GRIDS, Tiled

LLAVA = replace(CLIP, size=336)
GREY = tuple(int(255 * mean) for mean in CLIP_MEAN)  # (122, 116, 104): after the normalisation as good as 0


def square(picture: Picture) -> Image.Image:
    """The picture in the middle of a square of GREY; the smaller half of an odd border stands above, or on the left."""
    image = rgb(picture)
    side = max(image.size)
    padded = Image.new("RGB", (side, side), GREY)
    padded.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return padded


def tiled(picture: Picture, preprocessing: Preprocessing = LLAVA, grids: Sequence[Grid] = NEXT_GRIDS) -> Tiled:
    """The picture squeezed into one view, and the tiles of the best grid, row by row.

    Raises what `rgb` and `tiling_of` raise: for 0 pixels, and for a picture so long that nothing of it is left.
    """
    image, side = rgb(picture), preprocessing.size
    tiling = tiling_of(image.height, image.width, side, grids)
    (H, W), (top, left), (height, width) = tiling.canvas, tiling.corner, tiling.resized
    canvas = Image.new("RGB", (W, H))
    canvas.paste(image.resize((width, height), preprocessing.filter), (left, top))
    corners = [(x, y) for y in range(0, H, side) for x in range(0, W, side)]
    tiles = [canvas.crop((x, y, x + side, y + side)) for x, y in corners]
    return Tiled(preprocessing([image.resize((side, side), preprocessing.filter), *tiles]), tiling)
