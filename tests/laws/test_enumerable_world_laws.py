"""Laws of the world of few answers, each against a second way to the same number; nothing is drawn but the worlds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch.nn.functional import logsigmoid

from course_lib.posttraining.dpo import margins
from course_lib.posttraining.kl import exact_kl
from course_lib.posttraining.log_probs import answer_log_probs, is_target
from course_lib.posttraining.rollout import write_answers
from course_lib.toys.drawn_preferences import draw_pairs, pair_table
from course_lib.toys.three_answers import World, three_answers
from course_lib.toys.token_mdp import TokenCritic, TokenPolicy, TokenReader, state_values

SEEDS, SIZES = st.integers(0, 2**32), st.integers(2, 6)
BETAS = st.floats(0.05, 5)
SHAPES = st.sampled_from([(3, 1, None), (2, 3, None), (2, 3, 1), (3, 2, 0), (4, 2, 3), (3, 3, 2)])


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def some_world(seed: int, n: int, beta: float) -> World:
    return World(normal(seed, n).log_softmax(0), normal(seed + 1, n), beta)


def some_policy(seed: int, shape) -> TokenPolicy:
    policy = TokenPolicy(*shape)
    policy.table.data = normal(seed, *policy.table.shape)
    return policy


def close(one: torch.Tensor, other: torch.Tensor, bound: float = 1e-10) -> None:
    torch.testing.assert_close(one, other, atol=bound, rtol=0)


# the closed form


@given(SEEDS, SIZES, BETAS)
def test_what_a_policy_lacks_is_beta_times_its_kl_to_the_best(seed, n, beta):
    world, policy = some_world(seed, n, beta), normal(seed + 2, n).log_softmax(0)
    close(world.lacks(policy), world.worth(world.best) - world.worth(policy), 1e-9)
    assert world.lacks(policy) >= -1e-12 and world.lacks(world.best).abs() < 1e-12
    close(world.worth(world.best), beta * (world.reference + world.reward / beta).logsumexp(0), 1e-9)


@given(SEEDS, SIZES, BETAS)
def test_the_gradient_is_autograd_s_and_0_at_the_best(seed, n, beta):
    world, logits = some_world(seed, n, beta), normal(seed + 2, n).requires_grad_()
    (wanted,) = torch.autograd.grad(world.worth(logits.log_softmax(0)), logits)
    close(world.gradient(logits.detach()), wanted)
    close(world.gradient(world.best), torch.zeros(n, dtype=torch.float64))


def test_beta_leads_from_the_best_answer_to_the_reference():
    assert three_answers(1e-3).best.exp()[0] > 1 - 1e-12
    close(three_answers(1e6).best, three_answers().reference, 1e-5)


# every answer of a table


@given(SEEDS, SHAPES)
def test_every_answer_is_listed_once_with_its_probability(seed, shape):
    policy = some_policy(seed, shape)
    ids, is_answer = policy.answers()
    V, L, end = shape
    assert len(ids) == (V**L if end is None else sum((V - 1) ** t for t in range(L)) + (V - 1) ** L)
    assert len(ids.unique(dim=0)) == len(ids)
    close(policy.listed().exp().sum(), torch.ones((), dtype=torch.float64))
    assert not policy(ids)[:, L].any() and policy(ids)[:, L - 1].any()
    for row, mask, found in zip(ids, is_answer, policy.listed()):
        words, state, by_hand = row[mask].tolist(), 0, 0.0
        for word in words:
            by_hand = by_hand + policy.table[state].log_softmax(0)[word]
            state = state * V + 1 + word
        close(found, by_hand)
        assert mask[0] == 0 and (end is None or end not in words[:-1])


@given(SEEDS, SHAPES)
def test_a_table_becomes_any_policy_over_its_answers(seed, shape):
    policy = TokenPolicy(*shape)
    wanted = normal(seed, len(policy.answers()[0])).log_softmax(0)
    policy.become(wanted)
    close(policy.listed(), wanted)


@given(SEEDS, SHAPES)
def test_values_are_means_of_what_is_to_come(seed, shape):
    """Backwards over the tree: V(s) = Σ π(a | s) (reward + V(s a)), from the listed answers' own rewards."""
    policy = some_policy(seed, shape)
    ids, is_answer = policy.answers()
    mask = is_target(is_answer)
    paid = normal(seed + 1, *policy.table.shape)  # a reward for each token in each state
    states = policy.rows(ids)[:, :-1]
    rewards = paid[states, ids[:, 1:]].masked_fill(~mask, 0)
    V, L, end = shape

    def worth(state: int, depth: int) -> torch.Tensor:
        if depth == L:
            return torch.zeros((), dtype=torch.float64)
        rest = [paid[state, a] + (0 if a == end else worth(state * V + 1 + a, depth + 1)) for a in range(V)]
        return policy.table[state].softmax(0) @ torch.stack(rest)

    values = state_values(policy, rewards)
    assert not values[~mask].any()
    for k, t in mask.nonzero().tolist():
        close(values[k, t], worth(int(states[k, t]), t))
    close(values[0, 0], policy.listed().exp() @ rewards.sum(1))


