"""Qwen2-VL and Qwen2.5-VL: who sees whom, what the cache holds, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from course_lib.data.native_images import NATIVE, NATIVE_VIDEO
from course_lib.decoding.generation import beam_search, greedy
from course_lib.foundations.axial import AxialRotation, three_axes, two_axes
from course_lib.foundations.mrope import after_sides, position_ids
from course_lib.foundations.native import Grid, Seen, frames_at, native_size, patchify_frames, places
from course_lib.foundations.packed import attend_within
from course_lib.foundations.windows import window_order
from course_lib.models.qwen2 import Qwen2Config
from course_lib.models.qwen2_5_vl import WindowTowerConfig
from course_lib.models.qwen2_vl import Qwen2VL, Qwen2VLConfig, Qwen2VLReader, TowerConfig
from course_lib.models.trace import trace

V, IMAGE, VIDEO = 31, 29, 30
TOWERS = {
    "2": TowerConfig(d_out=64, patch=4, d_model=16, n_heads=2),
    "2.5": WindowTowerConfig(d_out=64, patch=4, d_model=16, n_heads=2, window=16, n_layers=3, full=(1,)),
}
TINY = replace(NATIVE, patch=4, min_pixels=64, max_pixels=4096)


def built(tower, **more) -> Qwen2VL:
    torch.manual_seed(0)
    config = Qwen2VLConfig(tower=tower, text=Qwen2Config(n_vocab=V), image_id=IMAGE, video_id=VIDEO, **more)
    return Qwen2VL(config).double().requires_grad_(False)


@pytest.fixture(params=TOWERS)
def model(request):
    return built(TOWERS[request.param])


def seen(t: int, rows: int, columns: int, fps: float | None = None, seed: int = 0) -> Seen:
    grid = Grid(t, 2 * rows, 2 * columns)
    chance = torch.Generator().manual_seed(seed)
    return Seen(torch.randn(grid.n_patches, 96, dtype=torch.float64, generator=chance), grid, fps)


def ids_of(*parts: int | Seen) -> torch.Tensor:
    chance = torch.Generator().manual_seed(1)
    found = [
        torch.randint(29, (part,), generator=chance)
        if isinstance(part, int)
        else torch.full((part.grid.n_tokens(),), IMAGE if part.fps is None else VIDEO)
        for part in parts
    ]
    return torch.cat(found)[None]


def touched(model: Qwen2VL, grids: list[Grid], patch: int) -> list[int]:
    """Which tokens of the tower change with one patch."""
    patches = torch.randn(sum(grid.n_patches for grid in grids), 96, dtype=torch.float64)
    other = patches.clone()
    other[patch] += 1
    return (model.tower(patches, grids) - model.tower(other, grids)).abs().amax(1).gt(1e-9).nonzero()[:, 0].tolist()


def test_frames_and_images_do_not_see_each_other(model):
    """Two patches in time of 4 tokens, an image of 2, one of 3."""
    grids = [Grid(2, 4, 4), Grid(1, 2, 4), Grid(1, 6, 2)]
    assert touched(model, grids, 0) == [0, 1, 2, 3] and touched(model, grids, 31) == [4, 5, 6, 7]
    assert touched(model, grids, 33) == [8, 9] and touched(model, grids, 51) == [10, 11, 12]


def test_without_full_layers_windows_do_not_see_each_other():
    """3 × 5 tokens in windows of 2 × 2: the second row's third token is in the window of columns 2 and 3."""
    grid = Grid(1, 6, 10)
    windowed = built(replace(TOWERS["2.5"], full=()))
    assert touched(windowed, [grid], 4 * 7) == [2, 3, 7, 8]
    assert touched(windowed, [grid], 4 * 14) == [14]
    assert touched(built(TOWERS["2.5"]), [grid], 4 * 7) == list(range(15))


def test_a_window_as_large_as_the_image_is_full_attention():
    config, grids = TOWERS["2.5"], [Grid(1, 6, 10), Grid(2, 4, 8)]
    patches = torch.randn(60 + 64, 96, dtype=torch.float64)
    wide, full = built(replace(config, window=40)), built(replace(config, full=(0, 1, 2)))
    torch.testing.assert_close(wide.tower(patches, grids), full.tower(patches, grids), rtol=0, atol=1e-12)
    assert (built(config).tower(patches, grids) - full.tower(patches, grids)).abs().max() > 1e-3


