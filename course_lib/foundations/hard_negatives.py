"""Wrong partners that are hard to tell from the right one (ALBEF, Li et al. 2021, arXiv:2107.07651, section 3.2).

N pairs in a batch
A random wrong caption mostly names other things, and a matcher learns nothing from it. Drawn in proportion to the
softmax of the contrastive similarities, it is often one that nearly fits. It may fit: then the label is wrong.
Read first: contrastive.py.  Chapter 12.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.foundations.contrastive import check_pairs

LEAST = 1e-4  # added to every weight, so that a batch without similar pairs still has negatives


@torch.no_grad()
def negative_weights(logits: Float[Tensor, "N N"], same: Bool[Tensor, "N N"] | None = None) -> Float[Tensor, "N N"]:
    """How likely each column is to be drawn for each row, up to a factor: softmax + 1e-4, and 0 on the diagonal.

    logits: similarities / τ. same: True where column j is no negative for row i, such as another picture's equal
    caption; the diagonal counts without being told.
    Raises ValueError as check_pairs does, and where a row has no negative left.
    """
    check_pairs(logits)
    excluded = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    if same is not None:
        if same.shape != logits.shape:
            raise ValueError(f"same {tuple(same.shape)} must have the shape of the logits, {tuple(logits.shape)}")
        excluded = excluded | same
    if excluded.all(dim=-1).any():
        row = int(excluded.all(dim=-1).nonzero()[0])
        raise ValueError(f"all {len(logits)} columns are the same as row {row}; a batch needs two different pairs")
    return (logits.softmax(dim=-1) + LEAST).masked_fill(excluded, 0)


def hard_negatives(
    logits: Float[Tensor, "N N"],
    same: Bool[Tensor, "N N"] | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, " N"]:
    """A column for each row, drawn by negative_weights. generator: where chance comes from; None: torch's own."""
    return torch.multinomial(negative_weights(logits, same), 1, generator=generator)[:, 0]
