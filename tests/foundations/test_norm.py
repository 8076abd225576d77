import pytest
import torch

from course_lib.foundations.norm import LayerNorm, RMSNorm, layer_norm, rms_norm


def test_two_vectors_by_hand():
    ones, zeros = torch.ones(2), torch.zeros(2)
    torch.testing.assert_close(layer_norm(torch.tensor([3.0, 7.0]), ones, zeros), torch.tensor([-1.0, 1.0]))
    torch.testing.assert_close(rms_norm(torch.tensor([1.0, 7.0]), ones), torch.tensor([0.2, 1.4]))  # length 5 sqrt(2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_modules_are_the_readable_functions(dtype):
    """Values and gradients, of vectors far from zero mean too."""
    torch.manual_seed(0)
    x = (3 * torch.randn(4, 5, 16) + 10).to(dtype).requires_grad_()
    for module, readable in ((LayerNorm(16, 1e-3), layer_norm), (RMSNorm(16, 1e-3), rms_norm)):
        module = module.to(dtype)
        weights = list(module.parameters())
        for weight in weights:
            torch.nn.init.normal_(weight)
        ours, reference = module(x), readable(x, *weights, eps=1e-3)
        bound = {"atol": 1e-12 if dtype == torch.float64 else 1e-4, "rtol": 0}
        torch.testing.assert_close(ours, reference, **bound)
        judge = torch.randn_like(ours)
        for one, other in zip(
            torch.autograd.grad(ours, [x, *weights], judge), torch.autograd.grad(reference, [x, *weights], judge)
        ):
            torch.testing.assert_close(one, other, atol=bound["atol"] * 100, rtol=0)


def test_what_each_norm_does_not_see():
    """LayerNorm: scale and shift of a vector; RMSNorm: scale only."""
    torch.manual_seed(0)
    x = torch.randn(3, 8, dtype=torch.float64)
    ln, rms = LayerNorm(8, 1e-12).double(), RMSNorm(8, 1e-12).double()
    torch.testing.assert_close(ln(5 * x + 2), ln(x), atol=1e-9, rtol=0)
    torch.testing.assert_close(rms(5 * x), rms(x), atol=1e-9, rtol=0)
    assert (rms(x + 2) - rms(x)).abs().max() > 0.1
    torch.testing.assert_close(rms(x).square().mean(-1), torch.ones(3).double())


def test_a_constant_vector_gives_no_nan():
    for x in (torch.zeros(2, 8), torch.full((2, 8), 3.0)):
        assert torch.isfinite(LayerNorm(8)(x)).all() and torch.isfinite(RMSNorm(8)(x)).all()


@pytest.mark.parametrize("norm", [LayerNorm, RMSNorm])
def test_bad_sizes_are_refused(norm):
    with pytest.raises(ValueError, match=r"d_model \(0\)"):
        norm(0)
    with pytest.raises(ValueError, match=r"eps \(0\.0\) must be positive"):
        norm(8, 0.0)


def test_the_floor_of_rms_norm_is_1e_6():
    """Llama's: against it a vector of numbers 1e-3 is as large as nothing, and half of its mean square is the floor."""
    x, ones = torch.full((1, 4), 1e-3, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    wanted = torch.full_like(x, 0.5**0.5)
    torch.testing.assert_close(rms_norm(x, ones), wanted, atol=1e-12, rtol=0)
    torch.testing.assert_close(RMSNorm(4).double()(x), wanted, atol=1e-12, rtol=0)
