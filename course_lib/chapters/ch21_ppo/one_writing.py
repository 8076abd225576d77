"""One writing of the poet and many updates on it: where the ratio of each token goes.

B poems · N tokens predicted · M tokens written, in all · U updates
The advantages are those of PPO's first round: the critic says 0 everywhere, and the policy is still its reference, so
that β takes nothing off. Full batches, Adam, and nothing but the policy's loss.  Chapter 21.
"""

from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.chapters.ch21_ppo.poems import reference
from course_lib.posttraining.log_probs import is_target, token_log_probs
from course_lib.posttraining.ppo import judge, policy_loss
from course_lib.posttraining.rollout import RollOut
from course_lib.toys.aligned_poet import beginnings, without_dropout, write
from course_lib.toys.rhymes import scores


class Steps(NamedTuple):
    """ratios: of every token written, before any update and after each. advantages: of the same tokens."""

    ratios: Float[Tensor, "U+1 M"]
    advantages: Float[Tensor, " M"]


@cache
def writing(n: int = 16, seed: int = 0) -> tuple[RollOut, list[str]]:
    """n poems, four to each first line."""
    return write(reference(), beginnings(n // 4, seed=seed), n=4, generator=torch.Generator().manual_seed(seed))


def first_advantages() -> Float[Tensor, "B N"]:
    """By PPO's room, whitened."""
    written, texts = writing()
    old = written.log_probs
    score = torch.tensor(scores(texts), dtype=old.dtype)
    return judge(score, old, old, torch.zeros_like(old), is_target(written.is_answer)).advantages


@cache
def followed(clip: float, updates: int = 16, lr: float = 1e-4) -> Steps:
    """Where the ratios go in so many updates on one and the same writing. clip: ε, math.inf for none."""
    written, _ = writing()
    actor, mask, advantages = without_dropout(reference()), is_target(written.is_answer), first_advantages()
    optimizer, ratios = torch.optim.Adam(actor.parameters(), lr=lr), []
    for update in range(updates + 1):
        now = token_log_probs(actor(written.ids, is_token=written.is_token), written.ids)
        ratios.append((now.detach() - written.log_probs)[mask].exp())
        if update < updates:
            optimizer.zero_grad()
            policy_loss(now, written.log_probs, advantages, mask, clip=clip).backward()
            optimizer.step()
    return Steps(torch.stack(ratios), advantages[mask])
