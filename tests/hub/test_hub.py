"""What the loaders refuse, and that nothing is half-loaded. The checkpoints are written here, as they were released."""

import json
import sys
import types

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from written import C, D, N, V, change, reconfigure

from course_lib.hub import core, fetch, load_gpt2
from course_lib.hub.core import From, build


def test_every_weight_is_where_it_belongs(checkpoint):
    load, folder = checkpoint
    model, tensors = load(folder), load_file(folder / "model.safetensors")
    assert not model.training
    assert sum(p.numel() for p in model.parameters()) == sum(t.numel() for t in tensors.values())
    theirs = tensors["transformer.h.1.attn.c_attn.weight"]
    assert torch.equal(model.blocks[1].attention.to_qkv.weight, theirs.T)
    assert all(p.requires_grad and p.is_contiguous() and p.device.type == "cpu" for p in model.parameters())
    model(torch.randint(V, (2, C))).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("prefixed", [True, False])
@pytest.mark.parametrize("head", ["absent", "equal", "alone"])
def test_prefix_and_tied_head_may_be_there_or_not(gpt2_folder, prefixed, head):
    wanted = load_gpt2(gpt2_folder).state_dict()
    tensors = load_file(gpt2_folder / "model.safetensors")
    if head != "absent":
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"].clone()
    if head == "alone":
        del tensors["transformer.wte.weight"]
    if not prefixed:
        tensors = {key.removeprefix("transformer."): t for key, t in tensors.items()}
    save_file(tensors, gpt2_folder / "model.safetensors")
    found = load_gpt2(gpt2_folder).state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_head_of_its_own_is_refused(gpt2_folder):
    change(gpt2_folder, lm_head__weight=torch.randn(V, D))
    with pytest.raises(ValueError, match=r"lm_head.weight is not wte.weight, but our model has one matrix for both"):
        load_gpt2(gpt2_folder)


def test_a_key_with_and_without_prefix_is_refused(gpt2_folder):
    change(gpt2_folder, wte__weight=torch.randn(V, D))
    with pytest.raises(ValueError, match=r"transformer.wte.weight also without 'transformer.'"):
        load_gpt2(gpt2_folder)


def test_the_wrong_family_is_refused(checkpoint):
    load, folder = checkpoint
    reconfigure(folder, model_type="bert")
    with pytest.raises(ValueError, match="says model_type 'bert', and this loader reads"):
        load(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(checkpoint, name):
    load, folder = checkpoint
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load(folder)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.config.json is missing"):
        load_gpt2(tmp_path / "nowhere")


@pytest.mark.parametrize("kept", [0, 5, 100, 2000, -1])
def test_a_truncated_file_is_refused(checkpoint, kept):
    load, folder = checkpoint
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:kept])
    with pytest.raises(ValueError, match=rf"\({len(whole[:kept]):,} bytes\) is no whole safetensors file"):
        load(folder)


def test_a_pickle_file_is_refused_unread_and_the_way_to_convert_told(checkpoint, monkeypatch):
    load, folder = checkpoint
    (folder / "model.safetensors").unlink()
    torch.save({"wte.weight": torch.zeros(1)}, folder / "pytorch_model.bin")
    monkeypatch.setattr(torch, "load", lambda *a, **k: pytest.fail("the pickle was read"))
    with pytest.raises(ValueError, match=r"holds pytorch_model.bin and no .*runs code.*save_pretrained"):
        load(folder)


