"""Text in pictures, videos, real inputs and corpora."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.real import pictures as real
from course_lib.data.text import corpora
from course_lib.data.world.font import GLYPHS
from course_lib.data.world.render import render
from course_lib.data.world.scenes import COLOURS, KINDS, Scene, Shape
from course_lib.data.world.text_image import bitmap, draw_text, random_text, text_mask, text_size
from course_lib.data.world.video import (
    EVENTS,
    Event,
    Mover,
    Video,
    question_of,
    random_video,
    render_video,
    scene_at,
    timestamps,
)


def test_the_font_has_every_digit_and_letter_and_no_two_alike():
    wanted = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    assert set(wanted) <= set(GLYPHS)
    assert len(set(GLYPHS.values())) == len(GLYPHS)
    assert all(len(rows) == 9 and all(len(row) == 5 for row in rows) for rows in GLYPHS.values())


def test_text_at_whole_dots_is_the_bitmap():
    wide, tall = text_size("Ag7", 7)
    np.testing.assert_allclose(text_mask("Ag7", wide / 2, tall / 2, 7, int(tall), int(wide)), bitmap("Ag7"), atol=1e-12)


@given(height=st.floats(3, 40), dx=st.floats(0, 1), dy=st.floats(0, 1))
def test_ink_is_kept_at_any_height_and_place(height, dx, dy):
    mask = text_mask("K7", 60 + dx, 40 + dy, height, 80, 120)
    assert mask.min() >= 0 and mask.max() <= 1 + 1e-9
    assert mask.sum() == pytest.approx(bitmap("K7").sum() * (height / 7) ** 2)


def test_text_can_be_read_back_from_the_picture():
    """Nearest glyph, dot by dot: an OCR of three lines."""
    text = random_text(0, 5, n_characters=6)
    wide, tall = text_size(text, 14)
    image = draw_text(np.full((40, 160, 3), 20, np.uint8), text, 80, 20, 14, COLOURS["white"])
    left, top = round(80 - wide / 2), round(20 - tall / 2)
    dots = image[top : top + 18 : 2, left : left + int(wide) : 2, 0] > 128
    cells = [dots[:, 6 * i : 6 * i + 5] for i in range(len(text))]
    read = "".join(min(GLYPHS, key=lambda g: (bitmap(g).astype(bool) != cell).sum()) for cell in cells)
    assert read == text


def test_random_text_repeats():
    assert random_text(0, 3) == random_text(0, 3) != random_text(0, 4)
    assert len(random_text(0, n_characters=9)) == 9


@pytest.mark.parametrize(("text", "says"), [("", "no text"), ("中", "中")])
def test_text_that_cannot_be_drawn(text, says):
    with pytest.raises(ValueError, match=says):
        bitmap(text)


def film(**event) -> Video:
    shape = Shape("red", "square", "medium", 8.0, 16.0, 6.0)
    return Video(32, 32, 8, (Mover(shape, 24.0, 16.0),), (Event(who=0, **event),))


def test_events_happen_at_their_second():
    assert [len(scene_at(film(kind="appears", second=2.5), s).shapes) for s in (0, 2.49, 2.5, 8)] == [0, 0, 1, 1]
    assert [len(scene_at(film(kind="vanishes", second=2.5), s).shapes) for s in (0, 2.49, 2.5, 8)] == [1, 1, 0, 0]
    turning = film(kind="changes colour", second=2.5, colour="blue")
    assert [scene_at(turning, s).shapes[0].colour for s in (0, 2.49, 2.5)] == ["red", "red", "blue"]


def test_motion_is_straight_and_even():
    video = film(kind="vanishes", second=7.5)
    assert [scene_at(video, s).shapes[0].x for s in (0, 2, 4, 6)] == [8, 12, 16, 20]
    assert {scene_at(video, s).shapes[0].y for s in (0, 3, 5)} == {16}


@settings(deadline=None, max_examples=30)
@given(index=st.integers(0, 10_000), fps=st.sampled_from([0.5, 1.0, 2.0, 4.0, 7.5]))
def test_the_same_moment_looks_the_same_at_any_frame_rate(index, fps):
    video = random_video(0, index, n_shapes=2)
    frames, seconds = render_video(video, fps)
    assert len(frames) == len(seconds) == np.ceil(8 * fps) and seconds[0] == 0 and seconds[-1] < 8
    np.testing.assert_allclose(np.diff(seconds), 1 / fps)
    for frame, second in zip(frames, seconds, strict=True):
        np.testing.assert_array_equal(frame, render(scene_at(video, float(second))))


def test_frames_at_chosen_seconds():
    frames, seconds = render_video(random_video(0), seconds=[0.1, 3.0, 7.9], scale=2)
    assert frames.shape == (3, 64, 64, 3) and seconds.tolist() == [0.1, 3.0, 7.9]


def test_videos_are_the_same_everywhere():
    text = "\n".join(random_video(0, i, n_shapes=2).to_json() for i in range(100))
    expected = "4133680fbbe694e55a0ea29a7b06705dfcbf0ead51db91fdb10754b4c67dbd5d"
    assert hashlib.sha256(text.encode()).hexdigest() == expected


@given(index=st.integers(0, 10_000))
def test_random_videos_hold_one_event_and_round_trip(index):
    video = random_video(1, index, seconds=6)
    assert Video.from_json(video.to_json()) == video
    (event,) = video.events
    assert 0.5 <= event.second <= 5.5 and (2 * event.second).is_integer()
    question, answer = question_of(video, event)
    assert "第几秒" in question and answer == f"{event.second:g} 秒"


def test_every_event_is_drawn():
    assert {random_video(0, i).events[0].kind for i in range(40)} == set(EVENTS)
    assert random_video(0, event="vanishes").events[0].kind == "vanishes"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Video(0, 8, 1, ()), "empty"),
        (lambda: Video(8, 8, 0, ()), "empty"),
        (lambda: film(kind="explodes", second=1), "explodes"),
        (lambda: film(kind="appears", second=9), "outside"),
        (lambda: film(kind="changes colour", second=1), "colour"),
        (lambda: scene_at(random_video(0), 9), "outside"),
        (lambda: timestamps(random_video(0), 0), "fps"),
        (lambda: random_video(0, seconds=1), "at least 2"),
    ],
)
def test_bad_videos_are_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_photographs():
    assert real.photograph("china").shape == (427, 640, 3) and real.photograph("flower").dtype == np.uint8
    assert real.photograph("china", width=224, height=224).shape == (224, 224, 3)
    assert real.photograph("flower", width=320).shape == (214, 320, 3)
    picture = real.photograph("china")
    picture[:] = 0
    assert real.photograph("china").mean() > 50  # a copy was handed out
    with pytest.raises(ValueError, match="cat"):
        real.photograph("cat")
    with pytest.raises(ValueError, match="0×"):
        real.photograph("china", width=0, height=5)


def test_digits():
    images, labels = real.digits()
    assert images.shape == (1797, 8, 8) and images.dtype == np.uint8 and images.max() == 255
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_prose_is_fixed():
    prose = corpora.prose()
    assert 6_000 < len(prose.encode()) < 12_000
    assert "旋转位置编码" in prose and "RoPE" in prose and "\r" not in prose and "\ufeff" not in prose


def test_sentence_pairs():
    zh, en = corpora.sentences("zh"), corpora.sentences("en")
    assert len(zh) == len(en) == len(set(zh)) == len(set(en))
    assert sorted(zh[0]) == sorted(zh[1]) and sorted(en[0].split()) == sorted(en[1].split())


@pytest.mark.parametrize("language", ["zh", "en"])
def test_scene_sentences_use_every_word(language):
    found = corpora.scene_sentences(300, 0, language)
    assert len(found) == 300 and found[:10] == corpora.scene_sentences(10, 0, language)
    from course_lib.data.world.captions import ZH

    for word in (*COLOURS, *KINDS):
        assert any((word if language == "en" else ZH[word]) in sentence for sentence in found)
    with pytest.raises(ValueError, match="at least 1"):
        corpora.scene_sentences(0, 0)


def test_an_empty_scene_is_background():
    assert (render(Scene(5, 3, background=9)) == 9).all()
