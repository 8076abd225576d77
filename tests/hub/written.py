"""Random checkpoints as they were released, and ways to spoil them."""

import json

import torch
from safetensors.torch import load_file, save_file

V, C, D, N = 11, 6, 8, 2


def released(family: str) -> tuple[dict, dict[str, torch.Tensor]]:
    """config.json and tensors as they were released, random."""
    chance = torch.Generator().manual_seed(0)
    tables = {"gpt2": ("wte", "wpe"), "openai-gpt": ("tokens_embed", "positions_embed")}[family]
    shapes = {f"{tables[0]}.weight": (V, D), f"{tables[1]}.weight": (C, D)}
    if family == "gpt2":
        shapes |= {"ln_f.weight": (D,), "ln_f.bias": (D,)}
    for i in range(N):
        for name, d_in, d_out in (
            ("attn.c_attn", D, 3 * D),
            ("attn.c_proj", D, D),
            ("mlp.c_fc", D, 4 * D),
            ("mlp.c_proj", 4 * D, D),
        ):
            shapes |= {f"h.{i}.{name}.weight": (d_in, d_out), f"h.{i}.{name}.bias": (d_out,)}
        for name in ("ln_1", "ln_2"):
            shapes |= {f"h.{i}.{name}.weight": (D,), f"h.{i}.{name}.bias": (D,)}
    config = dict(model_type=family, vocab_size=V, n_positions=C, n_embd=D, n_layer=N, n_head=2)
    return config, {f"transformer.{key}": torch.randn(shape, generator=chance) for key, shape in shapes.items()}


def write(folder, config: dict, tensors: dict) -> None:
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors")


def change(folder, **changes) -> None:
    """Set tensors by key, or take them away with None; dots are written as __."""
    tensors = load_file(folder / "model.safetensors")
    for key, tensor in changes.items():
        key = key.replace("__", ".")
        assert tensor is not None or tensors.pop(key, None) is not None
        if tensor is not None:
            tensors[key] = tensor
    save_file(tensors, folder / "model.safetensors")


def reconfigure(folder, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def in_halves(folder, target):
    """The checkpoint in half precision and in two shards, in another folder, which comes back."""
    (target / "config.json").write_text((folder / "config.json").read_text())
    tensors = {key: tensor.half() for key, tensor in load_file(folder / "model.safetensors").items()}
    first, second = (dict(list(tensors.items())[i::2]) for i in (0, 1))
    save_file(first, target / "model-1.safetensors")
    save_file(second, target / "model-2.safetensors")
    weight_map = dict.fromkeys(first, "model-1.safetensors") | dict.fromkeys(second, "model-2.safetensors")
    (target / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return target


def same(ours, others) -> bool:
    pairs = zip(ours.named_parameters(), others.named_parameters(), strict=True)
    return all(name == other_name and torch.equal(one, other) for (name, one), (other_name, other) in pairs)
