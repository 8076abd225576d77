"""Figures of chapter 13 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from course_lib.chapters.ch13_blip2 import figures as plots
from course_lib.chapters.ch13_blip2.whole_figure import plot_whole
from course_lib.foundations.qformer_masks import MASKS
from course_lib.models.blip2 import QFormerConfig
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style

PICTURES = np.zeros((3, 32, 32, 3), dtype=np.uint8)
WORDS = ["[始]", "红", "[终]"]
Q, L = 2, len(WORDS)
MOVED = np.array([0.0, 0.0, 0.0, 2.0, 0.5])
SHARES = np.random.default_rng(0).dirichlet(np.ones(17), size=(2, Q))
TABLES = [{"都不堵": [1.0, 0.9], "堵 1": [0.4, 0.8], "堵 2": [1.0, 0.1]}, {"全堵": [0.2, 0.3]}]
CURVES = {"先做第一阶段": np.array([[0.2, 0.8], [0.4, 0.6]]), "不做": np.array([[np.nan, 0.5], [np.nan, 0.7]])}


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text().strip()]


def whole():
    config = QFormerConfig(n_vocab=11, n_queries=5, d_image=24, d_model=32, n_layers=6, cross_every=3)
    return plot_whole(config, PICTURES[0], "[始]红色…", 7, 10, 12, 40)


def said():
    return plots.plot_said(PICTURES, ["红色\n圆形", "蓝色", "a red circle"], [True, False, None], n_columns=2)


def leak(touched=Q + 1):
    return plots.plot_leak(MASKS["ITG"](Q, L).numpy(), MOVED, WORDS, touched, title="ITG")


def blind():
    return plots.plot_blind({"对的掩码": [1.0, 0.5], "漏题的掩码": [1.0, 0.1]}, 0.37)


def looks():
    return plots.plot_looks(PICTURES[0], SHARES, (1, 3))


def blocked():
    return plots.plot_blocked(TABLES, ["颜色", "位置"])


def curves():
    return plots.plot_curves([25, 50], CURVES, ylabel="一字不差")


def reached():
    found = {"检索": np.array([[0.8, 0.1], [0.6, 0.3]]), "写": np.array([[0.9, 0.4], [0.7, 0.2]])}
    return plots.plot_reached(found, ["三个都有", "去掉 ITG"])


@pytest.mark.parametrize("draw", [whole, said, leak, blind, looks, blocked, curves, reached])
def test_each_is_a_small_picture_without_tofu(draw):
    figure = draw()
    assert not missing_glyphs("".join(texts(figure)))
    assert len(to_png(figure)) < 60_000


def test_the_whole_model_has_the_shapes_of_its_configuration():
    written = texts(whole())
    for shape, times in {
        "[10, 24]": 1,  # the tower
        "[5, 32]": 1 + 1 + 1,  # queries, their cross-attention, and what stage 2 takes
        "[7, 32]": 1,
        "[5, 128] → [5, 32]": 1,
        "[7, 128] → [7, 32]": 1,
        "[5, 12]": 1,
        "[5, 2]": 1,
        "[12]": 1,
        "[7, 11]": 1,
        "[5, 40]": 1,
        "[5 + 7, 40]": 1,
    }.items():
        assert written.count(shape) == times, shape
    assert "自注意力，一份参数，三张掩码：[12, 32]" in written
    assert written.count("+") == 5
    assert written.count("冻结") == 2
    assert "Q-Former 的一层\n重复 6 次\n交叉注意力\n每 3 层一次" in written


def test_marks_frame_what_is_said_and_a_place_without_a_picture_is_empty():
    axes = said().axes
    assert [axis.get_xlabel() for axis in axes[:3]] == ["✓ 红色\n圆形", "✗ 蓝色", "a red circle"]
    assert not axes[3].axison


def test_the_leak_meter_shows_the_mask_and_writes_zero_where_nothing_moves():
    left, right = leak().axes
    grey = to_rgb(COLORS["grid"])
    readable = ~np.isclose(left.images[0].get_array(), grey).all(-1)
    assert (readable == MASKS["ITG"](Q, L).numpy()).all()
    assert [bar.get_width() for bar in right.patches] == MOVED.tolist()
    zeros = [text.get_position()[1] for text in right.texts if text.get_text().strip() == "0"]
    assert zeros == [0, 1, 2]
    assert right.get_title(loc="left") == "碰一碰“红”"
    assert [patch.get_x() + 0.5 for patch in left.patches] == [Q + 1]


def test_a_touched_picture_frames_no_column():
    left, right = leak(None).axes
    assert not left.patches
    assert right.get_title(loc="left") == "碰一碰图"


def test_the_floor_is_a_line_and_says_its_height():
    axis = blind().axes[0]
    assert [line.get_ydata()[-1] for line in axis.lines] == [0.5, 0.1, 0.37]
    assert axis.lines[2].get_label() == "看不见图，最低 0.37"


def test_each_query_has_its_picture_and_a_bar_for_the_class_token():
    axes = looks().axes
    assert len(axes) == 2 * Q
    for axis, shares in zip(axes, SHARES.reshape(-1, 17)):
        tint = np.asarray(axis.images[1].get_array())[..., 3].ravel()
        assert tint == pytest.approx(0.85 * np.clip(shares[1:] / plots.DEEPEST, 0, 1))
        assert -axis.patches[0].get_height() == pytest.approx(shares[0])


def test_a_table_writes_every_share_and_rows_are_as_high_in_each():
    left, right = blocked().axes
    assert [text.get_text() for text in left.texts] == ["100%", "90%", "40%", "80%", "100%", "10%"]
    assert [text.get_text() for text in right.texts] == ["20%", "30%"]
    assert left.get_ylim() == right.get_ylim() == (2.5, -0.5)


def test_a_curve_is_a_mean_with_its_spread_and_stands_only_where_it_was_measured():
    axis = curves().axes[0]
    first, second = axis.lines
    assert first.get_ydata() == pytest.approx([0.3, 0.7])
    assert (second.get_xdata().tolist(), second.get_ydata()) == ([50], pytest.approx([0.6]))
    band = axis.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.2, 0.8)


def test_a_bar_is_a_mean_with_every_seed_on_it():
    axis = reached().axes[0]
    assert [bar.get_height() for bar in axis.patches] == pytest.approx([0.7, 0.8, 0.2, 0.3])
    dots = [line.get_ydata().tolist() for line in axis.lines]
    assert dots == [[0.8, 0.6], [0.9, 0.7], [0.1, 0.3], [0.4, 0.2]]
