"""Sinusoids against 50-digit arithmetic; ALiBi against the Bloom model of transformers."""

import mpmath
import pytest
import torch
from transformers.models.bloom.modeling_bloom import build_alibi_tensor

from course_lib.foundations.positions import alibi_bias, shift_matrix, sinusoidal


@pytest.mark.parametrize(("d_model", "base"), [(2, 10000.0), (6, 10000.0), (64, 10000.0), (10, 500000.0), (16, 3.5)])
def test_sinusoids_to_fifty_digits(d_model, base, agree):
    positions = [0, 1, 2, 17, 511, 4096, 65535]
    table = sinusoidal(65536, d_model, base, dtype=torch.float64)[positions]
    with mpmath.workdps(50):
        exact = [
            [
                float(
                    (mpmath.cos if column % 2 else mpmath.sin)(
                        p / mpmath.mpf(base) ** (mpmath.mpf(column // 2 * 2) / d_model)
                    )
                )
                for column in range(d_model)
            ]
            for p in positions
        ]
    agree(table, torch.tensor(exact, dtype=torch.float64))
    rounded = sinusoidal(65536, d_model, base)[positions]
    agree(rounded, torch.tensor(exact))


def test_shift_matrix_to_fifty_digits(agree):
    with mpmath.workdps(50):
        angle = [1000 / mpmath.mpf(10000) ** (mpmath.mpf(2 * i) / 6) for i in range(3)]
        blocks = [
            torch.tensor([[float(mpmath.cos(a)), float(mpmath.sin(a))], [float(-mpmath.sin(a)), float(mpmath.cos(a))]])
            for a in angle
        ]
    agree(shift_matrix(1000, 6).float(), torch.block_diag(*blocks))


@pytest.mark.parametrize("n_heads", [1, 2, 3, 6, 8, 12, 16, 20])
def test_alibi_is_blooms_up_to_a_constant_in_each_row(n_heads):
    """Bloom adds slope · key position. Softmax takes no notice of a constant, so the weights are the same."""
    bias = build_alibi_tensor(torch.ones(1, 9), n_heads, torch.float32)
    scores = torch.randn(n_heads, 1, 9)
    ours = (scores + alibi_bias(n_heads, 1, 9).float()).softmax(-1)
    torch.testing.assert_close(ours, (scores + bias).softmax(-1), atol=1e-6, rtol=0)
