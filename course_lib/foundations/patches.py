"""Images as sequences: a grid of patches, each a row of numbers (Dosovitskiy et al. 2020, arXiv:2010.11929, 3.1).

B batch · C channels · H height · W width · P side of a patch · N patches = (H / P)(W / P) · D width
Patches go row by row from the upper left; the numbers of one lie as [C P P], as in a convolution's weight. So the
linear layer on them is a convolution of stride P with its weight laid flat.
Read first: embedding.py.  Chapter 10.
"""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.foundations.checks import check_counts, check_floating


def patchify(images: Float[Tensor, "B C H W"], patch: int) -> Float[Tensor, "B N CPP"]:
    """Cut into N = (H / P)(W / P) patches of C P² numbers each.

    Raises TypeError for whole numbers, ValueError unless the patch divides height and width.
    """
    check_floating("images", images)
    if images.ndim != 4:
        raise ValueError(f"images {tuple(images.shape)} must be [B C H W]; for one image alone write images[None]")
    grid_of(images.shape[2], images.shape[3], patch)
    return rearrange(images, "B C (h P) (w Q) -> B (h w) (C P Q)", P=patch, Q=patch)


def unpatchify(patches: Float[Tensor, "B N CPP"], patch: int, height: int, width: int) -> Float[Tensor, "B C H W"]:
    """The inverse of patchify. Raises ValueError unless there are as many patches as the image has."""
    h, w = grid_of(height, width, patch)
    if patches.ndim != 3 or patches.shape[1] != h * w or patches.shape[2] % patch**2:
        raise ValueError(
            f"patches {tuple(patches.shape)} must be [B N C·P²] with N = {h}·{w} = {h * w} and P² = {patch**2}"
        )
    return rearrange(patches, "B (h w) (C P Q) -> B C (h P) (w Q)", h=h, P=patch, Q=patch)


def grid_of(height: int, width: int, patch: int) -> tuple[int, int]:
    """(rows, columns) of patches. Raises ValueError, with sizes that fit, unless patch divides both sides."""
    check_counts(1, height=height, width=width, patch=patch)
    if height % patch or width % patch:
        nearest = "×".join(str(max(patch, round(side / patch) * patch)) for side in (height, width))
        raise ValueError(f"a patch of {patch} does not divide {height}×{width}; resize the image, to {nearest} perhaps")
    return height // patch, width // patch


class PatchEmbedding(nn.Module):
    """patchify, then one linear layer: C P² D weights, and D biases."""

    def __init__(self, patch: int, d_model: int, *, channels: int = 3, bias: bool = True):
        super().__init__()
        check_counts(1, patch=patch, d_model=d_model, channels=channels)
        self.patch, self.channels = patch, channels
        self.project = nn.Linear(channels * patch**2, d_model, bias=bias)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N D"]:
        """Raises what patchify raises, and ValueError for another number of channels."""
        check_channels(images, self.channels)
        return self.project(patchify(images, self.patch))


def check_channels(images: object, channels: int) -> None:
    """Raise TypeError for what is no float tensor, ValueError unless it is [B C H W] with so many channels."""
    check_floating("images", images)
    shape = tuple(images.shape)
    if images.ndim != 4:
        raise ValueError(f"images {shape} must be [B C H W]; for one image alone write images[None]")
    if shape[1] != channels:
        mend = "for a grey image write images.expand(-1, 3, -1, -1), for RGBA images[:, :3]"
        if shape[3] == channels:
            mend = "put the colours first: images.permute(0, 3, 1, 2)"
        raise ValueError(f"images {shape} have {shape[1]} channels, the model reads {channels}; {mend}")


def check_size(images: Tensor, channels: int, height: int, width: int) -> None:
    """check_channels, and ValueError unless the images are as large as the model's positions expect."""
    check_channels(images, channels)
    if images.shape[2:] != (height, width):
        found = "×".join(map(str, images.shape[2:]))
        raise ValueError(f"images are {found} pixels, the model has positions for {height}×{width}; resize")
