"""Our preprocessing against the processor of transformers (on Pillow) on awkward sizes; videos against those methods of
its video processor that need no torchvision, taken out of its source."""

import ast
import importlib.util
import math
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize

from course_lib.data.native_images import NATIVE, NATIVE_VIDEO
from course_lib.foundations.native import frames_at, native_size, patchify_frames

SIZES = [  # width, height
    *((1, 1), (1, 200), (200, 1), (13, 14), (14, 14), (27, 29), (28, 28), (29, 27), (42, 42), (56, 56), (57, 55)),
    *((70, 14), (98, 84), (224, 224), (225, 223), (333, 217), (640, 427), (10, 1990), (1990, 10), (5600, 29)),
]


def picture(W: int, H: int) -> np.ndarray:
    """Smooth shades with hard edges and noise."""
    chance = np.random.default_rng(W * 10000 + H)
    y, x = np.mgrid[:H, :W]
    shades = np.stack([127 + 120 * np.sin(x / (9 + c) + y / (5 + 3 * c)) for c in range(3)], -1)
    shades[(x // 11 + y // 7) % 5 == 0] = 255
    return np.clip(shades + chance.normal(0, 20, shades.shape), 0, 255).astype(np.uint8)


def apart(ours, theirs) -> float:
    assert [list(one.grid) for one in ours] == theirs["image_grid_thw"].tolist()
    patches = torch.cat([one.patches for one in ours])
    assert patches.dtype == torch.float32 and patches.shape == theirs["pixel_values"].shape
    return float((patches - theirs["pixel_values"]).abs().max())


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("limits", [(56 * 56, 12_845_056), (4 * 784, 6 * 784), (784, 784), (30 * 784, 90_000)])
def test_the_same_patches(size, limits):
    image, (least, most) = Image.fromarray(picture(*size)), limits
    ours = replace(NATIVE, min_pixels=least, max_pixels=most)(image)
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": least, "longest_edge": most})
    assert apart([ours], processor(image, return_tensors="pt")) < 2e-6


@pytest.mark.parametrize(("patch", "merge"), [(4, 2), (7, 1), (5, 3)])
def test_several_pictures_and_other_patches(patch, merge):
    images = [Image.fromarray(picture(*size)) for size in ((50, 31), (12, 90), (64, 64))]
    least, most = 4 * (patch * merge) ** 2, 2000
    ours = replace(NATIVE, patch=patch, merge=merge, min_pixels=least, max_pixels=most)
    sides = {"shortest_edge": least, "longest_edge": most}
    processor = Qwen2VLImageProcessorPil(size=sides, patch_size=patch, merge_size=merge)
    assert apart([ours(image) for image in images], processor(images, return_tensors="pt")) < 2e-6


def test_transparent_pictures_lie_on_white():
    image = Image.fromarray(picture(61, 97)).convert("RGBA")
    image.putalpha(Image.fromarray(picture(61, 97)[..., 0]))
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": 3136, "longest_edge": 12_845_056})
    assert apart([NATIVE(image)], processor(image, return_tensors="pt")) < 2e-6


def test_sizes_are_the_released_ones():
    """Over a thousand drawn sizes and limits, and the same refusals."""
    chance = np.random.default_rng(0)
    refused = 0
    for _ in range(3000):
        height, width = (int(2 ** chance.uniform(0, 13)) for _ in range(2))
        least = int(2 ** chance.uniform(10, 16))
        most = least + int(2 ** chance.uniform(1, 22))
        if max(height, width) > 200 * min(height, width):
            refused += 1
            with pytest.raises(ValueError, match="absolute aspect ratio"):
                smart_resize(height, width, 28, least, most)
            with pytest.raises(ValueError, match="times as long as wide"):
                native_size(height, width, min_pixels=least, max_pixels=most)
        else:
            ours = native_size(height, width, min_pixels=least, max_pixels=most)
            assert ours == smart_resize(height, width, 28, least, most)
    assert 100 < refused < 1500


@pytest.fixture(scope="module")
def video_processor():
    """transformers' Qwen2VLVideoProcessor.patchify and .sample_frames, whose module asks for torchvision."""
    package = importlib.util.find_spec("transformers.models.qwen2_vl").origin
    tree = ast.parse(Path(package).with_name("video_processing_qwen2_vl.py").read_text())
    methods = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    space = {"torch": torch, "math": math, "VideoMetadata": SimpleNamespace}
    chosen = ast.Module([methods["patchify"], methods["sample_frames"]], type_ignores=[])
    exec(compile(chosen, "video_processing_qwen2_vl.py", "exec"), space)
    return SimpleNamespace(patchify=space["patchify"], sample_frames=space["sample_frames"])


@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (2, 5)])
def test_videos_in_the_released_order(n_frames, size, video_processor):
    """An odd last frame is repeated; one frame is a picture."""
    frames = torch.randn(n_frames, 3, 12 * size[0], 12 * size[1], generator=torch.Generator().manual_seed(n_frames))
    theirs, *grid = video_processor.patchify(None, frames[None], patch_size=6, merge_size=2, temporal_patch_size=2)
    patches, ours = patchify_frames(frames, 6)
    assert list(ours) == grid and torch.equal(patches, theirs[0])


def test_frames_of_a_video_are_those_of_an_image():
    """Each frame goes the way of a picture of its own, by Pillow."""
    frames = [picture(61, 47), picture(61, 47)[::-1].copy(), picture(61, 47)[:, ::-1].copy()]
    small = replace(NATIVE_VIDEO, min_pixels=4 * 784)
    video = small.video(frames, fps=2.0)
    assert video.grid == (2, 4, 4) and video.fps == 2.0
    cubes = video.patches.unflatten(1, (3, 2, 196)).unflatten(0, (2, 16))
    for t, frame in enumerate([*frames, frames[-1]]):
        alone = small(Image.fromarray(frame)).patches.unflatten(1, (3, 2, 196))[:, :, 0]
        assert torch.equal(cubes[t // 2, :, :, t % 2], alone)


def test_frames_are_taken_as_released(video_processor):
    settings = SimpleNamespace(num_frames=None, fps=None, temporal_patch_size=2, min_frames=4, max_frames=768)
    for total, recorded, fps in product(
        (2, 3, 4, 5, 9, 10, 31, 100, 250, 2000), (1.0, 24.0, 25.0, 30.0), (0.5, 1.0, 2.0, 4.0, 8.0)
    ):
        video = SimpleNamespace(total_num_frames=total, fps=recorded)
        theirs = video_processor.sample_frames(settings, video, fps=fps).tolist()
        assert frames_at(total, recorded, fps) == theirs, (total, recorded, fps)
