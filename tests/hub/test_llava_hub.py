"""LLaVA and Llama: both spellings, shards and the memory that they take, and what is refused by name."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
)
from written import change, in_halves, reconfigure, same

from course_lib.hub import load_llama, load_llava, load_llava_next
from course_lib.hub.llava import as_on_the_hub, grids_of, llava_sizes, text_config, vision_config
from course_lib.hub.shards import on_disk
from course_lib.models.clip import SIZES
from course_lib.models.llama import LlamaConfig as Ours
from course_lib.models.llava_next import NEXT_GRIDS

BLOCKS = dict(num_hidden_layers=2, num_attention_heads=2)
IMAGE = BLOCKS | dict(model_type="clip_vision_model", hidden_size=12, intermediate_size=20, image_size=8, patch_size=4)
TEXT = BLOCKS | dict(hidden_size=8, intermediate_size=20, vocab_size=13)
LOADERS = {"llava": load_llava, "llava_next": load_llava_next, "llama": load_llama}


def save(kind: str, folder, **options) -> None:
    torch.manual_seed(0)
    parts = dict(vision_config=IMAGE, text_config=TEXT | dict(model_type="llama"), image_token_index=12)
    {
        "llava": lambda: LlavaForConditionalGeneration(LlavaConfig(**parts)),
        "llava_next": lambda: LlavaNextForConditionalGeneration(
            LlavaNextConfig(**parts, image_grid_pinpoints=[[8, 16], [24, 8]])
        ),
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**TEXT)),
    }[kind]().save_pretrained(folder, **options)


@pytest.fixture(params=LOADERS)
def released(request, tmp_path):
    save(request.param, tmp_path)
    return LOADERS[request.param], tmp_path


@pytest.fixture(params=["llava", "llava_next"])
def llava(request, tmp_path):
    save(request.param, tmp_path)
    return LOADERS[request.param], tmp_path


def repart(folder, part: str, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    config[part] |= changes
    (folder / "config.json").write_text(json.dumps(config))


def test_every_number_has_its_place(released):
    load, folder = released
    model, tensors = load(folder), load_file(folder / "model.safetensors")
    assert not model.training and all(p.requires_grad for p in model.parameters())
    assert sum(p.numel() for p in model.parameters()) == sum(t.numel() for t in tensors.values())


def in_memory(key: str, tower: bool = True) -> str:
    """A released name as transformers calls it since 4.52, or since 5 its tower, too."""
    if key.startswith("language_model.lm_head."):
        return key.removeprefix("language_model.")
    key = key.replace("language_model.model.", "language_model.")
    return f"model.{key.replace('vision_model.', '') if tower else key}"


@pytest.mark.parametrize("tower", [True, False])
def test_both_spellings(llava, tower):
    load, folder = llava
    before = load(folder)
    tensors = {as_on_the_hub(key): tensor for key, tensor in load_file(folder / "model.safetensors").items()}
    assert any(key.startswith("vision_tower.vision_model.") for key in tensors)
    save_file(tensors, folder / "model.safetensors")
    assert same(load(folder), before)
    save_file({in_memory(key, tower): tensor for key, tensor in tensors.items()}, folder / "model.safetensors")
    assert same(load(folder), before)


def test_what_is_there_twice_is_refused(llava):
    load, folder = llava
    change(folder, lm_head__weight=torch.zeros(13, 8))
    with pytest.raises(ValueError, match=r"has .*lm_head.weight and .*, both for language_model.lm_head.weight; which"):
        load(folder)


def test_old_buffers_are_no_weights(llava):
    load, folder = llava
    before = load(folder)
    change(folder, vision_tower__vision_model__embeddings__position_ids=torch.arange(5)[None])
    assert same(load(folder), before)


def test_half_precision_and_shards_are_read(released, tmp_path_factory):
    load, folder = released
    read = load(in_halves(folder, tmp_path_factory.mktemp("half")))
    assert {p.dtype for p in read.parameters()} == {torch.float32}
    assert all(torch.equal(a, b.half().float()) for a, b in zip(read.parameters(), load(folder).parameters()))


PEAK = """
import re, sys
from pathlib import Path
from course_lib.hub import llava
from course_lib.hub.core import read_tensors
from course_lib.hub.shards import on_disk

