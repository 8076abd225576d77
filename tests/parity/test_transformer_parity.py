"""The 2017 Transformer against torch's layers (post-norm and pre-norm) and against Marian with weights copied in."""

import pytest
import torch
from torch import nn
from transformers import MarianConfig, MarianMTModel

from course_lib.decoding.generation import greedy
from course_lib.foundations.attention import causal_mask
from course_lib.foundations.positions import sinusoidal
from course_lib.foundations.rope import interleaved_to_half_split
from course_lib.models.transformer import (
    DecoderLayer,
    EncoderLayer,
    SharedTransformerConfig,
    Transformer,
    TransformerConfig,
    Translator,
)

D, H, F, V = 24, 3, 40, 37


def load(module: nn.Module, theirs: nn.Module) -> None:
    """Copy weight and bias of a Linear or a LayerNorm."""
    for name in ("weight", "bias"):
        assert getattr(module, name).shape == getattr(theirs, name).shape
        getattr(module, name).data = getattr(theirs, name).detach().clone()


def load_torch_attention(ours: nn.Module, theirs: nn.MultiheadAttention) -> None:
    weights, biases = theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3)
    for to, weight, bias in zip((ours.to_q, ours.to_k, ours.to_v), weights, biases):
        to.weight.data, to.bias.data = weight.detach().clone(), bias.detach().clone()
    load(ours.to_out, theirs.out_proj)


def scrambled(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.double().eval()


def config(norm: str) -> TransformerConfig:
    return TransformerConfig(n_source_vocab=V, n_target_vocab=V, d_model=D, n_heads=H, d_hidden=F, norm=norm)


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("padded", [False, True])
def test_encoder_layer_is_torchs(norm, padded, agree):
    theirs = scrambled(
        nn.TransformerEncoderLayer(D, H, F, dropout=0.0, batch_first=True, norm_first=norm == "pre")
    ).train()  # in eval mode torch takes another path
    ours = EncoderLayer(config(norm)).double()
    load_torch_attention(ours.attention, theirs.self_attn)
    load(ours.feedforward.up, theirs.linear1)
    load(ours.feedforward.down, theirs.linear2)
    load(ours.around_attention.norm, theirs.norm1)
    load(ours.around_feedforward.norm, theirs.norm2)
    x = torch.randn(2, 6, D, dtype=torch.float64, requires_grad=True)
    is_token = torch.tensor([[True] * 6, [True] * 4 + [False] * 2]) if padded else torch.ones(2, 6, dtype=torch.bool)
    out = ours(x, is_token[:, None, None])
    reference = theirs(x, src_key_padding_mask=~is_token)
    agree(out, reference)
    judge = torch.randn_like(out)
    mine = torch.autograd.grad(out, [x, ours.feedforward.up.weight, ours.around_attention.norm.weight], judge)
    for one, other in zip(mine, torch.autograd.grad(reference, [x, theirs.linear1.weight, theirs.norm1.weight], judge)):
        agree(one, other)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_decoder_layer_is_torchs(norm, agree):
    theirs = scrambled(
        nn.TransformerDecoderLayer(D, H, F, dropout=0.0, batch_first=True, norm_first=norm == "pre")
    ).train()
    ours = DecoderLayer(config(norm)).double()
    load_torch_attention(ours.attention, theirs.self_attn)
    load_torch_attention(ours.cross_attention, theirs.multihead_attn)
    load(ours.feedforward.up, theirs.linear1)
    load(ours.feedforward.down, theirs.linear2)
    for around, theirs_norm in (
        (ours.around_attention, theirs.norm1),
        (ours.around_cross_attention, theirs.norm2),
        (ours.around_feedforward, theirs.norm3),
    ):
        load(around.norm, theirs_norm)
    x, encoded = (torch.randn(2, n, D, dtype=torch.float64, requires_grad=True) for n in (5, 7))
    is_token = torch.tensor([[True] * 7, [True] * 3 + [False] * 4])
    out = ours(x, encoded, is_token[:, None, None])
    reference = theirs(x, encoded, tgt_mask=~causal_mask(5), memory_key_padding_mask=~is_token)
    agree(out, reference)
    judge = torch.randn_like(out)
    inputs, their_inputs = [x, encoded, ours.feedforward.up.weight], [x, encoded, theirs.linear1.weight]
    for one, other in zip(torch.autograd.grad(out, inputs, judge), torch.autograd.grad(reference, their_inputs, judge)):
        agree(one, other)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_stacks_are_torchs(norm, agree):
    """nn.Transformer itself always ends its stacks with a LayerNorm; the paper's post-norm stacks end without one."""
    model = scrambled(Transformer(config(norm)))
    theirs = nn.Transformer(D, H, 2, 2, F, dropout=0.0, batch_first=True, norm_first=norm == "pre").double().train()
    if norm == "post":
        theirs.encoder.norm = theirs.decoder.norm = None
    else:
        load(theirs.encoder.norm, model.norm_encoder)
        load(theirs.decoder.norm, model.norm_decoder)
    for ours, layer in zip((*model.encoder, *model.decoder), (*theirs.encoder.layers, *theirs.decoder.layers)):
        attentions = [(ours.attention, layer.self_attn)]
        norms = [ours.around_attention, ours.around_feedforward]
        if isinstance(ours, DecoderLayer):
            attentions.append((ours.cross_attention, layer.multihead_attn))
            norms.insert(1, ours.around_cross_attention)
        for mine, other in attentions:
            other.in_proj_weight.data = torch.cat([to.weight for to in (mine.to_q, mine.to_k, mine.to_v)])
            other.in_proj_bias.data = torch.cat([to.bias for to in (mine.to_q, mine.to_k, mine.to_v)])
            load(other.out_proj, mine.to_out)
        load(layer.linear1, ours.feedforward.up)
        load(layer.linear2, ours.feedforward.down)
        for n, around in enumerate(norms, 1):
            load(getattr(layer, f"norm{n}"), around.norm)
    source, target = torch.randint(V, (2, 6)), torch.randint(V, (2, 4))
    is_token = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    out = theirs(
        model.embed(model.source_embedding, source),
        model.embed(model.target_embedding, target),
        tgt_mask=~causal_mask(4),
        src_key_padding_mask=~is_token,
        memory_key_padding_mask=~is_token,
    )
    agree(model(source, target, is_token), model.to_vocab(out))


def halves(n_positions: int, d_model: int, dtype: torch.dtype) -> torch.Tensor:
    """Marian's [sin ‖ cos] instead of the paper's sine and cosine in turn."""
    return sinusoidal(n_positions, d_model, dtype=dtype)[:, interleaved_to_half_split(d_model)]


def marian_pair() -> tuple[Transformer, MarianMTModel]:
    theirs = scrambled(
        MarianMTModel(
            MarianConfig(
                vocab_size=V, d_model=D, encoder_layers=2, decoder_layers=2, encoder_attention_heads=H,
                decoder_attention_heads=H, encoder_ffn_dim=F, decoder_ffn_dim=F, max_position_embeddings=32,
                activation_function="relu", scale_embedding=True, pad_token_id=V - 1, decoder_start_token_id=V - 1,
                eos_token_id=0, forced_eos_token_id=None, bos_token_id=None,
            )
        )
    )  # fmt: skip
    for name, parameter in theirs.named_parameters():
        if name.endswith("layer_norm.weight"):
            parameter.data *= 5
    # tokens small beside positions: otherwise the tied table says the last token again and again
    theirs.model.shared.weight.data *= 0.1
    theirs.final_logits_bias = 0.02 * torch.randn(1, V, dtype=torch.float64)
    for stack in (theirs.model.encoder, theirs.model.decoder):
        stack.embed_positions.weight.data = halves(32, D, torch.float64)  # theirs went through float32
    ours = Transformer(SharedTransformerConfig(n_vocab=V, d_model=D, n_heads=H, d_hidden=F), positions=halves).double()
    ours.source_embedding.weight.data = theirs.model.shared.weight.detach().clone()
    ours.to_vocab.bias.data = theirs.final_logits_bias[0].clone()

    def copy_attention(mine: nn.Module, other: nn.Module) -> None:
        for to, projection in zip(
            (mine.to_q, mine.to_k, mine.to_v, mine.to_out), (other.q_proj, other.k_proj, other.v_proj, other.out_proj)
        ):
            load(to, projection)

    for mine, other in zip(
        (*ours.encoder, *ours.decoder), (*theirs.model.encoder.layers, *theirs.model.decoder.layers), strict=True
    ):
        copy_attention(mine.attention, other.self_attn)
        load(mine.around_attention.norm, other.self_attn_layer_norm)
        load(mine.feedforward.up, other.fc1)
        load(mine.feedforward.down, other.fc2)
        load(mine.around_feedforward.norm, other.final_layer_norm)
        if isinstance(mine, DecoderLayer):
            copy_attention(mine.cross_attention, other.encoder_attn)
            load(mine.around_cross_attention.norm, other.encoder_attn_layer_norm)
    fixed = 2 * 32 * D  # their two tables of sines
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters()) - fixed + V
    return ours, theirs


