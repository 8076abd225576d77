"""What the parity tests share: the tolerances, and a transformers that computes in float64 throughout."""

import contextlib
import os
import sys
import types

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch


class Torch64(types.ModuleType):
    """torch, but for float32: the name means float64."""

    def __getattr__(self, name):
        return torch.float64 if name in ("float32", "float") else getattr(torch, name)


@contextlib.contextmanager
def all_float64():
    """References round norms, softmax and rotations to float32 inside, which leaves 2e-6 of a plain `.double()`."""
    modules = [
        m for name, m in sys.modules.items() if name.startswith("transformers.") and vars(m).get("torch") is torch
    ]
    to_float = torch.Tensor.float
    for module in modules:
        module.torch = Torch64("torch64")
    torch.Tensor.float = torch.Tensor.double
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.Tensor.float = to_float
        torch.set_default_dtype(torch.float32)
        for module in modules:
            module.torch = torch


@pytest.fixture
def float64_reference():
    return all_float64


@pytest.fixture
def agree():
    """Within 1e-10 in float64; in float32 within 1e-5 of the largest reference value."""

    def check(ours, reference):
        ours, reference = ours.detach(), reference.detach()
        assert ours.shape == reference.shape and ours.dtype == reference.dtype
        bound = 1e-10 if reference.dtype == torch.float64 else 1e-5 * float(reference.abs().max())
        worst = float((ours - reference).abs().max())
        assert worst <= bound, f"differs by {worst:.2e}, allowed {bound:.2e}"

    return check
