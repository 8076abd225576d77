import pytest
import torch
from einops import rearrange

from course_lib.foundations.rope import frequencies
from course_lib.foundations.rope_scaling import yarn
from course_lib.toys.position_schemes import AlibiScheme, LearnedScheme, NoPositions, RotaryScheme, SinusoidalScheme
from course_lib.toys.tiny_lm import TinyLM, TinyLMConfig

SCHEMES = {
    "none": NoPositions,
    "learned": lambda: LearnedScheme(32, 64),
    "sinusoidal": SinusoidalScheme,
    "rope": lambda: RotaryScheme(frequencies(16)),
    "yarn": lambda: RotaryScheme(*yarn(16, 4.0, trained_length=16)),
    "alibi": AlibiScheme,
}


def build(scheme: str, **sizes) -> TinyLM:
    torch.manual_seed(0)
    return TinyLM(TinyLMConfig(n_vocab=13, **sizes), SCHEMES[scheme]()).double()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_future_tokens_cannot_change_the_past(scheme):
    model, ids = build(scheme), torch.randint(13, (2, 20))
    changed = ids.clone()
    changed[:, 12] = (ids[:, 12] + 1) % 13
    before, after = model(ids), model(changed)
    torch.testing.assert_close(before[:, :12], after[:, :12], atol=1e-13, rtol=0)
    assert (before[:, 12:] - after[:, 12:]).abs().amax(-1).min() > 1e-6


@pytest.mark.parametrize("scheme", SCHEMES)
def test_attention_maps_are_what_the_forward_pass_uses(scheme):
    """The readable maps times v, layer by layer, give the logits of the fast path."""
    model, ids = build(scheme), torch.randint(13, (2, 9))
    x = model.positions.embed(model.embedding(ids))
    for weights, block in zip(model.attention_maps(ids), model.blocks):
        v = rearrange(block.attention.to_v(block.norm_attention(x)), "B T (H Dh) -> B H T Dh", H=4)
        x = x + block.attention.to_out(rearrange(weights @ v, "B H T Dh -> B T (H Dh)"))
        x = x + block.down(torch.nn.functional.gelu(block.up(block.norm_feedforward(x))))
    torch.testing.assert_close(model.norm_out(x) @ model.embedding.weight.T, model(ids), atol=1e-12, rtol=0)


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if name != "none"])
def test_order_matters_with_positions_and_not_without(scheme):
    ids = torch.tensor([[3, 7, 5, 1]])
    swapped = ids[:, [1, 0, 2, 3]]
    none = build("none", n_layers=1)
    torch.testing.assert_close(none(ids)[:, -1], none(swapped)[:, -1], atol=1e-13, rtol=0)
    model = build(scheme, n_layers=1)
    assert (model(ids)[:, -1] - model(swapped)[:, -1]).abs().max() > 1e-4


@pytest.mark.parametrize("scheme", ["rope", "alibi"])
def test_scores_of_relative_schemes_see_distance_only(scheme):
    """The first layer's scores of the same words further on in the text are the same scores."""
    model, words = build(scheme), torch.randint(13, (1, 6))
    text = torch.cat([torch.randint(13, (1, 9)), words], dim=1)
    here, further = model.attention_scores(words)[0], model.attention_scores(text)[0, ..., 9:, 9:]
    torch.testing.assert_close(here, further, atol=1e-12, rtol=0)


def test_a_trained_model_can_be_given_other_frequencies():
    model, ids = build("rope"), torch.randint(13, (1, 20))
    before = model(ids)
    model.positions = RotaryScheme(*yarn(16, 4.0, trained_length=16))
    assert (model(ids) - before).abs().max() > 1e-3
    model.positions = RotaryScheme(frequencies(16))
    assert torch.equal(model(ids), before)


def test_fresh_logits_are_small_and_every_parameter_learns():
    model = build("learned")
    logits = model(torch.randint(13, (8, 32)))
    assert 0.5 < logits.std() < 2
    logits.logsumexp(-1).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_number_of_parameters():
    """12 D² a block for attention and feedforward, 4 D for its norms, 2 D for the last, V D for the tied table."""
    assert sum(p.numel() for p in build("rope").parameters()) == 2 * (12 * 64**2 + 4 * 64) + 2 * 64 + 13 * 64


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match=r"n_heads \(5\) must divide d_model \(64\); try n_heads=4"):
        TinyLMConfig(n_vocab=3, n_heads=5)
    with pytest.raises(ValueError, match="33 tokens, but only positions 0 to 31"):
        build("learned")(torch.zeros(1, 33, dtype=torch.long))
    with pytest.raises(ValueError, match="vocabulary of 13"):
        build("none")(torch.full((1, 2), 13))
    assert build("rope")(torch.zeros(1, 0, dtype=torch.long)).shape == (1, 0, 13)
