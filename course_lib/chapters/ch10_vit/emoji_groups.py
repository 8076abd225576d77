"""Emoji in eight groups, for a ViT and a convolutional net of the same size: two hands to learn from, a third unseen.

2,786 pictures of 32×32 to train on, 1,393 by the unseen hand; the largest group is 19 % of them.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.chapters.ch10_vit.convnet import ConvNet
from course_lib.data.real.emoji.drawings import GROUPS, SIZE, emoji
from course_lib.data.real.emoji.splits import other_hands
from course_lib.models.vit import ViT, ViTConfig
from course_lib.training.loop import train

UNSEEN, BATCH, PEAK_LR = "twemoji", 64, 2e-3


@cache
def drawn_by(*hands: str) -> tuple[Float[Tensor, "n 3 32 32"], Int[Tensor, " n"]]:
    """(pictures on white, -1 … 1; the group of each as its place in GROUPS), hand after hand."""
    pictures = torch.from_numpy(np.concatenate([emoji().pictures(hand) for hand in hands]))
    return pictures.permute(0, 3, 1, 2) / 127.5 - 1, torch.from_numpy(emoji().labels).repeat(len(hands))


def vit() -> ViT:
    """114,120 parameters."""
    return ViT(ViTConfig(height=SIZE, width=SIZE, patch=8, n_classes=len(GROUPS)))


def convnet() -> ConvNet:
    """119,528 parameters."""
    return ConvNet(3, len(GROUPS), 36)


def taught(build: Callable[[], nn.Module], share: float, *, seed: int, steps: int) -> nn.Module:
    """Trained on so large a share of the pictures of the two hands, by lot, in eval mode."""
    images, groups = drawn_by(*other_hands(UNSEEN))
    chance = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(images), generator=chance)[: round(share * len(images))]
    torch.manual_seed(seed)
    model = build()
    batches = (rows[torch.randint(len(rows), (BATCH,), generator=chance)] for _ in range(steps))

    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        return cross_entropy(model(images[batch]), groups[batch])

    train(model, batches, steps=steps, lr=PEAK_LR, loss=loss, history=[])
    return model.eval()


@torch.no_grad()
def accuracy(model: nn.Module) -> float:
    """Share of the unseen hand's 1,393 drawings that it puts in the right group."""
    images, groups = drawn_by(UNSEEN)
    return (model(images).argmax(-1) == groups).float().mean().item()
