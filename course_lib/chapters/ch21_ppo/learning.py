"""PPO where every answer is listed: what steps on old answers do, and how near to the best policy it comes.

K answers · S rounds · R beginnings · n answers a round · T tokens · N = T - 1
Two worlds. Three answers of one token: plain gradient steps of one size, the exact mean as the critic; the page's live
triangle does the same. A strip of syllables (chapter 20): a reward at its end, a penalty at each token, and a critic
that has to learn. In both π* is known, and KL(π ‖ π*) says what the policy lacks.  Chapter 21.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.foundations.checks import check_known
from course_lib.posttraining import on_policy
from course_lib.posttraining.gae import gae
from course_lib.posttraining.kl import exact_kl
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.posttraining.ppo import judge, penalised_rewards, policy_loss, ppo_loss
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.rollout import RollOut, write_answers
from course_lib.posttraining.sft import n_targets
from course_lib.toys.syllables import LONGEST, policy_of, rewards_of, turns
from course_lib.toys.three_answers import World, three_answers
from course_lib.toys.token_mdp import TokenCritic, TokenPolicy, TokenReader, state_values
from course_lib.training.step import Settings, Update
from course_lib.widgets import triangle_paths
from course_lib.widgets.page_random import random_numbers

LOSSES = ("REINFORCE", "ratio", "clip")
START = torch.zeros(1, 1, dtype=torch.int64)


class Reused(NamedTuple):
    """Steps on answers drawn once, before each and after the last: log-probabilities of all answers, what the loss
    believes to have gained, what the policy is truly worth, and π / π_old of each answer."""

    log_probs: Float[Tensor, "S+1 K"]
    believed: Float[Tensor, " S+1"]
    worth: Float[Tensor, " S+1"]
    ratios: Float[Tensor, "S+1 K"]


class Way(NamedTuple):
    """Before each round and after the last: log π of each answer, KL(π ‖ π*), and J(π).

    figures: of each update, by name; none from `to_best`.
    """

    log_probs: Float[Tensor, "S+1 K"]
    kl: Float[Tensor, " S+1"]
    worth: Float[Tensor, " S+1"]
    figures: dict[str, list[float]]

    @property
    def probs(self) -> Float[Tensor, "S+1 K"]:
        return self.log_probs.exp()


def reuse(
    loss: str = "ratio",
    *,
    steps: int = 16,
    n: int = 16,
    clip: float = 0.2,
    rate: float = 1.0,
    world: World | None = None,
    seed: int = 0,
) -> Reused:
    """`steps` gradient steps on the same n answers, which the reference wrote.

    loss: REINFORCE, A log π; ratio, A π / π_old, nothing clipped; clip, PPO's. A is what an answer earned, less the
    mean of the n. Raises ValueError for another.
    """
    check_known("loss", loss, LOSSES)
    world = world or three_answers()
    chance = torch.Generator().manual_seed(seed)
    drawn = world.reference.exp().multinomial(n, replacement=True, generator=chance)
    advantages = (world.reward[drawn] - world.reward[drawn].mean())[:, None]
    old, mask = world.reference[drawn, None], torch.ones(n, 1, dtype=torch.bool)

    def objective(now: Float[Tensor, " K"]) -> Float[Tensor, ""]:
        log_probs = now[drawn, None]
        if loss == "REINFORCE":
            return (log_probs * advantages).mean()
        return -policy_loss(log_probs, old, advantages, mask, clip=clip if loss == "clip" else math.inf)

    logits, found, believed = world.reference, [], []
    for step in range(steps + 1):
        logits = logits.detach().requires_grad_()
        value = objective(logits.log_softmax(0))
        found.append(logits.detach().log_softmax(0))
        believed.append(value.detach())
        if step < steps:
            logits = logits + rate * torch.autograd.grad(value, logits)[0]
    log_probs = torch.stack(found)
    believed = torch.stack(believed) - believed[0]
    return Reused(log_probs, believed, worth_of(world, log_probs), (log_probs - world.reference).exp())


def worth_of(world: World, log_probs: Float[Tensor, "S K"]) -> Float[Tensor, " S"]:
    """J of each policy."""
    return torch.stack([world.worth(each) for each in log_probs])


def way_of(world: World, log_probs: Float[Tensor, "S K"], figures: dict[str, list[float]]) -> Way:
    kl = exact_kl(log_probs, world.best.expand_as(log_probs))
    return Way(log_probs, kl, worth_of(world, log_probs), figures)


def to_best(
    *,
    clip: float = 0.2,
    epochs: int = 4,
    whiten: bool = True,
    n: int = 32,
    rate: float = 0.3,
    rounds: int = 400,
    world: World | None = None,
    seed: int = 0,
) -> Way:
    """PPO on three answers: `rounds` times n answers, `epochs` plain gradient steps on them, all of one size.

    whiten: advantages divided by their spread. world: its β is the penalty's; default three_answers.
    """
    world = world or three_answers()
    settings = triangle_paths.Settings(rate=rate, n=n, clip=clip, epochs=epochs, whiten=whiten)
    path = triangle_paths.path("PPO", world, settings, steps=rounds, numbers=random_numbers(seed))
    return way_of(world, path, {})


class Strip(NamedTuple):
    """A world of syllables and who learns in it. reference: the policy as it was."""

    world: World
    actor: TokenPolicy
    critic: TokenCritic
    reference: Reference

    def learners(self) -> nn.ModuleDict:
        """As ppo_loss takes them; the reference is kept with the two."""
        return nn.ModuleDict({"actor": self.actor, "critic": self.critic, "reference": self.reference})


def strip(seed: int = 11, *, beta: float = 0.5, longest: int = LONGEST) -> Strip:
    """Chapter 20's policy of chance habits as the reference; an answer earns 1 for each turn."""
    actor = policy_of(seed, longest)
    world = World(actor.listed().detach(), rewards_of(actor), beta)
    return Strip(world, actor, TokenCritic(actor), Reference(actor))


