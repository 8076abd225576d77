import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.foundations.positions import shift_matrix
from course_lib.foundations.rope import (
    angles,
    frequencies,
    interleaved_to_half_split,
    rotate_complex,
    rotate_half_split,
    rotate_interleaved,
    rotation_matrix,
)

POSITIONS = st.integers(-5000, 5000)
WIDTHS = st.integers(1, 32).map(lambda pairs: 2 * pairs)
BASES = st.sampled_from([100.0, 10000.0, 500000.0])
ROTATIONS = st.sampled_from([rotate_interleaved, rotate_half_split, rotate_complex])


def vectors(d_head: int, seed: int) -> torch.Tensor:
    return torch.randn(2, d_head, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def at(position, freqs):
    return angles(torch.tensor([position]), freqs)


@given(ROTATIONS, WIDTHS, BASES, POSITIONS, POSITIONS, POSITIONS, st.integers(0, 99))
def test_the_score_depends_on_the_distance_only(rotate, d_head, base, m, n, shift, seed):
    freqs = frequencies(d_head, base)
    q, k = vectors(d_head, seed)

    def score(m, n):
        return (rotate(q, at(m, freqs)) * rotate(k, at(n, freqs))).sum()

    torch.testing.assert_close(score(m + shift, n + shift), score(m, n), atol=1e-9, rtol=0)


@given(ROTATIONS, WIDTHS, POSITIONS, st.integers(0, 99))
def test_turning_keeps_every_length(rotate, d_head, m, seed):
    q, _ = vectors(d_head, seed)
    torch.testing.assert_close(rotate(q, at(m, frequencies(d_head))).norm(), q.norm(), atol=1e-12, rtol=0)


@given(ROTATIONS, WIDTHS, POSITIONS, POSITIONS, st.integers(0, 99))
def test_turns_add_up_and_turn_back(rotate, d_head, m, n, seed):
    freqs = frequencies(d_head)
    q, _ = vectors(d_head, seed)
    turned = rotate(q, at(m, freqs))
    torch.testing.assert_close(rotate(turned, at(n, freqs)), rotate(q, at(m + n, freqs)), atol=1e-10, rtol=0)
    torch.testing.assert_close(rotate(turned, at(-m, freqs))[0], q, atol=1e-10, rtol=0)


@given(ROTATIONS, WIDTHS, POSITIONS, st.integers(0, 99))
def test_turning_is_linear_and_leaves_position_zero_alone(rotate, d_head, m, seed):
    freqs = frequencies(d_head)
    q, k = vectors(d_head, seed)
    torch.testing.assert_close(
        rotate(2 * q - k, at(m, freqs)), 2 * rotate(q, at(m, freqs)) - rotate(k, at(m, freqs)), atol=1e-12, rtol=0
    )
    assert torch.equal(rotate(q, at(0, freqs))[0], q)


@given(WIDTHS, BASES, POSITIONS, st.integers(0, 99))
def test_matrix_fast_complex_and_half_split_forms_agree(d_head, base, m, seed):
    freqs, order = frequencies(d_head, base), interleaved_to_half_split(d_head)
    x = vectors(d_head, seed)
    fast = rotate_interleaved(x, at(m, freqs))
    torch.testing.assert_close(x @ rotation_matrix(m, freqs).T, fast, atol=1e-10, rtol=0)
    torch.testing.assert_close(rotate_complex(x, at(m, freqs)), fast, atol=1e-10, rtol=0)
    torch.testing.assert_close(rotate_half_split(x[:, order], at(m, freqs)), fast[:, order], atol=1e-10, rtol=0)


@given(WIDTHS, POSITIONS, POSITIONS)
def test_transpose_of_one_rotation_times_another_is_their_difference(d_head, m, n):
    freqs = frequencies(d_head)
    product = rotation_matrix(m, freqs).T @ rotation_matrix(n, freqs)
    torch.testing.assert_close(product, rotation_matrix(n - m, freqs), atol=1e-10, rtol=0)


@given(WIDTHS, POSITIONS)
def test_the_sinusoids_shift_is_ropes_rotation_backwards(d_head, k):
    """(sin, cos) read as a point turns clockwise, (cos, sin) the other way: one and the same clock."""
    torch.testing.assert_close(shift_matrix(k, d_head), rotation_matrix(-k, frequencies(d_head)), atol=1e-12, rtol=0)
