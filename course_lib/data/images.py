"""From any picture to what a released model expects: one size, three colours, numbers around 0.

B pictures · H, W pixels of a picture · S side of what comes out
ViT and SigLIP stretch a picture to S×S. CLIP keeps its shape: the shorter side becomes S, of the longer one the middle
stays. Then (p/255 - mean) / std for each colour.
Sources: preprocessor_config.json of google/vit-base-patch16-224, openai/clip-vit-base-patch32 and
google/siglip-base-patch16-224.  Chapters 10 and 11.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from course_lib.foundations.checks import check_count

Picture = Image.Image | np.ndarray | Tensor

MOST_LONG = 1000  # resized whole before the crop, at 224 that is 150 MB
HALVES = (0.5, 0.5, 0.5)  # grey levels 0 … 255 become -1 … 1
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of the colours in CLIP's training data
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Preprocessing:
    """What is done to a picture before the model sees it; another size: dataclasses.replace(CLIP, size=336).

    size: side of the square that comes out, in pixels.
    crop: the middle of the picture, in its own shape; otherwise all of it, stretched.
    """

    size: int = 224
    crop: bool = False
    filter: Image.Resampling = Image.Resampling.BICUBIC
    mean: tuple[float, float, float] = HALVES
    std: tuple[float, float, float] = HALVES

    def __post_init__(self):
        check_count("size", self.size, 1)

    def __call__(self, pictures: Picture | Sequence[Picture]) -> Float[Tensor, "B 3 S S"]:
        """One picture or several, of any sizes: see `rgb` for what a picture may be, and what is refused."""
        if isinstance(pictures, Image.Image) or (hasattr(pictures, "ndim") and pictures.ndim < 4):
            pictures = [pictures]
        if not len(pictures):
            raise ValueError("there are 0 pictures; give at least one")
        levels = torch.from_numpy(np.stack([self.levels(picture) for picture in pictures])).permute(0, 3, 1, 2)
        mean, std = (torch.tensor(each)[:, None, None] for each in (self.mean, self.std))
        return ((levels / 255 - mean) / std).contiguous()

    def levels(self, picture: Picture) -> UInt8[np.ndarray, "S S 3"]:
        """The picture in its size, in grey levels, as one would look at it.

        Pillow's filters widen with the reduction, so nothing flickers (antialias).
        Raises ValueError for what is to be cropped and more than MOST_LONG times as long as wide.
        """
        image = rgb(picture)
        if not self.crop:
            return np.asarray(image.resize((self.size, self.size), self.filter))
        W, H = kept_shape(*image.size, self.size)
        left, top = (W - self.size) // 2, (H - self.size) // 2  # openai/CLIP, by torchvision, rounds halves to even
        image = image.resize((W, H), self.filter)
        return np.asarray(image.crop((left, top, left + self.size, top + self.size)))


VIT = Preprocessing(filter=Image.Resampling.BILINEAR)
CLIP = Preprocessing(crop=True, mean=CLIP_MEAN, std=CLIP_STD)
SIGLIP = Preprocessing()


def kept_shape(W: int, H: int, size: int) -> tuple[int, int]:
    """(W, H) with the shorter side at `size`; the longer one is cut to a whole number, and not rounded."""
    short, long = sorted((W, H))
    if long > MOST_LONG * short:
        raise ValueError(f"the picture, {W}×{H}, is over {MOST_LONG} times as long as wide; cut out what matters first")
    return int(size * W / short), int(size * H / short)


def rgb(picture: Picture) -> Image.Image:
    """A picture in three colours; what is transparent lies on white (transformers before 5 dropped the transparency).

    picture: of Pillow, any mode with 8 bits a colour, taken as it lies in the file (EXIF may say how to turn it); or an
    array [H W], [H W 1], [H W 3] or [H W 4] with grey levels 0 … 255 in whole numbers or 0 … 1 in fractions.
    Raises TypeError for something else, ValueError for 0 pixels, other dimensions, NaN and numbers outside these.
    """
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(levels_of(picture))
    if 0 in image.size:
        raise ValueError(f"the picture has {image.width}×{image.height} pixels; at least 1×1 is needed")
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"the picture has mode {image.mode!r}, more than 8 bits a colour; give an array from 0 to 1")
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("RGB")


def levels_of(picture: np.ndarray | Tensor) -> UInt8[np.ndarray, "H W *channels"]:
    """Grey levels 0 … 255 of an array as `rgb` describes it, in a form that Pillow takes."""
    if isinstance(picture, Tensor):
        picture = (picture.float() if picture.is_floating_point() else picture).numpy(force=True)
    if not isinstance(picture, np.ndarray):
        raise TypeError(f"the picture is of type {type(picture).__name__}; a Pillow image or an array is needed")
    if picture.ndim == 3 and picture.shape[-1] == 1:
        picture = picture[..., 0]
    if picture.ndim != 2 and (picture.ndim != 3 or picture.shape[-1] not in (3, 4)):
        mend = "; put the colours last: x.transpose(1, 2, 0)" if len(picture) in (1, 3, 4) and picture.ndim == 3 else ""
        raise ValueError(f"the picture has shape {picture.shape}; [H W] or [H W colours], 1, 3 or 4, is needed{mend}")
    if not picture.size:
        raise ValueError(f"the picture has {picture.shape[1]}×{picture.shape[0]} pixels; at least 1×1 is needed")
    if picture.dtype.kind not in "uif":
        raise TypeError(f"the picture holds {picture.dtype}; give whole numbers 0 … 255 or fractions 0 … 1")
    fractions = picture.dtype.kind == "f"
    strange = picture.size - int(np.isfinite(picture).sum())
    if strange:
        raise ValueError(f"{strange} of {picture.size} numbers of the picture are NaN or infinite; mend them first")
    low, high, most = picture.min(), picture.max(), 1 if fractions else 255
    if low < 0 or high > most:
        mend = "; for grey levels write x.astype(np.uint8)" if fractions and low >= 0 and high <= 255 else ""
        raise ValueError(f"the picture holds {picture.dtype} from {low:g} to {high:g}; 0 … {most} is needed{mend}")
    return (np.rint(picture * 255.0) if fractions else picture).astype(np.uint8, order="C")
