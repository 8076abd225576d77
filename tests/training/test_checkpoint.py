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
from course_lib.training.checkpoint import check_config, check_names, model_tensors, read, save

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