def test_an_image_is_a_video_of_equal_frames_but_for_its_placeholder():
    image = np.random.default_rng(0).integers(0, 256, (13, 22, 3), dtype=np.uint8)
    one, video = TINY(image), TINY.video([image, image], fps=2)
    assert one.grid == video.grid and torch.equal(one.patches, video.patches)
    assert torch.equal(TINY.video([image], fps=2).patches, one.patches)


@pytest.mark.parametrize(("tower", "steps"), [("2", [1, 1, 1, 1]), ("2.5", [1, 4, 1, 0.5])])
def test_steps_in_time(tower, steps):
    """An image, and videos at 1, 4 and 8 frames a second."""
    assert [TOWERS[tower].step(seen(1, 1, 1, fps)) for fps in (None, 1, 4, 8)] == steps


def test_only_the_second_model_knows_the_frame_rate():
    for name, moves in (("2", False), ("2.5", True)):
        slow, fast = seen(3, 1, 2, fps=1.0), seen(3, 1, 2, fps=4.0)
        ids, model = ids_of(2, slow, 2), built(TOWERS[name])
        assert (not torch.equal(model(ids, [slow]), model(ids, [fast]))) == moves


def test_text_alone_is_llama_with_rope(model):
    ids = ids_of(7)
    assert torch.equal(model(ids), model.lm(ids))


def test_the_rule_of_what_follows_changes_only_what_follows_a_long_film(model):
    video, image = seen(4, 1, 2, fps=1.0), seen(1, 2, 3)
    other = built(model.config.tower, resume=after_sides)
    ids = ids_of(2, image, 3)
    assert torch.equal(model(ids, [image]), other(ids, [image]))
    ids = ids_of(2, video, 3)
    assert torch.equal(model(ids, [video])[:, :10], other(ids, [video])[:, :10])
    assert (model(ids, [video])[:, 10:] - other(ids, [video])[:, 10:]).abs().max() > 1e-6


def test_tied_weights_are_one_matrix():
    model = built(TOWERS["2"])
    tied = Qwen2VL(replace(model.config, text=replace(model.config.text, tied=True)))
    assert tied.lm.to_vocab.weight is tied.lm.embedding.weight
    numbers = [sum(p.numel() for p in each.parameters()) for each in (model, tied)]
    assert numbers[0] - numbers[1] == V * 64


def test_beams_go_on_from_their_own_rows(model):
    """One beam is greedy; three beams of a padded batch are those of each text alone."""
    image, video = seen(1, 2, 3), seen(2, 1, 2, fps=2.0)
    ids = torch.zeros(2, 13, dtype=torch.long)
    ids[0], ids[1, 4:] = ids_of(3, image, 4)[0], ids_of(1, video, 4)[0]
    is_token = torch.arange(13) >= torch.tensor([0, 4])[:, None]

    def reader() -> Qwen2VLReader:
        return Qwen2VLReader(model, 20, [image, video], is_token)

    together, _ = beam_search(reader(), ids, 5, n_beams=3, end=0)
    for b, one in enumerate((image, video)):
        told = ids[b, is_token[b]][None]
        alone, _ = beam_search(Qwen2VLReader(model, 20, [one]), told, 5, n_beams=3, end=0)
        assert together[b] == alone[0]
        greedily = greedy(Qwen2VLReader(model, 20, [one]), told, 5)
        assert greedily.tolist() == greedy(reader(), ids, 5)[b : b + 1].tolist()


