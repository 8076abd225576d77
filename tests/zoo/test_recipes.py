"""Every shipped model still does what its recipe promises; the weekly workflow trains each anew."""

import os
import socket
import subprocess
import sys

import pytest
import torch

from course_lib import zoo
from course_lib.training import checkpoint
from course_lib.zoo import store

RECIPES = zoo.registry()
SHIPPED = [name for name, recipe in RECIPES.items() if recipe.ship]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_model_reaches_its_figures(name):
    recipe, file = RECIPES[name], store.shipped_path(RECIPES[name])
    assert file.is_file(), f"python -m course_lib.zoo train {name} --ship"
    assert zoo.where(name) == file and file.stat().st_size <= store.LARGEST_SHIPPED
    figures = recipe.check(zoo.load(name))
    recorded = checkpoint.read(file)[1]["figures"]
    assert figures == pytest.approx(recorded, abs=0.02)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_model_is_of_todays_code(name):
    assert not store.is_stale(RECIPES[name]), f"python -m course_lib.zoo train --stale --ship  (old: {name})"


def test_all_of_them_together_stay_small():
    files = list(store.SHIPPED.glob("*"))
    assert sum(file.stat().st_size for file in files) <= 20e6
    assert {file.stem for file in files} == set(SHIPPED)


@pytest.mark.parametrize("name", RECIPES)
def test_a_batch_depends_on_its_step_only(name):
    def tensors(batch):
        if isinstance(batch, torch.Tensor):
            return [batch]
        return [each for part in getattr(batch, "values", lambda: batch)() for each in tensors(part)]

    recipe = RECIPES[name]
    first, again, other = (tensors(recipe.batches(step)) for step in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("name", RECIPES)
def test_an_untrained_model_does_not_reach_its_figures(name):
    with pytest.raises(ValueError, match="expected"):
        RECIPES[name].check(RECIPES[name].untrained())


def test_the_same_recipe_runs_under_torchrun(tmp_path):
    """Two processes, three steps, and the losses of one process."""
    name = "icl-small"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", port]
    command += ["-m", "course_lib.zoo", "train", name, "--steps", "3"]
    env = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "COURSE_HOME": str(tmp_path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "3 / " in done.stdout
    (file,) = (tmp_path / "zoo").iterdir()
    alone = RECIPES[name].train(RECIPES[name].untrained(), steps=3)
    assert checkpoint.read(file)[1]["history"] == pytest.approx(alone.history, rel=2e-5)
