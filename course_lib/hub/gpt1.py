"""GPT-1 as released (`openai-community/openai-gpt`): model_type "openai-gpt".

Blocks as in gpt2.py; other names for the tables, no norm at the end. What config.json calls "gelu" is the tanh form.
"""

from pathlib import Path

import torch

from course_lib.hub.core import (
    From,
    KeyMap,
    build,
    check_choices,
    check_depth,
    check_heads,
    number,
    one_number,
    read_config,
    read_tensors,
    take_copy,
    whole_number,
    without_prefix,
)
from course_lib.hub.gpt2 import DROPOUTS, block_keys
from course_lib.models.gpt1 import GPT1, GPT1Config

CHOICES = {"afn": ("gelu",), "layer_norm_epsilon": (1e-5,), "tie_word_embeddings": (True,)}


def load_gpt1(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> GPT1:
    """The model in a folder: config.json and model.safetensors. In eval mode.

    Raises FileNotFoundError or ValueError, see core.py; ValueError if config.json asks for what GPT1 does not do.
    """
    config = gpt1_config(folder)
    tensors = without_prefix(read_tensors(folder), "transformer.")
    take_copy(tensors, "lm_head.weight", "tokens_embed.weight")
    check_depth(config.n_layers, tensors)
    masks = [f"h.{i}.attn.bias" for i in range(config.n_layers)]
    return build(lambda: GPT1(config), tensors, key_map(config.n_layers), ignored=masks, dtype=dtype)


def gpt1_config(folder: str | Path) -> GPT1Config:
    """Our configuration from their config.json."""
    config = read_config(folder, "openai-gpt")
    check_choices(config, CHOICES)
    check_heads(config, "n_embd", "n_head")
    return GPT1Config(
        n_vocab=whole_number(config, "vocab_size"),
        context=whole_number(config, "n_positions"),
        d_model=whole_number(config, "n_embd"),
        n_layers=whole_number(config, "n_layer"),
        n_heads=whole_number(config, "n_head"),
        dropout=one_number(config, DROPOUTS, 0.1, below=1),
        init_std=number(config, "initializer_range", 0.02),
    )


def key_map(n_layers: int) -> KeyMap:
    """ours: theirs."""
    keys = {"embedding.weight": From("tokens_embed.weight"), "positions.weight": From("positions_embed.weight")}
    for i in range(n_layers):
        keys |= block_keys(i)
    return keys
