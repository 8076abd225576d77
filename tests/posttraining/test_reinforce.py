"""Writing, marking, learning: REINFORCE through the house's roll-out and its one update, on a world that is listed."""

import pytest
import torch

from course_lib.posttraining.reinforce import beyond_the_others, reinforce
from course_lib.posttraining.rollout import RollOut, write_answers
from course_lib.toys.three_answers import three_answers
from course_lib.toys.token_mdp import TokenPolicy, TokenReader
from course_lib.training.step import Settings, Update

PROMPT, G = torch.zeros(8, 1, dtype=torch.int64), 8
REWARD = torch.tensor([0.0, -0.5, 1.0, 0.4], dtype=torch.float64)  # of each word; an answer earns its words' sum
SETTINGS = dict(steps=60, lr=0.1, weight_decay=0.0)


def write(policy: TokenPolicy, generator: torch.Generator) -> tuple[RollOut, dict[str, torch.Tensor]]:
    rolled = write_answers(TokenReader(policy), PROMPT, n=G, limit=3, end=0, generator=generator)
    rewards = (REWARD[rolled.ids] * rolled.is_answer).sum(1)
    return rolled, rolled.batch(advantages=beyond_the_others(rewards.view(8, G)).view(-1, 1))


def worth(policy: TokenPolicy) -> float:
    ids, is_answer = policy.answers()
    return float(policy.listed().detach().exp() @ (REWARD[ids] * is_answer).sum(1))


def test_a_policy_learns_to_say_what_pays():
    """At best 3, by the answer 2 2 2; a uniform policy earns less than 0.7."""
    policy, generator = TokenPolicy(4, 3, end=0), torch.Generator().manual_seed(0)
    assert worth(policy) < 0.7
    update = Update(policy, Settings(**SETTINGS), loss=reinforce)
    for _ in range(60):
        update(write(policy, generator)[1])
    assert worth(policy) > 2.7


def test_a_batch_in_pieces_leads_the_same_way():
    policies = [TokenPolicy(4, 3, end=0) for _ in range(2)]
    batch = write(policies[0], torch.Generator().manual_seed(0))[1]
    for policy, accumulate in zip(policies, (1, 5)):
        Update(policy, Settings(**SETTINGS, accumulate=accumulate), loss=reinforce).gradient(batch)
    torch.testing.assert_close(policies[0].table.grad, policies[1].table.grad, atol=1e-12, rtol=0)


def test_what_was_written_at_a_temperature_is_learned_at_it():
    """As by a policy whose logits are that much larger; by the chain rule its gradient is divided, too."""
    warm, cold = TokenPolicy(4, 3, end=0), TokenPolicy(4, 3, end=0)
    warm.table.data = torch.randn(warm.table.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    cold.table.data = warm.table.data / 0.5
    batch = write(cold, torch.Generator().manual_seed(0))[1]
    (found,) = torch.autograd.grad(reinforce(warm, batch, temperature=0.5), warm.table)
    (wanted,) = torch.autograd.grad(reinforce(cold, batch), cold.table)
    torch.testing.assert_close(found, wanted / 0.5, atol=1e-12, rtol=0)


def test_the_batch_is_what_was_written():
    policy = TokenPolicy(4, 3, end=0)
    rolled, batch = write(policy, torch.Generator().manual_seed(0))
    assert list(batch) == ["ids", "is_token", "is_answer", "old", "advantages"]
    assert batch["old"] is rolled.log_probs and batch["ids"] is rolled.ids and batch["advantages"].shape == (64, 1)
    assert batch["is_token"] is rolled.is_token and batch["is_answer"] is rolled.is_answer


@pytest.mark.parametrize("beta", [0.3, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_with_the_kl_in_its_reward_the_mean_estimate_is_the_world_s_gradient(seed, beta):
    """All three answers at once, each weighed by its probability: r - β log(π / π_ref) is what an answer earns."""
    world, policy = three_answers(beta), TokenPolicy(3, 1)
    policy.table.data = torch.randn(1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    ids, is_answer = policy.answers()
    listed = policy.listed().detach()
    earned = world.reward - beta * (listed - world.reference)
    weights = 3 * listed.exp()  # the loss is a mean over three rows
    batch = {"ids": ids, "is_token": is_answer, "is_answer": is_answer, "advantages": (weights * earned)[:, None]}
    (gradient,) = torch.autograd.grad(reinforce(policy, batch), policy.table)
    torch.testing.assert_close(-gradient[0], world.gradient(listed), atol=1e-10, rtol=0)
