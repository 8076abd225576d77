"""Qwen2-VL and Qwen2.5-VL as released (`Qwen/Qwen2-VL-2B-Instruct`, `Qwen/Qwen2.5-VL-7B-Instruct`): model_type
"qwen2_vl", "qwen2_5_vl".

The released configurations are flat: what describes the language model stands beside vision_config, its sections in
rope_scaling. Newer transformers writes text_config, and rope_parameters in it. On disk the keys begin with "visual."
and "model."; a state_dict of newer transformers says "model.visual." and "model.language_model.". The patches go
through a convolution over two frames. hidden_size of vision_config is what comes out of Qwen2-VL's tower, and the
tower's own width in Qwen2.5-VL's.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from course_lib.hub import llama
from course_lib.hub.core import (
    From,
    KeyMap,
    build,
    check_choices,
    check_depth,
    check_heads,
    number,
    read_config,
    take_copy,
    whole_number,
)
from course_lib.hub.shards import on_disk
from course_lib.hub.vit import BOTH, convolution, linears
from course_lib.models.qwen2 import Qwen2Config
from course_lib.models.qwen2_5_vl import WindowTowerConfig
from course_lib.models.qwen2_vl import Qwen2VL, Qwen2VLConfig, TowerConfig

TEXT = {"hidden_act": ("silu",), "attention_dropout": (0,), "use_sliding_window": (False, None)}
SECTIONS = (16, 24, 24)
TABLE, HEAD = "model.embed_tokens.weight", "lm_head.weight"
SPELLINGS = {"model.visual.": "visual.", "model.language_model.": "model."}
SHARED = dict(depth=32, num_heads=16, patch_size=14, spatial_merge_size=2, temporal_patch_size=2)
TOWER = SHARED | dict(embed_dim=1280, hidden_size=3584, mlp_ratio=4)
WINDOWS = SHARED | dict(
    hidden_size=1280,
    out_hidden_size=3584,
    intermediate_size=3420,
    window_size=112,
    fullatt_block_indexes=[7, 15, 23, 31],
    tokens_per_second=2,
)


def load_qwen2_vl(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> Qwen2VL:
    """The model in a folder: config.json and model.safetensors, or its shards. In eval mode.

    Raises FileNotFoundError or ValueError, see core.py; ValueError if config.json asks for what Qwen2-VL does not do.
    """
    return load(folder, "qwen2_vl", tower_config, dtype)


def load_qwen2_5_vl(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> Qwen2VL:
    """The same for Qwen2.5-VL: Qwen2VL with its tower of windows."""
    return load(folder, "qwen2_5_vl", window_tower_config, dtype)


def load(folder: str | Path, model_type: str, tower_of: Callable, dtype: torch.dtype) -> Qwen2VL:
    theirs = read_config(folder, model_type)
    config = model_config(theirs, tower_of(vision(theirs)))
    tensors, ignored = on_disk(folder).renamed(spelled), ()
    if config.text.tied and HEAD in tensors and TABLE in tensors:
        take_copy({key: tensors[key] for key in (HEAD, TABLE)}, HEAD, TABLE)
        ignored = (HEAD,)
    check_depth(max(config.text.n_layers, config.tower.n_layers), tensors)
    model = build(lambda: Qwen2VL(config), tensors, key_map(config), ignored=ignored, dtype=dtype)
    model.tie()
    return model


def spelled(key: str) -> str:
    """The key as it was released."""
    for new, old in SPELLINGS.items():
        if key.startswith(new):
            return old + key.removeprefix(new)
    return key


def vision(config: Mapping[str, Any]) -> dict[str, Any]:
    found = config.get("vision_config")
    if not isinstance(found, dict):
        raise ValueError(f"config.json gives vision_config as {found!r:.60}; an object is needed")
    return dict(found)


def tower_config(theirs: Mapping[str, Any]) -> TowerConfig:
    """Our configuration of Qwen2-VL's tower from their vision_config."""
    theirs = TOWER | theirs
    check_choices(theirs, {"hidden_act": ("quick_gelu",)})
    check_heads(theirs, "embed_dim", "num_heads")
    width = whole_number(theirs, "embed_dim")
    return TowerConfig(
        d_model=width,
        d_out=whole_number(theirs, "hidden_size"),
        d_hidden=whole_number(theirs, "mlp_ratio") * width,
        **shared(theirs),
    )


