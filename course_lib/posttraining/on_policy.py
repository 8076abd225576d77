"""Rounds of writing and learning: what GRPO and PPO do around Update, on any number of processes, and resumed.

    learners = nn.ModuleDict({"policy": policy, "reference": Reference(policy)})
    update = Update(learners, settings, loss=loss, world=world)
    run = train(update, write, parts=4, path="run.safetensors")
In each round `write` makes the batch: answers, what they earned, what the reference says. The prompts of a round are
cut in `parts`, which the processes share; every part has a generator of its own, seeded by round and part. So the curve
does not depend on how many processes there are, and a resumed run needs no state of a generator. The reference lies
among the learners and is kept with them: a run that goes on is measured against the policy of its start.
world: from training/distributed.py's `join`, which reads what torchrun or accelerate launch say; COURSE_STRATEGY=fsdp.
Read first: training/step.py, training/engine.py, rollout.py.  Chapters 21 and 23.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from tqdm.auto import tqdm

from course_lib.foundations.checks import check_counts
from course_lib.training.distributed import World
from course_lib.training.engine import QUIET_SECONDS, Run, evaluated, interrupt_between_steps, keep, resume
from course_lib.training.step import Update

Batch = dict[str, Tensor]
Write = Callable[[int, int, torch.Generator], tuple[Batch, Mapping[str, float]]]


def train(
    update: Update,
    write: Write,
    *,
    parts: int = 1,
    epochs: int = 1,
    seed: int = 0,
    path: Path | str | None = None,
    every: int = 10,
    evaluate: Callable[[nn.Module], Mapping[str, float]] | None = None,
    evaluate_every: int = 10,
    progress: bool = True,
) -> Run:
    """All rounds of the settings' steps, each of `epochs` updates on one batch.

    write: (round, part, generator) -> the part's batch, as RollOut.batch gives it, and figures such as the mean reward,
        which are averaged over the parts. A group of answers must lie in one part.
    parts: must be a multiple of the number of processes.
    path, every: a checkpoint each `every` rounds, at the end, on Ctrl-C, which is obeyed between two rounds, and, with
        one process, where `write` fails: nothing of the round that failed has touched the weights. If there is one at
        the start, the run goes on from it.
    evaluate: of the learners, in eval mode, each `evaluate_every` rounds and at the end; its figures stand with the
        number of updates done. Afterwards the learners are in training mode: none may drop anything out.
    Raises what `write` raises; ValueError where parts, epochs or the checkpoint do not fit; FloatingPointError as
    Update does.
    """
    world, steps = update.world, update.settings.steps
    check_counts(1, parts=parts, epochs=epochs, every=every, evaluate_every=evaluate_every)
    if parts % world.size or steps % epochs:
        raise ValueError(
            f"parts ({parts}) must be a multiple of the processes ({world.size}), steps ({steps}) of epochs ({epochs})"
        )
    rounds = steps // epochs
    run = resume(path, update) if path is not None and Path(path).exists() else Run()
    if update.done % epochs:
        raise ValueError(f"{path} is after {update.done} updates, in the middle of a round of {epochs}; use its epochs")
    if world.size > 1:
        call_root(update.objective)
    begun, hidden = update.done // epochs, not progress or world.rank > 0
    with (
        interrupt_between_steps() as asked,
        tqdm(total=rounds, initial=begun, delay=QUIET_SECONDS, disable=hidden) as bar,
    ):
        for n in range(begun, rounds):
            try:
                batch, figures = written(update, write, n, parts, seed)
            except Exception:
                if path is not None and world.size == 1:
                    keep(path, update, run)
                raise
            for _ in range(epochs):
                value, more = update(batch)
                run.history.append(value)
                for name, each in {**figures, **more}.items():
                    run.figures.setdefault(name, []).append(each)
            bar.update()
            bar.set_postfix({name: f"{each:.3f}" for name, each in figures.items()}, refresh=False)
            (interrupts,) = world.total(len(asked))
            run.interrupted = interrupts > 0 and n + 1 < rounds
            if evaluate and ((n + 1) % evaluate_every == 0 or n + 1 == rounds):
                run.evaluations.append((update.done, evaluated(evaluate, update)))
            if path is not None and ((n + 1) % every == 0 or n + 1 == rounds or run.interrupted):
                keep(path, update, run)
            if run.interrupted:
                break
    return run


def call_root(objective: nn.Module) -> None:
    """FSDP's hooks want the whole to be called before any part of it is: call it, with nothing to do."""
    from torch.distributed.fsdp import FSDPModule, register_fsdp_forward_method

    if isinstance(objective, FSDPModule):
        objective.nothing = lambda: None
        register_fsdp_forward_method(objective, "nothing")
        objective.nothing()


def written(update: Update, write: Write, n: int, parts: int, seed: int) -> tuple[Batch, dict[str, float]]:
    """The batch of round n, the same in each process, of which each has written its parts."""
    world, mine = update.world, []
    each = parts // world.size
    with torch.no_grad(), world.gathered(update.objective):
        for part in range(world.rank * each, (world.rank + 1) * each):
            draw = torch.Generator(world.device).manual_seed((seed * 1_000_003 + n) * 1_009 + part)
            mine.append(write(n, part, draw))
    names = list(mine[0][1])
    sums = world.total(*(sum(float(figures[name]) for _, figures in mine) for name in names)) if names else []
    whole = {name: joined(world, [batch[name] for batch, _ in mine]) for name in mine[0][0]}
    return whole, {name: total / parts for name, total in zip(names, sums)}


def joined(world: World, pieces: Sequence[Tensor]) -> Tensor:
    """The rows of all parts of all processes, by part; where there are columns, zeros fill them up on the right."""
    if pieces[0].ndim > 1:
        columns = world.gather(torch.tensor([max(piece.shape[1] for piece in pieces)]))
        longest = max(int(each) for each in columns)
        pieces = [pad(piece, (0, longest - piece.shape[1])) for piece in pieces]
    mine = torch.cat(list(pieces))
    if world.size == 1:
        return mine
    is_mask = mine.dtype == torch.bool  # gloo sends no booleans
    found = torch.cat(world.gather(mine.byte() if is_mask else mine))
    return found.bool() if is_mask else found
