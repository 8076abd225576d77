"""What every family's loader needs: read config and tensors, map the keys, leave nothing over and nothing out.

A checkpoint is a folder:
    config.json                       sizes and choices; model_type says which family
    model.safetensors                 the tensors by name, or in several files:
    model.safetensors.index.json      weight_map, tensor name -> file
Nothing is half-loaded: the model is built without memory, all keys and shapes are compared, and only then do the
tensors become its weights. Pickle files (pytorch_model.bin) are refused: reading one runs whatever code it holds.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
WANTED = ("config.json", "model*.safetensors", INDEX, "vocab.json", "merges.txt")


@dataclass(frozen=True)
class From:
    """The released tensor that a weight comes from. turned: it is [in out], as in Conv1D, where Linear is [out in]."""

    key: str
    turned: bool = False


KeyMap = Mapping[str, From]  # the name of our weight -> where it comes from


def read_config(folder: str | Path, model_type: str) -> dict[str, Any]:
    """config.json of a checkpoint of this family. Raises FileNotFoundError, or ValueError for any other family."""
    path = Path(folder, "config.json")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; give the folder of a checkpoint: config.json and {WEIGHTS}")
    config = read_json(path)
    found = config.get("model_type")
    if found != model_type:
        raise ValueError(f"{path} says model_type {found!r}, and this loader reads {model_type!r}")
    return config


def whole_number(config: Mapping[str, Any], key: str) -> int:
    """A size from config.json. Raises ValueError if it is missing or not a positive whole number."""
    if type(config.get(key)) is not int or config[key] < 1:
        raise ValueError(f"config.json gives {key} as {config.get(key)!r}; a positive whole number is needed")
    return config[key]


def check_choices(config: Mapping[str, Any], choices: Mapping[str, Iterable]) -> None:
    """Raise ValueError where config.json asks for what our model does not do. A key that is not there is fine."""
    for key, allowed in choices.items():
        if key in config and config[key] not in list(allowed):
            raise ValueError(f"config.json asks for {key} = {config[key]!r}; our model does {list(allowed)} only")


def read_tensors(folder: str | Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint, in one file or in several.

    Raises FileNotFoundError for missing files, ValueError for pickled, broken and cut-off ones.
    """
    folder = Path(folder)
    if (folder / WEIGHTS).is_file():
        return read_safetensors(folder / WEIGHTS)
    if (folder / INDEX).is_file():
        return read_shards(folder / INDEX)
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        raise ValueError(
            f"{folder} holds {pickles[0]} and no {WEIGHTS}. A pickle file runs code when it is read, so it is refused; "
            "convert it where you trust it: transformers' AutoModelForCausalLM.from_pretrained(folder)"
            ".save_pretrained(new_folder, safe_serialization=True)"
        )
    raise FileNotFoundError(f"{folder} holds neither {WEIGHTS} nor {INDEX}; was the download finished?")


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of one file. Raises ValueError if it is cut off or something else."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  a file, not a dict
    except SafetensorError as error:
        raise ValueError(
            f"{path} ({path.stat().st_size:,} bytes) is no whole safetensors file ({error}); download it again"
        ) from None


def read_shards(index: Path) -> dict[str, Tensor]:
    """The tensors of all files that the index names. Raises unless each file holds just what the index says."""
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(f"{index} has no weight_map, the table tensor name -> file")
    tensors: dict[str, Tensor] = {}
    for name in sorted(set(weight_map.values())):
        path = index.parent / name
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise ValueError(f"{index} names the file {name!r}; a .safetensors file beside the index is needed")
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing, though {index.name} names it; download all files")
        shard = read_safetensors(path)
        promised = {key for key, file in weight_map.items() if file == name}
        if shard.keys() != promised:
            raise ValueError(f"{path} and {index.name} disagree about {listed(shard.keys() ^ promised)}")
        tensors |= shard
    return tensors


