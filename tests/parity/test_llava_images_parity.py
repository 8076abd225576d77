"""LLaVA's preprocessing against the processors of transformers (on Pillow), and the count of image tokens against
their processors', on awkward sizes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor

from course_lib.data.images import CLIP_STD
from course_lib.data.llava_images import GREY, LLAVA, square, tiled
from course_lib.foundations.tiles import tiling_of
from course_lib.models.llava_next import HD_GRIDS, NEXT_GRIDS, count

SIZES = [
    *((1, 1), (2, 1), (1, 3), (1, 50), (50, 1), (7, 5), (5, 7), (1, 300), (300, 1), (336, 336), (337, 336)),
    *((335, 337), (672, 672), (673, 671), (333, 217), (217, 333), (640, 427), (1008, 336), (336, 1009), (1000, 33)),
]


def picture(W: int, H: int) -> Image.Image:
    """Smooth shades with hard edges and noise."""
    chance = np.random.default_rng(W * 1000 + H)
    y, x = np.mgrid[:H, :W]
    shades = np.stack([127 + 120 * np.sin(x / (9 + c) + y / (5 + 3 * c)) for c in range(3)], -1)
    shades[(x // 11 + y // 7) % 5 == 0] = 255
    return Image.fromarray(np.clip(shades + chance.normal(0, 20, shades.shape), 0, 255).astype(np.uint8))


def grey_levels_apart(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype == torch.float32
    return float(((ours - theirs) * torch.tensor(CLIP_STD)[:, None, None] * 255).abs().max())


def options(side: int, **more) -> dict:
    return dict(size={"shortest_edge": side}, crop_size={"height": side, "width": side}, return_tensors="pt") | more


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_one_view(size):
    image, processor = picture(*size), LlavaImageProcessorPil()
    for padded, ours in ((False, LLAVA(image)), (True, LLAVA(square(image)))):
        assert grey_levels_apart(ours, processor(image, **options(336), do_pad=padded)["pixel_values"]) < 1e-3


@pytest.mark.parametrize(("grids", "side"), [(NEXT_GRIDS, 336), (HD_GRIDS, 224), (NEXT_GRIDS, 12)])
@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_views_and_their_number(size, grids, side):
    """The grid, the place in it, every pixel, and how many tokens the text needs."""
    image, (W, H) = picture(*size), size
    pinpoints = [[rows * side, columns * side] for rows, columns in grids]
    if max(size) > 3 * side * min(size) and grids == NEXT_GRIDS:  # theirs goes on with one row of pixels
        with pytest.raises(ValueError, match=f"{H}×{W}, is so long that none of its short side is left"):
            tiled(image, replace(LLAVA, size=side), grids)
        return
    found = LlavaNextImageProcessorPil()(image, **options(side, image_grid_pinpoints=pinpoints))
    ours = tiled(image, replace(LLAVA, size=side), grids)
    assert grey_levels_apart(ours.views, found["pixel_values"][0]) < 1e-3
    assert found["image_sizes"].tolist() == [[H, W]] == [[ours.tiling.height, ours.tiling.width]]


class Stub(LlavaNextProcessor):
    """Their count without a tokenizer."""

    def __init__(self, side: int, patch: int, pinpoints: list):
        self.patch_size, self.num_additional_image_tokens, self.vision_feature_select_strategy = patch, 1, "default"
        self.image_token = "i"
        self.image_processor = LlavaNextImageProcessorPil(image_grid_pinpoints=pinpoints)


@pytest.mark.parametrize(("grids", "side"), [(NEXT_GRIDS, 336), (HD_GRIDS, 224)])
def test_their_processor_writes_as_many_image_tokens(grids, side):
    stub = Stub(side, 14, [[rows * side, columns * side] for rows, columns in grids])
    seen = set()
    for W, H in SIZES:
        try:
            tiling = tiling_of(H, W, side, grids)
        except ValueError:
            continue
        told = dict(image_sizes=[(H, W)], pixel_values=torch.empty(1, 1, 3, side, side))
        n = count(tiling, 14).n
        assert len(stub.replace_image_token(told, 0)) == n
        seen.add(n)
    assert len(seen) > 8


def test_the_published_numbers():
    """1.5-HD: at most 672×448, 256 + 48·32 patches and its row ends. NeXT: 5·576 = 2,880 for a square, and ends."""
    assert max(r * c for r, c in HD_GRIDS) == 6 and len(HD_GRIDS) == 14
    assert count(tiling_of(448, 672, 224, HD_GRIDS), 14) == (256 + 32 * 49, "16·16 + 32·(48 + 1) = 1824", "image")
    assert count(tiling_of(672, 672, 336, NEXT_GRIDS), 14) == (2880 + 48, "24·24 + 48·(48 + 1) = 2928", "image")


def test_the_border_is_grey_and_an_odd_one_is_smaller_in_front():
    levels = np.asarray(square(Image.new("RGB", (2, 5), "white")))
    assert levels.shape == (5, 5, 3) and GREY == (122, 116, 104)
    assert [tuple(levels[0, x]) == GREY for x in range(5)] == [True, False, False, True, True]
