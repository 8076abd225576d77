"""Policy gradients and advantages where every answer can be listed: what is estimated is known exactly.

K answers · N most tokens of one · R rows of the policy's table, V numbers each · G answers of a group, n groups
    止 平 仄      an answer is syllables up to 止: 平仄平仄止. It earns 1 for each turn from 平 to 仄 or back.
The policy is toys/token_mdp.py's table; the reward comes when all is said. Chapter 20.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from course_lib.foundations.checks import check_count, check_known
from course_lib.posttraining.gae import gae
from course_lib.posttraining.grpo import centred_rewards
from course_lib.posttraining.log_probs import is_target
from course_lib.posttraining.reinforce import beyond_the_others, reinforce
from course_lib.posttraining.rollout import write_answers
from course_lib.toys.syllables import END as END
from course_lib.toys.syllables import SYLLABLES as SYLLABLES
from course_lib.toys.syllables import policy_of, rewards_of, turns
from course_lib.toys.syllables import read as read
from course_lib.toys.token_mdp import TokenPolicy, TokenReader, at_the_end, state_values
from course_lib.training.step import Settings, Update

GROUP = 4
NOISE = 0.5  # of a poor critic, in standard deviations of the rewards
FAR = 10.0  # far above every reward
BASELINES = ("none", "mean", "value", "others", "far", "group")
LEARNING = ("none", "others", "value")
CRITICS = ("exact", "noisy", "constant")


def expected(policy: TokenPolicy) -> Float[Tensor, ""]:
    """J = Σ π r, with its gradient."""
    return policy.listed().exp() @ rewards_of(policy)


def exact_gradient(policy: TokenPolicy) -> Float[Tensor, "R V"]:
    """∂J/∂table, by listing all answers."""
    (found,) = torch.autograd.grad(expected(policy), policy.table)
    return found


@torch.no_grad()
def pushes(policy: TokenPolicy) -> Float[Tensor, "K N R V"]:
    """∂ log π / ∂table of each token of each answer: 1 at the token, less the probabilities, in the row asked."""
    ids, is_answer = policy.answers()
    rows = policy.rows(ids)[:, :-1]
    toward = one_hot(ids[:, 1:], policy.n_vocab) - policy.table.softmax(-1)[rows]
    toward = toward * is_target(is_answer)[..., None]
    return one_hot(rows, len(policy.table))[..., None] * toward[:, :, None]


@torch.no_grad()
def values_of(policy: TokenPolicy) -> Float[Tensor, "K N"]:
    """Exact V(s) before each token of each answer; 0 outside."""
    return state_values(policy, at_the_end(rewards_of(policy), policy.answers()[1]))


@torch.no_grad()
def gradients(policy: TokenPolicy, baseline: str, n: int, seed: int, *, group: int = GROUP) -> Float[Tensor, "n R V"]:
    """n estimates of the gradient, each the mean over a group of answers of (reward - baseline) · ∇ log π.

    baseline: none; mean, of all rewards (exact); value, V(s) of each token (exact); others, the mean of the others of
    the group; far, the constant FAR; group, the mean of the group with the answer in it.
    The same seed draws the same answers for every baseline. Raises ValueError for an unknown one.
    """
    check_known("baseline", baseline, BASELINES)
    check_count("n", n, 1)
    probs, rewards = policy.listed().exp(), rewards_of(policy)
    chance = torch.Generator().manual_seed(seed)
    drawn = probs.multinomial(n * group, replacement=True, generator=chance).view(n, group)
    toward = pushes(policy)
    if baseline == "value":
        beyond = rewards[:, None] - values_of(policy)
        each, advantages = torch.einsum("kt,ktrv->krv", beyond, toward), torch.ones_like(rewards)[drawn]
    else:
        each, advantages = toward.sum(1), ADVANTAGES[baseline](rewards[drawn], probs @ rewards)
    return sum(advantages[:, g, None, None] * each[drawn[:, g]] for g in range(group)) / group


ADVANTAGES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "none": lambda rewards, mean: rewards,
    "mean": lambda rewards, mean: rewards - mean,
    "others": lambda rewards, mean: beyond_the_others(rewards),
    "far": lambda rewards, mean: rewards - FAR,
    "group": lambda rewards, mean: centred_rewards(rewards),
}


def compared(found: Float[Tensor, "n R V"], exact: Float[Tensor, "R V"]) -> dict[str, float]:
    """Estimates beside the exact gradient g: slope, of their mean along g (1: as long as g), with its standard error;
    aside, what is left beside g, in standard errors of it (about 1: chance alone); variance, of all numbers together.
    """
    found, exact = found.flatten(1), exact.flatten()
    n, along = len(found), found @ exact / exact.square().sum()
    left = found - along[:, None] * exact
    spread = left.var(0).sum() / n
    return {
        "slope": float(along.mean()),
        "slope_error": float(along.std() / n**0.5),
        "aside": float(left.mean(0).norm() / spread.sqrt()),
        "variance": float(found.var(0).sum()),
    }


@torch.no_grad()
def critic_of(policy: TokenPolicy, critic: str, seed: int) -> Float[Tensor, "K N"]:
    """Values before each token of each answer. exact: V(s). noisy: V(s) and a chance error for each state, NOISE times
    the rewards' standard deviation. constant: the mean reward. Raises ValueError for an unknown one."""
    check_known("critic", critic, CRITICS)
    ids, is_answer = policy.answers()
    mask = is_target(is_answer)
    probs, rewards = policy.listed().exp(), rewards_of(policy)
    mean = probs @ rewards
    if critic == "constant":
        return mean.expand(mask.shape).masked_fill(~mask, 0)
    values = values_of(policy)
    if critic == "noisy":
        deviation = (probs @ (rewards - mean).square()).sqrt()
        chance = torch.Generator().manual_seed(seed)
        errors = NOISE * deviation * torch.randn(len(policy.table), generator=chance, dtype=values.dtype)
        values = values + errors[policy.rows(ids)[:, :-1]]
    return values.masked_fill(~mask, 0)


