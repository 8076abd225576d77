"""Posters: what is said to be on them is, and nothing else; what is for measuring is not trained on."""

from itertools import combinations

import pytest
import torch

from course_lib.chapters.ch14_blip3.posters import (
    LATTICE,
    N_THINGS,
    RADII,
    TILE,
    UNSEEN,
    poster,
    posters,
    scans_of,
    things_of,
)
from course_lib.data.world.scenes import COLOURS

SIZES = ((TILE, 3 * TILE), (2 * TILE, 2 * TILE), (3 * TILE, 2 * TILE))


@pytest.mark.parametrize("size", SIZES)
def test_a_poster_is_the_same_alone_and_among_others(size):
    for number, one in zip(range(5, 9), posters(range(5, 9), *size)):
        alone = poster(number, *size)
        assert alone.things == one.things and torch.equal(alone.picture, one.picture)
        assert alone.picture.shape == (3, *size)


@pytest.mark.parametrize("size", SIZES)
def test_things_lie_apart_inside_and_in_colours_of_their_own(size):
    height, width = size
    for each in posters(range(60), *size):
        assert N_THINGS[0] <= len(each.things) <= N_THINGS[1]
        assert len({thing.colour for thing in each.things}) == len(each.things)
        for thing in each.things:
            assert RADII[0] <= thing.radius <= RADII[1]
            assert thing.x % LATTICE == thing.y % LATTICE == 0
            assert thing.radius <= thing.x <= width - thing.radius
            assert thing.radius <= thing.y <= height - thing.radius
        for one, other in combinations(each.things, 2):
            assert max(abs(one.x - other.x), abs(one.y - other.y)) > one.radius + other.radius


def test_nothing_is_painted_but_the_things_and_each_in_its_colour():
    """Outside of their boxes all is one grey; inside, some of every thing's pixels come near to its colour."""
    for each in posters(range(40)):
        left = torch.ones(each.picture.shape[1:], dtype=torch.bool)
        for thing in each.things:
            r, x, y = (int(n) for n in (thing.radius, thing.x, thing.y))
            box = each.picture[:, y - r : y + r, x - r : x + r]
            paint = torch.tensor(COLOURS[thing.colour])[:, None, None] / 127.5 - 1
            assert (box - paint).abs().amax(0).min() < 0.35, thing
            left[y - r : y + r, x - r : x + r] = False
        outside = each.picture[:, left]
        assert outside.max() == outside.min() < -0.5


def test_a_digit_is_the_scan_it_names_and_those_to_measure_on_are_not_trained_on():
    trained, kept = ({row for d in "0123456789" for row in scans_of(d, unseen)} for unseen in (False, True))
    assert len(kept) == 360 and len(trained) == 1797 - 360 and not trained & kept
    for unseen, first in ((False, 0), (True, UNSEEN)):
        for each in posters(range(first, first + 60)):
            for thing in each.things:
                assert thing.is_digit == thing.what.isdigit()
                assert not thing.is_digit or thing.scan in scans_of(thing.what, unseen)


def test_colours_and_names_can_be_chosen():
    for each in posters(range(20), n_things=(2, 2), colours=["red", "blue"], whats=["ring"]):
        assert {thing.colour for thing in each.things} == {"red", "blue"}
        assert {thing.name for thing in each.things} == {"圆环"}


def test_a_poster_without_room_says_so():
    with pytest.raises(ValueError, match="poster 3, 32×32, has no room for 8 things of radius 7 to 7"):
        things_of(3, 32, 32, (8, 8), (7, 7), ["ring"], tuple(COLOURS))
