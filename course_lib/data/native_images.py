"""From any picture or video to patches at its own resolution, as Qwen2-VL and Qwen2.5-VL read them.

H, W pixels of a picture · N patches · K = C F P² numbers of one
Sources: preprocessor_config.json of Qwen/Qwen2-VL-7B-Instruct (3,136 to 12,845,056 pixels, CLIP's colours); for videos
qwen-vl-utils (2 frames a second, 128 to 768 tokens of 28 × 28 pixels a frame).  Chapters 17 and 18.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from course_lib.data.images import CLIP_MEAN, CLIP_STD, Picture, rgb
from course_lib.foundations.native import Seen, check_fps, native_size, patchify_frames


@dataclass(frozen=True)
class NativePreprocessing:
    """patch: side in pixels. merge: patches along a token. n_frames: of one patch. What each size becomes: native_size.

    Smaller models, fewer pixels: dataclasses.replace(NATIVE, patch=4, min_pixels=64, max_pixels=4096).
    """

    patch: int = 14
    merge: int = 2
    n_frames: int = 2
    min_pixels: int = 56 * 56
    max_pixels: int = 12_845_056
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD

    def __call__(self, picture: Picture) -> Seen:
        """A picture: n_frames equal frames. See images.rgb for what a picture may be, and what is refused.

        Raises ValueError for a picture over 200 times as long as wide.
        """
        return self.seen([rgb(picture)], None)

    def video(self, frames: Sequence[Picture], fps: float) -> Seen:
        """Frames that follow one another at fps a second. One, or an odd one at the end, is repeated.

        Raises ValueError for no frame, frames of several sizes, and 0 frames a second.
        """
        check_fps(fps)
        if not len(frames):
            raise ValueError("the video has 0 frames; give at least one")
        images = [rgb(frame) for frame in frames]
        sizes = sorted({image.size[::-1] for image in images})
        if len(sizes) > 1:
            raise ValueError(
                f"the frames of a video have one size; these have {sizes} (height, width): resize them first"
            )
        return self.seen(images, fps)

    def seen(self, images: Sequence[Image.Image], fps: float | None) -> Seen:
        W, H = images[0].size
        limits = dict(min_pixels=self.min_pixels, max_pixels=self.max_pixels)
        height, width = native_size(H, W, factor=self.patch * self.merge, **limits)
        frames = torch.stack([self.normal(image.resize((width, height), Image.Resampling.BICUBIC)) for image in images])
        patches, grid = patchify_frames(frames, self.patch, merge=self.merge, n_frames=self.n_frames)
        return Seen(patches, grid, fps)

    def normal(self, image: Image.Image) -> Float[Tensor, "3 H W"]:
        levels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)
        mean, std = (torch.tensor(each)[:, None, None] for each in (self.mean, self.std))
        return (levels / 255 - mean) / std


NATIVE = NativePreprocessing()
NATIVE_VIDEO = NativePreprocessing(min_pixels=128 * 28 * 28, max_pixels=768 * 28 * 28)
