"""Figures of chapter 14 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.chapters.ch14_blip3 import figures as plots
from course_lib.chapters.ch14_blip3.whole_figure import plot_whole
from course_lib.foundations.tiles import RELEASED, tiling_of
from course_lib.models.blip3 import BLIP3, BLIP3Config
from course_lib.models.clip import ImageConfig
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.siglip import SigLIPImageTower
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style

PICTURE = np.zeros((64, 96, 3), dtype=np.uint8)
VIEWS = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.full((1, 32, 32, 3), 40, dtype=np.uint8)


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text().strip()]


def whole():
    tower = SigLIPImageTower(ImageConfig(height=32, width=32, patch=8, d_model=24, n_layers=3))
    lm = GPT2(GPT2Config(n_vocab=50, d_model=40, n_layers=5))
    model = BLIP3(BLIP3Config(image_id=9, n_latents=3, n_layers=4), tower, lm)
    return plot_whole(model, PICTURE, VIEWS, (2, 2), ["始", "图", *"是什么"])


def views():
    return plots.plot_views(PICTURE, VIEWS, (2, 2), (0, 3), ["缩小的全图", "第 3 片"])


def tiling(height=300, width=1000):
    photo = np.zeros((max(height // 10, 1), width // 10, 3), dtype=np.uint8)
    return plots.plot_tiling(photo, tiling_of(height, width, 384, RELEASED), RELEASED, n_latents=128)


def row():
    return plots.plot_row(
        [*"全1红圆全蓝"], [1, 1, 0, 0, 2, 0], [False, False, True, True, False, True], [PICTURE], width=4
    )


def read(grid=(2, 2)):
    seen = VIEWS if grid else VIEWS[:1]
    return plots.plot_read(PICTURE, seen, grid, [(20, 20, 4), (70, 40, 5)], ["圆形", "数字7"], [True, False])


def looks():
    maps = np.array([[[0.1, 0.2, 0.3, 0.1, 0.1, 0.2], [0.0, 0.0, 0.5, 0.0, 0.25, 0.25]]])
    return plots.plot_looks(VIEWS[1:2], maps)


def reached():
    found = {"各采各的": np.array([[0.8, 0.4], [0.6, 0.2]]), "一起采": np.array([[0.5, 0.3], [0.7, 0.1]])}
    return plots.plot_reached(found, ["图形", "数字"], label="读对", chance=0.1)


def questions():
    return plots.plot_questions(np.full((2, 2), 0.5), np.array([[0.9, 0.1], [0.2, 0.8]]), ["红色圆形", "蓝色数字7"])


@pytest.mark.parametrize("draw", [whole, views, tiling, row, read, looks, reached, questions])
def test_each_is_a_small_picture_without_tofu(draw):
    figure = draw()
    assert not missing_glyphs("".join(texts(figure)))
    assert len(to_png(figure)) < 60_000


def test_the_whole_model_has_the_shapes_of_its_configuration():
    written = texts(whole())
    for shape, times in {
        "[5, 16, 24]": 4,  # patches, positions, blocks, norm
        "[5, 3, 24]": 1,
        "每个向量看 16 + 3 个键": 1,
        "[5, 3, 96] → [5, 3, 24]": 1,
        "[5, 3, 40]": 1,
        "[15, 40]": 1,
        "[19, 40]": 2,  # 4 tokens of text and 15 of the picture
        "[19, 50]": 1,
    }.items():
        assert written.count(shape) == times, shape
    assert written.count("+") == 2
    assert {"重复 4 次", "ViT 的块 × 3", "GPT-2 的块 × 5，因果", "始〈图〉是什么"} <= {*written}


def test_the_views_that_are_asked_for_are_shown():
    axes = views().axes
    assert [axis.get_xlabel() for axis in axes] == ["64×96 像素", "缩小的全图", "第 3 片"]
    assert [int(axis.images[0].get_array().max()) for axis in axes] == [0, 0, 120]


def test_bars_of_a_tiling_are_what_survives_and_the_chosen_one_is_blue():
    left, middle, right = tiling().axes
    assert left.get_title(loc="center") == "原图 300×1000"
    assert middle.get_title(loc="center") == "1×3 片，放到 346×1152\n4 幅，512 个词元"
    area, survive = [bar.get_width() for bar in right.patches[:5]], [bar.get_width() for bar in right.patches[5:10]]
    assert area == pytest.approx([n * 384**2 / 1e4 for n in (2, 2, 4, 3, 3)])
    assert survive == pytest.approx([384 * 115 / 1e4, 768 * 230 / 1e4, 768 * 230 / 1e4, 30, 384 * 115 / 1e4])
    blue = [plt.matplotlib.colors.to_hex(bar.get_facecolor()) == COLORS["Q"].lower() for bar in right.patches[5:10]]
    assert blue == [False, False, False, True, False]
    assert right.lines[0].get_xdata()[0] == 30


def test_a_row_marks_what_the_loss_counts_and_breaks_into_lines():
    axis = row().axes[0]
    marks = [
        (text.get_position()[0], round(text.get_position()[1], 2)) for text in axis.texts if text.get_text() == "✓"
    ]
    assert marks == [(2.5, -0.3), (3.5, -0.3), (1.5, -1.8)]
    assert len(axis.patches) == 6


def test_what_was_read_is_framed_by_whether_it_is_right():
    figure = read()
    left, right = figure.axes
    assert left.get_xlabel() == "1 / 2 样说对"
    assert left.patches[0].get_edgecolor() != left.patches[1].get_edgecolor()
    assert {"✓ 圆形", "✗ 数字7"} <= {*texts(figure)}
    assert right.images[0].get_array().shape == (64, 32 + 8 + 64, 3)
    assert read(None).axes[1].images[0].get_array().shape == (32, 32, 3)


def test_a_latent_says_how_much_of_its_look_is_at_the_picture():
    _, first, second = looks().axes
    assert [axis.get_xlabel() for axis in (first, second)] == ["看图 70%", "看图 50%"]
    assert first.images[0].get_array().tolist() == [[0.2, 0.4], [0.6, 0.2]]
    assert second.images[0].get_array().tolist() == [[0, 0], [1, 0]]


def test_a_bar_is_a_mean_with_every_seed_on_it():
    axis = reached().axes[0]
    assert [bar.get_height() for bar in axis.patches] == pytest.approx([0.7, 0.3, 0.6, 0.2])
    dots = [line.get_ydata().tolist() for line in axis.lines if line.get_linestyle() == "None"]
    assert dots == [[0.8, 0.4], [0.6, 0.2], [0.5, 0.3], [0.7, 0.1]]


def test_two_readings_of_the_same_cells():
    numbers = [[text.get_text() for text in axis.texts] for axis in questions().axes]
    assert numbers == [["0.50"] * 4, ["0.90", "0.10", "0.20", "0.80"]]
