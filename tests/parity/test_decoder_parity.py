"""Llama with grouped heads and DeepSeek-V2 and V3 against transformers, weights copied in: values, gradients, ids."""

import pytest
import torch
from einops import rearrange
from torch import nn
from transformers import (
    DeepseekV2Config,
    DeepseekV2ForCausalLM,
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers import (
    LlamaConfig as TheirLlamaConfig,
)

from course_lib.decoding.generation import greedy
from course_lib.foundations.attention import causal_mask
from course_lib.models.deepseek import DeepSeekConfig
from course_lib.models.llama import Llama, LlamaConfig, LlamaReader

V, D, N, F = 61, 48, 2, 80


def scrambled(model: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.15)
    return model.double().eval()


def copy_common(ours: Llama, reference: nn.Module) -> None:
    """All but the attention. `load` asks for equal shapes, and the last line for nothing being left out."""
    load(ours.embedding.weight, reference.model.embed_tokens.weight)
    load(ours.norm_out.weight, reference.model.norm.weight)
    load(ours.to_vocab.weight, reference.lm_head.weight)
    for block, layer in zip(ours.blocks, reference.model.layers, strict=True):
        load(block.norm_attention.weight, layer.input_layernorm.weight)
        load(block.norm_feedforward.weight, layer.post_attention_layernorm.weight)
        load(block.feedforward.gate.weight, layer.mlp.gate_proj.weight)
        load(block.feedforward.up.weight, layer.mlp.up_proj.weight)
        load(block.feedforward.down.weight, layer.mlp.down_proj.weight)


def load(parameter: nn.Parameter, values: torch.Tensor) -> None:
    assert parameter.shape == values.shape
    parameter.data = values.detach().clone()


def grouped_pair(G: int, *, qwen: bool = False) -> tuple[Llama, nn.Module]:
    sizes = dict(
        vocab_size=V,
        hidden_size=D,
        intermediate_size=F,
        num_hidden_layers=N,
        num_attention_heads=6,
        num_key_value_heads=G,
        max_position_embeddings=64,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=None,
        pad_token_id=0,
    )
    reference = scrambled(
        Qwen2ForCausalLM(Qwen2Config(**sizes)) if qwen else LlamaForCausalLM(TheirLlamaConfig(**sizes))
    )
    ours = Llama(
        LlamaConfig(
            n_vocab=V,
            d_model=D,
            n_layers=N,
            n_heads=6,
            n_kv_heads=G,
            d_hidden=F,
            rope_base=500.0,
            norm_eps=1e-5,
            qkv_bias=qwen,
        )
    ).double()
    copy_common(ours, reference)
    for block, layer in zip(ours.blocks, reference.model.layers):
        theirs = layer.self_attn
        pairs = zip("qkv", (theirs.q_proj, theirs.k_proj, theirs.v_proj))
        for name, projection in pairs:
            load(getattr(block.attention, f"to_{name}").weight, projection.weight)
            if qwen:
                load(getattr(block.attention, f"to_{name}").bias, projection.bias)
        load(block.attention.to_out.weight, theirs.o_proj.weight)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())
    return ours, reference


def copy_latent(attention: nn.Module, theirs: nn.Module) -> None:
    """DeepSeek keeps a head's key and value rows together in kv_b_proj; ours are two matrices."""
    if theirs.q_proj is None:
        load(attention.to_q[0].weight, theirs.q_a_proj.weight)
        load(attention.to_q[1].weight, theirs.q_a_layernorm.weight)
        load(attention.to_q[2].weight, theirs.q_b_proj.weight)
    else:
        load(attention.to_q.weight, theirs.q_proj.weight)
    load(attention.to_latent.weight, theirs.kv_a_proj_with_mqa.weight)
    load(attention.norm_latent.weight, theirs.kv_a_layernorm.weight)
    rows = rearrange(theirs.kv_b_proj.weight, "(H d) R -> H d R", H=attention.n_heads)
    load(attention.to_k.weight, rearrange(rows[:, : attention.d_head], "H d R -> (H d) R"))
    load(attention.to_v.weight, rearrange(rows[:, attention.d_head :], "H d R -> (H d) R"))
    load(attention.to_out.weight, theirs.o_proj.weight)


def latent_pair(version: int, d_query_latent: int | None) -> tuple[Llama, nn.Module]:
    """All layers dense: the mixture of experts is not part of the room."""
    sizes = dict(
        vocab_size=V,
        hidden_size=D,
        intermediate_size=F,
        num_hidden_layers=N,
        num_attention_heads=4,
        num_key_value_heads=4,
        kv_lora_rank=20,
        q_lora_rank=d_query_latent,
        qk_nope_head_dim=10,
        qk_rope_head_dim=6,
        v_head_dim=8,
        first_k_dense_replace=N,
        max_position_embeddings=64,
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=None,
        pad_token_id=0,
    )
    build, config = {2: (DeepseekV2ForCausalLM, DeepseekV2Config), 3: (DeepseekV3ForCausalLM, DeepseekV3Config)}[
        version
    ]
    reference = scrambled(build(config(**sizes)))
    ours = Llama(
        DeepSeekConfig(
            n_vocab=V,
            d_model=D,
            n_layers=N,
            n_heads=4,
            d_latent=20,
            d_head=10,
            d_rope=6,
            d_value=8,
            d_query_latent=d_query_latent,
            d_hidden=F,
            rope_base=500.0,
        )
    ).double()
    copy_common(ours, reference)
    for block, layer in zip(ours.blocks, reference.model.layers):
        copy_latent(block.attention, layer.self_attn)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())
    return ours, reference


