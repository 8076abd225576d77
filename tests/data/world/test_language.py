"""Captions can be read back; answers follow from the scene; noise and flips are as many as said, and really wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.data.world.captions import ZH, Phrase, caption, describe, parse_caption
from course_lib.data.world.noise import NOISES, noisy_captions
from course_lib.data.world.preferences import preference_pairs, wrong_answers
from course_lib.data.world.questions import (
    QUERY_KINDS,
    Query,
    all_queries,
    answer,
    answer_text,
    ask,
    question_and_answer,
    sample_queries,
)
from course_lib.data.world.scenes import POSITIONS, Scene, Shape, scatter, with_text

INDEX = st.integers(0, 10_000)
LANGUAGE = st.sampled_from(["zh", "en"])


def scene_of(index: int) -> Scene:
    scene = scatter(7, index, width=96, height=64, n_shapes=(0, 5), sizes=("tiny", "small"))
    return with_text(scene, "A7", index, height=7) if index % 2 else scene


@given(index=INDEX, language=LANGUAGE, sizes=st.booleans(), positions=st.booleans())
def test_a_caption_reads_back_to_the_scene(index, language, sizes, positions):
    scene = scene_of(index)
    text = caption(scene, language, sizes=sizes, positions=positions)
    assert parse_caption(text, language) == describe(scene, sizes=sizes, positions=positions)


def test_captions_by_eye():
    scene = Scene(90, 90, (Shape("orange", "ring", "large", 45.0, 45.0, 27.0), Shape("red", "circle", "tiny", 5, 5, 3)))
    assert caption(scene, "en") == "a large orange ring in the centre and a tiny red circle at the top left"
    assert caption(scene, "zh") == "中间有一个橙色的大圆环，左上角有一个红色的极小圆形。"
    assert caption(scene, "en", sizes=False, positions=False) == "an orange ring and a red circle"
    assert parse_caption(caption(Scene(9, 9), "zh"), "zh") == ()


def test_chinese_words_are_all_different():
    assert len(set(ZH.values())) == len(ZH)


@pytest.mark.parametrize("text", ["", "a red", "a red circle at the moon", "a red circle, a blue ring"])
def test_unreadable_captions_are_refused(text):
    with pytest.raises(ValueError, match="cannot read"):
        parse_caption(text, "en")


def test_unknown_language():
    with pytest.raises(ValueError, match="fr"):
        caption(Scene(8, 8), "fr")


def brute_force(scene: Scene, query: Query):
    """The answer from plain lists, written apart from the code under test."""
    things = [(s.colour, s.kind) for s in scene.shapes]
    about = query.about
    if query.kind == "colour":
        return next(c for c, k in things if k == about[0])
    if query.kind == "shape":
        return next(k for c, k in things if c == about[0])
    if query.kind == "count":
        return len([t for t in things if about[0] in t])
    if query.kind == "text":
        return scene.labels[0].text
    if query.kind == "comparison":
        a, b = (len([t for t in things if word in t]) for word in about)
        return {True: about[0], False: about[1]}[a > b] if a != b else "equal"
    where = scene.shapes[things.index(about[:2])]
    if query.kind == "position":
        row = (where.y >= scene.height / 3) + (where.y >= 2 * scene.height / 3)
        return POSITIONS[3 * row + (where.x >= scene.width / 3) + (where.x >= 2 * scene.width / 3)]
    other = scene.shapes[things.index(about[3:])]
    dx, dy = other.x - where.x, other.y - where.y
    return "yes" if {"left of": dx, "right of": -dx, "above": dy, "below": -dy}[about[2]] > 0 else "no"


@settings(deadline=None)
@given(index=INDEX)
def test_every_answer_follows_from_the_scene(index):
    scene = scene_of(index)
    for query in all_queries(scene):
        assert answer(scene, query) == brute_force(scene, query)


@settings(deadline=None)
@given(index=INDEX, language=LANGUAGE)
def test_different_questions_have_different_words(index, language):
    queries = all_queries(scene_of(index))
    assert len({ask(query, language) for query in queries}) == len(queries)


def test_all_kinds_of_question_are_asked():
    asked = {query.kind for i in range(40) for query in all_queries(scene_of(i))}
    assert asked == set(QUERY_KINDS)


def test_questions_by_eye():
    scene = Scene(90, 90, (Shape("red", "cross", "small", 15, 15, 9), Shape("blue", "ring", "small", 75, 15, 9)))
    ask_both = [
        question_and_answer(scene, Query("relation", ("red", "cross", "left of", "blue", "ring")), x)
        for x in ("zh", "en")
    ]
    assert ask_both == [("红色十字形在蓝色圆环的左边吗？", "是"), ("Is the red cross left of the blue ring?", "yes")]
    assert question_and_answer(scene, Query("count", ("cross",)), "en") == ("How many crosses are there?", "1")
    assert question_and_answer(scene, Query("comparison", ("red", "blue")), "zh")[1] == "一样多"
    assert answer_text("centre", "en") == "in the centre"


def test_ambiguous_questions_are_refused():
    scene = Scene(90, 90, (Shape("red", "cross", "small", 15, 15, 9), Shape("red", "ring", "small", 75, 15, 9)))
    with pytest.raises(ValueError, match="holds 2 of 'red'"):
        answer(scene, Query("shape", ("red",)))
    with pytest.raises(ValueError, match="0 texts"):
        answer(scene, Query("text"))
    with pytest.raises(ValueError, match="why"):
        Query("why")
    with pytest.raises(ValueError, match="asked for 999"):
        sample_queries(scene, 0, n=999)


@given(index=INDEX)
def test_sampled_questions_differ_and_repeat(index):
    scene = scene_of(index)
    chosen = sample_queries(scene, 3, index, n=6)
    assert len(set(chosen)) == 6 and chosen == sample_queries(scene, 3, index, n=6)


SCENES = [scatter(11, i, width=64, height=64) for i in range(600)]


@pytest.mark.parametrize("rate", [0, 30, 100])
def test_the_rate_of_noise_is_kept(rate):
    captions = noisy_captions(SCENES, 0, rate=rate)
    spoilt = sum(not c.is_clean for c in captions)
    assert abs(spoilt - 6 * rate) <= 3 * (6 * rate * (1 - rate / 100)) ** 0.5


@pytest.mark.parametrize("language", ["zh", "en"])
def test_noise_is_wrong_and_labelled(language):
    captions = noisy_captions(SCENES, 0, rate=60, language=language)
    assert {c.noise for c in captions} == {None, *NOISES}
    for scene, c in zip(SCENES, captions, strict=True):
        truth = describe(scene, sizes=False)
        assert c.clean == caption(scene, language, sizes=False)
        if c.noise is None:
            assert c.text == c.clean
        elif c.noise == "junk":
            with pytest.raises(ValueError):
                parse_caption(c.text, language)
        else:
            said = parse_caption(c.text, language)
            assert sorted(map(repr, said)) != sorted(map(repr, truth))
            if c.noise in ("colour", "kind", "position"):
                (changed,) = [(a, b) for a, b in zip(said, truth, strict=True) if a != b]
                differing = [f for f in Phrase.__dataclass_fields__ if getattr(changed[0], f) != getattr(changed[1], f)]
                assert differing == [c.noise]
            if c.noise == "missing":
                assert len(said) == len(truth) - 1


def test_noise_that_cannot_be_had_is_refused():
    single = [scatter(0, 0, n_shapes=(1, 1))]
    with pytest.raises(ValueError, match="missing"):
        noisy_captions(single, 0, noises=("lies",))
    with pytest.raises(ValueError, match="can spoil scene 0"):
        noisy_captions(single, 0, rate=100, noises=("missing", "other scene"))
    with pytest.raises(ValueError, match="at least one shape"):
        noisy_captions([Scene(8, 8)], 0)


@pytest.mark.parametrize("rate", [0, 25, 100])
def test_preferences_are_flipped_as_often_as_said(rate):
    pairs = preference_pairs(SCENES, 1, flip_rate=rate)
    assert abs(sum(p.flipped for p in pairs) - 6 * rate) <= 3 * (6 * rate * (1 - rate / 100)) ** 0.5
    for scene, pair in zip(SCENES, pairs, strict=True):
        assert pair.right == answer_text(answer(scene, pair.query), "zh")
        assert pair.chosen != pair.rejected and pair.prompt == ask(pair.query, "zh")
        assert (pair.chosen == pair.right) != pair.flipped


@settings(deadline=None)
@given(index=INDEX)
def test_wrong_answers_are_wrong(index):
    scene = scene_of(index)
    for query in all_queries(scene):
        wrong = wrong_answers(scene, query)
        assert wrong and answer(scene, query) not in wrong
