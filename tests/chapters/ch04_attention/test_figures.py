"""Figures of chapter 04 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Rectangle

from course_lib.chapters.ch04_attention import figures as plots
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style

EYE = np.eye(3)


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text)]


def split(owner, head=None):
    return plots.plot_split(np.array(owner), n_heads=2, head=head, title="拆", kept={"形状": True, "因果": False})


def test_by_hand_ends_at_the_weighted_sum():
    values = np.array([[4.0, 0.0], [0.0, 4.0], [2.0, 2.0]])
    shares = np.array([0.5, 0.25, 0.25])
    figure = plots.plot_by_hand(np.array([1.0, 0.0]), values / 2, values, shares, ["猫", "老鼠", "饿"])
    last = figure.axes[2].lines[-1]
    assert (last.get_xdata()[-1], last.get_ydata()[-1]) == pytest.approx(tuple(shares @ values))
    assert {"0.50", "0.25"} <= set(texts(figure))


def test_a_map_writes_shares_and_frames_the_marked_row():
    weights = np.array([[1.0, 0.0, 0.0], [0.25, 0.75, 0.0], [0.2, 0.3, 0.5]])
    figure = plots.plot_maps({"甲": weights, "乙": EYE}, [["猫", "追", "它"]] * 2, marked=2)
    first = figure.axes[0]
    assert sum(text.get_text() == "0.5" for text in first.texts) == 1
    assert [patch.get_y() for patch in first.patches] == [1.5]
    assert [label.get_text() for label in first.get_yticklabels()] == ["猫", "追", "它"]


def test_the_dial_shows_scores_and_shares():
    scores, weights = np.array([8.0, -8.0, 0.5]), np.array([0.9, 0.02, 0.08])
    left, right = plots.plot_dial(scores, weights, d_k=64, scaled=False).axes
    assert [bar.get_height() for bar in left.patches] == scores.tolist()
    assert [bar.get_height() for bar in right.patches] == weights.tolist()
    assert "0.90" in right.get_title(loc="left")


def test_saturation_draws_raw_and_scaled_in_each_panel():
    line = np.array([1.0, 2.0, 3.0])
    names = [f"{n}_{form}" for n in ("variance", "entropy", "gradient_median") for form in ("raw", "scaled")]
    curves = {name: (line * (place + 1), line * 0.1) for place, name in enumerate(names)}
    figure = plots.plot_saturation([16, 128, 1024], curves)
    drawn = [curve.get_ydata().tolist() for axis in figure.axes for curve in axis.lines]
    assert drawn == [curves[name][0].tolist() for name in names]


def test_each_row_of_the_matrix_has_the_colour_of_its_head():
    figure = plots.plot_heads_in_linear(8, 2)
    blocks = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    by_row = {}
    for patch in blocks:
        if patch.get_x() < 8:
            by_row.setdefault(-patch.get_y(), set()).add(patch.get_facecolor()[:3])
    assert all(len(colours) == 1 for colours in by_row.values())
    assert [by_row[0.0] == by_row[float(row)] for row in range(8)] == [True] * 4 + [False] * 4


def test_split_colours_owners_and_marks_failed_checks():
    figure = split([[0, 1], [0, 1]])
    cells = [patch.get_facecolor()[:3] for patch in figure.axes[0].patches[:4]]
    assert cells[0] == cells[2] != cells[1] == cells[3]
    assert {"✓ 形状", "× 因果"} <= set(texts(figure))
    alone = split([[0, 1], [0, 1]], head=1).axes[0].patches[:4]
    assert alone[0].get_facecolor()[:3] == pytest.approx(plt.matplotlib.colors.to_rgb(COLORS["grid"]))


def test_a_patch_is_lit_by_its_share():
    photo = np.full((4, 6, 3), 200, dtype=np.uint8)
    weights = np.array([[0.7, 0.1, 0.0], [0.1, 0.1, 0.0]])
    left, right = plots.plot_patch_attention(photo, weights, (0, 0), title="块").axes
    lit = right.images[0].get_array()
    assert lit[0, 0, 0] == 200 and lit[0, 5, 0] == int(200 * 0.12)
    assert left.patches[0].get_xy() == (-0.5, -0.5)


def test_cost_draws_both_parts():
    figure = plots.plot_cost([128, 512], {"投影": [1, 4], "分数": [1, 16]})
    assert [line.get_ydata().tolist() for line in figure.axes[0].lines] == [[1, 4], [1, 16]]


def test_no_figure_holds_a_glyph_that_the_font_lacks():
    line = (np.ones(3), np.zeros(3))
    names = [f"{n}_{form}" for n in ("variance", "entropy", "gradient_median") for form in ("raw", "scaled")]
    figures = [
        plots.plot_by_hand(np.ones(2), np.ones((2, 2)), np.ones((2, 2)), np.ones(2) / 2, ["猫", "饿"]),
        plots.plot_maps({"甲": EYE}, [["猫", "追", "它"]], heading="层"),
        plots.plot_dial(np.ones(10), np.ones(10) / 10, d_k=16, scaled=True),
        plots.plot_saturation([16, 128, 1024], dict.fromkeys(names, line)),
        plots.plot_heads_in_linear(4, 2),
        split([[0, 1]]),
        plots.plot_patch_attention(np.zeros((4, 6, 3), np.uint8), np.ones((2, 3)) / 6, (0, 0), title="块"),
        plots.plot_cost([1, 2], {"投影": [1, 2]}),
    ]
    for figure in figures:
        assert {char for text in texts(figure) for char in missing_glyphs(text)} == set()
        assert to_png(figure)[:4] == b"\x89PNG"
