"""Checkpoints that a reader can meet, one line a case: each is refused with one clear ValueError, and at once."""

import time

import pytest
import torch
from safetensors.torch import load_file
from written import change, reconfigure

from course_lib.hub import core, load_gpt1, load_gpt2

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resid_pdrop": 0.2}, r"'attn_pdrop': 0.1, 'resid_pdrop': 0.2}; our model has one number for all"),
        ({"attn_pdrop": 0}, r"'attn_pdrop': 0, 'resid_pdrop': 0.1}; our model has one number for all"),
        ({"resid_pdrop": 7}, r"gives resid_pdrop as 7; a number of at least 0 and below 1"),
        ({"resid_pdrop": "x"}, r"gives resid_pdrop as 'x'; a number"),
        ({"embd_pdrop": None}, r"gives embd_pdrop as None; a number"),
        ({"embd_pdrop": NAN}, r"gives embd_pdrop as nan; a number"),
        ({"initializer_range": "x"}, r"gives initializer_range as 'x'; a number"),
        ({"initializer_range": -0.02}, r"gives initializer_range as -0.02; a number of at least 0"),
        ({"initializer_range": INF}, r"gives initializer_range as inf; a number"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, r"asks for quantization_config = .*bitsandbytes"),
        ({"n_head": 3}, r"gives n_head as 3; it must divide n_embd \(8\)"),
        ({"n_embd": 10**10, "n_head": 7}, r"gives n_head as 7; it must divide n_embd \(10000000000\)"),
        ({"n_layer": 10**4}, r"promises 10000 layers; the checkpoint has 2\d tensors in all"),
        ({"n_layer": 10**10}, r"promises 10000000000 layers; the checkpoint has"),
        ({"n_layer": 24}, r"lacks \d+ of \d+ tensors"),
        ({"vocab_size": 2**62}, r"gives vocab_size as 4611686018427387904; a positive whole number to 10{10} is"),
        ({"n_positions": 10**30}, r"gives n_positions as 10{30}; a positive whole number"),
        ({"n_embd": 10**10, "n_head": 1}, r"describes a model that cannot be built: "),
        ({"n_embd": 10**7, "n_head": 1}, r"(wte|tokens_embed).weight is .*; by .* must be \[11, 10000000\]"),
    ],
)  # fmt: skip
def test_a_configuration_is_refused_before_anything_is_built(checkpoint, changes, message):
    load, folder = checkpoint
    reconfigure(folder, **changes)
    began = time.process_time()
    with pytest.raises(ValueError, match=message):
        load(folder)
    assert time.process_time() - began < 5  # ten thousand layers would take half a minute


def test_one_dropout_for_all_and_no_quantisation_are_read(checkpoint):
    load, folder = checkpoint
    reconfigure(folder, embd_pdrop=0.3, attn_pdrop=0.3, resid_pdrop=0.3, initializer_range=0, quantization_config=None)
    assert (load(folder).config.dropout, load(folder).config.init_std) == (0.3, 0)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda w: w * NAN, r"h.0.ln_1.bias gives 8 of 8 numbers that are NaN or infinite in torch.float32"),
        (lambda w: w.index_fill(0, torch.tensor([3]), NAN), r"h.0.ln_1.bias gives 1 of 8 numbers that are NaN"),
        (lambda w: w.index_fill(0, torch.tensor([3]), -INF), r"h.0.ln_1.bias gives 1 of 8 numbers that are NaN"),
        (lambda w: (w * 0 + 1e300).double(), r"h.0.ln_1.bias gives 8 of 8 .* infinite in torch.float32"),
        (lambda w: w.to(torch.float8_e4m3fn), r"h.0.ln_1.bias is torch.float8_e4m3fn; .* quantised are not read"),
        (lambda w: w.to(torch.float8_e5m2), r"h.0.ln_1.bias is torch.float8_e5m2; .* quantised are not read"),
        (lambda w: w.to(torch.complex64), r"h.0.ln_1.bias is torch.complex64; weights must be floating-point"),
        (lambda w: w > 0, r"h.0.ln_1.bias is torch.bool; weights must be floating-point"),
        (lambda w: w[:0], r"h.0.ln_1.bias is \[0\]; by config.json it must be \[8\]"),
        (lambda w: w[None], r"h.0.ln_1.bias is \[1, 8\]; by config.json it must be \[8\]"),
    ],
)
def test_a_tensor_is_refused(checkpoint, spoil, message):
    load, folder = checkpoint
    theirs = load_file(folder / "model.safetensors")["transformer.h.0.ln_1.bias"]
    change(folder, transformer__h__0__ln_1__bias=spoil(theirs).contiguous())
    with pytest.raises(ValueError, match=message):
        load(folder)


def test_a_tied_head_in_another_precision_is_refused(gpt2_folder):
    table = load_file(gpt2_folder / "model.safetensors")["transformer.wte.weight"]
    change(gpt2_folder, lm_head__weight=table.half())
    with pytest.raises(ValueError, match=r"lm_head.weight is not wte.weight"):
        load_gpt2(gpt2_folder)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.json", "[" * 10**5, r"config.json is no JSON \(.*recursion"),
        ("config.json", '{"a":' * 10**5, r"config.json is no JSON \(.*recursion"),
        ("config.json", '{"model_type": "gpt2", "n_embd": ' + "9" * 5000 + "}", r"config.json is no JSON"),
        ("config.json", "", r"config.json is no JSON"),
        (core.INDEX, "[" * 10**5, r"index.json is no JSON \(.*recursion"),
        (core.INDEX, '{"weight_map": {"wte.weight": ["a"]}}', r"names the file \['a'\]; a .safetensors file beside"),
        (core.INDEX, '{"weight_map": {"wte.weight": 5}}', r"names the file 5; a .safetensors file beside"),
        (core.INDEX, '{"weight_map": {"wte.weight": null, "a": "b"}}', r"names the file None; a .safetensors file"),
    ],
)
def test_a_file_is_refused(gpt2_folder, file, text, message):
    if file == core.INDEX:
        (gpt2_folder / "model.safetensors").unlink()
    (gpt2_folder / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        load_gpt2(gpt2_folder)


def test_who_writes_into_the_file_later_does_not_write_into_the_model(checkpoint):
    """safetensors hands out the pages of the file itself; overwritten in place, it would change a loaded model."""
    load, folder = checkpoint
    model = load(folder)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with open(folder / "model.safetensors", "r+b") as file:
        size = len(file.read())
        file.seek(size // 2)
        file.write(bytes(size - size // 2))
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_gpt1_asked_to_read_gpt2(gpt2_folder):
    with pytest.raises(ValueError, match="says model_type 'gpt2', and this loader reads 'openai-gpt'"):
        load_gpt1(gpt2_folder)
