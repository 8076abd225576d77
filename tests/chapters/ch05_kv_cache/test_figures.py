"""Figures of chapter 05 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from course_lib.chapters.ch05_kv_cache import figures as plots
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style

KEPT = {"MHA": 128, "GQA": 32, "MQA": 16, "MLA": 36}
WORDS = ["猫", "追", "它"]


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text)]


def receipt(gap=0.0):
    scores = {"真正的分数": np.eye(3), "吸收算出的": 2 * np.eye(3)}
    return plots.plot_receipt([("潜向量 c", 512), ("RoPE 键，共用", 64)], scores, WORDS, title="小票", gap=gap)


def calculator(own="GQA"):
    gib = {name: np.array([1.0, 8.0, 6400.0]) * (row + 1) for row, name in enumerate(KEPT)}
    return plots.plot_calculator(gib, [1, 8, 64], own=own, title="某个模型")


def quality():
    facts = np.stack([np.full((4, 2), 0.9), np.full((4, 2), 0.7)])
    return plots.plot_quality(
        facts, (4, 8), np.array([[1.0, 1.1, 1.2, 1.3], [1.2, 1.3, 1.4, 1.5]]), list(KEPT.values())
    )


def test_the_cost_of_all_steps_is_the_sum_of_each():
    left, right = plots.plot_step_cost(np.arange(1, 4), np.array([1e9, 2e9, 3e9]), np.array([1e9] * 3)).axes
    assert [line.get_ydata().tolist() for line in left.lines] == [[1, 2, 3], [1, 1, 1]]
    assert [line.get_ydata().tolist() for line in right.lines] == [[1, 3, 6], [1, 2, 3]]


def test_each_design_keeps_its_groups_and_loses_no_query():
    figure = plots.plot_designs(8, 2, KEPT)
    for axis, boxes in zip(figure.axes, (16, 4, 2, 2)):
        assert sum(isinstance(patch, Rectangle) for patch in axis.patches) == boxes
        assert len(axis.collections[0].get_offsets()) == len(axis.lines) == 8
    ends = [line.get_xdata()[1] for line in figure.axes[1].lines]
    assert ends == [2.0] * 4 + [6.0] * 4
    assert {f"存 {count} 个数" for count in KEPT.values()} <= set(texts(figure))


def test_the_receipt_adds_up_and_says_whether_the_scores_agree():
    same, other = receipt(), receipt(gap=2.5)
    assert {"512", "64", "576", "两张分数图相同"} <= set(texts(same))
    assert "分数差到 2.5 个标准差" in texts(other)
    first = same.axes[1].images[0].get_array()
    assert first.mask[0, 1] and not first.mask[1, 0]
    assert same.axes[1].images[0].get_clim() == same.axes[2].images[0].get_clim() == (-2, 2)


def test_lost_draws_mean_spread_and_the_best_matrix():
    (axis,) = plots.plot_lost((0, 1, 2), np.array([0.0, 0.5, 0.8]), np.full(3, 0.1), 0.6).axes
    coupled, best, decoupled = axis.lines
    assert coupled.get_ydata().tolist() == [0.0, 0.5, 0.8]
    assert best.get_ydata() == [0.6, 0.6] and decoupled.get_ydata().tolist() == [0, 0, 0]


def test_the_calculator_writes_every_size_and_marks_the_released_design():
    figure = calculator()
    assert {"1", "8", "6,400", "12,800", "GQA（发布的）"} <= set(texts(figure))
    rows = [line.get_xdata().tolist() for line in figure.axes[0].lines if len(line.get_xdata()) == 3]
    assert rows == [[1 * n, 8 * n, 6400 * n] for n in (1, 2, 3, 4)]
    assert "MLA（发布的）" in texts(calculator("MLA"))


def test_quality_has_a_bar_for_each_design_and_number_of_facts():
    left, right = quality().axes
    bars = [patch for patch in left.patches if isinstance(patch, Rectangle)]
    assert len(bars) == 8 and bars[0].get_height() == pytest.approx(0.8)
    assert [line.get_ydata().tolist() for line in right.lines] == [[1.0, 1.2], [1.1, 1.3], [1.2, 1.4], [1.3, 1.5]]


def test_speed_draws_a_line_in_the_colour_of_each_design():
    rates = np.array([[100, 90, 110], [50, 40, 60]])
    one, eight = plots.plot_speed([128, 1024], {"批 1": dict.fromkeys(KEPT, rates), "批 8": {"MHA": rates * 2}}).axes
    assert [to_hex(line.get_color()).upper() for line in one.lines] == [plots.DESIGNS[name][0] for name in KEPT]
    assert plots.DESIGNS["MHA"][0] == COLORS["Q"]
    assert one.lines[0].get_ydata().tolist() == [100, 50]
    assert eight.lines[0].get_ydata().tolist() == [200, 100]
    assert one.collections[0].get_datalim(one.transData).bounds[1::2] == (40, 70)


def test_ours_stands_beside_the_others():
    rates = {"MHA": {"本课程": 300, "HF": 100}, "MLA": {"本课程": 900, "HF": 800}}
    one, _ = plots.plot_against({"批 1": rates, "批 64": rates}).axes
    assert [patch.get_height() for patch in one.patches] == [300, 900, 100, 800]


def test_no_figure_holds_a_glyph_that_the_font_lacks():
    figures = [
        plots.plot_step_cost(np.arange(1, 4), np.ones(3), np.ones(3)),
        plots.plot_designs(4, 2, KEPT),
        receipt(),
        plots.plot_lost((0, 1), np.ones(2), np.zeros(2), 0.5),
        calculator(),
        quality(),
        plots.plot_speed([1, 2], {"批 1": {"MHA": np.ones((2, 3))}}),
        plots.plot_against({"批 1": {"MHA": {"本课程": 3, "HF": 1}}}),
    ]
    for figure in figures:
        assert {char for text in texts(figure) for char in missing_glyphs(text)} == set()
        assert to_png(figure)[:4] == b"\x89PNG"
