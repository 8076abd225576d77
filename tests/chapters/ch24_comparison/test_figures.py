"""Figures of chapter 24 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.chapters.ch24_comparison import figures as plots
from course_lib.chapters.ch24_comparison.whole_figure import Sizes, plot_three
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style

METHODS = ("PPO", "DPO", "GRPO")


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text().strip()]


def whole():
    return plot_three(Sizes(questions=3, answers=12, tokens=7))


def table():
    return plots.plot_cells("成本", "说的", {"PPO": "最高", "DPO": "最低", "GRPO": "中等"})


def seen():
    pushes = {"PPO": np.array([0.1, -0.2]), "DPO": np.array([0.3, -0.3]), "GRPO": np.array([0.2, -0.1])}
    return plots.plot_seen([1.0, 0.5], pushes)


def costs():
    return plots.plot_costs(
        ["PPO", "GRPO"], np.array([[3.0, 2, 4, 1], [2.0, 1, 2, 1]]), np.array([[1.0, 2, 3], [1, 1, 2]]), says="窄"
    )


def budgets():
    share = np.array([[[0.2, 0.6], [0.1, 0.3]], [[0.4, 0.8], [0.1, 0.5]]])
    return plots.plot_budgets([128, 256], share, ["PPO", "DPO"], levels=(0.5, 0.8))


def frontier():
    kl = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    return plots.plot_frontier(kl, kl / 2, kl, ["PPO", "DPO"])


def sensitivity():
    share = np.array([[[0.2, -0.6], [0.1, 0.3]], [[0.4, -0.4], [0.1, 0.5]]])
    return plots.plot_sensitivity("学习率", ["1", "8"], share, ["PPO", "DPO"])


def curves():
    usual = {"PPO": np.array([0.0, 0.5]), "DPO": np.array([0.0, 0.4])}
    return plots.plot_curves(usual, {"PPO": np.array([0.0, 0.9]), "DPO": np.array([0.0, -0.2])})


def poems():
    ends = np.array([[[0.6, 0.7], [0.5, 0.8]], [[0.8, 0.7], [0.5, 0.6]]])
    ways = (np.array([[0.0, 2.0], [0.0, 3.0]]), np.array([[1.0, 2.0], [1.0, 1.5]]))
    return plots.plot_poems(["押韵", "平仄"], np.array([0.4, 0.5]), ends, np.array([0.9, 0.8]), ways, ["PPO", "DPO"])


@pytest.mark.parametrize("draw", [whole, table, seen, costs, budgets, frontier, sensitivity, curves, poems])
def test_each_is_a_small_picture_without_tofu(draw):
    figure = draw()
    assert not missing_glyphs("".join(texts(figure)))
    assert len(to_png(figure)) < 70_000


def test_the_sheet_has_the_shapes_of_its_example():
    written = texts(whole())
    for shape in (
        "[12, S]",
        "[3, S]",
        "2 × [6, 7]",
        "[12]，[12, 6]，[12, 6]",
        "[3, 4]，[12, 6]",
        "2 × [6]",
        "间隔 [6]",
    ):
        assert written.count(shape) == 1, shape
    assert written.count("[12, 7]") == 2 and written.count("换一批再写") == 2


def test_a_row_of_the_table_has_a_cell_a_method():
    assert {"PPO", "DPO", "GRPO", "最高", "最低", "中等", "成本：说的"} <= {*texts(table())}


def test_pushes_stand_beside_the_scores_on_one_scale():
    scores, *pushes = seen().axes
    assert [bar.get_height() for bar in scores.patches] == [1.0, 0.5]
    assert [[bar.get_height() for bar in axis.patches] for axis in pushes] == [[0.1, -0.2], [0.3, -0.3], [0.2, -0.1]]
    assert len({axis.get_ylim() for axis in pushes}) == 1


def test_costs_are_stacks():
    left, right = costs().axes
    assert [bar.get_height() for bar in left.patches] == [3, 2, 2, 1, 4, 2, 1, 1]
    assert [bar.get_y() for bar in right.patches] == [0, 0, 1, 1, 3, 2]


def test_lines_are_means_and_bands_all_seeds():
    for figure, first in ((budgets(), [0.3, 0.7]), (sensitivity(), [0.3, -0.5])):
        axis = figure.axes[0]
        assert axis.lines[0].get_ydata().tolist() == pytest.approx(first)
        heights = axis.collections[0].get_paths()[0].vertices[:, 1]
        low = min(0.2, first[1] - 0.1)
        assert heights.min() == pytest.approx(low) and heights.max() == pytest.approx(max(0.4, first[1] + 0.1))
        assert plt.matplotlib.colors.to_hex(axis.lines[0].get_color()) == COLORS["PPO"].lower()


def test_each_method_has_a_panel_with_its_curve_beside_the_usual_one():
    found = [[line.get_ydata().tolist() for line in axis.lines[:2]] for axis in curves().axes]
    assert found == [[[0, 0.5], [0, 0.9]], [[0, 0.4], [0, -0.2]]]
    assert {"PPO", "DPO", "平常", "现在"} <= {*texts(curves())}
    assert len({axis.get_ylim() for axis in curves().axes}) == 1


def test_levels_are_dashed_and_written():
    axis = budgets().axes[0]
    assert {"0.5", "0.8"} <= {text.get_text() for text in axis.texts}
    assert [line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == "--"] == [0.5, 0.8]


def test_the_frontier_has_the_most_that_kl_can_bring():
    lines = frontier().axes[0].lines
    assert lines[0].get_xdata().tolist() == lines[0].get_ydata().tolist() == [1, 2, 3, 4]
    assert lines[-1].get_xdata().tolist() == [3, 4] and lines[-1].get_ydata().tolist() == [1.5, 2]


def test_poems_have_before_ends_and_ways():
    left, right = poems().axes
    assert left.lines[0].get_xdata().tolist() == [0.4, 0.5] and left.lines[-1].get_xdata().tolist() == [0.9, 0.8]
    assert left.lines[1].get_xdata().tolist() == pytest.approx([0.7, 0.7])
    assert right.lines[1].get_xdata().tolist() == [0, 3] and right.lines[1].get_ydata().tolist() == [1, 1.5]
