"""GRPO and PPO on poems: the policy writes, rules score it, and training/engine.py makes some updates on each writing.

P beginnings · G poems to each · B = P G poems · N tokens predicted
A batch of the engine is a writing with its scores. It depends on the policy, so the writing that an update may still
need is kept beside the checkpoint: a run that was broken off goes on to the bit, if it is given the same reference.
Read first: aligned_poet.py, posttraining/grpo.py, posttraining/ppo.py.  Chapters 21, 23, 24.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.foundations.checks import check_count
from course_lib.models.gpt2 import GPT2
from course_lib.posttraining.grpo import group_advantages, grpo_loss, on_answers
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.posttraining.ppo import Critic, judge, ppo_loss
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.rewards import Rewards
from course_lib.posttraining.sft import n_targets
from course_lib.toys.aligned_poet import beginnings, write
from course_lib.training import checkpoint
from course_lib.training.engine import Run, train
from course_lib.training.step import Settings

Batch = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How a policy writes between updates. P: beginnings, of `length` characters, by default a first line. G: poems to
    each. updates: steps of the optimiser on each writing."""

    P: int = 8
    G: int = 8
    length: int | None = None
    updates: int = 1
    temperature: float = 1.0
    seed: int = 0

    def __post_init__(self):
        for name in ("P", "G", "updates"):
            check_count(name, getattr(self, name), 1)


class Writings:
    """step -> batch, for engine.train: what RollOut.batch gives, score [B], what each rule said [B] by its name, and
    what `judged` adds to these. The same policy at the same step writes the same.

    kept: where the last writing is kept, for a run that goes on between two of them.
    """

    def __init__(
        self,
        policy: GPT2,
        rewards: Rewards,
        writing: Writing,
        judged: Callable[[Batch], Batch],
        kept: Path | None = None,
    ):
        self.policy, self.rewards, self.writing, self.judged, self.kept = policy, rewards, writing, judged, kept
        self.batch: Batch | None = None

    def __call__(self, step: int) -> Batch:
        first = step - step % self.writing.updates
        if step == first:
            self.batch = self.write(step)
            if self.kept is not None:
                checkpoint.save(self.kept, self.batch, {"step": step})
        elif self.batch is None:
            self.batch, header = checkpoint.read(self.kept)
            if header["step"] != first:
                raise ValueError(
                    f"{self.kept} holds the writing of step {header['step']}, step {first} is needed; begin anew"
                )
        return self.batch

    def write(self, step: int) -> Batch:
        w = self.writing
        seed = w.seed * 1_000_003 + step
        draw = torch.Generator().manual_seed(seed)
        begun = beginnings(w.P, length=w.length, seed=seed)
        written, texts = write(self.policy, begun, n=w.G, temperature=w.temperature, generator=draw)
        score, said = self.rewards(texts, [None] * len(texts))
        batch = written.batch(score=score, **said)
        return batch | self.judged(batch)


def heard(reference: nn.Module, batch: Batch, temperature: float) -> Float[Tensor, "B N"]:
    """What the reference holds of the words written."""
    with torch.no_grad():
        return token_log_probs(reference(batch["ids"], is_token=batch["is_token"]) / temperature, batch["ids"])


def with_scores(model: nn.Module, batch: Batch, *, loss: Callable, names: tuple[str, ...]) -> tuple[Tensor, dict]:
    """The loss, with the means of what the batch holds by these names among its figures."""
    value, figures = loss(model, batch)
    return value, figures | {name: batch[name].mean().item() for name in names}


def learn(
    model: nn.Module,
    writings: Writings,
    settings: Settings,
    *,
    loss: Callable,
    weigh: Callable[[Any], float] | None = None,
    path: Path | str | None = None,
    every: int = 100,
    **more: Any,
) -> Run:
    """engine.train on writings. Ctrl-C is raised, after all is kept at `path`; the next call goes on from there.

    Raises ValueError where `every` would keep a checkpoint without its writing.
    """
    if path is not None and every % writings.writing.updates:
        raise ValueError(f"every ({every}) must be a multiple of updates ({writings.writing.updates})")
    objective = partial(with_scores, loss=loss, names=("score", *writings.rewards.rules))
    run = train(model, writings, settings, loss=objective, weigh=weigh, path=path, every=every, **more)
    if run.interrupted:
        raise KeyboardInterrupt(f"{len(run.history)} of {settings.steps} updates are done, kept at {path}")
    return run


def beside(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path).with_suffix(".writing.safetensors")


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
    path: Path | str | None = None,
    **more: Any,
) -> Run:
    """Trains the policy in place. loss, advantages: grpo.py's or a sibling's; dapo needs weigh=sft.n_targets. more: as
    `learn` and engine.train have it. The figures of a step: score, what each rule said, and kl where β is above 0."""

    def judged(batch: Batch) -> Batch:
        found = {"advantages": advantages(batch["score"].view(-1, writing.G))}
        return found | ({"reference": heard(reference, batch, writing.temperature)} if beta else {})

    objective = partial(on_answers, loss=loss, beta=beta, reweigh=reweigh, temperature=writing.temperature)
    writings = Writings(policy, rewards, writing, judged, beside(path))
    return learn(policy, writings, settings, loss=objective, path=path, **more)


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
    path: Path | str | None = None,
    **more: Any,
) -> Run:
    """Trains actor and critic in place. loss: ppo_loss, or a partial of it with other widths. The figures of a step:
    the loss's, score, and what each rule said."""

    def judged(batch: Batch) -> Batch:
        with torch.no_grad():
            values = critic(batch["ids"], is_token=batch["is_token"])[:, :-1, 0]
        ref, mask = heard(reference, batch, writing.temperature), is_target(batch["is_answer"])
        found = judge(batch["score"], batch["old"], ref, values, mask, beta=beta, gamma=gamma, lam=lam)
        return {"values": values, "advantages": found.advantages, "returns": found.returns}

    objective = partial(loss, temperature=writing.temperature)
    writings = Writings(actor, rewards, writing, judged, beside(path))
    learners = nn.ModuleDict({"actor": actor, "critic": critic})
    return learn(learners, writings, settings, loss=objective, weigh=n_targets, path=path, **more)
