"""Figures of chapter 21 draw the numbers that they are given."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.chapters.ch21_ppo import figures as plots
from course_lib.chapters.ch21_ppo.whole_figure import Sizes, plot_ppo
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style

RATIOS, ADVANTAGES = np.array([1.0, 1.5, 0.5, 1.5, 0.5, 9.0]), np.array([1.0, 1.0, -1.0, -1.0, 1.0, 2.0])


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text().strip()]


def whole():
    return plot_ppo(Sizes(answers=5, tokens=7, vocabulary=99, width=8, epochs=3))


def clip(width=0.2):
    return plots.plot_clip(RATIOS, ADVANTAGES, width)


def critic():
    return plots.plot_critic(np.array([0.5, 2.0]), np.array([0.0, 1.5]), np.array([1.0, 0.25]), limit=4.0)


def memory():
    return plots.plot_memory({"策略": [1, 2, 3, 4], "参考": [1, 0, 0, 0]}, unit="MB", limit=20)


def ends():
    values = np.array([[1e-2, 1e-15], [3e-2, 1e-15]])
    return plots.plot_ends(["照原样", "不白化", "另"], {"三个": values, "音节": np.ones((2, 3))}, [0.5, 3.0])


def shares():
    return plots.plot_shares({"运算": {"写": 1.0, "学": 3.0}, "时间": {"写": 2.0, "学": 2.0}}, unit="一轮里的份额")


def sweep():
    way = np.array([[[0.9, 0.5], [0.1, 0.2]], [[-0.8, 0.3], [0.4, 1.0]]])
    return plots.plot_sweep(way, ["0.2", "不裁"], ["0.02", "0.6"], ["0.1", "0.5"])


def habits():
    return plots.plot_habits(
        [("押韵", {"以前": [0.6], "全套": [0.7, 0.9]}), ("不重字", {"以前": [0.3], "全套": [0.4]})], level=[0.8, None]
    )


@pytest.mark.parametrize("draw", [whole, clip, critic, memory, ends, shares, sweep, habits])
def test_each_is_a_small_picture_without_tofu(draw):
    figure = draw()
    assert not missing_glyphs("".join(texts(figure)))
    assert len(to_png(figure)) < 70_000


def test_the_whole_has_the_shapes_of_its_example():
    written = texts(whole())
    for shape, times in {
        "[5, 7]": 1,
        "[5, 7, 99] → [5, 6]": 2,
        "[5, 7, 8] → [5, 7, 1]": 1,
        "[5, 7, 8] → [5]": 1,
        "各 [5, 6]": 1,
        "[5, 6] → 一个数": 2,
        "学，3 遍": 1,
    }.items():
        assert written.count(shape) == times, shape


def test_the_clip_stops_those_that_went_far_enough_and_no_others():
    assert plots.is_stopped(RATIOS, ADVANTAGES, 0.2).tolist() == [False, True, True, False, False, True]
    assert not plots.is_stopped(RATIOS, ADVANTAGES, math.inf).any()
    axis, beside = clip().axes
    going, stopped = axis.lines[:2]
    assert going.get_xdata().tolist() == [1.0, 1.5, 0.5] and stopped.get_xdata().tolist() == [1.5, 0.5, plots.FARTHEST]
    assert {"还有梯度 50%", "没有梯度了 50%"} <= {*texts(clip())}
    spans = {text.get_text(): patch.get_bbox().intervalx for text, patch in zip(axis.texts, axis.patches)}
    assert spans["不推了"].tolist() == [1.2, plots.FARTHEST] and spans["不压了"].tolist() == [0, pytest.approx(0.8)]
    assert spans["往上推"].tolist() == [0, 1.2] and spans["往下压"].tolist() == [pytest.approx(0.8), plots.FARTHEST]
    assert beside.lines[0].get_ydata().max() == pytest.approx(1.2)
    assert beside.lines[1].get_ydata().max() == pytest.approx(-0.8)
    assert {text.get_text() for text in clip(math.inf).axes[0].texts} == {"往上推", "往下压"}


def test_the_critic_stands_over_the_truth_and_what_is_visited_is_large():
    axis = critic().axes[0]
    (dots,) = axis.collections
    assert dots.get_offsets().tolist() == [[0.5, 0.0], [2.0, 1.5]]
    large, small = dots.get_sizes()
    assert large > 3 * small


def test_memory_is_stacked_by_model_and_added_up():
    axis = memory().axes[0]
    assert [bar.get_width() for bar in axis.patches] == [1, 1, 2, 0, 3, 0, 4, 0]
    assert [bar.get_x() for bar in axis.patches[::2]] == [0, 1, 3, 6]
    assert {"10", "1"} <= {*texts(memory())} and axis.get_xlim()[1] > 20


def test_ends_are_dots_at_seeds_and_a_line_at_their_mean():
    left, right = ends().axes
    dots, line = left.lines[:2]
    assert dots.get_xdata().tolist() == [1e-2, 3e-2] and line.get_xdata()[0] == pytest.approx(2e-2)
    assert set(left.lines[2].get_xdata()) == {1e-12}  # nearer than is shown
    assert left.lines[4].get_xdata()[0] == 0.5 and right.lines[-1].get_xdata()[0] == 3.0
    assert [label.get_text() for label in left.get_yticklabels()] == ["照原样", "不白化", "另"]
    assert left.get_xscale() == "log" and "对数刻度" in left.get_xlabel()


def test_shares_fill_the_width():
    axis = shares().axes[0]
    assert [bar.get_width() for bar in axis.patches] == [0.25, 0.5, 0.75, 0.5]
    assert {"25%", "75%", "50%"} <= {*texts(shares())}


def test_a_sweep_is_a_panel_a_beta_and_blue_is_good():
    left, right = sweep().axes
    assert {text.get_text() for text in left.texts} == {"0.90", "0.10", "−0.80", "0.40"}
    assert left.images[0].get_array()[1, 0] == 0.8 and right.images[0].get_array()[1, 1] == -1.0
    assert left.get_title(loc="left") == "β = 0.1"


def test_a_panel_a_measure_a_dot_a_seed():
    left, right = habits().axes[:2]
    assert [bar.get_height() for bar in left.patches] == pytest.approx([0.6, 0.8])
    assert [len(line.get_xdata()) for line in left.lines] == [1, 2, 2] and left.lines[2].get_ydata()[0] == 0.8
    assert right.get_title(loc="left") == "不重字"
    assert plt.matplotlib.colors.to_hex(left.patches[1].get_facecolor()) == COLORS["bad"].lower()
