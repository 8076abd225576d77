"""PPO, DPO and GRPO on one task, with as many answers and updates, where every answer is listed: what each cell says.

K answers · R rounds · n answers a round · G of a group · T tokens
The strip of syllables: an answer earns its turns, the reference has habits drawn by lot, π* ∝ ref exp(r / β) is known.
    way = race("GRPO", Knobs(noise=0.2), seed=0)      way.share[-1]: of the way from the reference's J to the best
PPO and GRPO write n answers a round and see what each earned, then come `epochs` updates on them. DPO and SFT get all
R · n answers from the reference before they begin, as pairs, of which a judge says which is better, by Bradley and
Terry's law; then as many updates on as many answers each. SFT, the plain line, learns the better ones by heart.

Cells of the slides' table that nothing here measures, for they are words about people or need what is not here:
mature and industry standard (a count of users), flexible (which rewards a method takes: a rule, a model, a person),
easy to implement, human preference as such, quality on large models and long reasoning, GPUs and hours.
Read first: toys/syllables.py, toys/token_mdp.py, posttraining/on_policy.py.  Chapter 24.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.foundations.checks import check_known, check_within
from course_lib.posttraining import on_policy, ppo
from course_lib.posttraining.dpo import answer_scores, dpo_loss, on_pairs
from course_lib.posttraining.grpo import group_advantages, grpo_loss, on_answers
from course_lib.posttraining.kl import exact_kl
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.rollout import RollOut, write_answers
from course_lib.posttraining.sft import n_targets, sft_loss
from course_lib.toys.syllables import policy_of, rewards_of, turns
from course_lib.toys.three_answers import World
from course_lib.toys.token_mdp import TokenCritic, TokenPolicy, TokenReader
from course_lib.training.step import Settings, Update

METHODS = ("PPO", "DPO", "GRPO")
PLAIN = "SFT"
BETA = 0.5  # of the task: what a nat of KL costs in J
LRS = {
    "PPO": 0.05,
    "DPO": 0.4,
    "GRPO": 0.05,
    "SFT": 0.05,
}  # these and BETAS: the best J of a search on seeds 100 to 102
BETAS = {"PPO": 0.5, "DPO": 0.15, "GRPO": 0.15, "SFT": BETA}  # the methods' own: SFT has none, PPO's is the task's
START = 11  # seed of the reference's habits, chapter 20's


@dataclass(frozen=True, kw_only=True)
class Knobs:
    """What may be turned. lr, beta: times LRS and BETAS of the method; the rate falls to 0. clip: ε of PPO and GRPO.

    noise: share of the verdicts that are by lot: a label by a coin, a reward that is another answer's of the round.
    scale: PPO and GRPO see so many times the reward; a judge of pairs knows no scale.
    Raises ValueError where noise is no share, or n is not a multiple of the group and of 2.
    """

    lr: float = 1.0
    beta: float = 1.0
    clip: float = 0.2
    noise: float = 0.0
    scale: float = 1.0
    rounds: int = 64
    n: int = 32
    epochs: int = 4
    group: int = 8

    def __post_init__(self) -> None:
        check_within("noise", self.noise, 0, 1)
        if self.n % self.group or self.n % 2:
            raise ValueError(f"n ({self.n}) must be a multiple of the group ({self.group}) and of 2")

    def settings(self, method: str) -> Settings:
        steps, lr = self.rounds * self.epochs, self.lr * LRS[method]
        return Settings(steps=steps, lr=lr, warmup=0, weight_decay=0, clip=math.inf)


class Way(NamedTuple):
    """Before each round and after the last. written: answers so far, of whoever wrote them. All else is exact."""

    world: World
    written: Int[Tensor, " R+1"]
    log_probs: Float[Tensor, "R+1 K"]

    @property
    def reward(self) -> Float[Tensor, " R+1"]:
        """E r, the true one."""
        return self.log_probs.exp() @ self.world.reward

    @property
    def kl(self) -> Float[Tensor, " R+1"]:
        """KL(π ‖ reference): what the reward has cost."""
        return exact_kl(self.log_probs, self.world.reference.expand_as(self.log_probs))

    @property
    def to_best(self) -> Float[Tensor, " R+1"]:
        """KL(π ‖ π*)."""
        return exact_kl(self.log_probs, self.world.best.expand_as(self.log_probs))

    @property
    def worth(self) -> Float[Tensor, " R+1"]:
        """J = E r - β KL."""
        return self.reward - self.world.beta * self.kl

    @property
    def share(self) -> Float[Tensor, " R+1"]:
        """Of the way from the reference's J to that of π*: 1 all of it, below 0 worse than the start."""
        start, best = (self.world.worth(each) for each in (self.world.reference, self.world.best))
        return (self.worth - start) / (best - start)


