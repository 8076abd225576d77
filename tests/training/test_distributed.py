"""Two processes make the steps of one: DDP and FSDP, started by torchrun on the CPU."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib.training.distributed import STRATEGIES, World, join
from course_lib.training.engine import train

SCRIPT = Path(__file__).parent / "two_processes.py"
spec = importlib.util.spec_from_file_location("two_processes", SCRIPT)
two_processes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(two_processes)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def torchrun(*command: str | Path, **environment: str) -> str:
    """Run a script or a module in two processes; what it printed."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", free_port()]
    env = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} | environment
    done = subprocess.run([*launcher, *command], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two processes measured, by strategy."""
    folder = tmp_path_factory.mktemp("two")
    torchrun(SCRIPT, folder / "out")
    return folder


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """What one process measures."""
    return two_processes.measured(World(), tmp_path_factory.mktemp("one") / "run.safetensors")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_processes_make_the_steps_of_one(strategy, folder, one):
    """Within fp error, with micro-batches and with rows of different weight; and go on to the bit."""
    two = json.loads((folder / f"{strategy}.json").read_text())
    assert (two["size"], one["size"]) == (2, 1)
    for name in ("plain", "accumulated", "padded", "evaluated"):
        assert two[name] == pytest.approx(one[name], rel=2e-5), name
    assert two["stopped"] == two["plain"][:3]
    assert two["resumed"] == two["plain"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_process_goes_on_with_the_checkpoint_of_two(strategy, folder, one):
    path = folder / f"{strategy}.half" / f"{strategy}.safetensors"
    run = train(
        two_processes.model(), two_processes.batches, two_processes.SETTINGS, loss=two_processes.loss, path=path
    )
    assert run.history == pytest.approx(one["plain"], rel=2e-5)


def test_without_a_launcher_there_is_one_process(monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with join(device="cpu") as world:
        assert world == World()
        assert world.total(1.5, 2) == [1.5, 2]


def test_an_unknown_strategy_is_refused(monkeypatch):
    monkeypatch.setenv("COURSE_STRATEGY", "zero")
    with pytest.raises(ValueError, match=r"strategy \('zero'\) must be one of \('ddp', 'fsdp'\)"), join():
        pass