@torch.no_grad()
def exact_values(strip: Strip) -> Float[Tensor, " R"]:
    """V of each beginning under the actor as it is now, penalties to come included; 0 where nobody writes on."""
    ids, is_answer = strip.actor.answers()
    old, heard = (token_log_probs(model(ids), ids) for model in (strip.actor, strip.reference))
    mask = is_target(is_answer)
    paid = penalised_rewards(strip.world.reward, old, heard, mask, beta=strip.world.beta)
    values = torch.zeros_like(strip.critic.table)
    values[strip.actor.rows(ids)[:, :-1][mask]] = state_values(strip.actor, paid)[mask]
    return values


def written(strip: Strip, n: int, generator: torch.Generator) -> RollOut:
    """n answers of the actor as it is now."""
    reader = TokenReader(strip.actor)
    return write_answers(reader, START, n=n, limit=strip.actor.longest, end=strip.actor.end, generator=generator)


@torch.no_grad()
def judged(
    strip: Strip, answers: RollOut, *, lam: float = 0.95, whiten: bool = True, exact: bool = False
) -> dict[str, Tensor]:
    """What ppo_loss takes: the answers, and their values, advantages, returns. exact: the critic is set to V first."""
    if exact:
        strip.critic.table.copy_(exact_values(strip))
    values = strip.critic(answers.ids)[:, :-1, 0]
    heard = token_log_probs(strip.reference(answers.ids), answers.ids)
    mask, old = is_target(answers.is_answer), answers.log_probs
    found = judge(turns(answers.ids), old, heard, values, mask, beta=strip.world.beta, lam=lam)
    advantages = found.advantages if whiten else gae(found.rewards, values, mask, lam=lam)
    return answers.batch(values=values, advantages=advantages, returns=found.returns)


def taught(
    strip: Strip,
    *,
    clip: float = 0.2,
    epochs: int = 4,
    whiten: bool = True,
    lam: float = 0.95,
    exact: bool = False,
    n: int = 32,
    lr: float = 0.05,
    rounds: int = 100,
    seed: int = 0,
) -> Way:
    """PPO on the strip, actor and critic in place: `rounds` times n answers, `epochs` updates on them by AdamW, whose
    rate falls to 0. exact: the critic is told V before each round; else it learns, its loss with weight 1, unclipped.
    """
    found: list[Tensor] = []

    def write(_: int, part: int, draw: torch.Generator) -> tuple[dict[str, Tensor], dict[str, float]]:
        found.append(strip.actor.listed())
        answers = written(strip, n, draw)
        return judged(strip, answers, lam=lam, whiten=whiten, exact=exact), {"reward": float(turns(answers.ids).mean())}

    settings = Settings(steps=rounds * epochs, lr=lr, warmup=0.0, weight_decay=0.0, clip=math.inf)
    loss = partial(ppo_loss, clip=clip, value_clip=math.inf, value_weight=0.0 if exact else 1.0)
    update = Update(strip.learners(), settings, loss=loss, weigh=n_targets)
    run = on_policy.train(update, write, epochs=epochs, seed=seed, progress=False)
    return way_of(strip.world, torch.stack([*found, strip.actor.listed().detach()]), run.figures)


def sweep(
    clips: tuple[float, ...],
    lrs: tuple[float, ...],
    betas: tuple[float, ...],
    *,
    rounds: int = 30,
    seed: int = 0,
    progress: Callable = lambda each, label="": each,
) -> Float[Tensor, "clips lrs betas"]:
    """How much of the way from the reference's J to that of π* PPO goes on the strip: 1 all of it, 0 none, below 0 it
    fell below its start."""
    gained = torch.zeros(len(clips), len(lrs), len(betas), dtype=torch.float64)
    for place in progress(
        list(torch.cartesian_prod(*(torch.arange(len(each)) for each in (clips, lrs, betas)))), "PPO"
    ):
        c, i, b = place.tolist()
        world = strip(beta=betas[b])
        worth = taught(world, clip=clips[c], lr=lrs[i], rounds=rounds, seed=seed).worth
        start, best = worth[0], world.world.worth(world.world.best)
        gained[c, i, b] = (worth[-1] - start) / (best - start)
    return gained
