"""What losses refuse: each message gives the numbers and the mend."""

import math

from torch import Tensor

from course_lib.foundations.checks import check_floating


def check_alike(**tensors: Tensor) -> None:
    """Raise TypeError unless all hold fractions, ValueError unless all are of one shape: broadcast, a loss would pair
    every row with every other."""
    for name, tensor in tensors.items():
        check_floating(name, tensor)
    if len({tensor.shape for tensor in tensors.values()}) > 1:
        told = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise ValueError(f"{told} must be of one shape")


def check_frozen(**tensors: Tensor) -> None:
    """Raise ValueError where one asks for gradients: what is compared with must stand still."""
    for name, tensor in tensors.items():
        if tensor.requires_grad:
            raise ValueError(
                f"{name} asks for gradients, and the loss would move it, too; "
                f"compute it under torch.no_grad(), or write {name}.detach()"
            )


def check_numbers(name: str, tensor: Tensor) -> None:
    """Raise TypeError unless it holds fractions, ValueError for NaN and infinities: one would spoil every row."""
    check_floating(name, tensor)
    if not (finite := tensor.isfinite()).all():
        place = (~finite).nonzero()[0].tolist()
        raise ValueError(f"{name}{place} is {float(tensor[tuple(place)])}; look at what made it, or leave it out")


def check_positive(name: str, value: float) -> None:
    """Raise ValueError unless a number is above 0 and finite."""
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} ({value}) must be above 0 and finite")
