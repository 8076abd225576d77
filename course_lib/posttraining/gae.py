"""How much better an action was than expected: GAE, generalised advantage estimation (Schulman et al. 2015,
arXiv:1506.02438).

B rows · N steps.  Step t is taken in state t, brings rewards[:, t], and leads to the next step of its row. For a
language model a step is a token: values[:, t] is what the critic says after ids[:, : t + 1], before ids[:, t + 1].
    δ_t = r_t + γ V(s_{t+1}) - V(s_t)
    A_t = δ_t + γλ A_{t+1} = Σ_l (γλ)^l δ_{t+l}          equation 16
λ = 0: one step and then trust the critic (little variance, its bias). λ = 1: the rewards as they came, less V.
Read first: log_probs.py.  Chapters 20 and 21.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course_lib.foundations.checks import check_within
from course_lib.posttraining.checks import check_alike, check_frozen, check_numbers
from course_lib.posttraining.log_probs import check_masked, masked_mean


def gae(
    rewards: Float[Tensor, "B N"],
    values: Float[Tensor, "B N"],
    is_step: Bool[Tensor, "B N"],
    *,
    gamma: float = 1.0,
    lam: float = 0.95,
    is_last: Bool[Tensor, "B N"] | None = None,
    value_after: Float[Tensor, " B"] | None = None,
) -> Float[Tensor, "B N"]:
    """Advantages; 0 where there is no step. What stands there, between two steps or behind the last, plays no part.

    is_last: True at the last step of an episode, where a row holds several: nothing comes after it.
    value_after: V of the state in which each row's last step was cut off; None: the row ended, nothing more to come.
    Raises ValueError for shapes that differ, NaN, values that ask for gradients, and γ or λ outside 0 … 1.
    """
    check_alike(rewards=rewards, values=values)
    for mask in (is_step,) if is_last is None else (is_step, is_last):
        check_masked(rewards, mask)
    check_frozen(rewards=rewards, values=values)
    check_within("gamma", gamma, 0, 1)
    check_within("lam", lam, 0, 1)
    rewards, values = rewards.masked_fill(~is_step, 0), values.masked_fill(~is_step, 0)
    check_numbers("rewards", rewards)
    check_numbers("values", values)
    ends = torch.zeros_like(is_step) if is_last is None else is_last & is_step
    next_value = next_advantage = torch.zeros_like(rewards[:, 0])
    if value_after is not None:
        check_alike(value_after=value_after, row=next_value)
        check_frozen(value_after=value_after)
        next_value = value_after
    advantages = torch.zeros_like(rewards)
    for t in reversed(range(rewards.shape[1])):
        next_value, next_advantage = (x.masked_fill(ends[:, t], 0) for x in (next_value, next_advantage))
        advantage = rewards[:, t] + gamma * next_value - values[:, t] + gamma * lam * next_advantage
        advantages[:, t] = advantage.masked_fill(~is_step[:, t], 0)
        next_value = torch.where(is_step[:, t], values[:, t], next_value)
        next_advantage = torch.where(is_step[:, t], advantage, next_advantage)
    return advantages


def whiten(values: Float[Tensor, "B N"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B N"]:
    """Mean 0 and variance 1 over all True places together, 0 elsewhere: (x - mean) / sqrt(variance + 1e-8), where the
    variance divides by n - 1. Raises ValueError for fewer than two places."""
    check_masked(values, mask)
    if (n := int(mask.sum())) < 2:
        raise ValueError(f"{n} places are True; a variance needs at least 2")
    centred = values - masked_mean(values, mask)
    variance = masked_mean(centred**2, mask) * n / (n - 1)
    return (centred / (variance + 1e-8).sqrt()).masked_fill(~mask, 0)
