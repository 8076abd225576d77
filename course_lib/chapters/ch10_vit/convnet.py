"""The rival: a small convolutional net, with what a ViT has to learn built in.

B batch · C channels · H height · W width · K classes
Three times: a 3×3 window that slides over the whole picture (the same weights everywhere), GroupNorm, ReLU, and every
second row and column left out. Then the mean over all places, and a linear layer.
Read first: models/vit.py.  Chapter 10.
"""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from course_lib.foundations.checks import check_counts


class ConvNet(nn.Module):
    """images [B C H W] -> logits [B K], for pictures of any size. width: channels of the first layer, doubled twice."""

    def __init__(self, channels: int, n_classes: int, width: int = 24):
        super().__init__()
        check_counts(1, channels=channels, n_classes=n_classes)
        widths = [channels, width, 2 * width, 4 * width]
        layers: list[nn.Module] = []
        for inside, outside in pairwise(widths):
            layers += [nn.Conv2d(inside, outside, 3, stride=2, padding=1), nn.GroupNorm(4, outside), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], n_classes)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        return self.head(self.layers(images).mean(dim=(2, 3)))
