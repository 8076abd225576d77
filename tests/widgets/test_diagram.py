"""Boxes, lines and branches of figures of whole models stand where they are told, and say what they are given."""

import matplotlib.pyplot as plt
import pytest

from course_lib.widgets import diagram
from course_lib.widgets.style import use_style


@pytest.fixture
def axis():
    use_style()
    yield plt.subplots()[1]
    plt.close("all")


def written(axis) -> list[str]:
    return [text.get_text() for text in axis.texts if text.get_text()]


def test_a_box_says_what_it_does_and_below_it_the_shape(axis):
    diagram.box(axis, 1.0, 2.0, 3.0, "投影", "[4, 8]", "answer")
    name, shape = axis.texts
    assert written(axis) == ["投影", "[4, 8]"]
    assert name.get_position()[0] == shape.get_position()[0] == 2.5
    assert name.get_position()[1] > 2.0 > shape.get_position()[1]


def test_without_a_shape_the_name_stands_in_the_middle(axis):
    diagram.box(axis, 0.0, 1.0, 2.0, "CLS", "", "prompt")
    assert [text.get_position() for text in axis.texts] == [(1.0, 1.0)]


def test_a_branch_leaves_the_trunk_and_comes_back_to_a_plus(axis):
    steps = [("LayerNorm", "[2, 4]", "system"), ("GELU", "[2, 16]", "answer")]
    diagram.branch(axis, 5.0, 1.0, 3.0, "前馈", steps)
    assert written(axis) == ["LayerNorm", "[2, 4]", "GELU", "[2, 16]", "+", "前馈"]
    left, end = axis.lines
    assert (left.get_xdata()[0], left.get_ydata()[0]) == (1.0, 5.0)
    assert end.get_xdata()[0] > 3.0 and end.get_ydata()[0] == 5.0


def test_the_frame_holds_four_steps(axis):
    diagram.repeated(axis, 0.0, 4.0, 5.0, "重复 3 次")
    frame = axis.patches[0].get_bbox()
    assert frame.y0 < 5.0 - 1.05 - 3 * diagram.GAP - 0.38 and frame.y1 > 5.0
    assert written(axis) == ["重复 3 次"]
