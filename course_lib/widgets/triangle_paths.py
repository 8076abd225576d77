"""How a policy over a few answers moves under each method, step by step, by the course's rooms: plain gradient steps.

    path("GRPO", three_answers(), Settings(n=64, group=8), steps=400)       [401 3], a policy a row

js/live_triangle.js computes the same in the page; tests/widgets/test_live_triangle.py holds the two equal, step by
step, on the same draws.
K answers · n answers a step · G of a group
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

from course_lib.foundations.checks import check_count, check_known, check_within
from course_lib.posttraining.checks import check_positive
from course_lib.posttraining.dpo import margins
from course_lib.posttraining.grpo import centred_rewards, group_advantages, grpo_loss, kl_penalty
from course_lib.posttraining.ppo import judge, policy_loss
from course_lib.posttraining.reinforce import beyond_the_others, reinforce_loss
from course_lib.toys.drawn_preferences import pair_table
from course_lib.toys.three_answers import World
from course_lib.widgets.page_random import Numbers, random_numbers

BASELINES = {"none": lambda f: f, "mean": centred_rewards, "others": beyond_the_others}


@dataclass(frozen=True)
class Settings:
    """What the reader may turn.

    rate: learning rate; n: answers drawn a step, at least 2. baseline: of REINFORCE, one of BASELINES. clip: ε of PPO
    and GRPO, math.inf for none; epochs: updates on the same answers. whiten, std: whether PPO's and GRPO's advantages
    are divided by their spread; group: GRPO's G; reweigh: its k3 by π / π_old. dpo_rate: DPO's learning rate; pairs:
    how many it has, drawn once, 0 for endless data; missing: an answer that the pairs never show, -1 for none;
    flipped: share of turned labels. Raises ValueError for what is out of range.
    """

    rate: float = 0.3
    n: int = 32
    baseline: str = "others"
    clip: float = 0.2
    epochs: int = 4
    whiten: bool = True
    std: bool = True
    group: int = 8
    reweigh: bool = False
    dpo_rate: float = 2.0
    pairs: int = 0
    missing: int = -1
    flipped: float = 0.0

    def __post_init__(self) -> None:
        check_positive("rate", self.rate)
        check_positive("dpo_rate", self.dpo_rate)
        check_within("clip", self.clip, 0, math.inf)
        check_count("n", self.n, 2)
        check_count("group", self.group, 2)
        check_count("epochs", self.epochs, 1)
        check_count("pairs", self.pairs, 0)
        check_known("baseline", self.baseline, BASELINES)
        check_within("missing", self.missing, -1, 2)
        check_within("flipped", self.flipped, 0, 1)


def path(
    method: str,
    world: World,
    settings: Settings = Settings(),
    *,
    steps: int,
    start: Float[Tensor, " K"] | None = None,
    numbers: Numbers | None = None,
) -> Float[Tensor, "steps+1 K"]:
    """log-probabilities after each step. start: log-probabilities, of the reference if None. numbers: in [0, 1), one
    for each draw; those of seed 0 if None. Raises ValueError for an unknown method."""
    check_known("method", method, METHODS)
    step = METHODS[method](world, settings, random_numbers(0) if numbers is None else numbers)
    logits = world.reference if start is None else start
    found = [logits]
    for _ in range(steps):
        found.append(step(found[-1]))
    return torch.stack(found).log_softmax(-1)


Step = Callable[[Float[Tensor, " K"]], Float[Tensor, " K"]]


def _descended(logits: Tensor, rate: float, loss: Callable[[Tensor], Tensor]) -> Float[Tensor, " K"]:
    """One step down the loss, which is a function of the policy's log-probabilities."""
    logits = logits.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits.log_softmax(0)), logits)
    return (logits - rate * gradient).detach()


def _exact(world: World, settings: Settings, numbers: Numbers) -> Step:
    return lambda logits: logits + settings.rate * world.gradient(logits)


