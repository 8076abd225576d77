"""One round of PPO with its four models, cut where its parts can be counted and timed.

n answers of `length` words to prompts as long, drawn by lot: what they say plays no part.
    write → hear (reference) → score (reward model) → expect (critic) → judge → learn
Read first: model_costs.py, posttraining/ppo.py.  Chapters 21 and 23.
"""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor

from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.posttraining.ppo import Critic, FourModels, judge, policy_loss, ppo_loss, value_loss
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.reward_model import RewardModel
from course_lib.posttraining.rollout import roll_out
from course_lib.toys.model_costs import memory
from course_lib.training.step import Settings, Update

ROLES = ("actor", "critic", "reference", "reward")
PARTS = ("write", "hear", "score", "expect", "learn")


class PPOStep:
    """Call the PARTS in their order, then again. four: the models, all of one size."""

    def __init__(self, config: GPT2Config, *, n: int, length: int, seed: int = 0):
        torch.manual_seed(seed)
        actor = GPT2(config)
        reward = RewardModel(deepcopy(actor)).requires_grad_(False)
        self.four = FourModels(actor, Critic(GPT2(config)), Reference(actor), reward)
        self.expects = Reference(self.four.critic)  # FlopCounterMode cannot follow what may learn and does not
        self.update = Update(self.four.learners(), Settings(steps=100_000, lr=1e-4), loss=ppo_loss)
        self.prompt, self.draw = torch.randint(config.n_vocab, (n, length)), torch.Generator().manual_seed(seed)
        self.batch: dict[str, Tensor] = {}

    def write(self) -> None:
        length = self.prompt.shape[1]
        self.batch = roll_out(self.four.actor, self.prompt, limit=length, end=None, generator=self.draw).batch()

    @torch.no_grad()
    def hear(self) -> None:
        self.batch["reference"] = token_log_probs(self.four.reference(self.batch["ids"]), self.batch["ids"])

    @torch.no_grad()
    def score(self) -> None:
        self.batch["scores"] = self.four.reward(self.batch["ids"], self.batch["is_answer"])

    @torch.no_grad()
    def expect(self) -> None:
        """The critic's values, and with all three at hand the advantages."""
        batch = self.batch
        values = self.expects(batch["ids"])[:, :-1, 0]
        found = judge(batch["scores"], batch["old"], batch["reference"], values, is_target(batch["is_answer"]))
        batch.update(values=values, advantages=found.advantages, returns=found.returns)

    def learn(self) -> None:
        self.update(self.batch)

    def memory(self) -> dict[str, list[float]]:
        """By role, megabytes of each of model_costs.KINDS, after a whole round."""
        batch, four = self.batch, self.four
        ids, old, mask = batch["ids"], batch["old"], is_target(batch["is_answer"])
        forward: dict[str, Callable[[], object]] = {
            "actor": lambda: policy_loss(token_log_probs(four.actor(ids), ids), old, batch["advantages"], mask),
            "critic": lambda: value_loss(four.critic(ids)[:, :-1, 0], batch["values"], batch["returns"], mask),
            "reference": lambda: four.reference(ids),
            "reward": lambda: four.reward(ids, batch["is_answer"]),
        }
        return {role: memory([getattr(four, role)], self.update, forward[role]) for role in ROLES}
