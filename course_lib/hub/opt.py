"""OPT as released (`facebook/opt-125m`, `-1.3b`, `-2.7b`, `-6.7b`): model_type "opt".

The matrices q, k and v lie apart. Old checkpoints begin with "decoder." instead of "model.decoder."; lm_head.weight,
where it is, is embed_tokens.weight again. The second norm of a block is called final_layer_norm, as is the last of all.
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
    take_copy,
    whole_number,
)
from course_lib.hub.vit import block_keys, linears
from course_lib.models.gpt2 import GPT2Config
from course_lib.models.opt import OPT

CHOICES = {
    "activation_function": ("relu",),
    "do_layer_norm_before": (True,),
    "_remove_final_layer_norm": (False,),
    "enable_bias": (True,),
    "layer_norm_elementwise_affine": (True,),
    "tie_word_embeddings": (True,),
}
DEFAULTS = dict(
    vocab_size=50272, hidden_size=768, num_hidden_layers=12, num_attention_heads=12, max_position_embeddings=2048
)
TABLE = "model.decoder.embed_tokens.weight"


def load_opt(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> OPT:
    """The model in a folder: config.json and model.safetensors. In eval mode.

    Raises FileNotFoundError or ValueError, see core.py; ValueError if config.json asks for what OPT does not do.
    """
    config = opt_config(read_config(folder, "opt"))
    tensors = read_tensors(folder)
    tensors = {f"model.{key}" if key.startswith("decoder.") else key: tensor for key, tensor in tensors.items()}
    take_copy(tensors, "lm_head.weight", TABLE)
    check_depth(config.n_layers, tensors)
    return build(lambda: OPT(config), tensors, key_map(config.n_layers), dtype=dtype)


def opt_config(config: Mapping[str, Any]) -> GPT2Config:
    """Our configuration from their config.json, or from the part of one that describes the language model."""
    config = DEFAULTS | dict(config)
    check_choices(config, CHOICES)
    check_heads(config, "hidden_size", "num_attention_heads")
    d_model = whole_number(config, "hidden_size")
    check_choices({"ffn_dim": 3072} | config, {"ffn_dim": (4 * d_model,)})
    check_choices(config, {"word_embed_proj_dim": (None, d_model)})
    return GPT2Config(
        n_vocab=whole_number(config, "vocab_size"),
        context=whole_number(config, "max_position_embeddings"),
        d_model=d_model,
        n_layers=whole_number(config, "num_hidden_layers"),
        n_heads=whole_number(config, "num_attention_heads"),
        init_std=number(config, "init_std", 0.02),
    )


def key_map(n_layers: int) -> KeyMap:
    """ours: theirs."""
    keys = {
        "embedding.weight": From(TABLE),
        "positions.weight": From("model.decoder.embed_positions.weight"),
        **linears({"norm_out": "model.decoder.final_layer_norm"}),
    }
    for i in range(n_layers):
        layer = f"model.decoder.layers.{i}"
        keys |= block_keys(
            f"blocks.{i}",
            qkv=[f"{layer}.self_attn.{name}_proj" for name in "qkv"],
            others={
                "attention.to_out": f"{layer}.self_attn.out_proj",
                "norm_attention": f"{layer}.self_attn_layer_norm",
                "norm_feedforward": f"{layer}.final_layer_norm",
                "feedforward.up": f"{layer}.fc1",
                "feedforward.down": f"{layer}.fc2",
            },
        )
    return keys
