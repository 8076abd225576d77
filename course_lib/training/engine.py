"""The full training loop: what loop.py does, and what a run of hours on several machines needs besides.

    run = train(model, batches, Settings(steps=1000, lr=3e-3), path="run.safetensors", every=100)
Added to loop.py: no weight decay on norms, biases and embeddings, gradient accumulation, mixed precision (Micikevicius
et al. 2017, arXiv:1710.03740), several processes, checkpoints and resuming to the bit, an interrupt that keeps what was
done, a hook that evaluates. Weight decay 0.1 as in GPT-3 (Brown et al. 2020, arXiv:2005.14165, appendix B).
Read first: loop.py, checkpoint.py, distributed.py.  Chapter 07.
"""

import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from course_lib.foundations.embedding import Embedding
from course_lib.foundations.positions import LearnedPositions
from course_lib.training import checkpoint
from course_lib.training.distributed import World, fill, whole
from course_lib.training.loop import next_token_loss, warmup_cosine
from course_lib.training.precision import best_dtype

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
TABLES = (nn.Embedding, Embedding, LearnedPositions)
QUIET_SECONDS = 3  # a run shorter than this shows no progress bar


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the losses depend on besides model and data. precision: fp32, bf16, fp16, or auto (fastest here)."""

    steps: int
    lr: float
    warmup: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    clip: float = 1.0
    accumulate: int = 1
    precision: str = "fp32"

    def __post_init__(self):
        if self.steps < 1 or self.accumulate < 1:
            raise ValueError(f"steps ({self.steps}) and accumulate ({self.accumulate}) must be at least 1")
        if self.precision not in (*DTYPES, "auto"):
            raise ValueError(f"precision ({self.precision!r}) must be one of {(*DTYPES, 'auto')}")


@dataclass
class Run:
    """The loss of every step, what `evaluate` said after which step, and whether it was broken off."""

    history: list[float] = field(default_factory=list)
    evaluations: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    interrupted: bool = False


class Objective(nn.Module):
    """batch -> loss, as one module, so that DDP and FSDP see the whole of a step."""

    def __init__(self, model: nn.Module, loss: Callable[[nn.Module, Any], Tensor]):
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Any) -> Tensor:
        return self.loss(self.model, batch)


def train(
    model: nn.Module,
    batches: Callable[[int], Any],
    settings: Settings,
    *,
    loss: Callable[[nn.Module, Any], Tensor] = next_token_loss,
    weigh: Callable[[Any], float] | None = None,
    path: Path | str | None = None,
    every: int = 100,
    stop: int | None = None,
    evaluate: Callable[[nn.Module], Mapping[str, float]] | None = None,
    evaluate_every: int = 100,
    progress: bool = True,
    world: World | None = None,
) -> Run:
    """Train up to step `stop` (default: all); go on from the checkpoint at `path` if there is one.

    batches: step -> the batch of all processes together, [B ...] tensors in any tuple, list or dict. A pure function
        of the step: then the step is all that a resumed run must know of the data.
    loss: (model, batch) -> mean over the batch.
    weigh: batch -> how many things that mean is over, if rows count differently (padded texts: tokens that are none);
        default rows. So pieces of a batch add up to the loss of the whole batch, exactly.
    path, every: a checkpoint each `every` steps, at the end, and on Ctrl-C, which is obeyed between two steps.
    evaluate: called each `evaluate_every` steps and at the end, the model in eval mode, no gradients.
    Raises FloatingPointError where the loss is no number; ValueError for a checkpoint of something else.
    """
    world = World() if world is None else world
    weigh = weigh or rows
    objective = world.spread(Objective(model, loss))
    optimizer = torch.optim.AdamW(decay_groups(model, settings.weight_decay), lr=settings.lr, betas=settings.betas)
    dtype = best_dtype(world.device) if settings.precision == "auto" else DTYPES[settings.precision]
    scaler = torch.amp.GradScaler(world.device.type, enabled=dtype == torch.float16)
    run, stop = Run(), settings.steps if stop is None else min(stop, settings.steps)
    if path is not None and Path(path).exists():
        run = resume(path, model, optimizer, scaler, settings, world)
    model.train()
    steps = range(len(run.history), stop)
    hidden = not progress or world.rank > 0
    with (
        interrupt_between_steps() as asked,
        tqdm(total=stop, initial=steps.start, delay=QUIET_SECONDS, disable=hidden) as bar,
    ):
        for step in steps:
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * warmup_cosine(step, settings.steps, settings.warmup)
            batch, value = batches(step), 0.0
            pieces = cut(batch, world.size * settings.accumulate)
            mine = pieces[world.rank * settings.accumulate :][: settings.accumulate]
            for i, piece in enumerate(mine):
                share = weigh(piece) / weigh(batch)
                last = i == len(mine) - 1
                with (
                    world.gradients_wait(objective, last),
                    torch.autocast(world.device.type, dtype, enabled=dtype != torch.float32),
                ):
                    part = objective(move(piece, world.device)) * share
                    scaler.scale(part * world.size).backward()  # DDP and FSDP divide by the number of processes
                value += part.item()
            value, interrupts = world.total(value, len(asked))
            if not math.isfinite(value):
                raise FloatingPointError(f"the loss is {value} at step {step}; lower lr ({settings.lr}), or try fp32")
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            run.history.append(value)
            bar.update()
            bar.set_postfix(loss=f"{value:.3f}", refresh=False)
            done = step + 1
            run.interrupted = interrupts > 0 and done < stop
            if evaluate and (done % evaluate_every == 0 or done == stop):
                model.eval()
                with torch.no_grad(), world.gathered(objective):
                    run.evaluations.append((done, dict(evaluate(model))))
                model.train()
            if path is not None and (done % every == 0 or done == stop or run.interrupted):
                keep(path, model, optimizer, scaler, settings, world, run)
            if run.interrupted:
                break
    return run


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


def rows(batch: Any) -> int:
    """How many rows a batch has."""
    if isinstance(batch, Tensor):
        return len(batch)
    return rows(next(iter(batch.values() if isinstance(batch, Mapping) else batch)))


def cut(batch: Any, n_pieces: int) -> list[Any]:
    """A batch in n_pieces of (nearly) equally many rows. Raises ValueError if there are fewer rows than pieces."""
    if isinstance(batch, Mapping):
        return [dict(zip(batch, piece)) for piece in cut(list(batch.values()), n_pieces)]
    if isinstance(batch, tuple | list):
        return [tuple(piece) for piece in zip(*(cut(each, n_pieces) for each in batch))]
    if len(batch) < n_pieces:
        raise ValueError(f"a batch of {len(batch)} rows cannot be cut in {n_pieces} (processes × accumulate)")
    return list(batch.tensor_split(n_pieces))


def move(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Mapping):
        return {name: move(each, device) for name, each in batch.items()}
    if isinstance(batch, tuple | list):
        return tuple(move(each, device) for each in batch)
    return batch.to(device)


def keep(path, model, optimizer, scaler, settings: Settings, world: World, run: Run) -> None:
    """Write the checkpoint: every process hands in its parts, the first one writes, the others wait."""
    tensors = checkpoint.model_tensors(model) | checkpoint.optimizer_tensors(model, optimizer)
    tensors = {name: whole(tensor) for name, tensor in tensors.items()}
    for kind, state in chance(world.device).items():
        tensors |= {f"{kind}.{rank}": each for rank, each in enumerate(world.gather(state))}
    if world.rank == 0:
        header = {
            "settings": asdict(settings),
            "history": run.history,
            "evaluations": run.evaluations,
            "scaler": scaler.state_dict(),
        }
        checkpoint.save(path, tensors, header)
    world.total(0)  # nobody goes on before it is written


def resume(path, model, optimizer, scaler, settings: Settings, world: World) -> Run:
    """Put everything back as it was after the last step kept; nothing is touched unless all of it fits."""
    tensors, header = checkpoint.read(path)
    random = {name: tensors.pop(name) for name in list(tensors) if name.startswith("random_")}
    checkpoint.check_config(path, header["settings"], asdict(settings))
    own = checkpoint.model_tensors(model) | checkpoint.optimizer_tensors(model, optimizer)
    checkpoint.check_names(path, tensors, own)
    for name, tensor in own.items():
        fill(tensor, tensors[name])
    if f"random_cpu.{world.rank}" in random:
        torch.set_rng_state(random[f"random_cpu.{world.rank}"])
    if f"random_cuda.{world.rank}" in random and world.device.type == "cuda":
        torch.cuda.set_rng_state(random[f"random_cuda.{world.rank}"], world.device)
    if header["scaler"]:
        scaler.load_state_dict(header["scaler"])
    return Run(header["history"], [(step, said) for step, said in header["evaluations"]])


def chance(device: torch.device) -> dict[str, Tensor]:
    """The states of torch's generators, which dropout draws from."""
    states = {"random_cpu": torch.get_rng_state()}
    return states | {"random_cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else states


@contextmanager
def interrupt_between_steps() -> Iterator[list[bool]]:
    """Ctrl-C puts a mark into the list instead of breaking off in the middle of a step; a second one breaks off."""
    asked: list[bool] = []

    def mark(signum, frame):
        if asked:
            raise KeyboardInterrupt
        asked.append(True)

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.signal(signal.SIGINT, mark)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
