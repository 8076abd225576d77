"""A ViT that reads, in the page, the digit that the reader draws: its probabilities, and where the class token looks.

    live_vit(model, pictures, name="vit-digits", what="…", licence="MIT", about="…")

js/net_vision.js computes, js/live_vit.js shows; tests/site/test_live_vision.py holds them equal to models/vit.py.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import traitlets
from jaxtyping import Float, UInt8
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from course_lib.foundations.rollout import rollout
from course_lib.models.vit import ViT
from course_lib.widgets.figure import source
from course_lib.widgets.live_model import LiveModel, pack
from course_lib.widgets.style import COLORS, to_png, use_style

SIDE = 8  # of the data set's pictures
DIGITS = tuple("0123456789")


def as_read(pictures: UInt8[np.ndarray, "N 8 8"], model: ViT) -> Float[Tensor, "N C H W"]:
    """Bytes 0 … 255 -> -1 … 1 in the model's size and channels, each number repeated where the model is larger.

    Raises ValueError unless the model's sides are multiples of 8.
    """
    config = model.config
    if config.height % SIDE or config.width % SIDE:
        raise ValueError(f"the model reads {config.height}×{config.width} pixels; {SIDE}×{SIDE} does not divide it")
    larger = np.repeat(np.repeat(pictures, config.height // SIDE, axis=1), config.width // SIDE, axis=2)
    return (torch.from_numpy(larger).float() / 127.5 - 1)[:, None].expand(-1, config.channels, -1, -1)


@torch.no_grad()
def still_frame(model: ViT, picture: UInt8[np.ndarray, "8 8"]) -> dict[str, Any]:
    """What the widget shows before 运行: probabilities, the class token's row of each head, and its rollout."""
    images = as_read(picture[None], model)
    maps = model.attention_maps(images)
    return {
        "probs": _short(model(images).softmax(-1)[0]),
        "attention": [[_short(head) for head in layer] for layer in maps[:, 0, :, 0]],
        "rollout": _short(rollout(maps)[0, 0]),
    }


def _short(shares: Tensor) -> list[float]:
    return [float(f"{share:.6g}") for share in shares.tolist()]


def plot_reading(
    picture: UInt8[np.ndarray, "8 8"], still: dict[str, Any], grid: tuple[int, int], classes: Sequence[str]
) -> Figure:
    """The still form: the picture, the rollout over it, and the probabilities."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(7.6, 2.9), width_ratios=[1, 1, 1.2])
    extent = (0, SIDE, SIDE, 0)
    for axis, title in ((left, "模型看到的"), (middle, "CLS 看哪里")):
        axis.imshow(255 - picture, cmap="gray", vmin=0, vmax=255, extent=extent)
        axis.set(title=title, xticks=[], yticks=[])
    seen = np.array(still["rollout"][1:]).reshape(grid)
    tint = np.zeros((*grid, 4))
    tint[..., :3] = to_rgb(COLORS["K"])
    tint[..., 3] = 0.85 * seen / seen.max()
    middle.imshow(tint, extent=extent)
    right.barh(range(len(classes)), [100 * share for share in still["probs"]], color=COLORS["Q"])
    right.set_yticks(range(len(classes)), classes)
    right.invert_yaxis()
    right.set(xlabel="概率（%）", title="读成什么", xlim=(0, 100))
    return figure


class LiveViT(LiveModel):
    """A ViT that reads what is drawn. See `live_vit`."""

    module = "live_vit"
    _esm = source("live_vit")

    classes = traitlets.List().tag(sync=True)
    examples = traitlets.List().tag(sync=True)  # pictures of 64 bytes
    columns = traitlets.Int().tag(sync=True)  # of patches
    still = traitlets.Dict().tag(sync=True)


def live_vit(
    model: ViT,
    pictures: UInt8[np.ndarray, "N 8 8"],
    *,
    name: str,
    what: str,
    licence: str,
    about: str = "按运行，模型就在这一页里读你画的数字；一边画，一边看概率和注意力。",
    classes: Sequence[str] = DIGITS,
) -> LiveViT:
    """The reader draws a digit; the page makes of it what the data set holds, and the model reads it.

    pictures: some of the data set, 0 … 255 with ink high, the first of them on view before 运行; name: of the picture
    and of the weights' file; what, licence: as `pack` takes them; about: Chinese, what the reader can do.
    Raises what `pack` raises, and ValueError for pictures that are not [N 8 8] bytes or a model of another size.
    """
    pictures = np.asarray(pictures)
    if pictures.ndim != 3 or pictures.shape[1:] != (SIDE, SIDE) or len(pictures) == 0 or pictures.dtype != np.uint8:
        raise ValueError(f"pictures {pictures.shape} {pictures.dtype} must be [N {SIDE} {SIDE}] uint8, N at least 1")
    model = model.eval()
    still = still_frame(model, pictures[0])
    use_style()
    said, share = max(zip(classes, still["probs"]), key=lambda pair: pair[1])
    return LiveViT(
        packed=pack(model, classes, what=what, licence=licence),
        first_frame=to_png(plot_reading(pictures[0], still, model.config.grid, classes), dpi=100),
        alt=f"{about}画布上是一张手写数字，模型读成 {said}，概率 {share:.0%}；旁边是 CLS 对每个图像块的注意力。",
        name=name,
        about=about,
        classes=list(classes),
        examples=[picture.flatten().tolist() for picture in pictures],
        columns=model.config.grid[1],
        still=still,
    )
