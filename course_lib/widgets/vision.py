"""Figures of vision that answer: what a patch's size costs, and where the heads of a ViT look.

patch_widget(photograph)                        # [S S 3] uint8, S a multiple of every patch
attention_widget(model, images, pictures, names)
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from course_lib.foundations.patches import grid_of
from course_lib.foundations.rollout import rollout
from course_lib.models.vit import ViT
from course_lib.widgets.figure import Explore, Knob, explore
from course_lib.widgets.style import COLORS

PATCHES = (8, 14, 16, 28, 32, 56)
D_MODEL, N_LAYERS = 768, 12  # ViT-B


def block_flops(n_tokens: int, d_model: int = D_MODEL) -> tuple[int, int]:
    """(scores and mixing of values, everything) of one pre-norm block with d_hidden = 4 D, a product of T D² counted as
    2 T D²: 4 T² D of 24 T D² + 4 T² D. Norms, softmax and GELU are left out.
    """
    pairs = 4 * n_tokens**2 * d_model
    return pairs, 24 * n_tokens * d_model**2 + pairs


def plot_cost(photo: UInt8[np.ndarray, "S S 3"], patch: int, patches: Sequence[int] = PATCHES) -> Figure:
    """The photograph under its grid, and the cost of each patch size; the chosen one is filled."""
    side = photo.shape[0]
    figure, axes = plt.subplots(1, 3, figsize=(7.6, 2.9), width_ratios=[1.25, 1, 1])
    axes[0].imshow(photo, extent=(0, side, side, 0))
    for line in range(patch, side, patch):
        axes[0].axhline(line, color="w", linewidth=0.5)
        axes[0].axvline(line, color="w", linewidth=0.5)
    axes[0].set(xticks=[], yticks=[], title=f"块 {patch}：{side // patch}×{side // patch}")
    tokens = [(side // each) ** 2 + 1 for each in patches]
    shares = [100 * part / whole for part, whole in map(block_flops, tokens)]
    places = range(len(patches))
    colours = [COLORS["Q"] if each == patch else COLORS["grid"] for each in patches]
    labels = [f"{count:,}" for count in tokens], [f"{share:.1f}" for share in shares]
    for axis, values, texts, title in zip(axes[1:], (tokens, shares), labels, ("词元数", "两两相乘占计算（%）")):
        axis.bar_label(axis.barh(places, values, color=colours), texts, padding=3, fontsize=11)
        axis.margins(x=0.3)
        axis.set_xticks([])
        axis.set_yticks(places, patches)
        axis.invert_yaxis()
        axis.set_title(title, fontsize=12)
    axes[1].set_ylabel("块的边长 P")
    return figure


def describe_cost(side: int, patch: int) -> str:
    n_tokens = (side // patch) ** 2 + 1
    part, whole = block_flops(n_tokens)
    return (
        f"{side}×{side} 的照片切成边长 {patch} 的块：加上 CLS 共 {n_tokens:,} 个词元，每层要算 {n_tokens**2:,} 对；"
        f"ViT-B 的 {N_LAYERS} 层共 {N_LAYERS * whole / 1e9:.1f} GFLOPs（十亿次运算，乘和加各算一次），"
        f"其中两两相乘占 {part / whole:.1%}"
    )


def patch_widget(photo: UInt8[np.ndarray, "S S 3"], *, start: int = 16, name: str = "10-patch-cost") -> Explore:
    """The grid on a photograph, the number of tokens, and the share of attention's pairs in ViT-B's arithmetic.

    photo: square. Raises ValueError unless every patch of PATCHES divides its sides, and unless they are equal.
    """
    height, width = photo.shape[:2]
    if height != width:
        raise ValueError(f"the photograph is {height}×{width}; cut a square out of it")
    for patch in PATCHES:
        grid_of(height, width, patch)
    return explore(
        lambda patch: plot_cost(photo, patch),
        lambda patch: describe_cost(height, patch),
        patch=Knob("块的边长 P", PATCHES, kind="buttons"),
        start={"patch": start},
        name=name,
    )


def lay_over(axis: Axes, picture: UInt8[np.ndarray, "H W *C"], seen: Float[np.ndarray, "h w"], title: str) -> None:
    """The picture, the more orange the more is seen there; the largest share is the deepest."""
    extent = (0, 1, 1, 0)
    axis.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=extent, aspect="auto")
    tint = np.empty((*seen.shape, 4))
    tint[..., :3] = to_rgb(COLORS["K"])
    tint[..., 3] = 0.85 * seen / seen.max()
    axis.imshow(tint, extent=extent, aspect="auto")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.set_title(title, fontsize=11)
    axis.set_box_aspect(picture.shape[0] / picture.shape[1])


@torch.no_grad()
def attention_widget(
    model: ViT,
    images: Float[Tensor, "B C H W"],
    pictures: Sequence[UInt8[np.ndarray, "H W *C"]],
    names: Sequence[str],
    *,
    queries: Sequence[int] | None = None,
    name: str = "10-attention",
) -> Explore:
    """Every head of every layer, and the rollout, of one token over one image; the reader chooses both.

    images: as the model reads them; pictures: the same to look at, bytes; names: Chinese, of each; queries: tokens, 0
    is the class token (default: it and four patches). Raises ValueError unless there are as many pictures and names as
    images, and for a query that is no token.
    """
    if not len(images) == len(pictures) == len(names):
        raise ValueError(f"{len(images)} images, {len(pictures)} pictures, {len(names)} names; give one of each")
    rows, columns = model.config.grid
    if queries is None:
        queries = [
            0,
            *(1 + r * columns + c for r in (rows // 3, 2 * rows // 3) for c in (columns // 3, 2 * columns // 3)),
        ]
    for query in queries:
        if not 0 <= query <= rows * columns:
            raise ValueError(f"query {query} is no token; the class token is 0, the patches 1 … {rows * columns}")
    maps = model.eval().attention_maps(images)
    shares = rollout(maps)
    n_layers, n_heads = maps.shape[0], maps.shape[2]

    def draw(image: int, query: int) -> Figure:
        figure, axes = plt.subplots(n_layers, n_heads + 1, figsize=(7.6, 1.75 * n_layers + 0.3), squeeze=False)
        for layer, head in np.ndindex(n_layers, n_heads):
            seen = maps[layer, image, head, query, 1:].reshape(rows, columns).numpy()
            lay_over(axes[layer, head], pictures[image], seen, f"层 {layer + 1} 头 {head + 1}")
        for axis in axes[:, -1]:
            axis.axis("off")
        axes[0, -1].axis("on")
        lay_over(axes[0, -1], pictures[image], shares[image, query, 1:].reshape(rows, columns).numpy(), "连乘")
        if query:
            row, column = divmod(query - 1, columns)
            for axis in figure.axes:
                if axis.images:
                    box = plt.Rectangle((column / columns, row / rows), 1 / columns, 1 / rows, fill=False, ec="#EA1F8D")
                    axis.add_patch(box)
        return figure

    def describe(image: int, query: int) -> str:
        seen = shares[image, query, 1:]
        row, column = divmod(int(seen.argmax()), columns)
        return (
            f"{names[image]}：{_token(query, columns)}在 {n_layers} 层 {n_heads} 个头里各看哪里；"
            f"各层连乘后，最多的是第 {row + 1} 行第 {column + 1} 列，占 {seen.max():.0%}"
        )

    return explore(
        draw,
        describe,
        image=Knob("图", range(len(images)), kind="buttons", texts=names),
        query=Knob("谁在看", queries, kind="buttons", texts=[_token(query, columns) for query in queries]),
        name=name,
    )


def _token(query: int, columns: int) -> str:
    if query == 0:
        return "CLS"
    row, column = divmod(query - 1, columns)
    return f"第 {row + 1} 行第 {column + 1} 列"
