"""Chapter 13's models: what the zoo keeps of each, what they share, and the instruments of C17, C17b and C17c."""

import copy

import pytest
import torch
from torch import nn

from course_lib import zoo
from course_lib.chapters.ch13_blip2 import learning
from course_lib.chapters.ch13_blip2.experiments.c17_two_stages import begun, curve
from course_lib.chapters.ch13_blip2.experiments.c17b_linear import linear
from course_lib.chapters.ch13_blip2.experiments.c17c_three_losses import LOSSES, Leaking, loss_of, surprise
from course_lib.toys.blip2_shapes import losses, stage2_loss, step_flops, taught
from course_lib.toys.told_shape import is_token
from course_lib.training import checkpoint
from course_lib.zoo import store


def equal(one: nn.Module, other: nn.Module) -> bool:
    mine, yours = one.state_dict(), other.state_dict()
    return set(mine) == set(yours) and all(torch.equal(each, yours[name]) for name, each in mine.items())


def test_the_zoo_keeps_what_a_model_has_learned_and_lends_it_the_frozen_ones():
    for name in ("blip2-stage1", "blip2-shapes"):
        tensors, _ = checkpoint.read(store.shipped_path(store.get_recipe(name)))
        assert not any(each.startswith(("image.", "lm.")) for each in tensors)
    described = zoo.load("blip2-shapes")
    assert described.image.held[0] is learning.tower() and described.lm.held[0] is learning.language_model()
    assert equal(learning.tower(), zoo.load("clip-shapes").image)


def test_stage_2_of_the_zoo_began_with_stage_1_of_the_zoo():
    stage1, untrained = zoo.load("blip2-stage1"), store.get_recipe("blip2-shapes").untrained()
    assert equal(untrained.qformer, stage1.qformer.without_text())
    assert not equal(zoo.load("blip2-shapes").qformer, untrained.qformer)  # the Q-Former goes on learning
    torch.manual_seed(0)
    one, other = learning.describer(), learning.describer()
    assert not equal(one.qformer, other.qformer) and not equal(one.qformer, untrained.qformer)


def test_one_seed_gives_one_beginning_with_stage_1_and_without():
    alone, again, after = begun(0, 0), begun(0, 0), begun(0, 1)
    assert equal(alone, again) and equal(alone.project, after.project) and not equal(alone.qformer, after.qformer)


def test_a_curve_is_measured_where_it_is_asked_for_and_the_training_does_not_notice():
    watched, unwatched = begun(0, 0), begun(0, 0)
    assert curve(watched, 3, [1, 2], seed=0) == pytest.approx([0, 0, 0], abs=0.05)
    assert curve(unwatched, 3, [], seed=0) == pytest.approx([0], abs=0.05)
    assert equal(watched, unwatched)


def test_behind_the_linear_layer_stands_one_matrix_and_every_token_of_the_tower():
    model, images = linear(0), learning.exam().images[:2]
    assert set(model.state_dict()) == {"project.weight", "project.bias"}
    seen = learning.tower().features(images)
    assert torch.equal(model.prefix(model.look(images)), model.project(seen))
    assert model.prefix(seen).shape[:2] == (2, 17)
    tower, lm = copy.deepcopy(learning.tower()), copy.deepcopy(learning.language_model())
    taught(model, stage2_loss, 2, 0, size=4)
    assert equal(tower, learning.tower()) and equal(lm, learning.language_model())
    assert step_flops(model, stage2_loss, 4) > 0 and len(learning.caption(model, images)) == 2


@pytest.fixture
def fresh():
    torch.manual_seed(0)
    return learning.build_stage1()


def test_what_is_left_out_is_the_loss_that_is_named(fresh):
    batch = learning.batches(0)

    def found(loss):
        torch.manual_seed(0)
        return loss(fresh, batch)

    each = found(losses)
    torch.testing.assert_close(found(loss_of(None)), sum(each))
    for name, own in zip(LOSSES, each, strict=True):
        torch.testing.assert_close(found(loss_of(name)), sum(each) - own)
    leak = found(loss_of("leak")) - sum(each[:2])
    assert not torch.isclose(leak, each.lm)


def test_only_where_the_mask_leaks_does_a_word_tell_of_itself(fresh):
    images, ids, _ = learning.batches(0)
    images, ids = images[:2], ids[:2]
    other = ids.clone()
    other[:, 6] = learning.words().ids["红"]
    other[0, 6] = learning.words().ids["蓝"]
    seen = fresh.look(images)
    for model, leaks in ((fresh, False), (Leaking(fresh), True)):
        one, two = (model.next_words(seen, each, is_token(ids)) for each in (ids, other))
        assert torch.allclose(one[:, :6], two[:, :6], atol=1e-5) != leaks


def test_a_right_caption_surprises_the_trained_less():
    torch.manual_seed(0)
    assert surprise(zoo.load("blip2-stage1")) < 0.5 < 2 < surprise(learning.build_stage1())
