"""Pictures of the data world: contact sheets, boxes, video strips, photographs, digits. Numbers in, Figure out."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib.widgets.style import COLORS


def _show(axes: Axes, image: UInt8[np.ndarray, "H W *C"]) -> None:
    """Pixels with hard edges where they are few, so that the reader sees what the model sees."""
    axes.imshow(image, cmap="gray_r" if image.ndim == 2 else None, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _wrap(text: str, n_characters: int) -> str:
    """Lines of at most `n_characters` half-width characters; Chinese ones count twice and may break anywhere."""
    lines, line, width = [], "", 0
    for word in _words(text):
        size = sum(2 if ord(c) > 0x2E7F else 1 for c in word)
        if line and width + size > n_characters and word not in "，。、？”":
            lines.append(line.rstrip())
            line, width = "", 0
            word = word.lstrip()
        line, width = line + word, width + size
    return "\n".join([*lines, line])


def _words(text: str) -> list[str]:
    words = [""]
    for character in text:
        if ord(character) > 0x2E7F or character == " " or (words[-1] and ord(words[-1][-1]) > 0x2E7F):
            words.append("")
        words[-1] += character
    return [word for word in words if word]


def plot_contact_sheet(
    images: Sequence[UInt8[np.ndarray, "H W 3"]], captions: Sequence[str] = (), *, n_columns: int = 4
) -> Figure:
    """Images in rows, each with its caption below; the images may differ in size."""
    if not len(images):
        raise ValueError("no images to show")
    if len(captions) not in (0, len(images)):
        raise ValueError(f"{len(images)} images need as many captions or none, got {len(captions)}")
    n_columns = min(n_columns, len(images))
    side = 7.6 / n_columns
    n_characters = int(side * 13.5)
    wrapped = [_wrap(text, n_characters) for text in captions]
    rows = [slice(k, k + n_columns) for k in range(0, len(images), n_columns)]
    heights = [
        side * max(image.shape[0] / image.shape[1] for image in images[row])
        + 0.2 * max((text.count("\n") + 1 for text in wrapped[row]), default=0)
        for row in rows
    ]
    figure, axes = plt.subplots(
        len(rows),
        n_columns,
        figsize=(7.6, sum(heights)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for k, cell in enumerate(axes.flat):
        if k >= len(images):
            cell.set_axis_off()
            continue
        _show(cell, images[k])
        cell.set_anchor("N")
        if wrapped:
            cell.set_xlabel(wrapped[k], fontsize=10, color=COLORS["ink"])
    return figure


def plot_boxes(
    image: UInt8[np.ndarray, "H W 3"],
    boxes: Float[np.ndarray, "N 4"],
    names: Sequence[str] = (),
    *,
    predicted: Float[np.ndarray, "M 4"] | None = None,
) -> Figure:
    """The image with true boxes (solid) and, if given, predicted ones (dashed), all in pixels of this image."""
    H, W = image.shape[:2]
    figure, axes = plt.subplots(figsize=(5.2, min(5.2 * H / W, 8.0) + 0.4), layout="constrained")
    _show(axes, image)
    ink = {"edgecolor": COLORS["paper"], "facecolor": "none", "linewidth": 1.5}
    # imshow puts the centre of pixel (0, 0) at (0, 0), a box its corner
    for k, (x1, y1, x2, y2) in enumerate(np.asarray(boxes)):
        axes.add_patch(Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, **ink))
        if k < len(names):
            above, right = y1 > 0.08 * H, x1 > 0.7 * W
            axes.annotate(
                names[k],
                ((x2 if right else x1) - 0.5, (y1 if above else y2) - 0.5),
                xytext=(0, 4 if above else -4),
                textcoords="offset points",
                va="bottom" if above else "top",
                ha="right" if right else "left",
                fontsize=10,
                color=COLORS["ink"],
                bbox={"boxstyle": "square,pad=0.15", "facecolor": COLORS["paper"], "edgecolor": "none", "alpha": 0.85},
            )
    for x1, y1, x2, y2 in () if predicted is None else np.asarray(predicted):
        axes.add_patch(
            Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, **ink | {"edgecolor": COLORS["K"], "linestyle": "--"})
        )
    return figure


def plot_video_strip(
    frames: UInt8[np.ndarray, "T H W 3"], seconds: Float[np.ndarray, "T"], *, events: Sequence[float] = ()
) -> Figure:
    """Frames in a row over a time axis in seconds, each tied to its own moment; `events` marks seconds on the axis."""
    T = len(frames)
    if T == 0 or len(seconds) != T:
        raise ValueError(f"{T} frames need as many seconds, and at least one; got {len(seconds)} seconds")
    H, W = frames.shape[1:3]
    width = min(7.6, 1.9 * T)
    figure = plt.figure(figsize=(width, width / T * H / W + 1.0), layout="none")
    top = figure.add_axes((0.04, 0.0, 0.92, 1.0))
    top.set_axis_off()
    picture_height = (width * 0.92 / T * 0.92 * H / W) / figure.get_figheight()
    bottom = 1 - picture_height - 0.02
    axis_height = 0.52 / figure.get_figheight()
    span = (float(seconds[0]), float(max([seconds[-1], *events, seconds[0] + 1e-6])))
    top.set_xlim(0, 1)
    top.set_ylim(0, 1)
    for k in range(T):
        left = 0.04 + 0.92 * (k + 0.04) / T
        _show(figure.add_axes((left, bottom, 0.92 * 0.92 / T, picture_height)), frames[k])
        moment = 0.02 + 0.96 * (seconds[k] - span[0]) / (span[1] - span[0])
        top.plot([(k + 0.5) / T, moment], [bottom - 0.01, axis_height], color=COLORS["video"], linewidth=1.0)
    line = figure.add_axes((0.04 + 0.92 * 0.02, axis_height, 0.92 * 0.96, 0.001))
    line.set_xlim(*span)
    line.set_yticks([])
    line.set_xlabel("时间（秒）")
    for name in ("left", "right", "top"):
        line.spines[name].set_visible(False)
    line.grid(False)
    line.plot(list(events), [0] * len(events), marker="v", linestyle="", color=COLORS["bad"], clip_on=False, zorder=5)
    return figure


def plot_photographs(images: Sequence[UInt8[np.ndarray, "H W 3"]], titles: Sequence[str]) -> Figure:
    """Photographs side by side at one height, each under its title."""
    ratios = [image.shape[1] / image.shape[0] for image in images]
    figure, axes = plt.subplots(
        1,
        len(images),
        figsize=(7.6, 7.6 / sum(ratios) + 0.4),
        width_ratios=ratios,
        squeeze=False,
        layout="constrained",
    )
    for cell, image, title in zip(axes.flat, images, titles, strict=True):
        _show(cell, image)
        cell.set_title(title)
    return figure


def plot_digits(images: UInt8[np.ndarray, "N h w"], labels: Int[np.ndarray, "N"], *, n_columns: int = 10) -> Figure:
    """Handwritten digits, dark ink on white, the label above each."""
    n_columns = min(n_columns, len(images))
    n_rows = -(-len(images) // n_columns)
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(7.6, n_rows * (7.6 / n_columns + 0.3)), squeeze=False, layout="constrained"
    )
    for k, cell in enumerate(axes.flat):
        if k >= len(images):
            cell.set_axis_off()
            continue
        _show(cell, images[k])
        cell.set_title(str(labels[k]), fontsize=12)
    return figure
