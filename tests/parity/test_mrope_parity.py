"""Positions of M-RoPE: vectors checked by hand, both rules of what follows a video, and transformers on drawn texts."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel
from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLModel
from transformers.vision_utils import get_vision_position_ids, get_vision_window_index

from course_lib.foundations.mrope import after_largest, after_sides, position_ids, times
from course_lib.foundations.native import Grid, places
from course_lib.foundations.windows import window_order


def ids_of(*parts: int | Grid) -> tuple[torch.Tensor, list[Grid]]:
    """[1 T]: 0 for text, 1 for a placeholder."""
    found = [torch.zeros(part) if isinstance(part, int) else torch.ones(part.n_tokens()) for part in parts]
    return torch.cat(found).long()[None], [part for part in parts if not isinstance(part, int)]


def rows(*parts: int | Grid, **more) -> list[list[int]]:
    ids, grids = ids_of(*parts)
    return position_ids(ids, grids, [1] * len(grids), **more)[:, 0].tolist()


def test_text_alone_counts():
    assert rows(4) == [[0, 1, 2, 3]] * 3


def test_an_image_by_hand():
    """4 × 6 patches are 2 × 3 tokens; the text goes on after the largest, 5."""
    assert rows(3, Grid(1, 4, 6), 2) == [
        [0, 1, 2, 3, 3, 3, 3, 3, 3, 6, 7],
        [0, 1, 2, 3, 3, 3, 4, 4, 4, 6, 7],
        [0, 1, 2, 3, 4, 5, 3, 4, 5, 6, 7],
    ]


def test_two_images_without_text_between_by_hand():
    assert rows(Grid(1, 2, 2), Grid(1, 2, 4), 1) == [[0, 1, 1, 3], [0, 1, 1, 3], [0, 1, 2, 3]]


def test_both_rules_after_a_video_that_is_longer_than_its_sides():
    """3 frames of 2 × 1 tokens from 1 on: the largest is 3, the longer side 2. By the second rule the text after the
    video stands at 3, where the video's last frame is."""
    seen = [[0, 1, 1, 2, 2, 3, 3], [0, 1, 2, 1, 2, 1, 2], [0, 1, 1, 1, 1, 1, 1]]
    video = Grid(3, 4, 2)
    assert rows(1, video, 2, resume=after_largest) == [[*row, 4, 5] for row in seen]
    assert rows(1, video, 2, resume=after_sides) == [[*row, 3, 4] for row in seen]


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (0.5, [0, 8, 16, 24, 32]),
        (1, [0, 4, 8, 12, 16]),
        (2, [0, 2, 4, 6, 8]),
        (3, [0, 1, 2, 4, 5]),
        (4, [0, 1, 2, 3, 4]),
        (8, [0, 0, 1, 1, 2]),
        (30, [0, 0, 0, 0, 0]),
    ],
)
def test_time_by_hand(fps, expected):
    """floor(i · 2 tokens a second · 2 / fps seconds)."""
    assert times(5, 2 * 2 / fps) == expected


def test_whole_numbers_are_met():
    """At 30 frames a second a patch in time is 1/15 s, 2/15 of a number: the 15th, 30th … are 2, 4 … At 29.97 close;
    at 49 a product of fractions would fall short."""
    assert times(50, 2 * 2 / 49)[49] == 4 != int(49 * (4 / 49))
    assert times(61, 2 * 2 / 30)[::15] == [0, 2, 4, 6, 8]
    assert times(3000, 2 * 2 / 29.97)[2997] == 400 and times(3000, 2 * 2 / 29.97)[2996] == 399


