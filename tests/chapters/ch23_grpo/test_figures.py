"""Figures of chapter 23 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.chapters.ch23_grpo import figures as plots
from course_lib.chapters.ch23_grpo.whole_figure import Sizes, plot_grpo
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text().strip()]


def whole():
    return plot_grpo(Sizes(questions=3, group=5, prompt=4, tokens=7, vocabulary=99))


def group():
    return plots.plot_group([1, 0, 0, 0], [1.5, -0.5, -0.5, -0.5], mean=0.25, says="除以标准差")


def ribbons():
    pushes = [np.full(4, 0.25), np.array([-1.0, 0.0])]
    return plots.plot_ribbons([1, 0], pushes, says="GRPO")


def estimators():
    slopes = {name: np.array([0.1, -0.2, 0.1 * at]) for at, name in enumerate(("k1", "k2", "k3", "k3 × 比值"))}
    both = {"KL(π‖ref)": np.array([0.3, 0.0, -0.3]), "KL(ref‖π)": np.array([0.2, 0.1, -0.3])}
    return plots.plot_estimators({"k1": (0.2, 0.6, -1.0), "k2": (0.3, 0.2, 0.0)}, 0.2, slopes, both, "好中差")


def past():
    values = np.array([[[0.3, 0.8], [0.5, 0.9]], [[0.4, 0.7], [0.5, 0.9]]])
    return plots.plot_past(["随机", "固定"], [0.5, 0.3], {"照概率抽": values, "取最可能的": values})


def sizes():
    taught = np.array([[[0.4, 0.2], [0.9, 0.5]]])
    return plots.plot_sizes([2, 8], np.array([[0.6, 0.8], [0.7, 0.9]]), 0.32, taught)


def costs():
    return plots.plot_costs(
        ["PPO", "GRPO"], np.array([[3.0, 2, 4, 1], [2.0, 1, 2, 1]]), np.array([[1.0, 2, 3], [1, 1, 2]])
    )


def poems():
    before, after = np.array([[0.6, 0.2]]), np.array([[0.8, 0.9], [0.9, 0.8]])
    return plots.plot_poems(
        ["押韵", "五言"], {"给首句": (before, after), "给两个字": (before, after)}, np.array([0.8, 0.3])
    )


@pytest.mark.parametrize("draw", [whole, group, ribbons, estimators, past, sizes, costs, poems])
def test_each_is_a_small_picture_without_tofu(draw):
    figure = draw()
    assert not missing_glyphs("".join(texts(figure)))
    assert len(to_png(figure)) < 70_000


def test_the_whole_has_the_shapes_of_its_example():
    written = texts(whole())
    for shape, times in {
        "[3, 4]": 1,
        "[15, 7]，记下 ln π_old [15, 6]": 1,
        "[15, 7] → [15]": 1,
        "[15, 7, 99] → [15, 6]": 2,
        "[3, 5] → 优势 [15]": 1,
        "[15, 6]": 2,
        "[15, 6] → [15] → 一个数": 1,
    }.items():
        assert written.count(shape) == times, shape


def test_a_group_shows_scores_mean_and_advantages():
    left, right = group().axes
    assert [bar.get_height() for bar in left.patches] == [1, 0, 0, 0]
    assert {*left.lines[0].get_ydata()} == {0.25}
    assert [bar.get_height() for bar in right.patches] == [1.5, -0.5, -0.5, -0.5]
    assert {"+1.50", "−0.50"} <= {*texts(group())}


def test_a_ribbon_is_as_wide_as_its_answer_and_blue_red_or_grey():
    axis = ribbons().axes[0]
    wide, narrow = axis.images
    assert wide.get_extent()[:2] == [0, 4] and narrow.get_extent()[:2] == [0, 2]
    up, (down, still) = wide.get_array()[0, 0], narrow.get_array()[0]
    assert up[2] > up[0] and down[0] > down[2]
    assert tuple(still) == pytest.approx(plt.matplotlib.colors.to_rgba(plots.BLANK))
    assert {"+0.25", "+1", "−0.5", "−1", "对，4 个", "错，2 个"} <= {*texts(ribbons())}


def test_estimators_stand_beside_the_kl_and_gradients_beside_both_directions():
    left, right = estimators().axes
    assert {"k1\n0.200", "k2\n0.300"} <= {*texts(estimators())}
    assert {*left.lines[-1].get_ydata()} == {0.2}
    assert [bar.get_height() for bar in right.patches[:3]] == pytest.approx([0.1, -0.2, 0.0])
    drawn = [float(line.get_ydata()[0]) for line in right.lines[:6]]
    assert drawn == pytest.approx([0.3, 0.0, -0.3, 0.2, 0.1, -0.3])


def test_after_stands_beside_before_and_the_demonstrator_is_a_line():
    left, right = past().axes
    assert [bar.get_height() for bar in left.patches] == pytest.approx([0.35, 0.5, 0.75, 0.9])
    assert plt.matplotlib.colors.to_hex(left.patches[2].get_facecolor()) == COLORS["GRPO"].lower()
    assert [float(line.get_ydata()[0]) for line in left.lines if len({*line.get_ydata()}) == 1][-2:] == [0.5, 0.3]
    assert (left.get_title(loc="left"), right.get_title(loc="left")) == ("照概率抽", "取最可能的")


def test_sizes_are_bars_with_seeds_and_the_share_that_teaches_falls():
    left, right = sizes().axes
    assert [bar.get_height() for bar in left.patches] == pytest.approx([0.65, 0.85])
    assert right.lines[0].get_ydata().tolist() == [0.4, 0.9] and right.lines[1].get_ydata().tolist() == [0.2, 0.5]


def test_costs_are_stacks():
    left, right = costs().axes
    assert [bar.get_height() for bar in left.patches] == [3, 2, 2, 1, 4, 2, 1, 1]
    assert [bar.get_y() for bar in right.patches] == [0, 0, 1, 1, 3, 2]
    assert {"10", "6", "4"} <= {*texts(costs())}


def test_poems_go_from_before_to_the_mean_of_after_beside_the_poets():
    axis = poems().axes[0]
    arrow = next(each for each in axis.texts if hasattr(each, "arrow_patch"))
    assert (arrow.xy[0], arrow.xyann[0]) == pytest.approx((0.85, 0.6))
    assert axis.lines[-1].get_xdata().tolist() == [0.8, 0.3]
