"""Real handwritten digits for a ViT and for its rival, the convolutional net: the same pictures, steps and batches.

Digits: 1,797 scans of 8×8 grey levels (data/real/pictures.py). 360 are held out, by lot.
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.chapters.ch10_vit.convnet import ConvNet
from course_lib.data.real.pictures import digits
from course_lib.models.vit import ViT, ViTConfig
from course_lib.training.loop import train

HELD_OUT, BATCH, PEAK_LR = 360, 64, 3e-3


def scans() -> tuple[Float[Tensor, "1797 1 8 8"], Int[Tensor, "1797"]]:
    """(pictures, -1 … 1; the digit of each)."""
    pictures, labels = digits()
    return torch.from_numpy(pictures)[:, None] / 127.5 - 1, torch.from_numpy(labels)


def split(seed: int) -> tuple[Int[Tensor, "360"], Int[Tensor, "1437"]]:
    """Rows (held out, to train on), in an order of their own: the first n are n digits by lot."""
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(seed))
    return order[:HELD_OUT], order[HELD_OUT:]


def vit() -> ViT:
    """60,010 parameters."""
    return ViT(ViTConfig(height=8, width=8, patch=2, channels=1, n_classes=10, d_model=48))


def convnet() -> ConvNet:
    """24,138 parameters."""
    return ConvNet(1, 10, 16)


def taught(
    build: Callable[[], nn.Module],
    n: int,
    *,
    seed: int,
    steps: int,
    progress: Callable[[Iterable], Iterable] = iter,
) -> nn.Module:
    """Trained on the first n digits of split(seed), in eval mode. Raises ValueError unless there are so many."""
    images, labels = scans()
    rows = split(seed)[1]
    if not 1 <= n <= len(rows):
        raise ValueError(f"n ({n}) must be 1 to {len(rows)}, the digits that are not held out")
    torch.manual_seed(seed)
    model, chance = build(), torch.Generator().manual_seed(seed)
    batches = (rows[torch.randint(n, (BATCH,), generator=chance)] for _ in range(steps))

    def loss(model: nn.Module, batch: Tensor) -> Tensor:
        return cross_entropy(model(images[batch]), labels[batch])

    train(model, batches, steps=steps, lr=PEAK_LR, loss=loss, progress=progress, history=[])
    return model.eval()


@torch.no_grad()
def accuracy(model: nn.Module, seed: int) -> float:
    """Share of the held-out digits of split(seed) that it reads right."""
    images, labels = scans()
    rows = split(seed)[0]
    return (model(images[rows]).argmax(-1) == labels[rows]).float().mean().item()
