"""A batch in pieces, for micro-batches and for processes: every part of it is cut at the same rows.

A batch is a tensor [B ...], or a tuple, list or dict of such parts, all of B rows. Rows of unequal length that lie end
to end, as Qwen-VL's patches or packed texts do, say how long each is:
    {"ids": ids, "patches": Packed(patches, n_patches)}                        a picture to each text, patches [N D]
    {"ids": ids, "patches": Packed(Packed(patches, n_patches), n_pictures)}    some pictures to each text
A part of another kind joins if it has len(part), part[first:end] and part.to(device).
Chapter 07.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True)
class Packed:
    """B rows of unequal length, end to end. flat: [lengths.sum() ...], or Packed itself. lengths: how many of it each
    row has; 0 is allowed. len() and slices count rows. Raises ValueError if they do not add up."""

    flat: Any
    lengths: Int[Tensor, " B"]

    def __post_init__(self):
        if self.lengths.ndim != 1 or self.lengths.is_floating_point() or (self.lengths < 0).any():
            raise ValueError(f"lengths ({self.lengths}) must be whole numbers [B], none below 0")
        if self.lengths.sum() != len(self.flat):
            raise ValueError(
                f"{len(self.lengths)} lengths add up to {int(self.lengths.sum())}, not to {len(self.flat)}"
            )

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, rows: slice) -> "Packed":
        first, end, _ = rows.indices(len(self))
        before = int(self.lengths[:first].sum())
        return Packed(self.flat[before : before + int(self.lengths[first:end].sum())], self.lengths[first:end])

    def to(self, device: torch.device) -> "Packed":
        return Packed(self.flat.to(device), self.lengths.to(device))


def rows(batch: Any) -> int:
    """How many rows a batch has. Raises ValueError if its parts disagree, TypeError if there is no telling."""
    counts = dict(counted(batch))
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name or 'it'} {count}" for name, count in counts.items())
        raise ValueError(f"the parts of a batch disagree in rows: {told}; rows of unequal length go in as Packed")
    return next(iter(counts.values()))


def counted(batch: Any, name: str = "") -> Iterator[tuple[str, int]]:
    """The name and the rows of every part."""
    if isinstance(batch, Mapping | tuple | list) and batch:
        for key, each in batch.items() if isinstance(batch, Mapping) else enumerate(batch):
            yield from counted(each, f"{name}[{key!r}]")
    elif hasattr(batch, "to") and getattr(batch, "ndim", 1):
        yield name, len(batch)
    else:
        raise TypeError(f"batch{name} is {batch!r}; it must be a tensor [B ...] or Packed, or a tuple or dict of them")


def cut(batch: Any, n_pieces: int) -> list[Any]:
    """A batch in n_pieces of (nearly) equally many rows. Raises ValueError if there are too few, and as `rows` does."""
    n = rows(batch)
    if n < n_pieces:
        raise ValueError(f"a batch of {n} rows cannot be cut in {n_pieces} (processes × accumulate)")
    ends = [(i + 1) * (n // n_pieces) + min(i + 1, n % n_pieces) for i in range(n_pieces)]
    return [each_part(batch, lambda part, a=a, b=b: part[a:b]) for a, b in zip([0, *ends], ends)]


def move(batch: Any, device: torch.device) -> Any:
    """The batch on a device."""
    return each_part(batch, lambda part: part.to(device))


def each_part(batch: Any, change) -> Any:
    """The batch with every part changed; lists become tuples."""
    if isinstance(batch, Mapping):
        return {name: each_part(each, change) for name, each in batch.items()}
    if isinstance(batch, tuple | list):
        return tuple(each_part(each, change) for each in batch)
    return change(batch)
