"""Figures of chapter 06 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from course_lib.chapters.ch06_transformer import figures as plots
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text)]


def step(done=False):
    cross = np.array([0.1, 0.8, 0.1])
    candidates = [("4", 0.9), ("0", 0.06), ("⊣", 0.04)]
    return plots.plot_step(list("十四⊣"), list("⊢1"), cross, np.tril(np.ones((2, 2))), candidates, done=done)


def case(verdict=""):
    return plots.plot_case(
        [1.0] * 20, [2.0] * 20, (0.99, 0.02), [("12", "12"), ("34", "")], title="案子 1", verdict=verdict
    )


def test_the_whole_model_names_both_stacks_and_where_keys_come_from():
    said = texts(plots.plot_whole_model())
    assert {"编码器\n× N", "解码器\n× N", "交叉注意力", "Q"} <= set(said)
    assert sum("自注意力" in text for text in said) == 2


def test_rows_stand_over_each_other_and_wrong_ones_are_red():
    figure = plots.plot_rows(list("⊢12"), list("12⊣"), "右移", wrong=[False, False, True])
    placed = {(text.get_position()[0], text.get_text()) for text in figure.axes[0].texts}
    assert {(0, "⊢"), (0, "1"), (1, "1"), (1, "2"), (2, "2"), (2, "⊣")} <= placed
    edges = [patch.get_edgecolor()[:3] for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert edges.count(to_rgb(COLORS["bad"])) == 2


def test_a_step_shows_weights_mask_and_candidates():
    figure = step()
    cross, mask, top = figure.axes
    assert [bar.get_height() for bar in cross.patches] == [0.1, 0.8, 0.1]
    assert mask.images[0].get_array().tolist() == [[1, 0], [1, 1]]
    assert [bar.get_width() for bar in top.patches] == [0.9, 0.06, 0.04]
    assert top.get_title(loc="left") == "下一个：4"
    assert "已写：⊢1" in texts(figure)
    assert step(done=True).axes[2].get_title(loc="left") == "已经写完"


def test_true_places_are_framed():
    figure = plots.plot_alignment([np.eye(3)], [("十四⊣", "14⊣", [(0,), (1,)])])
    frames = [patch.get_xy() for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert frames == [(-0.5, -0.5), (0.5, 0.5)]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["1", "4", "⊣"]


def test_every_head_has_a_bar_and_every_seed_a_dot():
    by_head = np.arange(12).reshape(3, 2, 2) / 12
    axis = plots.plot_alignment_accuracy(by_head, {"乱猜": 0.1, "对角线": 0.4}).axes[0]
    assert [bar.get_height() for bar in axis.patches] == pytest.approx(by_head.mean(0).ravel().tolist())
    dots = [line.get_ydata().tolist() for line in axis.lines if line.get_linestyle() == "None"]
    assert dots == by_head.reshape(3, -1).tolist()
    assert "层 2\n头 1" in [label.get_text() for label in axis.get_xticklabels()]


def test_norms_draw_means_of_both():
    loss, gradient = np.arange(24).reshape(3, 2, 4) / 10, np.ones((3, 2, 3))
    left, right = plots.plot_norms([1e-3, 4e-3, 1.6e-2, 6.4e-2], loss, gradient).axes
    np.testing.assert_allclose([line.get_ydata() for line in left.lines], loss.mean(0))
    assert len(right.lines) == 2 and right.lines[0].get_xdata().tolist() == [1, 2, 3]


def test_a_case_marks_what_is_wrong():
    figure = case("真相")
    colours = {text.get_text(): to_rgb(text.get_color()) for text in figure.axes[2].texts}
    assert colours["（空）"] == to_rgb(COLORS["bad"])
    right = [text for text in figure.axes[2].texts if text.get_text() == "12"]
    assert to_rgb(right[1].get_color()) == to_rgb(COLORS["good"])
    assert {"99%", "2%", "真相"} <= set(texts(figure))
    assert "真相" not in texts(case())


def test_smoothing_is_the_mean_of_the_last_steps():
    values = [4.0, 2.0, 0.0, 6.0]
    assert plots._smooth(values, 2).tolist() == [4, 3, 1, 3]
    assert plots._smooth([1.0] * 30).tolist() == pytest.approx([1.0] * 30)


def test_no_figure_holds_a_glyph_that_the_font_lacks():
    figures = [
        plots.plot_whole_model(),
        plots.plot_rows(list("⊢12"), list("12⊣"), "右移"),
        step(),
        plots.plot_alignment([np.eye(3)], [("十〇⊣", "10⊣", [(0,), (1,)])]),
        plots.plot_alignment_accuracy(np.ones((2, 1, 2)), {"乱猜": 0.1}),
        plots.plot_norms([1, 2], np.ones((2, 2, 2)), np.ones((2, 2, 2))),
        case("真相"),
    ]
    for figure in figures:
        assert {char for text in texts(figure) for char in missing_glyphs(text)} == set()
        assert to_png(figure)[:4] == b"\x89PNG"
