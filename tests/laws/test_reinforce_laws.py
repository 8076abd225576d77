"""The policy gradient against exact enumeration: the mean of an estimate is summed over all that may be drawn."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.posttraining.gae import gae
from course_lib.posttraining.grpo import centred_rewards
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.posttraining.reinforce import beyond_the_others, reinforce_loss, reward_to_go
from course_lib.toys.grid_world import grid_world
from course_lib.toys.token_mdp import TokenPolicy, state_values

SEEDS = st.integers(0, 2**32)
SHAPES = st.sampled_from([(3, 1, None), (2, 3, 1), (3, 2, 0), (4, 2, None)])


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(one: torch.Tensor, other: torch.Tensor, bound: float = 1e-10) -> None:
    torch.testing.assert_close(one, other, atol=bound, rtol=0)


class Case:
    """A table, all its answers, and a reward for each of their tokens."""

    def __init__(self, seed: int, shape):
        self.policy = TokenPolicy(*shape)
        self.policy.table.data = normal(seed, *self.policy.table.shape)
        self.ids, self.is_answer = self.policy.answers()
        self.mask = is_target(self.is_answer)
        self.probs = self.policy.listed().exp().detach()
        paid = normal(seed + 1, *self.policy.table.shape)  # for each token in each state
        states = self.policy.rows(self.ids)[:, :-1]
        self.rewards = paid[states, self.ids[:, 1:]].masked_fill(~self.mask, 0)

    def wanted(self) -> torch.Tensor:
        """∇J by autograd: J is written down."""
        worth = self.policy.listed().exp() @ self.rewards.sum(1)
        return torch.autograd.grad(worth, self.policy.table)[0]

    def estimate(self, rows: torch.Tensor, advantages: torch.Tensor) -> torch.Tensor:
        """What reinforce_loss makes of these answers: an estimate of ∇J."""
        ids = self.ids[rows]
        loss = reinforce_loss(token_log_probs(self.policy(ids), ids), self.is_answer[rows], advantages)
        return -torch.autograd.grad(loss, self.policy.table)[0]

    def estimates(self, advantages: torch.Tensor) -> torch.Tensor:
        """Of every answer drawn alone."""
        each = torch.arange(len(self.ids)).split(1)
        return torch.stack([self.estimate(row, advantages[row]) for row in each])

    def mean(self, estimates: torch.Tensor) -> torch.Tensor:
        return torch.einsum("k,k...->...", self.probs, estimates)

    def variance(self, estimates: torch.Tensor) -> torch.Tensor:
        """Sum of the variances of all numbers of the gradient."""
        return self.probs @ (estimates - self.mean(estimates)).square().flatten(1).sum(1)


@settings(max_examples=25)
@given(SEEDS, SHAPES, st.floats(-5, 5))
def test_the_estimate_is_on_average_the_gradient_and_a_baseline_leaves_it(seed, shape, baseline):
    case = Case(seed, shape)
    total = case.rewards.sum(1, keepdim=True)
    close(case.mean(case.estimates(total)), case.wanted())
    close(case.mean(case.estimates(total - baseline)), case.wanted())


@settings(max_examples=25)
@given(SEEDS, SHAPES)
def test_what_was_paid_before_a_token_and_what_is_expected_then_may_be_left_out(seed, shape):
    """Reward to go, less any function of the state, such as its value: the mean stays."""
    case = Case(seed, shape)
    to_go = reward_to_go(case.rewards)
    close(case.mean(case.estimates(to_go)), case.wanted())
    values = state_values(case.policy, case.rewards).detach()
    close(case.mean(case.estimates(to_go - values)), case.wanted())


@settings(max_examples=25)
@given(SEEDS, SHAPES)
def test_the_best_constant_baseline_and_how_much_noise_it_takes(seed, shape):
    """b* = E[r |∇ log π|²] / E[|∇ log π|²]: no other constant leaves less variance, and the law is a parabola in b."""
    case = Case(seed, shape)
    total = case.rewards.sum(1, keepdim=True)
    slopes = case.estimates(torch.ones_like(total)).square().flatten(1).sum(1)
    best = (case.probs @ (slopes * total[:, 0])) / (case.probs @ slopes)
    least = case.variance(case.estimates(total - best))
    for baseline in (0.0, float(case.probs @ total[:, 0]), float(best) + 1):
        wanted = least + (baseline - best) ** 2 * (case.probs @ slopes)
        close(case.variance(case.estimates(total - baseline)), wanted, 1e-9)


@settings(max_examples=10)
@given(SEEDS, st.sampled_from([(3, 1, None), (2, 2, 1)]), st.sampled_from([2, 3]))
def test_a_group_s_own_mean_shrinks_the_gradient_and_the_others_mean_does_not(seed, shape, G):
    """All groups of G answers that may be drawn, each by its probability."""
    case = Case(seed, shape)
    reward = case.rewards.sum(1)
    groups = torch.cartesian_prod(*[torch.arange(len(reward))] * G)
    chances = case.probs[groups].prod(1)
    for advantages_of, share in ((beyond_the_others, 1.0), (centred_rewards, (G - 1) / G)):
        advantages = advantages_of(reward[groups])
        found = sum(p * case.estimate(rows, a[:, None]) for p, rows, a in zip(chances, groups, advantages))
        close(found, share * case.wanted())


@given(SEEDS, st.integers(1, 4), st.integers(2, 6))
def test_advantages_of_groups_are_their_definitions(seed, P, G):
    rewards = normal(seed, P, G)
    others = torch.tensor(
        [[float(rewards[p, [h for h in range(G) if h != g]].mean()) for g in range(G)] for p in range(P)]
    )
    close(beyond_the_others(rewards), rewards - others.double(), 1e-6)
    close(centred_rewards(rewards), rewards - rewards.mean(1)[:, None])
    close(beyond_the_others(rewards), G / (G - 1) * centred_rewards(rewards))
    close(beyond_the_others(rewards + 7), beyond_the_others(rewards))


@given(SEEDS, st.integers(1, 6), st.floats(0, 1))
def test_reward_to_go_is_its_definition(seed, N, discount):
    rewards = normal(seed, 3, N)
    for t in range(N):
        wanted = sum(discount ** (u - t) * rewards[:, u] for u in range(t, N))
        close(reward_to_go(rewards, discount)[:, t], wanted)
    every = torch.ones_like(rewards) > 0
    close(reward_to_go(rewards, discount), gae(rewards, 0 * rewards, every, gamma=discount, lam=1.0))


@given(SEEDS)
def test_nothing_outside_an_answer_counts(seed):
    """Neither log-probabilities there, -inf or NaN though they be, nor advantages."""
    case = Case(seed, (3, 2, 0))
    advantages, log_probs = normal(seed, *case.mask.shape), normal(seed + 2, *case.mask.shape)
    loss = reinforce_loss(log_probs, case.is_answer, advantages)
    for rubbish in (-torch.inf, torch.nan, 1e30):
        other = log_probs.masked_fill(~case.mask, rubbish).requires_grad_()
        found = reinforce_loss(other, case.is_answer, advantages.masked_fill(~case.mask, rubbish))
        close(found, loss)
        assert torch.autograd.grad(found, other)[0][~case.mask].eq(0).all()
    asking = advantages.clone().requires_grad_()
    assert not reinforce_loss(log_probs, case.is_answer, asking).requires_grad
    by_hand = -sum(float((advantages * log_probs)[k][case.mask[k]].sum()) for k in range(len(case.ids)))
    close(loss, torch.tensor(by_hand / len(case.ids), dtype=torch.float64))


def test_walks_through_a_grid_lead_up_the_exact_gradient():
    """The same loss on a world with chance in it: 4,000 walks, within 5 standard errors of the theorem's gradient."""
    world, n = grid_world(), 4000
    logits = (torch.tensor([1.0, 1.0, 0, 0], dtype=torch.float64).expand(11, 4)).clone().requires_grad_()
    walks = world.episodes(logits.softmax(-1).detach(), n, torch.Generator().manual_seed(0), limit=400)
    states, actions, payments, is_step = walks
    to_go = reward_to_go(payments) - world.values(logits.softmax(-1)).detach()[states]
    said = logits.log_softmax(-1)[states, actions]
    is_answer = torch.cat([torch.zeros_like(is_step[:, :1]), is_step], dim=1)
    (found,) = torch.autograd.grad(reinforce_loss(said, is_answer, to_go), logits)
    toward = torch.nn.functional.one_hot(actions, 4) - logits.detach().softmax(-1)[states]
    each = (to_go * is_step)[..., None] * toward
    squares = torch.zeros(n, 11, 4, dtype=torch.float64)
    squares.scatter_add_(1, states[..., None].expand_as(each), each)
    close(-found, squares.mean(0))
    exact = world.gradient(logits.detach())
    assert ((-found - exact).abs() <= 5 * squares.std(0) / n**0.5 + 1e-12).all()
    assert (-found - exact).norm() < 0.3 * exact.norm()


RIGHT = torch.tensor([[False, True, True]])


@pytest.mark.parametrize(
    ("slip", "message"),
    [
        (
            lambda: reinforce_loss(normal(0, 1, 2), RIGHT, normal(0, 1)[None].repeat(2, 1)),
            r"advantages \(2, 1\) must be",
        ),
        (
            lambda: reinforce_loss(normal(0, 1, 2), RIGHT & False, normal(0, 1, 1)),
            "rows .0. have no token of an answer",
        ),
        (lambda: reinforce_loss(normal(0, 1, 2), RIGHT, normal(0, 1, 1) / 0), r"advantages\[0, 0\] is inf"),
        (lambda: beyond_the_others(normal(0, 3, 1)), r"rewards \(3, 1\) must be \[P G\] with G >= 2"),
        (lambda: centred_rewards(normal(0, 3)), r"rewards \(3,\) must be"),
        (lambda: beyond_the_others(torch.tensor([[0, 1.0], [2, torch.nan]])), r"rewards\[1, 1\] is nan"),
        (lambda: reward_to_go(normal(0, 1, 2), torch.inf), r"discount \(inf\) must lie in 0 … 1"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(as_readers_have_it, slip, message):
    with pytest.raises(ValueError, match=message):
        slip()
