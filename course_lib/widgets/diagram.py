"""What figures of whole models are drawn of: boxes with shapes in them, lines, and the branch of a residual stream."""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from course_lib.widgets.style import COLORS

SMALL = 10.5
GAP = 1.12  # from the middle of one step of a branch to the next


def box(
    axis: Axes,
    left: float,
    y: float,
    width: float,
    label: str,
    shape: str,
    tint: str,
    *,
    height: float = 0.76,
    fontsize: float = 11,
) -> None:
    """A rounded box, its middle at height y: what it does, and below, small, the shape that it gives."""
    patch = FancyBboxPatch((left, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.08")
    patch.set(facecolor=COLORS[tint], edgecolor=COLORS["muted"], linewidth=1, zorder=2)
    axis.add_patch(patch)
    middle = {"ha": "center", "va": "center", "zorder": 3}
    axis.text(left + width / 2, y + (0.14 if shape else 0), label, fontsize=fontsize, **middle)
    if shape:
        axis.text(left + width / 2, y - 0.2, shape, fontsize=9.5, color=COLORS["muted"], **middle)


def line(
    axis: Axes, start: tuple[float, float], end: tuple[float, float], *, head: bool = False, width: float = 1.6
) -> None:
    """A straight line; head: an arrow."""
    style = {"arrowstyle": "-|>" if head else "-", "lw": width, "color": COLORS["text"], "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", end, start, arrowprops=style, zorder=1)


def branch(
    axis: Axes, trunk: float, left: float, right: float, name: str, steps: Sequence[tuple[str, str, str]]
) -> None:
    """Down from the trunk (its height) at left, through the steps (label, shape, tint), and up to the + at right."""
    middle = (left + right) / 2 + 0.1
    axis.plot(left, trunk, "o", ms=5, color=COLORS["text"], zorder=3)
    heights = [trunk - 1.05 - GAP * at for at in range(len(steps))]
    line(axis, (left, trunk), (left, heights[0]))
    line(axis, (left, heights[0]), (middle - 0.85, heights[0]), head=True)
    for y, (label, shape, tint) in zip(heights, steps):
        box(axis, middle - 0.85, y, 1.75, label, shape, tint)
    for upper, lower in pairwise(heights):
        line(axis, (middle, upper - 0.38), (middle, lower + 0.38), head=True)
    end = right + 0.42
    line(axis, (middle + 0.9, heights[-1]), (end, heights[-1]))
    line(axis, (end, heights[-1]), (end, trunk - 0.2), head=True)
    axis.plot(end, trunk, "o", ms=17, mfc=COLORS["paper"], mec=COLORS["text"], zorder=3)
    axis.text(end, trunk, "+", ha="center", va="center", fontsize=15, zorder=4)
    axis.text(middle, trunk + 0.25, name, ha="center", fontsize=12)


def repeated(axis: Axes, left: float, right: float, trunk: float, says: str) -> None:
    """The dashed frame around what a block holds, from its lowest step to above the trunk."""
    bottom = trunk - 1.05 - 3 * GAP - 0.85
    frame = FancyBboxPatch(
        (left, bottom), right - left, trunk + 0.9 - bottom, boxstyle="round,pad=0,rounding_size=0.15"
    )
    frame.set(facecolor="none", edgecolor=COLORS["muted"], linestyle="--", linewidth=1.2)
    axis.add_patch(frame)
    axis.text(right - 0.1, trunk + 1.0, says, ha="right", va="bottom", fontsize=12)
