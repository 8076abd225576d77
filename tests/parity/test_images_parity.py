"""Our preprocessing against the processors of transformers (on Pillow), on awkward sizes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from course_lib.data.images import CLIP, SIGLIP, VIT, kept_shape

PAIRS = {
    "CLIP": (CLIP, CLIPImageProcessorPil),
    "ViT": (VIT, ViTImageProcessorPil),
    "SigLIP": (SIGLIP, SiglipImageProcessorPil),
}
SIZES = [
    *((1, 1), (1, 50), (50, 1), (1, 500), (500, 1), (7, 5), (5, 7), (224, 224), (225, 224), (224, 227)),
    *((333, 217), (217, 333), (640, 427), (300, 449), (1000, 33)),
]


def picture(W: int, H: int, channels: int = 3) -> np.ndarray:
    """Smooth shades with hard edges and noise."""
    chance = np.random.default_rng(W * 1000 + H)
    y, x = np.mgrid[:H, :W]
    shades = np.stack([127 + 120 * np.sin(x / (9 + c) + y / (5 + 3 * c)) for c in range(channels)], -1)
    shades[(x // 11 + y // 7) % 5 == 0] = 255
    return np.clip(shades + chance.normal(0, 20, shades.shape), 0, 255).astype(np.uint8)


def theirs(processor, image, **options) -> torch.Tensor:
    return processor(image, return_tensors="pt", **options)["pixel_values"]


def grey_levels_apart(ours: torch.Tensor, reference: torch.Tensor, std) -> float:
    assert ours.shape == reference.shape and ours.dtype == torch.float32
    return float(((ours - reference) * torch.tensor(std)[:, None, None] * 255).abs().max())


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_the_same_grey_levels(name, size):
    ours, processor = PAIRS[name]
    image = picture(*size)
    apart = grey_levels_apart(ours(image), theirs(processor(), Image.fromarray(image)), ours.std)
    assert apart < 1e-3


@pytest.mark.parametrize("name", ["CLIP", "SigLIP"])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "P", "1", "CMYK"])
def test_modes(name, mode):
    """Since transformers 5 the transparent lies on white; their ViT converts nothing and fails on these."""
    ours, processor = PAIRS[name]
    image = (
        Image.fromarray(picture(97, 61, 4), "RGBA")
        if mode == "RGBA"
        else Image.fromarray(picture(97, 61)).convert(mode)
    )
    if mode == "LA":
        image.putalpha(Image.fromarray(picture(97, 61)[..., 0]))
    assert grey_levels_apart(ours(image), theirs(processor(), image), ours.std) < 1e-3


@pytest.mark.parametrize("name", PAIRS)
def test_fractions_as_grey_levels(name):
    """They cut fractions to grey levels where ours rounds (one level at most), and divide by 255 unless told not to."""
    ours, processor = PAIRS[name]
    image = picture(97, 61).astype(np.float32) / 255
    assert torch.equal(ours(image), ours(picture(97, 61)))
    assert grey_levels_apart(ours(image), theirs(processor(), image, do_rescale=False), ours.std) < 2.02


@pytest.mark.parametrize("size", [1, 7, 32, 225, 336])
def test_other_sides(size):
    for ours, processor in PAIRS.values():
        options = dict(size={"height": size, "width": size})
        if ours.crop:
            options = dict(size={"shortest_edge": size}, crop_size={"height": size, "width": size})
        image = picture(333, 217)
        reference = theirs(processor(**options), Image.fromarray(image))
        assert grey_levels_apart(replace(ours, size=size)(image), reference, ours.std) < 1e-3


def test_the_longer_side_is_cut_and_not_rounded():
    """224 · 333/217 = 343.7."""
    assert kept_shape(333, 217, 224) == (343, 224) and kept_shape(217, 333, 224) == (224, 343)


@pytest.mark.parametrize(("long", "taken"), [(224, 0), (225, 0), (226, 1), (227, 1), (228, 2)])
def test_an_odd_surplus_leaves_the_smaller_half_on_the_left(long, taken):
    """At 227 openai/CLIP takes 2 from the left, round(1.5), where transformers takes 1."""
    columns = np.broadcast_to(np.arange(long, dtype=np.uint8)[None, :, None], (224, long, 3))
    assert CLIP.levels(columns)[0, 0, 0] == taken
    expected = theirs(CLIPImageProcessorPil(do_normalize=False), Image.fromarray(np.ascontiguousarray(columns)))
    assert round(float(expected[0, 0, 0, 0]) * 255) == taken
