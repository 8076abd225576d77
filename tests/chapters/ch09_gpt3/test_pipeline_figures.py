"""Figures of chapter 09 draw the numbers that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.chapters.ch09_gpt3 import pipeline_figures as plots
from course_lib.chapters.ch09_gpt3.scaling import fit_power_law
from course_lib.chapters.ch09_gpt3.scaling_figures import plot_groups, plot_power_law
from course_lib.widgets.style import missing_glyphs, to_png, use_style

SIZES = [1000, 4000, 20000, 50000]
LOSSES = np.array([[2.0, 1.5, 1.0, 0.8], [2.2, 1.6, 1.1, 0.9]])


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text)]


def filter_figure():
    scores = {kind: np.linspace(0.1, 0.9, 5) for kind in plots.LABEL_COLOURS}
    return plots.plot_filter(lambda s: np.asarray(s) ** 2, scores, "规则")


def lsh_figure():
    similarity = np.array([[1, 0.7, 0.02], [0.7, 1, 0.7], [0.02, 0.7, 1]])
    return plots.plot_lsh(lambda s: s**3, 0.5, similarity, [(0, 1), (1, 2)], [[0, 1, 2]], list("ABC"), "带")


def corpora_figure():
    share = [0.1, 0.2, 0.3, 0.4]
    return plots.plot_corpora(list("甲乙丙丁"), {"教过": (LOSSES, share), "没教过": (2 * LOSSES, share)})


def law_figure(log=True):
    law = fit_power_law(SIZES[:3], LOSSES.mean(0)[:3])
    return plot_power_law(SIZES, LOSSES, law, 3, log=log, title="拟合"), law


def test_the_filter_draws_the_rule_and_writes_the_kept_share():
    figure = filter_figure()
    rule = figure.axes[0].lines[1]
    np.testing.assert_allclose(rule.get_ydata(), np.asarray(rule.get_xdata()) ** 2)
    share = (np.linspace(0.1, 0.9, 5) ** 2).mean()
    assert texts(figure).count(f"{share:.1%}") == 4


def test_lsh_joins_candidates_and_marks_what_a_chain_joined():
    curve, graph = lsh_figure().axes
    solid = [line for line in graph.lines if line.get_linestyle() == "-"]
    dotted = [line for line in graph.lines if line.get_linestyle() == ":"]
    assert (len(solid), len(dotted)) == (2, 1)
    assert "1 簇" in graph.get_title(loc="left")
    assert curve.lines[0].get_ydata()[-1] == 1


def test_epochs_mark_what_does_not_fit():
    figure = plots.plot_epochs(["甲", "乙"], [(1, 2), (3, 4)], [(1.5, 1.6), (2.0, 2.1)])
    assert {"对得上", "对不上"} <= set(texts(figure))
    assert [bar.get_width() for bar in figure.axes[0].patches] == [1, 1]


def test_corpora_draw_the_mean_and_every_seed():
    figure = corpora_figure()
    for axis, losses in zip(figure.axes, (LOSSES, 2 * LOSSES), strict=True):
        assert [bar.get_height() for bar in axis.patches] == losses.mean(0).tolist()
        assert [line.get_ydata().tolist() for line in axis.lines] == losses.T.tolist()


def test_masks_count_what_the_framed_query_sees():
    figure = plots.plot_masks({"全": np.tri(4, dtype=bool), "带": np.eye(4, dtype=bool)}, query=2)
    assert [axis.get_xlabel() for axis in figure.axes] == ["第 3 个看得见 3 个", "第 3 个看得见 1 个"]


@pytest.mark.parametrize("log", [True, False])
def test_the_law_is_drawn_solid_where_it_was_fitted_and_dashed_beyond(log):
    figure, law = law_figure(log)
    inside, beyond = figure.axes[0].lines[:2]
    assert inside.get_xdata().max() <= SIZES[2] < beyond.get_xdata().max()
    np.testing.assert_allclose(beyond.get_ydata(), law.loss(beyond.get_xdata()))
    assert figure.axes[0].get_yscale() == ("log" if log else "linear")


def test_groups_draw_a_line_each():
    figure = plot_groups(SIZES, LOSSES.T, ["常见", "少见"], 2.7)
    assert [line.get_ydata().tolist() for line in figure.axes[0].lines[:2]] == LOSSES.tolist()


def test_no_figure_holds_a_glyph_that_the_font_lacks():
    figures = [
        filter_figure(),
        lsh_figure(),
        law_figure()[0],
        plots.plot_epochs(["甲"], [(1, 2)], [(1.5, 1.6)]),
        corpora_figure(),
        plots.plot_masks({"全": np.tri(4, dtype=bool)}, query=2),
        plot_groups(SIZES, LOSSES.T, ["常见", "少见"], 2.7),
    ]
    for figure in figures:
        assert {char for text in texts(figure) for char in missing_glyphs(text)} == set()
        assert to_png(figure)[:4] == b"\x89PNG"