def status(key):
    return int(re.search(key + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

class Held(dict):
    def renamed(self, rename):
        return Held({rename(key): tensor for key, tensor in self.items()})

if sys.argv[2] == "held":
    llava.on_disk = lambda folder: Held(read_tensors(folder))
llava.load_llava(sys.argv[3])  # what torch imports for its first model without memory is none of a checkpoint's
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
model = llava.load_llava(sys.argv[1])
print(status("VmHWM") - before, sum(p.numel() * p.element_size() for p in model.parameters()))
"""


def test_a_large_checkpoint_takes_no_more_than_the_model_and_one_shard(tmp_path):
    """Measured, in a process of its own: 144 MB in shards of up to 47 MB. All files held open take twice."""
    text = dict(model_type="llama", hidden_size=512, intermediate_size=2048, num_hidden_layers=8, vocab_size=2048)
    config = LlavaConfig(vision_config=IMAGE, text_config=text, image_token_index=12)
    LlavaForConditionalGeneration(config).save_pretrained(tmp_path, max_shard_size="48MB")
    shards = [path.stat().st_size for path in tmp_path.glob("*.safetensors")]
    assert len(shards) > 3
    peaks, small = {}, tmp_path / "small"
    save("llava", small)
    for way in ("one by one", "held"):
        command = [sys.executable, "-c", PEAK, str(tmp_path), way, str(small)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks[way], model = map(int, done.stdout.split())
    assert model > 140e6
    assert peaks["one by one"] <= model + max(shards)
    assert peaks["held"] > model + 2 * max(shards)


def test_tensors_are_read_when_asked_for(tmp_path):
    save("llama", tmp_path)
    tensors, all_at_once = on_disk(tmp_path), load_file(tmp_path / "model.safetensors")
    assert tensors.keys() == all_at_once.keys() and len(tensors) == len(all_at_once)
    assert all(torch.equal(tensors[key], all_at_once[key]) for key in tensors)


def test_what_a_configuration_leaves_out_is_as_in_the_released_classes():
    image, eps = vision_config({})
    assert (image.height, image.patch, eps) == (336, 14, 1e-5)
    blocks = ("d_model", "n_layers", "n_heads", "d_hidden", "patch")
    assert all(getattr(image, name) == getattr(SIZES["ViT-L/14"].image, name) for name in blocks)
    seven = Ours(n_vocab=32000, d_model=4096, n_layers=32, n_heads=32, n_kv_heads=32, d_hidden=11008)
    assert text_config({}) == seven
    assert llava_sizes({}) == dict(image_id=32000, layer=-2)
    assert grids_of({}) == NEXT_GRIDS
    mistral = dict(model_type="mistral", sliding_window=None, rope_theta=1e6)
    assert text_config(dict(text_config=mistral)).n_kv_heads == 8
    assert text_config(dict(text_config=mistral)).rope_base == 1e6


def test_the_rotation_s_base_in_three_places():
    for told in (dict(rope_theta=5e5), dict(rope_parameters=dict(rope_theta=5e5, rope_type="default"))):
        assert text_config(dict(text_config=told)).rope_base == 5e5
    assert text_config(dict(text_config=dict(rope_theta=5e5, rope_scaling=None))).rope_base == 5e5


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("", dict(projector_hidden_act="relu"), r"asks for projector_hidden_act = 'relu'"),
        ("", dict(multimodal_projector_bias=False), r"asks for multimodal_projector_bias = False"),
        ("", dict(vision_feature_select_strategy="full"), r"vision_feature_select_strategy = 'full'.*\['default'\]"),
        ("", dict(vision_feature_layer=[-2, -5]), r"vision_feature_layer as \[-2, -5\]; our model reads one"),
        ("", dict(vision_feature_layer=-4), r"layer \(-4\) must lie in -3 … -1"),
        ("", dict(image_token_index=None), r"image_token_index as None; a positive whole number"),
        ("", dict(image_token_index=13), r"image_id \(13\) is not in the language model's vocabulary"),
        ("", dict(tie_word_embeddings=True), r"tie_word_embeddings = True"),
        ("", dict(text_config=[1]), r"text_config as \[1\]; an object"),
        ("", dict(vision_config=3), r"vision_config as 3; an object"),
        ("", dict(model_type="llava_llama"), r"says model_type 'llava_llama', and this loader reads 'llava"),
        ("vision_config", dict(model_type="siglip_vision_model"), r"model_type = 'siglip_vision_model'"),
        ("vision_config", dict(hidden_act="gelu"), r"hidden_act = 'gelu'"),
        ("vision_config", dict(num_hidden_layers=3), r"lacks 16 of"),
        ("vision_config", dict(patch_size=2), r"patch_embedding.weight is \[12, 3, 4, 4\], .* must be \[12, 12\]"),
        ("text_config", dict(model_type="qwen2"), r"model_type = 'qwen2'; our model does \['llama', 'mistral'\]"),
        ("text_config", dict(model_type="mistral"), r"sliding_window = 4096"),
        ("text_config", dict(rope_parameters=dict(rope_type="yarn", factor=4)), r"rope_type = 'yarn'"),
        ("text_config", dict(rope_parameters=3), r"rope_parameters as 3"),
        ("text_config", dict(rope_scaling=dict(type="linear", factor=2)), r"rope_type = '(linear|default)'"),
        ("text_config", dict(attention_bias=True), r"attention_bias = True"),
        ("text_config", dict(head_dim=16), r"head_dim = 16; our model does \[None, 4\]"),
        ("text_config", dict(num_key_value_heads=3), r"num_key_value_heads as 3; it must divide num_attention_heads"),
        ("text_config", dict(num_hidden_layers=9999), r"promises 9999 layers; the checkpoint has"),
    ],
)
def test_refused_by_name(llava, part, changes, message):
    load, folder = llava
    if part:
        if changes.get("rope_scaling"):
            repart(folder, part, rope_parameters=None)
        repart(folder, part, **changes)
    else:
        reconfigure(folder, **changes)
    with pytest.raises(ValueError, match=message):
        load(folder)


@pytest.mark.parametrize("grids", [[[8, 12]], [[8]], [[8, 4]], ["8x16"], [[8.0, 16]]])
def test_grids_that_are_no_whole_tiles(grids, tmp_path):
    save("llava_next", tmp_path)
    assert load_llava_next(tmp_path).config.grids == ((1, 2), (3, 1))
    reconfigure(tmp_path, image_grid_pinpoints=grids)
    with pytest.raises(ValueError, match=r"image_grid_pinpoints as .*whole tiles of 8 pixels are needed"):
        load_llava_next(tmp_path)


def test_one_loader_does_not_read_the_other_s(tmp_path):
    save("llava_next", tmp_path)
    with pytest.raises(ValueError, match="says model_type 'llava_next', and this loader reads 'llava'"):
        load_llava(tmp_path)
    reconfigure(tmp_path, model_type="llava")
    with pytest.raises(ValueError, match="1 tensors that this model has no place for: image_newline"):
        load_llava(tmp_path)


def test_files_that_are_missing_broken_or_strange(tmp_path, tmp_path_factory):
    save("llava", tmp_path)
    halves = in_halves(tmp_path, tmp_path_factory.mktemp("half"))
    index = halves / "model.safetensors.index.json"
    told = index.read_text()
    for new, message in (
        ({}, "has no weight_map"),
        ({"weight_map": {"a": "../x.safetensors"}}, "names the file '../x.safetensors'"),
        ({"weight_map": {"a": 3}}, "names the file 3"),
        ({"weight_map": {"a": "model-1.safetensors"}}, "disagree about"),
    ):
        index.write_text(json.dumps(new))
        with pytest.raises(ValueError, match=message):
            load_llava(halves)
    index.write_text(told)
    whole = (halves / "model-2.safetensors").read_bytes()
    (halves / "model-2.safetensors").write_bytes(whole[:-9])
    with pytest.raises(ValueError, match=r"is no whole safetensors file .*download it again"):
        load_llava(halves)
    (halves / "model-2.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"model-2.safetensors is missing, though .* names it"):
        load_llava(halves)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"holds pytorch_model.bin and no model.safetensors"):
        load_llava(tmp_path)
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(FileNotFoundError, match="holds neither"):
        load_llava(tmp_path)
