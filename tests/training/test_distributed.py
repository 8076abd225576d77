"""Two processes make the steps of one: DDP and FSDP, started by torchrun on the CPU."""

import importlib.util
import json
import math
import shutil
import signal
from pathlib import Path

import pytest
from safetensors import safe_open

from course_lib.training.checkpoint import opened, read, shard_names
from course_lib.training.distributed import STRATEGIES, World, join
from course_lib.training.engine import train

SCRIPT = Path(__file__).parent / "two_processes.py"
spec = importlib.util.spec_from_file_location("two_processes", SCRIPT)
two_processes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(two_processes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, launch):
    """What two processes measured, by strategy."""
    folder = tmp_path_factory.mktemp("two")
    launch(SCRIPT, folder / "out")
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
def test_one_process_goes_on_with_the_checkpoint_of_two(strategy, folder, tmp_path, one):
    path = shutil.copytree(folder / f"{strategy}.half", tmp_path / "half") / f"{strategy}.safetensors"
    run = train(
        two_processes.model(), two_processes.batches, two_processes.SETTINGS, loss=two_processes.loss, path=path
    )
    assert run.history == pytest.approx(one["plain"], rel=2e-5)
    assert [file.name for file in path.parent.iterdir()] == [path.name], "the shards of two are swept"


def test_fsdp_writes_each_process_s_rows_and_gathers_nothing(folder):
    """two_processes.py lets DTensor.full_tensor raise; and no shard holds much more than half of the numbers."""
    path = folder / "fsdp.half" / "fsdp.safetensors"
    with opened(path) as (header, tensors):
        held = {
            name: sum(math.prod(piece.get_shape()) for piece in kept.pieces.values()) for name, kept in tensors.items()
        }
        assert header["shards"] == [f"fsdp.3.{rank}-of-2.safetensors" for rank in (1, 2)]
    n = sum(count for name, count in held.items() if not name.startswith(("random", "step")))
    for shard in header["shards"]:
        tensors, _ = read(path.with_name(shard))
        assert 0.4 * n < sum(tensor.numel() for tensor in tensors.values()) < 0.6 * n
        assert any(name.startswith("exp_avg_sq.") for name in tensors)
    with safe_open(path, "pt") as file:
        assert all(name.startswith(("random", "step")) for name in file.keys())  # noqa: SIM118 (no dict)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="it kills a process, and this system cannot")
def test_killed_between_two_shards_the_last_step_counts_and_the_next_run_goes_on_to_the_bit(folder, tmp_path, launch):
    path = tmp_path / "run.safetensors"
    launch(SCRIPT, path, "5", fails=True)
    plain = json.loads((folder / "fsdp.json").read_text())["plain"]
    assert (tmp_path / "run.5.1-of-2.safetensors").exists() and not (tmp_path / "run.5.2-of-2.safetensors").exists()
    assert read(path)[1]["history"] == plain[:4]
    assert json.loads(launch(SCRIPT, path, "0")) == plain
    assert sorted(file.name for file in tmp_path.iterdir()) == [*shard_names(path, 6, 2), path.name]


def test_two_processes_go_on_with_the_checkpoint_of_one(tmp_path, one, launch):
    """Each reads its own rows of the file; the random numbers of the second process are nowhere, dropout is 0 here."""
    path = tmp_path / "run.safetensors"
    train(
        two_processes.model(), two_processes.batches, two_processes.SETTINGS, loss=two_processes.loss, path=path, stop=3
    )
    assert json.loads(launch(SCRIPT, path, "0")) == pytest.approx(one["plain"], rel=2e-5)


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
