"""Losses that pull an image and its text together.

InfoNCE (van den Oord et al. 2018, arXiv:1807.03748) in both directions, as CLIP has it (Radford et al. 2021,
arXiv:2103.00020), and SigLIP's sigmoid (Zhai et al. 2023, arXiv:2303.15343).

N pairs in a batch · D width
Row i of the similarities is image i against all texts; the diagonal holds the pairs.
Read first: nothing.  Chapter 11.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid, normalize

from course_lib.foundations.checks import check_floating


def similarities(image: Float[Tensor, "N D"], text: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
    """Cosine of every image's features with every text's, -1 … 1. Raises ValueError for widths that differ."""
    check_floating("image", image)
    check_floating("text", text)
    if image.ndim != 2 or text.ndim != 2 or image.shape[1] != text.shape[1]:
        raise ValueError(f"image {tuple(image.shape)} and text {tuple(text.shape)} must be [N D] and [M D], one D")
    return normalize(image, dim=-1) @ normalize(text, dim=-1).mT


def info_nce(logits: Float[Tensor, "N N"]) -> Float[Tensor, ""]:
    """Mean over rows of -log softmax at the diagonal: each row's own column against the N - 1 others.

    logits: similarities / τ. One direction; ln N where all are equal. Raises ValueError as check_pairs does.
    """
    check_pairs(logits)
    return cross_entropy(logits, torch.arange(len(logits), device=logits.device))


def clip_loss(logits: Float[Tensor, "N N"]) -> Float[Tensor, ""]:
    """Half the rows' InfoNCE (which text?), half the columns' (which image?): figure 3 of the paper."""
    return (info_nce(logits) + info_nce(logits.mT)) / 2


def soft_clip_loss(logits: Float[Tensor, "N N"], same: Float[Tensor, "N N"]) -> Float[Tensor, ""]:
    """clip_loss where several pairs of a batch may belong together: `same` is 1 there and 0 elsewhere, and each row's
    (and column's) target is shared out among its ones. With the identity it is clip_loss.

    Raises ValueError as check_pairs does, and where a row or a column of `same` has no 1.
    """
    check_pairs(logits)
    if same.shape != logits.shape or not (same.sum(0) > 0).all() or not (same.sum(1) > 0).all():
        raise ValueError(f"same {tuple(same.shape)} must be {tuple(logits.shape)}, with a 1 in each row and column")
    rows = cross_entropy(logits, same / same.sum(1, keepdim=True))
    return (rows + cross_entropy(logits.mT, same.mT / same.sum(0)[:, None])) / 2


def sigmoid_loss(logits: Float[Tensor, "N N"]) -> Float[Tensor, ""]:
    """-log σ(logit) on the diagonal, -log σ(-logit) off it, summed and divided by N: algorithm 1 of SigLIP.

    logits: similarities · scale + bias. Every pair of the batch is a yes/no question of its own.
    """
    check_square(logits)
    sign = 2 * torch.eye(len(logits), device=logits.device, dtype=logits.dtype) - 1
    return -logsigmoid(sign * logits).sum() / len(logits)


def check_pairs(logits: Tensor) -> None:
    """Raise ValueError unless logits are square with at least two pairs: with one, the loss is 0 whatever it says."""
    check_square(logits)
    if len(logits) < 2:
        raise ValueError("a batch of one pair has nothing to be told apart from: its loss is always 0; give at least 2")


def check_square(logits: Tensor) -> None:
    """Raise ValueError unless logits are [N N], N at least 1."""
    if logits.ndim != 2 or logits.shape[0] != logits.shape[1] or not len(logits):
        raise ValueError(f"logits {tuple(logits.shape)} must be square, at least 1×1: row i and column i are one pair")
