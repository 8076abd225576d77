"""What every family's loader needs: read config and tensors, map the keys, leave nothing over and nothing out.

A checkpoint is a folder:
    config.json                       sizes and choices; model_type says which family
    model.safetensors                 the tensors by name, or in several files:
    model.safetensors.index.json      weight_map, tensor name -> file
Nothing is half-loaded: all keys are compared, the model is built without memory, all shapes are compared, and only then
do copies of the tensors become its weights. Pickle files (pytorch_model.bin) are refused: reading one runs whatever
code it holds.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
WANTED = ("config.json", "model*.safetensors", INDEX, "vocab.json", "merges.txt", "tokenizer.json")
MOST = 10**10  # larger than any size of any model
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class From:
    """The released tensor that a weight comes from; a tuple of keys: tensors that it joins along the first axis.

    turned: each is [in out], as in Conv1D, where Linear is [out in].
    take: what the weight has of them, and how: it gets the tensors in the order of the keys. It moves numbers and
    drops none: what one weight leaves of a released tensor, another must take.
        From("projection.weight", take=lambda kernel: kernel.flatten(1))       a convolution's [D 3 P P] -> [D 3·P·P]
        From("c_attn.weight", turned=True, take=part(0, of=3))                 q of a fused q, k, v
        From(("q.weight", "k.weight", "v.weight"))                             the fused one of three
    """

    key: str | tuple[str, ...]
    turned: bool = False
    take: Callable[..., Tensor] | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,) if isinstance(self.key, str) else self.key

    def made(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """The weight. Raises whatever `take` raises; RuntimeError for `turned` where a tensor is no matrix."""
        parts = [tensors[key].t() if self.turned else tensors[key] for key in self.keys]
        return self.take(*parts) if self.take else torch.cat(parts) if len(parts) > 1 else parts[0]


def part(i: int, *, of: int) -> Callable[[Tensor], Tensor]:
    """A take: part i (from 0) of as many equal parts, cut along the first axis."""
    return lambda tensor: tensor.chunk(of)[i]


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
    check_choices(config, {"quantization_config": (None,)})
    return config


def whole_number(config: Mapping[str, Any], key: str) -> int:
    """A size from config.json. Raises ValueError if it is missing or not a whole number from 1 to MOST."""
    if type(config.get(key)) is not int or not 1 <= config[key] <= MOST:
        raise ValueError(f"config.json gives {key} as {config.get(key)!r}; a positive whole number to {MOST} is needed")
    return config[key]


def number(config: Mapping[str, Any], key: str, default: float, *, below: float = math.inf) -> float:
    """A number from config.json, 0 or more. Raises ValueError for anything else."""
    value = config.get(key, default)
    if type(value) not in (int, float) or not 0 <= value < below:
        raise ValueError(f"config.json gives {key} as {value!r}; a number of at least 0 and below {below} is needed")
    return value


def one_number(config: Mapping[str, Any], keys: Iterable[str], default: float, **limits: float) -> float:
    """The number that all these keys give. Raises ValueError if they differ: our model has one for all."""
    values = {key: number(config, key, default, **limits) for key in keys}
    if len(set(values.values())) > 1:
        raise ValueError(f"config.json gives {values}; our model has one number for all: make them equal there")
    return next(iter(values.values()))


def check_heads(config: Mapping[str, Any], width: str, heads: str) -> None:
    """Raise ValueError unless the heads that config.json gives divide the width."""
    if whole_number(config, width) % whole_number(config, heads):
        raise ValueError(f"config.json gives {heads} as {config[heads]}; it must divide {width} ({config[width]})")


def check_depth(n_layers: int, tensors: Mapping[str, Tensor]) -> None:
    """Raise ValueError where config.json promises more layers than there are tensors; so many take minutes to build."""
    if n_layers > len(tensors):
        raise ValueError(f"config.json promises {n_layers} layers; the checkpoint has {len(tensors)} tensors in all")


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
    strange = [name for name in weight_map.values() if not isinstance(name, str)]
    if strange:
        raise ValueError(f"{index} names the file {strange[0]!r}; a .safetensors file beside the index is needed")
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
    Raises ValueError naming what is missing, left over, of another shape, not taken whole, not a floating type or not
    finite, in this order.
    """
    if not dtype.is_floating_point:
        raise ValueError(f"dtype ({dtype}) must be a floating type, such as torch.float32 or torch.bfloat16")
    wanted = {key for source in keys.values() for key in source.keys}
    missing = wanted - tensors.keys()
    if missing:
        raise ValueError(f"the checkpoint lacks {len(missing)} of {len(wanted)} tensors: {listed(missing)}")
    extra = tensors.keys() - wanted - set(ignored)
    if extra:
        raise ValueError(f"the checkpoint has {len(extra)} tensors that this model has no place for: {listed(extra)}")
    try:
        with torch.device("meta"):
            model = make()
    except (RuntimeError, OverflowError, TypeError) as error:
        raise ValueError(f"config.json describes a model that cannot be built: {error}") from error
    ours = model.state_dict()
    if ours.keys() != keys.keys():
        raise ValueError(f"the key map and the model disagree about {listed(ours.keys() ^ keys.keys())}")
    check_shapes({key: tensors[key] for key in wanted}, keys, {name: weight.shape for name, weight in ours.items()})
    for key in sorted(wanted):
        if tensors[key].dtype not in FLOATS:
            raise ValueError(f"{key} is {tensors[key].dtype}; weights must be floating-point, quantised are not read")
    # copied, since what is read from the file is the file: who writes there would write into the model
    state = {
        name: source.made(tensors).to(dtype, copy=True, memory_format=torch.contiguous_format)
        for name, source in keys.items()
    }
    for name, weight in state.items():
        if not weight.isfinite().all():
            raise ValueError(
                f"{listed(keys[name].keys)} gives {weight.numel() - int(weight.isfinite().sum())} of {weight.numel()} "
                f"numbers that are NaN or infinite in {dtype} ({name} of our model); was its training whole?"
            )
    model.load_state_dict(state, strict=True, assign=True)
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    return model.eval()