def test_the_shape_trace_tells_the_formula(model):
    """From patches to logits; as many tokens as the tower really makes."""
    image, video = seen(1, 2, 3), seen(2, 1, 2, fps=2.0)
    found = trace(model, ids_of(2, image, 1, video, 1), [image, video])
    told = [" ".join(line.split()) for line in str(found).splitlines()]
    last = len(model.tower.blocks) - 1
    for line in (
        "image 0 1·(4/2)·(6/2) = 1·2·3 = 6 tokens",
        "video 1 2·(2/2)·(4/2) = 2·1·2 = 4 tokens",
        "tower.patches [40 96] -> [40 16]",
        f"tower.blocks.0 … {last} [40 16] -> [40 16]",
        "tower.merger [40 16] -> [10 64]",
        "lm.to_vocab [1 14 64] -> [1 14 31]",
    ):
        assert line in told
    assert [count.n for count in found.counts] == [len(each) for each in model.look([image, video])]
    assert "5 image tokens (id 29)" in trace(model, ids_of(2, image)[:, :-1], [image]).refusal


def test_half_precision_runs(model):
    image = replace(seen(1, 2, 3), patches=seen(1, 2, 3).patches.bfloat16())
    logits = model.bfloat16()(ids_of(2, image, 2), [image])
    assert logits.dtype == torch.bfloat16 and logits.isfinite().all()


