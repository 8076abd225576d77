"""Figures of chapter 03 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Wedge

from course_lib.chapters.ch03_rope import figures as plots
from course_lib.widgets.style import missing_glyphs, to_png, use_style


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text)]


def test_every_panel_shows_the_same_score_while_the_distance_is_kept():
    figure = plots.plot_turned_pairs((2, 0), (1, 1), np.pi / 6, [(3, 1), (10, 8), (3, 0)])
    titles = [axis.get_title(loc="center") for axis in figure.axes]
    assert ["2.732" in title for title in titles] == [True, True, False]
    assert "45°，分数 2.000" in titles[2]


def test_clocks_are_red_only_beyond_the_trained_arc():
    slow, fast = 1e-4, 1.0
    figure = plots.plot_clocks({0: fast, 1: slow}, 1000, {0: fast, 1: slow}, 4000, "")
    wedges = [sorted(wedge.theta2 - wedge.theta1 for wedge in axis.findobj(Wedge)) for axis in figure.axes]
    assert wedges[0] == [360.0]  # all seen
    assert wedges[1] == pytest.approx([np.degrees(999 * slow), np.degrees(3000 * slow)])
    squeezed = plots.plot_clocks({0: fast, 1: slow}, 1000, {0: fast / 4, 1: slow / 4}, 3997, "")
    assert all(len(axis.findobj(Wedge)) == 1 for axis in squeezed.axes)


def test_the_lines_of_whole_turns_stand_where_the_frequencies_put_them():
    turns = 4096 * 10000 ** (-np.arange(64) / 64) / (2 * np.pi)
    axis = plots.plot_frequency_ratios({"PI": np.ones(64)}, turns).axes[0]
    places = [line.get_xdata()[0] for line in axis.lines[1:]]
    assert places == pytest.approx([64 * np.log(4096 / (2 * np.pi * k)) / np.log(10000) for k in (32, 1)])


def test_layouts_join_the_pairs_of_the_room():
    axes = plots.plot_layouts(8).axes
    widths = [sorted({arc.width for arc in axis.patches if hasattr(arc, "theta1")}) for axis in axes]
    assert widths == [[1], [4]]


def test_no_figure_holds_a_glyph_that_the_font_lacks():
    n = np.arange(4.0)
    figures = [
        plots.plot_turned_pairs((2, 0), (1, 1), 0.5, [(1, 1)]),
        plots.plot_block_matrix(np.eye(4), 3),
        plots.plot_layouts(4),
        plots.plot_clocks({0: 1.0}, 8, {0: 1.0}, 16, "钟"),
        plots.plot_scores_by_distance(n, n, np.ones((3, 4)), n),
        plots.plot_frequency_ratios({"PI": n, "YaRN": n}, 2.0**-n),
        plots.plot_losses(
            [32, 64, 128, 256],
            {"PI": (n, n)},
            trained_length=32,
            guess=2.0,
            labels={"PI": "位置内插"},
            xlabel="文本长度",
        ),
    ]
    for figure in figures:
        assert not missing_glyphs("".join(texts(figure)))
        assert to_png(figure)[:4] == b"\x89PNG"
