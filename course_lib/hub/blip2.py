"""BLIP-2 as released: model_type "blip-2".

`Salesforce/blip2-itm-vit-g` (Blip2ForImageTextRetrieval) is stage 1 but for the head that writes.
`Salesforce/blip2-opt-2.7b`, `-6.7b` (Blip2ForConditionalGeneration) are stage 2: no text half. Those with T5 are not
read. The image tower has q, k and v in one matrix; EVA's k has no bias, here it is 0. Of the Q-Former's two
feed-forward layers intermediate and output are the words', intermediate_query and output_query the queries'.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from course_lib.hub import opt
from course_lib.hub.blip import image_config, image_keys
from course_lib.hub.clip import tower
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
from course_lib.hub.vit import BOTH, linears
from course_lib.models.blip2 import Describer, QFormer, QFormerConfig, Retriever
from course_lib.models.gpt2 import GPT2Config
from course_lib.models.opt import OPT
from course_lib.models.vit import ViT, ViTConfig

IMAGE = dict(
    hidden_size=1408,
    intermediate_size=6144,
    num_hidden_layers=39,
    num_attention_heads=16,
    image_size=224,
    patch_size=14,
)
QFORMER = dict(
    vocab_size=30522,
    hidden_size=768,
    num_hidden_layers=12,
    num_attention_heads=12,
    intermediate_size=3072,
    max_position_embeddings=512,
    cross_attention_frequency=2,
)
CHOICES = {"hidden_act": ("gelu",), "qkv_bias": (True,), "attention_dropout": (0,)}


def load_blip2_retriever(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> Retriever:
    """A Blip2ForImageTextRetrieval in a folder: config.json and model.safetensors. In eval mode, image tower frozen.

    Raises FileNotFoundError or ValueError, see core.py; ValueError if config.json asks for what Retriever does not do,
    or the checkpoint is another of BLIP-2.
    """
    config = read_config(folder, "blip-2")
    image, qformer = vision_config(config), qformer_config(config, text=True)
    d_shared = whole_number({"image_text_hidden_size": 256} | config, "image_text_hidden_size")
    tensors = read_tensors(folder)
    if "itm_head.weight" not in tensors:
        raise ValueError(f"{folder} holds a BLIP-2 without itm_head; give one of Blip2ForImageTextRetrieval")
    check_depth(max(image.n_layers, qformer.n_layers), tensors)
    keys = retriever_keys(image, qformer)
    return build(lambda: Retriever(ViT(image), qformer, d_shared), tensors, keys, dtype=dtype).freeze()


def load_blip2_describer(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> Describer:
    """A Blip2ForConditionalGeneration with OPT, likewise. Image tower and language model are frozen."""
    config = read_config(folder, "blip-2")
    image, qformer, text = vision_config(config), qformer_config(config, text=False), config.get("text_config")
    if not isinstance(text, dict) or text.get("model_type", "opt") != "opt":
        raise ValueError(f"config.json gives text_config as {text!r:.60}; a language model of type 'opt' is needed")
    lm = opt.opt_config(text)
    tensors = read_tensors(folder)
    if "language_projection.weight" not in tensors:
        raise ValueError(f"{folder} holds a BLIP-2 without language_projection; give a Blip2ForConditionalGeneration")
    take_copy(tensors, "language_model.lm_head.weight", f"language_model.{opt.TABLE}")
    check_depth(max(image.n_layers, qformer.n_layers, lm.n_layers), tensors)
    keys = describer_keys(image, qformer, lm)
    return build(lambda: Describer(ViT(image), QFormer(qformer), OPT(lm)), tensors, keys, dtype=dtype).freeze()


def vision_config(config: Mapping[str, Any]) -> ViTConfig:
    vision = tower(config, "vision_config", IMAGE)
    check_choices(vision, CHOICES)
    return image_config(vision, eps=1e-6)


def qformer_config(config: Mapping[str, Any], *, text: bool) -> QFormerConfig:
    """text: whether the checkpoint has the text half."""
    found = tower(config, "qformer_config", QFORMER)
    check_choices(
        {"use_qformer_text_input": False} | found, {"hidden_act": ("gelu",), "use_qformer_text_input": (text,)}
    )
    return QFormerConfig(
        n_vocab=whole_number(found, "vocab_size") if text else 0,
        context=whole_number(found, "max_position_embeddings"),
        n_queries=whole_number({"num_query_tokens": 32} | config, "num_query_tokens"),
        d_image=whole_number(tower(config, "vision_config", IMAGE), "hidden_size"),
        d_model=whole_number(found, "hidden_size"),
        n_layers=whole_number(found, "num_hidden_layers"),
        n_heads=whole_number(found, "num_attention_heads"),
        d_hidden=whole_number(found, "intermediate_size"),
        cross_every=whole_number(found, "cross_attention_frequency"),
        eps=number(found, "layer_norm_eps", 1e-12),
        init_std=number(found, "initializer_range", 0.02),
    )


def retriever_keys(image: ViTConfig, qformer: QFormerConfig) -> KeyMap:
    """ours: theirs."""
    heads = {"project_image": "vision_projection", "project_text": "text_projection", "match": "itm_head"}
    return image_keys(image.n_layers) | qformer_keys(qformer) | linears(heads)


def describer_keys(image: ViTConfig, qformer: QFormerConfig, lm: GPT2Config) -> KeyMap:
    """ours: theirs."""
    keys = image_keys(image.n_layers) | qformer_keys(qformer) | linears({"project": "language_projection"})
    for ours, theirs in opt.key_map(lm.n_layers).items():
        keys[f"lm.{ours}"] = From(tuple(f"language_model.{key}" for key in theirs.keys))
    return keys


def qformer_keys(config: QFormerConfig) -> KeyMap:
    """ours: theirs, of the Q-Former and what it reads."""
    keys = {
        "qformer.queries": From("query_tokens", take=lambda queries: queries.squeeze(0)),
        **linears({"qformer.norm_in": "qformer.layernorm"}),
    }
    if config.n_vocab:
        keys["qformer.words.weight"] = From("embeddings.word_embeddings.weight")
        keys["qformer.positions.weight"] = From("embeddings.position_embeddings.weight")
    for i in range(config.n_layers):
        ours, theirs = f"qformer.layers.{i}", f"qformer.encoder.layer.{i}"
        keys |= attention_keys(f"{ours}.attention", f"{theirs}.attention", {"to_qkv": ("query", "key", "value")})
        if i % config.cross_every == 0:
            parts = {"to_q": ("query",), "to_kv": ("key", "value")}
            keys |= attention_keys(f"{ours}.cross", f"{theirs}.crossattention", parts)
        halves = {"feedforward": "_query"} | ({"feedforward_text": ""} if config.n_vocab else {})
        for half, suffix in halves.items():
            keys |= linears(
                {
                    f"{ours}.{half}.sublayer.up": f"{theirs}.intermediate{suffix}.dense",
                    f"{ours}.{half}.sublayer.down": f"{theirs}.output{suffix}.dense",
                    f"{ours}.{half}.norm": f"{theirs}.output{suffix}.LayerNorm",
                }
            )
    return keys


def attention_keys(ours: str, theirs: str, parts: Mapping[str, tuple[str, ...]]) -> KeyMap:
    """One attention of BERT with its norm; parts: our matrix, and those that it joins."""
    keys = linears({f"{ours}.sublayer.to_out": f"{theirs}.output.dense", f"{ours}.norm": f"{theirs}.output.LayerNorm"})
    for matrix, names in parts.items():
        for part in BOTH:
            joined = tuple(f"{theirs}.attention.{name}.{part}" for name in names)
            keys[f"{ours}.sublayer.{matrix}.{part}"] = From(joined)
    return keys
