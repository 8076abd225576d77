"""Exact values of a grid world against a printed table, all policies of a small one, autograd, and walks."""

from itertools import product

import pytest
import torch

from course_lib.toys.grid_world import MOVES, grid_world

SMALL = """
S.
.+
"""


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_logits(world, seed: int = 0) -> torch.Tensor:
    return torch.randn(len(world.squares), len(MOVES), dtype=torch.float64, generator=chance(seed))


def test_the_best_values_are_those_that_russell_and_norvig_print():
    """Utilities of the 4×3 world to three places, as aima-java's ValueIterationTest has them (Fig. 17.3)."""
    values = grid_world().best_values()
    printed = [0.812, 0.868, 0.918, 0, 0.762, 0.660, 0, 0.705, 0.655, 0.611, 0.388]
    torch.testing.assert_close(values, torch.tensor(printed, dtype=torch.float64), atol=6e-4, rtol=0)


@pytest.mark.parametrize("discount", [0.9, 1.0])
def test_no_policy_beats_the_best_values_and_one_reaches_them(discount):
    """All 64 policies that always do the same in the same place; a slip brings each of them to the end some day."""
    world = grid_world(SMALL, slip=0.3, discount=discount)
    found = []
    for actions in product(range(4), repeat=3):
        policy = torch.eye(4, dtype=torch.float64)[torch.tensor([*actions, 0])]
        found.append(world.values(policy))
    torch.testing.assert_close(torch.stack(found).amax(0), world.best_values(), atol=1e-10, rtol=0)


def test_values_are_their_own_means_after_one_step():
    world = grid_world(discount=0.95)
    policy = some_logits(world).softmax(-1)
    values = world.values(policy)
    torch.testing.assert_close((policy * world.action_values(values)).sum(-1), values, atol=1e-12, rtol=0)
    assert values[world.is_end].eq(0).all()


@pytest.mark.parametrize("discount", [0.8, 1.0])
def test_the_policy_gradient_theorem_is_autograd_through_the_solution(discount):
    world = grid_world(discount=discount)
    logits = some_logits(world).requires_grad_()
    (wanted,) = torch.autograd.grad(world.worth(logits.softmax(-1)), logits)
    torch.testing.assert_close(world.gradient(logits.detach()), wanted, atol=1e-10, rtol=0)


@pytest.mark.parametrize("discount", [0.9, 1.0])
def test_walks_bring_on_average_what_the_policy_is_worth(discount):
    world, n = grid_world(discount=discount), 4000
    policy = (some_logits(world) + torch.tensor([1.0, 1.0, 0, 0])).softmax(
        -1
    )  # mostly up and right, so walks are short
    states, actions, payments, is_step = world.episodes(policy, n, chance(), limit=400)
    assert states.shape == actions.shape and not payments[~is_step].any()
    brought = payments @ discount ** torch.arange(payments.shape[1], dtype=torch.float64)
    assert abs(brought.mean() - world.worth(policy)) < 5 * brought.std() / n**0.5
    acted = torch.zeros(len(world.squares), dtype=torch.float64)
    weight = (discount ** torch.arange(states.shape[1], dtype=torch.float64)).expand_as(payments)
    acted.index_add_(0, states[is_step], weight[is_step])
    torch.testing.assert_close(acted / n, world.visits(policy), atol=0.02, rtol=0.06)


def test_a_step_goes_where_it_should_or_to_a_side_and_stops_at_walls():
    world = grid_world(slip=0.2)
    number = {square: s for s, square in enumerate(world.squares)}
    torch.testing.assert_close(world.next.sum(-1), torch.ones(11, 4, dtype=torch.float64))
    up = world.next[number[2, 0], 0]
    assert up[number[1, 0]] == 0.8 and up[number[2, 0]] == pytest.approx(0.1) and up[number[2, 1]] == pytest.approx(0.1)
    right = world.next[number[0, 2], 1]
    assert right[number[0, 3]] == 0.8 and right[number[1, 2]] == pytest.approx(0.1)
    assert world.entering[number[0, 2], number[0, 3]] == pytest.approx(0.96)
    assert world.start[number[2, 0]] == 1 and grid_world(".+", slip=0).start.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("slip", "message"),
    [
        (lambda: grid_world("S?+"), r"the map holds \['\?'\]"),
        (lambda: grid_world("S.\n.+."), r"lines have \[2, 3\] squares"),
        (lambda: grid_world("S."), "the map needs an end"),
        (lambda: grid_world(slip=1.5), r"slip \(1.5\) must lie in 0 … 1"),
        (lambda: grid_world(slip=0).values(torch.eye(4, dtype=torch.float64)[[0] * 11]), "this policy may never end"),
        (lambda: grid_world(step_pays=0.1).best_values(), "values still move by 0.1 a round"),
    ],
)
def test_bad_worlds_are_refused(slip, message):
    with pytest.raises(ValueError, match=message):
        slip()
