"""Figures of the data world show what they were given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_lib.chapters.ch00_start.world_figures import (
    plot_boxes,
    plot_contact_sheet,
    plot_digits,
    plot_photographs,
    plot_video_strip,
)
from course_lib.data.real import pictures as real
from course_lib.data.world.boxes import boxes_of
from course_lib.data.world.captions import caption
from course_lib.data.world.render import render
from course_lib.data.world.scenes import scatter
from course_lib.data.world.video import random_video, render_video


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_contact_sheet_keeps_images_and_captions():
    scenes = [scatter(0, i, width=40 + 8 * i, height=40) for i in range(5)]
    images = [render(scene) for scene in scenes]
    figure = plot_contact_sheet(images, [caption(scene) for scene in scenes], n_columns=3)
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 5
    for axes, scene, image in zip(shown, scenes, images, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), image)
        assert axes.get_xlabel().replace("\n", "") == caption(scene)
    with pytest.raises(ValueError, match="got 1"):
        plot_contact_sheet(images, ["one"])
    with pytest.raises(ValueError, match="no images"):
        plot_contact_sheet([])


def test_boxes_lie_on_pixel_edges():
    scene = scatter(0, 3, n_shapes=(3, 3))
    figure = plot_boxes(render(scene), boxes_of(scene), ["a"], predicted=boxes_of(scene)[:1])
    patches = figure.axes[0].patches
    assert len(patches) == 4
    x1, y1, x2, y2 = boxes_of(scene)[0]
    np.testing.assert_allclose(patches[0].get_bbox().extents, [x1 - 0.5, y1 - 0.5, x2 - 0.5, y2 - 0.5])


def test_video_strip_shows_every_frame():
    frames, seconds = render_video(random_video(0), 1.0)
    figure = plot_video_strip(frames, seconds, events=[2.5])
    assert sum(bool(axes.images) for axes in figure.axes) == 8
    with pytest.raises(ValueError, match="as many seconds"):
        plot_video_strip(frames, seconds[:3])


def test_real_inputs():
    images = [real.photograph(name, width=80) for name in real.PHOTOGRAPHS]
    assert [axes.get_title(loc="left") or axes.get_title() for axes in plot_photographs(images, ["甲", "乙"]).axes] == [
        "甲",
        "乙",
    ]
    digits, labels = real.digits()
    assert sum(bool(axes.images) for axes in plot_digits(digits[:13], labels[:13]).axes) == 13
