"""Large checkpoints: tensors that stay on the disk until they are asked for, and are kept nowhere.

`build` of core.py asks for each when its weight is made, so what is in memory is the model and one released tensor.
`read_tensors` holds all files open instead: what the copies are made from stays in memory beside them, twice the model.
    tensors = on_disk(folder).renamed(lambda key: key.removeprefix("model."))
Read first: core.py.  Chapter 15.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from course_lib.hub.core import INDEX, WEIGHTS, listed, read_json, read_tensors


class Tensors(Mapping[str, Tensor]):
    """By name, like a dict. places: name -> the file, and the tensor's name in it."""

    def __init__(self, places: Mapping[str, tuple[Path, str]]):
        self.places = dict(places)

    def __getitem__(self, name: str) -> Tensor:
        path, key = self.places[name]
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def renamed(self, rename: Callable[[str], str]) -> "Tensors":
        """With other names. Raises ValueError if two become one."""
        places: dict[str, tuple[Path, str]] = {}
        for name, place in self.places.items():
            if (new := rename(name)) in places:
                raise ValueError(f"the checkpoint has {name} and {places[new][1]}, both for {new}; which one is meant?")
            places[new] = place
        return Tensors(places)


def on_disk(folder: str | Path) -> Tensors:
    """All tensors of a checkpoint, in one file or in several.

    Raises FileNotFoundError for missing files, ValueError for pickled, broken and cut-off ones, and unless each file
    holds just what the index says.
    """
    folder = Path(folder)
    if (folder / WEIGHTS).is_file() or not (folder / INDEX).is_file():
        if not (folder / WEIGHTS).is_file():
            read_tensors(folder)  # says what is missing
        return Tensors({key: (folder / WEIGHTS, key) for key in names_in(folder / WEIGHTS)})
    index = folder / INDEX
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(f"{index} has no weight_map, the table tensor name -> file")
    for name in weight_map.values():
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise ValueError(f"{index} names the file {name!r}; a .safetensors file beside the index is needed")
    for name in sorted(set(weight_map.values())):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing, though {INDEX} names it; download all files")
        promised = {key for key, file in weight_map.items() if file == name}
        if found := names_in(folder / name) ^ promised:
            raise ValueError(f"{folder / name} and {INDEX} disagree about {listed(found)}")
    return Tensors({key: (folder / name, key) for key, name in weight_map.items()})


def names_in(path: Path) -> set[str]:
    """What one file holds, by name; no tensor is read. Raises ValueError if it is cut off or something else."""
    try:
        with safe_open(path, framework="pt") as file:
            return set(file.keys())
    except SafetensorError as error:
        raise ValueError(
            f"{path} ({path.stat().st_size:,} bytes) is no whole safetensors file ({error}); download it again"
        ) from None
