"""The zoo's poet after GRPO on its own poems: the loss writes them.

A batch says no more than which round it is and which first lines are its own; what is written then depends on the
policy. With one update a round the policy that writes is the one that learns, so this is GRPO to the bit, and the zoo's
engine trains it as it trains all others.  Chapter 23.
"""

from functools import cache

import torch
from torch import Tensor

from course_lib.chapters.ch23_grpo.poems import BETA, LR, REWARDED, ROUNDS, reference, shown
from course_lib.models.gpt2 import GPT2
from course_lib.posttraining.grpo import group_advantages, grpo_loss, on_answers
from course_lib.posttraining.reference import Reference
from course_lib.toys.aligned_poet import without_dropout, write
from course_lib.toys.poet_policy import Writing, heard
from course_lib.toys.rhymes import poem_rewards
from course_lib.training.step import Settings

WRITING = Writing(P=8, G=8, seed=23)
SETTINGS = Settings(steps=ROUNDS, lr=LR, weight_decay=0)
SHOWN = ("reward", "rhyme", "tone", "distinct")


def build() -> GPT2:
    """The poet itself; it drops nothing out, or what writes and what learns would be two policies."""
    return without_dropout(reference()).requires_grad_(True)


@cache
def frozen() -> Reference:
    return Reference(reference())


def batches(step: int) -> dict[str, Tensor]:
    """step, beginning: [P], the round and which of its beginnings."""
    return {"step": torch.full((WRITING.P,), step), "beginning": torch.arange(WRITING.P)}


def loss(model: GPT2, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
    """GRPO's of what the model writes now to these beginnings; figures: score, kl."""
    step, mine = int(batch["step"][0]), batch["beginning"].tolist()
    begun = WRITING.begun(step, 0)
    draw = torch.Generator().manual_seed(1_009 * step + mine[0])
    written, texts = write(model, [begun[i] for i in mine], n=WRITING.G, generator=draw)
    score, _ = poem_rewards(**REWARDED)(texts, [None] * len(texts))
    answers = written.batch(advantages=group_advantages(score.view(-1, WRITING.G)))
    with torch.no_grad():
        answers["reference"] = heard(frozen(), answers, 1.0)
    value, figures = on_answers(model, answers, loss=grpo_loss, beta=BETA)
    return value, figures | {"score": float(score.mean())}


def measure(model: GPT2) -> dict[str, float]:
    """Of 256 poems to held-out first lines: reward, of 3, and some of what `shown` says."""
    found = shown(model)
    return {name: found[name] for name in SHOWN}
