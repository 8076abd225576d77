"""What a recipe is, and how it is followed."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.provenance import objects_hash
from course_lib.training.checkpoint import model_tensors
from course_lib.training.distributed import World, whole
from course_lib.training.engine import Run, Settings, train
from course_lib.training.loop import next_token_loss

FIRST_STEPS = 20


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A model and all that it takes to make it again. The package's docstring says what each part is.

    title: Chinese, what the model can do. at_least: for each figure of `measure` the least that a trained one reaches.
    """

    name: str
    chapter: str
    title: str
    build: Callable[[], nn.Module]
    batches: Callable[[int], Any]
    measure: Callable[[nn.Module], Mapping[str, float]]
    at_least: Mapping[str, float]
    settings: Settings
    loss: Callable[[nn.Module, Any], Tensor] = next_token_loss
    weigh: Callable[[Any], float] | None = None
    seed: int = 0
    ship: bool = True

    def untrained(self) -> nn.Module:
        """The model before its first step, always the same; torch's own generator is left as it was."""
        before = torch.get_rng_state()
        torch.manual_seed(self.seed)
        try:
            return self.build()
        finally:
            torch.set_rng_state(before)

    def train(self, model: nn.Module, *, world: World | None = None, steps: int | None = None, **more: Any) -> Run:
        """Train in place. steps: stop after so many. more: path, every, progress, ... of engine.train."""
        torch.manual_seed(self.seed + (world.rank if world else 0))
        return train(
            model, self.batches, self.settings, loss=self.loss, weigh=self.weigh, world=world, stop=steps, **more
        )

    def check(self, model: nn.Module) -> dict[str, float]:
        """Measure, in eval mode. Raises ValueError where a figure is less than at_least says."""
        training = model.training
        model.eval()
        with torch.no_grad():
            figures = {name: float(value) for name, value in self.measure(model).items()}
        model.train(training)
        poor = [
            f"{name} is {figures.get(name)}, at least {least} expected"
            for name, least in self.at_least.items()
            if not figures.get(name, -float("inf")) >= least
        ]
        if poor:
            raise ValueError(
                f"{self.name}: {'; '.join(poor)}; train it anew: python -m course_lib.zoo train {self.name}"
            )
        return figures

    def first_losses(self) -> list[float]:
        """The losses of the first steps of a training, 6 digits: what a later code must reproduce."""
        run = self.train(self.untrained(), steps=min(FIRST_STEPS, self.settings.steps), progress=False)
        return [round_loss(each) for each in run.history]

    def code(self) -> str:
        """Hash of all that building, training and measuring reach: a change of any makes weights stale."""
        return objects_hash(self.build, self.batches, self.loss, self.weigh, self.measure, train)

    def code_today(self, **more: Any) -> dict[str, Any]:
        """The hash as it stands in a header."""
        return {"code": self.code(), "date": date.today().isoformat(), **more}

    def header(self, figures: Mapping[str, float]) -> dict[str, Any]:
        """What is written beside the weights."""
        return {"made_by": self.made_by(), "figures": dict(figures), "code": [self.code_today()]}

    def made_by(self) -> dict[str, Any]:
        """The settings that must be the same for weights to be this recipe's."""
        return {"recipe": self.name, "seed": self.seed, **asdict(self.settings)}


def round_loss(loss: float) -> float:
    """6 significant digits."""
    return float(f"{loss:.5e}")


def weights(model: nn.Module) -> dict[str, Tensor]:
    """Whole tensors by name, also where several processes hold parts; all of them must call this."""
    return {name: whole(tensor) for name, tensor in model_tensors(model).items()}


def put(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy tensors, checked before, into the model."""
    with torch.no_grad():
        for name, tensor in model_tensors(model).items():
            tensor.copy_(tensors[name])
