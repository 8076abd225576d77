"""Figures of chapter 12 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.chapters.ch12_blip import figures as plots
from course_lib.chapters.ch12_blip.whole_figure import plot_whole
from course_lib.models.blip import BLIPConfig, TextConfig
from course_lib.models.vit import ViTConfig
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style

PICTURES = np.zeros((3, 32, 32, 3), dtype=np.uint8)
NAMES = ["左上角\n红色圆形", "中间\n蓝色十字形", "a red circle"]
CHANCES = np.array([[0, 0.7, 0.3], [0.5, 0, 0.5], [0.2, 0.8, 0]])
TWINS = np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool)
SCORES, TRUE = np.array([0.9, 0.8, 0.6, 0.2, 0.1]), np.array([True, True, False, True, False])


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text().strip()]


def whole():
    config = BLIPConfig(
        image=ViTConfig(patch=8, d_model=32, n_layers=3),
        text=TextConfig(n_vocab=9, d_model=48, n_heads=4, n_layers=5),
        d_shared=16,
    )
    return plot_whole(config, PICTURES[0], [*"红色圆形", "终"])


def said():
    return plots.plot_said(PICTURES, NAMES, [True, False, None])


def soft():
    return plots.plot_soft([1, 0, 0], [0.5, 0.4, 0.1], 0.4, NAMES)


def drawn():
    return plots.plot_draws(CHANCES, PICTURES, NAMES, TWINS)


def masks():
    return plots.plot_masks(["始", "红", "圆"], 2)


def filtered(least=0.5):
    return plots.plot_filter(SCORES, TRUE, least, PICTURES, NAMES)


def reached():
    reached = {"检索": np.array([[0.8, 0.1], [0.6, 0.3]]), "写": np.array([[0.9, 0.4], [0.7, 0.2]])}
    return plots.plot_reached(reached, ["三个都有", "去掉 LM"], {"检索": 0.05, "写": 0.0})


@pytest.mark.parametrize("draw", [whole, said, soft, drawn, masks, filtered, reached])
def test_each_is_a_small_picture_without_tofu(draw):
    figure = draw()
    assert not missing_glyphs("".join(texts(figure)))
    assert len(to_png(figure)) < 60_000


def test_the_whole_model_has_the_shapes_of_its_configuration():
    written = texts(whole())
    for shape, times in {
        "[16, 32]": 1,  # patches
        "[17, 32]": 3,
        "[6, 48]": 3 + 3 + 2,  # embeddings, self-attention, cross-attention
        "[6, 192] → [6, 48]": 3,
        "[16]": 2,
        "[2]": 1,
        "[6, 9]": 1,
    }.items():
        assert written.count(shape) == times, shape
    assert written.count("交叉注意力") == 2
    assert written.count("+") == 8
    assert "这一层\n重复\n5 次" in written


def test_marks_frame_what_is_said():
    axes = said().axes
    assert [axis.get_xlabel() for axis in axes] == ["✓ " + NAMES[0], "✗ " + NAMES[1], NAMES[2]]
    frames = [axis.spines["left"].get_edgecolor() for axis in axes]
    assert frames[0] != frames[1] != frames[2]


def test_the_target_is_a_mixture():
    written = [bar.get_height() for bar in soft().axes[0].patches]
    assert written == pytest.approx([1, 0, 0, 0.5, 0.4, 0.1, 0.8, 0.16, 0.04])


def test_a_cell_says_its_chance_and_only_twins_are_framed():
    axis = drawn().axes[0]
    numbers = [text.get_text() for text in axis.texts]
    assert numbers == ["0.70", "0.30", "0.50", "0.50", "0.20", "0.80"]
    corners = sorted((patch.get_y() + 0.44, patch.get_x() + 0.46) for patch in axis.patches)
    assert corners == [(0, 2), (2, 0)]


def test_each_mode_reads_what_it_may():
    shown = [axis.images[0].get_array() for axis in masks().axes]
    grey = np.array([int(COLORS["grid"][i : i + 2], 16) / 255 for i in (1, 3, 5)])
    readable = [~np.isclose(image, grey).all(-1) for image in shown]
    words, image = slice(0, 3), slice(4, 6)
    assert readable[0][:, words].all() and not readable[0][:, image].any()
    assert readable[1][:, words].all() and readable[1][:, image].all()
    assert (readable[2][:, words] == np.tril(np.ones((3, 3)))).all() and readable[2][:, image].all()


@pytest.mark.parametrize(
    ("least", "title"),
    [
        (0.0, "留下 5 / 5 句　精确率 60%　召回率 100%"),
        (0.5, "留下 3 / 5 句　精确率 67%　召回率 67%"),
        (0.95, "留下 0 / 5 句　精确率 （没有留下的）　召回率 0%"),
    ],
)
def test_the_filter_counts_what_it_keeps(least, title):
    figure = filtered(least)
    assert title in texts(figure)
    assert texts(figure).count("留") == sum(SCORES[:3] >= least)


def test_a_bar_is_a_mean_with_every_seed_on_it():
    axis = reached().axes[0]
    assert [bar.get_height() for bar in axis.patches] == pytest.approx([0.7, 0.8, 0.2, 0.3])
    dots = [line.get_ydata().tolist() for line in axis.lines if line.get_linestyle() == "None"]
    assert dots == [[0.8, 0.6], [0.9, 0.7], [0.1, 0.3], [0.4, 0.2]]
    assert [line.get_ydata()[0] for line in axis.lines if line.get_linestyle() == "--"] == [0.05, 0.0]
