"""Figures of in-context learning draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.chapters.ch09_gpt3 import in_context_figures as plots
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style

SHOTS = (0, 1, 8)
ACCURACY = np.array([[0.1, 0.2, 0.3], [0.1, 0.3, 0.6], [0.1, 0.35, 0.9]])
BEST = np.array([0.125, 0.36, 0.92])
SIZES = (7_000, 30_000, 200_000)


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text)]


def shots(**more):
    return plots.plot_shots(SHOTS, ACCURACY, SIZES, BEST, chance=0.125, **more)


def test_left_has_a_line_a_size_and_right_a_line_a_number_of_examples():
    left, right = shots(spread=ACCURACY / 10).axes
    assert np.array([line.get_ydata() for line in left.lines[:3]]) == pytest.approx(ACCURACY)
    assert left.lines[3].get_ydata() == pytest.approx(BEST)
    assert set(left.lines[4].get_ydata()) == {0.125}
    assert np.array([line.get_ydata() for line in right.lines]) == pytest.approx(ACCURACY.T)
    assert right.lines[0].get_xdata() == pytest.approx(SIZES)
    assert [label.get_text() for label in right.get_xticklabels()] == ["7", "30", "200"]


def test_a_prompt_shows_examples_question_and_chances():
    figure = plots.plot_prompt([("红", "咕"), ("蓝", "嘟")], "红", [0.7, 0.3], ["咕", "嘟"], right="咕")
    written = texts(figure)
    assert {"红  →  咕", "蓝  →  嘟", "红  →  ？", "0.70  ← 对", "0.30"} <= set(written)
    bars = figure.axes[1].patches
    assert [bar.get_width() for bar in bars] == [0.7, 0.3]
    assert plt.matplotlib.colors.to_hex(bars[0].get_facecolor()).upper() == COLORS["good"].upper()


def test_every_text_has_its_glyphs_and_the_pictures_stay_small():
    for figure in (
        shots(heading="没见过的任务"),
        plots.plot_prompt([("红", "咕")], "红", [0.7, 0.3], ["咕", "嘟"], right="咕"),
    ):
        assert not set().union(*map(missing_glyphs, texts(figure)))
        assert len(to_png(figure)) < 60_000
