"""Laws that GPT-1, GPT-2 and GPT-3 share, and what they refuse."""

import math
from dataclasses import replace

import pytest
import torch

from course_lib.decoding.generation import greedy
from course_lib.models import gpt1, gpt2, gpt3
from course_lib.models.gpt1 import GPT1, GPT1Config
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.gpt3 import GPT3, GPT3Config
from course_lib.models.llama import LlamaReader

V, C = 17, 16
ROOMS = {
    "GPT-1": (GPT1, GPT1Config(n_vocab=V, context=C), gpt1.n_parameters),
    "GPT-2": (GPT2, GPT2Config(n_vocab=V, context=C), gpt2.n_parameters),
    "GPT-3": (GPT3, GPT3Config(n_vocab=V, context=C, window=3), gpt3.n_parameters),
}


@pytest.fixture(params=ROOMS)
def model(request):
    torch.manual_seed(0)
    kind, config, _ = ROOMS[request.param]
    return kind(config).double().requires_grad_(False)


def close(ours: torch.Tensor, reference: torch.Tensor) -> None:
    torch.testing.assert_close(ours, reference, atol=1e-10, rtol=0)


@pytest.mark.parametrize("pieces", [[1] * 12, [12], [7, 1, 1, 3]])
def test_cached_decoding_is_the_full_pass(model, pieces):
    ids = torch.randint(V, (3, 12))
    caches = model.new_caches(12)
    close(torch.cat([model(part, caches=caches) for part in ids.split(pieces, dim=1)], dim=1), model(ids))


def test_texts_of_different_lengths_in_one_batch_are_what_they_are_alone(model):
    lengths = torch.tensor([6, 4, 1])
    is_token = torch.arange(6) >= 6 - lengths[:, None]
    prompt, more = torch.randint(V, (3, 6)), torch.randint(V, (3, 5))
    reader = LlamaReader(model, 11, is_token)
    logits = [reader(prompt), *(reader(token) for token in more.split(1, dim=1))]
    for row, length in enumerate(lengths.tolist()):
        alone = model(torch.cat([prompt[row, 6 - length :], more[row]])[None])[0, length - 1 :]
        close(torch.stack([step[row] for step in logits]), alone)


def test_padding_on_the_right_is_not_read_either(model):
    ids = torch.randint(V, (2, 8))
    is_token = torch.arange(8) < torch.tensor([8, 5])[:, None]
    close(model(ids, is_token=is_token)[1, :5], model(ids[1:, :5])[0])


def test_padding_may_make_a_row_wider_than_the_context(model):
    """Positions count tokens: 4 tokens behind 16 slots of padding fit a context of 16."""
    is_token = torch.arange(C + 4) >= C
    ids = torch.randint(V, (1, C + 4))
    close(model(ids, is_token=is_token[None])[:, C:], model(ids[:, C:]))


