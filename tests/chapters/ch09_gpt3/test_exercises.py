"""Chapter 09's exercises: any correct way passes, and the values agree with the rooms."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from course_lib.course.exercises import get_exercise, judge
from course_lib.data.text.minhash import clusters, knee


def test_the_numbers_in_the_head_are_those_of_the_rooms():
    assert abs(get_exercise("09-gpt3-1").solution - 1.3**-9) < 1e-12
    assert get_exercise("09-gpt3-3").solution == knee(450, 20)
    assert judge(get_exercise("09-gpt3-3"), 0.74).passed


@pytest.mark.parametrize("written", [0.094, 9.4, "9.4%", "9.43 ％", "0.0943", 1 / 10.6, Fraction(10, 106)])
def test_a_share_may_be_written_in_percent(written):
    assert judge(get_exercise("09-gpt3-1"), written).passed


@pytest.mark.parametrize(
    ("written", "mistake"),
    [(1.7**-9, "no_one"), (0.84, "no_one"), (70, "score"), ("4 %", "power"), (90.6, "dropped"), ("0.094%", None)],
)
def test_a_wrong_share_is_told_what_it_is(written, mistake):
    outcome = judge(get_exercise("09-gpt3-1"), written)
    assert not outcome.passed
    assert outcome.mistake == mistake


def test_jaccard_as_a_fraction_passes():
    def similarity(a, b, k):
        one, other = ({text[i : i + k] for i in range(len(text) - k + 1)} for text in (a, b))
        return Fraction(len(one & other), len(one | other))

    assert judge(get_exercise("09-gpt3-2"), similarity).passed


def test_jaccard_by_inclusion_and_exclusion_passes():
    def similarity(a, b, k):
        one, other = ({text[i : i + k] for i in range(len(text) - k + 1)} for text in (a, b))
        common = len(one & other)
        return common / (len(one) + len(other) - common)

    assert judge(get_exercise("09-gpt3-2"), similarity).passed


def test_keeping_one_of_each_cluster_of_the_room_passes():
    assert judge(get_exercise("09-gpt3-4"), lambda n, pairs: [group[0] for group in clusters(n, pairs)]).passed


def test_the_kept_may_be_a_set():
    exercise = get_exercise("09-gpt3-4")
    assert judge(exercise, lambda n, pairs: set(exercise.solution(n, pairs))).passed
    assert not judge(exercise, lambda n, pairs: 2 * exercise.solution(n, pairs)).passed


def test_keeping_only_what_no_kept_text_resembles_is_not_the_same():
    def greedy(n, pairs):
        kept = []
        for i in range(n):
            if not any((j, i) in pairs for j in kept):
                kept.append(i)
        return kept

    assert not judge(get_exercise("09-gpt3-4"), greedy).passed


def test_a_band_by_distances_passes():
    def my_band(T, window):
        back = torch.arange(T)[:, None] - torch.arange(T)
        return (back >= 0) & (back < window)

    assert judge(get_exercise("09-gpt3-5"), my_band).passed


def test_the_exponent_by_hand_passes():
    def exponent(sizes, losses):
        x, y = np.log(sizes), np.log(losses)
        x, y = x - x.mean(), y - y.mean()
        return -(x @ y) / (x @ x)

    assert judge(get_exercise("09-gpt3-6"), exponent).passed
