"""RoPE as clocks: the still form of the widgets in chapter 03.

P = Dh/2 planes · q, k before rotation, [Dh], interleaved pairs · freqs radians per position, [P]
"""

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Circle

from course_lib.widgets.style import COLORS


def plot_rotation(q: np.ndarray, k: np.ndarray, freqs: np.ndarray, m: float, n: float, last: float = 32) -> Figure:
    """q turned to position m and k to position n on each plane, and below them the score at every distance n - m.

    last: the largest position, so the curve runs over distances -last … last.
    """
    q, k = _pairs(q), _pairs(k)
    freqs = np.asarray(freqs)
    reach = max(abs(q).max(), abs(k).max())
    columns = min(len(freqs), 4)
    rows = math.ceil(len(freqs) / columns)
    figure = plt.figure(figsize=(7.6, 2.7 * rows + 2.0))
    planes, below = figure.subfigures(2, 1, height_ratios=[2.7 * rows, 2.0])
    axes = list(planes.subplots(rows, columns, squeeze=False).flat)
    contributions = (np.conj(q * np.exp(1j * m * freqs)) * k * np.exp(1j * n * freqs)).real
    for axis in axes:
        axis.axis("off")
    for i, axis in zip(range(len(freqs)), axes):
        _plane(axis, q[i] / reach, k[i] / reach, freqs[i] * m, freqs[i] * n)
        axis.set_title(
            f"平面 {i}：$\\theta$ = {freqs[i]:.3g}\n贡献 {_number(contributions[i], '+.2f')}", loc="center", fontsize=13
        )
    axis = below.subplots()
    distances = np.linspace(-last, last, 801)
    scores = (np.conj(q) * k * np.exp(1j * distances[:, None] * freqs)).real.sum(1)
    axis.plot(distances, scores, color=COLORS["ink"], lw=1.6)
    axis.plot(n - m, contributions.sum(), "o", color=COLORS["resampler"], ms=9)
    now = f"现在 {_number(n - m, 'g')}，分数 {_number(contributions.sum(), '.4f')}"
    axis.set(xlim=(-last, last), xlabel=f"距离 n − m（{now}）", ylabel="分数")
    axis.grid()
    return figure


def _pairs(x: np.ndarray) -> np.ndarray:
    """The pairs (x0, x1), (x2, x3), … as complex numbers, [P]."""
    x = np.asarray(x, dtype=float)
    return x[0::2] + 1j * x[1::2]


def _number(value: float, form: str) -> str:
    return format(value, form).replace("-", "−")


def _plane(axis: Axes, q: complex, k: complex, turn_q: float, turn_k: float) -> None:
    axis.add_patch(Circle((0, 0), 1, fill=False, color=COLORS["grid"], lw=1.2))
    ends = []
    for name, before, turn in (("q", q, turn_q), ("k", k, turn_k)):
        colour, after = COLORS[name.upper()], before * np.exp(1j * turn)
        axis.plot([0, before.real], [0, before.imag], "--", color=colour, lw=1.2, alpha=0.6)
        head = {"arrowstyle": "-|>", "color": colour, "lw": 2.6, "shrinkA": 0, "shrinkB": 0}
        axis.annotate("", xy=(after.real, after.imag), xytext=(0, 0), arrowprops=head)
        label = after * (1 + 0.17 / abs(after))
        axis.text(label.real, label.imag, name, color=colour, ha="center", va="center", style="italic")
        ends.append(np.degrees(np.angle(after)))
    gap = (ends[1] - ends[0] + 180) % 360 - 180
    low = ends[0] if gap > 0 else ends[1]
    axis.add_patch(Arc((0, 0), 0.6, 0.6, theta1=low, theta2=low + abs(gap), color=COLORS["ink"], lw=1.2))
    axis.set(xlim=(-1.28, 1.28), ylim=(-1.28, 1.28), aspect="equal")
