"""The visible training loop: predict, judge, step.

AdamW (0.9, 0.95), 5 % warm-up then cosine to zero, gradients clipped at norm 1.
The model predicts; a loss outside of it judges.
"""

import math
import warnings
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.foundations.checks import check_count


def next_token_losses(logits: Float[Tensor, "B T V"], ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T-1"]:
    """How surprised position t is by token t + 1, in nats."""
    return cross_entropy(logits.transpose(1, 2)[..., :-1], ids[:, 1:], reduction="none")


def next_token_loss(model: nn.Module, ids: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Mean loss of a language model on texts, in nats per token."""
    return next_token_losses(model(ids), ids).mean()


def warmup_cosine(step: int, steps: int, warmup: float = 0.05) -> float:
    """Share of the peak learning rate at `step` = 0 … steps - 1: up in a straight line, then half a cosine to zero.

    warmup: share of the steps in which it climbs. Raises ValueError unless it is one.
    """
    if not 0 <= warmup <= 1:
        raise ValueError(f"warmup ({warmup}) must be between 0 and 1, the share of the steps in which the rate climbs")
    n_warmup = max(1, round(warmup * steps))
    if step < n_warmup:
        return (step + 1) / n_warmup
    return 0.5 + 0.5 * math.cos(math.pi * (step - n_warmup) / max(1, steps - n_warmup))


def train(
    model: nn.Module,
    batches: Iterable,
    *,
    steps: int,
    lr: float,
    loss: Callable[[nn.Module, object], Tensor] = next_token_loss,
    weight_decay: float = 0.01,
    clip: float = 1.0,
    progress: Callable[[Iterable], Iterable] = iter,
    history: list[float] | None = None,
) -> list[float]:
    """Train on the first `steps` batches and return the loss of every step; after Ctrl-C of those that were done.

    batches: what `loss(model, batch)` takes, one a step.
    clip: longest gradient of a step; math.inf clips nothing.
    progress: wraps the steps, for example tqdm.
    history: an empty list of your own keeps the losses, and Ctrl-C is raised: for trainings inside of something longer.
    Raises ValueError if the batches run out, FloatingPointError at a loss that is no number, before it does harm.
    """
    check_count("steps", steps, 1)
    if not clip > 0:
        raise ValueError(f"clip ({clip}) must be above 0; math.inf clips nothing")
    mine, history = history, [] if history is None else history
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=weight_decay)
    batches = iter(batches)
    model.train()
    try:
        for step in progress(range(steps)):
            batch = next(batches, None)
            if batch is None:
                raise ValueError(f"batches ended after {step} of {steps} steps; hand in at least {steps}")
            for group in optimizer.param_groups:
                group["lr"] = lr * warmup_cosine(step, steps)
            value = loss(model, batch)
            if not value.isfinite():
                raise FloatingPointError(f"the loss is {value.item()} at step {step}; lower lr ({lr})")
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            history.append(value.item())
    except KeyboardInterrupt:
        if mine is not None:
            raise
        warnings.warn(f"interrupted: {len(history)} of {steps} steps are done", stacklevel=2)
    return history
