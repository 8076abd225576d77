"""LLaVA-1.5 and LLaVA-NeXT as released by llava-hf: model_type "llava" and "llava_next".

`llava-hf/llava-1.5-7b-hf`, `-13b-hf`: CLIP-L/14 of 336 pixels and Vicuna; `llava-hf/llava-v1.6-vicuna-7b-hf`,
`-mistral-7b-hf`: with any resolution. In files of 5 GB, so tensors are read one by one (shards.py). Two spellings:
    language_model.model.…  language_model.lm_head  vision_tower.vision_model.…  multi_modal_projector.…    on the hub
    model.language_model.…  lm_head                 model.vision_tower.…         model.multi_modal_projector.…
the second as newer versions of transformers call them in memory; each part may be in either. The first LLaVA, and what
liuhaotian released, have another layout, in pickle files for the most part: not read here. NeXT writes its grids in
pixels, (height, width).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from course_lib.hub import clip, llama
from course_lib.hub.core import (
    From,
    KeyMap,
    build,
    check_choices,
    check_depth,
    number,
    read_config,
    whole_number,
)
from course_lib.hub.shards import on_disk
from course_lib.hub.vit import linears
from course_lib.models.clip import ImageConfig, ImageTower
from course_lib.models.llama import Llama, LlamaConfig
from course_lib.models.llava import Llava, LlavaConfig
from course_lib.models.llava_next import NEXT_GRIDS, LlavaNext, LlavaNextConfig

VISION = dict(
    model_type="clip_vision_model",
    hidden_size=1024,
    intermediate_size=4096,
    num_hidden_layers=24,
    num_attention_heads=16,
    image_size=336,
    patch_size=14,
    num_channels=3,
)
CHOICES = {
    "projector_hidden_act": ("gelu",),
    "multimodal_projector_bias": (True,),
    "vision_feature_select_strategy": ("default",),
    "tie_word_embeddings": (False,),
}
BUFFERS = ("vision_tower.vision_model.embeddings.position_ids",)


def load_llava(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> Llava:
    """A LlavaForConditionalGeneration in a folder: config.json and its safetensors, in one file or many. In eval mode.

    Raises FileNotFoundError or ValueError, see core.py; ValueError if config.json asks for what Llava does not do.
    """
    config = read_config(folder, "llava")
    return assembled(folder, config, Llava, LlavaConfig(**llava_sizes(config)), dtype)


def load_llava_next(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> LlavaNext:
    """A LlavaNextForConditionalGeneration, likewise."""
    config = read_config(folder, "llava_next")
    ours = LlavaNextConfig(**llava_sizes(config), grids=grids_of(config))
    return assembled(folder, config, LlavaNext, ours, dtype)


def assembled(
    folder: str | Path, config: Mapping[str, Any], make: type[Llava], ours: LlavaConfig, dtype: torch.dtype
) -> Llava:
    image, eps = vision_config(config)
    text = text_config(config)
    tensors = on_disk(folder).renamed(as_on_the_hub)
    check_depth(max(image.n_layers, text.n_layers), tensors)
    keys = key_map(image, text) | ({"row_end": From("image_newline")} if make is LlavaNext else {})
    return build(lambda: make(ours, ImageTower(image, eps), Llama(text)), tensors, keys, ignored=BUFFERS, dtype=dtype)


def llava_sizes(config: Mapping[str, Any]) -> dict[str, int]:
    """What LlavaConfig says of a released one: 1.5 and NeXT all have the two-layer projector."""
    check_choices(config, CHOICES)
    layer = config.get("vision_feature_layer", -2)
    if type(layer) is not int:
        raise ValueError(f"config.json gives vision_feature_layer as {layer!r:.60}; our model reads one, such as -2")
    return dict(image_id=whole_number({"image_token_index": 32000} | dict(config), "image_token_index"), layer=layer)


def vision_config(config: Mapping[str, Any]) -> tuple[ImageConfig, float]:
    """The tower's configuration, and the eps of its norms."""
    vision = clip.tower(config, "vision_config", VISION)
    check_choices(vision, clip.CHOICES | {"model_type": ("clip_vision_model",)})
    return clip.image_config(vision), number(vision, "layer_norm_eps", 1e-5)


def text_config(config: Mapping[str, Any]) -> LlamaConfig:
    found = config.get("text_config")
    if not isinstance(found, dict | None):
        raise ValueError(f"config.json gives text_config as {found!r:.60}; an object is needed")
    return llama.llama_config(found or {})


def grids_of(config: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """image_grid_pinpoints, pixels, as rows and columns of tiles. Raises ValueError unless they are whole tiles."""
    side = whole_number(clip.tower(config, "vision_config", VISION), "image_size")
    told = config.get("image_grid_pinpoints") or [[rows * side, columns * side] for rows, columns in NEXT_GRIDS]
    pixels = [pair for pair in told if isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair)]
    if len(pixels) != len(told) or any(n < side or n % side for pair in pixels for n in pair):
        raise ValueError(
            f"config.json gives image_grid_pinpoints as {told!r:.120}; pairs (height, width) in whole tiles of {side} "
            "pixels are needed"
        )
    return tuple((height // side, width // side) for height, width in pixels)


def as_on_the_hub(key: str) -> str:
    """A tensor's name in the released spelling."""
    key = key.removeprefix("model.")
    if key.startswith("lm_head."):
        return f"language_model.{key}"
    for part, inner, others in (("language_model.", "model.", ("lm_head.",)), ("vision_tower.", "vision_model.", ())):
        if key.startswith(part) and not key.startswith(tuple(part + known for known in (inner, *others))):
            return part + inner + key.removeprefix(part)
    return key


def key_map(image: ImageConfig, text: LlamaConfig) -> KeyMap:
    """ours: theirs, in the released spelling."""
    keys = {f"lm.{ours}": under("language_model", theirs) for ours, theirs in llama.key_map(text.n_layers).items()}
    for ours, theirs in tower_keys(image.n_layers).items():
        keys[f"tower.{ours}"] = under("vision_tower", theirs)
    names = {f"projector.layers.{i}": f"multi_modal_projector.linear_{i + 1}" for i in range(2)}
    return keys | linears(names)


def tower_keys(n_layers: int) -> KeyMap:
    """ours: theirs, of CLIP's image tower alone."""
    keys = {
        "image.cls": From("vision_model.embeddings.class_embedding"),
        **linears({"image.norm_in": "vision_model.pre_layrnorm"}),
        **clip.tower_keys(n_layers, 0),
    }
    return {ours.removeprefix("image."): theirs for ours, theirs in keys.items() if ours.startswith("image.")}


def under(prefix: str, source: From) -> From:
    return replace(source, key=tuple(f"{prefix}.{key}" for key in source.keys))
