"""Refusals that the rooms share: each names what it got and what to do. Called where input enters, never in a loop."""

import json
import math
import operator
from collections.abc import Iterable

import numpy as np
import torch


def check_count(name: str, value: object, least: int | None = 0) -> None:
    """Raise TypeError unless value is a whole number (no bool), ValueError if it is below `least` (None: any size)."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is {value!r}; a whole number is needed")
    if least is not None and value < least:
        raise ValueError(f"{name} ({value}) must be at least {least}")


def check_counts(least: int | None, **values: object) -> None:
    """check_count for several by name: check_counts(1, d_model=d_model, n_layers=n_layers)."""
    for name, value in values.items():
        check_count(name, value, least)


def check_even(name: str, width: object) -> None:
    """Raise unless width is a whole even number, at least 2: it is read in pairs."""
    check_count(name, width, None)
    if width < 2 or width % 2:
        raise ValueError(
            f"{name} ({width}) must be even and at least 2: its numbers go in pairs; try {name}={max(2, width + 1)}"
        )


def check_within(name: str, value: object, low: float, high: float) -> None:
    """Raise ValueError unless the number, or each of an array, lies in low … high; NaN does not."""
    numbers = np.asarray(value)
    if not ((numbers >= low) & (numbers <= high)).all():
        raise ValueError(f"{name} ({value}) must lie in {low:,} … {high:,}")


def check_known(what: str, value: object, names: Iterable[str]) -> None:
    """Raise ValueError unless value is one of the names."""
    if value not in names:
        raise ValueError(f"unknown {what} {value!r}; known: {', '.join(names)}")


def broadcast(one: torch.Size, other: torch.Size) -> torch.Size | None:
    """The shape that both broadcast to; None if they do not."""
    try:
        return torch.broadcast_shapes(one, other)
    except RuntimeError:
        return None


def check_finite(name: str, value: float) -> None:
    """Raise ValueError if a number is NaN or infinite."""
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}; a finite number is needed")


def check_floating(name: str, tensor: torch.Tensor) -> None:
    """Raise TypeError unless the tensor holds floating-point numbers: on integers, fractions would be cut to 0."""
    check_tensor(name, tensor)
    if not tensor.dtype.is_floating_point:
        raise TypeError(f"{name} is {tensor.dtype}; write {name}.float() first")


def check_tensor(name: str, value: object) -> None:
    """Raise TypeError for what is no tensor: a list, an array, None."""
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name} is of type {type(value).__name__}; a tensor is needed, such as torch.tensor({name})")


def check_batch(x: torch.Tensor, d_model: int) -> None:
    """Raise ValueError unless x is [B T D] with D = d_model."""
    if x.ndim != 3 or x.shape[-1] != d_model:
        raise ValueError(
            f"x {tuple(x.shape)} must end in d_model = {d_model}, as [B T D]; for one text alone write ids[None]"
        )


def check_rows(rows: torch.Tensor, n_rows: int) -> None:
    """Raise unless rows is a tensor of row numbers 0 … n_rows - 1."""
    check_tensor("rows", rows)
    for row in rows.tolist():
        if not 0 <= row < n_rows:
            raise ValueError(f"row {row} does not exist; the cache holds rows 0 to {n_rows - 1}")


def check_text(name: str, value: object) -> None:
    """Raise TypeError for what is no str."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is of type {type(value).__name__}; a str is needed")


def check_texts(name: str, values: Iterable[object]) -> None:
    """Raise TypeError unless all values are str. One str alone would be taken for texts of one character."""
    for value in [None] if isinstance(values, str) else values:
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a list of str, got {values!r:.80}")


def token_ids(ids: Iterable[int], n_vocab: int) -> list[int]:
    """ids as a list. Raises TypeError for what is no whole number, ValueError for an id outside 0 … n_vocab - 1."""
    try:
        found = [operator.index(i) for i in ids]
    except TypeError:
        raise TypeError(f"ids must be a list of whole numbers, got {ids}") from None
    for i in found:
        if not 0 <= i < n_vocab:
            raise ValueError(f"id {i} is not in the vocabulary (0 to {n_vocab - 1})")
    return found


def json_object(text: str, name: str, **options: object) -> dict:
    """The object that a JSON text holds. Raises ValueError that says where `name` is damaged, or what it holds."""
    check_text(name, text)
    try:
        found = json.loads(text, **options)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise ValueError(f"{name} is no JSON ({place}); is it whole?") from None
    except RecursionError:
        raise ValueError(f"{name} is nested too deeply to be read; is it the right file?") from None
    if not isinstance(found, dict):
        raise ValueError(f"{name} holds a {type(found).__name__}; it must be one object, key: value")
    return found