def without_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Keys with the prefix taken off where they have it. Raises ValueError if two become one."""
    short = {key.removeprefix(prefix): tensor for key, tensor in tensors.items()}
    if len(short) < len(tensors):
        twice = [key for key in tensors if key.startswith(prefix) and key.removeprefix(prefix) in tensors]
        raise ValueError(f"the checkpoint has {listed(twice)} also without {prefix!r}; which one is meant?")
    return short


def take_copy(tensors: dict[str, Tensor], copy: str, original: str) -> None:
    """Drop a key that repeats another, as a tied output head does; where only the copy was kept, it is the original.

    Raises ValueError if the two are not the same.
    """
    if copy not in tensors:
        return
    repeated = tensors.pop(copy)
    if not torch.equal(repeated, tensors.setdefault(original, repeated)):
        raise ValueError(f"{copy} is not {original}, but our model has one matrix for both; this one is not tied")


def build(
    make: Callable[[], nn.Module],
    tensors: Mapping[str, Tensor],
    keys: KeyMap,
    *,
    ignored: Iterable[str] = (),
    dtype: torch.dtype = torch.float32,
) -> nn.Module:
    """make() with the tensors as its weights, in eval mode.

    keys: where each weight of the model comes from.  ignored: keys that old checkpoints have and nobody needs.
    dtype: what the weights are kept in; the file may have any floating type.
    Raises ValueError naming what is missing, left over, of another shape or not a floating type, in this order.
    """
    if not dtype.is_floating_point:
        raise ValueError(f"dtype ({dtype}) must be a floating type, such as torch.float32 or torch.bfloat16")
    with torch.device("meta"):
        model = make()
    ours = model.state_dict()
    if ours.keys() != keys.keys():
        raise ValueError(f"the key map and the model disagree about {listed(ours.keys() ^ keys.keys())}")
    wanted = {source.key for source in keys.values()}
    missing = wanted - tensors.keys()
    if missing:
        raise ValueError(f"the checkpoint lacks {len(missing)} of {len(wanted)} tensors: {listed(missing)}")
    extra = tensors.keys() - wanted - set(ignored)
    if extra:
        raise ValueError(f"the checkpoint has {len(extra)} tensors that this model has no place for: {listed(extra)}")
    for name, source in keys.items():
        tensor, shape = tensors[source.key], ours[name].shape[::-1] if source.turned else ours[name].shape
        if tensor.shape != shape:
            raise ValueError(
                f"{source.key} is {list(tensor.shape)}; by config.json it must be {list(shape)} ({name} of our model)"
            )
        if not tensor.dtype.is_floating_point:
            raise ValueError(f"{source.key} is {tensor.dtype}; weights must be floating-point, quantised are not read")
    state = {
        name: (tensors[source.key].T if source.turned else tensors[source.key]).to(dtype).contiguous()
        for name, source in keys.items()
    }
    model.load_state_dict(state, strict=True, assign=True)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model.eval()


def fetch(repo_id: str, revision: str | None = None) -> Path:
    """Download a checkpoint's config, safetensors and tokenizer files from the hub; return the folder on this disk.

    Raises ImportError without the optional extra, OSError where the hub or the repository cannot be reached.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise ImportError(
            "fetching needs huggingface_hub: pip install 'course-lib[hub]'; "
            "or download the files yourself and give their folder to the loader"
        ) from None
    try:
        return Path(snapshot_download(repo_id, revision=revision, allow_patterns=list(WANTED)))
    except Exception as error:
        raise OSError(
            f"{repo_id!r} could not be fetched ({type(error).__name__}: {error}); check the name and the network, "
            "or give the loader a folder that you have"
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """One JSON object. Raises ValueError for anything else."""
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}); is it whole?") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds a {type(value).__name__}, not an object")
    return value


def listed(names: Iterable[str]) -> str:
    """The first names in order, and how many more."""
    names = sorted(names)
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
