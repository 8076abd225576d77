"""BLIP as released: model_type "blip", in two halves, each with a text model of its own.

`Salesforce/blip-image-captioning-base`, `-large`: a Captioner.  `Salesforce/blip-itm-base-coco`, `-flickr`, …: a
Retriever. The captioner's last matrix is that of its words and not on disk; old checkpoints repeat it, and its bias.
Old checkpoints hold the numbers of the positions (embeddings.position_ids), which are no weights. What a configuration
leaves out is as in the class that wrote it.
[ENC] (30523) stands in no configuration. Training and the paper's evaluation put it first, and so does LAVIS; the
demonstration (blip_itm.py) does not, nor does transformers: which of the two a Retriever does, the loader is told.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_lib.hub.clip import block_sizes, tower
from course_lib.hub.core import (
    From,
    KeyMap,
    build,
    check_choices,
    check_depth,
    number,
    read_config,
    read_tensors,
    take_copy,
    whole_number,
)
from course_lib.hub.vit import BOTH, convolution, image_size, linears
from course_lib.models.blip import BLIPConfig, Captioner, Retriever, TextConfig
from course_lib.models.vit import ViTConfig

SIZES = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12)
IMAGE = SIZES | dict(num_attention_heads=12, image_size=384, patch_size=16)
TEXT = SIZES | dict(num_attention_heads=8, vocab_size=30524, max_position_embeddings=512, bos_token_id=30522)
CHOICES = {"hidden_act": ("gelu",)}  # dropout is for training alone; ours has none
EMBEDDINGS = "embeddings.word_embeddings.weight"
HEAD = "text_decoder.cls.predictions"


def load_blip_captioner(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> Captioner:
    """The model in a folder: config.json and model.safetensors. In eval mode.

    Raises FileNotFoundError or ValueError, see core.py; ValueError if config.json asks for what BLIP does not do.
    """
    config = blip_config(folder)
    tensors = read_blip(folder, "text_decoder.", "BlipForConditionalGeneration", config)
    take_copy(tensors, f"{HEAD}.decoder.weight", f"text_decoder.bert.{EMBEDDINGS}")
    take_copy(tensors, f"{HEAD}.decoder.bias", f"{HEAD}.bias")
    ignored = ["text_decoder.bert.embeddings.position_ids"]
    return build(lambda: Captioner(config), tensors, captioner_keys(config), ignored=ignored, dtype=dtype)


def load_blip_retriever(folder: str | Path, *, enc: int | None = None, dtype: torch.dtype = torch.float32) -> Retriever:
    """The model in a folder: config.json and model.safetensors. In eval mode.

    enc: what the first token becomes for matching; 30523 as in training, None: it stays, as transformers has it.
    Raises FileNotFoundError or ValueError, see core.py; ValueError if config.json asks for what BLIP does not do.
    """
    config = blip_config(folder)
    config = replace(config, text=replace(config.text, enc=enc))
    tensors = read_blip(folder, "text_encoder.", "BlipForImageTextRetrieval", config)
    ignored = ["text_encoder.embeddings.position_ids"]
    return build(lambda: Retriever(config), tensors, retriever_keys(config), ignored=ignored, dtype=dtype)


def blip_config(folder: str | Path) -> BLIPConfig:
    """Our configuration from their config.json."""
    config = read_config(folder, "blip")
    image, text = tower(config, "vision_config", IMAGE), tower(config, "text_config", TEXT)
    for each in (image, text):
        check_choices(each, CHOICES)
    check_choices(text, {"is_decoder": (True,)})
    for each in (config, text):
        check_choices(each, {"tie_word_embeddings": (True,)})
    return BLIPConfig(
        image=image_config(image, eps=1e-5),
        text=TextConfig(
            n_vocab=whole_number(text, "vocab_size"),
            context=whole_number(text, "max_position_embeddings"),
            dec=whole_number(text, "bos_token_id"),
            eps=number(text, "layer_norm_eps", 1e-12),
            **block_sizes(text),
        ),
        d_shared=whole_number({"image_text_hidden_size": 256} | config, "image_text_hidden_size"),
        init_std=number(text, "initializer_range", 0.02),
    )


def image_config(tower: Mapping[str, Any], *, eps: float) -> ViTConfig:
    """Of BLIP's image tower and BLIP-2's. eps: where none is given."""
    height, width = image_size(tower)
    return ViTConfig(
        height=height,
        width=width,
        patch=whole_number(tower, "patch_size"),
        eps=number(tower, "layer_norm_eps", eps),
        init_std=0.02,
        **block_sizes(tower),
    )


def read_blip(folder: str | Path, prefix: str, name: str, config: BLIPConfig) -> dict[str, Tensor]:
    """The tensors. Raises ValueError where the checkpoint is the other half."""
    tensors = read_tensors(folder)
    if not any(key.startswith(prefix) for key in tensors):
        raise ValueError(f"{folder} holds no tensor {prefix}…; give a checkpoint of {name}")
    check_depth(max(config.image.n_layers, config.text.n_layers), tensors)
    return tensors


def captioner_keys(config: BLIPConfig) -> KeyMap:
    """ours: theirs."""
    keys = pair_keys(config, "text_decoder.bert", "decode") | {"head.bias": From(f"{HEAD}.bias")}
    return keys | linears({"head.transform": f"{HEAD}.transform.dense", "head.norm": f"{HEAD}.transform.LayerNorm"})


def retriever_keys(config: BLIPConfig) -> KeyMap:
    """ours: theirs."""
    heads = {"project_image": "vision_proj", "project_text": "text_proj", "match": "itm_head"}
    return pair_keys(config, "text_encoder", "encode") | linears(heads)


def pair_keys(config: BLIPConfig, text: str, mode: str) -> KeyMap:
    """ours: theirs, of image tower and text model. text: what theirs is called."""
    keys: dict[str, Any] = image_keys(config.image.n_layers) | {
        "text.embeddings.words.weight": From(f"{text}.{EMBEDDINGS}"),
        "text.embeddings.positions": From(f"{text}.embeddings.position_embeddings.weight"),
    }
    names = {"text.embeddings.norm": f"{text}.embeddings.LayerNorm"}
    for i in range(config.text.n_layers):
        ours, theirs = f"text.layers.{i}", f"{text}.encoder.layer.{i}"
        for sublayer, to, name in ((f"attention.{mode}", "to_qkv", "attention"), ("cross", "to_kv", "crossattention")):
            joined = ("query", "key", "value") if to == "to_qkv" else ("key", "value")
            for part in BOTH:
                keys[f"{ours}.{sublayer}.sublayer.{to}.{part}"] = From(
                    tuple(f"{theirs}.{name}.self.{one}.{part}" for one in joined)
                )
            names[f"{ours}.{sublayer}.sublayer.to_out"] = f"{theirs}.{name}.output.dense"
            names[f"{ours}.{sublayer}.norm"] = f"{theirs}.{name}.output.LayerNorm"
        names |= {
            f"{ours}.cross.sublayer.to_q": f"{theirs}.crossattention.self.query",
            f"{ours}.feedforward.sublayer.up": f"{theirs}.intermediate.dense",
            f"{ours}.feedforward.sublayer.down": f"{theirs}.output.dense",
            f"{ours}.feedforward.norm": f"{theirs}.output.LayerNorm",
        }
    return keys | linears(names)


def image_keys(n_layers: int) -> KeyMap:
    """ours: theirs, of the image tower, which BLIP and BLIP-2 name alike."""
    keys = {
        "image.cls": From("vision_model.embeddings.class_embedding", take=lambda token: token.flatten()),
        "image.positions": From("vision_model.embeddings.position_embedding", take=lambda table: table.squeeze(0)),
        "image.patches.project.weight": convolution("vision_model.embeddings.patch_embedding.weight"),
        "image.patches.project.bias": From("vision_model.embeddings.patch_embedding.bias"),
        **linears({"image.norm_out": "vision_model.post_layernorm"}),
    }
    for i in range(n_layers):
        ours, theirs = f"image.encoder.blocks.{i}", f"vision_model.encoder.layers.{i}"
        names = {
            "attention.to_qkv": "self_attn.qkv",
            "attention.to_out": "self_attn.projection",
            "norm_attention": "layer_norm1",
            "norm_feedforward": "layer_norm2",
            "feedforward.up": "mlp.fc1",
            "feedforward.down": "mlp.fc2",
        }
        keys |= linears({f"{ours}.{one}": f"{theirs}.{other}" for one, other in names.items()})
    return keys
