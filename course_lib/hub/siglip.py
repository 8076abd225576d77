"""SigLIP as released (`google/siglip-base-patch16-224`, `google/siglip-so400m-patch14-384`): model_type "siglip".

The pooling head's q, k and v are fused, in_proj, as in torch.nn.MultiheadAttention; scale and bias are vectors of one.
The configuration of the base model names no sizes at all: they are those of the class that wrote it. So400m has patches
of 14 in 384 pixels, of which a convolution leaves the last 6 out: ours is for the first 378.
"""

from pathlib import Path

import torch

from course_lib.hub.clip import BUFFERS, image_config, one_eps, text_config, tower, tower_keys
from course_lib.hub.core import (
    From,
    KeyMap,
    build,
    check_choices,
    check_depth,
    part,
    read_config,
    read_tensors,
    whole_number,
)
from course_lib.hub.vit import BOTH, linears
from course_lib.models.siglip import SigLIP, SigLIPConfig

BASE = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
IMAGE = BASE | dict(image_size=224, patch_size=16, num_channels=3)
TEXT = BASE | dict(vocab_size=32000, max_position_embeddings=64)
CHOICES = {"hidden_act": ("gelu_pytorch_tanh",), "attention_dropout": (0,), "vision_use_head": (True,)}


def load_siglip(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> SigLIP:
    """The model in a folder: config.json and model.safetensors. In eval mode.

    Raises FileNotFoundError or ValueError, see core.py; ValueError if config.json asks for what SigLIP does not do.
    """
    config = siglip_config(folder)
    tensors = read_tensors(folder)
    check_depth(max(config.image.n_layers, config.text.n_layers), tensors)
    return build(lambda: SigLIP(config), tensors, key_map(config), ignored=BUFFERS, dtype=dtype)


def siglip_config(folder: str | Path) -> SigLIPConfig:
    """Our configuration from their config.json."""
    config = read_config(folder, "siglip")
    image, text = tower(config, "vision_config", IMAGE), tower(config, "text_config", TEXT)
    for each in (image, text):
        check_choices(each, CHOICES)
    check_choices(text, {"projection_size": (None, image["hidden_size"])})
    side, patch = (whole_number(image, key) for key in ("image_size", "patch_size"))
    image["image_size"] = side // patch * patch
    return SigLIPConfig(image=image_config(image), text=text_config(text), eps=one_eps(image, text, 1e-6))


def key_map(config: SigLIPConfig) -> KeyMap:
    """ours: theirs."""
    head = "vision_model.head"
    keys = tower_keys(config.image.n_layers, config.text.n_layers)
    keys |= {
        "logit_scale": From("logit_scale", take=lambda one: one.reshape(())),
        "logit_bias": From("logit_bias", take=lambda one: one.reshape(())),
        "image.patches.project.bias": From("vision_model.embeddings.patch_embedding.bias"),
        "image.pool.query": From(f"{head}.probe", take=lambda probe: probe.flatten()),
    }
    for i, name in enumerate(("to_q", "to_k", "to_v")):
        for each in BOTH:
            keys[f"image.pool.attention.{name}.{each}"] = From(f"{head}.attention.in_proj_{each}", take=part(i, of=3))
    return keys | linears(
        {
            "image.pool.attention.to_out": f"{head}.attention.out_proj",
            "image.pool.norm": f"{head}.layernorm",
            "image.pool.feedforward.up": f"{head}.mlp.fc1",
            "image.pool.feedforward.down": f"{head}.mlp.fc2",
            "text.head": "text_model.head",
        }
    )
