"""Qwen2-VL and Qwen2.5-VL: released layouts, newer spellings, shards, and what is refused by name."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)
from written import change, in_halves, reconfigure, same

from course_lib.hub import load_qwen2_5_vl, load_qwen2_vl
from course_lib.hub.qwen2_vl import model_config, tower_config, vision, window_tower_config
from course_lib.models.qwen2_vl import Qwen2VL

TEXT = dict(vocab_size=11, hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2)
TEXT |= dict(
    num_key_value_heads=1, rope_parameters={"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 2, 1]}
)
IDS = dict(image_token_id=8, video_token_id=9)
VISION = {
    "2": dict(depth=2, embed_dim=8, hidden_size=16, num_heads=2, patch_size=2, mlp_ratio=2),
    "2.5": dict(depth=2, hidden_size=8, out_hidden_size=16, num_heads=2, patch_size=2, intermediate_size=11)
    | dict(window_size=8, fullatt_block_indexes=[1], tokens_per_second=2),
}
LOADERS = {"2": load_qwen2_vl, "2.5": load_qwen2_5_vl}
THEIRS = {
    "2": (Qwen2VLForConditionalGeneration, Qwen2VLConfig),
    "2.5": (Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLConfig),
}


def save(kind: str, folder, **more) -> None:
    torch.manual_seed(0)
    model, config = THEIRS[kind]
    model(config(text_config=TEXT, vision_config=VISION[kind], **IDS, **more)).save_pretrained(folder)


@pytest.fixture(params=LOADERS)
def released(request, tmp_path):
    save(request.param, tmp_path)
    return LOADERS[request.param], tmp_path


def revision(folder, **changes) -> None:
    """Change vision_config; None takes a key away."""
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"] = {k: v for k, v in (config["vision_config"] | changes).items() if v is not None}
    (folder / "config.json").write_text(json.dumps(config))


def test_every_number_has_its_place(released):
    load, folder = released
    model, tensors = load(folder), load_file(folder / "model.safetensors")
    assert not model.training and all(p.requires_grad for p in model.parameters())
    assert sum(p.numel() for p in model.parameters()) == sum(t.numel() for t in tensors.values())


def test_half_precision_and_shards_are_read(released, tmp_path_factory):
    load, folder = released
    read = load(in_halves(folder, tmp_path_factory.mktemp("half")))
    assert {p.dtype for p in read.parameters()} == {torch.float32}
    assert all(torch.equal(a, b.half().float()) for a, b in zip(read.parameters(), load(folder).parameters()))


def test_the_flat_configuration_of_the_releases(released):
    """As in Qwen/Qwen2-VL-7B-Instruct: the language model's sizes beside vision_config, rope_scaling, in_chans."""
    load, folder = released
    before = load(folder)
    config = json.loads((folder / "config.json").read_text())
    text = config.pop("text_config")
    rope = text.pop("rope_parameters")
    text |= dict(rope_theta=rope["rope_theta"], rope_scaling={"type": "mrope", "mrope_section": rope["mrope_section"]})
    config |= {key: value for key, value in text.items() if key != "model_type"}
    config["vision_config"] = {
        k: v for k, v in config["vision_config"].items() if k not in ("in_channels", "model_type")
    }
    config["vision_config"] |= {"in_chans": 3, "spatial_patch_size": 2}
    (folder / "config.json").write_text(json.dumps(config))
    after = load(folder)
    assert after.config == before.config and same(after, before)


def test_the_keys_of_a_newer_state_dict(released):
    load, folder = released
    before = load(folder)
    tensors = load_file(folder / "model.safetensors")
    spelled = {key.replace("model.", "model.language_model."): tensor for key, tensor in tensors.items()}
    spelled = {f"model.{key}" if key.startswith("visual.") else key: tensor for key, tensor in spelled.items()}
    assert spelled.keys() != tensors.keys()
    save_file(spelled, folder / "model.safetensors")
    assert same(load(folder), before)


@pytest.mark.parametrize("kind", LOADERS)
def test_a_tied_head_is_one_matrix_and_may_be_repeated(kind, tmp_path):
    save(kind, tmp_path, tie_word_embeddings=True)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    model = LOADERS[kind](tmp_path)
    assert model.lm.to_vocab.weight is model.lm.embedding.weight
    table = load_file(tmp_path / "model.safetensors")["model.embed_tokens.weight"]
    change(tmp_path, lm_head__weight=table.clone())
    assert same(LOADERS[kind](tmp_path), model)
    change(tmp_path, lm_head__weight=table + 1)
    with pytest.raises(ValueError, match="not tied"):
        LOADERS[kind](tmp_path)


def test_class_defaults_stand_where_the_configuration_is_silent(tmp_path):
    """As released and not as in the class, where they differ: 2 tokens a second, a tower 1280 wide."""
    tower, windows = tower_config({}), window_tower_config({})
    assert (tower.d_model, tower.d_hidden, tower.d_out, tower.n_layers) == (1280, 5120, 3584, 32)
    assert (windows.d_model, windows.d_hidden, windows.full, windows.side) == (1280, 3420, (7, 15, 23, 31), 4)
    assert windows.tokens_per_second == 2


