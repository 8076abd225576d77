"""A bandit: one decision, no state; each arm pays a chance amount around its own mean (Sutton & Barto 2018, chapter 2).

A arms · N players · K pulls of each
The smallest thing that can be learned from rewards alone. A softmax over the arms' preferences is the policy, the
gradient of the expected payment is known exactly, and one pull estimates it: REINFORCE with a single action.
Read first: nothing.  Chapter 20.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.foundations.checks import check_count, check_floating


@dataclass(frozen=True, eq=False)
class Bandit:
    """means: what each arm pays on average. noise: standard deviation of a payment, the same for all arms."""

    means: Float[Tensor, " A"]
    noise: float = 1.0

    def __post_init__(self):
        check_floating("means", self.means)
        if self.means.ndim != 1 or len(self.means) < 2 or not self.means.isfinite().all():
            raise ValueError(f"means {self.means.tolist()} must be two finite numbers or more, one an arm")
        if not 0 <= self.noise < float("inf"):
            raise ValueError(f"noise ({self.noise}) must be a standard deviation, 0 or more")

    def pull(self, arms: Int[Tensor, "*players"], generator: torch.Generator) -> Float[Tensor, "*players"]:
        """What the arms pay this time."""
        chance = torch.randn(arms.shape, generator=generator, dtype=self.means.dtype)
        return self.means[arms] + self.noise * chance

    def expected(self, logits: Float[Tensor, "*players A"]) -> Float[Tensor, "*players"]:
        """J = Σ π(a) mean(a) of the softmax policy."""
        return logits.softmax(-1) @ self.means

    def gradient(self, logits: Float[Tensor, "*players A"]) -> Float[Tensor, "*players A"]:
        """∂J/∂logits = π(a) (mean(a) - J): an arm gains what it pays beyond the average, by how often it is tried."""
        return logits.softmax(-1) * (self.means - self.expected(logits)[..., None])


def play_softmax(
    bandit: Bandit, n_players: int, n_pulls: int, lr: float, generator: torch.Generator, *, baseline: bool = True
) -> tuple[Int[Tensor, "N K"], Float[Tensor, "N A"]]:
    """The gradient bandit (section 2.8): after each pull, logits += lr · (payment - baseline) · ∇ log π(arm).

    baseline: the mean of a player's payments so far, 0 before the first; False: 0 always. All players begin with equal
    logits. Returns the arms they pulled and their last logits.
    """
    check_count("n_players", n_players, 1)
    check_count("n_pulls", n_pulls, 1)
    logits = bandit.means.new_zeros(n_players, len(bandit.means))
    mean, pulled = logits.new_zeros(n_players), []
    for k in range(n_pulls):
        probs = logits.softmax(-1)
        arms = probs.multinomial(1, generator=generator)[:, 0]
        paid = bandit.pull(arms, generator)
        toward = -probs
        toward[torch.arange(n_players), arms] += 1
        logits = logits + lr * (paid - mean)[:, None] * toward
        if baseline:
            mean = mean + (paid - mean) / (k + 1)
        pulled.append(arms)
    return torch.stack(pulled, dim=1), logits


def play_greedy(
    bandit: Bandit, n_players: int, n_pulls: int, epsilon: float, generator: torch.Generator
) -> tuple[Int[Tensor, "N K"], Float[Tensor, "N A"]]:
    """ε-greedy (section 2.2): the arm with the best mean so far, and in a share ε of pulls any arm at all.

    Means begin at 0; among equals the first is taken. Returns the arms pulled and the means found (0 where never).
    """
    check_count("n_players", n_players, 1)
    check_count("n_pulls", n_pulls, 1)
    if not 0 <= epsilon <= 1:
        raise ValueError(f"epsilon ({epsilon}) must be a share, 0 … 1")
    n_arms, rows = len(bandit.means), torch.arange(n_players)
    means = bandit.means.new_zeros(n_players, n_arms)
    counts, pulled = torch.zeros_like(means), []
    for _ in range(n_pulls):
        explores = torch.rand(n_players, generator=generator) < epsilon
        any_arm = torch.randint(n_arms, (n_players,), generator=generator)
        arms = torch.where(explores, any_arm, means.argmax(-1))
        counts[rows, arms] += 1
        means[rows, arms] += (bandit.pull(arms, generator) - means[rows, arms]) / counts[rows, arms]
        pulled.append(arms)
    return torch.stack(pulled, dim=1), means
