"""What chapter 12's BLIP learns from, and the colours that are called by other names."""

import pytest
import torch

from course_lib import zoo
from course_lib.chapters.ch12_blip import learning
from course_lib.chapters.ch12_blip.experiments.c16c_blind_spot import any_but, called
from course_lib.data.world.scenes import COLOURS, combinations
from course_lib.toys.one_shape import seen


def test_batches_show_seen_combinations_with_a_caption_that_says_them():
    for step in range(4):
        images, ids, numbers = learning.batches(step)
        assert set(numbers.tolist()) <= set(seen().tolist())
        own = (ids == learning.all_ids()[:, numbers]).all(-1)
        assert own.any(0).all() and own.any(1).all()  # each in some language, and both languages
    assert images.mean().abs() < 0.2 and 0.7 < images.std() < 1.3


def test_the_loss_is_the_sum_of_three_and_an_equal_caption_is_no_negative():
    """Two combinations, each often: with what is the same left out, every hard negative is the other one."""
    torch.manual_seed(0)
    model, (images, ids, numbers) = learning.build(), learning.batches(0)
    rows = torch.tensor([0, 1] * 4)
    assert numbers[0] != numbers[1]
    state = {name: each.clone() for name, each in model.state_dict().items()}
    drawn = []
    for again in range(2):
        model.load_state_dict(state)
        torch.manual_seed(again)
        drawn.append(learning.losses(model, (images[rows], ids[rows], numbers[rows])))
    torch.testing.assert_close(drawn[0].itm, drawn[1].itm)  # whichever is drawn
    model.load_state_dict(state)
    torch.manual_seed(0)
    torch.testing.assert_close(learning.loss(model, (images[rows], ids[rows], numbers[rows])), sum(drawn[0]))


def test_matching_finds_what_contrast_finds():
    """Both rank the true caption first for most pictures; by chance it would be 1 of 240."""
    model = zoo.load("blip-shapes").blip
    assert learning.retrieval_by_matching(model, "zh") > 0.8 and learning.retrieval(model, "zh") > 0.8
    with torch.no_grad():
        model.match.weight.neg_()
        model.match.bias.neg_()
    assert learning.retrieval_by_matching(model, "zh") < 0.05 and learning.judgement(model, "zh") < 0.1


def test_an_exact_caption_is_exact_to_the_last_word():
    model = zoo.load("blip-shapes").blip
    images, numbers, _ = learning.exam()
    said = learning.caption(model, images, "en")
    right = [text == learning.sentence(combinations()[i], "en") for text, i in zip(said, numbers.tolist())]
    assert learning.exact(model, "en") == pytest.approx(sum(right) / len(right))
    assert not any(text.endswith((" ", "at", "the")) for text in said)


def test_a_thing_called_by_another_colour_keeps_kind_and_place():
    numbers, colours = torch.arange(240), torch.arange(240) % len(COLOURS)
    for number, colour, other in zip(numbers.tolist(), colours.tolist(), called(numbers, colours).tolist()):
        assert combinations()[other] == (list(COLOURS)[colour], *combinations()[number][1:])


def test_any_colour_but_some():
    drawn = any_but(500, torch.tensor([2, 5]), torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == set(range(len(COLOURS))) - {2, 5}
