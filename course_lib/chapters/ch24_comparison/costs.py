"""What a step of each method holds and does, all models of one size: PPO four, GRPO three, DPO two, as slides count.

n answers of `length` words to prompts as long, drawn by lot: what they say plays no part.
    write, read, learn      the answers; what reference, reward model and critic say of them; one update
DPO writes nothing in a step: its n / 2 pairs lie there, but somebody has once written and judged them.
Read first: toys/model_costs.py, toys/ppo_step.py.  Chapter 24.
"""

import time
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.chapters.ch24_comparison.learning import METHODS
from course_lib.foundations.checks import check_known
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.dpo import answer_scores, dpo_loss, on_pairs
from course_lib.posttraining.grpo import group_advantages, grpo_loss, on_answers
from course_lib.posttraining.log_probs import token_log_probs
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.reward_model import RewardModel
from course_lib.posttraining.rollout import roll_out
from course_lib.toys.model_costs import memory, operations
from course_lib.toys.ppo_step import PPOStep
from course_lib.training.step import Settings, Update

PARTS = ("write", "read", "learn")
SETTINGS = Settings(steps=100_000, lr=1e-4)


class Cost(NamedTuple):
    """memory: megabytes of each of model_costs.KINDS. operations (10⁹) and seconds of this process: of each of PARTS,
    the seconds a median over rounds."""

    memory: list[float]
    operations: list[float]
    seconds: list[float]


class FourStep(PPOStep):
    """PPO: what is read is read by reference, reward model and critic."""

    def read(self) -> None:
        self.hear()
        self.score()
        self.expect()

    def held(self) -> list[float]:
        return [sum(kind) for kind in zip(*self.memory().values())]


class GroupStep:
    """GRPO: a policy that learns, a reference, a reward model."""

    def __init__(self, config: GPT2Config, *, n: int, length: int, seed: int = 0, group: int = 4):
        torch.manual_seed(seed)
        self.policy, self.length, self.group = GPT2(config), length, group
        self.reference = Reference(self.policy)
        self.reward = RewardModel(deepcopy(self.policy)).requires_grad_(False)
        self.loss = partial(on_answers, loss=grpo_loss, beta=0.04)
        self.update = Update(self.policy, SETTINGS, loss=self.loss)
        self.prompt = torch.randint(config.n_vocab, (n // group, length))
        self.draw = torch.Generator().manual_seed(seed)
        self.batch: dict[str, Tensor] = {}

    def write(self) -> None:
        asked = {"n": self.group, "limit": self.length, "end": None, "generator": self.draw}
        self.batch = roll_out(self.policy, self.prompt, **asked).batch()

    @torch.no_grad()
    def read(self) -> None:
        ids, is_answer = self.batch["ids"], self.batch["is_answer"]
        self.batch["reference"] = token_log_probs(self.reference(ids), ids)
        self.batch["advantages"] = group_advantages(self.reward(ids, is_answer).view(-1, self.group))

    def learn(self) -> None:
        self.update(self.batch)

    def held(self) -> list[float]:
        models = [self.policy, self.reference, self.reward]
        return memory(models, self.update, lambda: self.loss(self.policy, self.batch)[0])


class PairStep:
    """DPO: a policy that learns, and a reference."""

    def __init__(self, config: GPT2Config, *, n: int, length: int, seed: int = 0):
        torch.manual_seed(seed)
        self.policy = GPT2(config)
        self.reference = Reference(self.policy)
        self.loss = partial(on_pairs, loss=dpo_loss)
        self.update = Update(self.policy, SETTINGS, loss=self.loss)
        is_answer = (torch.arange(2 * length) >= length).expand(n // 2, -1)
        self.batch = {
            side: {
                "ids": torch.randint(config.n_vocab, (n // 2, 2 * length)),
                "is_token": torch.ones_like(is_answer),
                "is_answer": is_answer,
            }
            for side in ("chosen", "rejected")
        }

    def write(self) -> None:
        """Nothing."""

    @torch.no_grad()
    def read(self) -> None:
        for side in self.batch.values():
            side["reference"] = answer_scores(self.reference, side)

    def learn(self) -> None:
        self.update(self.batch)

    def held(self) -> list[float]:
        return memory([self.policy, self.reference], self.update, lambda: self.loss(self.policy, self.batch)[0])


STEPS = dict(zip(METHODS, (FourStep, PairStep, GroupStep)))
MODELS = dict(zip(METHODS, (4, 2, 3)))


def cost(method: str, config: GPT2Config, *, n: int = 16, length: int = 32, rounds: int = 3, seed: int = 0) -> Cost:
    """Of a step of one of METHODS; n a multiple of 4. Raises ValueError for another method."""
    check_known("method", method, STEPS)
    step = STEPS[method](config, n=n, length=length, seed=seed)
    work = [getattr(step, part) for part in PARTS]
    counted = [operations(each) for each in work]
    held = step.held()
    taken = [[seconds(each) for each in work] for _ in range(rounds)]
    return Cost(held, counted, [median(each) for each in zip(*taken)])


def seconds(work: Callable[[], object]) -> float:
    """Of this process on its processor, not of the clock on the wall."""
    began = time.process_time()
    work()
    return time.process_time() - began