def task() -> tuple[World, TokenPolicy]:
    """The world, and a policy as the reference is."""
    policy = policy_of(START)
    return World(policy.listed().detach(), rewards_of(policy), BETA), policy


def race(method: str, knobs: Knobs = Knobs(), *, seed: int = 0) -> Way:
    """One of METHODS or PLAIN from the reference. Raises ValueError for another."""
    check_known("method", method, (*METHODS, PLAIN))
    return (online if method in ("PPO", "GRPO") else offline)(method, knobs, seed)


def online(method: str, knobs: Knobs, seed: int) -> Way:
    """PPO, GRPO: rounds of writing and learning."""
    (world, policy), found, beta = task(), [], knobs.beta * BETAS[method]
    critic, reference = TokenCritic(policy), Reference(policy)

    def write(_: int, part: int, draw: torch.Generator) -> tuple[dict[str, Tensor], dict[str, float]]:
        found.append(policy.listed())
        answers = by(policy, knobs.n, draw, knobs.group)
        seen, heard = verdicts(answers.ids, knobs, draw), token_log_probs(reference(answers.ids), answers.ids)
        if method == "GRPO":
            return answers.batch(advantages=group_advantages(seen.view(-1, knobs.group)), reference=heard), {}
        values, mask = critic(answers.ids)[:, :-1, 0], is_target(answers.is_answer)
        told = ppo.judge(seen, answers.log_probs, heard, values, mask, beta=beta)
        return answers.batch(values=values, advantages=told.advantages, returns=told.returns), {}

    if method == "GRPO":
        loss = partial(on_answers, loss=partial(grpo_loss, clip=knobs.clip), beta=beta)
        update = Update(policy, knobs.settings(method), loss=loss)
    else:
        loss = partial(ppo.ppo_loss, clip=knobs.clip, value_clip=math.inf, value_weight=1.0)
        learners = nn.ModuleDict({"actor": policy, "critic": critic})
        update = Update(learners, knobs.settings(method), loss=loss, weigh=n_targets)
    on_policy.train(update, write, epochs=knobs.epochs, seed=seed, progress=False)
    written = knobs.n * torch.arange(knobs.rounds + 1)
    return Way(world, written, torch.stack([*found, policy.listed().detach()]))


