"""BLIP-2 and OPT: what the loaders read in other spellings, and what they refuse by name."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2ForImageTextRetrieval,
    Blip2Model,
    OPTConfig,
    OPTForCausalLM,
)
from written import change, in_halves, reconfigure, same

from course_lib.hub import load_blip2_describer, load_blip2_retriever, load_opt
from course_lib.hub.blip2 import qformer_config, vision_config
from course_lib.hub.opt import opt_config
from course_lib.models import blip2, opt

BLOCKS = dict(num_hidden_layers=2, num_attention_heads=2)
IMAGE = BLOCKS | dict(hidden_size=12, intermediate_size=20, image_size=8, patch_size=4)
QFORMER = BLOCKS | dict(hidden_size=8, intermediate_size=20, vocab_size=11, max_position_embeddings=6)
TEXT = BLOCKS | dict(hidden_size=6, ffn_dim=24, vocab_size=13, max_position_embeddings=20, model_type="opt")
LOADERS = {"retriever": load_blip2_retriever, "describer": load_blip2_describer, "opt": load_opt}


def save(kind: str, folder, **text) -> None:
    torch.manual_seed(0)
    sizes = dict(vision_config=IMAGE, text_config=TEXT | text, num_query_tokens=3, image_text_hidden_size=5)
    {
        "retriever": lambda: Blip2ForImageTextRetrieval(
            Blip2Config(**sizes, qformer_config=QFORMER | dict(use_qformer_text_input=True))
        ),
        "describer": lambda: Blip2ForConditionalGeneration(Blip2Config(**sizes, qformer_config=QFORMER)),
        "opt": lambda: OPTForCausalLM(OPTConfig(**TEXT | text)),
    }[kind]().save_pretrained(folder)


@pytest.fixture(params=LOADERS)
def released(request, tmp_path):
    save(request.param, tmp_path)
    return LOADERS[request.param], tmp_path


@pytest.fixture
def folder(tmp_path):
    """Makes the checkpoint of a kind."""
    return lambda kind, **text: save(kind, tmp_path, **text) or tmp_path


def repart(folder, part: str, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    config[part] |= changes
    (folder / "config.json").write_text(json.dumps(config))


def test_every_number_has_its_place(released):
    """And what is frozen is frozen when it is loaded, too."""
    load, folder = released
    model, tensors = load(folder), load_file(folder / "model.safetensors")
    assert not model.training
    assert sum(p.numel() for p in model.parameters()) == sum(t.numel() for t in tensors.values())
    frozen = tuple(f"{name}." for name in getattr(model, "frozen", ()))
    assert all(p.requires_grad != name.startswith(frozen) for name, p in model.named_parameters())


def test_half_precision_and_shards_are_read(released, tmp_path_factory):
    load, folder = released
    read = load(in_halves(folder, tmp_path_factory.mktemp("half")))
    assert {p.dtype for p in read.parameters()} == {torch.float32}
    assert all(torch.equal(a, b.half().float()) for a, b in zip(read.parameters(), load(folder).parameters()))


def test_a_tied_head_may_be_repeated_and_nothing_else(folder):
    for kind, prefix in (("opt", ""), ("describer", "language_model.")):
        found = folder(kind)
        before = LOADERS[kind](found)
        table = load_file(found / "model.safetensors")[f"{prefix}model.decoder.embed_tokens.weight"]
        change(found, **{f"{prefix}lm_head.weight": table.clone()})
        assert same(LOADERS[kind](found), before)
        change(found, **{f"{prefix}lm_head.weight": table + 1})
        with pytest.raises(ValueError, match=r"lm_head.weight is not .*embed_tokens.weight, but our model has one"):
            LOADERS[kind](found)


def test_old_opt_keys_without_model(folder):
    """As in facebook/opt-125m, which begins with decoder."""
    found = folder("opt")
    before = load_opt(found)
    tensors = load_file(found / "model.safetensors")
    save_file({key.removeprefix("model."): tensor for key, tensor in tensors.items()}, found / "model.safetensors")
    assert same(load_opt(found), before)


def test_what_a_configuration_leaves_out_is_as_in_the_released_classes():
    image, qformer = vision_config({}), qformer_config({}, text=False)
    assert image == blip2.VIT_G
    assert qformer == blip2.replace(blip2.QFORMER, n_vocab=0, dec=None)
    assert opt_config({}) == opt.SIZES["opt-125m"]
    assert qformer_config({"qformer_config": {"use_qformer_text_input": True}}, text=True).n_vocab == 30522


@pytest.mark.parametrize(
    ("kind", "part", "changes", "message"),
    [
        ("retriever", "vision_config", dict(hidden_act="quick_gelu"), r"asks for hidden_act = 'quick_gelu'"),
        ("retriever", "vision_config", dict(qkv_bias=False), r"asks for qkv_bias = False"),
        ("retriever", "vision_config", dict(num_attention_heads=5), r"gives num_attention_heads as 5; it must divide"),
        ("retriever", "vision_config", dict(image_size=10), r"a patch of 4 does not divide 10×10"),
        ("retriever", "vision_config", dict(num_hidden_layers=3), r"lacks \d+ of \d+ tensors: vision_model.encoder"),
        ("retriever", "vision_config", dict(hidden_size=14), r"is \[.*\]; by config.json it must be \[.*14"),
        ("retriever", "qformer_config", dict(hidden_act="relu"), r"asks for hidden_act = 'relu'"),
        ("retriever", "qformer_config", dict(use_qformer_text_input=False), r"asks for use_qformer_text_input = False"),
        ("describer", "qformer_config", dict(use_qformer_text_input=True), r"asks for use_qformer_text_input = True"),
        (
            "describer",
            "qformer_config",
            dict(cross_attention_frequency=1),
            r"lacks 10 of \d+ tensors: .*\.crossa",
        ),
        ("describer", "qformer_config", dict(cross_attention_frequency=0), r"gives cross_attention_frequency as 0"),
        ("describer", "qformer_config", dict(num_hidden_layers=999), r"promises 999 layers"),
        ("describer", "qformer_config", dict(num_attention_heads=3), r"gives num_attention_heads as 3; it must divide"),
        ("describer", "text_config", dict(model_type="t5"), r"gives text_config as .*'opt' is needed"),
        ("describer", "text_config", dict(activation_function="gelu"), r"asks for activation_function = 'gelu'"),
        ("describer", "text_config", dict(do_layer_norm_before=False), r"asks for do_layer_norm_before = False"),
        ("describer", "text_config", dict(ffn_dim=25), r"asks for ffn_dim = 25; our model does \[24\] only"),
        ("describer", "text_config", dict(word_embed_proj_dim=3), r"asks for word_embed_proj_dim = 3"),
        ("describer", "text_config", dict(num_hidden_layers=1), r"has 16 tensors .*: language_model.model.decoder"),
        ("describer", "text_config", dict(max_position_embeddings=21), r"embed_positions.weight is \[22, 6\]; by .*23"),
    ],
)
def test_a_part_that_ours_is_not_is_refused(folder, kind, part, changes, message):
    found = folder(kind)
    repart(found, part, **changes)
    with pytest.raises(ValueError, match=message):
        LOADERS[kind](found)


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("retriever", dict(num_query_tokens=4), r"query_tokens is \[1, 3, 8\], taken as \[3, 8\]; by .*\[4, 8\]"),
        ("retriever", dict(num_query_tokens=0), r"gives num_query_tokens as 0; a positive whole number"),
        ("retriever", dict(image_text_hidden_size=6), r"_projection.* is \[5.*\]; by config.json it must be \[6"),
        ("describer", dict(text_config=None), r"gives text_config as None; a language model of type 'opt' is needed"),
        ("describer", dict(qformer_config=[1]), r"gives qformer_config as \[1\]; an object is needed"),
        ("describer", dict(model_type="blip"), r"says model_type 'blip', and this loader reads 'blip-2'"),
        ("opt", dict(num_attention_heads=4), r"gives num_attention_heads as 4; it must divide hidden_size \(6\)"),
        ("opt", dict(layer_norm_elementwise_affine=False), r"asks for layer_norm_elementwise_affine = False"),
        ("opt", dict(enable_bias=False), r"asks for enable_bias = False"),
    ],
)
def test_a_whole_that_ours_is_not_is_refused(folder, kind, changes, message):
    found = folder(kind)
    reconfigure(found, **changes)
    with pytest.raises(ValueError, match=message):
        LOADERS[kind](found)


def test_one_kind_given_as_another_is_named(folder, tmp_path_factory):
    found = folder("retriever")
    repart(found, "qformer_config", use_qformer_text_input=False)
    with pytest.raises(ValueError, match="without language_projection; give a Blip2ForConditionalGeneration"):
        load_blip2_describer(found)
    found = folder("describer")
    repart(found, "qformer_config", use_qformer_text_input=True)
    with pytest.raises(ValueError, match="without itm_head; give one of Blip2ForImageTextRetrieval"):
        load_blip2_retriever(found)
    whole = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = Blip2Config(vision_config=IMAGE, text_config=TEXT, qformer_config=QFORMER, num_query_tokens=3)
    Blip2Model(config).save_pretrained(whole)
    assert load_blip2_describer(whole).qformer.config.n_queries == 3  # the same parts under the same names


def test_broken_tensors_are_named(folder):
    found = folder("describer")
    change(found, query_tokens=torch.full((1, 3, 8), float("nan")))
    with pytest.raises(ValueError, match="query_tokens gives 24 of 24 numbers that are NaN"):
        load_blip2_describer(found)
    change(found, query_tokens=torch.zeros(2, 3, 8))
    with pytest.raises(ValueError, match=r"query_tokens is \[2, 3, 8\]"):
        load_blip2_describer(found)
