import math

import pytest
import torch

from course_lib.foundations.positions import wave_frequencies
from course_lib.foundations.rope import (
    angles,
    frequencies,
    interleaved_to_half_split,
    rotate_complex,
    rotate_half_split,
    rotate_interleaved,
    rotation_matrix,
)

ROTATIONS = [rotate_interleaved, rotate_half_split, rotate_complex]


def test_frequencies_fall_from_one_by_equal_factors():
    assert frequencies(8).tolist() == pytest.approx([1, 0.1, 0.01, 0.001])
    assert torch.equal(frequencies(64), wave_frequencies(64))  # the very waves of the sinusoidal encoding


def test_angles_grow_with_position():
    torch.testing.assert_close(
        angles(torch.tensor([0, 2]), frequencies(4)), torch.tensor([[0, 0], [2, 0.02]], dtype=torch.float64)
    )
    assert angles(torch.zeros(3, 5), frequencies(4)).shape == (3, 5, 2)


def test_a_quarter_turn_by_hand():
    quarter = torch.tensor([math.pi / 2, 0.0], dtype=torch.float64)
    x = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    torch.testing.assert_close(rotate_interleaved(x, quarter), torch.tensor([-2.0, 1, 3, 4]).double())
    torch.testing.assert_close(rotate_half_split(x, quarter), torch.tensor([-3.0, 2, 1, 4]).double())
    torch.testing.assert_close(rotate_complex(x, quarter), torch.tensor([-2.0, 1, 3, 4]).double())


def test_rotation_matrix_turns_counter_clockwise_in_each_block():
    c, s = math.cos(1), math.sin(1)
    torch.testing.assert_close(rotation_matrix(1, frequencies(2)), torch.tensor([[c, -s], [s, c]], dtype=torch.float64))
    assert rotation_matrix(5, frequencies(6)).count_nonzero() == 12


def test_permutation_gathers_even_then_odd():
    assert interleaved_to_half_split(6).tolist() == [0, 2, 4, 1, 3, 5]


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_dtype_and_shape_stay(rotate):
    at = angles(torch.arange(5), frequencies(8))
    for dtype in (torch.float32, torch.float64):
        assert rotate(torch.randn(2, 3, 5, 8, dtype=dtype), at).dtype == dtype
    assert rotate(torch.randn(2, 0, 8), at[:0]).shape == (2, 0, 8)


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_far_positions_stay_exact_in_float32(rotate):
    x, at = torch.randn(3, 64), angles(torch.tensor([100_000, 999_983, 3]), frequencies(64))
    torch.testing.assert_close(rotate(x, at).double(), rotate(x.double(), at), atol=1e-6, rtol=0)


@pytest.mark.parametrize("d_head", [1, 7, 0, -2])
def test_an_odd_or_empty_head_is_refused_with_a_good_one(d_head):
    for make in (frequencies, interleaved_to_half_split):
        with pytest.raises(ValueError, match=rf"d_head \({d_head}\) must be even.*try d_head={max(2, d_head + 1)}"):
            make(d_head)


@pytest.mark.parametrize("rotate", ROTATIONS)
def test_x_and_angles_that_do_not_fit_are_refused(rotate, as_readers_have_it):
    at = angles(torch.arange(5), frequencies(8))
    with pytest.raises(ValueError, match=r"odd head width \(7\)"):
        rotate(torch.randn(5, 7), at)
    with pytest.raises(ValueError, match=r"head width 6, so 3 pairs, but angles holds 4; use frequencies\(6\)"):
        rotate(torch.randn(5, 6), at)
    with pytest.raises(ValueError, match=r"x \(4, 8\) and angles \(5, 4\) do not match"):
        rotate(torch.randn(4, 8), at)


def test_a_base_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"base \(-1\)"):
        frequencies(4, base=-1)


def test_texts_are_not_taken_for_heads():
    """Two texts at different places, two heads: angles [B T P] would broadcast as [H T P]."""
    torch.manual_seed(0)
    x, places = torch.randn(2, 2, 3, 8), torch.tensor([[0, 1, 2], [5, 6, 7]])
    at = angles(places, frequencies(8))
    for rotate in (rotate_half_split, rotate_interleaved, rotate_complex):
        with pytest.raises(ValueError, match=r"\(2, 2, 3, 8\) and angles \(2, 3, 4\).*\[B 1 T P\]"):
            rotate(x, at)
        turned = rotate(x, at[:, None])
        for text in range(2):
            torch.testing.assert_close(turned[text], rotate(x[text], at[text]))
