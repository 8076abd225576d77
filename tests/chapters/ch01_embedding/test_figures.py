"""Figures of chapter 01 draw the numbers and the tokens that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch

from course_lib.chapters.ch01_embedding import figures as plots
from course_lib.foundations.bpe import ByteBPE
from course_lib.widgets.style import missing_glyphs, to_png, use_style


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text)]


def dashed(figure) -> list[bool]:
    return [box.get_linestyle() == "--" for box in figure.axes[0].findobj(FancyBboxPatch)]


def test_a_token_is_written_as_text_only_if_it_is_utf8():
    assert plots.piece_text("红 线".encode()) == ("红␣线", True)
    assert plots.piece_text("红线".encode()[:5]) == ("E7 BA A2 E7 BA", False)


def test_half_characters_are_dashed_and_whole_ones_are_not():
    red = "红".encode()
    assert dashed(plots.plot_cut("红a", [red[:2], red[2:], b"a"], "")) == [True, True, False]
    assert dashed(plots.plot_merges([red[:2], red])) == [True, False]


def test_a_token_that_reaches_over_the_line_has_two_boxes_and_one_name():
    text = "红" * 5
    figure = plots.plot_cut(text, [text.encode()[:9], text.encode()[9:]], "")
    assert len(dashed(figure)) == 3
    assert texts(figure).count("红红") == 1 and texts(figure).count("红红红") == 1


def test_tokens_that_do_not_spell_the_text_are_refused():
    with pytest.raises(ValueError, match="not the text '红'"):
        plots.plot_cut("红", [b"a"], "")


def test_the_product_is_written_row_by_row():
    table = np.array([[0.9, 0.1], [0.8, 0.3], [0.1, 0.7]])
    axes = plots.plot_lookup([1, 0, 1], table, "红蓝圆").axes
    written = [text.get_text() for text in axes[2].texts]
    assert written[:6] == ["0.8", "0.3", "0.9", "0.1", "0.8", "0.3"]
    assert written[6:] == ["蓝", "红", "蓝", "="]


def test_neighbours_are_listed_with_the_nearest_on_top():
    figure = plots.plot_words({"红": (0, 0), "蓝": (1, 0)}, {"红": "颜色"}, [("蓝", 0.9), ("的", -0.2)], "红", "")
    bars = figure.axes[1]
    assert [label.get_text() for label in bars.get_yticklabels()] == ["的", "蓝"]
    assert [bar.get_width() for bar in bars.patches] == [-0.2, 0.9]


def test_curves_are_those_given():
    sizes, values = [256, 300, 400], [3.0, 2.0, 1.5]
    axis = plots.plot_compression(sizes, {"中文": values}, {"中文": values}).axes[0]
    assert list(axis.lines[0].get_ydata()) == values


def test_no_figure_holds_a_glyph_that_the_font_lacks():
    tokenizer = ByteBPE.train("红线红纸" * 3, 260)
    sentence = "麒麟吃红线 red"
    figures = [
        plots.plot_similarities({"one-hot": np.eye(3)}, ["红色", "蓝色", "圆形"], 2),
        plots.plot_lookup([0], np.eye(2), "红蓝"),
        plots.plot_words({"红": (0, 0)}, {"红": "颜色"}, [("蓝", 0.5)], "红", "第 0 步"),
        plots.plot_cut(sentence, [tokenizer.vocab[i] for i in tokenizer.encode(sentence)], "合并 4 次"),
        plots.plot_merges([left + right for left, right in tokenizer.merges]),
        plots.plot_compression([256, 512], {"英文": [3, 3]}, {"中英各半": [5, 4]}),
    ]
    for figure in figures:
        assert not missing_glyphs("".join(texts(figure)))
        assert to_png(figure)[:4] == b"\x89PNG"
