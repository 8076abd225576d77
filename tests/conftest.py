"""Shape annotations are checked in every test: the rooms are imported through jaxtyping's hook, with beartype."""

import os
import socket
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import jaxtyping
import pytest
from beartype import BeartypeConf, beartype

checker = types.ModuleType("course_shape_checker")
checker.check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is welcome where a float is expected
sys.modules[checker.__name__] = checker
FLOORS = ("foundations", "models", "posttraining", "toys", "decoding.fast_gpt", "decoding.fast_reader")
ROOMS = [f"course_lib.{floor}" for floor in FLOORS]
jaxtyping.install_import_hook(ROOMS, f"{checker.__name__}.check")


@pytest.fixture
def as_readers_have_it():
    """Shape checks off, as in a notebook, so that a room's own refusals are what the test sees."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True)
def reader(tmp_path_factory, monkeypatch):
    """A reader's own folder, empty: progress and trained models of tests never go to the real one."""
    home = tmp_path_factory.mktemp("home", numbered=True)
    monkeypatch.setenv("COURSE_HOME", str(home))
    monkeypatch.delenv("COURSE_PUBLISH", raising=False)
    return home


LAUNCHERS = {
    "torchrun": ("torch.distributed.run", "--nproc-per-node", "2", "--master-port"),
    "accelerate": ("accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port"),
}


@pytest.fixture(scope="session")
def launch() -> Callable[..., str]:
    """Runs a script or a module in two processes without a GPU, which succeeds or fails; what it printed."""

    def run(*command: str | Path, by: str = "torchrun", fails: bool = False) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        started = [sys.executable, "-m", *LAUNCHERS[by], port, *command]
        done = subprocess.run(started, env=environment, capture_output=True, text=True, timeout=300)
        assert (done.returncode != 0) == fails, done.stderr[-3000:]
        return done.stdout

    return run
