"""A shape trace: every tensor of one forward pass, and how many tokens each image takes and why.

    print(trace(model, ids, images))
    ids                                 [1 582]
    images                              [1 3 336 336]
    image 0                             (336/14)·(336/14) = 24·24 = 576 tokens
    tower.patches                       [1 3 336 336] -> [1 576 1024]
    tower.encoder.blocks.0 … 22         [1 577 1024] -> [1 577 1024]
For any model; the formula is told where it has `counts`, whose arguments are some of `forward`'s. An input that the
model refuses is traced as far as it came, and the last line is the refusal.
Read first: llava.py.  Chapter 15.
"""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from course_lib.models.splice import Count

Shapes = tuple[tuple[int, ...], ...]


class Step(NamedTuple):
    """A module by its name, and the shapes of the tensors that it read and made."""

    name: str
    reads: Shapes
    makes: Shapes


@dataclass
class Trace:
    """inputs: name -> shape. counts: of each image. steps: in the order in which they were done. refusal: the error."""

    inputs: dict[str, tuple[int, ...]]
    counts: list[Count] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    refusal: str = ""

    def __str__(self) -> str:
        rows = [(name, f"[{' '.join(map(str, shape))}]") for name, shape in self.inputs.items()]
        rows += [(f"{count.what} {i}", f"{count.formula} tokens") for i, count in enumerate(self.counts)]
        rows += [(step.name, f"{brackets(step.reads)} -> {brackets(step.makes)}") for step in together(self.steps)]
        width = max((len(name) for name, _ in rows), default=0)
        lines = [f"{name:<{width}}  {told}" for name, told in rows]
        return "\n".join([*lines, f"ValueError: {self.refusal}"] if self.refusal else lines)


def trace(model: nn.Module, *inputs: Any, inside: bool = False, **named: Any) -> Trace:
    """One forward pass of model(*inputs, **named), without gradients.

    inside: also what lies within each of the numbered blocks.
    """
    bound = inspect.signature(model.forward).bind(*inputs, **named).arguments
    found = Trace({name: tuple(tensor.shape) for name, tensor in tensors_of(bound)})
    hooks = [
        module.register_forward_hook(partial(note, found.steps, name), with_kwargs=True)
        for name, module in model.named_modules()
        if name and (inside or not re.search(r"\.\d+\.", name))
    ]
    try:
        with torch.no_grad():
            if hasattr(model, "counts"):
                asked = inspect.signature(model.counts).parameters
                found.counts = model.counts(**{name: value for name, value in bound.items() if name in asked})
            model(*inputs, **named)
    except ValueError as error:
        found.refusal = str(error)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def note(steps: list[Step], name: str, module: nn.Module, inputs: tuple, named: dict, output: Any) -> None:
    reads = (tuple(tensor.shape) for _, tensor in tensors_of((*inputs, *named.values())))
    steps.append(Step(name, tuple(reads), tuple(tuple(tensor.shape) for _, tensor in tensors_of(output))))


def tensors_of(value: Any, name: str = "") -> Iterable[tuple[str, Tensor]]:
    """Every tensor in tuples, lists and dicts, with the name that leads to it: images[0]."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from tensors_of(each, f"{name}.{key}" if name else key)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for i, each in enumerate(value):
            yield from tensors_of(each, f"{name}[{i}]")


def together(steps: Sequence[Step]) -> list[Step]:
    """Neighbours that differ in one number of their names alone become one: blocks.0 … 22."""
    found: list[tuple[Step, str, str]] = []
    for step in steps:
        parts = re.fullmatch(r"(.*\.)(\d+)", step.name)
        stem, number = parts.groups() if parts else (step.name, "")
        if found and number and found[-1][1] == stem and found[-1][0][1:] == step[1:]:
            first = found[-1][0].name.split(" … ")[0]
            found[-1] = Step(f"{first} … {number}", *step[1:]), stem, number
        else:
            found.append((step, stem, number))
    return [step for step, _, _ in found]


def brackets(shapes: Shapes) -> str:
    return " ".join(f"[{' '.join(map(str, shape))}]" for shape in shapes) or "nothing"
