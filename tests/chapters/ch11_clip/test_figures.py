"""Figures of chapter 11 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.chapters.ch11_clip import figures as plots
from course_lib.chapters.ch11_clip.whole_figure import plot_whole
from course_lib.models.clip import CLIPConfig, ImageConfig, TextConfig
from course_lib.widgets.style import missing_glyphs, to_png, use_style

PICTURES = np.zeros((3, 32, 32, 3), dtype=np.uint8)
NAMES = ["左上角\n红色圆形", "中间\n蓝色十字形", "右下角\n蓝色正方形"]
COSINES = np.array([[0.5, 0.4, 0.2], [0.3, 0.6, 0.1], [0.7, 0.8, 0.9]])


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text()]


def matrix():
    return plots.plot_matrix(COSINES, PICTURES, NAMES, title="余弦")


def whole():
    config = CLIPConfig(image=ImageConfig(d_model=32, n_layers=3), text=TextConfig(n_vocab=9), d_shared=48)
    return plot_whole(config, PICTURES[0], [*"红色圆形", "<终>"], COSINES)


def learning():
    return plots.plot_learning({"CLIP": [4.0, 2.0, 1.0]}, 16)


def found():
    return plots.plot_found({"鲸鱼": (PICTURES, [False, True, False]), "whale": (PICTURES, [True, False, False])})


def sharpness():
    return plots.plot_sharpness((0.5, 0.4, 0.2), [0.01, 0.1, 1.0])


@pytest.mark.parametrize("draw", [matrix, whole, learning, found, sharpness])
def test_each_is_a_small_picture_without_tofu(draw):
    figure = draw()
    assert not missing_glyphs("".join(texts(figure)))
    assert len(to_png(figure)) < 60_000


def test_a_cell_says_its_number_row_by_row():
    numbers = [text.get_text() for text in matrix().axes[0].texts]
    assert numbers == [f"{value:.2f}" for value in COSINES.flat]


def test_the_whole_names_every_shape_of_its_example():
    written = " ".join(texts(whole())).replace("\n", " ")
    for shape in (
        "[16, 192] → [16, 32]",
        "[17, 32]",
        "[5] → [5, 64]",
        "[5, 64]",
        "[48]",
        "块 × 3",
        "图 [3, 48] · 文 [48, 3]",
    ):
        assert shape in written


def test_ignorance_is_a_line_at_ln_n():
    axis = learning().axes[0]
    assert axis.lines[1].get_ydata() == pytest.approx([np.log(16)] * 2)
    assert axis.lines[0].get_ydata().tolist() == [4.0, 2.0, 1.0]


def test_the_label_of_ln_n_keeps_off_its_line():
    figure = learning()
    figure.canvas.draw()
    axis = figure.axes[0]
    bottom = axis.texts[0].get_window_extent().y0
    assert bottom > axis.transData.transform((0, np.log(16)))[1] + 2


def test_ranks_stand_over_the_first_row_only():
    titles = [axis.get_title() for axis in found().axes]
    assert titles == ["", "第 1", "第 2", "第 3", "", "", "", ""]


def test_no_two_texts_share_a_dash():
    assert len({line.get_linestyle() for line in sharpness().axes[0].lines}) == 3


def test_what_is_right_is_framed():
    frames = [[axis.spines["left"].get_visible() for axis in found().axes[at : at + 3]] for at in (1, 5)]
    assert frames == [[False, True, False], [True, False, False]]


def test_a_small_temperature_gives_all_to_the_best():
    right = sharpness().axes[0].lines[0].get_ydata()
    assert right[0] > 0.99 and right[-1] < 0.4
