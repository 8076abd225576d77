"""A checkpoint saved by transformers, read by course_lib.hub: the same logits, gradients and greedy tokens."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model, OpenAIGPTConfig, OpenAIGPTLMHeadModel

from course_lib.decoding.generation import greedy
from course_lib.hub import load_gpt1, load_gpt2
from course_lib.models.llama import LlamaReader

SIZES = [
    dict(vocab_size=61, n_positions=40, n_embd=48, n_layer=3, n_head=6),
    dict(vocab_size=7, n_positions=33, n_embd=10, n_layer=1, n_head=1),
    dict(vocab_size=300, n_positions=64, n_embd=28, n_layer=2, n_head=7),
]
QUIET = dict(bos_token_id=1, eos_token_id=None, pad_token_id=0)
FAMILIES = {
    "gpt2": (load_gpt2, GPT2LMHeadModel, GPT2Config),
    "openai-gpt": (load_gpt1, OpenAIGPTLMHeadModel, OpenAIGPTConfig),
}


def scrambled(model: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.15)
    return model.eval()


@pytest.fixture(params=[(family, i) for family in FAMILIES for i in range(len(SIZES))], ids=lambda p: f"{p[0]}-{p[1]}")
def released(request, tmp_path):
    """The loader, the reference in float64, and the folder it was saved in."""
    family, i = request.param
    load, build, config = FAMILIES[family]
    reference = scrambled(build(config(**SIZES[i], **QUIET)).double())
    reference.save_pretrained(tmp_path)
    return load, reference, tmp_path


def test_logits_gradients_and_greedy_tokens(released, float64_reference, agree):
    load, reference, folder = released
    ours = load(folder, dtype=torch.float64)
    V = ours.config.n_vocab
    ids = torch.randint(V, (2, 12), generator=torch.Generator().manual_seed(0))
    judge = torch.randn(2, 12, V, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with float64_reference():
        theirs = reference(ids).logits
        theirs.backward(judge)
        told = reference.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False)
    logits = ours(ids)
    logits.backward(judge)
    agree(logits, theirs)
    table = next(reference.transformer.children()).weight
    agree(ours.embedding.weight.grad, table.grad)
    layer, block = reference.transformer.h[0], ours.blocks[0]
    agree(block.attention.to_qkv.weight.grad, layer.attn.c_attn.weight.grad.T)
    agree(block.feedforward.down.bias.grad, layer.mlp.c_proj.bias.grad)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())
    assert greedy(LlamaReader(ours, 32), ids, 20).tolist() == told[:, 12:].tolist()


def same(ours: nn.Module, others: nn.Module) -> None:
    for (name, mine), (other_name, other) in zip(ours.named_parameters(), others.named_parameters(), strict=True):
        assert name == other_name and torch.equal(mine, other)


def test_sharded_checkpoints(released, tmp_path_factory):
    load, reference, folder = released
    shards = tmp_path_factory.mktemp("shards")
    reference.save_pretrained(shards, max_shard_size="20KB")
    if reference.config.n_embd > 10:
        assert len(list(shards.glob("model-*.safetensors"))) > 1 and not (shards / "model.safetensors").exists()
    same(load(shards), load(folder))


def test_old_checkpoints_without_prefix_with_masks_and_with_the_head(released, tmp_path_factory):
    load, reference, folder = released
    old = tmp_path_factory.mktemp("old")
    tensors = {key.removeprefix("transformer."): t for key, t in load_file(folder / "model.safetensors").items()}
    n = reference.config.n_positions
    for i in range(reference.config.n_layer):
        tensors[f"h.{i}.attn.bias"] = torch.ones(1, 1, n, n).tril()
    if reference.config.model_type == "gpt2":
        tensors["h.0.attn.masked_bias"] = torch.tensor(-1e4)
    tensors["lm_head.weight"] = next(reference.transformer.children()).weight.detach().clone()
    save_file(tensors, old / "model.safetensors")
    config = {key: v for key, v in reference.config.to_dict().items() if key.startswith(("n_", "vocab", "model_type"))}
    (old / "config.json").write_text(json.dumps(config))
    same(load(old), load(folder))


def test_the_body_alone_is_enough(tmp_path):
    """GPT2Model is saved without prefix and without head; the head is tied, so nothing is lacking."""
    reference = scrambled(GPT2Model(GPT2Config(**SIZES[0], **QUIET)))
    reference.save_pretrained(tmp_path)
    ids = torch.arange(10)[None]
    torch.testing.assert_close(load_gpt2(tmp_path).hidden(ids), reference(ids).last_hidden_state, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_are_read_into_single(released, dtype, tmp_path_factory):
    load, reference, _ = released
    half = tmp_path_factory.mktemp("half")
    reference.to(dtype).save_pretrained(half)
    ours = load(half)
    assert {p.dtype for p in ours.parameters()} == {torch.float32}
    assert torch.equal(ours.embedding.weight, next(reference.transformer.children()).weight.float())
    assert load(half, dtype=torch.bfloat16).embedding.weight.dtype == torch.bfloat16