PICTURE = seen(1, 2, 3)
CLIP = seen(1, 2, 3, fps=2.0)
REFUSED = {
    "a placeholder without an image": (
        lambda m: m(ids_of(2, PICTURE, 1)),
        "6 image tokens .id 29., and their 0 images have 0 features; give the images",
    ),
    "an image without a placeholder": (lambda m: m(ids_of(4), [PICTURE]), "0 image tokens .* 1 images have 6 features"),
    "cut through an image": (
        lambda m: m(ids_of(2, PICTURE, 1)[:, :6], [PICTURE]),
        "4 image tokens .* 6 features; text 0 begins or ends inside its image: was it cut to 6 tokens",
    ),
    "cut through a video": (lambda m: m(ids_of(2, CLIP, 1)[:, :6], [CLIP]), "4 video tokens .* inside its video"),
    "two images for one": (lambda m: m(ids_of(2, PICTURE), [PICTURE, PICTURE]), "6 image tokens .* 2 images have 12"),
    "a video where an image is": (lambda m: m(ids_of(2, PICTURE), [CLIP]), "6 image tokens .* 0 images"),
    "not in the order of the text": (
        lambda m: m(ids_of(PICTURE, 1, CLIP), [CLIP, PICTURE]),
        "token 29 where number 0 of the images and videos has 30; give them in the order of the text",
    ),
    "two images in each other's place": (
        lambda m: m(ids_of(PICTURE, 1, seen(1, 1, 1)), [seen(1, 1, 1), PICTURE]),
        "image 1 has 6 features; its tokens .* have other tokens between them",
    ),
    "patches of another tower": (
        lambda m: m.look([replace(PICTURE, patches=torch.zeros(24, 150))]),
        r"\(24, 150\) must be \(24, 96\)",
    ),
    "prompts padded on the right": (
        lambda m: Qwen2VLReader(m, 9, is_token=torch.tensor([[True, False]])),
        "pad on the left",
    ),
    "full caches": (lambda m: Qwen2VLReader(m, 3)(ids_of(4)), "3 tokens"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_match_is_refused(name, model, as_readers_have_it):
    call, words = REFUSED[name]
    with pytest.raises(ValueError, match=words):
        call(model)


def turn(positions: torch.Tensor) -> AxialRotation:
    return AxialRotation(positions, *three_axes(16, (2, 3, 3)), torch.float32)


FRAME = np.zeros((8, 8, 3), dtype=np.uint8)
BAD = {
    "0 frames": (lambda: NATIVE_VIDEO.video([], 2.0), "0 frames"),
    "0 frames a second": (lambda: NATIVE_VIDEO.video([FRAME], 0), r"fps \(0\) must be above 0"),
    "an endless rate": (lambda: NATIVE_VIDEO.video([FRAME], float("inf")), "finite"),
    "NaN frames a second": (lambda: NATIVE_VIDEO.video([FRAME], float("nan")), "above 0 and finite"),
    "frames of two sizes": (
        lambda: NATIVE_VIDEO.video([FRAME, FRAME[:4]], 2.0),
        r"one size; these have \[\(4, 8\), \(8, 8\)\]",
    ),
    "too long": (lambda: NATIVE(np.zeros((1, 201, 3), dtype=np.uint8)), "201.0 times as long as wide"),
    "too long by a bit": (lambda: native_size(1991, 9), "221.2 times .* pad the short side to 10 pixels"),
    "0 pixels": (lambda: native_size(0, 5), "height"),
    "limits crossed": (
        lambda: native_size(9, 9, min_pixels=9000, max_pixels=8000),
        "max_pixels .8000. must be",
    ),
    "no room for a token": (lambda: native_size(9, 9, min_pixels=1, max_pixels=700), "28² = 784"),
    "half a block": (lambda: patchify_frames(torch.zeros(1, 3, 28, 42)), "28×42 pixels are not made of blocks of 28"),
    "no frame": (lambda: patchify_frames(torch.zeros(0, 3, 28, 28)), "T at least 1"),
    "an image without frames' axis": (lambda: patchify_frames(torch.zeros(3, 28, 28)), "write x.None."),
    "a wrong grid": (lambda: Seen(torch.zeros(5, 2), Grid(1, 2, 2)), "5 patches, but the grid"),
    "an odd grid": (lambda: places([Grid(1, 3, 2)]), "multiples of 2"),
    "an odd grid in windows": (lambda: window_order([Grid(1, 3, 2)], 2), "multiples of 2"),
    "no frames to take": (lambda: frames_at(0, 25.0), "n_frames"),
    "a rate of 0": (lambda: frames_at(9, 25.0, 0.0), "fps .0.0."),
    "a recorded rate of 0": (lambda: frames_at(9, 0.0), "fps .0.0."),
    "an odd head": (lambda: two_axes(6), "multiple of 4"),
    "sections that do not add up": (lambda: three_axes(16, (2, 3, 2)), r"\(2, 3, 2\) must be three, and make up the 8"),
    "other lengths": (lambda: attend_within(*torch.zeros(3, 1, 2, 5, 4), [2, 2]), "add up to 4, and there are 5"),
    "an empty window": (lambda: attend_within(*torch.zeros(3, 1, 2, 5, 4), [5, 0]), "lengths"),
    "positions of other texts": (
        lambda: AxialRotation(torch.zeros(3, 2, 5), *three_axes(16, (2, 3, 3)), torch.float32)(
            torch.zeros(3, 1, 5, 16)
        ),
        "3 texts and the positions are for 2",
    ),
    "positions of fewer tokens": (
        lambda: turn(torch.zeros(3, 4))(torch.zeros(3, 1, 5, 16)),
        "do not match",
    ),
    "a step too few": (
        lambda: position_ids(torch.ones(1, 1).long(), [Grid(1, 2, 2)], [1], []),
        "1 tokens and 0 steps for 1",
    ),
    "a run too short": (
        lambda: position_ids(torch.tensor([[0, 1, 0]]), [Grid(1, 2, 4)], [1]),
        r"token 1 1 times in a row, and number 0 .* grid \(1, 2, 4\), is 2 tokens",
    ),
    "a run too long": (
        lambda: position_ids(torch.tensor([[0, 1, 1]]), [Grid(1, 2, 2)], [1]),
        r"text 0 holds more than the 1 images and videos",
    ),
    "one left over": (
        lambda: position_ids(torch.tensor([[0, 0]]), [Grid(1, 2, 2)], [1]),
        "the texts hold 0 images and videos, and 1 are given",
    ),
    "a tower too wide": (
        lambda: Qwen2VLConfig(tower=TowerConfig(d_out=32), text=Qwen2Config(n_vocab=9), image_id=1, video_id=2),
        "set d_out=64",
    ),
    "a placeholder outside": (
        lambda: Qwen2VLConfig(tower=TowerConfig(d_out=64), text=Qwen2Config(n_vocab=9), image_id=1, video_id=9),
        "video_id .9. is not in the vocabulary of 9",
    ),
    "a layer too many": (lambda: WindowTowerConfig(d_out=64, full=(2,)), "layer 2; there are layers 0 to 1"),
    "a window too small": (lambda: WindowTowerConfig(d_out=64, window=27), "no block of 28"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_its_numbers(name, as_readers_have_it):
    call, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        call()
