"""DPO on poems: the poet writes two to each beginning, rules say which is better, and the policy learns from the pairs.

N pairs · T tokens with edges
Labels cost nothing, so pairs come by the thousand; and beginnings of poems that training never sees give pairs to be
asked about, whose accuracy stands beside that of the pairs learned from.
Read first: rhymes.py, aligned_poet.py, posttraining/dpo.py.  Chapters 22, 24.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.data.real.poems import MARKS, poems
from course_lib.models.gpt2 import GPT2
from course_lib.posttraining.dpo import answer_scores, dpo_loss, on_pairs
from course_lib.posttraining.reference import Reference
from course_lib.posttraining.rewards import Rewards
from course_lib.toys.aligned_poet import as_ids, beginnings, write
from course_lib.toys.rhymes import Pair, labelled_pairs, scores
from course_lib.training.engine import Run, train
from course_lib.training.step import Settings

AT_ONCE = 64  # beginnings
Sides = dict[str, dict[str, Tensor]]


def written_pairs(
    poet: GPT2,
    n: int,
    *,
    rewards: Rewards | None = None,
    length: int | None = None,
    split: str = "train",
    seed: int = 0,
    flip: float = 0.0,
) -> list[Pair]:
    """n pairs: two poems to one beginning that earn differently, each beginning once. flip: of the labels.

    Raises ValueError where the poems of the split begin too few.
    """
    begun = beginnings(len(poems(split)), length=length, split=split, seed=seed)
    draw, texts, found = torch.Generator().manual_seed(seed), [], 0
    for first in range(0, len(begun), AT_ONCE):
        if found >= n:
            break
        texts += write(poet, begun[first : first + AT_ONCE], n=2, generator=draw)[1]
        earned = scores(texts[2 * first :], rewards)
        found += sum(one != other for one, other in zip(earned[::2], earned[1::2]))
    return labelled_pairs(texts, n, seed, flip=flip, rewards=rewards)


def as_sides(pairs: Sequence[Pair], reference: Reference, *, length: int | None = None) -> Sides:
    """What dpo.on_pairs takes, [N T] each: ids, is_token, is_answer, and the reference's log-probabilities [N]."""
    sides = {}
    for side in ("chosen", "rejected"):
        texts = [getattr(pair, side) for pair in pairs]
        ids = as_ids(texts)
        begun = [text.index(MARKS[0]) + 1 if length is None else length for text in texts]
        place, last = torch.arange(ids.shape[1]), torch.tensor([[len(text) + 1] for text in texts])
        is_token, is_prompt = place <= last, place <= torch.tensor(begun)[:, None]
        batch = {"ids": ids, "is_token": is_token, "is_answer": is_token & ~is_prompt}
        sides[side] = batch | {"reference": spoken(reference, batch)}
    return sides


@torch.no_grad()
def spoken(model: Callable, batch: dict[str, Tensor]) -> Tensor:
    """answer_scores of many rows."""
    parts = zip(*(each.split(AT_ONCE) for each in batch.values()))
    return torch.cat([answer_scores(model, dict(zip(batch, part))) for part in parts])


def train_dpo(
    policy: GPT2,
    sides: Sides,
    settings: Settings,
    *,
    size: int = 32,
    loss: Callable = dpo_loss,
    seed: int = 0,
    **more: Any,
) -> Run:
    """Trains the policy in place on `size` pairs a step, all of them once an epoch in another order. loss: dpo.py's or
    a sibling's. more: as engine.train has it. Ctrl-C is raised, after all is kept.

    Raises ValueError for fewer pairs than a step takes.
    """
    n_steps = len(sides["chosen"]["ids"]) // size
    if not n_steps:
        raise ValueError(f"{len(sides['chosen']['ids'])} pairs are fewer than the {size} of a step; write more")

    def batches(step: int) -> Sides:
        epoch, k = divmod(step, n_steps)
        draw = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        rows = torch.randperm(len(sides["chosen"]["ids"]), generator=draw)[k * size : (k + 1) * size]
        return {side: {name: each[rows] for name, each in batch.items()} for side, batch in sides.items()}

    run = train(policy, batches, settings, loss=partial(on_pairs, loss=loss), **more)
    if run.interrupted:
        raise KeyboardInterrupt(f"{len(run.history)} of {settings.steps} updates are done")
    return run


def asked(policy: GPT2, sides: Sides) -> dict[str, float]:
    """accuracy: share of pairs whose chosen poem has the larger implicit reward. chosen, rejected: log-probability of a
    poem, less the reference's, in nats, mean over pairs."""
    d = {side: spoken(policy, batch) - batch["reference"] for side, batch in sides.items()}
    right = (d["chosen"] > d["rejected"]).float().mean()
    return {"accuracy": float(right), **{side: float(each.mean()) for side, each in d.items()}}
