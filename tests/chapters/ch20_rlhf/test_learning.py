"""Chapter 20's gradients and advantages, against automatic differentiation and plain sums."""

import pytest
import torch

from course_lib.chapters.ch20_rlhf import learning
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.posttraining.reinforce import reinforce_loss


@pytest.fixture(scope="module")
def policy():
    return learning.policy_of(5, longest=3)


def close(one, other, bound=1e-12):
    torch.testing.assert_close(one, other, atol=bound, rtol=0)


def test_turns_are_counted_up_to_the_stop():
    ids = torch.tensor([[0, 1, 2, 1, 0, 0], [0, 1, 1, 2, 2, 0], [0, 0, 0, 0, 0, 0], [0, 2, 0, 0, 0, 0]])
    assert learning.turns(ids).tolist() == [2, 1, 0, 0]
    assert learning.read(ids) == ["平仄平止", "平平仄仄止", "止", "仄止"]
    prompted = torch.tensor([[2, 1, 2], [1, 1, 2]])
    assert learning.turns(prompted).tolist() == [1, 1], "the prompt is not read"


def test_each_group_gives_what_the_room_gives(policy):
    """A group's estimate is the gradient of reinforce_loss with that group's advantages."""
    ids, is_answer = policy.answers()
    probs, rewards = policy.listed().exp().detach(), learning.rewards_of(policy)
    drawn = probs.multinomial(40, replacement=True, generator=torch.Generator().manual_seed(3)).view(10, 4)
    assert any(len(set(rewards[group].tolist())) > 1 for group in drawn)
    for n, group in enumerate(drawn):
        r = rewards[group]
        others = torch.stack([(r.sum() - r[g]) / 3 for g in range(4)])
        advantages = {
            "none": r[:, None],
            "mean": (r - probs @ rewards)[:, None],
            "value": r[:, None] - learning.values_of(policy)[group],
            "others": (r - others)[:, None],
            "far": r[:, None] - learning.FAR,
            "group": (r - r.mean())[:, None],
        }
        assert set(advantages) == set(learning.BASELINES)
        for baseline, each in advantages.items():
            loss = reinforce_loss(token_log_probs(policy(ids[group]), ids[group]), is_answer[group], each)
            (wanted,) = torch.autograd.grad(-loss, policy.table)
            close(learning.gradients(policy, baseline, 10, seed=3)[n], wanted)


def test_pushes_are_the_gradients_of_each_tokens_log_probability(policy):
    ids, is_answer = policy.answers()
    found, mask = learning.pushes(policy), is_target(is_answer)
    log_probs = token_log_probs(policy(ids), ids)
    for k, t in ((0, 0), (5, 1), (9, 2)):
        if mask[k, t]:
            (wanted,) = torch.autograd.grad(log_probs[k, t], policy.table, retain_graph=True)
        else:
            wanted = torch.zeros_like(policy.table)
        close(found[k, t], wanted)


@pytest.mark.parametrize("baseline", ["none", "mean", "value", "far"])
def test_baselines_that_do_not_see_the_answer_leave_the_exact_mean(policy, baseline):
    """The mean over groups of one is a sum over all answers; it is taken without chance."""
    probs, rewards = policy.listed().exp().detach(), learning.rewards_of(policy)
    beyond = {
        "none": rewards[:, None],
        "mean": (rewards - probs @ rewards)[:, None],
        "value": rewards[:, None] - learning.values_of(policy),
        "far": rewards[:, None] - learning.FAR,
    }[baseline]
    each = torch.einsum("kt,ktrv->krv", beyond.expand(-1, 3), learning.pushes(policy))
    close(torch.einsum("k,krv->rv", probs, each), learning.exact_gradient(policy))


def test_the_others_mean_leaves_it_and_ones_own_group_shrinks_it(policy):
    """Groups of two, all pairs of answers listed."""
    probs, rewards = policy.listed().exp().detach(), learning.rewards_of(policy)
    pairs, toward = torch.cartesian_prod(torch.arange(len(probs)), torch.arange(len(probs))), learning.pushes(policy)
    weights = probs[pairs].prod(1)
    for baseline, share in (("others", 1.0), ("group", 0.5)):
        advantages = learning.ADVANTAGES[baseline](rewards[pairs], probs @ rewards)
        mean = torch.einsum("p,pg,pgrv->rv", weights, advantages, toward.sum(1)[pairs]) / 2
        close(mean, share * learning.exact_gradient(policy))


