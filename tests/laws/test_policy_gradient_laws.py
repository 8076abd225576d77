"""What PPO, GAE and the KL say of a policy whose every answer is listed: means over all answers, none drawn."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.posttraining.gae import gae
from course_lib.posttraining.kl import exact_kl
from course_lib.posttraining.log_probs import is_target, row_sums, token_log_probs
from course_lib.posttraining.ppo import penalised_rewards, surrogate
from course_lib.toys.three_answers import World
from course_lib.toys.token_mdp import TokenPolicy, at_the_end, state_values

SEEDS, BETAS, SHARES = st.integers(0, 2**32), st.floats(0.05, 2), st.floats(0, 1)
SHAPES = st.sampled_from([(3, 1, None), (2, 3, 1), (3, 2, 0), (4, 2, None), (3, 3, 2)])


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    torch.testing.assert_close(one, other, atol=1e-10, rtol=0)


class Listed:
    """A policy, its reference, and all answers with a reward each, to be had at the last word."""

    def __init__(self, seed: int, shape):
        self.policy, self.reference = TokenPolicy(*shape), TokenPolicy(*shape)
        self.policy.table.data = normal(seed, *self.policy.table.shape)
        self.reference.table.data = normal(seed + 1, *self.policy.table.shape)
        self.ids, self.is_answer = self.policy.answers()
        self.mask, self.reward = is_target(self.is_answer), normal(seed + 2, len(self.ids))
        self.probs = self.policy.listed().exp().detach()

    def of_tokens(self, policy: TokenPolicy) -> torch.Tensor:
        return token_log_probs(policy(self.ids), self.ids)


@settings(max_examples=30)
@given(SEEDS, SHAPES, SHARES, SHARES)
def test_with_the_true_values_gae_expects_nothing_in_any_state(seed, shape, lam, beta):
    """The mean of the advantage over all that may follow a state is 0, whatever λ; λ = 0 is Q(s, a) - V(s)."""
    listed = Listed(seed, shape)
    old, reference = (listed.of_tokens(policy).detach() for policy in (listed.policy, listed.reference))
    rewards = penalised_rewards(listed.reward, old, reference, listed.mask, beta=beta)
    values = state_values(listed.policy, rewards).detach()
    advantages = gae(rewards, values, listed.mask, lam=lam)
    rows = listed.policy.rows(listed.ids)[:, :-1]
    for row in rows[listed.mask].unique():
        here = (rows == row) & listed.mask
        close((listed.probs[:, None] * advantages * here).sum(), torch.zeros((), dtype=torch.float64))
    after = torch.cat([values[:, 1:], torch.zeros_like(values[:, :1])], dim=1)
    close(gae(rewards, values, listed.mask, lam=0.0), (rewards + after - values).masked_fill(~listed.mask, 0))


@settings(max_examples=30)
@given(SEEDS, SHAPES, BETAS, SHARES, st.booleans())
def test_ppo_s_first_step_on_fresh_answers_is_up_the_gradient_of_reward_less_kl(seed, shape, beta, lam, knows):
    """∇(Σ π r - β KL(π ‖ π_ref)), exactly: by the true values for any λ, by a critic that knows nothing for λ = 1."""
    listed = Listed(seed, shape)
    world = World(listed.reference.listed().detach(), listed.reward, beta)
    (wanted,) = torch.autograd.grad(world.worth(listed.policy.listed()), listed.policy.table)
    new, reference = listed.of_tokens(listed.policy), listed.of_tokens(listed.reference).detach()
    rewards = penalised_rewards(listed.reward, new.detach(), reference, listed.mask, beta=beta)
    values = state_values(listed.policy, rewards).detach() if knows else torch.zeros_like(rewards)
    advantages = gae(rewards, values, listed.mask, lam=lam if knows else 1.0)
    raised = row_sums(surrogate(new - new.detach(), advantages, 0.2, 0.2), listed.mask)
    (found,) = torch.autograd.grad(listed.probs @ raised, listed.policy.table)
    close(found, wanted)


@given(SEEDS, SHAPES)
def test_the_kl_of_answers_is_the_kl_of_tokens_where_the_policy_goes(seed, shape):
    """The chain rule: exact KL of the next word in each state, as often as the policy comes there."""
    listed = Listed(seed, shape)
    rows = listed.policy.rows(listed.ids)[:, :-1]
    of_states = exact_kl(listed.policy.table, listed.reference.table)
    each = row_sums(of_states[rows.clamp(max=len(of_states) - 1)], listed.mask)
    close(listed.probs @ each, exact_kl(listed.policy.listed(), listed.reference.listed()))


@given(SEEDS, SHAPES)
def test_the_reward_of_an_answer_stands_at_its_last_word(seed, shape):
    listed = Listed(seed, shape)
    placed = at_the_end(listed.reward, listed.is_answer)
    assert torch.equal(placed.sum(1), listed.reward)
    for row, mask in zip(placed, listed.is_answer):
        assert row.nonzero().tolist() == [[int(mask.nonzero()[-1]) - 1]]
