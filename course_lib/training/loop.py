"""The visible training loop: predict, judge, step.

AdamW (0.9, 0.95), 5 % warm-up then cosine to zero, gradients clipped at norm 1.
The model predicts; a loss outside of it judges.
"""

import math
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


def next_token_losses(logits: Float[Tensor, "B T V"], ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T-1"]:
    """How surprised position t is by token t + 1, in nats."""
    return cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")


def next_token_loss(model: nn.Module, ids: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Mean loss of a language model on texts, in nats per token."""
    return next_token_losses(model(ids), ids).mean()


def warmup_cosine(step: int, steps: int, warmup: float = 0.05) -> float:
    """Share of the peak learning rate at `step` = 0 … steps - 1: up in a straight line, then half a cosine to zero."""
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
    """Train on the first `steps` batches and return the loss of every step.

    batches: what `loss(model, batch)` takes, one a step.
    progress: wraps the steps, for example tqdm.
    history: an empty list of your own keeps the losses of the steps done when you interrupt.
    Raises ValueError if the batches run out.
    """
    if steps < 1:
        raise ValueError(f"steps ({steps}) must be at least 1")
    history = [] if history is None else history
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=weight_decay)
    batches = iter(batches)
    model.train()
    for step in progress(range(steps)):
        batch = next(batches, None)
        if batch is None:
            raise ValueError(f"batches ended after {step} of {steps} steps; hand in at least {steps}")
        for group in optimizer.param_groups:
            group["lr"] = lr * warmup_cosine(step, steps)
        value = loss(model, batch)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        history.append(value.item())
    return history
