"""Three answers, one triangle: the reader's browser trains the policy, by as many methods as the chapter has.

    live_triangle(("exact", "REINFORCE"))
    live_triangle(("PPO", "DPO", "GRPO"), n=64, group=16)

js/live_triangle.js computes; triangle_paths.py has the same by the course's rooms, and draws the still picture.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import matplotlib.pyplot as plt
import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from course_lib.foundations.checks import check_count, check_known
from course_lib.posttraining.kl import exact_kl
from course_lib.toys.three_answers import World, three_answers
from course_lib.widgets.figure import CourseWidget, source
from course_lib.widgets.page_random import random_numbers
from course_lib.widgets.style import COLORS, to_png, use_style
from course_lib.widgets.triangle_paths import METHODS, Settings, path

SHOWN = {"exact": "精确梯度"}  # the others by their names
INKS = {"exact": COLORS["SFT"], "REINFORCE": COLORS["image"], **{name: COLORS[name] for name in ("PPO", "DPO", "GRPO")}}
DASHED = {"exact"}
CORNERS = torch.tensor([[0.5, 3**0.5 / 2], [0, 0], [1, 0]], dtype=torch.float64)
ARRIVED = 1e-3


class LiveTriangle(CourseWidget):
    """Paths in a triangle of policies. See `live_triangle`."""

    module = "live_triangle"
    _esm = source("live_triangle")

    world = traitlets.Dict().tag(sync=True)  # reference (log-probabilities), reward, beta
    names = traitlets.List().tag(sync=True)  # of the answers
    methods = traitlets.List().tag(sync=True)  # [{"method", "name", "colour", "dash"}]
    settings = traitlets.Dict().tag(sync=True)  # as triangle_paths.Settings has them; clip None for none
    steps = traitlets.Int().tag(sync=True)
    seed = traitlets.Int().tag(sync=True)


def live_triangle(
    methods: Sequence[str] = ("exact", "REINFORCE"),
    *,
    world: World | None = None,
    names: Sequence[str] = ("好", "中", "差"),
    steps: int = 300,
    seed: int = 0,
    name: str = "triangle",
    **settings: Any,
) -> LiveTriangle:
    """The reader turns β, the learning rate, the answers a step and what each method has, and starts where he clicks.

    methods: of triangle_paths.METHODS; world: of three answers, three_answers() if None; names: of the answers, in its
    order; settings: as triangle_paths.Settings takes them, at the start.
    Raises ValueError for an unknown method or none, for other than three answers, for a path that leaves the numbers at
    these settings, and what Settings raises.
    """
    world = world or three_answers()
    if len(world.reward) != 3 or len(names) != 3:
        raise ValueError(f"{len(world.reward)} answers and {len(names)} names; a triangle has 3 of each")
    if not methods:
        raise ValueError(f"no method; choose of {', '.join(METHODS)}")
    for method in methods:
        check_known("method", method, METHODS)
    check_count("steps", steps, 4)
    chosen = Settings(**settings)
    paths = {
        method: path(method, world, chosen, steps=steps, numbers=random_numbers(seed))
        for method in dict.fromkeys(methods)
    }
    for method, policies in paths.items():
        if not policies.isfinite().all():
            burst = int((~policies.isfinite()).any(1).nonzero()[0])
            raise ValueError(f"{method} holds no numbers any more from step {burst} on; lower rate ({chosen.rate:g})")
    use_style()
    return LiveTriangle(
        first_frame=to_png(plot_paths(paths, world, names), dpi=100),
        alt=_told(paths, world, names),
        name=name,
        world={"reference": world.reference.tolist(), "reward": world.reward.tolist(), "beta": world.beta},
        names=list(names),
        methods=[
            {
                "method": each,
                "name": SHOWN.get(each, each),
                "colour": INKS[each],
                "dash": "2 3" if each in DASHED else "",
            }
            for each in paths
        ],
        settings=asdict(chosen) | {"clip": None if math.isinf(chosen.clip) else chosen.clip},
        steps=steps,
        seed=seed,
    )


def lacks(policies: Float[Tensor, "S 3"], world: World) -> Float[Tensor, " S"]:
    """KL(π ‖ π*) after each step."""
    return exact_kl(policies, world.best.expand_as(policies))


def plot_paths(paths: dict[str, Float[Tensor, "S 3"]], world: World, names: Sequence[str]) -> Figure:
    """Left the triangle with π*, π_ref and the paths; right KL(π ‖ π*) over the steps."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 4.0))
    left.fill(*CORNERS.T, facecolor="#F7F9FB", edgecolor=COLORS["muted"])
    for method, policies in paths.items():
        style = {
            "color": INKS[method],
            "linestyle": ":" if method in DASHED else "-",
            "linewidth": 1.8,
            "label": SHOWN.get(method, method),
        }
        left.plot(*(policies.exp() @ CORNERS).T, **style)
        right.plot(lacks(policies, world).clamp(min=1e-6), **style)
    left.plot(*(world.best.exp() @ CORNERS), "*", color=COLORS["optimum"], markersize=14)
    left.plot(*(world.reference.exp() @ CORNERS), "o", color=COLORS["muted"])
    for (x, y), text, (dx, dy) in zip(CORNERS.tolist(), names, ((0, 0.04), (0, -0.12), (0, -0.12))):
        left.text(x + dx, y + dy, text, ha="center")
    left.set(aspect="equal", ylim=(-0.15, 1.0), title="★ 是 π*，灰点是参考策略")
    left.axis("off")
    right.axhline(ARRIVED, color=COLORS["ink"], linestyle="--", linewidth=1)
    right.set(yscale="log", ylim=(1e-5, 3), xlabel="步", title="KL(π‖π*)")
    right.grid()
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=len(paths))
    return figure


def _told(paths: dict[str, Float[Tensor, "S 3"]], world: World, names: Sequence[str]) -> str:
    best = "，".join(f"{name} {p:.3f}" for name, p in zip(names, world.best.exp().tolist()))
    ends = {SHOWN.get(method, method): lacks(policies, world) for method, policies in paths.items()}
    went = "；".join(f"{name} 从 {kl[0]:.3f} 到 {kl[-len(kl) // 4 :].mean():.2g}" for name, kl in ends.items())
    return f"三个回答的策略是三角形里的一个点。最优的 π*：{best}。到 π* 的 KL，起点和最后四分之一的均值：{went}。"
