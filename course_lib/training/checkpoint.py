"""Checkpoints: everything that the next step depends on, in safetensors files, written whole or not at all.

A file holds named tensors and, in its header, a JSON text. It is first written beside its place and flushed to the
disk, then renamed: a process killed at any moment leaves the last good file. Nothing is ever unpickled.
Where FSDP has dealt the rows of a tensor out to processes, each of them writes its own into a shard, a file beside. The
header of the file at the checkpoint's path names its shards: new ones count from the moment at which it is renamed. All
processes must see the folder. Reading goes by rows, so it does not matter which process wrote which.
Read first: files.py.  Chapter 07.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from course_lib.files import whole


def save(path: Path | str, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Replace the file at `path` in one stroke, then remove shards that it does not name. `header` is what JSON can
    say. Tensors come from any device."""
    path = Path(path)
    bad = [name for name, tensor in tensors.items() if not isinstance(tensor, Tensor)]
    if bad:
        raise TypeError(f"{', '.join(bad)} must be a tensor to be kept; the header takes other things")
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole(path) as beside:
        try:
            save_file(own, beside, metadata={"header": json.dumps(dict(header), ensure_ascii=False)})
        except SafetensorError as error:  # a full disk, a folder without permission
            raise OSError(f"{path} could not be written: {error}") from error
    remove_shards(path, but=header.get("shards", ()))


def shard_names(path: Path | str, step: int, size: int) -> list[str]:
    """The files that hold the parts of `size` processes after a step."""
    path = Path(path)
    return [f"{path.stem}.{step}.{rank + 1}-of-{size}{path.suffix}" for rank in range(size)]


def save_shard(path: Path | str, name: str, parts: Mapping[str, tuple[Tensor, int]]) -> None:
    """Write the shard `name` of the checkpoint at `path`: of each tensor some rows, and which is their first."""
    there = {name: held for name, held in parts.items() if len(held[0])}
    save(
        Path(path).with_name(name),
        {name: rows for name, (rows, _) in there.items()},
        {"first": {name: first for name, (_, first) in there.items()}},
    )


def remove(path: Path | str) -> None:
    """Delete a checkpoint, its shards after it."""
    Path(path).unlink(missing_ok=True)
    remove_shards(Path(path))


def remove_shards(path: Path, but: Sequence[str] = ()) -> None:
    """Delete the shards of the checkpoint at `path`, but for some."""
    name = re.compile(rf"{re.escape(path.stem)}\.\d+\.\d+-of-\d+{re.escape(path.suffix)}")
    for file in path.parent.iterdir():
        if name.fullmatch(file.name) and file.name not in but:
            file.unlink(missing_ok=True)


class Kept:
    """A tensor on the disk, read by rows: kept[first:end], or all of it: kept[()]. pieces: first row -> its slice."""

    def __init__(self, pieces: Mapping[int, Any]):
        self.pieces = dict(sorted(pieces.items()))
        shapes = [piece.get_shape() for piece in self.pieces.values()]
        rows = [sum(shape[0] for shape in shapes)] if shapes[0] else []
        self.shape = torch.Size([*rows, *shapes[0][1:]])
        self.dtype = self[0:0].dtype

    def __getitem__(self, rows: slice | tuple) -> Tensor:
        if not self.shape:
            return self.pieces[0][()]
        first, end, _ = (slice(None) if rows == () else rows).indices(self.shape[0])
        return torch.cat([piece[max(0, first - at) : max(0, end - at)] for at, piece in self.pieces.items()])


@contextmanager
def opened(path: Path | str) -> Iterator[tuple[dict[str, Any], dict[str, Kept]]]:
    """Header and tensors of a checkpoint, which are not read before they are asked for.

    Raises FileNotFoundError, or ValueError for a file that is truncated or no checkpoint of ours.
    """
    path = Path(path)
    with ExitStack() as stack:
        header, slices = open_file(stack, path)
        pieces = {name: {0: piece} for name, piece in slices.items()}
        for shard in header.get("shards", ()):
            its, slices = open_file(stack, path.with_name(shard))
            for name, piece in slices.items():
                pieces.setdefault(name, {})[its["first"][name]] = piece
        yield header, {name: Kept(each) for name, each in pieces.items()}


def open_file(stack: ExitStack, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and slices of one file, which stays open as long as the stack."""
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}; train first, or give the path of one")
    try:
        file = stack.enter_context(safe_open(path, framework="pt"))
        header = json.loads((file.metadata() or {})["header"])
        return header, {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (no dict)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} ({path.stat().st_size:,} bytes) is truncated or no safetensors file: {error}; "
            "delete it and train again"
        ) from error
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{path} is a safetensors file without the header of a checkpoint; load weights with safetensors.torch"
        ) from error


def read(path: Path | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header of the checkpoint at `path`, on the CPU. Raises as `opened`."""
    with opened(path) as (header, tensors):
        return {name: tensor[()] for name, tensor in tensors.items()}, header


def check_names(path: Path | str, found: Mapping[str, Tensor | Kept], expected: Mapping[str, Tensor]) -> None:
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


def check_entries(path: Path | str, header: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise ValueError unless the header says all that a training needs to go on."""
    missing = [name for name in names if name not in header]
    if missing:
        raise ValueError(f"{path} says no {', '.join(missing)}: no training can go on from it; use another path")


def configuration(model: nn.Module) -> dict[str, Any]:
    """Every field of the configurations in a model: of all its modules that have a dataclass as `config`."""
    found = {
        f"{name}.{field}".lstrip("."): value
        for name, module in model.named_modules()
        if is_dataclass(getattr(module, "config", None))
        for field, value in asdict(module.config).items()
    }
    return json.loads(json.dumps(found, default=str))


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