def test_estimates_are_compared_with_what_is_exact():
    exact = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    aside = torch.tensor([[-4.0, 3.0]], dtype=torch.float64)
    found = torch.stack([0.5 * exact + aside, 0.5 * exact + aside, 0.5 * exact - aside, 0.9 * exact - aside])
    said = learning.compared(found, exact)
    assert said["slope"] == pytest.approx(0.6)
    assert said["slope_error"] == pytest.approx(0.2 / 2)
    assert said["aside"] == pytest.approx(0, abs=1e-12)
    assert said["variance"] == pytest.approx(float(found.flatten(1).var(0).sum()))
    assert learning.compared(found + 3 * aside, exact)["aside"] > 4


def test_with_lambda_1_no_critic_biases_and_with_the_exact_one_no_lambda_does(policy):
    for lam in (0.0, 0.5, 1.0):
        assert learning.value_errors(policy, learning.critic_of(policy, "exact", 0), lam)["bias"] < 1e-12
    for critic in ("noisy", "constant"):
        values = learning.critic_of(policy, critic, 0)
        assert learning.value_errors(policy, values, 1.0)["bias"] < 1e-12
        assert learning.value_errors(policy, values, 0.0)["bias"] > 0.1


def test_at_lambda_1_the_variance_is_that_of_a_baseline(policy):
    """λ = 1 with exact values is REINFORCE with V(s) as baseline."""
    found = learning.gradients(policy, "value", 4000, seed=0, group=1).flatten(1)
    said = learning.value_errors(policy, learning.critic_of(policy, "exact", 0), 1.0)
    size = learning.exact_gradient(policy).square().sum()
    assert said["variance"] == pytest.approx(float(found.var(0).sum() / size), rel=0.1)


def test_a_critic_says_one_thing_of_one_state(policy):
    ids, is_answer = policy.answers()
    rows, mask = policy.rows(ids)[:, :-1], is_target(is_answer)
    for critic in learning.CRITICS:
        values = learning.critic_of(policy, critic, 1)
        assert (values[~mask] == 0).all()
        for row in range(len(policy.table)):
            here = values[mask & (rows == row)]
            assert len(here) == 0 or (here == here[0]).all()


def test_unknown_names_are_answered_with_the_known(policy):
    with pytest.raises(ValueError, match="none, mean, value"):
        learning.gradients(policy, "median", 1, seed=0)
    with pytest.raises(ValueError, match="exact, noisy, constant"):
        learning.critic_of(policy, "good", 0)


def test_advantages_of_a_group_are_those_of_the_gradients(policy):
    ids, is_answer = policy.answers()
    drawn = torch.tensor([0, 3, 9, 5])
    rewards, mask = learning.rewards_of(policy)[drawn], is_target(is_answer[drawn])
    none, others, value = (
        learning.advantages_of(policy, baseline, ids[drawn], 2.0).expand(-1, 3) for baseline in learning.LEARNING
    )
    close(none, (rewards + 2)[:, None].expand(-1, 3))
    close(others, torch.stack([(rewards[g] * 4 - rewards.sum()) / 3 for g in range(4)])[:, None].expand(-1, 3))
    close(value[mask], (rewards[:, None] - learning.values_of(policy)[drawn])[mask])


def test_a_policy_is_taught_and_a_baseline_takes_away_what_all_earn():
    plain, shifted = (learning.taught("others", 1, 0.2, updates=25, offset=offset) for offset in (0.0, 5.0))
    assert len(plain) == 26 and plain[-1] > plain[0] + 0.5
    assert plain[0] == pytest.approx(float(learning.expected(learning.policy_of(1)).detach()))
    assert shifted == pytest.approx(plain, abs=1e-6)
    assert learning.taught("none", 1, 0.2, updates=25, offset=5.0)[-1] != pytest.approx(plain[-1], abs=0.1)