def test_what_the_cast_of_transformers_4_57_6_loses():
    """torch.as_tensor(second_per_grid, dtype=int64) in front of the product: at 4 frames a second 0.5 s is 0, at 1.5
    frames 1.33 s is 1; at 2 and at 1 there is nothing to cut."""
    cast = {fps: times(5, 2 * int(torch.as_tensor(2 / fps, dtype=torch.int64))) for fps in (4, 1.5, 2, 1)}
    assert cast[4] == [0, 0, 0, 0, 0] and times(5, 1) == [0, 1, 2, 3, 4]
    assert cast[1.5] == [0, 2, 4, 6, 8] and times(5, 2 * 2 / 1.5) == [0, 2, 5, 8, 10]
    assert cast[2] == times(5, 2) and cast[1] == times(5, 4)


def stand_in(model) -> SimpleNamespace:
    """What get_rope_index asks of itself."""
    config = SimpleNamespace(vision_config=SimpleNamespace(spatial_merge_size=2, tokens_per_second=2))
    found = SimpleNamespace(config=config)
    found.get_vision_position_ids = model.get_vision_position_ids.__get__(found)
    return found


@pytest.mark.parametrize("model", [Qwen2VLModel, Qwen2_5_VLModel])
def test_as_in_transformers_on_drawn_texts(model):
    """Padded batches of text, images and videos in turn, by their rule of what follows."""
    chance = np.random.default_rng(0)
    for _ in range(60):
        texts, grids, tokens, steps, images, videos, seconds = [], [], [], [], [], [], []
        for _ in range(3):
            parts = [torch.zeros(int(chance.integers(1, 4)))]
            for _ in range(int(chance.integers(0, 4))):
                is_video = bool(chance.integers(2))
                t = int(chance.integers(1, 7)) if is_video else 1
                grid = Grid(t, *(2 * int(n) for n in chance.integers(1, 4, 2)))
                fps = float(chance.choice([0.5, 1, 2, 3, 4, 8, 24, 30]))
                grids.append(grid)
                tokens.append(1 + is_video)
                steps.append(2 * 2 / fps if is_video and model is Qwen2_5_VLModel else 1)
                (videos if is_video else images).append(grid)
                seconds += [2 / fps] * is_video
                parts += [torch.full((grid.n_tokens(),), 1.0 + is_video), torch.zeros(int(chance.integers(1, 4)))]
            texts.append(torch.cat(parts).int())
        T, side = max(map(len, texts)), chance.choice(["left", "right"])
        kinds = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_side=side)
        is_token = torch.nn.utils.rnn.pad_sequence([torch.ones(len(x)) for x in texts], True, padding_side=side).bool()
        assert kinds.shape == (3, T)
        theirs, _ = model.get_rope_index(
            stand_in(model),
            torch.zeros(3, T, dtype=torch.long),
            kinds,
            torch.tensor(images),
            torch.tensor(videos),
            second_per_grid_ts=torch.tensor(seconds, dtype=torch.float64),
            attention_mask=is_token.long(),
        )
        ours = position_ids(kinds.long(), grids, tokens, steps, is_token=is_token, resume=after_sides)
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("merge", [1, 2, 3])
def test_rows_and_columns_as_in_transformers(merge):
    grids = [Grid(t, merge * h, merge * w) for t, h, w in ((1, 1, 1), (1, 3, 2), (4, 2, 5), (2, 1, 4))]
    assert torch.equal(places(grids, merge), get_vision_position_ids(torch.tensor(grids), merge).T)


@pytest.mark.parametrize("side", [1, 2, 4, 9])
@pytest.mark.parametrize("merge", [1, 2, 3])
def test_windows_as_in_transformers(side, merge):
    """Smaller than a window, as large, larger by one on either side, several frames."""
    blocks = [(1, 1, 1), (1, 4, 4), (1, 5, 3), (1, 3, 5), (2, 9, 8), (3, 4, 7), (1, 1, 13)]
    grids = [Grid(t, merge * h, merge * w) for t, h, w in blocks]
    order, lengths = window_order(grids, side, merge)
    theirs, ends = get_vision_window_index(torch.tensor(grids), merge, side * merge * 14, 14)
    assert torch.equal(order, theirs) and lengths == ends.diff().tolist()
