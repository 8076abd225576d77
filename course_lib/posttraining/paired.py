"""DPO's two answers to a prompt as neighbours in one batch, so that SharedPrefix can read their prompt once.

N pairs · rows 2 i (chosen) and 2 i + 1 (rejected) · T tokens: prompts padded on the left, answers on the right
    update = Update(SharedPrefix(policy, n=2), settings, loss=partial(on_neighbours, loss=dpo_loss))
The loss is that of dpo.on_pairs. A batch in pieces must be cut between pairs: into no more pieces than divide N.
Read first: dpo.py, shared_prefix.py.  Chapter 22.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.posttraining.dpo import answer_scores
from course_lib.posttraining.kl import log_ratio
from course_lib.posttraining.rollout import left_padded


def neighbours(
    prompts: Sequence[Sequence[int]], chosen: Sequence[Sequence[int]], rejected: Sequence[Sequence[int]], pad: int
) -> dict[str, Tensor]:
    """ids, is_token and is_answer, [2N T]. Raises ValueError where counts differ, or a prompt or an answer is empty."""
    if not len(prompts) == len(chosen) == len(rejected):
        raise ValueError(f"{len(prompts)} prompts, {len(chosen)} chosen and {len(rejected)} rejected; give one of each")
    answers = [answer for pair in zip(chosen, rejected) for answer in pair]
    ids, is_token = (each.repeat_interleave(2, dim=0) for each in left_padded(prompts, pad))
    turned, there = left_padded([list(answer)[::-1] for answer in answers], pad)  # padded on the right, read backwards
    turned, there = turned.flip(1), there.flip(1)
    return {
        "ids": torch.cat([ids, turned], dim=1),
        "is_token": torch.cat([is_token, there], dim=1),
        "is_answer": torch.cat([torch.zeros_like(is_token), there], dim=1),
    }


def on_neighbours(
    model: nn.Module, batch: dict[str, Tensor], *, loss: Callable[..., Tensor], per_token: bool = False, **settings: Any
) -> tuple[Tensor, dict[str, float]]:
    """For Update: dpo.on_pairs on a batch of `neighbours`, with reference [2N] beside, the frozen model's
    answer_scores. Raises ValueError for an odd number of rows."""
    d = log_ratio(answer_scores(model, batch, per_token=per_token), batch["reference"])
    if len(d) % 2:
        raise ValueError(f"{len(d)} rows are no pairs; cut the batch between pairs")
    chosen, rejected = d.unflatten(0, (-1, 2)).unbind(1)
    means = {"chosen": chosen.mean().item(), "rejected": rejected.mean().item()}
    right = (chosen > rejected).float().mean().item()
    return loss(chosen, rejected, **settings), {**means, "accuracy": right}
