"""Counted poems give probabilities, and expect what they have counted."""

import math

import pytest

from course_lib.chapters.ch08_gpt2.counted_poems import CountedPoems
from course_lib.data.real.poems import EDGE, SIGNS, Poem, poems, vocabulary

SPRING = Poem("春晓", "孟浩然", ("春眠不觉晓", "处处闻啼鸟", "夜来风雨声", "花落知多少"))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("context", [EDGE * 2, EDGE + "春", "春风", "，处", "乾鸟"])
def test_probabilities_add_up_to_1(n, context):
    counted = CountedPoems(poems("train")[:300], n, 0.8)
    after = context[len(context) - n + 1 :]
    assert sum(counted.probability(after, token) for token in vocabulary()) == pytest.approx(1)


def test_kneser_ney_by_hand():
    """After 处 comes 处 once and 闻 once; the shorter context counts in how many pairs a token is the second."""
    counted, uniform, discount = CountedPoems([SPRING], 2, 0.5), 1 / len(vocabulary()), 0.5
    pairs = {(a, b) for a, b in zip(EDGE + str(SPRING), str(SPRING) + EDGE)}
    ends = [b for _, b in pairs]
    lower = (ends.count("闻") - discount + discount * len(set(ends)) * uniform) / len(pairs)
    assert counted.probability("处", "闻") == pytest.approx((1 - discount + discount * 2 * lower) / 2)
    assert counted.probability("山", "闻") == pytest.approx(lower)  # a context never seen: the shorter one alone


def test_a_poem_that_was_counted_is_expected_more_than_others():
    counted = CountedPoems([SPRING], 3, 0.5)
    assert counted.log_probability([SPRING]) > math.log(0.25) > -5 > counted.log_probability(poems("held-out")[:5])


def test_marks_and_edges_are_not_in_the_mean():
    counted = CountedPoems([SPRING], 2, 0.5)
    places = [place for place in counted.places(SPRING) if place[1] not in SIGNS]
    assert [token for _, token in places] == list("".join(SPRING.lines))
    mean = sum(math.log(counted.probability(*place)) for place in places) / 20
    assert counted.log_probability([SPRING]) == pytest.approx(mean)
