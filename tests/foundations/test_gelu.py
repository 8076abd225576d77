import pytest
import torch

from course_lib.foundations.gelu import (
    GELUFeedForward,
    QuickGELUFeedForward,
    gelu,
    gelu_tanh,
    gelu_tanh_by_formula,
    quick_gelu,
)

X = torch.linspace(-6, 6, 2001, dtype=torch.float64)


def test_gelu_is_x_times_the_normal_distribution_function():
    torch.testing.assert_close(gelu(X), X * torch.distributions.Normal(0, 1).cdf(X), atol=1e-12, rtol=0)


def test_fused_tanh_is_its_formula():
    torch.testing.assert_close(gelu_tanh(X), gelu_tanh_by_formula(X), atol=1e-12, rtol=0)


def test_how_far_the_approximations_are_off():
    assert (gelu_tanh(X) - gelu(X)).abs().max() == pytest.approx(4.7e-4, abs=1e-4)
    assert (quick_gelu(X) - gelu(X)).abs().max() == pytest.approx(0.0203, abs=1e-3)


def test_layer_is_its_equation_and_counts():
    torch.manual_seed(0)
    layer, x = GELUFeedForward(6, 24).double(), torch.randn(2, 3, 6, dtype=torch.float64)
    up, down = layer.up, layer.down
    by_hand = gelu_tanh_by_formula(x @ up.weight.T + up.bias) @ down.weight.T + down.bias
    torch.testing.assert_close(layer(x), by_hand, atol=1e-12, rtol=0)
    assert sum(p.numel() for p in layer.parameters()) == 2 * 6 * 24 + 24 + 6
    assert not torch.equal(GELUFeedForward(6, 24, quick_gelu).activation(x), layer.activation(x))
    with pytest.raises(ValueError, match="must be at least 1"):
        GELUFeedForward(6, 0)


@pytest.mark.parametrize("shape", [(3, 8), (2, 5, 8), (0, 8)])
def test_quick_feed_forward_is_the_readable_one(shape):
    """Values and every gradient, with large numbers, too."""
    fast = QuickGELUFeedForward(8, 20).double()
    readable = GELUFeedForward(8, 20, quick_gelu).double()
    readable.load_state_dict(fast.state_dict())
    x = (5 * torch.randn(shape, dtype=torch.float64)).requires_grad_()
    y, expected = fast(x), readable(x)
    torch.testing.assert_close(y, expected, atol=1e-12, rtol=0)
    judge = torch.randn_like(y)
    found = torch.autograd.grad(y, [x, *fast.parameters()], judge)
    for mine, other in zip(found, torch.autograd.grad(expected, [x, *readable.parameters()], judge)):
        torch.testing.assert_close(mine, other, atol=1e-12, rtol=0)
