"""Checkpoints: everything that the next step depends on, in one safetensors file, written whole or not at all.

The file holds named tensors and, in its header, a JSON text. It is first written beside its place and flushed to the
disk, then renamed: a process killed at any moment leaves the last good file. Nothing is ever unpickled.
Chapter 07.
"""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

LEFTOVER_SECONDS = 3600


def save(path: Path | str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Replace the file at `path` in one stroke. `header` is what JSON can say. Tensors come from any device."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(own, beside, metadata={"header": json.dumps(dict(header), ensure_ascii=False)})
        flush(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    with suppress(OSError):  # the new name, too; Windows cannot open a folder
        flush(path.parent)


def read(path: Path | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header of the file at `path`, on the CPU.

    Raises FileNotFoundError, or ValueError for a file that is truncated or no checkpoint of ours.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}; train first, or give the path of one")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["header"])
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118 (no dict)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} ({path.stat().st_size:,} bytes) is truncated or no safetensors file: {error}; "
            "delete it and train again"
        ) from error
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{path} is a safetensors file without the header of a checkpoint; load weights with safetensors.torch"
        ) from error


def check_names(path: Path | str, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless both have the same names, and the same shape and type for each; all differences told."""
    wrong = [f"missing {name}" for name in expected if name not in found]
    wrong += [f"unknown {name}" for name in found if name not in expected]
    for name in expected.keys() & found.keys():
        mine, its = expected[name], found[name]
        if mine.shape != its.shape:
            wrong.append(f"{name} is {list(its.shape)} there and {list(mine.shape)} here")
        elif mine.dtype != its.dtype:
            wrong.append(f"{name} is {its.dtype} there and {mine.dtype} here")
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise ValueError(f"{path} does not fit this model: {'; '.join(sorted(wrong)[:5])}{more}; build the same model")


def check_config(path: Path | str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise ValueError that names every setting that is not the same in both."""
    found, expected = (json.loads(json.dumps(dict(each))) for each in (found, expected))
    names = [name for name in {**found, **expected} if found.get(name) != expected.get(name)]
    if names:
        told = ", ".join(f"{name} = {found.get(name)} there and {expected.get(name)} here" for name in names)
        raise ValueError(f"{path} was made with other settings: {told}; use the same, or another path")


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, the tensors themselves; one that is shared counts under its first name."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if not any(tensor is other for other in tensors.values()):
            tensors[name] = tensor
    return tensors


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.AdamW) -> dict[str, Tensor]:
    """AdamW's running means and step counts as "exp_avg.NAME", ...; made (zeros) where there was no step yet."""
    tensors = {}
    for name, parameter in model_tensors(model).items():
        if isinstance(parameter, nn.Parameter) and parameter.requires_grad:
            state = optimizer.state[parameter]
            if not state:
                state["step"] = torch.tensor(0.0)
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            tensors |= {f"{kind}.{name}": tensor for kind, tensor in state.items()}
    return tensors


def flush(path: Path) -> None:
    """Wait until the disk has it."""
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(path: Path) -> None:
    """Remove half-written files that killed processes left beside `path` more than an hour ago."""
    for leftover in path.parent.glob(f".{path.name}.*.part"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS:
                leftover.unlink()
