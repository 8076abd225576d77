"""OPT against transformers, read from a checkpoint that it saved: values, gradients, padding, caches, greedy text."""

import pytest
import torch
from torch import nn
from transformers import OPTConfig, OPTForCausalLM

from course_lib.decoding.generation import greedy
from course_lib.hub.opt import key_map, load_opt
from course_lib.models.llama import LlamaReader
from course_lib.models.opt import OPT, SIZES

V, CONTEXT = 23, 12
CONFIGS = {
    "odd": dict(hidden_size=21, ffn_dim=84, num_hidden_layers=3, num_attention_heads=7),
    "one head": dict(hidden_size=10, ffn_dim=40, num_hidden_layers=1, num_attention_heads=1),
}


def padded(side: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts of 9, 4 and 1 tokens, and where they are not padding."""
    ids = torch.randint(3, V, (3, 9), generator=torch.Generator().manual_seed(1))
    is_token = torch.arange(9) < torch.tensor([9, 4, 1])[:, None]
    is_token = is_token.flip(1) if side == "left" else is_token
    return ids.masked_fill(~is_token, 1), is_token


@pytest.fixture(params=CONFIGS)
def pair(request, tmp_path):
    torch.manual_seed(0)
    config = OPTConfig(vocab_size=V, max_position_embeddings=CONTEXT, **CONFIGS[request.param])
    reference = OPTForCausalLM(config).double().eval()
    for parameter in reference.parameters():
        nn.init.normal_(parameter, std=0.3)
    reference.save_pretrained(tmp_path)
    return load_opt(tmp_path, dtype=torch.float64), reference


@pytest.mark.parametrize("side", ["left", "right"])
def test_logits_and_every_gradient(pair, side, float64_reference, agree):
    ours, reference = pair
    ids, is_token = padded(side)
    weights = torch.randn(3, 9, V, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    weights *= is_token[..., None]
    with float64_reference():
        theirs = reference(input_ids=ids, attention_mask=is_token.long()).logits
        (theirs * weights).sum().backward()
    logits = ours(ids, is_token=is_token)
    agree(logits[is_token], theirs[is_token])
    (logits * weights).sum().backward()
    gradients = {name: parameter.grad for name, parameter in reference.named_parameters()}
    keys = key_map(ours.config.n_layers)
    for name, parameter in ours.named_parameters():
        agree(parameter.grad, keys.pop(name).made(gradients))
    assert not keys


def test_greedy_text_from_prompts_of_several_lengths(pair, float64_reference):
    ours, reference = pair
    ids, is_token = (x[:, 4:] for x in padded("left"))
    with float64_reference():
        theirs = reference.generate(
            input_ids=ids, attention_mask=is_token.long(), max_new_tokens=6, do_sample=False, eos_token_id=None
        )
    assert torch.equal(greedy(LlamaReader(ours, 11, is_token), ids, 6), theirs[:, 5:])


def test_features_may_stand_where_tokens_do(pair, float64_reference, agree):
    ours, reference = pair
    features = torch.randn(2, 5, ours.config.d_model, dtype=torch.float64)
    with float64_reference():
        theirs = reference(inputs_embeds=features).logits
    agree(ours.to_vocab(ours.run(features)), theirs)


@pytest.mark.parametrize("name", SIZES)
def test_released_sizes_have_as_many_parameters_as_theirs(name):
    ours = SIZES[name]
    with torch.device("meta"):
        theirs = OPTForCausalLM(
            OPTConfig(
                hidden_size=ours.d_model,
                ffn_dim=ours.d_hidden,
                num_hidden_layers=ours.n_layers,
                num_attention_heads=ours.n_heads,
            )
        )
        count = {sum(p.numel() for p in model.parameters()) for model in (theirs, OPT(ours))}
    assert len(count) == 1


def test_a_text_past_the_context_is_refused(pair):
    with pytest.raises(ValueError, match=r"13 tokens, but only positions 0 to 11 have a vector"):
        pair[0](torch.zeros(1, 13, dtype=torch.long))
