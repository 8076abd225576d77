"""Figures of chapter 10 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from course_lib.chapters.ch10_vit import figures as plots
from course_lib.chapters.ch10_vit.whole_figure import plot_whole
from course_lib.models.vit import ViTConfig
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style

WIDE = ViTConfig(height=4, width=12, patch=2, channels=1, n_classes=5, d_model=24, n_layers=3, n_heads=2)


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text)]


def whole():
    return plot_whole(WIDE, np.linspace(0, 1, 48).reshape(4, 12), [("9", 0.32), ("5", 0.28)])


def shuffled():
    found = [np.array([0.1, 0.9]), np.array([0.7, 0.3])]
    return plots.plot_shuffled([np.zeros((2, 2)), np.ones((2, 2))], {"有位置": found, "没有位置": found[:1] * 2})


def confusions():
    return plots.plot_confusions(np.array([[5, 2], [0, 7]]), [(np.eye(3), 0, 1), (np.eye(3), 0, 1)])


def positions():
    return plots.plot_by_distance({"训练后": [0.2, 0.1, -0.1], "训练前": [0.0, 0.0, 0.0]})


def amounts():
    low = np.array([[0.2, 0.4], [0.4, 0.6]])
    return plots.plot_amounts([100, 1000], {"卷积网": low, "ViT": low / 2}, chance=0.19)


def patches():
    return plots.plot_patches([8, 1], np.array([10, 1000]), np.array([100, 4000]), np.array([[0.9, 0.8], [0.7, 0.6]]))


ALL = [whole, shuffled, confusions, positions, amounts, patches]


@pytest.mark.parametrize("draw", ALL)
def test_each_is_a_small_picture_without_tofu(draw):
    figure = draw()
    assert not missing_glyphs("".join(texts(figure)))
    assert len(to_png(figure)) < 60_000


def test_the_whole_model_has_every_shape_and_names_the_classes():
    written = texts(whole())
    for shape in (
        "[1, 4, 12]",
        "[12, 4]",
        "[12, 24]",
        "[13, 24]",
        "[13, 3·24]",
        "权重 [2, 13, 13]",
        "[13, 96]",
        "[24]",
    ):
        assert shape in written, shape
    assert written.count("LayerNorm") == 3 and written.count("+") == 2
    assert {"分数 [5]", "9", "32%", "5", "28%", "一块摊平：4 个数"} <= set(written)


def test_bars_are_the_probabilities_and_the_best_is_blue():
    bars = shuffled().axes[1].patches
    assert [bar.get_height() for bar in bars] == [0.1, 0.9]
    assert [to_hex(bar.get_facecolor()).upper() for bar in bars] == [COLORS["grid"].upper(), COLORS["Q"].upper()]


def test_confusions_colour_the_wrong_cells_alone():
    figure = confusions()
    axis = figure.axes[0]
    assert np.array_equal(
        np.isfinite(np.ma.filled(axis.images[0].get_array(), np.nan)), [[False, True], [False, False]]
    )
    assert sum(text == "0 读成 1" for text in texts(figure)) == 2


def test_distances_begin_at_one():
    after, before, _ = positions().axes[0].lines
    assert after.get_xdata().tolist() == [1, 2, 3] and after.get_ydata().tolist() == [0.2, 0.1, -0.1]
    assert before.get_ydata().tolist() == [0, 0, 0]


def test_cost_stands_on_the_left_and_what_it_bought_on_the_right():
    cost, right = patches().axes
    assert {line.get_label(): line.get_ydata().tolist() for line in cost.lines} == {
        "全部": [100, 4000],
        "两两之间": [10, 1000],
    }
    assert cost.get_yscale() == "log"
    assert np.allclose(right.lines[0].get_ydata(), [80, 70])
    assert [label.get_text() for label in right.get_xticklabels()] == ["8", "1"]


def test_the_band_goes_from_the_least_to_the_most():
    axis = amounts().axes[0]
    lines = {line.get_label(): line.get_ydata() for line in axis.lines}
    assert np.allclose(lines["卷积网"], [0.3, 0.5]) and np.allclose(lines["ViT"], [0.15, 0.25])
    band = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == 0.2 and band.max() == 0.6
