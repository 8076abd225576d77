"""Where models are: shipped with the course, or trained once and kept in the user's cache."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import platformdirs
import torch
from torch import Tensor, nn

from course_lib import chapter_files
from course_lib.training import checkpoint
from course_lib.training.distributed import World
from course_lib.zoo.core import Recipe, put, round_loss, weights

SHIPPED = Path(__file__).parent / "weights"
LARGEST_SHIPPED = 2 * 10**6  # bytes
EVERY = 100  # steps between two checkpoints of an unfinished training


def registry() -> dict[str, Recipe]:
    """All recipes by name, of every chapter's recipe.py. Raises ValueError for a name given twice."""
    found: dict[str, Recipe] = {}
    for chapter, file in chapter_files.having("recipe.py").items():
        for recipe in chapter_files.load(file).RECIPES:
            if recipe.name in found:
                raise ValueError(f"chapter {chapter}: there is a recipe {recipe.name!r} already; choose another name")
            found[recipe.name] = recipe
    return found


def get_recipe(name: str) -> Recipe:
    """Raises KeyError that lists the names there are."""
    found = registry()
    if name not in found:
        raise KeyError(f"no recipe {name!r}; there are {', '.join(found)}")
    return found[name]


def load(name: str, *, progress: bool = True) -> nn.Module:
    """The trained model, in eval mode on the CPU. Trains it first (with a bar over 3 s) if it is nowhere to be found.

    A training that is interrupted goes on where it stopped, at the next call.
    Raises KeyError for an unknown name, ValueError for weights that are damaged or not of today's recipe.
    """
    recipe = get_recipe(name)
    model, file = recipe.untrained(), where(name)
    if file is None:
        model, _ = make(recipe, progress=progress)
    else:
        put(model, read_weights(recipe, file, model))
    return model.eval()


def where(name: str) -> Path | None:
    """The file with the weights: a shipped one, or one in the cache; None if it is still to be trained."""
    recipe = get_recipe(name)
    return next((file for file in (shipped_path(recipe), cache_path(recipe)) if file.is_file()), None)


def shipped_path(recipe: Recipe) -> Path:
    return SHIPPED / f"{recipe.name}.safetensors"


def cache_path(recipe: Recipe) -> Path:
    """Its name has a hash of code and settings, so that an old model is not taken for today's.

    The environment variable COURSE_HOME names another folder than the user's cache.
    """
    folder = Path(os.environ.get("COURSE_HOME") or platformdirs.user_cache_dir("course_lib")) / "zoo"
    made_by = "-".join([recipe.code(), *(str(each) for each in recipe.made_by().values())])
    return folder / f"{recipe.name}-{hashlib.sha256(made_by.encode()).hexdigest()[:12]}.safetensors"


def unfinished_path(recipe: Recipe) -> Path:
    """The checkpoint that a training goes on from."""
    return cache_path(recipe).with_suffix(".unfinished.safetensors")


def make(recipe: Recipe, *, world: World | None = None, progress: bool = True) -> tuple[nn.Module, dict[str, float]]:
    """Train (or go on training), check, write into the cache; the model and what it reaches.

    Of several processes all train and the first one checks and writes. Raises KeyboardInterrupt after Ctrl-C: what was
    done is kept.
    """
    model, path = recipe.untrained(), unfinished_path(recipe)
    run = recipe.train(model, world=world, path=path, every=EVERY, progress=progress)
    if run.interrupted:
        done = f"{len(run.history)} of {recipe.settings.steps} steps"
        raise KeyboardInterrupt(f"{recipe.name}: {done} done and kept; the next call goes on from there")
    trained, tensors, figures = recipe.untrained(), weights(model), {}
    put(trained, tensors)
    if world is None or world.rank == 0:
        try:
            figures = recipe.check(trained)
        except ValueError as error:
            raise ValueError(f"{error}, after you have deleted {path}") from error
        write_weights(recipe, cache_path(recipe), trained, figures)
        checkpoint.remove(path)
    return trained.eval(), figures


def ship(recipe: Recipe, model: nn.Module) -> Path:
    """Put the model among the shipped ones, rounded to fp16 and checked as it will be loaded.

    Raises ValueError for a file above 2 MB, or a model that the rounding made too poor.
    """
    file, rounded = shipped_path(recipe), recipe.untrained()
    put(rounded, {name: small(tensor).to(tensor.dtype) for name, tensor in weights(model).items()})
    figures = recipe.check(rounded)
    n_bytes = sum(small(tensor).nbytes for tensor in weights(rounded).values())
    if n_bytes > LARGEST_SHIPPED:
        raise ValueError(f"{recipe.name} has {n_bytes:,} bytes, at most {LARGEST_SHIPPED:,} ship; set ship=False")
    header = recipe.header(figures) | {"first_losses": recipe.first_losses()}
    _save_shipped(file, {name: small(tensor) for name, tensor in weights(rounded).items()}, header)
    return file


def is_stale(recipe: Recipe) -> bool:
    """Whether a shipped model is missing, or not known to be what today's code would make.

    `load` takes it all the same: a reader is not to wait for what is the course's duty, and the tests refuse it.
    """
    file = shipped_path(recipe)
    if not file.is_file():
        return True
    _, header = checkpoint.read(file)
    known = [each["code"] for each in header.get("code", [])]
    return recipe.code() not in known or header["made_by"] != json.loads(json.dumps(recipe.made_by()))


def restamp(recipe: Recipe) -> Path:
    """Let a shipped model stand for today's code, after its first training steps and its figures came out the same.

    The new hash is written beside the old one with the date; the tensors stay.
    Raises ValueError that names the difference, FileNotFoundError if nothing is shipped: then train it anew.
    """
    file, model = shipped_path(recipe), recipe.untrained()
    put(model, read_weights(recipe, file, model))
    tensors, header = checkpoint.read(file)
    mend = f"train it anew: python -m course_lib.zoo train {recipe.name} --ship"
    recorded = header.get("first_losses")
    if recorded is None:
        raise ValueError(f"{recipe.name} was shipped without the losses of its first steps; {mend}")
    for step, (then, now) in enumerate(zip(recorded, recipe.first_losses(), strict=True)):
        if then != now:
            raise ValueError(f"{recipe.name}: the loss of step {step} was {then} and is {now}; {mend}")
    for name, now in recipe.check(model).items():
        if round_loss(header["figures"][name]) != round_loss(now):
            raise ValueError(f"{recipe.name}: {name} was {header['figures'][name]} and is {now}; {mend}")
    header["code"].append(recipe.code_today(reproduced=len(recorded)))
    _save_shipped(file, tensors, header)
    return file


def _save_shipped(file: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    checkpoint.save(file, tensors, header)
    file.chmod(0o644)  # everybody may read what is installed


def write_weights(recipe: Recipe, file: Path, model: nn.Module, figures: dict[str, float]) -> None:
    checkpoint.save(file, weights(model), recipe.header(figures))


def read_weights(recipe: Recipe, file: Path, model: nn.Module) -> dict[str, Tensor]:
    """Tensors for the model, in its types. Raises ValueError unless file, recipe and model fit."""
    tensors, header = checkpoint.read(file)
    checkpoint.check_config(file, header["made_by"], recipe.made_by())
    own = checkpoint.model_tensors(model)
    tensors = {name: each.to(own[name].dtype) if name in own else each for name, each in tensors.items()}
    checkpoint.check_names(file, tensors, own)
    return tensors


def small(tensor: Tensor) -> Tensor:
    """fp16 for fp32, as it is shipped."""
    return tensor.detach().half() if tensor.dtype == torch.float32 else tensor.detach()
