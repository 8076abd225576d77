"""Chapter 14's BLIP-3: texts, what it learns from, and how it is examined."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from course_lib import zoo
from course_lib.chapters.ch14_blip3 import learning
from course_lib.chapters.ch14_blip3.experiments.c18_sampling import is_cut
from course_lib.chapters.ch14_blip3.experiments.c18b_resolution import flops
from course_lib.chapters.ch14_blip3.posters import TILE, UNSEEN, Thing, poster, posters
from course_lib.toys.words import END, UNKNOWN
from course_lib.training.checkpoint import model_tensors


@pytest.fixture(scope="module")
def model():
    return zoo.load("blip3-posters")


@pytest.fixture(scope="module")
def few():
    return learning.exam().of(slice(24))


def test_texts_come_back_from_their_ids():
    for each in posters(range(8)):
        text = learning.IMAGE + learning.text_of(each)
        ids = learning.encode(text)
        assert learning.read(ids) == text and ids[0] == learning.image_id() and UNKNOWN not in ids
        (padded,) = learning.padded([text])
        assert learning.read(padded) == text and padded[-1] == END


def test_a_poster_is_told_in_full_in_any_order():
    import random

    (said,) = learning.texts([poster(3)], random.Random(1))
    assert sorted(said[1:].strip("。").split("，")) == sorted(learning.text_of(poster(3)).strip("。").split("，"))
    assert learning.interleaved(posters(range(2))).count(learning.IMAGE) == 2


def test_the_tower_is_lent_and_not_stored(model):
    assert not any("tower" in name for name in model_tensors(model))
    assert model.tower.held[0] is learning.tower()


def test_cached_features_are_what_the_model_sees(model, few):
    seen = [learning.views(each.picture) for each in few.posters]
    for cached, fresh in zip(few.features, model.features([each.views for each in seen])):
        torch.testing.assert_close(cached, fresh, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_loss_is_the_mean_surprise_of_all_tokens_behind_their_pictures(model):
    """Text by text from the pictures themselves: nothing padded, nothing cached."""
    source = learning.pool(range(6), 2 * TILE, TILE)
    batch = learning.drawn_from(source, 0, 4, n_pictures=2)
    surprises = []
    for features, row in zip(batch[0], batch[2]):
        ids = row[: int((row != END).sum()) + 1]
        tokens = model.sample(list(features))
        slots = model.put_in([ids], tokens)
        logits = model.lm.to_vocab(model.hidden(slots))[0, :-1]
        told = slots.ids[0, 1:] != learning.image_id()
        surprises.append(cross_entropy(logits[told], slots.ids[0, 1:][told], reduction="none"))
        assert told.sum() == len(ids) - 2
    torch.testing.assert_close(learning.loss(model, batch), torch.cat(surprises).mean())


def test_a_mark_is_whether_the_answer_is_the_name(model, few):
    marks = iter(learning.marks(model, few))
    for each in few.posters:
        for thing in each.things:
            (said,) = learning.answer(model, [each.picture], learning.said_of(thing).removesuffix(thing.name))
            assert next(marks) == (thing, said == thing.name)


def test_without_a_question_it_tells_all_that_it_sees(model, few):
    said = learning.answer(model, [each.picture for each in few.posters])
    assert all(text.endswith("。") for text in said)
    assert sum(len(text.split("，")) == len(each.things) for text, each in zip(said, few.posters)) > len(said) / 2


@torch.no_grad()
def test_behind_another_poster_the_pictures_stand_in_the_order_of_their_texts(model, few):
    """Poster by poster, with the tokens in reading order."""
    before = learning.exam().of(slice(24, 48))
    marks = iter(learning.marks(model, few, before))
    for first, features, second, own in zip(before.posters, before.features, few.posters, few.features):
        tokens = model.sample([features, own])
        for thing in second.things:
            text = learning.encode(learning.interleaved([first]) + learning.IMAGE + learning.said_of(thing))
            row = model.put_in([text], tokens)
            n = len(thing.name)
            said = model.lm.to_vocab(model.hidden(row))[0, -n - 1 : -1].argmax(-1)
            assert next(marks) == (thing, torch.equal(said, text[-n:]))


def test_the_second_picture_is_read_from_its_own_tokens(model, few):
    """With another picture in its place little is right."""
    before = learning.exam().of(slice(24, 48))
    other = few._replace(features=few.features.roll(1, dims=0))
    assert learning.exact(model, few, before) > 2 * learning.exact(model, other, before)


def test_in_two_tiles_half_of_the_patches_of_a_square_poster_are_empty():
    source = learning.pool(range(2), 3 * TILE, 3 * TILE, [(1, 2)])
    assert source.is_patch.shape == (2, 3, 16)
    assert source.is_patch[:, 0].all() and source.is_patch[:, 1:].float().mean() == 0.5
    alone = learning.pool(range(2), 3 * TILE, 3 * TILE, None)
    assert alone.is_patch.shape == (2, 1, 16) and alone.is_patch.all()
    torch.testing.assert_close(alone.features[:, 0], source.features[:, 0])


def test_batches_hold_two_pictures_at_times_and_none_of_the_exam(model):
    counts = set()
    for step in range(3 * len(learning.SHAPES)):
        features, is_patch, ids = learning.batches(step)
        counts.add(features.shape[1])
        assert features.shape[:3] == is_patch.shape[:3] and len(ids) == len(features)
        assert ((ids == learning.image_id()).sum(1) == features.shape[1]).all()
        assert (ids != UNKNOWN).all()
        views = features.shape[1] * features.shape[2] * model.config.n_latents
        assert ids.shape[1] + views <= learning.CONTEXT
    assert counts == {1, 2}
    assert min(learning.EXAM) >= UNSEEN > learning.POOL * len(learning.SHAPES)


@pytest.mark.parametrize(
    ("x", "y", "r", "cut"), [(16, 16, 7, False), (32, 8, 4, True), (24, 40, 7, False), (40, 24, 9, True)]
)
def test_a_thing_on_an_edge_of_tiles_is_cut(x, y, r, cut):
    assert is_cut(Thing("red", "ring", x, y, r)) == cut


def test_more_views_take_more_operations():
    torch.manual_seed(0)
    model = learning.build()
    counted = [flops(model, grids) for grids in (None, [(1, 2)], [(2, 2)], [(3, 3)])]
    assert counted == sorted(counted)
    assert counted[3] == pytest.approx(10 * counted[0], rel=0.5)
