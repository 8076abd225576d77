"""The resampler against IDEFICS-1's in transformers: values and the gradient of every parameter.

xGen-MM's own code is in no library. It differs from IDEFICS-1's in the activation (GELU there, ReLU here) and in a
linear layer at the end, so this is its arithmetic, up to a choice of activation.
"""

import pytest
import torch
from torch import nn
from torch.nn.functional import relu
from transformers import IdeficsConfig
from transformers.models.idefics.perceiver import IdeficsPerceiverResampler

from course_lib.foundations.perceiver import PerceiverResampler
from course_lib.hub import From

# layers, width, heads, head width, latents, media
CONFIGS = {
    "as xGen-MM, small": (6, 24, 4, 9, 7, 27),
    "one of each": (1, 2, 1, 1, 1, 1),
    "head wider than the model": (2, 5, 3, 11, 3, 4),
    "more latents than media": (3, 16, 2, 8, 20, 3),
    "one media token": (2, 12, 5, 7, 4, 1),
}


def key_map(n_layers: int) -> dict[str, From]:
    """ours: theirs."""
    names = {"norm_out": "layer_norm"}
    for i in range(n_layers):
        attention, feedforward = f"blocks.{i}.0", f"blocks.{i}.1"
        names |= {
            f"blocks.{i}.attention.norm_media": f"{attention}.context_layer_norm",
            f"blocks.{i}.attention.norm_latents": f"{attention}.latents_layer_norm",
            f"blocks.{i}.norm_feedforward": f"{feedforward}.ln",
        }
    keys = {f"{ours}.{part}": From(f"{theirs}.{part}") for ours, theirs in names.items() for part in ("weight", "bias")}
    for i in range(n_layers):
        for ours, theirs in (("q", "q_proj"), ("k", "k_proj"), ("v", "v_proj"), ("out", "output_proj")):
            keys[f"blocks.{i}.attention.to_{ours}.weight"] = From(f"blocks.{i}.0.{theirs}.weight")
        keys[f"blocks.{i}.up.weight"] = From(f"blocks.{i}.1.fc.weight")
        keys[f"blocks.{i}.down.weight"] = From(f"blocks.{i}.1.c_proj.weight")
    return keys | {"latents": From("latents")}


@pytest.fixture(params=CONFIGS)
def pair(request):
    """Ours with the reference's scrambled weights, the reference, and media, all in float64."""
    n_layers, D, H, d_head, Q, N = CONFIGS[request.param]
    config = IdeficsConfig(vision_config={"embed_dim": D})
    reference = IdeficsPerceiverResampler(config, D, n_layers, H, d_head, Q).double()
    chance = torch.Generator().manual_seed(0)
    for parameter in reference.parameters():
        nn.init.normal_(parameter, std=0.3, generator=chance)
    ours = PerceiverResampler(Q, n_layers, D, H, d_head=d_head, activation=relu).double()
    theirs = dict(reference.named_parameters())
    ours.load_state_dict({name: source.made(theirs).detach() for name, source in key_map(n_layers).items()})
    return ours, reference, torch.randn(3, N, D, dtype=torch.float64, generator=chance)


def test_values_and_every_gradient(pair, agree):
    ours, reference, media = pair
    for model in (ours, reference):
        copy = media.clone().requires_grad_()
        out = model(copy)
        (out * torch.arange(out.numel()).view(out.shape).sin()).sum().backward()
        model.seen = out.detach(), copy.grad
    for mine, theirs in zip(ours.seen, reference.seen):
        agree(mine, theirs)
    gradients = {name: parameter.grad for name, parameter in reference.named_parameters()}
    keys = key_map(len(ours.blocks))
    for name, parameter in ours.named_parameters():
        agree(parameter.grad, keys.pop(name).made(gradients))
    assert not keys and sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())


def test_in_single_precision(pair, agree):
    ours, reference, media = pair
    agree(ours.float()(media.float()), reference.float()(media.float()))


def test_padded_media_are_the_reference_on_what_is_not_padded(pair, agree):
    """The reference knows no mask: it gets each row without its padding."""
    ours, reference, media = pair
    padded = torch.cat([media, media.new_full((3, 2, media.shape[-1]), 100)], dim=1)
    is_media = torch.ones(padded.shape[:2], dtype=torch.bool)
    is_media[:, -2:] = False
    is_media[1, 1:] = False
    read = ours(padded, is_media)
    agree(read[[0, 2]], reference(media[[0, 2]]))
    agree(read[1:2], reference(media[1:2, :1]))


def test_released_sizes():
    """xGen-MM's defaults (its docstring still says 64 latents, 8 heads of 64): 128 latents, 6 layers, 16 heads of 96,
    and the width of SigLIP so400m. transformers' class in these sizes has as many parameters."""
    config = IdeficsConfig(vision_config={"embed_dim": 1152})
    with torch.device("meta"):
        ours = PerceiverResampler(128, 6, 1152, 16, d_head=96)
        theirs = IdeficsPerceiverResampler(config, 1152, 6, 16, 96, 128)
    assert {sum(p.numel() for p in model.parameters()) for model in (ours, theirs)} == {106_359_552}
