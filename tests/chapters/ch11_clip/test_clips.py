"""What the two CLIPs learn from, and what they never see."""

import math

import torch

from course_lib.chapters.ch11_clip import emoji_clip, shapes_clip
from course_lib.data.real.emoji.drawings import HANDS, emoji
from course_lib.data.real.emoji.splits import other_hands
from course_lib.training.loop import train


def test_shapes_learn_from_seen_combinations_only():
    drawn = torch.cat([shapes_clip.batches(step)[2] for step in range(12)])
    assert set(drawn.tolist()) == set(shapes_clip.seen().tolist())
    assert not set(shapes_clip.seen().tolist()) & set(shapes_clip.held_out().tolist())
    assert len(shapes_clip.seen()) + len(shapes_clip.held_out()) == 240


def test_a_caption_says_its_own_combination_in_either_language():
    images, ids, numbers = shapes_clip.batches(5)
    own = (ids == shapes_clip.all_ids()[:, numbers]).all(-1)
    assert own.any(0).all() and own.any(1).all()
    assert len(shapes_clip.all_ids().flatten(0, 1).unique(dim=0)) == 480
    assert images.shape == (128, 3, 32, 32) and images.min() >= -1 and images.max() <= 1


def test_shapes_double_captions_pull_together():
    """Two pictures with one caption: where both texts are the same, neither is a negative of the other."""
    torch.manual_seed(0)
    model = shapes_clip.build()
    images, ids, numbers = (part[:2] for part in shapes_clip.batches(0))
    same = (images, ids[:1].repeat(2, 1), numbers[:1].repeat(2))
    half = torch.tensor(2.0).log()
    logits = model(*same[:2])
    rows = -(logits.log_softmax(1) / 2).sum(1).mean()
    columns = -(logits.log_softmax(0) / 2).sum(0).mean()
    torch.testing.assert_close(shapes_clip.loss(model, same), (rows + columns) / 2)
    assert shapes_clip.loss(model, same) >= half - 1e-6


def test_emoji_learn_from_two_hands_and_never_from_the_things_held_out():
    assert emoji_clip.HAND in HANDS and emoji_clip.HAND not in other_hands(emoji_clip.HAND)
    known = {tuple(row) for row in emoji_clip.names()["zh"][emoji_clip.split().train].tolist()}
    width = emoji_clip.CONTEXT
    for step in range(9):  # one epoch
        _, _, zh, _ = emoji_clip.batches(step)
        for row in zh.tolist():
            assert tuple(row + [0] * (width - len(row))) in known


def test_a_drawing_is_only_shaken():
    """No augmentation moves white, and what it moves stays the same thing."""
    chance = torch.Generator().manual_seed(0)
    white = torch.ones(4, 3, 32, 32)
    torch.testing.assert_close(emoji_clip.augment(white, chance), white)
    drawn = emoji_clip.drawn("noto")[:200]
    shaken = emoji_clip.augment(drawn, chance)
    distance = torch.cdist(shaken.flatten(1), drawn.flatten(1))
    assert (distance.argmin(1) == torch.arange(200)).float().mean() > 0.5 and not torch.equal(shaken, drawn)


def test_emoji_features_read_every_patch_in_its_place():
    """Two patches swapped give other features; a mean over patches without positions would not."""
    torch.manual_seed(0)
    model = emoji_clip.build()
    images = emoji_clip.drawn("noto")[:2]
    swapped = images.clone()
    swapped[..., :8, :8], swapped[..., 8:16, 8:16] = images[..., 8:16, 8:16], images[..., :8, :8]
    assert model.project_image.in_features == 17 * 64
    assert (model.image_features(images) - model.image_features(swapped)).abs().max() > 1e-3


def test_gradients_of_each_loss_reach_both_towers_and_the_temperature():
    for room, size in ((shapes_clip, 8), (emoji_clip, 6)):
        torch.manual_seed(0)
        model = room.build()
        room.loss(model, tuple(part[:size] for part in room.batches(0))).backward()
        still = [
            name
            for name, parameter in model.named_parameters()
            if parameter.grad is None or not parameter.grad.abs().max() > 0
        ]
        assert not still, (room.__name__, still)


def test_a_few_steps_bring_the_loss_below_ignorance():
    torch.manual_seed(0)
    model = shapes_clip.build()
    first = shapes_clip.loss(model, shapes_clip.batches(0, 32)).item()
    stream = (shapes_clip.batches(step, 32) for step in range(40))
    losses = train(model, stream, steps=40, lr=2e-3, loss=shapes_clip.loss, history=[])
    assert first > math.log(32) and sum(losses[-5:]) / 5 < 0.9 * math.log(32)


def test_pixels_find_a_drawing_among_its_like():
    rows = torch.arange(20)
    assert emoji_clip.pixel_baseline(rows, rows) > emoji_clip.pixel_baseline(rows) > 1 / len(emoji().things)
