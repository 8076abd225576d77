"""Static figures of chapter 00: the map in time, what builds on what, boxes in three units, blind guesses."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from course_lib.course.outline import Event, Use, months
from course_lib.widgets.style import COLORS

LANE_COLORS = {
    "base": COLORS["Q"],
    "language": COLORS["text"],
    "image": COLORS["image"],
    "chat": COLORS["resampler"],
    "align": COLORS["GRPO"],
}
CHARACTER = 0.155  # inches, one Chinese character of a label; a Latin one takes six tenths
DATE = 0.68  # inches, " 2021-02" in small print and a gap
LEVEL = 0.3  # inches between two labels of a lane
# where a chapter stands in the dependency graph: column (earlier to the left), row (top: foundations)
PLACES = {
    **{"01": (0, 0), "02": (1, 0), "03": (2, 0), "05": (4, 0), "04": (1, 1), "06": (2, 1)},
    **{"07": (3, 2), "08": (4, 2), "09": (5, 2)},
    **{"10": (3, 3), "11": (4, 3), "12": (5, 3), "13": (6, 3), "14": (7, 3)},
    **{"15": (5, 4), "16": (6, 4), "17": (7, 4), "18": (8, 4)},
    **{"19": (5, 5), "20": (6, 5), "21": (7, 5), "22": (7, 6), "23": (8, 5), "24": (9, 5), "25": (9, 4)},
}


def _inches(text: str) -> float:
    return CHARACTER * sum(1.0 if ord(character) > 0x2E7F else 0.6 for character in text)


def plot_timeline(events: Sequence[Event], lanes: Mapping[str, str], *, first_year: int = 2016) -> Figure:
    """Events on one line a lane: a full dot for the paper or report, a hollow one for weights of another month.

    A date without a month ("2013–16") stands at the left edge. Lanes: id -> title.
    """
    last = max(months(event.date) for event in events if "–" not in event.date)
    left, wide = 0.95, 7.0
    start, end = 12 * first_year, last + 14
    per_month = wide / (end - start)
    placed: list[tuple[Event, float, int, str]] = []  # event, x in inches, level of its label, text
    depth = dict.fromkeys(lanes, 1)
    for lane in lanes:
        taken: list[float] = []  # where the last label of each level ends
        for event in (event for event in events if event.lane == lane):
            x = 0.1 if "–" in event.date else (months(event.date) - start) * per_month
            text = f"{event.name} {event.chapter}"
            room = _inches(text) + DATE
            level = next((i for i, stop in enumerate(taken) if stop <= x), len(taken))
            taken[level : level + 1] = [x + room]
            depth[lane] = max(depth[lane], level + 1)
            placed.append((event, x, level, text))
    heights = {lane: LEVEL * depth[lane] + 0.34 for lane in lanes}
    total = sum(heights.values()) + 0.45
    figure = plt.figure(figsize=(left + wide, total), layout="none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-left, wide), ylim=(total, 0))
    axes.set_axis_off()
    for year in range(first_year + 1, last // 12 + 1):
        x = (12 * year - start) * per_month
        axes.plot([x, x], [0.3, total - 0.05], color=COLORS["grid"], lw=1)
        axes.text(x, 0.18, str(year), ha="center", va="center", fontsize=12, color=COLORS["muted"])
    y = 0.42
    for lane, title in lanes.items():
        colour, line = LANE_COLORS[lane], y + 0.14
        axes.plot([0, wide - 0.1], [line, line], color=colour, lw=1.6, alpha=0.45)
        axes.text(-left + 0.06, line, title, va="center", fontsize=12, color=colour)
        for event, x, level, text in placed:
            if event.lane != lane:
                continue
            text_y = line + 0.26 + LEVEL * level
            axes.plot([x, x], [line, text_y + 0.08], color=colour, lw=0.8, alpha=0.5)
            back = {"fc": COLORS["paper"], "ec": "none", "pad": 0.6}
            style = {"va": "center", "bbox": back, "zorder": 3}
            start_x = min(x + 0.05, wide - _inches(text) - DATE)
            label = axes.text(start_x, text_y, text, fontsize=11, color=COLORS["ink"], **style)
            date = {"xytext": (3, 0), "textcoords": "offset points", "fontsize": 9, "color": COLORS["muted"]}
            axes.annotate(event.date, (1, 0.45), xycoords=label, **date, **style)
            if event.weights is not None:
                at = (months(event.weights) - start) * per_month
                axes.plot([at, x], [line, line], color=colour, lw=3, solid_capstyle="butt")
                axes.plot(at, line, "o", ms=7, mfc=COLORS["paper"], mec=colour, mew=1.6)
            axes.plot(x, line, "o", ms=7, color=colour)
        y += heights[lane]
    return figure


def plot_uses(titles: Mapping[str, str], uses: Sequence[Use], chosen: str, before: set[str], after: set[str]) -> Figure:
    """The dependency graph: `chosen` in full colour, what it needs in blue, what builds on it in orange.

    Args:
        titles: chapter -> short title, for the chapters in PLACES.
        uses: the arrows.
        before, after: chapters that `chosen` needs, and that need it.
    """
    figure = plt.figure(figsize=(7.9, 5.2), layout="none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.55, 9.6), ylim=(6.5, -0.75))
    axes.set_axis_off()
    role = {number: "before" if number in before else "after" if number in after else "rest" for number in PLACES}
    role[chosen] = "chosen"
    edge = {"before": COLORS["Q"], "after": COLORS["K"], "chosen": COLORS["ink"], "rest": "#B9C1C9"}
    fill = {"before": COLORS["prompt"], "after": COLORS["answer"], "chosen": COLORS["ink"], "rest": COLORS["paper"]}
    boxes = {}
    for number, (x, y) in PLACES.items():
        kind = role[number]
        border = COLORS["muted"] if kind == "rest" else edge[kind]
        style = {"fc": fill[kind], "ec": border, "lw": 1.4, "zorder": 3}
        boxes[number] = axes.add_patch(
            FancyBboxPatch((x - 0.41, y - 0.3), 0.82, 0.6, boxstyle="round,pad=0,rounding_size=0.1", **style)
        )
        ink = {"ha": "center", "va": "center", "color": COLORS["paper"] if kind == "chosen" else COLORS["ink"]}
        axes.text(x, y - 0.11, number, fontsize=12, zorder=4, **ink)
        axes.text(x, y + 0.15, titles[number], fontsize=9.5, zorder=4, **ink)
    for use in uses:
        (x1, y1), (x2, y2) = PLACES[use.earlier], PLACES[use.later]
        ends = {role[use.earlier], role[use.later]}
        kind = next((kind for kind in ("before", "after") if ends <= {kind, "chosen"}), "rest")
        bend = -0.28 if y1 == y2 and abs(x2 - x1) > 1 else 0.0
        arrow = {
            **{"arrowstyle": "-|>", "mutation_scale": 11, "connectionstyle": f"arc3,rad={bend}"},
            **{"patchA": boxes[use.earlier], "patchB": boxes[use.later], "shrinkA": 0, "shrinkB": 1},
            **{"color": edge[kind], "lw": 1.0 if kind == "rest" else 2.0},
        }
        axes.annotate("", (x2, y2), (x1, y1), arrowprops=arrow, zorder=1 if kind == "rest" else 2)
    axes.text(-0.5, 6.3, "蓝：它要用到的　橙：会用到它的", fontsize=12, color=COLORS["ink"])
    return figure


def plot_blind(names: Sequence[str], bars: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Share of right answers by kind of question: one row a kind, one bar an answerer (mean, std over seeds)."""
    figure, axes = plt.subplots(figsize=(6.4, 0.55 * len(names) + 1.2))
    thickness = 0.8 / len(bars)
    for i, ((name, (mean, std)), colour) in enumerate(zip(bars.items(), (COLORS["K"], COLORS["SFT"], COLORS["Q"]))):
        y = np.arange(len(names)) + (i - (len(bars) - 1) / 2) * thickness
        axes.barh(y, mean * 100, thickness * 0.9, xerr=std * 100, color=colour, label=name, ecolor=COLORS["ink"])
        for at, value in zip(y, mean):
            axes.text(value * 100 + 2.5, at, f"{value:.0%}", va="center", fontsize=11)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel="正确率（%）", xlim=(0, 100))
    axes.legend(loc="lower right")
    return figure


