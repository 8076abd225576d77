import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.foundations.positions import alibi_bias, alibi_slopes, shift_matrix, sinusoidal

WIDTHS = st.integers(1, 32).map(lambda half: 2 * half)
TABLE_LENGTH = 600


@given(WIDTHS, st.integers(0, 299), st.integers(0, 299), st.sampled_from([100.0, 10000.0]))
def test_one_matrix_shifts_every_position(d_model, pos, k, base):
    table = sinusoidal(TABLE_LENGTH, d_model, base, dtype=torch.float64)
    torch.testing.assert_close(shift_matrix(k, d_model, base) @ table[pos], table[pos + k], atol=1e-11, rtol=0)


@given(WIDTHS, st.floats(-100, 100), st.floats(-100, 100))
def test_shifts_add_up(d_model, j, k):
    torch.testing.assert_close(
        shift_matrix(j, d_model) @ shift_matrix(k, d_model), shift_matrix(j + k, d_model), atol=1e-11, rtol=0
    )


@given(WIDTHS, st.integers(0, 299), st.integers(0, 299), st.integers(0, 299))
def test_the_dot_product_of_two_positions_depends_on_their_distance(d_model, pos, distance, shift):
    table = sinusoidal(900, d_model, dtype=torch.float64)
    here, there = table[pos] @ table[pos + distance], table[pos + shift] @ table[pos + shift + distance]
    torch.testing.assert_close(here, there, atol=1e-10, rtol=0)


@given(WIDTHS, st.integers(1, TABLE_LENGTH))
def test_every_vector_has_the_same_length(d_model, n_positions):
    norms = sinusoidal(n_positions, d_model, dtype=torch.float64).norm(dim=1)
    torch.testing.assert_close(norms, torch.full_like(norms, (d_model / 2) ** 0.5))


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 12))
def test_alibi_prefers_the_near_and_depends_on_the_distance(n_heads, n_queries, more):
    bias = alibi_bias(n_heads, n_queries, n_queries + more)
    assert torch.equal(bias[:, :-1, :-1], bias[:, 1:, 1:])
    assert (bias.diagonal(more, 1, 2) == 0).all() and (bias <= 0).all()
    assert len(set(alibi_slopes(n_heads).tolist())) == n_heads
