"""Figures of chapter 07 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from course_lib.chapters.ch07_gpt1 import figures as plots
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text)]


def next_word():
    return plots.plot_next_word(
        ["红", "绿"], [("蓝", 0.03), ("白", 0.02)], {"甲": 0.7, "乙": 0.3}, truth="白", title="读过 2 件"
    )


def extract(place=1):
    tokens = ["始", "红", "绿", "蓝"]
    tokens.insert(place, "Extract")
    return plots.plot_extract(tokens, place, [0.7, 0.2, 0.1], "甲乙丙", truth=0, accuracy=0.93)


def test_the_likeliest_word_is_on_top_and_the_true_one_green():
    left, right = next_word().axes
    bars = left.patches
    assert [bar.get_width() for bar in bars] == [0.02, 0.03]
    assert [to_hex(bar.get_facecolor()).upper() for bar in bars] == [COLORS["good"], COLORS["Q"]]
    assert [bar.get_height() for bar in right.patches] == [0.7, 0.3]
    assert any("红，绿，____" in text for text in texts(next_word()))


def test_every_reading_has_its_chips_in_order():
    rows = {"分类": [[("Start", "start"), ("文本", "text"), ("Extract", "extract")]]}
    figure = plots.plot_transformations(rows)
    assert [text for text in texts(figure) if text in ("Start", "文本", "Extract")] == ["Start", "文本", "Extract"]
    assert len(figure.axes[0].patches) == 3
    assert to_hex(figure.axes[0].patches[-1].get_facecolor()).upper() == COLORS["assistant"]


def test_what_extract_cannot_see_is_white():
    top, below = extract(2).axes
    faces = [to_hex(chip.get_facecolor()).upper() for chip in top.patches]
    assert faces == [COLORS["prompt"]] * 2 + [COLORS["assistant"]] + [COLORS["paper"]] * 2
    assert [bar.get_height() for bar in below.patches] == [0.7, 0.2, 0.1]
    assert "93%" in top.get_title(loc="left") and "2 个记号" in top.get_title(loc="left")


def test_label_curves_show_mean_and_spread():
    mean, std = np.array([0.5, 0.9]), np.array([0.1, 0.0])
    axis = plots.plot_labels([8, 64], {"pretrained": (mean, std), "scratch": (mean / 2, std)}).axes[0]
    assert axis.lines[0].get_ydata().tolist() == mean.tolist()
    assert axis.lines[1].get_ydata().tolist() == (mean / 2).tolist()
    assert len(axis.collections) == 2


def test_differences_are_in_points():
    mean, std = np.array([-0.3, 0.01]), np.array([0.1, 0.01])
    axis = plots.plot_auxiliary([8, 1024], {"pretrained": (mean, std), "scratch": (-mean, std)}).axes[0]
    assert [bar.get_height() for bar in axis.patches] == pytest.approx([-30, 1, 30, -1])


def test_places_have_a_bar_each_and_the_unmasked_one_is_hollow():
    by_place = np.array([[0.2, 0.8], [0.3, 1.0]])
    axis = plots.plot_places(by_place, [0.25, 0.95], np.array([0.9, 0.7])).axes[0]
    assert [bar.get_height() for bar in axis.patches] == pytest.approx([0.25, 0.9, 0.8])
    assert to_hex(axis.patches[-1].get_facecolor()).upper() == COLORS["paper"]
    best = [segment[:, 1].tolist() for segment in axis.collections[0].get_segments()]
    assert best == [[0.25, 0.25], [0.95, 0.95]]


@pytest.mark.parametrize("draw", [next_word, extract])
def test_frames_are_small_and_hold_no_tofu(draw):
    figure = draw()
    assert not set().union(*(missing_glyphs(text) for text in texts(figure)))
    assert len(to_png(figure)) < 30_000
