"""Chapter 03's exercises: any correct way passes, in any precision."""

import torch

from course_lib.course.exercises import get_exercise, judge
from course_lib.foundations.rope import angles, frequencies, rotation_matrix


def test_rope_by_complex_numbers_passes_in_both_precisions():
    def by_complex(x, positions, base):
        turn = torch.polar(torch.ones(1, dtype=torch.float64), angles(positions, frequencies(x.shape[-1], base)))
        return torch.view_as_real(torch.view_as_complex(x.double().reshape(len(x), -1, 2)) * turn).flatten(-2)

    exercise = get_exercise("03-rope-2")
    assert judge(exercise, by_complex).passed
    assert judge(exercise, lambda x, positions, base: by_complex(x, positions, base).float()).passed


def test_rope_by_matrices_passes():
    def by_matrix(x, positions, base):
        freqs = frequencies(x.shape[-1], base)
        return torch.stack([rotation_matrix(float(m), freqs).to(row) @ row for row, m in zip(x, positions)])

    assert judge(get_exercise("03-rope-2"), by_matrix).passed


def test_the_permutation_of_the_released_conversion_script_passes():
    def permute(w, n_heads):
        rows, columns = w.shape
        return w.view(n_heads, rows // n_heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)

    assert judge(get_exercise("03-rope-4"), permute).passed


def test_a_counterexample_of_the_weights_says_which_row_went_where():
    told = judge(get_exercise("03-rope-4"), lambda w, n_heads: w.flip(0)).message
    assert "[ 1.  ,  1.01," in told  # row 1 of the given weights is legible
    assert "形状 [12, 12]" in told


def test_the_number_of_unfinished_clocks_is_that_of_the_frequencies():
    turns = 4096 * frequencies(128) / (2 * torch.pi)
    assert int((turns < 1).sum()) == get_exercise("03-rope-3").solution


def test_the_score_in_the_head_is_that_of_the_room():
    step = torch.tensor([torch.pi / 6], dtype=torch.float64)
    east = torch.tensor([1.0, 0.0], dtype=torch.float64)
    score = (rotation_matrix(5, step) @ east) @ (rotation_matrix(3, step) @ east)
    assert abs(float(score) - get_exercise("03-rope-1").solution) < 1e-12