def check_shapes(tensors: Mapping[str, Tensor], keys: KeyMap, shapes: Mapping[str, torch.Size]) -> None:
    """Raise ValueError unless each weight is made in its shape, and every number released has a place in some weight.

    Tried on tensors without memory.
    """
    shadows = {key: tensor.to("meta") for key, tensor in tensors.items()}
    placed: Counter[str] = Counter()  # key -> the share of its numbers that our weights take
    for name, source in keys.items():
        told = ", ".join(f"{key} is {list(tensors[key].shape)}" for key in source.keys)
        try:
            made = source.made(shadows).shape
        except Exception as error:  # whatever take makes of a shape that it was not written for
            raise ValueError(f"{told}; {name} of our model, {list(shapes[name])}, is not made of it: {error}") from None
        if made != shapes[name]:
            alone = source.take is None and len(source.keys) == 1
            taken = "" if alone else f", taken as {list(made)}"
            wanted = shapes[name][::-1] if alone and source.turned else shapes[name]
            raise ValueError(f"{told}{taken}; by config.json it must be {list(wanted)} ({name} of our model)")
        share = Fraction(made.numel(), sum(tensors[key].numel() for key in source.keys))
        placed.update(dict.fromkeys(source.keys, share))
    for key, share in sorted(placed.items()):
        if share < 1:
            raise ValueError(f"{key} is {list(tensors[key].shape)}; this model takes {share} of it and leaves the rest")


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
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}); is it whole?") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds a {type(value).__name__}, not an object")
    return value


def listed(names: Iterable[str]) -> str:
    """The first names in order, and how many more."""
    names = sorted(names)
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
