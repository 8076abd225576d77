"""Words as vectors: one-hot, and the embedding that a matrix makes of it.

V vocabulary · D width
Dense vectors for words: Bengio et al. 2003 (JMLR 3), Mikolov et al. 2013 (arXiv:1301.3781).  Chapter 01.
Read first: tokenizer.py, which turns text into ids.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize


def one_hot(ids: Int[Tensor, "*ids"], n_vocab: int) -> Float[Tensor, "*ids {n_vocab}"]:
    """A vector of n_vocab zeros with a single 1 at the id. Raises ValueError for an id outside 0 … n_vocab-1."""
    check_ids(ids, n_vocab)
    return torch.eye(n_vocab, device=ids.device)[ids]


class Embedding(nn.Module):
    """A table of n_vocab rows; looking up row `id` is the product one_hot(id) @ weight without the multiplications."""

    def __init__(self, n_vocab: int, d_model: int):
        super().__init__()
        if n_vocab < 1 or d_model < 1:
            raise ValueError(f"n_vocab ({n_vocab}) and d_model ({d_model}) must be at least 1")
        self.weight = nn.Parameter(torch.randn(n_vocab, d_model) * d_model**-0.5)

    def forward(self, ids: Int[Tensor, "*ids"]) -> Float[Tensor, "*ids D"]:
        check_ids(ids, len(self.weight))
        return self.weight[ids]


def cosine_similarity(table: Float[Tensor, "V D"]) -> Float[Tensor, "V V"]:
    """Cosine of the angle between every two rows, -1 … 1; 0 for a row of zeros."""
    unit = normalize(table, dim=-1)
    return unit @ unit.T


def check_ids(ids: Tensor, n_vocab: int) -> None:
    """Raise unless ids are integers from 0 to n_vocab - 1 (torch would let -1 mean the last row)."""
    if ids.dtype.is_floating_point or ids.dtype == torch.bool:
        raise TypeError(f"ids must be integers, got {ids.dtype}; try ids.long()")
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < n_vocab:
        raise ValueError(
            f"ids from {int(ids.min())} to {int(ids.max())} do not fit a vocabulary of {n_vocab} (0 to {n_vocab - 1}); "
            "use the tokenizer that the model was built with"
        )
