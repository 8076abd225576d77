import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.llama import Llama, LlamaConfig
from course_lib.posttraining.chat import Rendered
from course_lib.posttraining.packing import best_fit, own_text, packed, packed_logits, packed_loss, places
from course_lib.posttraining.sft import n_targets, padded, sft_loss
from course_lib.training.step import Settings, Update

SEEDS = st.integers(0, 2**32)
V, CONTEXT = 9, 12
torch.manual_seed(0)
MODELS = [
    GPT2(GPT2Config(n_vocab=V, context=CONTEXT, d_model=8, n_heads=2)).double(),
    Llama(LlamaConfig(n_vocab=V, d_model=8, n_heads=2, n_kv_heads=1, d_hidden=12)).double(),
]


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def texts(seed: int, n: int) -> list[Rendered]:
    """Of 1 to 6 tokens, the first of 2 at least; every token is marked, first ones, too."""
    chance = torch.Generator().manual_seed(seed)
    lengths = [2 + seed % 5, *(int(torch.randint(1, 7, (), generator=chance)) for _ in range(n - 1))]
    return [Rendered(torch.randint(V, (k,), generator=chance).tolist(), [True] * k) for k in lengths]


def gradient(model, loss: torch.Tensor) -> torch.Tensor:
    return torch.cat([each.flatten() for each in torch.autograd.grad(loss, list(model.parameters()))])


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(9, 14))
def test_every_text_has_its_place_and_no_two_rows_fit_in_one(lengths, room):
    rows = best_fit(lengths, room)
    full = [sum(lengths[i] for i in row) for row in rows]
    assert sorted(i for row in rows for i in row) == list(range(len(lengths))) and max(full) <= room
    assert all(a + b > room for k, a in enumerate(full) for b in full[:k])


def test_the_fullest_row_that_still_holds_it():
    assert best_fit([2, 6, 3, 7], 9) == [[3, 0], [1, 2]]  # 7, then 6, 3 beside 6, and 2 where it leaves nothing
    assert best_fit([1, 5, 6], 9) == [[2, 0], [1]]


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=15)
@given(seed=SEEDS, n=st.integers(1, 6), room=st.integers(6, CONTEXT), pad=st.integers(0, V - 1))
def test_loss_and_gradients_are_those_of_rows_of_their_own(model, seed, n, room, pad):
    chosen = texts(seed, n)
    alone = padded([text for text in chosen if len(text.ids) > 1], pad)
    together = packed(chosen, room, pad)
    found, expected = packed_loss(model, together), sft_loss(model, alone)
    close(found, expected)
    close(gradient(model, found), gradient(model, expected))
    assert n_targets(together) == n_targets(alone)
    assert together["ids"].shape[1] <= room and len(together["ids"]) == len(
        best_fit([len(t.ids) for t in chosen], room)
    )


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=15)
@given(seed=SEEDS, n=st.integers(2, 5))
def test_every_text_is_read_as_if_it_stood_alone(model, seed, n):
    batch = packed(texts(seed, n), CONTEXT, 0)
    logits = packed_logits(model, batch["ids"], batch["text_of"])
    for row, ids, which in zip(logits, batch["ids"], batch["text_of"]):
        for text in which.unique():
            mine = which == text
            close(row[mine], model(ids[mine][None])[0])


@pytest.mark.parametrize("model", MODELS)
def test_without_the_mask_or_with_positions_that_go_on_texts_would_disturb_each_other(model):
    """Llama's rotations know distances alone, so only the mask matters there."""
    ids = torch.randint(V, (1, 10), generator=torch.Generator().manual_seed(0))
    text_of = torch.tensor([[0] * 5 + [1] * 5])
    right = packed_logits(model, ids, text_of)[0, 5:]
    one_text = packed_logits(model, ids, torch.zeros_like(text_of))
    close(one_text, model(ids))
    assert (one_text[0, 5:] - right).abs().max() > 1e-3
    if isinstance(model, GPT2):
        x = model.embed(ids) + model.positions(10)
    else:
        x, rotation = model.embed(ids), model.config.rotation(torch.arange(10), torch.float64)
    for block in model.blocks:
        x = block(x, own_text(text_of)) if isinstance(model, GPT2) else block(x, own_text(text_of), rotation)
    goes_on = (model.to_vocab(model.norm_out(x))[0, 5:] - right).abs().max()
    assert goes_on > 1e-3 if isinstance(model, GPT2) else goes_on < 1e-12


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_masks_and_places_are_those_of_the_texts_side_by_side(lengths):
    text_of = torch.tensor([[i for i, n in enumerate(lengths) for _ in range(n)]])
    assert places(text_of).tolist() == [[p for n in lengths for p in range(n)]]
    blocks = torch.block_diag(*(torch.ones(n, n).tril() for n in lengths))
    assert torch.equal(own_text(text_of)[0, 0], blocks.bool())


@settings(max_examples=5)
@given(SEEDS)
def test_pieces_of_a_packed_batch_add_up_to_it(seed):
    model, batch = MODELS[0], packed(texts(seed, 9), 7, 0)
    expected = gradient(model, packed_loss(model, batch))
    setting = Settings(steps=1, lr=0.1, accumulate=3)
    Update(model, setting, loss=packed_loss, weigh=n_targets).gradient(batch)
    close(torch.cat([p.grad.flatten() for p in model.parameters()]), expected)
    model.zero_grad()
