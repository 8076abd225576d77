"""Figures of chapter 08 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from course_lib.chapters.ch08_gpt2 import figures as plots
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text)]


def pieces():
    return plots.plot_pieces(["词", "E5 85"], [True, False], [271, 292], title="两个词元")


def leaks():
    moved = np.array([[1, 1, 1], [1, 1, 0], [0, 0, 1]], dtype=bool)
    return plots.plot_leaks(moved, ["左", "有", "红"], title="错一格")


def knobs():
    return plots.plot_knobs(
        ["红", "蓝"], np.array([0.6, 0.3]), np.array([0.8, 0.2]), [True, False], rest=(0.1, 0.0), title="τ = 0.5"
    )


def variety():
    line = np.array([0.5, 1.0])
    return plots.plot_variety({"温度": ([0, 1], line, line * 400), "top-p": ([0.5, 0.9], line, line * 200)}, most=400)


def zero_shot():
    held = np.array([[0.0, 0.2, 1.0], [0.1, 0.4, 0.9]])
    return plots.plot_zero_shot((0, 20, 160), held, held, np.array([0.0, 0.04]), [4500, 78000], held[:, :2])


def residual():
    return plots.plot_residual({"不缩放": np.array([1, 2, 3.0]), "缩放": np.array([1, 1.1, 1.2])})


ALL = [pieces, leaks, knobs, variety, zero_shot, residual]


@pytest.mark.parametrize("draw", ALL)
def test_each_is_a_small_picture_without_tofu(draw):
    figure = draw()
    assert not missing_glyphs("".join(texts(figure)))
    assert len(to_png(figure)) < 40_000


def test_half_a_character_is_framed_red():
    edges = [to_hex(box.get_edgecolor()).upper() for box in pieces().axes[0].patches]
    assert edges == [COLORS["muted"], COLORS["bad"]]


def test_a_long_text_goes_on_in_the_next_row():
    one = plots.plot_pieces(["a"] * 3, [True] * 3, [1] * 3, title="")
    two = plots.plot_pieces(["a"] * 30, [True] * 30, [1] * 30, title="")
    assert two.get_figheight() > one.get_figheight()


def test_only_the_past_that_moved_is_a_leak():
    axis = leaks().axes[0]
    assert axis.images[0].get_array().tolist() == [[1, 1, 1], [2, 1, 0], [0, 0, 1]]
    assert [text.get_position() for text in axis.texts] == [(0, 1)]


def test_knobs_show_before_and_after_and_the_rest():
    bars = knobs().axes[0].patches
    assert [bar.get_height() for bar in bars] == [0.8, 0.2, 0.0, 0.6, 0.3, 0.1]
    assert to_hex(bars[0].get_facecolor()).upper() == COLORS["Q"]
    assert to_hex(bars[1].get_facecolor()).upper() == COLORS["bad"]


def test_variety_is_a_share_of_the_true_one():
    left, right = variety().axes
    assert [line.get_ydata().tolist() for line in left.lines] == [[0.5, 1.0], [0.5, 1.0]]
    assert right.lines[1].get_ydata().tolist() == [0.25, 0.5]
    assert [label.get_text() for label in right.get_xticklabels()] == ["0.5", "0.9"]


def test_zero_shot_draws_means_and_each_seed():
    left, right = zero_shot().axes
    drawn = [line.get_ydata().tolist() for line in left.lines]
    assert pytest.approx([0.05, 0.3, 0.95]) in drawn and [0.0, 0.2, 1.0] in drawn
    assert [0.02] in drawn
    assert right.get_xscale() == "log"


def test_residual_starts_at_no_addition():
    lines = residual().axes[0].lines
    assert lines[0].get_xdata().tolist() == [0, 1, 2] and lines[1].get_ydata()[-1] == 1.2
