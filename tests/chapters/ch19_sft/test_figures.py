"""Figures of chapter 19 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_lib.chapters.ch19_sft import figures as plots
from course_lib.chapters.ch19_sft.whole_figure import plot_whole
from course_lib.models.gpt2 import GPT2Config
from course_lib.posttraining.packing import own_text, places
from course_lib.widgets.style import COLORS, missing_glyphs, to_png, use_style

START, END = "<|im_start|>", "<|im_end|>"
TOKENS = [START, "user", "\n", *"1+2=?", END, "\n", START, "assistant", "\n", "3", END, "\n"]
SPEAKERS = ["user"] * 9 + [""] + ["assistant"] * 5 + [""]
LEARNED = [False] * 13 + [True, True, False]


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text().strip()]


def framed(axis) -> list[int]:
    """Which cells have the frame of what is learned."""
    colours = [plt.matplotlib.colors.to_hex(cell.get_edgecolor()) for cell in axis.patches]
    return [at for at, colour in enumerate(colours) if colour == COLORS["K"].lower()]


def whole():
    config = GPT2Config(n_vocab=50, d_model=40, n_layers=5, n_heads=8)
    return plot_whole(config, ["用户：1+2=?", "助手：3"], TOKENS, SPEAKERS, LEARNED)


def talk():
    return plots.plot_talk(TOKENS, SPEAKERS, LEARNED, ["1+1=?"], [["2", "<|im_end|>", "\n"]])


def surprise():
    return plots.plot_surprise(["\n", "3", "<|im_end|>"], [None, 0.5, 0.25], [False, True, True], ["assistant"] * 3)


LENGTHS = [3, 2, 4]


def bricks(walls=True):
    text_of = torch.tensor([[0, 0, 0, 1, 1]])
    may = own_text(text_of)[0, 0].numpy() if walls else np.tril(np.ones((5, 5), dtype=bool))
    return plots.plot_packed([[0, 1], [2]], LENGTHS, 6, may, places(text_of)[0].tolist() if walls else range(5))


def lora():
    return plots.plot_lora(np.eye(2), np.array([[1.0], [2.0]]), np.array([[3.0, 0.0]]), 0.5)


def answers():
    p = np.zeros(100)
    p[85], p[75], p[20] = 0.5, 0.3, 0.1
    return plots.plot_answers(p, 85, 75)


def ceiling():
    sampled, greedy = np.array([[0.3, 0.5], [0.4, 0.6]]), np.array([[0.0, 1.0], [0.2, 1.0]])
    return plots.plot_ceiling([0.3, 0.7], {"十位乱写": (sampled, greedy), "从来不进位": (greedy, greedy)})


def reached():
    found = {"答对": np.array([[0.8, 0.4], [0.6, 0.2]]), "把握": np.array([[0.5, 0.3], [0.7, 0.1]])}
    return plots.plot_reached(found, ["没学过", "三位数"], label="比例")


@pytest.mark.parametrize("draw", [whole, talk, surprise, bricks, lora, answers, ceiling, reached])
def test_each_is_a_small_picture_without_tofu(draw):
    figure = draw()
    assert not missing_glyphs("".join(texts(figure)))
    assert len(to_png(figure)) < 60_000


def test_the_whole_has_the_shapes_of_its_configuration():
    written = texts(whole())
    for shape, times in {
        "编号 ids [1, 16]": 1,
        "[1, 16]，真的 2 格": 1,
        "[1, 16, 40]": 2,  # embedded; attended
        "[1, 16, 160] → [1, 16, 40]": 1,
        "分数 [1, 16, 50]": 1,
        "[1, 15, 50]": 2,
        "log p [1, 15]": 1,
        "2 个数": 1,
        "重复 5 次": 1,
        "因果自注意力，8 头": 1,
    }.items():
        assert written.count(shape) == times, shape
    assert written.count("+") == 2 + 1  # and that of the sum in the conversation


def test_what_is_learned_is_framed_and_what_follows_the_end_is_faint():
    axis = talk().axes[0]
    assert framed(axis) == [13, 14]
    assert [text.get_alpha() for text in axis.texts[-3:]] == [1, 1, 0.55]


def test_a_surprise_is_minus_the_log():
    written = texts(surprise())
    assert {"0.69", "1.39"} <= {*written} and written.count("0.5") == 1
    assert framed(surprise().axes[0]) == [1, 2]


def test_bricks_count_what_is_empty_and_who_crosses():
    left, right = bricks().axes
    assert left.get_title(loc="center") == "2 行 × 6 格，空着 25%"
    assert right.get_title(loc="center") == "第 1 行谁看谁：串门 0 对"
    assert [label.get_text() for label in right.get_xticklabels()] == ["0", "0"]
    open_ = bricks(walls=False).axes[1]
    assert open_.get_title(loc="center") == "第 1 行谁看谁：串门 6 对"
    assert [label.get_text() for label in open_.get_xticklabels()] == ["0", "3"]
    red = np.isclose(open_.images[0].get_array(), plt.matplotlib.colors.to_rgb(COLORS["bad"])).all(-1)
    assert red.sum() == 6 and red[3:, :3].all()


def test_lora_adds_the_scaled_product():
    numbers = [[text.get_text() for text in axis.texts] for axis in lora().axes]
    assert numbers[0][:4] == ["1", "0", "0", "1"] and numbers[0][-1] == "+ 0.5 ×"
    assert numbers[3] == ["2.5", "0", "3", "1"]


def test_answers_name_the_right_one_and_sum_up_the_others():
    figure = answers()
    assert {"对的 85：50%", "忘了进位 75：30%", "别的数，合起来：10%", "最可能：85"} <= {*texts(figure)}


def test_a_line_is_the_mean_of_the_seeds():
    first = ceiling().axes[0]
    lines = {line.get_label(): line.get_ydata().tolist() for line in first.lines}
    assert lines["照概率抽"] == pytest.approx([0.35, 0.55])
    assert lines["取最可能的"] == pytest.approx([0.1, 1.0])


def test_a_bar_is_a_mean_with_every_seed_on_it():
    axis = reached().axes[0]
    assert [bar.get_height() for bar in axis.patches] == pytest.approx([0.7, 0.3, 0.6, 0.2])
    dots = [line.get_ydata().tolist() for line in axis.lines if line.get_linestyle() == "None"]
    assert dots == [[0.8, 0.4], [0.6, 0.2], [0.5, 0.3], [0.7, 0.1]]
