"""ViT against transformers, read from a checkpoint that it saved: values, gradients, non-square images, any size."""

import pytest
import torch
from torch import nn
from transformers import ViTConfig as TheirConfig
from transformers import ViTForImageClassification

from course_lib.foundations.patches import PatchEmbedding
from course_lib.hub import load_vit
from course_lib.models import vit


def sizes(width: int, hidden: int, layers: int, heads: int, image: int | list[int], patch: int, **more) -> dict:
    return dict(
        hidden_size=width,
        intermediate_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=image,
        patch_size=patch,
        **more,
    )


SIZES = {
    "square": sizes(48, 80, 3, 6, 24, 4, num_labels=5),
    "wide": sizes(20, 36, 2, 5, [8, 20], 4, num_labels=2),
    "one patch": sizes(10, 7, 1, 1, 6, 6, num_labels=1),
    "high and grey": sizes(12, 30, 2, 3, [15, 3], 3, num_channels=1, num_labels=11),
}


def scrambled(model: nn.Module, std: float = 0.15) -> nn.Module:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=std)
    return model.eval()


def images_for(reference, n: int = 3, dtype=torch.float64) -> torch.Tensor:
    H, W = reference.vit.embeddings.image_size
    return torch.randn(n, reference.config.num_channels, H, W, generator=torch.Generator().manual_seed(1), dtype=dtype)


@pytest.fixture(params=SIZES)
def pair(request, tmp_path):
    """Ours, read from the folder that the reference was saved in, and the reference, both in float64."""
    config = TheirConfig(**SIZES[request.param])
    reference = scrambled(ViTForImageClassification(config)).double()
    reference.save_pretrained(tmp_path)
    return load_vit(tmp_path, dtype=torch.float64), reference


def test_logits_states_and_every_gradient(pair, float64_reference, agree):
    ours, reference = pair
    images = images_for(reference)
    with float64_reference():
        theirs = reference(images, output_hidden_states=True)
        judge = torch.randn_like(theirs.logits)
        theirs.logits.backward(judge)
    states = [ours.embed(images)]
    for block in ours.encoder.blocks:
        states.append(block(states[-1]))
    for mine, other in zip(states, theirs.hidden_states[: len(states) - 1]):
        agree(mine, other)
    logits = ours(images)
    agree(logits, theirs.logits)
    logits.backward(judge)
    compared = compare_gradients(ours, reference, agree)
    assert compared == len(list(ours.parameters()))
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())


def compare_gradients(ours, reference, agree) -> int:
    """Every parameter of ours once."""
    body = reference.vit
    named = {
        "cls": body.embeddings.cls_token.grad.flatten(),
        "positions": body.embeddings.position_embeddings.grad[0],
        "patches.project.weight": body.embeddings.patch_embeddings.projection.weight.grad.flatten(1),
        "patches.project.bias": body.embeddings.patch_embeddings.projection.bias.grad,
        "norm_out.weight": body.layernorm.weight.grad,
        "norm_out.bias": body.layernorm.bias.grad,
        "head.weight": reference.classifier.weight.grad,
        "head.bias": reference.classifier.bias.grad,
    }
    for i, layer in enumerate(body.layers):
        inner, block = layer.attention, f"encoder.blocks.{i}"
        for part in ("weight", "bias"):
            qkv = [getattr(each, part).grad for each in (inner.q_proj, inner.k_proj, inner.v_proj)]
            named[f"{block}.attention.to_qkv.{part}"] = torch.cat(qkv)
            for name, module in (
                ("attention.to_out", inner.o_proj),
                ("feedforward.up", layer.mlp.fc1),
                ("feedforward.down", layer.mlp.fc2),
                ("norm_attention", layer.layernorm_before),
                ("norm_feedforward", layer.layernorm_after),
            ):
                named[f"{block}.{name}.{part}"] = getattr(module, part).grad
    for name, parameter in ours.named_parameters():
        agree(parameter.grad, named.pop(name))
    assert not named
    return len(list(ours.parameters()))


def test_in_single_precision(pair, agree):
    ours, reference = pair
    images = images_for(reference).float()
    agree(ours.float()(images), reference.float()(images).logits)


def test_patches_times_a_matrix_are_a_convolution_with_stride(agree):
    """Value and gradient, at odd sizes; the weight laid flat is the same numbers."""
    for channels, patch, H, W in ((3, 4, 8, 20), (1, 3, 15, 3), (5, 1, 2, 7)):
        ours = PatchEmbedding(patch, 11, channels=channels).double()
        convolution = nn.Conv2d(channels, 11, patch, stride=patch).double()
        ours.project.weight.data = convolution.weight.data.flatten(1).clone()
        ours.project.bias.data = convolution.bias.data.clone()
        images = torch.randn(2, channels, H, W, dtype=torch.float64, requires_grad=True)
        rows, maps = ours(images), convolution(images).flatten(2).mT
        agree(rows, maps)
        judge = torch.randn_like(rows)
        (mine,) = torch.autograd.grad(rows, images, judge, retain_graph=True)
        (theirs,) = torch.autograd.grad(maps, images, judge, retain_graph=True)
        agree(mine, theirs)
        rows.backward(judge)
        maps.backward(judge)
        agree(ours.project.weight.grad, convolution.weight.grad.flatten(1))


@pytest.mark.parametrize(
    ("name", "changes", "published"),
    [
        ("ViT-B/16", dict(), 86_567_656),
        ("ViT-B/32", dict(patch_size=32), 88_224_232),
        ("ViT-L/16", dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096),
         304_326_632),
    ],
)  # fmt: skip
def test_released_sizes_have_as_many_parameters_as_theirs(name, changes, published):
    """The published counts: timm's and torchvision's tables."""
    config = vit.SIZES[name]
    with torch.device("meta"):
        theirs, ours = ViTForImageClassification(TheirConfig(**changes, num_labels=1000)), vit.ViT(config)
        shape = ours(torch.empty(2, 3, 224, 224)).shape
    counts = {sum(p.numel() for p in model.parameters()) for model in (theirs, ours)}
    assert counts == {published, vit.n_parameters(config)} and shape == (2, 1000)
    assert config.n_patches == (224 // config.patch) ** 2