@given(seed=SEEDS, shape=SHAPES)
def test_a_critic_has_one_value_for_a_beginning_and_none_where_nothing_comes(seed, shape):
    """Told the exact values of one policy, it says them again: beginnings alike are one row."""
    policy = some_policy(seed, shape)
    ids, is_answer = policy.answers()
    mask, critic = is_target(is_answer), TokenCritic(policy)
    assert critic(ids).shape == (*ids.shape, 1) and not critic(ids).any()
    values = state_values(policy, normal(seed + 2, *mask.shape[:1])[:, None] * mask)
    critic.table.data[policy.rows(ids)[:, :-1][mask]] = values[mask]
    close(critic(ids)[:, :-1, 0][mask].detach(), values[mask])
    assert not critic(ids)[:, -1].any()


@pytest.mark.parametrize("shape", [(3, 3, 0), (2, 3, None)])
def test_roll_outs_are_as_frequent_as_listed(shape):
    """And each says its own log-probability to 1e-10, though most that are left end, and are dropped, word by word."""
    policy, n = some_policy(3, shape), 20_000
    policy.table.data[:, 0] += 2
    ids, is_answer = policy.answers()
    rolled = write_answers(
        TokenReader(policy), torch.zeros(1, 1, dtype=torch.int64), n=n, limit=shape[1], end=shape[2],
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    number = {tuple(row): k for k, row in enumerate(ids.tolist())}
    found = torch.tensor([number[tuple(row)] for row in rolled.ids.tolist()])
    assert torch.equal(rolled.is_answer, is_answer[found])
    close(answer_log_probs(rolled.log_probs, rolled.is_answer), policy.listed().detach()[found])
    assert chisquare(found.bincount(minlength=len(ids)), policy.listed().detach().exp() * n).pvalue > 1e-3


# preferences


@given(SEEDS, SIZES, st.floats(0, 1))
def test_pairs_are_drawn_and_judged_as_the_law_says(seed, n, flipped):
    reward, drawn = normal(seed, n), normal(seed + 1, n).softmax(0)
    table = pair_table(reward, drawn, flipped=flipped)
    close(table.sum(), torch.ones((), dtype=torch.float64))
    apart = 1 - (drawn**2).sum()
    for i in range(n):
        for j in range(n):
            prefers = torch.sigmoid(reward[i] - reward[j])
            right = (1 - flipped) * prefers + flipped * (1 - prefers)
            close(table[i, j], 2 * (i != j) * drawn[i] * drawn[j] * right / apart)


@given(SEEDS, SIZES)
def test_what_is_not_covered_is_never_shown(seed, n):
    covered = torch.ones(n + 1, dtype=torch.bool)
    covered[seed % (n + 1)] = False
    table = pair_table(normal(seed, n + 1), normal(seed, n + 1).softmax(0), covered=covered)
    assert not table[~covered].any() and not table[:, ~covered].any()
    close(table[covered][:, covered], pair_table(normal(seed, n + 1)[covered], normal(seed, n + 1).softmax(0)[covered]))


def dpo_of(policy: torch.Tensor, world: World, table: torch.Tensor) -> torch.Tensor:
    """DPO's loss, its mean over all pairs of the table in place of pairs that are drawn."""
    d = policy - world.reference
    chosen, rejected = (each.flatten() for each in torch.broadcast_tensors(d[:, None], d))
    return -(table.flatten() * logsigmoid(margins(chosen, rejected, world.beta))).sum()


@given(SEEDS, SIZES, BETAS)
def test_the_best_policy_is_where_dpo_stands_still(seed, n, beta):
    """With endless pairs; labels that are turned move the point, answers that are not shown leave it undetermined."""
    world, drawn = some_world(seed, n, beta), normal(seed + 3, n).softmax(0)

    def gradient(table: torch.Tensor) -> torch.Tensor:
        logits = world.best.clone().requires_grad_()
        return torch.autograd.grad(dpo_of(logits.log_softmax(0), world, table), logits)[0]

    close(gradient(pair_table(world.reward, drawn)), torch.zeros(n, dtype=torch.float64), 1e-11)
    assert gradient(pair_table(world.reward, drawn, flipped=0.2)).abs().max() > 1e-9


@settings(max_examples=5)
@given(SEEDS)
def test_dpo_on_endless_pairs_ends_at_the_best_policy(seed):
    """Newton-like descent from the reference on a table of two-token answers: KL to the closed form below 1e-10."""
    policy = TokenPolicy(3, 2, end=0)
    n = len(policy.answers()[0])
    world = some_world(seed, n, 1.0)
    policy.become(world.reference)
    table = pair_table(world.reward, world.reference.exp())
    descent = torch.optim.LBFGS(
        policy.parameters(), max_iter=500, tolerance_grad=1e-13, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def step() -> torch.Tensor:
        descent.zero_grad()
        loss = dpo_of(policy.listed(), world, table)
        loss.backward()
        return loss

    assert exact_kl(policy.listed(), world.best) > 1e-3
    descent.step(step)
    assert exact_kl(policy.listed(), world.best) < 1e-10


def test_pairs_come_as_often_as_the_table_says():
    table = pair_table(normal(0, 4), normal(1, 4).softmax(0), flipped=0.1)
    pairs = draw_pairs(table, 50_000, torch.Generator().manual_seed(0))
    there = table.flatten() > 0
    found = (pairs[:, 0] * 4 + pairs[:, 1]).bincount(minlength=16)
    assert not found[~there].any()
    assert chisquare(found[there], table.flatten()[there] * 50_000).pvalue > 1e-3


@pytest.mark.parametrize(
    ("slip", "message"),
    [
        (lambda: World(torch.zeros(3).double(), torch.zeros(3).double(), 1.0), "probabilities add up to 3"),
        (lambda: three_answers(0.0), r"beta \(0.0\) must be above 0"),
        (lambda: World(three_answers().reference, torch.tensor([0, 1, torch.nan]).double(), 1.0), "must be finite"),
        (lambda: TokenPolicy(3, 2, 3), r"end \(3\) must be a token, 0 to 2"),
        (lambda: TokenPolicy(100, 4), "100 tokens, 4 deep, make 1,010,101 beginnings"),
        (lambda: TokenPolicy(3, 2)(torch.zeros(1, 4, dtype=torch.int64)), "must have 1 to 3 columns"),
        (lambda: pair_table(normal(0, 2), torch.tensor([1.0, 0.0])), "only 1 of 2 answers are shown"),
        (lambda: pair_table(normal(0, 2), torch.tensor([0.5, 0.5]), flipped=2), r"flipped \(2\) must lie in 0 … 1"),
    ],
)
def test_what_makes_no_world_is_refused(slip, message):
    with pytest.raises(ValueError, match=message):
        slip()
