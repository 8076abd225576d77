"""The shared refusals let pass what is whole, finite and within, whatever library it comes from."""

import numpy as np
import pytest
import torch

from course_lib.foundations.checks import broadcast, check_count, check_even, check_texts, check_within, json_object


def test_whole_numbers_of_any_library_pass_and_truth_values_do_not():
    for value in (0, np.int64(3), torch.tensor(2)):
        check_count("n", value)
    for value in (True, 2.0, "2", None, np.float64(2)):
        with pytest.raises(TypeError, match=r"n is .*; a whole number is needed"):
            check_count("n", value)
    check_count("n", -5, None)
    with pytest.raises(ValueError, match=r"n \(-5\) must be at least 0"):
        check_count("n", -5)


@pytest.mark.parametrize(("width", "good"), [(-2, 2), (0, 2), (1, 2), (3, 4)])
def test_a_width_of_pairs_is_even(width, good):
    check_even("d", good)
    with pytest.raises(ValueError, match=rf"d \({width}\).*try d={good}"):
        check_even("d", width)


def test_the_ends_are_within_and_nan_is_not():
    check_within("s", np.array([0, 0.5, 1]), 0, 1)
    check_within("s", [], 0, 1)
    for value in (-0.1, 1.1, float("nan"), [0.5, 2]):
        with pytest.raises(ValueError, match=r"s .* must lie in 0 … 1"):
            check_within("s", value, 0, 1)


def test_texts_are_a_list():
    check_texts("texts", [])
    check_texts("texts", ("a", ""))
    for values in ("ab", [1], ["a", None]):
        with pytest.raises(TypeError, match="texts must be a list of str"):
            check_texts("texts", values)


def test_shapes_broadcast_or_not():
    assert broadcast(torch.Size((2, 1)), torch.Size((3,))) == (2, 3)
    assert broadcast(torch.Size((2,)), torch.Size((3,))) is None


def test_one_json_object():
    assert json_object('{"a": [1]}', "it") == {"a": [1]}
    for text, says in (
        ("[1]", "it holds a list"),
        ('{"a"', "it is no JSON .line 1, column 5"),
        ("", "line 1, column 1"),
    ):
        with pytest.raises(ValueError, match=says):
            json_object(text, "it")
