"""Scenes: the same on every platform, inside the canvas, apart from one another, and clear about what cannot be."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.world.dice import Dice
from course_lib.data.world.scenes import (
    COLOURS,
    FIVE_POSITIONS,
    KINDS,
    POSITIONS,
    SIZES,
    Label,
    Scene,
    Shape,
    at_position,
    combinations,
    hold_out_pairs,
    hold_out_triples,
    on_grid,
    scatter,
    with_text,
)

INDEX = st.integers(0, 10_000)


def sha256(lines) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_dice_fall_the_same_everywhere():
    dice = Dice(0, "scenes", 17)
    assert [dice.below(100) for _ in range(8)] == [45, 81, 53, 33, 14, 91, 24, 76]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda i: scatter(0, i), "20fa41344435cc40030638bb54c21b271deb417e4473de96ed590286aaf6e9a4"),
        (lambda i: on_grid(0, i), "4baa6550a200f8143393ddcc1dd015638af5fc431614f1d213a3aa88b1959c3f"),
    ],
)
def test_scenes_are_the_same_everywhere(make, expected):
    assert sha256(make(i).to_json() for i in range(100)) == expected


def test_placed_scenes_are_the_same_everywhere():
    lines = [at_position(*names, 0, i).to_json() for i, names in enumerate(combinations())]
    assert sha256(lines) == "10e250b8d601c35e2ff113d32e76eaab304c0c4d1bd9b977a461746358fb78d9"


@given(seed=INDEX, n=st.integers(1, 300))
def test_dice_stay_in_range(seed, n):
    dice = Dice(seed)
    assert all(0 <= dice.below(n) < n for _ in range(50))
    assert sorted(dice.sample(range(n), n)) == list(range(n))


def test_dice_are_fair_and_streams_differ():
    dice = Dice(3)
    counts = [0] * 6
    for _ in range(6000):
        counts[dice.below(6)] += 1
    assert sum((count - 1000) ** 2 / 1000 for count in counts) < 20.5  # chi-squared, 5 degrees, 0.1 %
    assert Dice(0, 1).below(2**60) != Dice(0, 0, 1).below(2**60)  # no padding with zeros
    assert Dice(0, "a").below(2**60) != Dice(0, "b").below(2**60)


@given(
    index=INDEX,
    width=st.integers(24, 300),
    height=st.integers(24, 300),
    sizes=st.lists(st.sampled_from(["tiny", "small"]), min_size=1, max_size=2),
)
def test_shapes_stay_inside_and_apart(index, width, height, sizes):
    scene = scatter(0, index, width=width, height=height, n_shapes=(0, 5), sizes=sizes)
    for i, a in enumerate(scene.shapes):
        assert a.radius <= a.x <= width - a.radius and a.radius <= a.y <= height - a.radius
        assert (4 * a.x).is_integer() and (4 * a.y).is_integer() and (4 * a.radius).is_integer()
        for b in scene.shapes[:i]:
            assert max(abs(a.x - b.x), abs(a.y - b.y)) >= a.radius + b.radius + 1


@given(index=INDEX)
def test_sizes_can_be_told_apart(index):
    scene = scatter(1, index, width=200, height=120, n_shapes=(1, 3), sizes=("tiny", "small", "medium"))
    for shape in scene.shapes:
        low, high = SIZES[shape.size]
        assert low <= 100 * shape.radius / 120 <= high


@given(index=INDEX)
def test_grid_uses_each_cell_once(index):
    scene = on_grid(0, index, n_shapes=(9, 9))
    assert sorted(map(scene.position, scene.shapes)) == sorted(POSITIONS)


@given(names=st.sampled_from(combinations(POSITIONS)), index=INDEX, side=st.integers(16, 256))
def test_a_named_position_is_kept(names, index, side):
    scene = at_position(*names, 0, index, width=side, height=side)
    (shape,) = scene.shapes
    assert (shape.colour, shape.kind, scene.position(shape)) == names


@given(index=INDEX)
def test_json_round_trip(index):
    scene = scatter(0, index, width=96, height=64)
    assert Scene.from_json(scene.to_json()) == scene
    labelled = with_text(scatter(0, index, n_shapes=(0, 1), sizes=("tiny",)), "A7", index, height=6)
    assert Scene.from_json(labelled.to_json()) == labelled
    assert "NaN" not in labelled.to_json() and json.loads(labelled.to_json())["labels"][0]["text"] == "A7"


def test_a_scene_does_not_depend_on_the_ones_before():
    assert scatter(5, 17) == [scatter(5, i) for i in range(18)][17]
    assert scatter(5, 17) != scatter(6, 17)


def test_there_are_enough_colours_and_kinds():
    assert len(COLOURS) >= 8 and len(KINDS) >= 6 and len(combinations()) == 8 * 6 * 5


def test_held_out_combinations():
    seen, hidden = hold_out_triples(0)
    assert len(hidden) == 48 and sorted(seen + hidden) == sorted(combinations())
    seen, hidden = hold_out_pairs(0)
    assert len(hidden) == 8 * len(FIVE_POSITIONS)
    assert not {c[:2] for c in seen} & {c[:2] for c in hidden}
    assert {c[0] for c in seen} == set(COLOURS) and {c[1] for c in seen} == set(KINDS)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Scene(0, 32), "0×32"),
        (lambda: Scene(32, 32, background=300), "300"),
        (lambda: scatter(0, width=0), "no room|no pixels"),
        (lambda: scatter(0, n_shapes=(40, 40), sizes=("medium",)), "no room for 40"),
        (lambda: scatter(0, n_shapes=(3, 1)), "fewest"),
        (lambda: scatter(0, colours=("pink",)), "pink"),
        (lambda: scatter(0, kinds=()), "no kind"),
        (lambda: scatter(-1), "0 or more"),
        (lambda: on_grid(0, n_shapes=(10, 10)), "at most 9"),
        (lambda: on_grid(0, sizes=("large",)), "does not fit"),
        (lambda: at_position("red", "circle", "nowhere"), "nowhere"),
        (lambda: at_position("red", "blob", "top"), "blob"),
        (lambda: Shape("red", "circle", "small", 1.0, 1.0, 0.0), "radius"),
        (lambda: Label("", "red", 1.0, 1.0, 7.0), "no text"),
        (lambda: Label("字", "red", 1.0, 1.0, 7.0), "字"),
        (lambda: with_text(Scene(32, 32), "a long line of text", 0, height=7), "no free place"),
        (lambda: Dice(), "key"),
        (lambda: Dice(0).below(0), "below 0"),
        (lambda: Dice(0).percent(101), "101"),
        (lambda: Dice(0).sample("ab", 3), "3 different"),
    ],
)
def test_bad_input_is_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()
