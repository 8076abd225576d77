"""Slips of a reader or an author with figures, widgets and the lesson's own words, one line a case."""

import matplotlib.pyplot as plt
import pytest
import torch

from course_lib import lesson
from course_lib.chapters.ch01_embedding import figures as embedding
from course_lib.chapters.ch04_attention import figures as attention
from course_lib.course import device, outline
from course_lib.widgets import Knob, explore, rope_rotation

NAN, INF = float("nan"), float("inf")
KNOB = Knob("x", [1, 2])


def words(**values):
    return "一张图"


def empty(**values):
    return plt.Figure()


@pytest.mark.parametrize(
    ("slip", "error", "message"),
    [
        (lambda: Knob("x", 5), TypeError, r"Knob 'x' has values = 5; give several, as in \[5\]"),
        (lambda: Knob("x", [1], live=5), TypeError, r"Knob 'x' has live = 5; give several"),
        (lambda: Knob("x", None), ValueError, "Knob 'x' has no values"),
        (lambda: explore(None, words, x=KNOB), TypeError, "draw is None; give a function"),
        (lambda: explore(plt.Figure(), words, x=KNOB), TypeError, "draw is .*Figure.*; give a function"),
        (lambda: explore(empty, "一张图", x=KNOB), TypeError, "alt is '一张图'; give a function"),
        (lambda: explore(empty, words, x=[1, 2]), TypeError, r"x is \[1, 2\]; write x=Knob\(\"…\", \[1, 2\]\)"),
        (lambda: explore(empty, words, x=5), TypeError, r"x is 5; write x=Knob"),
        (lambda: rope_rotation(8, q=5), ValueError, "q must be 8 numbers, finite and not all 0; got 5"),
        (lambda: rope_rotation(8, q="abcdefgh"), ValueError, "q must be 8 numbers, .* got 'abcdefgh'"),
        (lambda: rope_rotation(4, k=[1, 2, NAN, 0]), ValueError, "k must be 4 numbers, finite"),
        (lambda: rope_rotation(4, k=[1, 2, INF, 0]), ValueError, "k must be 4 numbers, finite"),
        (lambda: rope_rotation(4, q=[[1], [2], [3], [4]]), ValueError, "q must be 4 numbers"),
        (lambda: rope_rotation(4, m=NAN), ValueError, r"m \(nan\) must lie between 0 and 32"),
        (lambda: attention.plot_heads_in_linear(8, 3), ValueError, r"n_heads \(3\) must divide d_model \(8\)"),
        (lambda: attention.plot_heads_in_linear(8, 0), ValueError, r"n_heads \(0\) must divide d_model \(8\)"),
        (lambda: embedding.plot_merges([b"a"], columns=0), ValueError, r"columns \(0\) must be at least 1"),
        (lambda: embedding.plot_merges([b"a"], columns=2.5), TypeError, r"columns is 2.5; a whole number"),
        (lambda: lesson.start(3), ValueError, r'chapter is 3; write its two digits, as in start\("03"\)'),
        (lambda: lesson.start(None), ValueError, r"chapter is None; write its two digits"),
        (lambda: lesson.start("０３"), ValueError, r"write its two digits"),
        (lambda: device.matmul_gflops(torch.float32, repeats=0), ValueError, r"repeats \(0\) must be at least 1"),
        (lambda: outline.month_of_number("x"), ValueError, "'x' is no arXiv number; write it as 2103.00020"),
        (lambda: outline.month_of_number("2113.00020"), ValueError, "'2113.00020' is no arXiv number"),
        (lambda: outline.month_of_number("cs/0703001"), ValueError, "is no arXiv number"),
        (lambda: outline.months("٢٠٢١-02"), ValueError, "is no month; write it as 2021-02"),
        (lambda: outline.months("2021-²"), ValueError, "is no month; write it as 2021-02"),
        (lambda: outline.months("2021-13"), ValueError, "is no month; write it as 2021-02"),
    ],
)
def test_a_slip_is_refused_with_its_mend(as_readers_have_it, slip, error, message):
    with pytest.raises(error, match=message):
        slip()
