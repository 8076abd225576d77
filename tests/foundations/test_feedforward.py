import pytest
import torch

from course_lib.foundations.feedforward import FeedForward, SwiGLU, swiglu_width


def test_feed_forward_is_equation_2():
    torch.manual_seed(0)
    layer, x = FeedForward(6, 10).double(), torch.randn(2, 3, 6, dtype=torch.float64)
    hidden = (x @ layer.up.weight.T + layer.up.bias).clamp(min=0)
    torch.testing.assert_close(layer(x), hidden @ layer.down.weight.T + layer.down.bias)


def test_swiglu_is_equation_6():
    torch.manual_seed(0)
    layer, x = SwiGLU(6, 10).double(), torch.randn(2, 3, 6, dtype=torch.float64)
    gate = x @ layer.gate.weight.T
    torch.testing.assert_close(layer(x), (gate * gate.sigmoid() * (x @ layer.up.weight.T)) @ layer.down.weight.T)
    assert not layer(torch.zeros(1, 6).double()).any()


@pytest.mark.parametrize("layer", [FeedForward(6, 10), SwiGLU(6, 10)])
def test_every_token_goes_through_alone(layer):
    x = torch.randn(1, 4, 6)
    y = x.clone()
    y[:, 2] += 1
    same = (layer(x) == layer(y)).all(-1)
    assert same.tolist() == [[True, True, False, True]]


def test_number_of_parameters():
    assert sum(p.numel() for p in FeedForward(6, 24).parameters()) == 2 * 6 * 24 + 24 + 6
    assert sum(p.numel() for p in SwiGLU(6, 16).parameters()) == 3 * 6 * 16 == 2 * 6 * 24


def test_llamas_widths():
    """7B, 13B and 65B of Llama, as released."""
    assert [swiglu_width(d) for d in (4096, 5120, 8192)] == [11008, 13824, 22016]
    assert swiglu_width(64, 16) == 176


def test_bad_sizes_are_refused():
    for build in (FeedForward, SwiGLU, swiglu_width):
        with pytest.raises(ValueError, match=r"d_model \(0\) must be at least 1"):
            build(0, 4)