def test_our_halves_are_marians_positions():
    from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

    torch.testing.assert_close(
        halves(32, D, torch.float32), MarianSinusoidalPositionalEmbedding(32, D).create_weight(), atol=1e-6, rtol=0
    )


def test_logits_cross_attention_and_gradients_are_marians(float64_reference, agree):
    is_token = torch.tensor([[True] * 8, [True] * 5 + [False] * 3])
    with float64_reference():
        ours, theirs = marian_pair()
        source, target = torch.randint(1, V - 1, (2, 8)), torch.randint(1, V - 1, (2, 6))
        theirs.set_attn_implementation("eager")
        out = theirs(
            source, attention_mask=is_token.long(), decoder_input_ids=target, output_attentions=True, use_cache=False
        )
    logits = ours(source, target, is_token)
    agree(logits, out.logits)
    agree(ours.cross_attention_maps(source, target, is_token), torch.stack(out.cross_attentions))
    judge = torch.randn_like(logits)
    logits.backward(judge)
    with float64_reference():
        out.logits.backward(judge)
    agree(ours.source_embedding.weight.grad, theirs.model.shared.weight.grad)
    agree(ours.encoder[0].attention.to_k.weight.grad, theirs.model.encoder.layers[0].self_attn.k_proj.weight.grad)
    agree(
        ours.decoder[0].cross_attention.to_v.weight.grad, theirs.model.decoder.layers[0].encoder_attn.v_proj.weight.grad
    )


def test_greedy_translations_are_marians(float64_reference):
    """12 tokens, six sources of 3 to 8 tokens in one batch, encoder read once, decoder through the cache."""
    is_token = torch.arange(8) < torch.arange(8, 2, -1)[:, None]
    with float64_reference():
        ours, theirs = marian_pair()
        source = torch.randint(1, V - 1, (6, 8))
        reference = theirs.generate(
            source, attention_mask=is_token.long(), max_new_tokens=12, num_beams=1, do_sample=False,
            bad_words_ids=None, eos_token_id=None,
        )  # fmt: skip
    start = torch.full((6, 1), V - 1)
    mine = greedy(Translator(ours, source, 12, is_token), start, 12)
    assert mine.tolist() == reference[:, 1:].tolist()
    assert any(len(set(row)) > 1 for row in mine.tolist()) and len(set(mine.flatten().tolist())) > 3
