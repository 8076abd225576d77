"""GPT-2 as released (`openai-community/gpt2`, `-medium`, `-large`, `-xl`): model_type "gpt2".

Matrices are Conv1D, [in out]. Some checkpoints begin every key with "transformer.", some do not; some hold the masks of
each layer (attn.bias, attn.masked_bias), which are no weights; lm_head.weight, where it is, is wte.weight again.
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
from course_lib.models.gpt2 import GPT2, GPT2Config

CHOICES = {
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
    "layer_norm_epsilon": (1e-5,),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
}
DROPOUTS = ("embd_pdrop", "attn_pdrop", "resid_pdrop")


def load_gpt2(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> GPT2:
    """The model in a folder: config.json and model.safetensors. In eval mode.

    Raises FileNotFoundError or ValueError, see core.py; ValueError if config.json asks for what GPT2 does not do.
    """
    config = gpt2_config(folder)
    tensors = without_prefix(read_tensors(folder), "transformer.")
    take_copy(tensors, "lm_head.weight", "wte.weight")
    check_depth(config.n_layers, tensors)
    masks = [f"h.{i}.attn.{name}" for i in range(config.n_layers) for name in ("bias", "masked_bias")]
    return build(lambda: GPT2(config), tensors, key_map(config.n_layers), ignored=masks, dtype=dtype)


def gpt2_config(folder: str | Path) -> GPT2Config:
    """Our configuration from their config.json."""
    config = read_config(folder, "gpt2")
    check_choices(config, CHOICES)
    check_heads(config, "n_embd", "n_head")
    d_model = whole_number(config, "n_embd")
    check_choices(config, {"n_inner": (None, 4 * d_model)})
    return GPT2Config(
        n_vocab=whole_number(config, "vocab_size"),
        context=whole_number(config, "n_positions"),
        d_model=d_model,
        n_layers=whole_number(config, "n_layer"),
        n_heads=whole_number(config, "n_head"),
        dropout=one_number(config, DROPOUTS, 0.1, below=1),
        init_std=number(config, "initializer_range", 0.02),
    )


def key_map(n_layers: int) -> KeyMap:
    """ours: theirs."""
    keys = {
        "embedding.weight": From("wte.weight"),
        "positions.weight": From("wpe.weight"),
        "norm_out.weight": From("ln_f.weight"),
        "norm_out.bias": From("ln_f.bias"),
    }
    for i in range(n_layers):
        keys |= block_keys(i)
    return keys


def block_keys(i: int) -> KeyMap:
    """One block; GPT-1's are named alike."""
    matrices = {
        "attention.to_qkv": "attn.c_attn",
        "attention.to_out": "attn.c_proj",
        "feedforward.up": "mlp.c_fc",
        "feedforward.down": "mlp.c_proj",
    }
    keys = {}
    for ours, theirs in matrices.items():
        keys[f"blocks.{i}.{ours}.weight"] = From(f"h.{i}.{theirs}.weight", turned=True)
        keys[f"blocks.{i}.{ours}.bias"] = From(f"h.{i}.{theirs}.bias")
    for ours, theirs in (("norm_attention", "ln_1"), ("norm_feedforward", "ln_2")):
        for part in ("weight", "bias"):
            keys[f"blocks.{i}.{ours}.{part}"] = From(f"h.{i}.{theirs}.{part}")
    return keys
