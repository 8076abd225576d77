"""What a picture becomes: the same for every way to hand it in."""

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib.data.images import CLIP, CLIP_MEAN, CLIP_STD, SIGLIP, VIT

ALL = {"ViT": VIT, "CLIP": CLIP, "SigLIP": SIGLIP}
LEVELS = np.random.default_rng(0).integers(0, 256, (61, 97, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ALL)
def test_every_way_to_hand_in_a_picture_is_the_same(name):
    prepare = ALL[name]
    wanted = prepare(Image.fromarray(LEVELS))
    assert wanted.shape == (1, 3, 224, 224) and wanted.dtype == torch.float32 and wanted.is_contiguous()
    opaque = np.concatenate([LEVELS, np.full((61, 97, 1), 255, np.uint8)], axis=2)
    for same in (
        LEVELS,
        [LEVELS],
        LEVELS[None],
        torch.from_numpy(LEVELS),
        LEVELS.astype(np.int64),
        LEVELS / 255,
        torch.from_numpy(LEVELS / 255).float().requires_grad_(),
        opaque,
        LEVELS[:, ::-1][:, ::-1],
    ):
        assert torch.equal(prepare(same), wanted)


@pytest.mark.parametrize("name", ALL)
def test_grey_is_three_equal_colours_and_the_transparent_is_white(name):
    prepare = ALL[name]
    grey = LEVELS[..., 0]
    wanted = prepare(np.repeat(grey[..., None], 3, axis=2))
    assert torch.equal(prepare(grey), wanted) and torch.equal(prepare(grey[..., None]), wanted)
    clear = np.concatenate([LEVELS, np.zeros((61, 97, 1), np.uint8)], axis=2)
    assert torch.equal(prepare(clear), prepare(np.full((9, 9, 3), 255, np.uint8)))


def test_pictures_of_different_sizes_make_one_batch():
    several = [LEVELS, LEVELS[:1], LEVELS[:, :1], LEVELS[:1, :1], Image.fromarray(LEVELS[:40])]
    together = CLIP(several)
    assert together.shape == (5, 3, 224, 224)
    assert all(torch.equal(CLIP(each)[0], row) for each, row in zip(several, together))


def test_the_range():
    """-1 … 1 for ViT and SigLIP; in CLIP's units its mean colour is 0 and one std above it is 1."""
    assert VIT(np.uint8([[0]])).unique().tolist() == [-1] and SIGLIP(np.uint8([[255]])).unique().tolist() == [1]
    mean, std = np.array(CLIP_MEAN), np.array(CLIP_STD)
    assert CLIP(mean[None, None]).abs().max() < 0.5 / 255 / min(CLIP_STD) + 1e-6
    assert (CLIP((mean + std)[None, None]) - 1).abs().max() < 0.5 / 255 / min(CLIP_STD) + 1e-6


def test_clip_keeps_the_shape_and_the_middle():
    """Left half black, right half white, twice as wide as high: half of the crop is black, and ViT's stretch agrees;
    three times as high as wide, in three bands: CLIP sees the middle one alone."""
    halves = np.repeat(np.uint8([[0, 255]]), 100, axis=1).repeat(100, axis=0)
    assert CLIP.levels(halves)[:, :111].max() == 0 and CLIP.levels(halves)[:, 113:].min() == 255
    bands = np.repeat(np.uint8([[0], [100], [255]]), 64, axis=0).repeat(64, axis=1)
    assert set(CLIP.levels(bands)[5:-5].ravel()) == {100}
    assert {0, 100, 255} <= set(VIT.levels(bands).ravel())