@torch.no_grad()
def value_errors(policy: TokenPolicy, values: Float[Tensor, "K N"], lam: float) -> dict[str, float]:
    """What GAE with these values makes of the gradient of one answer, by listing all, nothing is drawn.

    bias: length of (its mean - exact), as a share of the exact one's. variance: of one answer's estimate, as a share of
    the exact one's squared length.
    """
    probs, mask = policy.listed().exp(), is_target(policy.answers()[1])
    paid = at_the_end(rewards_of(policy), policy.answers()[1])
    advantages = gae(paid, values, mask, gamma=1.0, lam=lam)
    each = torch.einsum("kt,ktrv->krv", advantages, pushes(policy)).flatten(1)
    with torch.enable_grad():
        exact = exact_gradient(policy).flatten()
    mean, size = probs @ each, exact.square().sum()
    variance = probs @ (each - mean).square().sum(1)
    return {"bias": float((mean - exact).norm() / size.sqrt()), "variance": float(variance / size)}


def advantages_of(policy: TokenPolicy, baseline: str, ids: Int[Tensor, "G T"], offset: float) -> Float[Tensor, "G _"]:
    """Of a group of answers: none, others or value, as `gradients` has them. offset: what each earns besides."""
    check_known("baseline", baseline, LEARNING)
    rewards = turns(ids) + offset
    if baseline == "others":
        return beyond_the_others(rewards[None])[0, :, None]
    if baseline == "none":
        return rewards[:, None]
    rows, is_answer = policy.rows(policy.answers()[0])[:, :-1], policy.answers()[1]
    table = torch.zeros(len(policy.table) + 1, dtype=rewards.dtype)
    table[rows[is_target(is_answer)]] = values_of(policy)[is_target(is_answer)] + offset
    return rewards[:, None] - table[policy.rows(ids)[:, :-1]]


def taught(baseline: str, seed: int, lr: float, *, updates: int, offset: float = 0.0, group: int = 8) -> list[float]:
    """J before the first update and after each, exactly; an update has `group` answers of the policy as it is."""
    policy, chance = policy_of(seed), torch.Generator().manual_seed(seed)
    settings = Settings(steps=updates, lr=lr, warmup=0.0, weight_decay=0.0, clip=math.inf)
    update, earns = Update(policy, settings, loss=reinforce), [float(expected(policy).detach())]
    start = torch.zeros(1, 1, dtype=torch.int64)
    for _ in range(updates):
        said = write_answers(
            TokenReader(policy), start, n=group, limit=policy.longest, end=policy.end, generator=chance
        )
        with torch.no_grad():
            advantages = advantages_of(policy, baseline, said.ids, offset)
        update(said.batch(advantages=advantages))
        earns.append(float(expected(policy).detach()))
    return earns
