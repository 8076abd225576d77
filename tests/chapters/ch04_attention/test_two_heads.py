"""C08's task, and the reason why one head must fail at it."""

import pytest
import torch

from course_lib.chapters.ch04_attention.experiments import c08_two_heads as c08

CONTEXTS = ((0, 0), (1, 1), (0, 1), (1, 0))  # near letter, far letter


def all_right(states: torch.Tensor, near: torch.Tensor, far: torch.Tensor) -> bool:
    """states [4 D], one a context; near and far [D 2]: linear read-outs of the two letters."""
    answers = torch.tensor(CONTEXTS)
    named = torch.stack([(states @ near).argmax(-1), (states @ far).argmax(-1)], dim=-1)
    return torch.equal(named, answers)


def test_no_weights_and_no_linear_read_out_get_all_four_orders_right():
    chance = torch.Generator().manual_seed(0)
    for _ in range(3000):
        values = torch.randn(2, 2, generator=chance).double()
        weights = torch.rand(4, 1, generator=chance).double()
        letters = torch.tensor(CONTEXTS)
        states = weights * values[letters[:, 0]] + (1 - weights) * values[letters[:, 1]]
        near, far = torch.randn(2, 2, 2, generator=chance).double()
        assert not all_right(states, near, far)


def test_two_averages_are_enough():
    letters = torch.tensor(CONTEXTS)
    states = torch.cat([torch.eye(2)[letters[:, 0]], torch.eye(2)[letters[:, 1]]], dim=-1)
    take, leave = torch.eye(2), torch.zeros(2, 2)
    assert all_right(states, torch.cat([take, leave]), torch.cat([leave, take]))


def test_the_letters_asked_for_are_one_and_three_steps_back():
    ids = torch.arange(12)[None]
    logits, answers = c08.asked(torch.zeros(1, 12, 2, 8), ids)
    assert logits.shape == (1, 9, 2, 8)
    assert answers[0, 0].tolist() == [2, 0]
    assert answers[0, -1].tolist() == [10, 8]


def test_accuracy_asks_for_both_letters():
    ids = torch.randint(8, (50, 12), generator=torch.Generator().manual_seed(0))
    answers = torch.stack([ids.roll(1, -1), ids.roll(3, -1)], dim=-1)
    right = torch.nn.functional.one_hot(answers, 8).float()
    assert c08.accuracy(lambda _: right, ids) == 1
    half = right.clone()
    half[..., 1, :] = torch.nn.functional.one_hot(torch.zeros_like(ids), 8)
    assert c08.accuracy(lambda _: half, ids) == pytest.approx((answers[:, 3:, 1] == 0).float().mean().item())


def test_weights_are_read_at_the_two_letters():
    t = torch.arange(12)
    weights = 0.7 * (t[:, None] - t == 1) + 0.2 * (t[:, None] - t == 3) + 0.1 * (t[:, None] == t)

    class Fixed:
        def attend(self, ids):
            return None, weights.expand(len(ids), 1, 12, 12)

    assert c08.weights_given(Fixed(), torch.zeros(2, 12)) == pytest.approx([0.7, 0.2])


@pytest.mark.parametrize("n_heads", c08.HEADS)
def test_parameters_do_not_depend_on_the_number_of_heads(n_heads):
    attention = c08.OneLayer(c08.D_MODEL, n_heads).attention
    assert sum(each.numel() for each in attention.parameters()) == 4 * c08.D_MODEL**2 + 4 * c08.D_MODEL


@pytest.mark.parametrize("kind", [c08.OneLayer, c08.OneLayerAndFeedforward])
def test_an_answer_never_looks_ahead(kind):
    model = kind(c08.D_MODEL, 2)
    ids = torch.randint(8, (2, 12))
    changed = ids.clone()
    changed[:, 7:] = (changed[:, 7:] + 1) % 8
    assert torch.equal(model(ids)[:, :7], model(changed)[:, :7])
    assert not torch.equal(model(ids)[:, 7:], model(changed)[:, 7:])
