"""Words as vectors: one-hot, and the embedding that a matrix makes of it.

V vocabulary · D width
Dense vectors for words: Bengio et al. 2003 (JMLR 3), Mikolov et al. 2013 (arXiv:1301.3781).  Chapter 01.
Read first: tokenizer.py, which turns text into ids.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

from course_lib.foundations.checks import check_counts, check_tensor


def one_hot(ids: Int[Tensor, "*ids"], n_vocab: int) -> Float[Tensor, "*ids {n_vocab}"]:
    """A vector of n_vocab zeros with a single 1 at the id. Raises ValueError for an id outside 0 … n_vocab-1."""
    check_ids(ids, n_vocab)
    return torch.zeros(*ids.shape, n_vocab, device=ids.device).scatter_(-1, ids[..., None].long(), 1)


class Embedding(nn.Module):
    """A table of n_vocab rows; looking up row `id` is the product one_hot(id) @ weight without the multiplications."""

    def __init__(self, n_vocab: int, d_model: int):
        super().__init__()
        check_counts(1, n_vocab=n_vocab, d_model=d_model)
        self.weight = nn.Parameter(torch.randn(n_vocab, d_model) * d_model**-0.5)

    def forward(self, ids: Int[Tensor, "*ids"]) -> Float[Tensor, "*ids D"]:
        check_ids(ids, len(self.weight))
        return self.weight[ids]


def cosine_similarity(table: Float[Tensor, "V D"]) -> Float[Tensor, "V V"]:
    """Cosine of the angle between every two rows, -1 … 1; 0 for a row of zeros."""
    unit = normalize(table, dim=-1)
    return unit @ unit.T


def check_ids(ids: Tensor, n_vocab: int) -> None:
    """Raise unless ids are integers from 0 to n_vocab - 1 (torch would let -1 mean the last row, and bytes a mask)."""
    check_tensor("ids", ids)
    if ids.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"ids must be integers of 32 or 64 bits, got {ids.dtype}; try ids.long()")
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < n_vocab:
        raise ValueError(
            f"ids from {int(ids.min())} to {int(ids.max())} do not fit a vocabulary of {n_vocab} (0 to {n_vocab - 1}); "
            "use the tokenizer that the model was built with"
        )
