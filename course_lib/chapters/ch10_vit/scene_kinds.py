"""One task of the drawn world for a ViT: which of the six kinds is the one shape that stands somewhere on 32×32 pixels.

The truth is known, where the shape is, too: so it can be asked whether attention finds it.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from course_lib.data.world.render import add_grain, render_batch, to_model
from course_lib.data.world.scenes import KINDS, Scene, scatter
from course_lib.models.vit import ViT, ViTConfig
from course_lib.training.loop import train

SIDE, PATCH = 32, 4
BATCH, PEAK_LR = 64, 2e-3


def scenes(seed: int, first: int, n: int) -> list[Scene]:
    """Scenes first … first + n - 1 of world `seed`, one shape each."""
    return [
        scatter(seed, i, n_shapes=(1, 1), sizes=("medium",), width=SIDE, height=SIDE) for i in range(first, first + n)
    ]


def pictures(drawn: list[Scene], seed: int) -> tuple[Float[Tensor, "B 3 32 32"], Int[Tensor, " B"]]:
    """(with grain, -1 … 1; the kind of each as its place in KINDS)."""
    images = to_model(add_grain(render_batch(drawn), seed))
    return torch.from_numpy(images), torch.tensor([KINDS.index(scene.shapes[0].kind) for scene in drawn])


def covered(drawn: list[Scene]) -> Bool[np.ndarray, "B N"]:
    """Which patches the shape stands on: those whose square touches the square around it."""
    edges = np.arange(0, SIDE, PATCH)
    inside = []
    for scene in drawn:
        shape = scene.shapes[0]
        on_x, on_y = ((edges < c + shape.radius) & (edges + PATCH > c - shape.radius) for c in (shape.x, shape.y))
        inside.append((on_y[:, None] & on_x[None]).ravel())
    return np.stack(inside)


def build() -> ViT:
    return ViT(ViTConfig(height=SIDE, width=SIDE, patch=PATCH, n_classes=len(KINDS)))


def loss(model: torch.nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    images, kinds = batch
    return cross_entropy(model(images), kinds)


def trained(
    seed: int, steps: int, progress: Callable[[Iterable], Iterable] = iter, *, positions_std: float | None = None
) -> ViT:
    """A ViT after so many steps on scenes of its own, in eval mode. positions_std: of the positions at the start."""
    torch.manual_seed(seed)
    model = build()
    if positions_std is not None:
        torch.nn.init.normal_(model.positions, std=positions_std)
    batches = (pictures(scenes(seed, step * BATCH, BATCH), step) for step in range(steps))
    train(model, batches, steps=steps, lr=PEAK_LR, loss=loss, progress=progress, history=[])
    return model.eval()
