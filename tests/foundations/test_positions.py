import math

import pytest
import torch

from course_lib.foundations.positions import LearnedPositions, alibi_bias, alibi_slopes, shift_matrix, sinusoidal


def test_sine_and_cosine_take_turns_along_the_width():
    expected = [math.sin(3), math.cos(3), math.sin(3 / 100), math.cos(3 / 100)]
    assert sinusoidal(4, 4, dtype=torch.float64)[3].tolist() == pytest.approx(expected, abs=1e-15)


def test_position_zero_is_zeros_and_ones():
    assert sinusoidal(1, 6).tolist() == [[0, 1, 0, 1, 0, 1]]


def test_every_position_has_its_own_vector():
    table = sinusoidal(4096, 64, dtype=torch.float64)
    distances = torch.cdist(table, table) + torch.eye(4096) * 9
    assert distances.min() > 0.5


def test_float32_is_float64_rounded_once():
    assert torch.equal(sinusoidal(5000, 32), sinusoidal(5000, 32, dtype=torch.float64).float())


def test_shift_matrix_is_fixed_and_moves_any_position():
    table = sinusoidal(100, 16, dtype=torch.float64)
    torch.testing.assert_close(table[:-7] @ shift_matrix(7, 16).T, table[7:], atol=1e-13, rtol=0)


def test_learned_positions_end_where_the_table_ends():
    positions = LearnedPositions(8, 4)
    assert torch.equal(positions(8), positions.weight)
    assert positions(0).shape == (0, 4)
    with pytest.raises(ValueError, match=r"9 tokens, but only positions 0 to 7 .* n_positions >= 9"):
        positions(9)


def test_alibi_takes_off_slope_times_distance():
    assert alibi_slopes(8).tolist() == [2.0**-h for h in range(1, 9)]
    assert alibi_bias(2, 3, 3)[0].tolist() == [
        [0, -0.0625, -0.125],
        [-0.0625, 0, -0.0625],
        [-0.125, -0.0625, 0],
    ]


def test_alibi_with_more_keys_puts_the_queries_last():
    assert torch.equal(alibi_bias(3, 2, 5), alibi_bias(3, 5, 5)[:, -2:])


@pytest.mark.parametrize("d_model", [1, 7, 0, -2])
def test_an_odd_or_empty_width_is_refused_with_a_good_one(d_model):
    for make in (lambda: sinusoidal(4, d_model), lambda: shift_matrix(1, d_model)):
        with pytest.raises(ValueError, match=rf"d_model \({d_model}\) must be even.*try d_model={max(2, d_model + 1)}"):
            make()


def test_no_positions_give_an_empty_table_and_fewer_than_none_are_refused():
    assert sinusoidal(0, 4).shape == (0, 4)
    with pytest.raises(ValueError, match=r"n_positions \(-1\)"):
        sinusoidal(-1, 4)


def test_other_bad_sizes_are_refused():
    with pytest.raises(ValueError, match=r"base \(0\)"):
        sinusoidal(4, 4, base=0)
    with pytest.raises(ValueError, match="at least 1"):
        LearnedPositions(0, 4)
    with pytest.raises(ValueError, match=r"n_heads \(0\)"):
        alibi_slopes(0)
    with pytest.raises(ValueError, match=r"n_queries \(4\) must not exceed n_keys \(3\)"):
        alibi_bias(2, 4, 3)
