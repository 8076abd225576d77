"""RoPE and its scaled variants against the Llama modules of transformers."""

import pytest
import torch
from einops import rearrange
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaRotaryEmbedding, apply_rotary_pos_emb

from course_lib.foundations.attention import attend, causal_mask
from course_lib.foundations.rope import (
    angles,
    frequencies,
    interleaved_to_half_split,
    rotate_complex,
    rotate_half_split,
    rotate_interleaved,
)
from course_lib.foundations.rope_scaling import dynamic_ntk, llama3, position_interpolation, yarn

SIZES = [(8, 10000.0, 64), (64, 10000.0, 2048), (128, 500000.0, 8192), (6, 100.0, 32)]
FACTORS = [1.0, 2.0, 7.5, 32.0]


def config(d_head: int, base: float, length: int, **rope) -> LlamaConfig:
    return LlamaConfig(
        hidden_size=d_head * 2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=d_head,
        max_position_embeddings=length,
        rope_parameters={"rope_type": "default", "rope_theta": base} | rope,
        attn_implementation="eager",
    )


def scaled(kind: str, d_head: int, base: float, length: int, factor: float):
    """Our (frequencies, attention factor) and the settings that ask transformers for the same."""
    if kind == "default":
        return (frequencies(d_head, base), 1.0), {}
    if kind == "linear":
        return (position_interpolation(d_head, factor, base=base), 1.0), {"factor": factor}
    if kind == "dynamic":
        ours = dynamic_ntk(d_head, factor, n_tokens=3 * length, trained_length=length, base=base)
        return (ours, 1.0), {"factor": factor}
    if kind == "llama3":
        ours = llama3(d_head, factor, trained_length=length, base=base)
        settings = {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
        return (ours, 1.0), {"factor": factor, "original_max_position_embeddings": length, **settings}
    truncate = kind == "yarn"
    ours = yarn(d_head, factor, trained_length=length, base=base, truncate=truncate)
    return ours, {"factor": factor, "original_max_position_embeddings": length, "truncate": truncate}


@pytest.mark.parametrize(("d_head", "base", "length"), SIZES)
@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("kind", ["linear", "dynamic", "yarn", "yarn not truncated", "llama3"])
def test_scaled_frequencies(kind, factor, d_head, base, length, float64_reference, agree):
    (freqs, attention_factor), rope = scaled(kind, d_head, base, length, factor)
    name = kind.split()[0]
    with float64_reference():
        reference, their_factor = ROPE_INIT_FUNCTIONS[name](
            config(d_head, base, length, rope_type=name, **rope), seq_len=3 * length
        )
    agree(freqs, reference)
    assert attention_factor == pytest.approx(their_factor, abs=1e-12)


@pytest.mark.parametrize(("d_head", "base", "length"), SIZES)
@pytest.mark.parametrize("kind", ["default", "linear", "dynamic", "yarn", "llama3"])
def test_half_split_is_llamas_rotation(kind, d_head, base, length, float64_reference, agree):
    """Values and gradients of rotated q and k, at 3 times the trained length; ours in float32 against it as well."""
    torch.manual_seed(0)
    (freqs, attention_factor), rope = scaled(kind, d_head, base, length, 4.0)
    positions = torch.cat([torch.arange(40), torch.tensor([length - 1, 2 * length, 3 * length - 1])])
    q, k = torch.randn(2, 2, 3, 43, d_head, dtype=torch.float64, requires_grad=True)
    at = angles(positions, freqs)
    with float64_reference():
        rotary = LlamaRotaryEmbedding(config(d_head, base, length, rope_type=kind, **rope))
        cos, sin = rotary(q, positions[None])
        their_q, their_k = apply_rotary_pos_emb(q, k, cos, sin)
    for x, reference in ((q, their_q), (k, their_k)):
        ours = rotate_half_split(x, at) * attention_factor
        agree(ours, reference)
        judge = torch.randn_like(ours)
        (mine,), (theirs,) = torch.autograd.grad(ours, x, judge), torch.autograd.grad(reference, x, judge)
        agree(mine, theirs)
        agree(rotate_half_split(x.float(), at) * attention_factor, reference.float())


def test_half_split_is_llamas_rotation_in_its_own_float32(agree):
    """Near the start of the text only: at position 2,000 its float32 angles alone are off by 1e-4."""
    q, k = torch.randn(2, 1, 2, 16, 64)
    cos, sin = LlamaRotaryEmbedding(config(64, 10000.0, 2048))(q, torch.arange(16)[None])
    their_q, their_k = apply_rotary_pos_emb(q, k, cos, sin)
    at = angles(torch.arange(16), frequencies(64))
    agree(rotate_half_split(q, at), their_q)
    agree(rotate_half_split(k, at), their_k)


@pytest.mark.parametrize("rotate", [rotate_interleaved, rotate_complex])
def test_interleaved_with_permuted_weights_is_llamas_attention(rotate, float64_reference, agree):
    """Take HF-format weights, put the rows of W_q and W_k back in pairs, turn interleaved: the same output."""
    torch.manual_seed(0)
    B, T, H, Dh = 2, 9, 2, 16
    with float64_reference():
        their_config = config(Dh, 10000.0, 64)
        layer = LlamaAttention(their_config, layer_idx=0).double()
        x = torch.randn(B, T, H * Dh, dtype=torch.float64)
        position_embeddings = LlamaRotaryEmbedding(their_config)(x, torch.arange(T)[None])
        blocked = torch.zeros(T, T, dtype=torch.float64).masked_fill(~causal_mask(T), -torch.inf)
        reference, _ = layer(x, position_embeddings=position_embeddings, attention_mask=blocked[None, None])

    back_in_pairs = interleaved_to_half_split(Dh).argsort()

    def heads(weight, order):
        rows = rearrange(weight, "(H Dh) D -> H Dh D", H=H)[:, order]
        return torch.einsum("btd,hed->bhte", x, rows)

    at = angles(torch.arange(T), frequencies(Dh))
    q = rotate(heads(layer.q_proj.weight, back_in_pairs), at)
    k = rotate(heads(layer.k_proj.weight, back_in_pairs), at)
    v = heads(layer.v_proj.weight, torch.arange(Dh))
    out = rearrange(attend(q, k, v, causal_mask(T)), "B H T Dh -> B T (H Dh)")
    agree(layer.o_proj(out), reference)