def test_greedy_with_the_cache_is_greedy_without(model):
    prompt = torch.randint(V, (3, 4))
    text = prompt
    for _ in range(9):
        text = torch.cat([text, model(text)[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(greedy(LlamaReader(model, 13), prompt, 9), text[:, 4:])


@pytest.mark.parametrize("name", ROOMS)
def test_formula_counts_what_is_built(name):
    kind, config, n_parameters = ROOMS[name]
    for changed in (config, replace(config, n_layers=3, d_model=48, n_heads=6, context=5)):
        built = kind(changed)
        assert n_parameters(changed) == sum(parameter.numel() for parameter in built.parameters())
        caches = built.new_caches(3)
        built(torch.zeros(1, 2, dtype=torch.long), caches=caches)
        assert sum(cache.bytes_per_token for cache in caches) == 4 * changed.cached_numbers


def test_counts_of_the_released_and_the_printed_sizes():
    assert gpt1.n_parameters(gpt1.SIZES["openai-gpt"]) == 116_534_784
    assert [gpt2.n_parameters(config) for config in gpt2.SIZES.values()] == [
        124_439_808,
        354_823_168,
        774_030_080,
        1_557_611_200,
    ]
    assert [gpt3.n_parameters(config) for config in gpt3.SIZES.values()] == [
        125_226_240,
        355_871_744,
        760_300_032,
        1_517_123_584,
        2_651_553_280,
        6_658_404_352,
        12_936_488_380,
        174_604_259_328,
    ]
    xl, widest = gpt3.SIZES["GPT-3 XL"], gpt3.SIZES["GPT-3 13B"]
    assert gpt3.n_parameters(replace(xl, n_heads=16)) == 1_315_723_264
    assert gpt3.n_parameters(replace(widest, d_model=5120)) == 12_853_386_240
    odd = [name for name, c in gpt3.SIZES.items() if c.n_heads * c.d_head != c.d_model]
    assert odd == ["GPT-3 XL", "GPT-3 13B"]


def test_heads_wider_than_their_share_are_built_as_counted():
    config = GPT3Config(n_vocab=V, d_model=20, n_heads=3, head_width=8)
    assert gpt3.n_parameters(config) == sum(parameter.numel() for parameter in GPT3(config).parameters())


@pytest.mark.parametrize("name", ROOMS)
def test_matrices_start_as_the_config_says(name):
    kind, config, _ = ROOMS[name]
    torch.manual_seed(0)
    residual = 1.0 if name == "GPT-1" else (2 * config.n_layers) ** -0.5
    for init_std in (None, 0.02):
        for key, parameter in kind(replace(config, init_std=init_std)).named_parameters():
            if key.endswith("bias"):
                assert not parameter.any()
            elif parameter.ndim == 2:
                wanted = parameter.shape[1] ** -0.5 if init_std is None else init_std
                wanted *= residual if key.endswith(("to_out.weight", "down.weight")) else 1.0
                assert parameter.std().item() == pytest.approx(wanted, rel=0.1), key


@pytest.mark.parametrize("name", ROOMS)
def test_fresh_models_know_nothing_and_every_parameter_learns(name):
    kind, config, _ = ROOMS[name]
    torch.manual_seed(0)
    model = kind(replace(config, init_std=0.02))
    ids = torch.randint(V, (8, C))
    log_probs = model(ids)[:, :-1].log_softmax(-1)
    loss = -log_probs.gather(-1, ids[:, 1:, None]).mean()
    assert loss.item() == pytest.approx(math.log(V), abs=0.1)
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_dropout_is_off_outside_training():
    torch.manual_seed(0)
    for kind, config, _ in ROOMS.values():
        model = kind(replace(config, dropout=0.3))
        ids = torch.randint(V, (2, 9))
        assert not torch.equal(model(ids), model(ids))
        assert torch.equal(model.eval()(ids), model(ids))


def test_banded_layers_see_the_window_and_no_more():
    """A dense layer, then a banded one: its attention to keys further back than the window is nil."""
    torch.manual_seed(0)
    model = GPT3(GPT3Config(n_vocab=V, context=C, n_layers=2, window=3)).double().requires_grad_(False)
    x = torch.randn(1, 10, 64, dtype=torch.float64)
    changed = x.clone()
    changed[:, 2, 0] += 1
    for layer, reach in ((0, 10), (1, 5)):
        mask = model.banded(10, 10, None) if layer % 2 else None
        block = model.blocks[layer]
        moved = (block(changed, mask) - block(x, mask)).abs().amax(-1)[0] > 1e-12
        assert moved.nonzero().flatten().tolist() == list(range(2, reach))


def test_what_does_not_fit_is_refused(model, as_readers_have_it):
    kind = type(model).__name__
    with pytest.raises(ValueError, match=f"17 tokens, but only positions 0 to {C - 1} have a vector"):
        model(torch.zeros(1, C + 1, dtype=torch.long))
    with pytest.raises(ValueError, match=f"vocabulary of {V}"):
        model(torch.full((1, 2), V))
    with pytest.raises(ValueError, match=r"is_token \(1, 2\) must be \(1, 3\)"):
        model(torch.zeros(1, 3, dtype=torch.long), is_token=torch.ones(1, 2, dtype=torch.bool))
    reader = LlamaReader(model, 4)
    reader(torch.zeros(1, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="holds 3 of 4 tokens and 2 more do not fit"):
        reader(torch.zeros(1, 2, dtype=torch.long))
    with pytest.raises(ValueError, match=r"n_heads \(5\) must divide d_model \(64\)"):
        ROOMS[f"GPT-{kind[-1]}"][1].__class__(n_vocab=V, n_heads=5)


def test_bad_windows_are_refused():
    with pytest.raises(ValueError, match=r"window \(0\) must be at least 1"):
        GPT3Config(n_vocab=V, window=0)


def test_a_band_counts_tokens_and_not_padding():
    """A prompt padded on the right goes on as if there were no padding, in the cache and without."""
    torch.manual_seed(0)
    model = GPT3(GPT3Config(n_vocab=V, context=C, n_layers=2, window=2)).double().eval().requires_grad_(False)
    ids = torch.tensor([[1, 2, 0, 0, 3, 4]])
    is_token = torch.tensor([[True, True, False, False, True, True]])
    alone = model(ids[is_token][None])
    torch.testing.assert_close(model(ids, is_token=is_token)[is_token], alone[0], atol=1e-12, rtol=0)
    caches = model.new_caches(6)
    model(ids[:, :4], is_token=is_token[:, :4], caches=caches)
    later = model(ids[:, 4:], is_token=is_token, caches=caches)
    torch.testing.assert_close(later, alone[:, 2:], atol=1e-12, rtol=0)
