"""Exact means and gradients of a bandit, and the players that learn from its payments."""

import pytest
import torch

from course_lib.toys.bandit import Bandit, play_greedy, play_softmax

MEANS = torch.tensor([0.2, -0.5, 1.0, 0.3], dtype=torch.float64)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_gradient_is_that_of_the_mean_payment():
    bandit = Bandit(MEANS)
    logits = torch.randn(5, 4, dtype=torch.float64, generator=chance(), requires_grad=True)
    (wanted,) = torch.autograd.grad(bandit.expected(logits).sum(), logits)
    torch.testing.assert_close(bandit.gradient(logits), wanted, atol=1e-12, rtol=0)


def test_payments_have_the_means_and_the_noise_that_were_asked_for():
    n = 200_000
    paid = Bandit(MEANS, noise=0.7).pull(torch.arange(4).repeat(n, 1), chance())
    assert (paid.mean(0) - MEANS).abs().max() < 5 * 0.7 / n**0.5
    assert (paid.std(0) - 0.7).abs().max() < 0.01
    assert Bandit(MEANS, noise=0).pull(torch.tensor([2, 1]), chance()).tolist() == [1.0, -0.5]


@pytest.mark.parametrize("baseline", [False, True])
def test_one_update_is_in_the_mean_the_exact_gradient(baseline):
    """After the first pull, whose baseline is 0 in both; the bound is 5 standard errors of what was drawn."""
    bandit, n, lr = Bandit(MEANS, noise=0.5), 100_000, 0.1
    _, logits = play_softmax(bandit, n, 1, lr, chance(), baseline=baseline)
    exact = lr * bandit.gradient(torch.zeros(4, dtype=torch.float64))
    assert ((logits.mean(0) - exact).abs() < 5 * logits.std(0) / n**0.5).all()


def test_the_second_update_takes_the_first_payment_as_its_baseline():
    """One player, no noise: by hand. Where the same arm comes twice, the second payment is no surprise."""
    bandit, lr = Bandit(MEANS, noise=0), 0.3
    for seed in range(8):
        arms, logits = play_softmax(bandit, 1, 2, lr, chance(seed))
        one, two = arms[0].tolist()
        by_hand = torch.zeros(4, dtype=torch.float64)
        by_hand += lr * MEANS[one] * (torch.eye(4, dtype=torch.float64)[one] - by_hand.softmax(-1))
        by_hand += lr * (MEANS[two] - MEANS[one]) * (torch.eye(4, dtype=torch.float64)[two] - by_hand.softmax(-1))
        torch.testing.assert_close(logits[0], by_hand, atol=1e-12, rtol=0)


def test_both_ways_of_playing_find_the_best_arm():
    bandit = Bandit(MEANS, noise=0.5)
    for arms in (play_softmax(bandit, 200, 300, 0.2, chance())[0], play_greedy(bandit, 200, 300, 0.1, chance())[0]):
        assert (arms[:, :10] == 2).double().mean() < 0.5
        assert (arms[:, -50:] == 2).double().mean() > 0.8


def test_means_found_are_the_means_of_what_was_paid():
    """Each of 400 pulls at random counts as much as the others: errors of 0.5 / √100."""
    _, means = play_greedy(Bandit(MEANS, noise=0.5), 200, 400, 1.0, chance())
    assert (means - MEANS).square().mean().sqrt() == pytest.approx(0.05, rel=0.1)
    arms, means = play_greedy(Bandit(MEANS, noise=0), 50, 60, 0.5, chance())
    for row in range(50):
        tried = arms[row].unique()
        torch.testing.assert_close(means[row, tried], MEANS[tried], atol=1e-12, rtol=0)
    arms, _ = play_greedy(Bandit(MEANS, noise=0), 50, 60, 0.0, chance())
    assert arms.eq(0).all()  # the first arm pays more than the 0 that the others promise: nobody ever looks further


@pytest.mark.parametrize(
    ("slip", "message"),
    [
        (lambda: Bandit(MEANS[:1]), r"means \[0.2\] must be two finite numbers or more"),
        (lambda: Bandit(MEANS / 0), "must be two finite numbers"),
        (lambda: Bandit(MEANS, noise=-1), r"noise \(-1\) must be a standard deviation"),
        (lambda: play_greedy(Bandit(MEANS), 1, 1, 1.5, chance()), r"epsilon \(1.5\) must be a share"),
        (lambda: play_softmax(Bandit(MEANS), 0, 1, 1.0, chance()), r"n_players \(0\) must be at least 1"),
    ],
)
def test_bad_settings_are_refused(slip, message):
    with pytest.raises(ValueError, match=message):
        slip()
