"""Figures of chapter 22 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.chapters.ch22_dpo import figures as plots
from course_lib.chapters.ch22_dpo.whole_figure import Sizes, plot_dpo
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text().strip()]


def whole():
    return plot_dpo(Sizes(pairs=5, tokens=7, vocabulary=99))


def tilt():
    reference, factors, best = np.array([0.25, 0.75]), np.array([6.0, 0.5]), np.array([0.8, 0.2])
    return plots.plot_tilt(reference, factors, best, ["好", "差"])


def pull():
    return plots.plot_pull({"DPO": lambda x: np.exp(-x / 30), "IPO": lambda x: 1 - x / 10}, says="β = 0.1")


def where(step=1):
    probs = np.array([[0.1, 0.8, 0.1], [0.3, 0.2995, 0.4005], [0.0999, 0.0001, 0.9]])
    return plots.plot_where(probs, np.array([0.69, 0.5]), step, ["选中的", "落选的", "没见过\n最差的"])


def tokens():
    nan = float("nan")
    return plots.plot_tokens([("选中", "春风来。", [nan, 0.5, 3.0, -1.5]), ("落选", "春雨", [nan, -9.0])])


def to_best():
    values = np.array([[0.1, 0.01], [0.3, 0.03]])
    return plots.plot_to_best(
        [100, 1000], {"三个": values, "十五个": 2 * values}, {"三个": {"IPO": 0.5}, "十五个": {"IPO": 0.7}}, 1e-3
    )


def poems():
    right = {"学过的": np.array([[1.0, 0.8], [0.8, 0.6]]), "没见过的": np.array([[0.5, 0.6], [0.5, 0.7]])}
    return plots.plot_poems(["96 对", "960 对"], right, np.array([[2.5, 2.4, 2.8], [2.5, 2.6, 3.0]]))


def costs():
    kl = {"DPO": np.array([[0.0, 0.2], [0.0, 0.4]]), "rDPO": np.zeros((2, 2))}
    return plots.plot_costs([0.0, 0.2], kl, {"DPO": np.array([1.0, 2, 3, 4]), "PPO": np.array([2.0, 4, 6, 8])})


@pytest.mark.parametrize("draw", [whole, tilt, pull, where, tokens, to_best, poems, costs])
def test_each_is_a_small_picture_without_tofu(draw):
    figure = draw()
    assert not missing_glyphs("".join(texts(figure)))
    assert len(to_png(figure)) < 70_000


def test_the_whole_has_the_shapes_of_its_example():
    written = texts(whole())
    for shape, times in {
        "[5, 7]": 2,
        "2 × [5, 7] → 2 × [5, 7, 99]": 2,
        "2 × [5, 6] → 2 × [5]": 2,
        "[5]": 3,
        "一个数": 1,
    }.items():
        assert written.count(shape) == times, shape


def test_before_stands_beside_after_over_what_it_was_multiplied_by():
    axis = tilt().axes[0]
    assert [bar.get_height() for bar in axis.patches] == [0.25, 0.75, 0.8, 0.2]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["好\n× 6", "差\n× 0.5"]


def test_pulls_are_drawn_as_given_and_back_pulls_stay_below_zero():
    axis = pull().axes[0]
    x, y = axis.lines[1].get_data()
    assert (x[0], x[-1]) == (-30, 30) and y.tolist() == pytest.approx((1 - x / 10).tolist())
    assert axis.get_ylim()[0] < 0


def test_bars_are_the_step_frames_the_start_and_lines_all_steps():
    axis, beside = where().axes
    heights = [bar.get_height() for bar in axis.patches]
    assert heights == pytest.approx([0.3, 0.2995, 0.4005, 0.1, 0.8, 0.1])
    assert "0.0001" in texts(where(2)) and "0.300" in texts(where())
    assert beside.lines[2].get_ydata().tolist() == [0.1, 0.4005, 0.9]
    assert beside.lines[3].get_ydata().tolist() == [0.69, 0.5]
    assert {*beside.lines[4].get_xdata()} == {1}


def test_a_token_is_tinted_by_its_ratio_and_a_prompt_is_blank():
    figure = tokens()
    assert {"选中：d = 2.0 奈特", "落选：d = −9.0 奈特", "春", "雨"} <= {*texts(figure)}
    shades = [patch.get_facecolor() for patch in figure.axes[0].patches]
    assert shades[0] == shades[4] == plt.matplotlib.colors.to_rgba(COLORS["paper"])
    assert shades[2][2] > shades[2][0] and shades[5][0] > shades[5][2]  # blue for more, red for less


def test_a_panel_a_world_with_its_mean_band_and_rival():
    left, right = to_best().axes
    assert left.lines[0].get_ydata().tolist() == pytest.approx([0.2, 0.02])
    assert right.lines[0].get_ydata().tolist() == pytest.approx([0.4, 0.04])
    band = left.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.01, 0.3)
    assert [axis.lines[1].get_ydata()[0] for axis in (left, right)] == [0.5, 0.7]
    assert left.lines[2].get_ydata()[0] == 1e-3
    assert "对数刻度" in left.get_xlabel() and left.get_xscale() == left.get_yscale() == "log"


def test_known_stands_beside_new_and_the_first_reward_is_before():
    left, right = poems().axes
    assert [bar.get_height() for bar in left.patches] == pytest.approx([0.9, 0.7, 0.5, 0.65])
    assert [bar.get_height() for bar in right.patches] == pytest.approx([2.5, 2.5, 2.9])
    assert right.get_xticklabels()[0].get_text() == "以前"
    assert len(left.lines) == 2 * 2 + 1  # a row of dots a seed, and chance


def test_costs_are_lines_and_stacks():
    left, right = costs().axes
    assert left.lines[0].get_ydata().tolist() == pytest.approx([0.0, 0.3])
    assert plt.matplotlib.colors.to_hex(left.lines[0].get_color()) == COLORS["DPO"].lower()
    assert [bar.get_height() for bar in right.patches] == [1, 2, 2, 4, 3, 6, 4, 8]
    assert [bar.get_y() for bar in right.patches] == [0, 0, 1, 2, 3, 6, 6, 12]
    assert {"10", "20"} <= {*texts(costs())}
