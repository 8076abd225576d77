"""transformers' models with the weights of ours: what the benchmarks compare with."""

import torch
from einops import rearrange
from torch import nn

from course_lib.models.deepseek import DeepSeekConfig
from course_lib.models.gpt2 import GPT2
from course_lib.models.llama import Llama


def transformers_twin(ours: Llama, context: int) -> nn.Module:
    """LlamaForCausalLM, or DeepseekV2ForCausalLM without experts, holding copies of our weights."""
    from transformers import DeepseekV2Config, DeepseekV2ForCausalLM, LlamaConfig, LlamaForCausalLM

    config = ours.config
    sizes = dict(
        vocab_size=config.n_vocab,
        hidden_size=config.d_model,
        intermediate_size=config.d_hidden,
        num_hidden_layers=config.n_layers,
        num_attention_heads=config.n_heads,
        max_position_embeddings=context,
        rms_norm_eps=config.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_base},
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=None,
        pad_token_id=0,
    )
    if isinstance(config, DeepSeekConfig):
        twin = DeepseekV2ForCausalLM(
            DeepseekV2Config(
                **sizes,
                num_key_value_heads=config.n_heads,
                kv_lora_rank=config.d_latent,
                q_lora_rank=config.d_query_latent,
                qk_nope_head_dim=config.d_head,
                qk_rope_head_dim=config.d_rope,
                v_head_dim=config.d_value,
                first_k_dense_replace=config.n_layers,
            )
        )
    else:
        twin = LlamaForCausalLM(LlamaConfig(**sizes, num_key_value_heads=config.n_kv_heads))
    twin.load_state_dict(theirs_from_ours(ours), strict=True)
    return twin.eval().requires_grad_(False)


def theirs_from_ours(ours: Llama) -> dict[str, torch.Tensor]:
    weights = {
        "model.embed_tokens.weight": ours.embedding.weight,
        "model.norm.weight": ours.norm_out.weight,
        "lm_head.weight": ours.to_vocab.weight,
    }
    for n, block in enumerate(ours.blocks):
        attention, feedforward = block.attention, block.feedforward
        layer = {
            "input_layernorm": block.norm_attention.weight,
            "post_attention_layernorm": block.norm_feedforward.weight,
            "mlp.gate_proj": feedforward.gate.weight,
            "mlp.up_proj": feedforward.up.weight,
            "mlp.down_proj": feedforward.down.weight,
            "self_attn.q_proj": attention.to_q.weight,
            "self_attn.o_proj": attention.to_out.weight,
        }
        if isinstance(ours.config, DeepSeekConfig):
            k, v = (
                rearrange(m.weight, "(H d) R -> H d R", H=attention.n_heads) for m in (attention.to_k, attention.to_v)
            )
            layer |= {
                "self_attn.kv_a_proj_with_mqa": attention.to_latent.weight,
                "self_attn.kv_a_layernorm": attention.norm_latent.weight,
                "self_attn.kv_b_proj": torch.cat([k, v], dim=1).flatten(0, 1),
            }
        else:
            layer |= {"self_attn.k_proj": attention.to_k.weight, "self_attn.v_proj": attention.to_v.weight}
        weights |= {f"model.layers.{n}.{name}.weight": value for name, value in layer.items()}
    return {name: value.detach().clone() for name, value in weights.items()}


def gpt2_twin(ours: GPT2) -> nn.Module:
    """GPT2LMHeadModel holding copies of our weights; its matrices lie transposed."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = ours.config
    twin = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=config.n_vocab,
            n_positions=config.context,
            n_embd=config.d_model,
            n_layer=config.n_layers,
            n_head=config.n_heads,
            resid_pdrop=config.dropout,
            embd_pdrop=config.dropout,
            attn_pdrop=config.dropout,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=0,
        )
    )
    weights = {
        "transformer.wte.weight": ours.embedding.weight,
        "transformer.wpe.weight": ours.positions.weight,
        "transformer.ln_f.weight": ours.norm_out.weight,
        "transformer.ln_f.bias": ours.norm_out.bias,
        "lm_head.weight": ours.embedding.weight,
    }
    for n, block in enumerate(ours.blocks):
        for name, module in (
            ("ln_1", block.norm_attention),
            ("attn.c_attn", block.attention.to_qkv),
            ("attn.c_proj", block.attention.to_out),
            ("ln_2", block.norm_feedforward),
            ("mlp.c_fc", block.feedforward.up),
            ("mlp.c_proj", block.feedforward.down),
        ):
            weights[f"transformer.h.{n}.{name}.weight"] = (
                module.weight.mT if isinstance(module, nn.Linear) else module.weight
            )
            weights[f"transformer.h.{n}.{name}.bias"] = module.bias
    twin.load_state_dict({name: value.detach().clone() for name, value in weights.items()}, strict=True)
    return twin
