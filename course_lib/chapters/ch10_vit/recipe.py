"""A small ViT that reads handwritten digits, those too that a reader draws in the page."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from course_lib.chapters.ch10_vit import learning
from course_lib.models.vit import ViT, ViTConfig
from course_lib.training.engine import Settings
from course_lib.zoo.core import Recipe

BATCH = 64
MOST = (0.3, 0.15, 0.15, 0.8, 0.8)  # radians, shares of width and height, pixels to the right and down
SPLIT = 1  # chapter 10's own: its held-out digits train nothing


def build_digits() -> ViT:
    return ViT(ViTConfig(height=8, width=8, patch=2, channels=1, n_classes=10))


def distorted_digits(step: int) -> tuple[Float[Tensor, "B 1 8 8"], Int[Tensor, " B"]]:
    """Digits to train on, turned by up to 0.3 rad, up to 15 % wider or narrower, moved by up to 0.8 pixels."""
    images, labels = learning.scans()
    chance = torch.Generator().manual_seed(step)
    rows = learning.split(SPLIT)[1]
    rows = rows[torch.randint(len(rows), (BATCH,), generator=chance)]
    turn, wide, high, right, down = (2 * torch.rand(5, BATCH, generator=chance) - 1) * torch.tensor(MOST)[:, None]
    wide, high = 1 + wide, 1 + high
    across = torch.stack([wide * turn.cos(), -wide * turn.sin(), right / 4], dim=1)  # grids go from -1 to 1: 4 pixels
    along = torch.stack([high * turn.sin(), high * turn.cos(), down / 4], dim=1)
    grid = affine_grid(torch.stack([across, along], dim=1), (BATCH, 1, 8, 8), align_corners=False)
    return 2 * grid_sample((images[rows] + 1) / 2, grid, align_corners=False) - 1, labels[rows]


def digit_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Float[Tensor, ""]:
    images, labels = batch
    return cross_entropy(model(images), labels)


def measure_digits(model: ViT) -> Mapping[str, float]:
    """Share of the held-out digits that it reads right."""
    return {"held-out": learning.accuracy(model, SPLIT)}


RECIPES = [
    Recipe(
        name="vit-digits",
        chapter="10",
        title="读手写数字的 ViT",
        build=build_digits,
        batches=distorted_digits,
        loss=digit_loss,
        measure=measure_digits,
        at_least={"held-out": 0.97},
        settings=Settings(steps=2500, lr=3e-3, weight_decay=0.05),
    ),
]
