"""ViT as released (`google/vit-base-patch16-224`): model_type "vit", with a classifier.

The matrices q, k and v lie apart, and the patches go through a convolution. On disk the keys are those of the first
release (attention.attention.query), whatever a newer transformers calls them in memory.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from course_lib.hub.core import (
    From,
    KeyMap,
    build,
    check_choices,
    check_depth,
    check_heads,
    number,
    read_config,
    read_tensors,
    whole_number,
)
from course_lib.models.vit import ViT, ViTConfig

CHOICES = {
    "hidden_act": ("gelu",),
    "qkv_bias": (True,),
    "hidden_dropout_prob": (0,),
    "attention_probs_dropout_prob": (0,),
}


def load_vit(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> ViT:
    """The model in a folder: config.json and model.safetensors. In eval mode.

    Raises FileNotFoundError or ValueError, see core.py; ValueError if config.json asks for what ViT does not do, or the
    checkpoint has no classifier.
    """
    config = vit_config(folder)
    tensors = read_tensors(folder)
    if "classifier.weight" not in tensors:
        raise ValueError(f"{folder} holds a ViT without classifier; give one of ViTForImageClassification")
    check_depth(config.n_layers, tensors)
    return build(lambda: ViT(config), tensors, key_map(config.n_layers), dtype=dtype)


def vit_config(folder: str | Path) -> ViTConfig:
    """Our configuration from their config.json."""
    config = read_config(folder, "vit")
    check_choices(config, CHOICES)
    check_heads(config, "hidden_size", "num_attention_heads")
    height, width = image_size(config)
    return ViTConfig(
        height=height,
        width=width,
        n_classes=n_classes(config),
        patch=whole_number(config, "patch_size"),
        channels=whole_number({"num_channels": 3} | config, "num_channels"),
        d_model=whole_number(config, "hidden_size"),
        n_layers=whole_number(config, "num_hidden_layers"),
        n_heads=whole_number(config, "num_attention_heads"),
        d_hidden=whole_number(config, "intermediate_size"),
        eps=number(config, "layer_norm_eps", 1e-12),
        init_std=number(config, "initializer_range", 0.02),
    )


def image_size(config: Mapping[str, Any]) -> tuple[int, int]:
    """(height, width) in pixels: image_size is one number or these two."""
    sides = config.get("image_size")
    if not isinstance(sides, list):
        return (whole_number(config, "image_size"),) * 2
    if len(sides) != 2:
        raise ValueError(f"config.json gives image_size as {sides}; one side is needed, or [height, width]")
    height, width = ({"image_size": side} for side in sides)
    return whole_number(height, "image_size"), whole_number(width, "image_size")


def n_classes(config: Mapping[str, Any]) -> int:
    """As many as have a name: id2label, or num_labels, or 2 as their class has without either."""
    names = config.get("id2label")
    if names is None:
        return whole_number({"num_labels": 2} | config, "num_labels")
    if not isinstance(names, dict) or not names:
        raise ValueError(f"config.json gives id2label as {names!r:.60}; an object, number: name, is needed")
    return len(names)


def key_map(n_layers: int) -> KeyMap:
    """ours: theirs."""
    keys = {
        "cls": From("vit.embeddings.cls_token", take=lambda token: token.flatten()),
        "positions": From("vit.embeddings.position_embeddings", take=lambda table: table.squeeze(0)),
        "patches.project.weight": convolution("vit.embeddings.patch_embeddings.projection.weight"),
        "patches.project.bias": From("vit.embeddings.patch_embeddings.projection.bias"),
    }
    keys |= linears({"norm_out": "vit.layernorm", "head": "classifier"})
    for i in range(n_layers):
        theirs = f"vit.encoder.layer.{i}"
        keys |= block_keys(
            f"encoder.blocks.{i}",
            qkv=[f"{theirs}.attention.attention.{name}" for name in ("query", "key", "value")],
            others={
                "attention.to_out": f"{theirs}.attention.output.dense",
                "feedforward.up": f"{theirs}.intermediate.dense",
                "feedforward.down": f"{theirs}.output.dense",
                "norm_attention": f"{theirs}.layernorm_before",
                "norm_feedforward": f"{theirs}.layernorm_after",
            },
        )
    return keys


def block_keys(ours: str, qkv: Iterable[str], others: Mapping[str, str]) -> KeyMap:
    """One encoder block; qkv: where q, k and v come from, in this order."""
    joined = {f"{ours}.attention.to_qkv.{part}": From(tuple(f"{one}.{part}" for one in qkv)) for part in BOTH}
    return joined | linears({f"{ours}.{name}": theirs for name, theirs in others.items()})


BOTH = ("weight", "bias")


def linears(names: Mapping[str, str]) -> KeyMap:
    """Layers and norms whose weight and bias are as ours."""
    return {f"{ours}.{part}": From(f"{theirs}.{part}") for ours, theirs in names.items() for part in BOTH}


def convolution(key: str) -> From:
    """A convolution's [D C P P] as the matrix of flat patches, [D C·P·P]."""
    return From(key, take=lambda kernel: kernel.flatten(1))