def offline(method: str, knobs: Knobs, seed: int) -> Way:
    """DPO, SFT: pairs first, all of them once in each pass, in another order."""
    (world, policy), draw, found = task(), torch.Generator().manual_seed(seed), []
    sides = pairs(policy, knobs, draw)
    if method == "DPO":
        loss = partial(on_pairs, loss=dpo_loss, beta=knobs.beta * BETAS[method])
        update = Update(policy, knobs.settings(method), loss=loss)
    else:
        update = Update(policy, knobs.settings(method), loss=lambda model, both: sft_loss(model, both["chosen"]))
    order = torch.empty(0, dtype=torch.int64)
    for step in range(knobs.rounds * knobs.epochs):
        if step % knobs.epochs == 0:
            found.append(policy.listed().detach())
        if len(order) < knobs.n // 2:
            order = torch.randperm(len(sides["chosen"]["ids"]), generator=draw)
        rows, order = order[: knobs.n // 2], order[knobs.n // 2 :]
        update({side: {name: each[rows] for name, each in batch.items()} for side, batch in sides.items()})
    written = torch.full((knobs.rounds + 1,), knobs.n * knobs.rounds)
    return Way(world, written, torch.stack([*found, policy.listed().detach()]))


def by(policy: TokenPolicy, n: int, draw: torch.Generator, group: int = 1) -> RollOut:
    """n answers, of the policy as it is now."""
    prompt = torch.zeros(n // group, 1, dtype=torch.int64)
    return write_answers(TokenReader(policy), prompt, n=group, limit=policy.longest, end=policy.end, generator=draw)


def verdicts(ids: Int[Tensor, "n T"], knobs: Knobs, draw: torch.Generator) -> Float[Tensor, " n"]:
    """What PPO and GRPO see of what the answers earned."""
    earned = turns(ids)
    by_lot = torch.rand(len(ids), generator=draw) < knobs.noise
    return knobs.scale * torch.where(by_lot, earned[torch.randperm(len(ids), generator=draw)], earned)


@torch.no_grad()
def pairs(policy: TokenPolicy, knobs: Knobs, draw: torch.Generator) -> dict[str, dict[str, Tensor]]:
    """What on_pairs takes: of R · n answers each two neighbours that differ; of two alike nobody can say which."""
    answers = by(policy, knobs.n * knobs.rounds, draw)
    every = {name: each for name, each in answers.batch().items() if name != "old"}
    every["reference"] = answer_scores(policy, every)
    one, other = ({name: each[i::2] for name, each in every.items()} for i in (0, 1))
    ahead = turns(one["ids"]) - turns(other["ids"])
    by_lot = torch.rand(len(ahead), generator=draw) < knobs.noise
    first = torch.rand(len(ahead), generator=draw) < torch.where(by_lot, 0.5, ahead.sigmoid())
    keep = (one["ids"] != other["ids"]).any(1)

    def side(first: Tensor) -> dict[str, Tensor]:
        return {
            name: torch.where(first.view(-1, *[1] * (one[name].ndim - 1)), one[name], other[name])[keep]
            for name in every
        }

    return {"chosen": side(first), "rejected": side(~first)}


def frontier(method: str, betas: Sequence[float], *, seed: int = 0, **more: Any) -> Float[Tensor, "betas 2"]:
    """E r and KL to the reference after the last round, by how many times its own β. more: Knobs."""
    ways = [race(method, Knobs(beta=beta, **more), seed=seed) for beta in betas]
    return torch.stack([torch.stack([way.reward[-1], way.kl[-1]]) for way in ways])


def best_reward(kl: float) -> float:
    """The most reward that so much KL can bring: that of the π* whose KL it is, by halving β. At more KL than the best
    answers alone take, their reward."""
    world, low, high = task()[0], 1e-3, 1e3
    for _ in range(60):
        middle = math.sqrt(low * high)
        best = replace(world, beta=middle).best
        low, high = (middle, high) if exact_kl(best, world.reference) > kl else (low, middle)
    return float(best.exp() @ world.reward)


def efficiency(method: str, betas: Sequence[float], *, seed: int = 0, **more: Any) -> Float[Tensor, " betas"]:
    """By β: the reward gained by the method, as a share of the most that the same KL can bring."""
    start = task()[0].worth(task()[0].reference)
    points = frontier(method, betas, seed=seed, **more)
    most = torch.tensor([best_reward(float(kl)) for kl in points[:, 1]], dtype=points.dtype)
    return (points[:, 0] - start) / (most - start)


def sensitivity(
    method: str, knob: str, values: Sequence[float], *, seed: int = 0, **more: Any
) -> Float[Tensor, " values"]:
    """The share of the way after the last round, by the values of one of Knobs, the others as they are, or as `more`
    says. In the true reward whatever the method saw; below 0 it ended below its start."""
    ways = [race(method, Knobs(**{**more, knob: value}), seed=seed) for value in values]
    return torch.stack([way.share[-1] for way in ways])


def by_budget(method: str, rounds: Sequence[int], *, seed: int = 0, **more: Any) -> Float[Tensor, " rounds"]:
    """The share of the way at the end of runs of so many rounds, the answers of each written for it alone."""
    return sensitivity(method, "rounds", rounds, seed=seed, **more)


def answers_to(written: Sequence[int], shares: Float[Tensor, " budgets"], level: float) -> float:
    """How many answers a run needs to end at `level`, on straight lines between the budgets, by the logarithm of the
    answers. The least budget where that is enough; inf where none is."""
    reached = [i for i, share in enumerate(shares) if share >= level]
    if not reached:
        return math.inf
    at = reached[0]
    if at == 0:
        return float(written[0])
    low, high = (float(shares[i]) for i in (at - 1, at))
    return written[at - 1] * (written[at] / written[at - 1]) ** ((level - low) / (high - low))
