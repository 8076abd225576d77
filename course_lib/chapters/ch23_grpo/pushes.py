"""How hard each token of a group of answers is pushed, by each way to add them up: the rooms' own gradients.

G answers to one prompt · push: -G ∂L/∂log π of a token, so that GRPO's is A / |o|.
Chapter 23.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course_lib.foundations.checks import check_known
from course_lib.posttraining.dapo import dapo_loss
from course_lib.posttraining.dr_grpo import dr_advantages, dr_grpo_loss
from course_lib.posttraining.grpo import group_advantages, grpo_loss
from course_lib.posttraining.gspo import gspo_loss

LIMIT = 1000  # Dr. GRPO's constant: the most tokens that an answer may have
WAYS: Mapping[str, tuple[Callable, Callable]] = {
    "GRPO": (group_advantages, grpo_loss),
    "Dr. GRPO": (dr_advantages, partial(dr_grpo_loss, limit=LIMIT)),
    "DAPO": (group_advantages, dapo_loss),
    "GSPO": (group_advantages, gspo_loss),
}
DRIFTS = (0.06, -0.06, 0.06, -0.06)  # how far the answers have moved since they were written, on average, nats a token
SPREAD = 0.15  # of the tokens around it


def group_of(lengths: Sequence[int]) -> Bool[Tensor, "G N"]:
    """Which tokens are there."""
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def moved(lengths: Sequence[int]) -> Float[Tensor, "G N"]:
    """log π - log π_old some updates later: drawn once, the same for every normaliser."""
    chance = torch.Generator().manual_seed(23)
    noise = torch.randn(len(lengths), LIMIT, generator=chance, dtype=torch.float64)[:, : max(lengths)]
    drift = torch.tensor(DRIFTS, dtype=torch.float64)[: len(lengths), None]
    mask = group_of(lengths)
    centred = noise - (noise * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
    return drift + SPREAD * centred


def pushes(way: str, rewards: Sequence[float], lengths: Sequence[int], *, later: bool = False) -> list[Tensor]:
    """A tensor an answer, one number a token: above 0 it is to be written more, 0 is clipped or has nothing to learn.

    later: after some updates on these answers, where the ratio is no longer 1. Raises ValueError for an unknown way.
    """
    check_known("way", way, WAYS)
    judge, loss = WAYS[way]
    mask = group_of(lengths)
    old = torch.zeros(mask.shape, dtype=torch.float64)
    now = (moved(lengths) if later else old.clone()).requires_grad_()
    advantages = judge(torch.tensor([rewards], dtype=torch.float64))
    (gradient,) = torch.autograd.grad(loss(now, old, advantages, mask), now)
    return [-len(lengths) * row[:length] for row, length in zip(gradient, lengths)]
