"""Figures of C04a, C04b, C06 and C08 draw the means of the seeds that they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.chapters.ch02_positions import extrapolation_figures as extrapolation
from course_lib.chapters.ch04_attention import heads_figures as heads
from course_lib.course.claims import figures_of, load_record
from course_lib.widgets.style import missing_glyphs, to_png, use_style


@pytest.fixture(autouse=True)
def style():
    use_style()
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(plt.Text)]


def recorded(claim_id, kind, names):
    figures = figures_of(load_record(claim_id))
    return {name: figures[f"{kind}_{name}"].values for name in names}


def test_curves_are_means_at_the_middle_of_their_bins():
    values = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]])
    figure = extrapolation.plot_loss_along({"rope": values}, trained_length=8, guess=2.08)
    line, guess = figure.axes[0].lines
    assert line.get_xdata().tolist() == [4, 12, 20]
    assert line.get_ydata().tolist() == [2, 3, 4]
    assert set(guess.get_ydata()) == {2.08}
    assert "RoPE" in texts(figure)


def test_lengths_are_named_as_multiples_of_the_trained_one():
    figure = extrapolation.plot_loss_at_lengths({"PI": np.ones((3, 4))}, (32, 64, 128, 256), trained_length=32)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["L", "2L", "4L", "8L"]


def test_shares_are_stacked_to_the_whole():
    figure = extrapolation.plot_score_shares(
        {"甲": np.array([[0.5, 0.3, 0.2]] * 3), "乙": np.array([[0.9, 0.1, 0.0]] * 3)}
    )
    ends = [bar.get_x() + bar.get_width() for bar in figure.axes[0].patches]
    assert ends[-2:] == pytest.approx([1, 1])
    assert {"交叉 20% ± 0%", "交叉 0"} <= set(texts(figure))


def test_bars_stand_at_the_mean_and_every_seed_is_a_dot():
    accuracy = np.array([[0.1, 1.0], [0.3, 0.8]])
    figure = heads.plot_accuracy_by_heads(accuracy, (1, 2), foils={"前馈": np.array([0.5, 0.7])})
    assert [bar.get_height() for bar in figure.axes[0].patches] == pytest.approx([0.2, 0.9, 0.6])
    dots = [line.get_ydata().tolist() for line in figure.axes[0].lines[:3]]
    assert dots == [[0.1, 0.3], [1.0, 0.8], [0.5, 0.7]]


def test_figures_of_the_records_hold_no_glyph_that_the_font_lacks():
    schemes, scalings = ("none", "learned", "sinusoidal", "rope", "alibi"), ("plain", "PI", "NTK", "YaRN")
    eight = figures_of(load_record("C08"))
    figures = [
        extrapolation.plot_loss_along(recorded("C04a", "along", schemes), trained_length=32, guess=np.log(8)),
        extrapolation.plot_loss_at_lengths(recorded("C06", "loss", scalings), (32, 64, 128, 256), trained_length=32),
        extrapolation.plot_score_shares(recorded("C04b", "trained", ("learned", "sinusoidal", "rope"))),
        heads.plot_accuracy_by_heads(
            eight["accuracy"].values,
            (1, 2, 4, 8),
            foils={"1 头\n两倍宽": eight["accuracy_one_wide_head"].values},
        ),
    ]
    for figure in figures:
        assert not missing_glyphs("".join(texts(figure)))
        assert to_png(figure)[:4] == b"\x89PNG"
