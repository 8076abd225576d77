"""Weights that are cut out of a released tensor, reshaped, or joined from several: From(take=…)."""

import pytest
import torch
from torch import nn

from course_lib.hub.core import From, build, part

FUSED = {"c.weight": torch.arange(48.0).view(4, 12), "c.bias": torch.arange(12.0)}  # Conv1D: [in out]


class Three(nn.Module):
    """to_q, to_k, to_v [4 4]."""

    def __init__(self):
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(4, 4) for _ in range(3))


def three_keys(**changes: From) -> dict[str, From]:
    keys = {}
    for i, name in enumerate(("to_q", "to_k", "to_v")):
        keys[f"{name}.weight"] = From("c.weight", turned=True, take=part(i, of=3))
        keys[f"{name}.bias"] = From("c.bias", take=part(i, of=3))
    return keys | {name.replace("__", "."): source for name, source in changes.items()}


def test_three_weights_are_cut_from_one_tensor():
    model = build(Three, FUSED, three_keys())
    x = torch.randn(5, 4)
    fused = x @ FUSED["c.weight"] + FUSED["c.bias"]
    torch.testing.assert_close(torch.cat([model.to_q(x), model.to_k(x), model.to_v(x)], -1), fused)
    assert all(p.is_contiguous() and p.untyped_storage().nbytes() == 4 * p.numel() for p in model.parameters())


def test_one_weight_is_joined_from_three_tensors_in_the_order_of_the_keys():
    parts = {name: torch.full((4, 4), float(i)) for i, name in enumerate("qkv")}
    model = build(lambda: nn.Linear(4, 12, bias=False), parts, {"weight": From(("q", "k", "v"))})
    assert torch.equal(model.weight, torch.arange(3.0).repeat_interleave(4)[:, None].expand(12, 4))
    turned = build(lambda: nn.Linear(4, 12, bias=False), parts, {"weight": From(("q", "k", "v"), turned=True)})
    assert torch.equal(turned.weight, model.weight)


def test_a_convolution_becomes_a_linear_map_of_flat_patches():
    convolution = nn.Conv2d(3, 8, kernel_size=4, stride=4)
    keys = {"weight": From("projection.weight", take=lambda kernel: kernel.flatten(1)), "bias": From("projection.bias")}
    tensors = {f"projection.{name}": each for name, each in convolution.state_dict().items()}
    linear = build(lambda: nn.Linear(48, 8), tensors, keys)
    picture = torch.randn(2, 3, 8, 12)
    patches = picture.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).flatten(3)  # [2 2 3 48]
    torch.testing.assert_close(linear(patches), convolution(picture).permute(0, 2, 3, 1))


def test_two_weights_from_the_same_tensor_are_two():
    """Untied here though tied there: training one must not move the other."""

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)

    model = build(Twice, {"w": torch.ones(4, 4)}, {"a.weight": From("w"), "b.weight": From("w")})
    with torch.no_grad():
        model.a.weight.zero_()
    assert torch.equal(model.b.weight, torch.ones(4, 4))


@pytest.mark.parametrize(
    ("tensors", "changes", "message"),
    [
        (FUSED, {"to_v__weight": From("c.weight", turned=True, take=lambda w: w[8:11])},
         r"c.weight is \[4, 12\], taken as \[3, 4\]; by config.json it must be \[4, 4\] \(to_v.weight of our model\)"),
        (FUSED | {"c.weight": torch.zeros(4, 13)}, {},
         r"c.weight is \[4, 13\], taken as \[5, 4\]; by config.json it must be \[4, 4\] \(to_q.weight"),
        (FUSED | {"c.bias": torch.zeros(())}, {},
         r"c.bias is \[\]; to_q.bias of our model, \[4\], is not made of it: chunk expects at least a 1-dimensional"),
        (FUSED | {"c.weight": torch.zeros(4, 3, 4)}, {},
         r"c.weight is \[4, 3, 4\]; to_q.weight of our model, \[4, 4\], is not made of it: t\(\) expects"),
        (FUSED | {"c.bias": torch.zeros(16)}, {f"to_{n}__bias": From("c.bias", take=lambda b, i=i: b[4 * i : 4 * i + 4])
                                               for i, n in enumerate("qkv")},
         r"c.bias is \[16\]; this model takes 3/4 of it and leaves the rest"),
        (FUSED | {"d": torch.zeros(4, 4)}, {"to_v__weight": From("d")},
         r"c.weight is \[4, 12\]; this model takes 2/3 of it and leaves the rest"),
        (FUSED | {"d": torch.zeros(2, 4), "e": torch.zeros(3, 4)}, {"to_v__weight": From(("d", "e"))},
         r"d is \[2, 4\], e is \[3, 4\], taken as \[5, 4\]; by config.json it must be \[4, 4\]"),
        (FUSED | {"d": torch.zeros(2, 4), "e": torch.zeros(2, 5)}, {"to_v__weight": From(("d", "e"))},
         r"d is \[2, 4\], e is \[2, 5\]; to_v.weight of our model, \[4, 4\], is not made of it: .*Sizes"),
        (FUSED, {"to_v__weight": From(("c.weight", "e"))}, r"lacks 1 of 3 tensors: e$"),
        (FUSED | {"left": torch.zeros(1)}, {}, r"has 1 tensors .* no place for: left"),
        (FUSED | {"c.weight": torch.zeros(4, 12, dtype=torch.int8)}, {}, r"c.weight is torch.int8; weights must be"),
        (FUSED | {"c.weight": torch.full((4, 12), torch.nan)}, {}, r"c.weight gives 16 of 16 numbers .*\(to_q.weight"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(tensors, changes, message):
    with pytest.raises(ValueError, match=message):
        build(Three, tensors, three_keys(**changes))