def window_tower_config(theirs: Mapping[str, Any]) -> WindowTowerConfig:
    """Our configuration of Qwen2.5-VL's tower from their vision_config."""
    theirs = WINDOWS | theirs
    check_choices(theirs, {"hidden_act": ("silu",)})
    check_heads(theirs, "hidden_size", "num_heads")
    full = theirs["fullatt_block_indexes"]
    if not isinstance(full, list) or not all(type(i) is int and i >= 0 for i in full):
        raise ValueError(f"config.json gives fullatt_block_indexes as {full!r:.60}; a list of layers is needed")
    depth = whole_number(theirs, "depth")
    return WindowTowerConfig(
        d_model=whole_number(theirs, "hidden_size"),
        d_out=whole_number(theirs, "out_hidden_size"),
        d_hidden=whole_number(theirs, "intermediate_size"),
        window=whole_number(theirs, "window_size"),
        full=tuple(i for i in full if i < depth),  # theirs asks of each layer whether it is in the list
        tokens_per_second=whole_number(theirs, "tokens_per_second"),
        **shared(theirs),
    )


def shared(theirs: Mapping[str, Any]) -> dict[str, int]:
    """in_chans in the released configurations, where the class says in_channels."""
    channels = {"in_channels": theirs.get("in_chans", 3)} | dict(theirs)
    return dict(
        n_layers=whole_number(theirs, "depth"),
        n_heads=whole_number(theirs, "num_heads"),
        patch=whole_number(theirs, "patch_size"),
        merge=whole_number(theirs, "spatial_merge_size"),
        n_frames=whole_number(theirs, "temporal_patch_size"),
        channels=whole_number(channels, "in_channels"),
    )


def model_config(config: Mapping[str, Any], tower: TowerConfig | WindowTowerConfig) -> Qwen2VLConfig:
    """Ours from all of config.json."""
    text = config.get("text_config") or config
    check_choices(text, TEXT)
    check_heads(text, "hidden_size", "num_attention_heads")
    rope = text.get("rope_parameters") or text.get("rope_scaling") or {}
    check_choices(rope, {"type": ("mrope", "default"), "rope_type": ("mrope", "default")})
    ids = {"image_token_id": 151655, "video_token_id": 151656} | dict(config)
    return Qwen2VLConfig(
        tower=tower,
        text=Qwen2Config(
            n_vocab=whole_number(text, "vocab_size"),
            d_model=whole_number(text, "hidden_size"),
            n_layers=whole_number(text, "num_hidden_layers"),
            n_heads=whole_number(text, "num_attention_heads"),
            n_kv_heads=whole_number(text, "num_key_value_heads"),
            d_hidden=whole_number(text, "intermediate_size"),
            sections=tuple(rope.get("mrope_section", SECTIONS)),
            rope_base=number(rope, "rope_theta", number(text, "rope_theta", 1e6)),
            norm_eps=number(text, "rms_norm_eps", 1e-6),
            tied=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
        ),
        image_id=whole_number(ids, "image_token_id"),
        video_id=whole_number(ids, "video_token_id"),
    )


def key_map(config: Qwen2VLConfig) -> KeyMap:
    """ours: theirs."""
    windows = isinstance(config.tower, WindowTowerConfig)
    keys = {
        "tower.patches.weight": convolution("visual.patch_embed.proj.weight"),
        **norm("tower.merger.norm", "visual.merger.ln_q", bias=not windows),
        **linears({"tower.merger.up": "visual.merger.mlp.0", "tower.merger.down": "visual.merger.mlp.2"}),
    }
    for i in range(config.tower.n_layers):
        ours, theirs = f"tower.blocks.{i}", f"visual.blocks.{i}"
        mlp = {"gate": "gate_proj", "up": "up_proj", "down": "down_proj"} if windows else {"up": "fc1", "down": "fc2"}
        keys |= norm(f"{ours}.norm_attention", f"{theirs}.norm1", bias=not windows)
        keys |= norm(f"{ours}.norm_feedforward", f"{theirs}.norm2", bias=not windows)
        keys |= linears(
            {f"{ours}.attention.to_qkv": f"{theirs}.attn.qkv", f"{ours}.attention.to_out": f"{theirs}.attn.proj"}
        )
        keys |= linears({f"{ours}.feedforward.{name}": f"{theirs}.mlp.{their}" for name, their in mlp.items()})
    keys |= {f"lm.{ours}": source for ours, source in llama.key_map(config.text.n_layers).items()}
    for i in range(config.text.n_layers):
        for name in "qkv":
            keys[f"lm.blocks.{i}.attention.to_{name}.bias"] = From(f"model.layers.{i}.self_attn.{name}_proj.bias")
    return keys | ({"lm.to_vocab.weight": From(TABLE)} if config.text.tied else {})


def norm(ours: str, theirs: str, *, bias: bool) -> KeyMap:
    """A LayerNorm with its bias, or an RMSNorm."""
    return {f"{ours}.{part}": From(f"{theirs}.{part}") for part in BOTH[: 1 + bias]}
