"""Chapter 10's exercises: any correct way passes, and the values agree with the rooms."""

from dataclasses import replace

import torch
from torch.nn import functional as F

from course_lib.chapters.ch10_vit.exercises import cut_into_patches
from course_lib.course.exercises import get_exercise, judge
from course_lib.foundations.patches import grid_of, patchify
from course_lib.models.vit import SIZES, ViT, ViTConfig, n_parameters


def test_the_counts_are_those_of_the_rooms():
    h, w = grid_of(240, 320, 16)
    assert get_exercise("10-vit-1").solution == h * w + 1
    base = SIZES["ViT-B/16"]
    assert get_exercise("10-vit-6").solution == n_parameters(replace(base, patch=8)) - n_parameters(base)
    assert get_exercise("10-vit-3-next").solution == replace(base, height=384, width=384).n_patches + 1


def test_the_room_s_patchify_passes():
    assert judge(get_exercise("10-vit-2"), patchify).passed


def test_unfold_passes():
    assert judge(get_exercise("10-vit-2"), lambda images, patch: F.unfold(images, patch, stride=patch).mT).passed


def test_of_the_four_tests_only_the_second_row_sees_the_stripes():
    def stripes(images, patch):
        B, C, H, W = images.shape
        return images.reshape(B, (H // patch) * (W // patch), C * patch * patch)

    def moved(cut, row):
        spot = torch.zeros(1, 1, 8, 8)
        spot[0, 0, row, 0] = 1
        return cut(spot, 2)[0].any(-1).nonzero().flatten().tolist()

    image = torch.rand(1, 1, 8, 8)
    assert stripes(image, 2).shape == cut_into_patches(image, 2).shape  # A
    assert torch.equal(stripes(image, 2).reshape(image.shape), image)  # B
    assert moved(stripes, 0) == moved(cut_into_patches, 0) == [0]  # C
    assert moved(stripes, 1) == [2] and moved(cut_into_patches, 1) == [0]  # D


def test_resizing_by_hand_passes():
    def my_resize(positions, old, new):
        """Bilinear, written out: the new cell's centre, in cells of the old grid."""
        grid = positions[1:].reshape(*old, -1)

        def side(n_old, n_new):
            place = ((torch.arange(n_new) + 0.5) * n_old / n_new - 0.5).clamp(0, n_old - 1).to(positions)
            low = place.floor().long().clamp(max=n_old - 1)
            return low, (low + 1).clamp(max=n_old - 1), place - low

        (top, below, y), (left, right, x) = side(old[0], new[0]), side(old[1], new[1])
        y, x = y[:, None, None], x[None, :, None]
        upper = grid[top][:, left] * (1 - x) + grid[top][:, right] * x
        lower = grid[below][:, left] * (1 - x) + grid[below][:, right] * x
        return torch.cat([positions[:1], (upper * (1 - y) + lower * y).flatten(0, 1)])

    assert judge(get_exercise("10-vit-3"), my_resize).passed


def test_the_room_s_embedding_passes():
    def my_embed(patches, cls, positions):
        B, N, D = patches.shape
        room = ViT(ViTConfig(height=1, width=N, patch=1, d_model=D, n_heads=1)).double()
        room.patches.forward = lambda _: patches
        room.cls.data, room.positions.data = cls, positions
        return room.embed(torch.zeros(B, 3, 1, N)).detach()

    assert judge(get_exercise("10-vit-4"), my_embed).passed


def test_distance_pair_by_pair_passes():
    def my_distance(weights, grid):
        h, w = grid
        found = torch.zeros(len(weights)).to(weights)
        for head, table in enumerate(weights):
            for i in range(h * w):
                seen = table[1 + i, 1:] / table[1 + i, 1:].sum()
                for j in range(h * w):
                    away = ((i // w - j // w) ** 2 + (i % w - j % w) ** 2) ** 0.5
                    found[head] += seen[j] * away / (h * w)
        return found

    assert judge(get_exercise("10-vit-5"), my_distance).passed
