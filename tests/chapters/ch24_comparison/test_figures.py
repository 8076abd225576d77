"""Figures of chapter 24 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import pytest

from course_lib.chapters.ch24_comparison import figures as plots
from course_lib.widgets.style import missing_glyphs, use_style


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def test_each_step_stands_with_its_shape_and_arrows_join_them():
    axis = plots.plot_whole({"输入": "[4]", "求和": "[]", "平均": "[1]"}).axes[0]
    written = [text.get_text() for text in axis.texts]
    assert [text for text in written if text] == ["输入", "[4]", "求和", "[]", "平均", "[1]"]
    assert written.count("") == 2


def test_bars_are_the_values_and_the_line_is_their_mean():
    axis = plots.plot_mean([1.0, 2.0, 6.0]).axes[0]
    assert [bar.get_height() for bar in axis.patches] == [1, 2, 6]
    assert axis.lines[0].get_ydata() == [3, 3]


def test_every_character_is_in_the_font():
    for figure in (plots.plot_whole({"输入": "[4]"}), plots.plot_mean([1.0])):
        assert not missing_glyphs("".join(text.get_text() for text in figure.findobj(plt.Text)))
