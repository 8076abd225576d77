"""GAE against its definition, the k-step advantages that it mixes, and exact values of a small chain."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.posttraining.gae import gae, whiten

SEEDS, SHARES = st.integers(0, 2**32), st.floats(0, 1)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(one, other, bound: float = 1e-12) -> None:
    torch.testing.assert_close(one, other, atol=bound, rtol=0)


def steps(seed: int, rows: int = 4, n: int = 7) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rewards, values, and a mask with gaps; each row has a step."""
    is_step = torch.rand(rows, n, generator=torch.Generator().manual_seed(seed)) < 0.6
    is_step[:, seed % n] = True
    return normal(seed, rows, n), normal(seed + 1, rows, n), is_step


def one_row(rewards: list[float], values: list[float], gamma: float, lam: float, after: float = 0.0) -> list[float]:
    """Equation 16 as it stands: a sum over the TD errors to come."""
    following = [*values[1:], after]
    errors = [r + gamma * v - u for r, v, u in zip(rewards, following, values)]
    return [sum((gamma * lam) ** (k - t) * errors[k] for k in range(t, len(errors))) for t in range(len(errors))]


def scattered(parts: list[list[float]], is_step: torch.Tensor) -> torch.Tensor:
    found = torch.zeros(is_step.shape, dtype=torch.float64)
    found[is_step] = torch.tensor([x for part in parts for x in part], dtype=torch.float64)
    return found


@given(SEEDS, SHARES, SHARES)
def test_it_is_its_definition_on_each_row_without_the_gaps(seed, gamma, lam):
    rewards, values, is_step = steps(seed)
    after = normal(seed + 2, 4)
    rows = [(r[m].tolist(), v[m].tolist()) for r, v, m in zip(rewards, values, is_step)]
    for value_after in (None, after):
        ends = [0.0] * 4 if value_after is None else value_after.tolist()
        expected = scattered([one_row(*row, gamma, lam, end) for row, end in zip(rows, ends)], is_step)
        close(gae(rewards, values, is_step, gamma=gamma, lam=lam, value_after=value_after), expected)


@given(SEEDS, SHARES, SHARES)
def test_an_episode_knows_nothing_of_the_next_in_its_row(seed, gamma, lam):
    """Cut after its last step, it gets the same advantages; the row's end may be cut off and go on."""
    rewards, values, is_step = steps(seed, rows=2, n=9)
    last, after = seed % 9, normal(seed + 2, 2)
    is_step[:, last] = True
    is_last = torch.zeros_like(is_step)
    is_last[:, last] = True
    given = dict(gamma=gamma, lam=lam)
    found = gae(rewards, values, is_step, is_last=is_last, value_after=after, **given)
    first = slice(None), slice(0, last + 1)
    close(found[first], gae(rewards[first], values[first], is_step[first], **given))
    if last < 8:
        rest = slice(None), slice(last + 1, None)
        close(found[rest], gae(rewards[rest], values[rest], is_step[rest], value_after=after, **given))


@given(SEEDS, SHARES)
def test_both_ends_of_lambda(seed, gamma):
    """0: the TD error. 1: the discounted rewards to come, less V; so advantage + V no longer needs the critic."""
    rewards, values, _ = steps(seed)
    full = torch.ones(4, 7, dtype=torch.bool)
    following = torch.cat([values[:, 1:], torch.zeros(4, 1, dtype=torch.float64)], 1)
    close(gae(rewards, values, full, gamma=gamma, lam=0.0), rewards + gamma * following - values)
    powers = gamma ** torch.arange(7, dtype=torch.float64)
    to_come = torch.stack([(rewards[:, t:] * powers[: 7 - t]).sum(1) for t in range(7)], 1)
    close(gae(rewards, values, full, gamma=gamma, lam=1.0) + values, to_come)
    close(gae(rewards, 0 * values, full, gamma=gamma, lam=1.0), to_come)


@given(SEEDS, SHARES, st.floats(0, 0.99))
def test_it_is_the_mean_of_the_k_step_advantages(seed, gamma, lam):
    """(1 - λ) Σ λ^{k-1} A^{(k)}, the last one with all the weight that is left: the paper's section 3."""
    rewards, values, _ = steps(seed, rows=1)
    r, v = rewards[0].tolist(), [*values[0].tolist(), 0.0]
    k_step = [sum(gamma**l * r[l] for l in range(k)) + gamma**k * v[k] - v[0] for k in range(1, 8)]
    weights = [(1 - lam) * lam ** (k - 1) for k in range(1, 7)] + [lam**6]
    found = gae(rewards, values, torch.ones(1, 7, dtype=torch.bool), gamma=gamma, lam=lam)[0, 0]
    assert float(found) == pytest.approx(sum(w * a for w, a in zip(weights, k_step)), abs=1e-11)


@given(SEEDS, SHARES, SHARES)
def test_what_stands_where_no_step_is_plays_no_part(seed, gamma, lam):
    rewards, values, is_step = steps(seed)
    wild = torch.where(is_step, rewards, torch.nan), torch.where(is_step, values, torch.inf)
    found = gae(*wild, is_step, gamma=gamma, lam=lam, is_last=~is_step)
    assert torch.equal(found, gae(rewards, values, is_step, gamma=gamma, lam=lam))
    assert (found[~is_step] == 0).all()


@given(SEEDS, SHARES, SHARES)
def test_with_the_right_critic_it_is_zero_on_average(seed, gamma, lam):
    """A chain of coin flips, whose exact V is known: E[A] = 0 at every step, over all 2^5 ways that it can go."""
    n, bring = 5, normal(seed, 5, 2)
    values = torch.zeros(n + 1, dtype=torch.float64)
    for t in reversed(range(n)):
        values[t] = bring[t].mean() + gamma * values[t + 1]
    ways = torch.cartesian_prod(*[torch.arange(2)] * n)
    rewards = bring.gather(1, ways.T).T
    found = gae(rewards, values[:n].expand(32, n), torch.ones(32, n, dtype=torch.bool), gamma=gamma, lam=lam)
    close(found.mean(0), torch.zeros(n, dtype=torch.float64))


@given(SEEDS)
def test_whitened_advantages_have_mean_0_and_variance_1(seed):
    values, _, mask = steps(seed)
    found = whiten(100 + 7 * values, mask)
    assert (found[~mask] == 0).all()
    close(found[mask].mean(), torch.tensor(0.0, dtype=torch.float64))
    if mask.sum() > 2:
        close(found[mask].var(), torch.tensor(1.0, dtype=torch.float64), 1e-6)
    close(whiten(torch.where(mask, values, 1e9), mask), whiten(values, mask))
    assert torch.equal(whiten(0 * values + 3, mask), torch.zeros_like(values))