def test_a_pickle_file_under_the_safe_name_is_refused(checkpoint):
    load, folder = checkpoint
    torch.save({"wte.weight": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(ValueError, match="is no whole safetensors file"):
        load(folder)


def test_a_pickle_beside_safetensors_does_no_harm(checkpoint):
    load, folder = checkpoint
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    load(folder)


def test_a_key_too_many_is_named(checkpoint):
    load, folder = checkpoint
    change(folder, transformer__h__2__ln_1__bias=torch.zeros(D), score__weight=torch.zeros(2, D))
    with pytest.raises(ValueError, match=r"has 2 tensors .* no place for: h\.2\.ln_1\.bias, score\.weight"):
        load(folder)


def test_a_mask_of_a_layer_that_is_not_there_is_a_key_too_many(gpt2_folder):
    change(gpt2_folder, h__1__attn__bias=torch.ones(1, 1, C, C), h__2__attn__bias=torch.ones(1, 1, C, C))
    with pytest.raises(ValueError, match=r"has 1 tensors .*: h\.2\.attn\.bias$"):
        load_gpt2(gpt2_folder)


def test_a_missing_key_is_named(checkpoint):
    load, folder = checkpoint
    change(folder, transformer__h__1__mlp__c_fc__bias=None)
    with pytest.raises(ValueError, match=r"lacks 1 of \d+ tensors: h\.1\.mlp\.c_fc\.bias$"):
        load(folder)


def test_many_missing_keys_are_counted(checkpoint):
    load, folder = checkpoint
    reconfigure(folder, n_layer=N + 1)
    with pytest.raises(ValueError, match=r"lacks 12 of \d+ tensors: .* and 8 more"):
        load(folder)


def test_a_wrong_shape_is_told_in_their_layout(checkpoint):
    load, folder = checkpoint
    change(folder, transformer__h__0__attn__c_attn__weight=torch.zeros(3 * D, D))
    with pytest.raises(ValueError, match=r"h.0.attn.c_attn.weight is \[24, 8\]; by config.json it must be \[8, 24\]"):
        load(folder)


def test_a_square_matrix_is_turned_too(gpt2_folder):
    """[D D] has the right shape either way: only its values can tell."""
    theirs = load_file(gpt2_folder / "model.safetensors")["transformer.h.0.attn.c_proj.weight"]
    assert torch.equal(load_gpt2(gpt2_folder).blocks[0].attention.to_out.weight, theirs.T)


def test_whole_number_weights_are_refused(checkpoint):
    load, folder = checkpoint
    change(folder, transformer__h__0__ln_1__bias=torch.zeros(D, dtype=torch.int8))
    with pytest.raises(ValueError, match=r"h.0.ln_1.bias is torch.int8; weights must be floating-point"):
        load(folder)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_weights_are_kept_in_the_type_asked_for(checkpoint, dtype):
    load, folder = checkpoint
    change(folder, transformer__h__0__ln_1__bias=torch.ones(D, dtype=torch.float16))  # a mixed file
    assert {p.dtype for p in load(folder, dtype=dtype).parameters()} == {dtype}


def test_a_whole_number_type_is_refused(checkpoint):
    load, folder = checkpoint
    with pytest.raises(ValueError, match=r"dtype \(torch.int8\) must be a floating type"):
        load(folder, dtype=torch.int8)


@pytest.mark.parametrize(
    "change",
    [
        {"activation_function": "relu"},
        {"layer_norm_epsilon": 1e-6},
        {"scale_attn_by_inverse_layer_idx": True},
        {"tie_word_embeddings": False},
        {"n_inner": 20},
    ],
)
def test_choices_that_our_model_does_not_make_are_refused(gpt2_folder, change):
    reconfigure(gpt2_folder, **change)
    with pytest.raises(ValueError, match=rf"asks for {next(iter(change))} = "):
        load_gpt2(gpt2_folder)


@pytest.mark.parametrize("bad", [None, 0, -1, 2.0, "8", True])
def test_a_size_that_is_no_size_is_refused(checkpoint, bad):
    load, folder = checkpoint
    reconfigure(folder, n_embd=bad)
    with pytest.raises(ValueError, match="gives n_embd as"):
        load(folder)


@pytest.mark.parametrize(("text", "message"), [("{", "is no JSON"), ("[]", "holds a list"), ("\x80", "is no JSON")])
def test_a_config_that_is_no_config_is_refused(checkpoint, text, message):
    load, folder = checkpoint
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=message):
        load(folder)


@pytest.fixture
def sharded(gpt2_folder):
    tensors = load_file(gpt2_folder / "model.safetensors")
    (gpt2_folder / "model.safetensors").unlink()
    weight_map = {}
    for i in range(2):
        name = f"model-0000{i + 1}-of-00002.safetensors"
        part = {key: tensors[key] for key in sorted(tensors)[i::2]}
        save_file(part, gpt2_folder / name)
        weight_map |= dict.fromkeys(part, name)
    (gpt2_folder / core.INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return gpt2_folder, weight_map


def test_shards_are_put_together(sharded):
    folder, weight_map = sharded
    assert load_gpt2(folder).config.n_layers == N and len(set(weight_map.values())) == 2


def test_a_missing_shard_is_named(sharded):
    folder, _ = sharded
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"model-00002-of-00002.safetensors is missing, though"):
        load_gpt2(folder)


def test_a_shard_that_is_not_what_the_index_says_is_refused(sharded):
    folder, weight_map = sharded
    key = next(iter(weight_map))
    moved = weight_map | {key: "model-00002-of-00002.safetensors"}
    (folder / core.INDEX).write_text(json.dumps({"weight_map": moved}))
    with pytest.raises(ValueError, match=rf"disagree about {key}"):
        load_gpt2(folder)


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "pytorch_model.bin", "a/b.safetensors"])
def test_an_index_may_not_point_elsewhere(sharded, name):
    folder, weight_map = sharded
    (folder / core.INDEX).write_text(json.dumps({"weight_map": dict.fromkeys(weight_map, name)}))
    with pytest.raises(ValueError, match="beside the index"):
        load_gpt2(folder)


