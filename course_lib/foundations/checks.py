"""Refusals that the rooms share: each names what it got and what to do. Called where input enters, never in a loop."""

import math

import torch


def check_count(name: str, value: object, least: int = 0) -> None:
    """Raise TypeError unless value is a whole number (no bool), ValueError unless it is at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is {value!r}; a whole number is needed")
    if value < least:
        raise ValueError(f"{name} ({value}) must be at least {least}")


def check_finite(name: str, value: float) -> None:
    """Raise ValueError if a number is NaN or infinite."""
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}; a finite number is needed")


def check_floating(name: str, tensor: torch.Tensor) -> None:
    """Raise TypeError unless the tensor holds floating-point numbers: on integers, fractions would be cut to 0."""
    if not tensor.dtype.is_floating_point:
        raise TypeError(f"{name} is {tensor.dtype}; write {name}.float() first")
