"""A checkpoint is whole or not there, whatever happens to the process, and says what is wrong with it."""

import os
import pickle
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from course_lib import files
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.training.checkpoint import (
    check_config,
    check_names,
    configuration,
    model_tensors,
    opened,
    read,
    remove,
    save,
    save_shard,
    shard_names,
)

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor([1, 2])}
KILLED = """
import itertools, os, random, signal, sys, time
import torch
from course_lib import files
from course_lib.training import checkpoint
from course_lib.training.checkpoint import read, save

torch.set_num_threads(1)  # threads do not survive a fork
path, chance = sys.argv[1], random.Random(0)
tensors = lambda step: {"a": torch.full((100_000,), float(step)), "b": torch.tensor(step)}
die = lambda *args, **more: os.kill(os.getpid(), signal.SIGKILL)

def half(own, file, **more):
    with open(file, "wb") as opened:
        opened.write(bytes(1000))
    die()

def child(moment, first):
    if moment == "while writing":
        checkpoint.save_file = half
    if moment == "before the renaming":
        files.os.replace = die
    for step in itertools.count(first) if moment == "any" else [first]:
        save(path, tensors(step), {"step": step})
        os.write(writing, b"%d " % step)
    os._exit(0)

save(path, tensors(0), {"step": 0})
for moment in ["while writing", "before the renaming", *["any"] * 30]:
    first = read(path)[1]["step"]
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        child(moment, first + 1)
    os.close(writing)
    if moment == "any":
        time.sleep(chance.uniform(0, 0.05))
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    said = b"".join(iter(lambda: os.read(reading, 9999), b"")).split()
    found, header = read(path)
    assert header["step"] >= int(said[-1] if said else first), "what was reported as saved is there"
    assert all(torch.equal(found[name], each) for name, each in tensors(header["step"]).items())
    assert moment == "any" or header["step"] == first
print("steps saved", header["step"])
"""


def test_what_is_saved_is_read_to_the_bit(tmp_path):
    history = [0.1 + 0.2, 1 / 3, 1e-300]
    save(tmp_path / "new" / "run", TENSORS, {"history": history, "名": "字"})
    tensors, header = read(tmp_path / "new" / "run")
    assert all(torch.equal(tensors[name], each) for name, each in TENSORS.items())
    assert header == {"history": history, "名": "字"}
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["run"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it kills forked processes, and this system cannot fork")
def test_a_process_killed_while_it_saves_leaves_the_last_good_file(tmp_path):
    """SIGKILL in the middle of writing, before the renaming, and at 30 moments drawn by chance."""
    path = tmp_path / "run.safetensors"
    done = subprocess.run([sys.executable, "-c", KILLED, path], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 30, "most of the processes had saved something before they were killed"


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "run"
    save(path, TENSORS, {"step": 1})
    monkeypatch.setattr(files, "flush", lambda file: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save(path, TENSORS, {"step": 2})
    assert read(path)[1] == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("kept", [0, 5, 60, -1])
def test_a_truncated_file_is_called_so(tmp_path, kept):
    path = tmp_path / "run"
    save(path, TENSORS, {"step": 1})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"bytes\) is truncated or no safetensors file"):
        read(path)


def test_missing_pickled_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        read(tmp_path / "run")
    (tmp_path / "run.pt").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="no safetensors file"):
        read(tmp_path / "run.pt")
    torch.save(TENSORS, tmp_path / "run.pth")
    with pytest.raises(ValueError, match="no safetensors file"):
        read(tmp_path / "run.pth")
    save_file(TENSORS, tmp_path / "weights")
    with pytest.raises(ValueError, match="without the header of a checkpoint"):
        read(tmp_path / "weights")


def test_every_difference_of_tensors_is_told():
    found = {"a": torch.zeros(2, 3), "b": torch.zeros(2), "d": torch.zeros(1)}
    expected = {"a": torch.zeros(3, 2), "b": torch.zeros(2, dtype=torch.long), "c": torch.zeros(1)}
    with pytest.raises(ValueError) as error:
        check_names("run", found, expected)
    told = str(error.value)
    assert "a is [2, 3] there and [3, 2] here" in told
    assert "b is torch.float32 there and torch.int64 here" in told
    assert "missing c" in told and "unknown d" in told
    check_names("run", found, found)


def test_every_difference_of_settings_is_told():
    with pytest.raises(ValueError, match=r"lr = 0\.1 there and 0\.2 here, seed = None there and 1 here"):
        check_config("run", {"lr": 0.1, "betas": [0.9, 0.95]}, {"lr": 0.2, "betas": (0.9, 0.95), "seed": 1})
    check_config("run", {"betas": [0.9, 0.95]}, {"betas": (0.9, 0.95)})


def test_a_shared_tensor_counts_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.BatchNorm1d(3))
    model[1].weight = model[0].weight
    names = list(model_tensors(model))
    assert "0.weight" in names and "1.weight" not in names and "2.running_mean" in names


