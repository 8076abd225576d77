"""One update of a model from a batch that is handed in: whole, in micro-batches, or shared among processes.

    update = Update(model, Settings(steps=1000, lr=3e-3), loss=loss)
    value, figures = update(batch)
The engine calls it once a step with the next batch of its data. Where the policy makes its own batches, as in PPO and
GRPO, the roll-out comes first, and several updates follow on what it brought. Added to loop.py: no weight decay on
norms, biases and embeddings, gradient accumulation, mixed precision (Micikevicius et al. 2017, arXiv:1710.03740),
several processes. Weight decay 0.1 as in GPT-3 (Brown et al. 2020, arXiv:2005.14165, appendix B).
Read first: loop.py, pieces.py, distributed.py.  Chapter 07.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from course_lib.foundations.checks import check_count
from course_lib.foundations.embedding import Embedding
from course_lib.foundations.positions import LearnedPositions
from course_lib.training.distributed import World
from course_lib.training.loop import next_token_loss, warmup_cosine
from course_lib.training.pieces import cut, move, rows
from course_lib.training.precision import best_dtype

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
TABLES = (nn.Embedding, Embedding, LearnedPositions)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the losses depend on besides model and data. steps: all updates together, over which the rate rises and
    falls. precision: fp32, bf16, fp16, or auto (fastest here). clip: math.inf clips nothing."""

    steps: int
    lr: float
    warmup: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    clip: float = 1.0
    accumulate: int = 1
    precision: str = "fp32"

    def __post_init__(self):
        check_count("steps", self.steps, 1)
        check_count("accumulate", self.accumulate, 1)
        warmup_cosine(0, self.steps, self.warmup)  # refuses a warm-up that is no share
        if not self.clip > 0:
            raise ValueError(f"clip ({self.clip}) must be above 0; math.inf clips nothing")
        if self.precision not in (*DTYPES, "auto"):
            raise ValueError(f"precision ({self.precision!r}) must be one of {(*DTYPES, 'auto')}")


class Objective(nn.Module):
    """batch -> loss, as one module, so that DDP and FSDP see the whole of a step."""

    def __init__(self, model: nn.Module, loss: Callable[[nn.Module, Any], Any]):
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Any) -> Any:
        return self.loss(self.model, batch)


class Update:
    """update(batch) -> (loss, figures): the gradient of the whole batch, clipped, and AdamW's step.

    loss: (model, batch) -> mean over the batch; or (mean, {"name": mean}), whose figures are logged, not learned from.
    weigh: batch -> how many things that mean is over, if rows count differently (padded texts: tokens that are none);
        default rows. So pieces of a batch add up to the whole of it, exactly. A piece of weight 0 adds 0.
    done: how many updates there were; the learning rate follows from it.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: Settings,
        *,
        loss: Callable[[nn.Module, Any], Any] = next_token_loss,
        weigh: Callable[[Any], float] | None = None,
        world: World | None = None,
    ):
        self.model, self.settings, self.world = model, settings, world or World()
        self.weigh = weigh or rows
        self.objective = self.world.spread(Objective(model, loss))
        self.optimizer = torch.optim.AdamW(
            decay_groups(model, settings.weight_decay), lr=settings.lr, betas=settings.betas
        )
        device, name = self.world.device, settings.precision
        self.dtype = best_dtype(device) if name == "auto" else DTYPES[name]
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)
        self.done = 0

    def __call__(self, batch: Any) -> tuple[float, dict[str, float]]:
        """batch: that of all processes together, the same in each. Raises FloatingPointError where the loss or the
        gradient is no number, before the weights are touched; ValueError for a batch that weighs nothing."""
        if self.done >= self.settings.steps:
            raise ValueError(f"all {self.settings.steps} updates of the settings are done; set steps higher")
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.lr * warmup_cosine(self.done, self.settings.steps, self.settings.warmup)
        value, figures = self.gradient(batch)
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        if not (self.scaler.is_enabled() or math.isfinite(norm.item())):  # a scaler skips such a step by itself
            raise FloatingPointError(f"the gradient's norm is {norm.item()} at step {self.done}; look at the loss")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.done += 1
        return value, figures

    def gradient(self, batch: Any) -> tuple[float, dict[str, float]]:
        """Loss and figures of the batch, its gradient added up in the parameters."""
        world, n_mine = self.world, self.settings.accumulate
        pieces = cut(batch, world.size * n_mine)
        weights, total = [self.weigh(piece) for piece in pieces], self.weigh(batch)
        if not total > 0:
            raise ValueError(f"the batch weighs {total}; some of it must count")
        stand_in = next(piece for piece, weight in zip(pieces, weights) if weight)  # 0 × its loss is 0, never NaN
        value, figures = 0.0, {}
        for i in range(n_mine):
            piece, weight = pieces[world.rank * n_mine + i], weights[world.rank * n_mine + i]
            share = weight / total
            with (
                world.gradients_wait(self.objective, i == n_mine - 1),
                torch.autocast(world.device.type, self.dtype, enabled=self.dtype != torch.float32),
            ):
                said = self.objective(move(piece if weight else stand_in, world.device))
                mean, more = said if isinstance(said, tuple) else (said, {})
                part = mean * share
                self.scaler.scale(part * world.size).backward()  # DDP and FSDP divide by the number of processes
            value += part.item()
            for name, each in more.items():
                figures[name] = figures.get(name, 0.0) + float(torch.as_tensor(each).detach()) * share
        value, *totals = world.total(value, *figures.values())
        if not math.isfinite(value):
            lr = self.settings.lr
            raise FloatingPointError(f"the loss is {value} at step {self.done}; lower lr ({lr}), or try fp32")
        return value, dict(zip(figures, totals))


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups for AdamW: matrices, which decay; norms, biases and embeddings (tied ones too), which do not."""
    tables = {
        id(p) for module in model.modules() if isinstance(module, TABLES) for p in module.parameters(recurse=False)
    }
    groups: tuple[list, list] = ([], [])
    for parameter in model.parameters():
        groups[parameter.ndim < 2 or id(parameter) in tables].append(parameter)
    return [
        {"params": parameters, "weight_decay": decay}
        for parameters, decay in zip(groups, (weight_decay, 0.0))
        if parameters
    ]
