"""Attention rollout: shares that add up, by hand on two layers, and what each layer may not change."""

import inspect

import pytest
import torch

from course_lib.foundations.rollout import rollout


def maps(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).softmax(-1)


def test_every_row_is_a_share():
    reached = rollout(maps(3, 2, 4, 5, 5))
    torch.testing.assert_close(reached.sum(-1), torch.ones(2, 5).double())
    assert (reached > 0).all()


def test_it_is_the_product_with_the_last_layer_first():
    given = maps(2, 1, 2, 3, 3)
    first, last = ((layer[0].mean(0) + torch.eye(3)) / 2 for layer in given)
    torch.testing.assert_close(rollout(given)[0], last @ first)


def test_who_looks_at_himself_stays_and_the_order_of_heads_is_nothing():
    identity = torch.eye(4).expand(3, 1, 2, 4, 4)
    torch.testing.assert_close(rollout(identity)[0], torch.eye(4))
    given = maps(2, 1, 3, 4, 4)
    torch.testing.assert_close(rollout(given), rollout(given.flip(2)))


def test_one_layer_without_its_axis_is_refused():
    with pytest.raises(ValueError, match="all layers"):
        inspect.unwrap(rollout)(maps(2, 4, 5, 5))  # as a reader has it: only tests check annotations