def dealt(tensor: torch.Tensor, size: int) -> list[tuple[torch.Tensor, int]]:
    """The rows of each process and the first of them, as FSDP deals them out."""
    each = -(-len(tensor) // size)
    return [(tensor[rank * each : (rank + 1) * each], min(rank * each, len(tensor))) for rank in range(size)]


def save_in_shards(path, step: int, size: int, tensors, first: int = 0, last: int | None = None, commit: bool = True):
    names = shard_names(path, step, size)
    for rank in range(first, size if last is None else last):
        save_shard(path, names[rank], {name: dealt(tensor, size)[rank] for name, tensor in tensors.items()})
    if commit:
        save(path, {"number": torch.tensor(step)}, {"step": step, "shards": names})


BIG = {"a": torch.arange(14.0).view(7, 2), "b": torch.arange(2), "c": torch.arange(1.0)}


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_shards_of_any_number_of_processes_are_read_whole_or_by_rows(tmp_path, size):
    """Seven rows on three processes are 3, 3, 1; two are 1, 1, 0."""
    path = tmp_path / "run.safetensors"
    save_in_shards(path, 5, size, BIG)
    tensors, header = read(path)
    assert header["step"] == 5 and tensors.pop("number") == 5
    assert all(torch.equal(tensors[name], each) for name, each in BIG.items())
    with opened(path) as (_, kept):
        assert (kept["a"].shape, kept["a"].dtype) == (BIG["a"].shape, torch.float32)
        for first in range(8):
            for end in range(first, 8):
                assert torch.equal(kept["a"][first:end], BIG["a"][first:end])


@pytest.mark.parametrize("written", range(4))
def test_killed_between_shards_the_last_good_checkpoint_counts(tmp_path, written):
    """Whatever the three processes have written of step 6 before the first one commits it; then it is swept."""
    path, newer = tmp_path / "run.safetensors", {name: tensor + 1 for name, tensor in BIG.items()}
    save_in_shards(path, 5, 3, BIG)
    save_in_shards(path, 6, 3, newer, last=written, commit=False)
    tensors, header = read(path)
    assert header["step"] == 5 and all(torch.equal(tensors[name], each) for name, each in BIG.items())
    save_in_shards(path, 7, 2, newer)
    tensors, header = read(path)
    assert header["step"] == 7 and all(torch.equal(tensors[name], each) for name, each in newer.items())
    assert sorted(file.name for file in tmp_path.iterdir()) == [*shard_names(path, 7, 2), path.name]


def test_a_missing_shard_is_named_and_a_checkpoint_is_removed_with_its_shards(tmp_path):
    path, other = tmp_path / "run.safetensors", tmp_path / "run.b.safetensors"
    save_in_shards(other, 5, 2, BIG)
    save_in_shards(path, 5, 2, BIG)
    (tmp_path / "run.5.2-of-2.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"run\.5\.2-of-2\.safetensors"):
        read(path)
    remove(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [*shard_names(other, 5, 2), other.name]


def test_every_configuration_in_a_model_is_told():
    model = nn.ModuleDict({"reader": GPT2(GPT2Config(n_vocab=3, context=4, d_model=8, n_layers=1, n_heads=2))})
    told = configuration(model)
    assert told["reader.n_heads"] == 2 and told["reader.dropout"] == 0.0
    assert configuration(nn.Linear(2, 2)) == {}
