"""Chapter 14's exercises: any correct way passes, and the values agree with the rooms."""

import numpy as np
import pytest
import torch

from course_lib.course.exercises import get_exercise, judge
from course_lib.foundations.perceiver import PerceiverAttention
from course_lib.foundations.tiles import RELEASED, boxes_of, tiling_of
from course_lib.models.blip3 import BLIP3, BLIP3Config, is_guessed
from course_lib.models.clip import ImageConfig
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.models.siglip import SigLIPImageTower


def test_tokens_are_those_of_the_room():
    long, square = (tiling_of(384, width, 384, RELEASED).n_views * 128 for width in (1100, 384))
    assert long == get_exercise("14-blip3-1").solution
    assert 18 + long + square == get_exercise("14-blip3-1-next").solution


def test_a_pixel_lies_in_the_view_whose_box_holds_it():
    """boxes_of says where each patch lies; with patches as large as tiles, each box is a view."""

    def by_boxes(y, x, height, width, tile, rows, columns):
        boxes = boxes_of(tiling_of(height, width, tile, [(rows, columns)]), tile)[1:, 0]
        inside = (
            (boxes[:, 0] <= y + 0.01) & (y + 0.01 < boxes[:, 2]) & (boxes[:, 1] <= x + 0.01) & (x + 0.01 < boxes[:, 3])
        )
        return 1 + int(inside.nonzero()[0])

    assert judge(get_exercise("14-blip3-2"), by_boxes).passed
    tiling = tiling_of(300, 1000, 384, [(1, 3)])
    empty = 1 - tiling.resized[0] * tiling.resized[1] / (384 * 1152)
    assert empty == pytest.approx(get_exercise("14-blip3-2-next").solution, abs=1e-3)


def test_reading_with_the_keys_the_other_way_round_and_the_room_pass():
    def latents_first(q, media, latents, is_media):
        keys = torch.cat([latents, media])
        may = torch.cat([torch.ones(len(latents), dtype=torch.bool), is_media])
        weights = torch.where(may, (q @ keys.T / q.shape[1] ** 0.5).exp(), 0)
        return weights @ keys / weights.sum(-1, keepdim=True)

    exercise = get_exercise("14-blip3-3")
    assert judge(exercise, latents_first).passed
    room = PerceiverAttention(4, 1, 4).double()
    room.norm_media = room.norm_latents = torch.nn.Identity()
    for part in (room.to_q, room.to_k, room.to_v, room.to_out):
        part.weight.data = torch.eye(4, dtype=torch.float64)
    media, latents = (torch.randn(n, 4, dtype=torch.float64) for n in (5, 2))
    is_media = torch.tensor([True, False, True, True, False])
    may = torch.cat([is_media, torch.ones(2, dtype=torch.bool)])
    read = room(latents[None], media[None], may[None, None, None])[0]
    torch.testing.assert_close(exercise.solution(latents, media, latents, is_media), read)
    assert get_exercise("14-blip3-3-next").solution == 5 * 16 + 20


def small() -> BLIP3:
    tower = SigLIPImageTower(ImageConfig(height=8, width=8, patch=4, d_model=8))
    return BLIP3(BLIP3Config(image_id=9, n_latents=2, n_layers=1), tower, GPT2(GPT2Config(n_vocab=10, d_model=8)))


def test_labels_are_what_the_room_guesses():
    model = small()
    texts = [torch.tensor([1, 9, 2, 3]), torch.tensor([9, 4, 9, 5, 6, 7])]
    row = model.put_in(texts, model.tokens([torch.randn(n, 3, 8, 8) for n in (3, 1, 2)]))
    labels = get_exercise("14-blip3-4").solution(row.ids, row.is_token, 9)
    assert torch.equal(labels[:, 1:] != -100, is_guessed(row, 9))
    assert (labels[:, 0] == -100).all()


def test_labels_by_loops_pass():
    def by_loops(ids, is_token, image_id):
        labels = np.full(ids.shape, -100)
        for b, row in enumerate(ids.tolist()):
            for s in range(1, len(row)):
                if is_token[b, s - 1] and row[s] != image_id:
                    labels[b, s] = row[s]
        return labels

    assert judge(get_exercise("14-blip3-4"), by_loops).passed
    assert get_exercise("14-blip3-4-next").solution == 12 - 1 - 1


def test_one_placeholder_a_picture_as_the_room_has_it():
    model, exercise = small(), get_exercise("14-blip3-5")
    text, sizes = [1, 9, 2, 9, 3], (6, 2)
    tokens = [torch.randn(n, 8) for n in sizes]
    assert model.put_in([torch.tensor(text)], tokens).ids[0].tolist() == exercise.solution(text, sizes, 9)

    def tensor(ids, sizes, image_id):
        ids = torch.tensor(ids)
        takes = torch.ones_like(ids)
        takes[ids == image_id] = torch.tensor(sizes)
        return ids.repeat_interleave(takes)

    assert judge(exercise, tensor).passed
    with pytest.raises(ValueError, match=r"5 placeholders .* 1 images"):
        model.put_in([torch.tensor([9] * 5)], [torch.randn(10, 8)])


def test_pairs_of_both_ways_to_sample():
    V, N, Q = 3, 16, 4
    together, own = V * Q * (V * N + V * Q), V * Q * (N + Q)
    assert together == get_exercise("14-blip3-6").solution
    assert together / own == V
    assert get_exercise("14-blip3-6-next").solution == 13
