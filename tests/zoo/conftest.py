"""A recipe that takes a blink, in a cache of its own; and Ctrl-C is heard, also where the parent ignores it."""

import signal

import pytest
import torch
from torch import nn

from course_lib.training.engine import Settings
from course_lib.zoo import Recipe, store


def build() -> nn.Module:
    return nn.Linear(2, 1)


BEFORE_STEP = []  # what to do before a batch is drawn: called with the step


def batches(step: int) -> torch.Tensor:
    for call in BEFORE_STEP:
        call(step)
    return torch.randn(16, 2, generator=torch.Generator().manual_seed(step))


def loss(model, batch):
    return (model(batch) - 3 * batch.sum(-1, keepdim=True)).square().mean()


def measure(model):
    return {"closeness": -loss(model, batches(1000)).item()}


RECIPE = Recipe(
    name="sum",
    chapter="07",
    title="两个数之和的三倍",
    build=build,
    batches=batches,
    loss=loss,
    measure=measure,
    at_least={"closeness": -0.01},
    settings=Settings(steps=150, lr=0.2, weight_decay=0.0),
)


@pytest.fixture(autouse=True)
def interrupts_are_heard():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def recipe() -> Recipe:
    return RECIPE


@pytest.fixture
def before_step():
    """before_step(call): call(step) whenever a batch is drawn, until the test ends; the recipe stays the same."""
    yield BEFORE_STEP.append
    BEFORE_STEP.clear()


@pytest.fixture
def use(monkeypatch):
    """use(recipe, ...): let these be all recipes there are."""

    def use(*recipes: Recipe) -> None:
        for place in ("course_lib.zoo.store.registry", "course_lib.zoo.__main__.registry"):
            monkeypatch.setattr(place, lambda: {recipe.name: recipe for recipe in recipes})

    return use


@pytest.fixture
def home(tmp_path, monkeypatch, use):
    """The user's cache and the shipped weights, both empty; the toy is the only recipe."""
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(store, "SHIPPED", tmp_path / "shipped")
    use(RECIPE)
    return tmp_path
