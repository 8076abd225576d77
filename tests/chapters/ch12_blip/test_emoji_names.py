"""Emoji and names: which are swapped is counted, the measuring hand is never learnt from, and contrast learns."""

import pytest
import torch

from course_lib.chapters.ch12_blip import emoji_names
from course_lib.data.real.emoji.drawings import emoji
from course_lib.toys.words import words_of


def swapped(share, seed=0):
    return emoji_names.swapped(share, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_so_many_names_are_of_other_things(share):
    pairs = swapped(share)
    assert (~pairs.right()).float().mean().item() == pytest.approx(share, abs=1e-3)
    assert len(pairs.drawn) == 4 * len(emoji_names.rows())
    assert len({(h, l, d) for h, l, d, _ in zip(*(part.tolist() for part in pairs))}) == len(pairs.drawn)


def test_a_pair_has_the_picture_of_one_thing_and_the_name_of_the_named():
    pairs, words = swapped(0.5), {i: word for word, i in emoji_names.words().ids.items()}
    thing = emoji().things[emoji_names.rows()[pairs.named[7]]]
    name = (thing.name_zh, thing.name_en)[pairs.languages[7]]
    assert [words[i] for i in pairs.ids()[7].tolist() if i in words] == words_of(name)
    for hand, other in ((0, 1), (1, 2)):
        assert not torch.equal(emoji_names.pictures()[hand], emoji_names.pictures()[other])
    assert pairs.hands.max() == 1  # the third is for measuring
    torch.testing.assert_close(pairs.images()[7], emoji_names.pictures()[pairs.hands[7], pairs.drawn[7]])


def test_moved_pictures_keep_their_ink():
    """Rolled and mirrored, no pixel is lost; colours scaled by one number each."""
    images, chance = swapped(0.0).images()[:8], torch.Generator().manual_seed(0)
    moved = emoji_names.moved(images, chance)
    ratio = moved.flatten(2).sort(dim=-1).values / images.flatten(2).sort(dim=-1).values
    assert not torch.equal(moved, images)
    assert (ratio.std(dim=-1) < 1e-3).all()


def test_contrast_learns_the_names_and_believes_the_right_ones():
    """From few steps on right names alone; then names are swapped, which it was not taught."""
    model = emoji_names.taught(swapped(0.0), 120, seed=0)
    pairs = swapped(0.5, seed=1)
    belief = emoji_names.belief(model, pairs)
    assert belief[pairs.right()].mean() > belief[~pairs.right()].mean() + 0.05
    assert emoji_names.retrieval(model) > 3 / len(emoji_names.rows())