def _reinforce(world: World, settings: Settings, numbers: Numbers) -> Step:
    """The reference is part of the reward, as k1 of the answer that was drawn."""

    def step(logits: Tensor) -> Tensor:
        policy = logits.log_softmax(0)
        answers = draw(policy.exp(), settings.n, numbers)
        f = (world.reward - world.beta * (policy - world.reference))[answers]
        advantages = BASELINES[settings.baseline](f[None]).view(-1, 1)
        is_answer = torch.tensor([[False, True]]).expand(settings.n, 2)
        return _descended(logits, settings.rate, lambda now: reinforce_loss(now[answers, None], is_answer, advantages))

    return step


def _ppo(world: World, settings: Settings, numbers: Numbers) -> Step:
    """The critic knows the exact mean of what the old policy earns."""

    def step(logits: Tensor) -> Tensor:
        policy = logits.log_softmax(0)
        answers = draw(policy.exp(), settings.n, numbers)
        mask = torch.ones(settings.n, 1, dtype=torch.bool)
        old, reference = policy[answers, None], world.reference[answers, None]
        values = world.worth(policy).expand(settings.n, 1)
        judged = judge(world.reward[answers], old, reference, values, mask, beta=world.beta)
        advantages = judged.advantages if settings.whiten else judged.returns - values
        for _ in range(settings.epochs):
            logits = _descended(
                logits,
                settings.rate,
                lambda now: policy_loss(now[answers, None], old, advantages, mask, clip=settings.clip),
            )
        return logits

    return step


def _dpo(world: World, settings: Settings, numbers: Numbers) -> Step:
    """Pairs of two answers of the reference, drawn before training."""
    covered = torch.arange(len(world.reward)) != settings.missing
    table = pair_table(world.reward, world.reference.exp(), covered=covered, flipped=settings.flipped)
    if settings.pairs:
        drawn = draw(table.flatten(), settings.pairs, numbers)
        table = drawn.bincount(minlength=table.numel()).view_as(table).to(table.dtype) / settings.pairs

    def loss(now: Tensor) -> Tensor:
        d = now - world.reference
        chosen, rejected = (each.flatten() for each in torch.meshgrid(d, d, indexing="ij"))
        return -(table.flatten() * logsigmoid(margins(chosen, rejected, world.beta))).sum()

    return lambda logits: _descended(logits, settings.dpo_rate, loss)


def _grpo(world: World, settings: Settings, numbers: Numbers) -> Step:
    """As many groups as n allows, at least one."""
    n = settings.group * max(1, settings.n // settings.group)
    mask = torch.ones(n, 1, dtype=torch.bool)

    def step(logits: Tensor) -> Tensor:
        policy = logits.log_softmax(0)
        answers = draw(policy.exp(), n, numbers)
        rewards = world.reward[answers].view(-1, settings.group)
        advantages = group_advantages(rewards) if settings.std else centred_rewards(rewards).flatten()
        old, reference = policy[answers, None], world.reference[answers, None]

        def loss(now: Tensor) -> Tensor:
            log_probs = now[answers, None]
            penalty = kl_penalty(log_probs, reference, beta=world.beta, old=old if settings.reweigh else None)
            return grpo_loss(log_probs, old, advantages, mask, clip=settings.clip, penalty=penalty)

        for _ in range(settings.epochs):
            logits = _descended(logits, settings.rate, loss)
        return logits

    return step


METHODS = {"exact": _exact, "REINFORCE": _reinforce, "PPO": _ppo, "DPO": _dpo, "GRPO": _grpo}


def draw(probs: Float[Tensor, " K"], n: int, numbers: Numbers) -> Int[Tensor, " n"]:
    """n places, each where the running sum of the probabilities first passes a number of [0, 1)."""
    sums = probs.cumsum(0)
    given = torch.tensor([next(numbers) for _ in range(n)], dtype=sums.dtype)
    return torch.searchsorted(sums, given, right=True).clamp(max=len(probs) - 1)
