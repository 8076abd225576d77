"""hidden is run after embed, so that features of another kind can stand where tokens do."""

from dataclasses import dataclass

import pytest
import torch

from course_lib.foundations.rope import angles, frequencies, rotate_half_split
from course_lib.models.deepseek import DeepSeekConfig
from course_lib.models.gpt1 import GPT1, GPT1Config
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.gpt3 import GPT3, GPT3Config
from course_lib.models.llama import Llama, LlamaConfig
from course_lib.models.opt import OPT
from course_lib.toys.position_schemes import LearnedScheme
from course_lib.toys.tiny_lm import TinyLM, TinyLMConfig

V, D, T = 11, 16, 7
ROOMS = {
    "GPT-1": (GPT1, GPT1Config(n_vocab=V, d_model=D)),
    "GPT-2": (GPT2, GPT2Config(n_vocab=V, d_model=D)),
    "GPT-3": (GPT3, GPT3Config(n_vocab=V, d_model=D, window=3)),
    "OPT": (OPT, GPT2Config(n_vocab=V, d_model=D)),
    "Llama": (Llama, LlamaConfig(n_vocab=V, d_model=D)),
    "DeepSeek": (Llama, DeepSeekConfig(n_vocab=V, d_model=D)),
}
LEFT = torch.tensor([[False, False, True, True, True, True, True], [True] * T])


@pytest.fixture(params=ROOMS)
def model(request):
    kind, config = ROOMS[request.param]
    torch.manual_seed(0)
    return kind(config).requires_grad_(False)


@pytest.fixture
def ids():
    return torch.randint(V, (2, T), generator=torch.Generator().manual_seed(1))


def tiny():
    torch.manual_seed(0)
    return TinyLM(TinyLMConfig(n_vocab=V, d_model=D), LearnedScheme(T, D)).requires_grad_(False)


def test_hidden_is_run_after_embed(model, ids):
    assert model.embed(ids).shape == (2, T, D)
    whole = model.hidden(ids)
    assert torch.equal(model.run(model.embed(ids)), whole)
    assert torch.equal(model.run(model.embed(ids), torch.arange(T)), whole)
    assert torch.equal(model.run(model.embed(ids), torch.arange(T).expand(2, T)), whole)
    assert not torch.allclose(model.run(model.embed(ids), torch.arange(T).flip(0)), whole)


def test_positions_that_are_given_are_those_that_padding_gives(model, ids):
    positions = torch.tensor([[0, 0, 0, 1, 2, 3, 4], [*range(T)]])
    padded = model.hidden(ids, is_token=LEFT)
    assert torch.equal(model.run(model.embed(ids), positions, is_token=LEFT), padded)


def test_run_goes_on_from_the_caches(model, ids):
    caches, x = model.new_caches(T), model.embed(ids)
    parts = [model.run(x[:, a:b], torch.arange(a, b), caches=caches) for a, b in ((0, 3), (3, 4), (4, T))]
    torch.testing.assert_close(torch.cat(parts, dim=1), model.hidden(ids), atol=1e-5, rtol=1e-4)


def test_spliced_features_change_what_follows_and_nothing_else(model, ids):
    x = model.embed(ids)
    before = model.run(x)
    x[:, 3] = torch.randn(D)
    moved = (model.run(x) != before).any(dim=-1)
    assert not moved[:, :3].any() and moved[:, 3:].all()


def test_tiny_lm_splits_too(ids):
    model = tiny()
    x = model.embed(ids)
    before = model.run(x)
    assert torch.equal(before, model.hidden(ids)) and torch.equal(before @ model.embedding.weight.T, model(ids))
    x[:, 3] = torch.randn(D)
    moved = (model.run(x) != before).any(dim=-1)
    assert not moved[:, :3].any() and moved[:, 3:].all()


class TwoAxes:
    """A rotation of its own: the first half of the pairs turns by one axis of the positions [2 B T], the rest by the
    other."""

    def __init__(self, positions, freqs):
        half = len(freqs) // 2
        by_axis = angles(positions, freqs)
        self.angles = torch.cat([by_axis[0, ..., :half], by_axis[1, ..., half:]], dim=-1)[:, None]

    def __call__(self, x):
        return rotate_half_split(x, self.angles)


@dataclass(frozen=True, kw_only=True)
class TwoAxesConfig(LlamaConfig):
    def rotation(self, positions, dtype):
        return TwoAxes(positions, frequencies(self.d_head))


def test_a_rotation_of_several_axes_joins_without_an_edit(ids):
    torch.manual_seed(0)
    model = Llama(TwoAxesConfig(n_vocab=V, d_model=D)).double().requires_grad_(False)
    plain = Llama(LlamaConfig(n_vocab=V, d_model=D)).double().requires_grad_(False)
    plain.load_state_dict(model.state_dict())
    text = torch.arange(T).expand(2, 2, T)
    whole = model.run(model.embed(ids), text)
    torch.testing.assert_close(whole, plain.hidden(ids), atol=1e-12, rtol=0)
    picture = text.clone()
    picture[1, :, 4:] = torch.tensor([0, 1, 0])
    moved = (model.run(model.embed(ids), picture) - whole).abs().amax(dim=(0, 2)) > 1e-9
    assert moved.tolist() == [False] * 4 + [True] * 3


@pytest.mark.parametrize("shape", [(3, T), (3, 2, T), (T - 1,)])
def test_positions_of_other_texts_are_refused(model, ids, shape, as_readers_have_it):
    with pytest.raises(ValueError, match=r"\[T\] or \[B T\]|do not match"):
        model.run(model.embed(ids), torch.zeros(shape, dtype=torch.long))
