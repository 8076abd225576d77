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


SCRATCH = [0.3, 0.4, 0.5, 0.7, 0.9, 0.96]
AHEAD = [0.9, 0.95, 0.95, 0.95, 0.96, 0.97]


@pytest.mark.parametrize(
    ("pretrained", "long", "outcome"),
    [
        (AHEAD, SCRATCH, "holds"),
        (SCRATCH, SCRATCH, "fails"),
        (AHEAD, [0.95, 0.95, 0.96, 0.7, 0.9, 0.96], "fails"),  # the rival with as many steps wins at three
        ([0.6, *AHEAD[1:]], SCRATCH, "partly"),  # the lead grows from 8 to 16
        (AHEAD, [0.3, 0.4, 0.5, 0.7, 0.9, 0.98], "partly"),  # behind at 1,024
    ],
)
def test_pretraining(pretrained, long, outcome):
    found = figures(pretrained=pretrained, scratch=SCRATCH, scratch_long=long)
    assert c11_pretrain_finetune.judge(found).outcome == outcome


def test_pretraining_names_the_places_that_do_not_fit():
    found = figures(pretrained=[0.6, *AHEAD[1:]], scratch=SCRATCH, scratch_long=[0.3, 0.4, 0.5, 0.7, 0.9, 0.98])
    sentence = c11_pretrain_finetune.judge(found).sentence
    assert "不是" not in sentence and "没有在每个种子里领先的标注数：1,024" in sentence and "8 到 16 条" in sentence


OFF = [0.5, 0.6, 0.7, 0.9]


@pytest.mark.parametrize(
    ("gains", "best", "outcome"),
    [
        ([0.1, 0.05, 0.03, 0.02], 0.99, "holds"),
        ([-0.1, -0.05, -0.03, 0.0], 0.99, "fails"),
        ([-0.1, 0.05, 0.03, 0.02], 0.99, "partly"),
        ([0.1, 0.05, 0.03, 0.0], 0.91, "holds"),  # without room at the last, which is not judged
        ([0.1, 0.05, 0.03, 0.02], 0.51, "partly"),  # no room anywhere
    ],
)
def test_auxiliary_loss(gains, best, outcome):
    on = list(np.add(OFF, gains))
    found = figures(pretrained_on=on, pretrained_off=OFF, half_on=on, half_off=OFF, scratch_on=OFF, scratch_off=OFF)
    assert c11b_auxiliary_loss.judge(found | figures(best=best)).outcome == outcome


def test_auxiliary_loss_must_help_in_every_seed():
    on = list(np.add(OFF, 0.05))
    found = figures(pretrained_on=on, pretrained_off=OFF, half_on=on, half_off=OFF, scratch_on=OFF, scratch_off=OFF)
    found["half_on"].values[0, 1] = 0.5
    verdict = c11b_auxiliary_loss.judge(found | figures(best=0.99))
    assert verdict.outcome == "partly" and "说不准：只预训练一半的 32 条" in verdict.sentence


BEST = [0.25, 0.925, 0.925, 0.985, 0.993]


@pytest.mark.parametrize(
    ("by_place", "outcome"),
    [
        ([0.25, 0.92, 0.91, 0.98, 0.99], "holds"),
        ([0.6, 0.92, 0.91, 0.98, 0.99], "fails"),  # a mask with a hole
        ([0.25, 0.92, 0.85, 0.98, 0.99], "fails"),
        ([0.25, 0.92, 0.89, 0.98, 0.99], "partly"),
        ([0.25, 0.92, 0.97, 0.965, 0.98], "partly"),  # the best steps up from 2 to 3, this does not
    ],
)
def test_place_of_extract(by_place, outcome):
    found = figures(by_place=by_place, best=BEST, front_unmasked=0.9)
    assert c11c_extract_place.judge(found).outcome == outcome


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
