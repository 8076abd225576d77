"""The second stage of GPT-1: a few labelled texts, many passes (Radford et al. 2018, section 3.2).  Chapter 07."""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.chapters.ch07_gpt1.gpt1_tasks import GPT1Task, task_loss
from course_lib.training.loop import train


def fine_tune(
    model: GPT1Task,
    ids: Int[Tensor, "N R T"],
    labels: Int[Tensor, " N"],
    *,
    steps: int,
    lr: float = 1e-3,
    lm_weight: float = 0.0,
    batch: int = 32,
    seed: int = 0,
    progress: Callable[[Iterable], Iterable] = iter,
) -> list[float]:
    """Train all weights on N labelled examples of one length, drawn with replacement; the loss of every step.

    lm_weight: λ of the auxiliary language-model loss.
    """
    if len(ids) != len(labels):
        raise ValueError(f"{len(ids)} examples but {len(labels)} labels")
    generator = torch.Generator().manual_seed(seed)
    batches = (torch.randint(len(ids), (batch,), generator=generator) for _ in range(steps))

    def loss(model: GPT1Task, rows: Tensor) -> Float[Tensor, ""]:
        scores, logits = model.scores_and_logits(ids[rows])
        return task_loss(
            scores, labels[rows], logits, ids[rows], torch.ones_like(ids[rows], dtype=torch.bool), lm_weight
        )

    return train(model, batches, steps=steps, lr=lr, loss=loss, progress=progress, history=[])


@torch.no_grad()
def accuracy(model: GPT1Task, ids: Int[Tensor, "N R T"], labels: Int[Tensor, " N"]) -> float:
    """Share of examples whose highest score is the label's."""
    model.eval()
    return (model(ids).argmax(dim=-1) == labels).float().mean().item()
