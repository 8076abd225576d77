"""GRPO and PPO on poems: in every round the policy writes, rules score it, and some updates follow.

P beginnings · G poems to each · B = P G poems · N tokens predicted
The loop around it is posttraining/on_policy.py's: resumed to the bit, on any number of processes.
Read first: aligned_poet.py, posttraining/on_policy.py, posttraining/grpo.py, posttraining/ppo.py.  Chapters 21, 23, 24.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.foundations.checks import check_counts
from course_lib.models.gpt2 import GPT2
from course_lib.posttraining import on_policy
from course_lib.posttraining.grpo import group_advantages, grpo_loss, on_answers
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.posttraining.ppo import Critic, judge, ppo_loss
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.rewards import Rewards
from course_lib.posttraining.sft import n_targets
from course_lib.toys.aligned_poet import beginnings, write
from course_lib.training.distributed import World
from course_lib.training.engine import Run
from course_lib.training.step import Settings, Update

Batch = dict[str, Tensor]
Judged = Callable[[Batch, Float[Tensor, " B"]], Batch]


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How a policy writes in a round. P: beginnings, of `length` characters, by default a first line; cut in `parts`,
    which the processes share. G: poems to each. epochs: updates on each writing. Raises ValueError unless P is a
    multiple of parts."""

    P: int = 8
    G: int = 8
    length: int | None = None
    epochs: int = 1
    parts: int = 1
    temperature: float = 1.0
    seed: int = 0

    def __post_init__(self):
        check_counts(1, P=self.P, G=self.G, epochs=self.epochs, parts=self.parts)
        if self.P % self.parts:
            raise ValueError(f"P ({self.P}) must be a multiple of parts ({self.parts})")

    def begun(self, n: int, part: int) -> list[str]:
        """What the poems of a part of round n begin with."""
        each = self.P // self.parts
        return beginnings(self.P, length=self.length, seed=self.seed * 1_000_003 + n)[part * each : (part + 1) * each]


def learn(
    learners: nn.ModuleDict,
    policy: GPT2,
    rewards: Rewards,
    settings: Settings,
    writing: Writing,
    *,
    judged: Judged,
    loss: Callable[[nn.ModuleDict, Batch], Any],
    weigh: Callable[[Batch], float] | None = None,
    world: World | None = None,
    **more: Any,
) -> Run:
    """on_policy.train on poems. policy: the learner that writes. judged: (what RollOut.batch gives, score [B]) -> what
    the loss needs besides. more: path, every, evaluate, progress as on_policy.train has them. Ctrl-C is raised, after
    all is kept; the next call goes on from there."""

    def write_part(n: int, part: int, draw: torch.Generator) -> tuple[Batch, dict[str, float]]:
        begun = writing.begun(n, part)
        written, texts = write(policy, begun, n=writing.G, temperature=writing.temperature, generator=draw)
        score, said = rewards(texts, [None] * len(texts))
        figures = {name: float(each.mean()) for name, each in {"score": score, **said}.items()}
        batch = written.batch()
        return batch | judged(batch, score), figures

    update = Update(learners, settings, loss=loss, weigh=weigh, world=world)
    run = on_policy.train(update, write_part, parts=writing.parts, epochs=writing.epochs, seed=writing.seed, **more)
    if run.interrupted:
        raise KeyboardInterrupt(f"{len(run.history)} of {settings.steps} updates are done")
    return run


def heard(reference: nn.Module, batch: Batch, temperature: float) -> Float[Tensor, "B N"]:
    """What the reference holds of the words written."""
    return token_log_probs(reference(batch["ids"], is_token=batch["is_token"]) / temperature, batch["ids"])


def train_grpo(
    policy: GPT2,
    reference: Reference,
    rewards: Rewards,
    settings: Settings,
    writing: Writing = Writing(),
    *,
    beta: float = 0.0,
    loss: Callable = grpo_loss,
    advantages: Callable = group_advantages,
    reweigh: bool = False,
    **more: Any,
) -> Run:
    """Trains the policy in place. loss, advantages: grpo.py's or a sibling's; dapo needs weigh=sft.n_targets. With β 0
    the reference plays no part; else it is kept with the policy, and a run that goes on takes it up again. more: as
    `learn` has it. The figures of an update: score, what each rule said, and kl where β is above 0."""
    objective = partial(on_answers, loss=loss, beta=beta, reweigh=reweigh, temperature=writing.temperature)

    def judged(batch: Batch, score: Float[Tensor, " B"]) -> Batch:
        found = {"advantages": advantages(score.view(-1, writing.G))}
        return found | ({"reference": heard(reference, batch, writing.temperature)} if beta else {})

    return learn(
        nn.ModuleDict({"policy": policy} | ({"reference": reference} if beta else {})),
        policy,
        rewards,
        settings,
        writing,
        judged=judged,
        loss=lambda learners, batch: objective(learners["policy"], batch),
        **more,
    )


def train_ppo(
    actor: GPT2,
    critic: Critic,
    reference: Reference,
    rewards: Rewards,
    settings: Settings,
    writing: Writing = Writing(),
    *,
    beta: float = 0.05,
    gamma: float = 1.0,
    lam: float = 0.95,
    loss: Callable = ppo_loss,
    **more: Any,
) -> Run:
    """Trains actor and critic in place; the reference is kept with them. loss: ppo_loss, or a partial of it with other
    widths. Advantages are whitened within a part. more: as `learn` has it. The figures of an update: the loss's, score,
    and what each rule said."""

    def judged(batch: Batch, score: Float[Tensor, " B"]) -> Batch:
        values = critic(batch["ids"], is_token=batch["is_token"])[:, :-1, 0]
        ref, mask = heard(reference, batch, writing.temperature), is_target(batch["is_answer"])
        found = judge(score, batch["old"], ref, values, mask, beta=beta, gamma=gamma, lam=lam)
        return {"values": values, "advantages": found.advantages, "returns": found.returns}

    return learn(
        nn.ModuleDict({"actor": actor, "critic": critic, "reference": reference}),
        actor,
        rewards,
        settings,
        writing,
        judged=judged,
        loss=partial(loss, temperature=writing.temperature),
        weigh=n_targets,
        **more,
    )
