"""Whether two answers are the same: numbers by size of the error, whatever container and precision they come in."""

import unicodedata
from collections.abc import Mapping, Sequence, Set
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import torch

# What a formula that is right loses to rounding, relative to the largest number of the answer. An fp64 answer may
# have passed through an fp32 table of frequencies or positions.
TOLERANCE = {"float16": 2e-2, "bfloat16": 5e-2, "float32": 2e-4, "float64": 2e-5}
VALUE_TOLERANCE = 1e-2  # an answer in the learner's own hand, rounded to two or three digits


def as_array(value: Any) -> np.ndarray | None:
    """Numbers as an array: tensors, arrays, numbers and (nested) lists of them; None for anything else."""
    try:
        array = _array(value)
    except Exception:  # a ragged list, a tensor without memory, an object that fails when it is asked for its numbers
        return None
    return array if array.dtype.kind in "biufc" else None


def _array(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().to_dense().cpu().resolve_conj().resolve_neg()
        return (value.float() if value.is_floating_point() and value.dtype.itemsize < 4 else value).numpy()
    if isinstance(value, Fraction | Decimal):
        value = float(value)
    if isinstance(value, list | tuple) and any(isinstance(item, torch.Tensor | list | tuple) for item in value):
        return np.stack([_array(item) for item in value])
    return np.asarray(None if isinstance(value, str | bytes | Mapping | Set) else value)


def precision(value: Any) -> str:
    """The name of the floating type that `value` was computed in; float64 for what has none."""
    dtype = str(getattr(value, "dtype", "float64")).removeprefix("torch.")
    return dtype if dtype in TOLERANCE else "float64"


def agree(got: Any, expected: Any, tolerance: float | None = None) -> bool:
    """Whether `got` is `expected`: same shape, numbers within tolerance · max|expected|, texts without regard to width.

    Whole numbers and truth values must be equal; nan and inf must stand in the same places.
    tolerance None chooses by the precision of `got`.
    """
    numbers, wanted = as_array(got), as_array(expected)
    if isinstance(got, str) and wanted is not None and wanted.ndim == 0:
        numbers = _number_in(got)
    if numbers is not None and wanted is not None:
        loosest = TOLERANCE[precision(got)] if tolerance is None else tolerance
        return numbers.shape == wanted.shape and _close(numbers, wanted, loosest)
    if isinstance(expected, str):
        return isinstance(got, str) and _plain(got) == _plain(expected)
    if isinstance(expected, Mapping):
        return (
            isinstance(got, Mapping)
            and got.keys() == expected.keys()
            and all(agree(got[key], expected[key], tolerance) for key in expected)
        )
    if isinstance(expected, Set):
        return isinstance(got, Set | Sequence) and not isinstance(got, str) and set(got) == set(expected)
    if isinstance(expected, list | tuple):
        return (
            isinstance(got, list | tuple)
            and len(got) == len(expected)
            and all(agree(one, other, tolerance) for one, other in zip(got, expected))
        )
    if numbers is not None or wanted is not None:
        return False
    return bool(got == expected)


def _close(numbers: np.ndarray, wanted: np.ndarray, tolerance: float) -> bool:
    if wanted.dtype.kind in "biu":
        return bool(np.all(numbers == wanted))
    odd = ~np.isfinite(wanted)
    if not np.array_equal(odd, ~np.isfinite(numbers)) or not np.array_equal(numbers[odd], wanted[odd], equal_nan=True):
        return False
    if np.all(odd):
        return True
    scale = np.abs(wanted[~odd]).max() or 1.0
    both = np.promote_types(numbers.dtype, wanted.dtype)
    return bool(np.abs(numbers[~odd].astype(both) - wanted[~odd]).max() <= tolerance * scale)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _number_in(text: str) -> np.ndarray | None:
    try:
        return np.asarray(float(_plain(text)))
    except ValueError:
        return None
