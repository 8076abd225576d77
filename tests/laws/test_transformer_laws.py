"""Laws of encoder and decoder, for sizes, places and weights that hypothesis draws. C10 is the first two of them."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.models.transformer import SharedTransformerConfig, Transformer, Translator, shift_right

V = 11
SEEDS = st.integers(0, 2**20)
NORMS = st.sampled_from(["post", "pre"])
LENGTHS = st.integers(2, 6)


def random_model(seed: int, norm: str) -> Transformer:
    torch.manual_seed(seed)
    config = SharedTransformerConfig(n_vocab=V, d_model=8, n_heads=2, d_hidden=12, norm=norm)
    return Transformer(config).double().requires_grad_(False)


def other_token(ids: torch.Tensor, place: int) -> torch.Tensor:
    changed = ids.clone()
    changed[:, place] = (ids[:, place] + 1 + torch.randint(V - 1, (len(ids),))) % V
    return changed


@given(NORMS, LENGTHS, LENGTHS, SEEDS, st.data())
def test_future_target_tokens_cannot_change_the_past(norm, S, T, seed, data):
    model, place = random_model(seed, norm), data.draw(st.integers(1, T - 1))
    source, target = torch.randint(V, (2, S)), torch.randint(V, (2, T))
    before, after = model(source, target), model(source, other_token(target, place))
    assert torch.equal(before[:, :place], after[:, :place])
    assert (before != after)[:, place:].any(-1).all()


@given(NORMS, LENGTHS, SEEDS, st.data())
def test_any_source_token_changes_every_encoding(norm, S, seed, data):
    model, place = random_model(seed, norm), data.draw(st.integers(0, S - 1))
    source = torch.randint(V, (2, S))
    assert (model.encode(source) != model.encode(other_token(source, place))).any(-1).all()


@given(NORMS, LENGTHS, LENGTHS, SEEDS)
def test_the_target_cannot_change_the_encoding(norm, S, T, seed):
    """The encoder never sees the target: reading the source once serves every step."""
    model = random_model(seed, norm)
    source, target = torch.randint(V, (2, S)), torch.randint(V, (2, T))
    assert torch.equal(model(source, target), model.decode(target, model.encode(source)))


@given(NORMS, LENGTHS, LENGTHS, SEEDS, st.data())
def test_reading_in_pieces_is_reading_at_once(norm, S, T, seed, data):
    model, cut = random_model(seed, norm), data.draw(st.integers(1, T - 1))
    source, target = torch.randint(V, (2, S)), torch.randint(V, (2, T))
    translator = Translator(model, source, T)
    translator(target[:, :cut])
    torch.testing.assert_close(translator(target[:, cut:]), model(source, target)[:, -1], atol=1e-10, rtol=0)


@given(NORMS, LENGTHS, LENGTHS, SEEDS)
def test_sources_do_not_read_each_other(norm, S, T, seed):
    model = random_model(seed, norm)
    source, target = torch.randint(V, (3, S)), torch.randint(V, (3, T))
    order = torch.randperm(3)
    torch.testing.assert_close(model(source[order], target[order]), model(source, target)[order], atol=1e-12, rtol=0)


@given(st.integers(1, 6), SEEDS)
def test_shifting_moves_every_token_one_place_and_no_answer_into_its_own_place(T, seed):
    torch.manual_seed(seed)
    target = torch.randint(1, V, (2, T))
    shifted = shift_right(target, 0)
    assert torch.equal(shifted[:, 1:], target[:, :-1]) and not shifted[:, 0].any()