PAIRS = {
    "MHA": lambda: grouped_pair(6),
    "GQA": lambda: grouped_pair(2),
    "MQA": lambda: grouped_pair(1),
    "Qwen2": lambda: grouped_pair(3, qwen=True),
    "DeepSeek-V2": lambda: latent_pair(2, 18),
    "DeepSeek-V2-Lite": lambda: latent_pair(2, None),
    "DeepSeek-V3": lambda: latent_pair(3, 18),
}


@pytest.mark.parametrize("name", PAIRS)
def test_logits_and_gradients(name, float64_reference, agree):
    with float64_reference():
        ours, reference = PAIRS[name]()
        ids = torch.randint(1, V, (2, 9))  # 0 is their padding, whose embedding gets no gradient
        theirs = reference(ids).logits
    logits = ours(ids)
    agree(logits, theirs)
    judge = torch.randn_like(logits)
    logits.backward(judge)
    with float64_reference():
        theirs.backward(judge)
    agree(ours.embedding.weight.grad, reference.model.embed_tokens.weight.grad)
    for block, layer in zip(ours.blocks, reference.model.layers):
        agree(block.norm_attention.weight.grad, layer.input_layernorm.weight.grad)
        agree(block.attention.to_out.weight.grad, layer.self_attn.o_proj.weight.grad)
        agree(block.feedforward.gate.weight.grad, layer.mlp.gate_proj.weight.grad)
        if name in ("MHA", "GQA", "MQA", "Qwen2"):
            agree(block.attention.to_q.weight.grad, layer.self_attn.q_proj.weight.grad)
            agree(block.attention.to_k.weight.grad, layer.self_attn.k_proj.weight.grad)
        else:
            agree(block.attention.to_latent.weight.grad, layer.self_attn.kv_a_proj_with_mqa.weight.grad)


@pytest.mark.parametrize("name", PAIRS)
def test_padded_prompts(name, float64_reference, agree):
    """Prompts of 9, 6 and 1 tokens, padded on the left: what is read off the last slot."""
    is_token = torch.arange(9) >= torch.tensor([0, 3, 8])[:, None]
    with float64_reference(), torch.no_grad():
        ours, reference = PAIRS[name]()
        ids = torch.randint(1, V, (3, 9)).masked_fill(~is_token, 0)
        positions = (is_token.cumsum(1) - 1).clamp(min=0)
        theirs = reference(ids, attention_mask=is_token.long(), position_ids=positions).logits
    agree(ours(ids, is_token=is_token)[is_token], theirs[is_token])
    agree(LlamaReader(ours, 9, is_token)(ids), theirs[:, -1])


@pytest.mark.parametrize("name", PAIRS)
def test_greedy_tokens_are_identical(name, float64_reference):
    """20 tokens after prompts of 5, 3 and 1 tokens in one batch, by their generate and by ours."""
    is_token = torch.arange(5) >= torch.tensor([0, 2, 4])[:, None]
    with float64_reference():
        ours, reference = PAIRS[name]()
        ids = torch.randint(1, V, (3, 5)).masked_fill(~is_token, 0)
        theirs = reference.generate(ids, attention_mask=is_token.long(), max_new_tokens=20, do_sample=False)
    assert greedy(LlamaReader(ours, 25, is_token), ids, 20).tolist() == theirs[:, 5:].tolist()
    assert len(set(theirs[:, 5:].flatten().tolist())) > 5


@pytest.mark.parametrize("way", ["naive", "absorbed"])
@pytest.mark.parametrize(("version", "d_query_latent"), [(2, 18), (2, None), (3, 18), (3, None)])
def test_latent_attention_on_both_ways(way, version, d_query_latent, float64_reference, agree):
    """The attention layer alone, values and gradients of the weights that absorption moves."""
    with float64_reference():
        ours, reference = latent_pair(version, d_query_latent)
        theirs, x = reference.model.layers[0].self_attn, torch.randn(2, 7, D, dtype=torch.float64)
        positions = torch.arange(7)[None]
        blocked = torch.zeros(7, 7, dtype=torch.float64).masked_fill(~causal_mask(7), -torch.inf)[None, None]
        their_out, _ = theirs(
            hidden_states=x,
            position_embeddings=reference.model.rotary_emb(x, positions),
            attention_mask=blocked,
        )
    attention = ours.blocks[0].attention
    out = getattr(attention, way)(x, causal_mask(7), rotation=ours.config.rotation(positions[0], x.dtype))
    agree(out, their_out)
    judge = torch.randn_like(out)
    mine = torch.autograd.grad(out, [attention.to_k.weight, attention.to_v.weight, attention.to_latent.weight], judge)
    reference_grads = torch.autograd.grad(their_out, [theirs.kv_b_proj.weight, theirs.kv_a_proj_with_mqa.weight], judge)
    rows = rearrange(reference_grads[0], "(H d) R -> H d R", H=4)
    agree(mine[0], rearrange(rows[:, :10], "H d R -> (H d) R"))
    agree(mine[1], rearrange(rows[:, 10:], "H d R -> (H d) R"))
    agree(mine[2], reference_grads[1])
