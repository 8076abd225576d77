"""Figures of chapter 20 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_lib.chapters.ch20_rlhf import figures as plots
from course_lib.chapters.ch20_rlhf.whole_figure import Sizes, plot_pipeline
from course_lib.toys.grid_world import grid_world
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style

SIZES = Sizes(prompts=5, prompt=3, answers=2, tokens=7, ranked=5, vocabulary=99, width=16)


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text().strip()]


def pipeline():
    return plot_pipeline(SIZES)


def cloud(dots=400):
    found = np.array([[0.5, -0.5, 0.0], [0.1, 0.1, -0.2], [4.0, -4.0, 0.0]])
    return plots.plot_cloud(found, np.array([0.4, -0.1, -0.3]), ["甲", "乙", "丙"], reach=2.0, dots=dots)


def grid(step_pays=-0.04):
    world = grid_world(step_pays=step_pays)
    values = world.best_values()
    policy = torch.nn.functional.one_hot(world.action_values(values).argmax(-1), 4).double()
    return plots.plot_grid(world, values.numpy(), policy.numpy(), world.visits(policy).numpy())


def strip():
    numbers = (np.array(row) for row in ([0, 1.0], [0.25, -0.5], [0.75, 1.5], [2.25, 1.5]))
    return plots.plot_strip("平仄", *numbers)


def curves():
    found = {"100 对": np.array([[0.6, 0.5], [0.8, 0.7]]), "1,000 对": np.array([[0.9, 0.6], [0.9, 0.8]])}
    return plots.plot_curves([0.0, 0.4], found, across="标签翻转", up="判对", level=("瞎猜", 0.5))


def best_of():
    proxy = {"30 对": np.array([[0.0, 1.0, 2.0], [0.0, 3.0, 4.0]])}
    true = {"30 对": np.array([[1.0, 2.0, 0.0]]), "按真分数挑": np.array([[1.0, 3.0, 4.0]])}
    return plots.plot_best_of([1, 4, 16], {"平仄": (proxy, true), "诗": (proxy, true)})


def lambdas():
    found = {"全对": np.array([[0.0, 0.0], [0.0, 0.0]]), "有噪声": np.array([[0.4, 0.0], [0.2, 0.0]])}
    return plots.plot_lambda([0, 1], found, {name: values + 2 for name, values in found.items()})


def bars():
    return plots.plot_bars({"不减": np.array([1.0, 1.0]), "V(s)": np.array([0.2, 0.4])}, up="方差", level=1.0)


@pytest.mark.parametrize("draw", [pipeline, cloud, grid, strip, curves, best_of, lambdas, bars])
def test_each_is_a_small_picture_without_tofu(draw):
    figure = draw()
    assert not missing_glyphs("".join(texts(figure)))
    assert len(to_png(figure)) < 60_000


def test_the_pipeline_has_the_shapes_of_its_example():
    written = texts(pipeline())
    for shape, times in {
        "问题和回答 [10, 7]": 1,
        "[10, 7] → [10, 7, 99]": 1,
        "[5, 7]": 1,
        "5 选 2：10 对 [10, 2]": 1,
        "[5, 7] → [5, 7, 16]": 1,
        "[5, 16] → [5]": 1,
        "10 对平均：一个数": 1,
        "[5, 3]": 1,
        "回答 [10, 7]": 1,
        "ln π_ref [10, 6]": 1,
        "[10, 7] → [10]": 1,
        "[10, 1]": 1,
    }.items():
        assert written.count(shape) == times, shape


def test_a_cloud_shows_every_estimate_or_says_how_many_lie_outside():
    axis, beside = cloud().axes
    assert len(axis.lines[0].get_xdata()) == 2
    assert axis.get_xlabel() == "3 次估计里的 3 次，框外还有 1 个"
    assert len(cloud(dots=1).axes[0].lines[0].get_xdata()) == 1
    heights = [bar.get_height() for bar in beside.patches]
    assert heights == pytest.approx([0.4, -0.1, -0.3, 4.6 / 3, -4.4 / 3, -0.2 / 3])


def test_in_a_cloud_three_equal_pulls_cancel():
    assert np.abs(np.ones(3) @ plots.CORNERS).max() < 1e-12


def test_a_grid_says_values_visits_and_both_ends():
    left, right = ([text.get_text() for text in axis.texts if text.get_text()] for axis in grid().axes)
    assert left.count("终点 +1") == left.count("终点 −1") == right.count("终点 +1") == right.count("终点 −1") == 1
    assert {"0.71", "0.66", "0.39"} <= {*left}  # Russell & Norvig's
    assert len(left) == len(right) == 11
    assert "终点 +1" in [text.get_text() for text in grid(-2.0).axes[0].texts]


def test_a_strip_has_a_column_a_token_and_four_rows():
    written = texts(strip())
    assert {"平", "仄", "0.25", "−0.50", "0.75", "2.25"} <= {*written}
    assert written.count("1.50") == 2 and written.count("1.00") == 1


def test_a_curve_is_the_mean_and_the_band_its_seeds():
    axis = curves().axes[0]
    assert axis.lines[0].get_ydata().tolist() == pytest.approx([0.7, 0.6])
    assert axis.lines[1].get_ydata().tolist() == pytest.approx([0.9, 0.7])
    band = axis.collections[1].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.6, 0.9)
    assert axis.lines[2].get_ydata()[0] == 0.5


def test_the_best_of_n_has_a_row_a_world_and_the_truth_on_the_right():
    figure = best_of()
    left, right, *_ = figure.axes
    assert [axis.get_title(loc="left") for axis in figure.axes] == [
        "平仄：奖励模型的分", "平仄：真分数", "诗：奖励模型的分", "诗：真分数",
    ]  # fmt: skip
    assert left.lines[0].get_ydata().tolist() == [0, 2, 3]
    assert [line.get_ydata().tolist() for line in right.lines] == [[1, 2, 0], [1, 3, 4]]
    assert right.lines[0].get_color() == left.lines[0].get_color() == COLORS["Q"]
    assert "对数刻度" in figure.axes[2].get_xlabel()


def test_bias_stands_beside_variance():
    bias, variance = lambdas().axes
    assert bias.lines[1].get_ydata().tolist() == pytest.approx([0.3, 0.0])
    assert variance.lines[1].get_ydata().tolist() == pytest.approx([2.3, 2.0])


def test_a_bar_is_a_mean_with_its_seeds():
    axis = bars().axes[0]
    assert [bar.get_height() for bar in axis.patches] == pytest.approx([1, 0.3])
    assert axis.lines[1].get_ydata().tolist() == [0.2, 0.4]
    assert plt.matplotlib.colors.to_hex(axis.patches[0].get_facecolor()) == COLORS["Q"].lower()
    assert "对数刻度" in axis.get_ylabel() and axis.get_yscale() == "log"
