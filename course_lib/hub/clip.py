"""CLIP as released (`openai/clip-vit-base-patch32`, `-base-patch16`, `-large-patch14`): model_type "clip".

The norm before the image tower's blocks is spelled pre_layrnorm. Old checkpoints hold the numbers of the positions
(embeddings.position_ids), which are no weights; old configurations say eos_token_id 2, which means that the largest id
of a text ends it. What a configuration leaves out is as in the class that wrote it.
"""

from collections.abc import Mapping
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
from course_lib.hub.vit import block_keys, convolution, linears
from course_lib.models.clip import CLIP, CLIPConfig, ImageConfig, TextConfig

IMAGE = dict(
    hidden_size=768,
    intermediate_size=3072,
    num_hidden_layers=12,
    num_attention_heads=12,
    image_size=224,
    patch_size=32,
    num_channels=3,
)
TEXT = dict(
    hidden_size=512,
    intermediate_size=2048,
    num_hidden_layers=12,
    num_attention_heads=8,
    vocab_size=49408,
    max_position_embeddings=77,
    eos_token_id=49407,
)
CHOICES = {"hidden_act": ("quick_gelu",), "attention_dropout": (0,), "dropout": (0,)}
OLD_END = 2  # written before transformers#24773; it means the largest id
BUFFERS = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")


def load_clip(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> CLIP:
    """The model in a folder: config.json and model.safetensors. In eval mode.

    Raises FileNotFoundError or ValueError, see core.py; ValueError if config.json asks for what CLIP does not do.
    """
    config = clip_config(folder)
    tensors = read_tensors(folder)
    check_depth(max(config.image.n_layers, config.text.n_layers), tensors)
    return build(lambda: CLIP(config), tensors, key_map(config), ignored=BUFFERS, dtype=dtype)


def clip_config(folder: str | Path) -> CLIPConfig:
    """Our configuration from their config.json."""
    config = read_config(folder, "clip")
    image, text = tower(config, "vision_config", IMAGE), tower(config, "text_config", TEXT)
    for each in (image, text):
        check_choices(each, CHOICES)
    end = whole_number(text, "eos_token_id")
    return CLIPConfig(
        image=image_config(image),
        text=text_config(text, end=None if end == OLD_END else end),
        d_shared=whole_number({"projection_dim": 512} | config, "projection_dim"),
        eps=one_eps(image, text, 1e-5),
        init_std=number(text, "initializer_range", 0.02),
    )


def tower(config: Mapping[str, Any], key: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The part of config.json about one tower, completed. Raises ValueError for what is no object."""
    found = config.get(key)
    if not isinstance(found, dict | None):
        raise ValueError(f"config.json gives {key} as {found!r:.60}; an object is needed")
    found = dict(defaults) | (found or {})
    check_heads(found, "hidden_size", "num_attention_heads")
    return found


def image_config(tower: Mapping[str, Any]) -> ImageConfig:
    side = whole_number(tower, "image_size")
    return ImageConfig(
        height=side,
        width=side,
        patch=whole_number(tower, "patch_size"),
        channels=whole_number(tower, "num_channels"),
        **block_sizes(tower),
    )


def text_config(tower: Mapping[str, Any], end: int | None = None) -> TextConfig:
    return TextConfig(
        n_vocab=whole_number(tower, "vocab_size"),
        context=whole_number(tower, "max_position_embeddings"),
        end=end,
        **block_sizes(tower),
    )


def block_sizes(tower: Mapping[str, Any]) -> dict[str, int]:
    return dict(
        d_model=whole_number(tower, "hidden_size"),
        n_layers=whole_number(tower, "num_hidden_layers"),
        n_heads=whole_number(tower, "num_attention_heads"),
        d_hidden=whole_number(tower, "intermediate_size"),
    )


def one_eps(image: Mapping[str, Any], text: Mapping[str, Any], default: float) -> float:
    """The eps of all norms. Raises ValueError if the towers differ."""
    found = [number(each, "layer_norm_eps", default) for each in (image, text)]
    if found[0] != found[1]:
        raise ValueError(f"config.json gives layer_norm_eps {found[0]} for images, {found[1]} for texts; ours has one")
    return found[0]


def key_map(config: CLIPConfig) -> KeyMap:
    """ours: theirs."""
    return {
        "logit_scale": From("logit_scale"),
        "project_image.weight": From("visual_projection.weight"),
        "project_text.weight": From("text_projection.weight"),
        "image.cls": From("vision_model.embeddings.class_embedding"),
        **linears({"image.norm_in": "vision_model.pre_layrnorm"}),
        **tower_keys(config.image.n_layers, config.text.n_layers),
    }


def tower_keys(n_image: int, n_text: int) -> KeyMap:
    """What CLIP and SigLIP name alike."""
    keys = {
        "image.patches.project.weight": convolution("vision_model.embeddings.patch_embedding.weight"),
        "image.positions": From("vision_model.embeddings.position_embedding.weight"),
        "text.positions": From("text_model.embeddings.position_embedding.weight"),
        "text.embedding.weight": From("text_model.embeddings.token_embedding.weight"),
    }
    keys |= linears({"image.norm_out": "vision_model.post_layernorm", "text.norm_out": "text_model.final_layer_norm"})
    for ours, theirs, n_layers in (("image", "vision_model", n_image), ("text", "text_model", n_text)):
        for i in range(n_layers):
            layer = f"{theirs}.encoder.layers.{i}"
            keys |= block_keys(
                f"{ours}.encoder.blocks.{i}",
                qkv=[f"{layer}.self_attn.{name}_proj" for name in "qkv"],
                others={
                    "attention.to_out": f"{layer}.self_attn.out_proj",
                    "feedforward.up": f"{layer}.mlp.fc1",
                    "feedforward.down": f"{layer}.mlp.fc2",
                    "norm_attention": f"{layer}.layer_norm1",
                    "norm_feedforward": f"{layer}.layer_norm2",
                },
            )
    return keys
