"""The judges of C11, C11b and C11c can say no, and what they judge is set up as they say."""

import numpy as np
import pytest
import torch

from course_lib.chapters.ch07_gpt1.experiments import c11_pretrain_finetune, c11b_auxiliary_loss, c11c_extract_place
from course_lib.chapters.ch07_gpt1.experiments.painters import MARKS, fresh, labelled
from course_lib.chapters.ch07_gpt1.gpt1_tasks import GPT1Task
from course_lib.course.claims.core import Summary


def figures(**values) -> dict[str, Summary]:
    return {name: Summary(np.array([value, value, value], dtype=float)) for name, value in values.items()}


@pytest.mark.parametrize(
    ("pretrained", "scratch", "outcome"),
    [
        ([0.6, 0.9, 0.9, 0.9, 0.95, 0.97], [0.3, 0.4, 0.5, 0.7, 0.9, 0.96], "holds"),
        ([0.3, 0.4, 0.5, 0.7, 0.9, 0.96], [0.3, 0.4, 0.5, 0.7, 0.9, 0.96], "fails"),
        ([0.31, 0.9, 0.9, 0.9, 0.95, 0.97], [0.3, 0.4, 0.5, 0.7, 0.9, 0.96], "partly"),
    ],
)
def test_pretraining(pretrained, scratch, outcome):
    assert c11_pretrain_finetune.judge(figures(pretrained=pretrained, scratch=scratch)).outcome == outcome


@pytest.mark.parametrize(
    ("on", "outcome"),
    [([0.6, 0.7, 0.8, 0.95], "holds"), ([0.4, 0.5, 0.7, 0.9], "fails"), ([0.4, 0.7, 0.8, 0.95], "partly")],
)
def test_auxiliary_loss(on, outcome):
    off = [0.5, 0.6, 0.7, 0.9]
    said = c11b_auxiliary_loss.judge(figures(pretrained_on=on, pretrained_off=off, scratch_on=off, scratch_off=off))
    assert said.outcome == outcome


@pytest.mark.parametrize(
    ("by_place", "unmasked", "outcome"),
    [
        ([0.25, 0.9, 0.9, 0.95, 0.97], 0.9, "holds"),
        ([0.6, 0.9, 0.9, 0.95, 0.97], 0.9, "fails"),
        ([0.25, 0.9, 0.9, 0.95, 0.97], 0.3, "partly"),
    ],
)
def test_place_of_extract(by_place, unmasked, outcome):
    assert c11c_extract_place.judge(figures(by_place=by_place, front_unmasked=unmasked)).outcome == outcome


def test_extract_stands_where_it_is_told():
    ids, painters = labelled(0, "test", 5)
    front, same = labelled(0, "test", 5, 0)
    assert torch.equal(painters, same)
    assert (ids[..., -1] == MARKS.extract).all() and (front[..., 1] == MARKS.extract).all()
    assert torch.equal(ids[..., 1:-1], front[..., 2:])


def test_without_the_mask_a_mark_in_front_sees_the_text():
    front, _ = labelled(0, "test", 2, 0)
    gpt = fresh(0)
    masked, free = GPT1Task(gpt, MARKS, 4), c11c_extract_place.Unmasked(gpt, MARKS, 4)
    assert torch.equal(masked(front)[0], masked(front)[1])
    assert (free(front)[0] - free(front)[1]).abs().max() > 1e-3