def plot_resized(
    image: UInt8[np.ndarray, "H W 3"],
    box: Sequence[float],
    drawn: Sequence[float],
    lines: Sequence[str],
    *,
    largest: tuple[int, int],
) -> Figure:
    """A picture at its own size on a page for the largest one; the true box solid, the drawn one dashed.

    Args:
        image: the resized picture; it is drawn in proportion to `largest` = (width, height).
        box, drawn: x1, y1, x2, y2 in pixels of this picture.
        lines: what to write beside it.
    """
    figure = plt.figure(figsize=(6.8, 4.6), layout="none")
    H, W = image.shape[:2]
    axes = figure.add_axes((0.01, 0.29, 0.98, 0.69))
    axes.imshow(image, interpolation="nearest", extent=(0, W, H, 0))
    margin = 0.03 * largest[0]
    axes.set(xlim=(-margin, largest[0] + margin), ylim=(largest[1] + margin, -margin))
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.add_patch(Rectangle((0, 0), *largest, fill=False, ec=COLORS["grid"], lw=1))
    for (x1, y1, x2, y2), colour, style, width in ((box, "good", "-", 3.2), (drawn, "bad", "--", 2.2)):
        axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=COLORS[colour], ls=style, lw=width))
    figure.text(0.02, 0.27, "\n".join(lines), va="top", fontsize=12, linespacing=1.45)
    return figure
