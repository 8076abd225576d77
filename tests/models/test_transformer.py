"""Encoder and decoder: who may read whom, the step through the cache, the shift, and what cannot be built."""

import pytest
import torch

from course_lib.decoding.generation import greedy
from course_lib.models.transformer import (
    SharedTransformerConfig,
    Transformer,
    TransformerConfig,
    Translator,
    shift_right,
)

V = 13
NORMS = ("post", "pre")


@pytest.fixture(params=NORMS)
def model(request) -> Transformer:
    torch.manual_seed(0)
    config = TransformerConfig(
        n_source_vocab=V, n_target_vocab=V, d_model=24, n_heads=3, d_hidden=32, norm=request.param, dropout=0.3
    )
    return Transformer(config).double().eval().requires_grad_(False)


def close(ours: torch.Tensor, reference: torch.Tensor) -> None:
    torch.testing.assert_close(ours, reference, atol=1e-10, rtol=0)


@pytest.mark.parametrize("pieces", [[1] * 7, [7], [3, 1, 1, 2]])
def test_a_step_through_the_cache_is_the_full_pass(model, pieces):
    source, target = torch.randint(V, (3, 6)), torch.randint(V, (3, 7))
    is_token = torch.arange(6) < torch.tensor([6, 4, 1])[:, None]
    full = model(source, target, is_token)
    translator = Translator(model, source, 7, is_token)
    end = 0
    for part in target.split(pieces, dim=1):
        end += part.shape[1]
        close(translator(part), full[:, end - 1])


def test_a_later_target_token_changes_no_earlier_answer(model):
    source, target = torch.randint(V, (2, 6)), torch.randint(V, (2, 8))
    changed = target.clone()
    changed[:, 5] = (target[:, 5] + 1) % V
    before, after = model(source, target), model(source, changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert ((before - after).abs().amax(-1) > 1e-6)[:, 5:].all()


def test_a_source_token_changes_every_answer_and_every_encoding(model):
    source, target = torch.randint(V, (2, 6)), torch.randint(V, (2, 8))
    changed = source.clone()
    changed[:, -1] = (source[:, -1] + 1) % V
    assert ((model.encode(source) - model.encode(changed)).abs().amax(-1) > 1e-6).all()
    assert ((model(source, target) - model(changed, target)).abs().amax(-1) > 1e-6).all()


def test_what_stands_in_the_padding_does_not_matter(model):
    source, target = torch.randint(V, (2, 6)), torch.randint(V, (2, 5))
    is_token = torch.arange(6) < torch.tensor([6, 3])[:, None]
    other = torch.where(is_token, source, (source + 5) % V)
    assert torch.equal(model(source, target, is_token), model(other, target, is_token))
    close(model(source, target, is_token)[1], model(source[1:, :3], target[1:])[0])
    assert (model(source, target) - model(other, target))[1].abs().max() > 1e-6


def test_cross_attention_maps_are_shares_of_the_tokens_there_are(model):
    source, target = torch.randint(V, (2, 6)), torch.randint(V, (2, 5))
    is_token = torch.arange(6) < torch.tensor([6, 3])[:, None]
    maps = model.cross_attention_maps(source, target, is_token)
    assert maps.shape == (2, 2, 3, 5, 6)
    close(maps.sum(-1), torch.ones(2, 2, 3, 5, dtype=torch.float64))
    assert not maps[:, 1, :, :, 3:].any()


def test_a_translator_goes_on_with_the_rows_it_is_told(model):
    source, ids, rows = torch.randint(V, (3, 6)), torch.randint(V, (3, 2)), torch.tensor([2, 0, 0])
    is_token = torch.arange(6) < torch.tensor([6, 4, 2])[:, None]
    translator = Translator(model, source, 4, is_token)
    translator(ids)
    translator.reorder(rows)
    fresh = Translator(model, source[rows], 4, is_token[rows])
    fresh(ids[rows])
    token = torch.randint(V, (3, 1))
    close(translator(token), fresh(token))


def test_a_full_translator_says_so(model):
    translator = Translator(model, torch.randint(V, (1, 3)), capacity=2)
    translator(torch.zeros(1, 2, dtype=torch.long))
    with pytest.raises(ValueError, match="capacity >= 3"):
        translator(torch.zeros(1, 1, dtype=torch.long))


def test_greedy_with_the_cache_is_greedy_without(model):
    source, start = torch.randint(V, (4, 5)), torch.full((4, 1), 2)
    text = start
    for _ in range(6):
        text = torch.cat([text, model(source, text)[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(greedy(Translator(model, source, 6), start, 6), text[:, 1:])


def test_dropout_acts_in_training_only(model):
    source, target = torch.randint(V, (2, 6)), torch.randint(V, (2, 5))
    assert torch.equal(model(source, target), model(source, target))
    model.train()
    assert not torch.equal(model(source, target), model(source, target))


def test_shift_right_begins_with_start_and_drops_the_last():
    target = torch.tensor([[5, 6, 7, 3], [8, 3, 0, 0]])
    assert shift_right(target, 1).tolist() == [[1, 5, 6, 7], [1, 8, 3, 0]]
    assert target.tolist() == [[5, 6, 7, 3], [8, 3, 0, 0]]


def test_one_table_serves_three_in_the_shared_model():
    sizes = {"d_model": 24, "n_heads": 3, "d_hidden": 32}
    shared = Transformer(SharedTransformerConfig(n_vocab=V, **sizes))
    assert shared.source_embedding.weight is shared.target_embedding.weight is shared.to_vocab.weight
    apart = Transformer(TransformerConfig(n_source_vocab=V, n_target_vocab=V, **sizes))
    n_shared, n_apart = (sum(p.numel() for p in m.parameters()) for m in (shared, apart))
    assert n_apart - n_shared == 2 * V * 24


def test_pre_norm_has_one_more_norm_at_the_end_of_each_stack():
    post, pre = (
        sum(p.numel() for p in Transformer(SharedTransformerConfig(n_vocab=V, norm=norm)).parameters())
        for norm in NORMS
    )
    assert pre - post == 2 * 2 * 64


def test_post_norm_ends_normalised_and_pre_norm_too():
    source = torch.randint(V, (2, 6))
    for norm in NORMS:
        torch.manual_seed(0)
        encoded = Transformer(SharedTransformerConfig(n_vocab=V, norm=norm)).encode(source)
        torch.testing.assert_close(encoded.mean(-1), torch.zeros(2, 6), atol=1e-5, rtol=0)
        torch.testing.assert_close(encoded.var(-1, correction=0), torch.ones(2, 6), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"d_model": 10, "n_heads": 3}, r"n_heads \(3\)"),
        ({"norm": "sandwich"}, "'sandwich'"),
        ({"n_layers": 0}, r"n_layers \(0\)"),
        ({"d_hidden": 0}, r"d_hidden \(0\)"),
    ],
)
def test_sizes_that_cannot_be_built_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        TransformerConfig(n_source_vocab=V, n_target_vocab=V, **wrong)
    with pytest.raises(ValueError, match=says):
        SharedTransformerConfig(n_vocab=V, **wrong)


def test_a_mask_of_another_shape_is_refused(as_readers_have_it):
    model = Transformer(SharedTransformerConfig(n_vocab=V))
    with pytest.raises(ValueError, match=r"is_token \(2, 4\) must have the shape of the source, \(2, 6\)"):
        model.encode(torch.randint(V, (2, 6)), torch.ones(2, 4, dtype=torch.bool))
