"""C18c's two ways begin alike: the same tower, the same language model, the same captions."""

from copy import deepcopy

import pytest
import torch
from torch.nn.functional import cross_entropy

from course_lib import zoo
from course_lib.chapters.ch14_blip3.experiments import c18c_one_loss as c18c
from course_lib.toys import told_shape
from course_lib.toys.words import END


@pytest.fixture
def model():
    torch.manual_seed(0)
    return c18c.one_loss(zoo.load("clip-shapes").image, zoo.load("blip2-lm")).eval()


@torch.no_grad()
def test_the_loss_is_the_mean_surprise_of_the_tokens_of_the_captions(model):
    """Caption by caption, with the picture's tokens laid in front by hand."""
    images, ids, numbers = told_shape.batches(0, 4)
    surprises = []
    for image, row in zip(images, ids):
        said = row[told_shape.is_token(row[None])[0]]
        x = torch.cat([model.tokens([image[None]])[0], model.lm.embed(said[None])[0]])
        logits = model.lm.to_vocab(model.lm.run(x[None]))[0]
        surprises.append(cross_entropy(logits[c18c.N_QUERIES - 1 : -1], said, reduction="none"))
    torch.testing.assert_close(c18c.caption_loss(model, (images, ids, numbers)), torch.cat(surprises).mean())


@torch.no_grad()
def test_a_caption_is_the_likeliest_word_again_and_again(model):
    images = told_shape.exam().images[:2]
    for image, said in zip(images, c18c.caption(model, images)):
        ids = told_shape.prompt()[0]
        while len(ids) < told_shape.CONTEXT and ids[-1] != END:
            x = torch.cat([model.tokens([image[None]])[0], model.lm.embed(ids[None])[0]])
            logits = model.lm.to_vocab(model.lm.run(x[None]))[0, -1]
            logits[c18c.IMAGE] = -torch.inf
            ids = torch.cat([ids, logits.argmax()[None]])
        assert said == told_shape.read(ids)


def test_no_caption_has_the_placeholder():
    assert (told_shape.all_ids() != c18c.IMAGE).all()


def test_what_is_frozen_stays_and_what_learns_moves():
    tower, lm = zoo.load("clip-shapes").image, zoo.load("blip2-lm")
    for frozen in (True, False):
        model = c18c.one_loss(tower, deepcopy(lm).requires_grad_(not frozen))
        c18c.taught(model, c18c.caption_loss, 1, 0, size=4)
        same = all(torch.equal(a, b) for a, b in zip(lm.parameters(), model.lm.parameters()))
        assert same == frozen
        assert all(torch.equal(a, b) for a, b in zip(tower.parameters(), model.tower.held[0].parameters()))
