"""Pictures: right colours, right places, smooth edges, the same bytes everywhere."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.world.boxes import box_of
from course_lib.data.world.render import add_grain, render, render_batch, to_model
from course_lib.data.world.scenes import COLOURS, KINDS, Scene, Shape, scatter, with_text

INDEX = st.integers(0, 10_000)


def pooled(image: np.ndarray, by: int) -> np.ndarray:
    H, W, C = image.shape
    return image.reshape(H // by, by, W // by, by, C).mean((1, 3))


def test_pictures_are_the_same_everywhere():
    images = render_batch([scatter(0, i) for i in range(100)])
    assert images.shape == (100, 32, 32, 3) and images.dtype == np.uint8
    expected = "4cec982f6360fe4d5f9b2cae2f9c25b90586125bd1f724aa4e2d2797e3b20b72"
    assert hashlib.sha256(images.tobytes()).hexdigest() == expected


@settings(deadline=None)
@given(index=INDEX)
def test_drawing_larger_and_averaging_changes_little(index):
    scene = scatter(0, index, width=40, height=32)
    once, often = render(scene).astype(float), render(scene, 4)
    difference = abs(pooled(often, 4) - once)
    assert difference.max() < 40 and difference.mean() < 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_coverage_against_counting_points(kind):
    """A white shape on black, against 64 points a pixel decided by the shape's own definition."""
    scene = Scene(24, 20, (Shape("white", kind, "medium", 12.25, 9.75, 7.5),), background=0)
    fine = render(scene, 16).astype(float)
    hard = pooled(np.where(fine > 125, 250.0, 0.0), 16)
    assert abs(render(scene).astype(float) - hard).max() < 32


@settings(deadline=None)
@given(index=INDEX, scale=st.sampled_from([1.0, 2.0, 3.5]))
def test_colour_inside_each_shape(index, scale):
    scene = scatter(2, index, sizes=("small", "medium"))
    image = render(scene, scale)
    for shape in scene.shapes:
        x = shape.x + (0.76 * shape.radius if shape.kind == "ring" else 0)
        row, column = int(shape.y * scale), int(x * scale)
        if shape.kind == "ring" and 0.48 * shape.radius * scale < 2.5:
            continue  # the band is too thin to hold a whole pixel
        assert abs(image[row, column].astype(int) - COLOURS[shape.colour]).max() <= 3
    inside = np.zeros(image.shape[:2], dtype=bool)
    for shape in scene.shapes:
        x1, y1, x2, y2 = (np.array(box_of(shape)) * scale).tolist()
        inside[int(np.floor(y1)) : int(np.ceil(y2)), int(np.floor(x1)) : int(np.ceil(x2))] = True
    assert (image[~inside] == scene.background).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_box_is_tight(kind):
    shape = Shape("white", kind, "large", 50.0, 52.0, 30.0)
    image = render(Scene(100, 100, (shape,), background=0), 4)
    rows, columns = np.nonzero(image[..., 0] > 60)
    seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / 4
    np.testing.assert_allclose(seen, box_of(shape), atol=0.51)


def test_later_shapes_cover_earlier_ones():
    below = Shape("red", "square", "large", 16.0, 16.0, 10.0)
    above = Shape("blue", "circle", "small", 16.0, 16.0, 4.0)
    assert tuple(render(Scene(32, 32, (below, above)))[16, 16]) == COLOURS["blue"]
    assert tuple(render(Scene(32, 32, (above, below)))[16, 16]) == COLOURS["red"]


def test_one_and_many_agree_at_any_aspect_ratio():
    scenes = [scatter(4, i, width=70, height=30, n_shapes=(0, 4), sizes=("small",)) for i in range(80)]
    scenes[3] = with_text(scenes[3], "K7", 0, height=8)
    batch = render_batch(scenes, 1.5)
    assert batch.shape == (80, 45, 105, 3)
    for scene, image in zip(scenes, batch, strict=True):
        np.testing.assert_array_equal(render(scene, 1.5), image)


def test_grain_is_bounded_and_repeatable():
    images = np.full((4, 9, 7, 3), 100, np.uint8)
    grain = add_grain(images, 1, strength=6).astype(int) - 100
    assert set(np.unique(grain)) == set(range(-6, 7)) and abs(grain.mean()) < 0.6
    np.testing.assert_array_equal(add_grain(images, 1, strength=6), add_grain(images, 1, strength=6))
    assert (add_grain(images, 1) != add_grain(images, 2)).any()
    assert (add_grain(np.full((8, 8, 3), 255, np.uint8), 0) >= 245).all()  # cut, not wrapped


def test_model_input():
    x = to_model(render_batch([Scene(3, 2, background=255), Scene(3, 2, background=0)]))
    assert x.shape == (2, 3, 2, 3) and x.dtype == np.float32
    assert (x[0] == 1).all() and (x[1] == -1).all()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: render_batch([]), "none"),
        (lambda: render_batch([Scene(3, 4), Scene(4, 3)]), "3×4"),
        (lambda: render(Scene(8, 8), 0.01), "0×0"),
        (lambda: add_grain(np.zeros((1, 1, 3), np.uint8), 0, strength=-1), "-1"),
    ],
)
def test_bad_input_is_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()
