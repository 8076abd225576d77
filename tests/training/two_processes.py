"""What test_distributed runs in one process, and starts in two: torchrun … two_processes.py OUT [STEP]."""

import json
import os
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch.distributed.tensor import DTensor

from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.training import checkpoint
from course_lib.training.distributed import STRATEGIES, World, join
from course_lib.training.engine import Settings, train
from course_lib.training.loop import next_token_losses

SETTINGS = Settings(steps=6, lr=1e-2)
ACCUMULATED = Settings(steps=6, lr=1e-2, accumulate=2)


def model() -> GPT2:
    torch.manual_seed(0)
    return GPT2(GPT2Config(n_vocab=11, context=8, d_model=12, n_layers=2, n_heads=2))


def batches(step: int):
    chance = torch.Generator().manual_seed(step)
    lengths = torch.randint(2, 9, (8,), generator=chance)
    return torch.randint(11, (8, 8), generator=chance), torch.arange(8) < lengths[:, None]


def loss(model, batch):
    ids, _ = batch
    return next_token_losses(model(ids), ids).mean()


def padded_loss(model, batch):
    ids, is_token = batch
    return next_token_losses(model(ids), ids)[is_token[:, 1:]].mean()


def weigh(batch) -> int:
    return int(batch[1][:, 1:].sum())


def measured(world: World, path: Path) -> dict:
    """The losses of several runs; the checkpoint after step 3 stays in the folder `path`.half."""

    def run(settings=SETTINGS, loss=loss, **more):
        return train(model(), batches, settings, loss=loss, world=world, progress=False, **more)

    plain = run(evaluate=lambda model: {"loss": loss(model, batches(1000)).item()})
    found = {
        "size": world.size,
        "plain": plain.history,
        "evaluated": plain.evaluations[-1][1]["loss"],
        "accumulated": run(ACCUMULATED).history,
        "padded": run(loss=padded_loss, weigh=weigh).history,
        "stopped": run(path=path, stop=3).history,
    }
    if world.rank == 0:
        path.with_suffix(".half").mkdir()
        for file in path.parent.glob(f"{path.stem}.*safetensors"):
            shutil.copy(file, path.with_suffix(".half"))
    world.total(0)
    return found | {"resumed": run(path=path).history}


def gathered(*args, **more):
    raise AssertionError("a tensor was gathered whole")


def killed(world: World, path: Path, step: int) -> None:
    """Train with FSDP, a checkpoint each step; at `step` the second process dies with only the other's shard there."""
    save_shard = checkpoint.save_shard

    def die(path, name, parts):
        if f".{step}.2-of-2" in name:
            while not Path(path).with_name(name.replace("2-of-2", "1-of-2")).exists():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        save_shard(path, name, parts)

    checkpoint.save_shard = die
    train(model(), batches, SETTINGS, loss=loss, world=world, progress=False, path=path, every=1)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    if len(sys.argv) > 2:
        with join("fsdp", device="cpu") as world:
            killed(world, out, int(sys.argv[2]))
            if world.rank == 0:
                print(json.dumps(checkpoint.read(out)[1]["history"]))
        sys.exit()
    with join(device="cpu") as world:
        DTensor.full_tensor = gathered
        for strategy in STRATEGIES:
            found = measured(replace(world, strategy=strategy), out.with_name(f"{strategy}.safetensors"))
            if world.rank == 0:
                out.with_name(f"{strategy}.json").write_text(json.dumps(found))
