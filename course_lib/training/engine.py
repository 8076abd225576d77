"""The full training loop: what loop.py does, and what a run of hours on several machines needs besides.

    run = train(model, batches, Settings(steps=1000, lr=3e-3), path="run.safetensors", every=100)
Added to loop.py: the updates of step.py (mixed precision, accumulation, several processes), checkpoints and resuming to
the bit, an interrupt that keeps what was done, a hook that evaluates.
Read first: loop.py, step.py, checkpoint.py, distributed.py.  Chapter 07.
"""

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

from course_lib.foundations.checks import check_count
from course_lib.training import checkpoint
from course_lib.training.distributed import World, part
from course_lib.training.loop import next_token_loss
from course_lib.training.step import Settings, Update

QUIET_SECONDS = 3  # a run shorter than this shows no progress bar


@dataclass
class Run:
    """The loss of every step, what `evaluate` said after which step, and whether it was broken off.

    figures: by name the figure of every step, if the loss gives any.
    """

    history: list[float] = field(default_factory=list)
    evaluations: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    interrupted: bool = False
    figures: dict[str, list[float]] = field(default_factory=dict)


def train(
    model: nn.Module,
    batches: Callable[[int], Any],
    settings: Settings,
    *,
    loss: Callable[[nn.Module, Any], Any] = next_token_loss,
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

    batches: step -> the batch of all processes together, as pieces.py says. A pure function of the step: then the step
        is all that a resumed run must know of the data.
    loss, weigh: as step.Update has them.
    path, every: a checkpoint each `every` steps, at the end, and on Ctrl-C, which is obeyed between two steps.
    evaluate: called each `evaluate_every` steps and at the end, the model in eval mode, no gradients; what it draws
        from torch's generators is put back.
    Raises FloatingPointError where the loss is no number; ValueError for a checkpoint of something else.
    """
    for name, value in (("every", every), ("evaluate_every", evaluate_every), ("stop", 1 if stop is None else stop)):
        check_count(name, value, 1)
    world = World() if world is None else world
    update = Update(model, settings, loss=loss, weigh=weigh, world=world)
    run, stop = Run(), settings.steps if stop is None else min(stop, settings.steps)
    if path is not None and Path(path).exists():
        run = resume(path, update)
    model.train()
    steps = range(len(run.history), stop)
    hidden = not progress or world.rank > 0
    with (
        interrupt_between_steps() as asked,
        tqdm(total=stop, initial=steps.start, delay=QUIET_SECONDS, disable=hidden) as bar,
    ):
        for step in steps:
            value, figures = update(batches(step))
            (interrupts,) = world.total(len(asked))
            run.history.append(value)
            for name, each in figures.items():
                run.figures.setdefault(name, []).append(each)
            bar.update()
            bar.set_postfix(loss=f"{value:.3f}", refresh=False)
            done = step + 1
            run.interrupted = interrupts > 0 and done < stop
            if evaluate and (done % evaluate_every == 0 or done == stop):
                run.evaluations.append((done, evaluated(evaluate, update)))
            if path is not None and (done % every == 0 or done == stop or run.interrupted):
                keep(path, update, run)
            if run.interrupted:
                break
    return run


def evaluated(evaluate: Callable[[nn.Module], Mapping[str, float]], update: Update) -> dict[str, float]:
    """What `evaluate` says; the training goes on as if it had not been asked."""
    before = chance(update.world.device)
    update.model.eval()
    with torch.no_grad(), update.world.gathered(update.objective):
        said = {name: float(value) for name, value in evaluate(update.model).items()}
    update.model.train()
    put_chance(before, update.world.device)
    return said


def keep(path: Path | str, update: Update, run: Run) -> None:
    """Write the checkpoint. Parts of tensors that FSDP has dealt out are written by the process that holds them, and
    count from the moment at which the first process writes the rest, with the names of their files."""
    world, model = update.world, update.model
    parts = {name: part(tensor) for name, tensor in training_tensors(update).items()}
    whole = {name: tensor for name, (tensor, first) in parts.items() if first is None}
    dealt = {name: held for name, held in parts.items() if name not in whole}
    shards = checkpoint.shard_names(path, len(run.history), world.size) if dealt else []
    if dealt:
        checkpoint.save_shard(path, shards[world.rank], dealt)
    for kind, state in chance(world.device).items():
        whole |= {f"{kind}.{rank}": each for rank, each in enumerate(world.gather(state))}
    world.total(0)  # every part is on the disk
    if world.rank == 0:
        header = {
            "settings": asdict(update.settings),
            "model": checkpoint.configuration(model),
            "history": run.history,
            "figures": run.figures,
            "evaluations": run.evaluations,
            "scaler": update.scaler.state_dict(),
            "shards": shards,
        }
        checkpoint.save(path, whole, header)
    world.total(0)  # nobody goes on before it is written


def resume(path: Path | str, update: Update) -> Run:
    """Put everything back as it was after the last step kept; nothing is touched unless all of it fits.

    Every process reads the rows that it holds, so the number of processes and the strategy may be others than before.
    """
    world = update.world
    with checkpoint.opened(path) as (header, tensors):
        random = {name: tensors.pop(name)[()] for name in list(tensors) if name.startswith("random_")}
        checkpoint.check_entries(path, header, ("settings", "model", "history", "figures", "evaluations", "scaler"))
        checkpoint.check_config(path, header["settings"], asdict(update.settings))
        checkpoint.check_config(path, header["model"], checkpoint.configuration(update.model))
        own = training_tensors(update)
        checkpoint.check_names(path, tensors, own)
        for name, tensor in own.items():
            mine, first = part(tensor)
            mine.copy_(tensors[name][() if first is None else slice(first, first + len(mine))])
    put_chance({kind: random.get(f"{kind}.{world.rank}") for kind in chance(world.device)}, world.device)
    if header["scaler"]:
        update.scaler.load_state_dict(header["scaler"])
    update.done = len(header["history"])
    evaluations = [(step, said) for step, said in header["evaluations"]]
    return Run(header["history"], evaluations, figures=header["figures"])


def training_tensors(update: Update) -> dict[str, Tensor]:
    """All tensors that the next step depends on, by name."""
    return checkpoint.model_tensors(update.model) | checkpoint.optimizer_tensors(update.model, update.optimizer)


def chance(device: torch.device) -> dict[str, Tensor]:
    """The states of torch's generators, which dropout draws from."""
    states = {"random_cpu": torch.get_rng_state()}
    return states | {"random_cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else states


def put_chance(states: Mapping[str, Tensor | None], device: torch.device) -> None:
    """Set torch's generators to states of `chance`, those that there are."""
    if states.get("random_cpu") is not None:
        torch.set_rng_state(states["random_cpu"])
    if states.get("random_cuda") is not None:
        torch.cuda.set_rng_state(states["random_cuda"], device)


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