def test_an_index_without_a_map_is_refused(sharded):
    folder, _ = sharded
    (folder / core.INDEX).write_text("{}")
    with pytest.raises(ValueError, match="has no weight_map"):
        load_gpt2(folder)


def test_a_key_map_that_leaves_a_weight_out_is_a_mistake_of_ours():
    tensors = {"w": torch.zeros(2, 3)}
    with pytest.raises(ValueError, match="key map and the model disagree about bias"):
        build(lambda: nn.Linear(2, 3), tensors, {"weight": From("w", turned=True)})


def test_nothing_is_built_in_memory_before_all_is_checked(gpt2_folder):
    """A config that lies about its size fails on the shapes, not on a terabyte of memory."""
    reconfigure(gpt2_folder, vocab_size=10**10)
    with pytest.raises(ValueError, match=r"wte.weight is \[11, 8\]; by config.json it must be \[10000000000, 8\]"):
        load_gpt2(gpt2_folder)


def test_fetch_asks_for_safetensors_and_never_for_pickles(monkeypatch, gpt2_folder):
    asked = {}
    module = types.ModuleType("huggingface_hub")
    module.snapshot_download = lambda repo_id, **options: asked.update(options, repo_id=repo_id) or str(gpt2_folder)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    assert load_gpt2(fetch("openai-community/gpt2", revision="main")).config.n_vocab == V
    assert asked["repo_id"] == "openai-community/gpt2" and asked["revision"] == "main"
    assert not any(name.endswith((".bin", ".pt", "*")) for name in asked["allow_patterns"])


def test_fetch_without_the_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'course-lib\[hub\]'"):
        fetch("openai-community/gpt2")


def test_fetch_without_a_network_says_so(monkeypatch, tmp_path):
    import huggingface_hub as hub

    def no_network(*_, **__):
        raise hub.errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr(hub, "snapshot_download", no_network)
    with pytest.raises(OSError, match=r"'openai-community/gpt2' could not be fetched .*offline"):
        fetch("openai-community/gpt2")


def test_the_lessons_never_import_the_hub_library():
    """huggingface_hub is imported where it is used, so the course runs without it."""
    import subprocess

    code = "import sys, course_lib.hub; assert 'huggingface_hub' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
