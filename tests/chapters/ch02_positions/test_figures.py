"""Figures of chapter 02 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.chapters.ch02_positions import figures as plots
from course_lib.foundations.positions import sinusoidal
from course_lib.widgets.style import missing_glyphs, to_png, use_style

TABLE = sinusoidal(40, 8).double().numpy()


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def test_the_bits_are_those_of_the_positions():
    bits, waves = (axis.images[0].get_array() for axis in plots.plot_bits_and_waves(16, 4).axes)
    assert [int("".join(map(str, row)), 2) for row in bits] == list(range(16))
    np.testing.assert_allclose(waves[:, -1], np.arange(16) % 2, atol=1e-12)  # period 2
    assert waves[8, 0] == pytest.approx(1) and waves[4, 0] == pytest.approx(0.5)  # period 16


def test_the_likeness_is_1_at_the_marked_row_and_depends_on_distance():
    curves = {}
    for position in (10, 20):
        figure = plots.plot_table_and_likeness(TABLE, position)
        curve = next(line for axis in figure.axes for line in axis.lines if len(line.get_xdata()) == len(TABLE))
        curves[position] = np.asarray(curve.get_xdata())
        assert curves[position][position] == pytest.approx(1)
    np.testing.assert_allclose(curves[10][:20], curves[20][10:30], atol=1e-6)


def test_one_pair_has_the_kernel_of_a_cosine():
    figure = plots.plot_pair(np.array([0.5, 0.1]), 0, 30)
    by_label = {line.get_label(): np.asarray(line.get_ydata()) for axis in figure.axes for line in axis.lines}
    np.testing.assert_allclose(by_label["只用前 1 对"], np.cos(0.5 * np.arange(30)), atol=1e-12)
    np.testing.assert_allclose(by_label["sin"], np.sin(0.5 * np.arange(30)), atol=1e-12)


def test_the_probe_shows_the_channel_that_it_misses():
    guess = TABLE.copy()
    guess[:, 5] += 0.3
    top, low = plots.plot_probe(TABLE, guess, 20, "").axes
    assert top.get_ylabel() == "通道 5"
    np.testing.assert_allclose(low.lines[0].get_ydata(), 0.3 / 2, atol=1e-12)  # |PE| = sqrt(8 / 2)


def test_no_figure_holds_a_glyph_that_the_font_lacks():
    n = np.arange(5.0)
    figures = [
        plots.plot_bits_and_waves(8, 3),
        plots.plot_table_and_likeness(TABLE, 3),
        plots.plot_pair(np.array([1.0, 0.1]), 1, 20),
        plots.plot_probe(TABLE, TABLE + 1e-3, 20, "删 cos"),
        plots.plot_beyond(n, n, n[:-1], 2, 1.0),
        plots.plot_biases(np.array([0.25, 0.0625]), 8),
    ]
    for figure in figures:
        assert not missing_glyphs("".join(text.get_text() for text in figure.findobj(plt.Text)))
        assert to_png(figure)[:4] == b"\x89PNG"
