"""Attention over many sequences laid end to end: no padding, and no sequence sees another.

N tokens in all · D width · H heads · Dh head width · L length of a sequence
Sequences of one length go through the kernel together; there are as many calls as lengths. A mask would give the same
numbers and still compute all N² scores.
Read first: encoder.py.  Chapter 17.  Differs from encoder.py: no batch axis, lengths in its place; q and k are turned.
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from course_lib.foundations.attention import check_heads
from course_lib.foundations.rotation import Rotation


def attend_within(
    q: Float[Tensor, "1 H N Dh"], k: Float[Tensor, "1 H N Dh"], v: Float[Tensor, "1 H N Dh"], lengths: Sequence[int]
) -> Float[Tensor, "1 H N Dh"]:
    """Each sequence over itself. Raises ValueError unless the lengths add up to N."""
    check_lengths(lengths, q.shape[2])
    parts = [x.split(list(lengths), dim=2) for x in (q, k, v)]
    read: list[Tensor | None] = [None] * len(lengths)
    for length in set(lengths):
        where = [i for i, other in enumerate(lengths) if other == length]
        together = scaled_dot_product_attention(*(torch.cat([part[i] for i in where]) for part in parts))
        for i, one in zip(where, together.split(1)):
            read[i] = one
    return torch.cat(read, dim=2) if read else q


def same_sequence(lengths: Sequence[int]) -> Bool[Tensor, "N N"]:
    """The mask of the readable path: attend(q, k, v, same_sequence(lengths)) is attend_within, in N² scores."""
    number = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths, dtype=torch.long))
    return number[:, None] == number


class PackedAttention(nn.Module):
    """H heads; one matrix makes q, k and v: 4 D² weights, 4 D biases."""

    def __init__(self, d_model: int, n_heads: int):
        super().__init__()
        check_heads(d_model, n_heads)
        self.n_heads = n_heads
        self.to_qkv = nn.Linear(d_model, 3 * d_model)
        self.to_out = nn.Linear(d_model, d_model)

    def forward(self, x: Float[Tensor, "N D"], lengths: Sequence[int], rotation: Rotation) -> Float[Tensor, "N D"]:
        parts = self.to_qkv(x).chunk(3, dim=-1)
        q, k, v = (rearrange(part, "N (H Dh) -> 1 H N Dh", H=self.n_heads) for part in parts)
        read = attend_within(rotation(q), rotation(k), v, lengths)
        return self.to_out(rearrange(read, "1 H N Dh -> N (H Dh)"))


def check_lengths(lengths: Sequence[int], n_tokens: int) -> None:
    """Raise ValueError unless so many tokens are cut into whole sequences."""
    if sum(lengths) != n_tokens or min(lengths, default=1) < 1:
        raise ValueError(f"lengths {list(lengths)[:8]} add up to {sum(lengths)}, and there are {n_tokens} tokens")
