"""Llama as released: model_type "llama" (Llama 2, Vicuna). Inside LLaVA also "mistral" without a sliding window.

What a configuration leaves out is as in the class that wrote it: a Mistral that says nothing has a window of 4096.
The rotation's base stands beside the sizes, or since transformers 5 in rope_parameters.
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
    whole_number,
)
from course_lib.hub.shards import on_disk
from course_lib.models.llama import Llama, LlamaConfig

SIZES = dict(hidden_size=4096, num_hidden_layers=32, num_attention_heads=32, vocab_size=32000, rms_norm_eps=1e-6)
DEFAULTS = {
    "llama": SIZES | dict(intermediate_size=11008),
    "mistral": SIZES | dict(intermediate_size=14336, num_key_value_heads=8, sliding_window=4096),
}
CHOICES = {
    "hidden_act": ("silu",),
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "attention_dropout": (0,),
    "tie_word_embeddings": (False,),
    "sliding_window": (None,),
}
MATRICES = {
    "attention.to_q": "self_attn.q_proj",
    "attention.to_k": "self_attn.k_proj",
    "attention.to_v": "self_attn.v_proj",
    "attention.to_out": "self_attn.o_proj",
    "feedforward.gate": "mlp.gate_proj",
    "feedforward.up": "mlp.up_proj",
    "feedforward.down": "mlp.down_proj",
    "norm_attention": "input_layernorm",
    "norm_feedforward": "post_attention_layernorm",
}


def load_llama(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> Llama:
    """The model in a folder: config.json and model.safetensors, in one file or many. In eval mode.

    Raises FileNotFoundError or ValueError, see core.py; ValueError if config.json asks for what Llama does not do.
    """
    config = llama_config(read_config(folder, "llama"))
    tensors = on_disk(folder)
    check_depth(config.n_layers, tensors)
    return build(lambda: Llama(config), tensors, key_map(config.n_layers), dtype=dtype)


def llama_config(config: Mapping[str, Any]) -> LlamaConfig:
    """Our configuration from their config.json, or from the part of one that describes the language model."""
    family = config.get("model_type", "llama")
    check_choices({"model_type": family}, {"model_type": DEFAULTS})
    config = DEFAULTS[family] | dict(config)
    check_choices(config, CHOICES)
    check_heads(config, "hidden_size", "num_attention_heads")
    n_heads = whole_number(config, "num_attention_heads")
    if config.get("num_key_value_heads") is None:
        config["num_key_value_heads"] = n_heads
    check_heads(config, "num_attention_heads", "num_key_value_heads")
    d_model = whole_number(config, "hidden_size")
    check_choices(config, {"head_dim": (None, d_model // n_heads)})
    return LlamaConfig(
        n_vocab=whole_number(config, "vocab_size"),
        d_model=d_model,
        n_layers=whole_number(config, "num_hidden_layers"),
        n_heads=n_heads,
        n_kv_heads=whole_number(config, "num_key_value_heads"),
        d_hidden=whole_number(config, "intermediate_size"),
        rope_base=rope_base(config),
        norm_eps=number(config, "rms_norm_eps", 1e-6),
    )


def rope_base(config: Mapping[str, Any]) -> float:
    """Raises ValueError for a rotation that is stretched: ours is not."""
    told = {}
    for key in ("rope_scaling", "rope_parameters"):
        found = config.get(key)
        if not isinstance(found, dict | None):
            raise ValueError(f"config.json gives {key} as {found!r:.60}; an object is needed")
        told |= found or {}
    check_choices({"rope_type": told.get("rope_type", told.get("type", "default"))}, {"rope_type": ("default",)})
    return float(number(dict(config) | told, "rope_theta", 10000.0))


def key_map(n_layers: int) -> KeyMap:
    """ours: theirs."""
    keys = {
        "embedding.weight": From("model.embed_tokens.weight"),
        "norm_out.weight": From("model.norm.weight"),
        "to_vocab.weight": From("lm_head.weight"),
    }
    for i in range(n_layers):
        keys |= {
            f"blocks.{i}.{ours}.weight": From(f"model.layers.{i}.{theirs}.weight") for ours, theirs in MATRICES.items()
        }
    return keys