RELEASED = {  # from their config.json: layers, width, heads, kv heads, hidden, vocabulary, tied; tower's hidden width
    "Qwen2-VL-2B": ("2", (28, 1536, 12, 2, 8960, 151936, True), None, 2_208_985_600),
    "Qwen2-VL-7B": ("2", (28, 3584, 28, 4, 18944, 152064, False), None, 8_291_375_616),
    "Qwen2.5-VL-3B": ("2.5", (36, 2048, 16, 2, 11008, 151936, True), 3420, 3_754_622_976),
    "Qwen2.5-VL-7B": ("2.5", (28, 3584, 28, 4, 18944, 152064, False), 3420, 8_292_166_656),
}


@pytest.mark.parametrize("name", RELEASED)
def test_released_sizes_have_as_many_parameters_as_theirs(name):
    kind, (layers, width, heads, kv, hidden, vocabulary, tied), wide, count = RELEASED[name]
    text = dict(num_hidden_layers=layers, hidden_size=width, num_attention_heads=heads, num_key_value_heads=kv)
    text |= dict(intermediate_size=hidden, vocab_size=vocabulary, rms_norm_eps=1e-6, tie_word_embeddings=tied)
    seen = (
        dict(hidden_size=width)
        if kind == "2"
        else dict(hidden_size=1280, out_hidden_size=width, intermediate_size=wide)
    )
    config = text | dict(vision_config=seen)
    tower = {"2": tower_config, "2.5": window_tower_config}[kind]
    model, theirs = THEIRS[kind]
    with torch.device("meta"):
        ours = Qwen2VL(model_config(config, tower(vision(config))))
        other = model(theirs(text_config=text, vision_config=seen, tie_word_embeddings=tied))
    assert [sum(p.numel() for p in each.parameters()) for each in (ours, other)] == [count, count]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: change(folder, visual__merger__ln_q__weight=None), "lacks 1 of .*visual.merger.ln_q.weight"),
        (lambda folder: change(folder, visual__extra=torch.zeros(2)), "no place for: visual.extra"),
        (lambda folder: change(folder, model__norm__weight=torch.zeros(3)), "model.norm.weight is .3."),
        (lambda folder: change(folder, visual__blocks__1__attn__qkv__weight=torch.zeros(24, 8) / 0), "NaN or infinite"),
        (lambda folder: reconfigure(folder, model_type="qwen2"), "says model_type 'qwen2'"),
        (lambda folder: reconfigure(folder, vision_config=None), "gives vision_config as None"),
        (lambda folder: reconfigure(folder, image_token_id=11), "image_id .11. is not in the vocabulary of 11"),
        (lambda folder: revision(folder, hidden_act="gelu"), "asks for hidden_act = 'gelu'"),
        (lambda folder: revision(folder, num_heads=3), "it must divide"),
        (lambda folder: revision(folder, depth=3), "lacks .* tensors: visual.blocks.2"),
        (lambda folder: revision(folder, depth=10**6), "promises 1000000 layers"),
        (lambda folder: revision(folder, patch_size=3), "by config.json it must be"),
        (lambda folder: revision(folder, spatial_merge_size=[2]), "a positive whole number"),
    ],
)
def test_refusals(released, spoil, words):
    load, folder = released
    spoil(folder)
    with pytest.raises(ValueError, match=words):
        load(folder)


def test_refusals_of_the_language_models_rope(released):
    load, folder = released
    text = json.loads((folder / "config.json").read_text())["text_config"]
    for rope, words in (
        ({"rope_type": "yarn"}, "asks for rope_type = 'yarn'"),
        ({"mrope_section": [1, 2, 2]}, r"\(1, 2, 2\) must be three, and make up the 4 pairs"),
    ):
        reconfigure(folder, text_config=text | {"rope_parameters": text["rope_parameters"] | rope})
        with pytest.raises(ValueError, match=words):
            load(folder)
    reconfigure(folder, text_config=text | {"use_sliding_window": True})
    with pytest.raises(ValueError, match="use_sliding_window"):
        load(folder)


def test_refusals_of_windows(tmp_path):
    save("2.5", tmp_path)
    for changes, words in (
        (dict(fullatt_block_indexes=[-1]), "a list of layers is needed"),
        (dict(fullatt_block_indexes=7), "a list of layers is needed"),
        (dict(window_size=3), "a window of 3 pixels holds no block of 4"),
        (dict(tokens_per_second=0), "tokens_per_second as 0"),
    ):
        save("2.5", tmp_path)
        revision(tmp_path, **changes)
        with pytest.raises(ValueError, match=words):
            load_qwen2_5_vl(tmp_path)


def test_each_loader_reads_its_own(tmp_path):
    save("2", tmp_path)
    with pytest.raises(ValueError, match="this loader reads 'qwen2_5_vl'"):
        load_qwen2_5_vl(tmp_path)
