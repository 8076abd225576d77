"""Chapter 12's exercises: any correct way passes, and the values agree with the rooms."""

import math

import numpy as np
import pytest
import torch

from course_lib.chapters.ch12_blip import learning
from course_lib.course.exercises import get_exercise, judge
from course_lib.foundations.bert import text_mask
from course_lib.foundations.hard_negatives import negative_weights
from course_lib.foundations.momentum import FeatureQueue, soft_nce, soft_targets


def test_the_soft_loss_and_its_floor_are_the_rooms():
    teacher = torch.tensor([[0.6, 0.4, 1e-30]], dtype=torch.float64).log()
    student = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64).log()
    targets = soft_targets(teacher, 0.4)
    assert soft_nce(student, targets).item() == pytest.approx(get_exercise("12-blip-1").solution, abs=1e-4)
    floor = soft_nce(targets.log(), targets).item()
    assert floor == pytest.approx(get_exercise("12-blip-1-next").solution, abs=1e-4)


def test_the_chances_are_those_of_the_room():
    scores = torch.zeros(3, 3, dtype=torch.float64)
    scores[0] = torch.tensor([5.0, 3.0, 2.0])
    weights = negative_weights(scores)[0]
    assert (weights[1] / weights.sum()).item() == pytest.approx(get_exercise("12-blip-2").solution, abs=2e-3)
    twin = torch.full((8, 8), -2.0, dtype=torch.float64)
    twin[0, :2] = 0
    weights = negative_weights(twin)[0]
    assert (weights[1] / weights.sum()).item() == pytest.approx(get_exercise("12-blip-2-next").solution, abs=2e-3)


@pytest.mark.parametrize("answer", [0.73, 0.7311, 73, "73%"])
def test_a_chance_may_be_a_share_or_percent(answer):
    assert judge(get_exercise("12-blip-2"), answer).passed


def test_draws_by_softmax_first_and_by_loops_pass():
    def softmax_first(logits, same):
        weights = logits.softmax(-1).masked_fill(same, 0)
        return weights / weights.sum(-1, keepdim=True)

    def by_loops(logits, same):
        chances = torch.zeros_like(logits)
        for i, row in enumerate(logits.tolist()):
            others = [j for j in range(len(row)) if not same[i, j]]
            total = sum(math.exp(row[j]) for j in others)
            for j in others:
                chances[i, j] = math.exp(row[j]) / total
        return chances

    for answer in (softmax_first, by_loops):
        assert judge(get_exercise("12-blip-3"), answer).passed


def test_a_queue_in_a_deque_passes_and_holds_what_the_room_holds():
    def by_list(queue, new, capacity):
        return torch.stack([*queue, *new][-capacity:])

    exercise = get_exercise("12-blip-4")
    assert judge(exercise, by_list).passed
    room = FeatureQueue(5, 2)
    held = torch.zeros(0, 2, dtype=torch.float64)
    for rows in torch.randn(4, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)):
        room.push(rows)
        held = exercise.solution(held, rows, 5)
    assert sorted(room.rows().tolist()) == sorted(held.float().tolist())
    ours = learning.build().config
    kept = ours.momentum ** (ours.n_queue // learning.BATCH)
    assert pytest.approx(get_exercise("12-blip-4-next").solution, abs=1e-4) == 1 - kept


def test_the_rooms_mask_passes():
    def of_room(is_token, causal):
        ids = torch.zeros(is_token.shape, dtype=torch.long)
        return text_mask(ids, is_token, causal=causal)

    def broadcast(is_token, causal):
        mask = of_room(is_token, causal)
        return mask.expand(-1, 1, is_token.shape[1], -1)

    assert judge(get_exercise("12-blip-5"), broadcast).passed


def test_a_filter_by_counting_and_in_numpy_passes():
    def by_counting(scores, is_true, least):
        kept = [bool(true) for score, true in zip(scores, is_true) if score >= least]
        return (sum(kept) / len(kept) if kept else 1, sum(kept) / int(is_true.sum()))

    def numpy(scores, is_true, least):
        kept, true = scores.numpy() >= least, is_true.numpy()
        right = (kept & true).sum()
        return np.array([right / kept.sum() if kept.sum() else 1.0, right / true.sum()])

    for answer in (by_counting, numpy):
        assert judge(get_exercise("12-blip-6"), answer).passed
    kept = (700 * 0.9, 300 * 0.2)
    assert kept[0] / sum(kept) == pytest.approx(get_exercise("12-blip-6-next").solution, abs=1e-3)


def test_without_the_least_weight_a_row_can_be_empty():
    """What 12-blip-3-next says: in half precision, softmax leaves nothing for the others."""
    scores = torch.tensor([20.0, 0.0, 0.0], dtype=torch.float16).softmax(-1)
    assert scores[1:].sum() == 0
    assert get_exercise("12-blip-3-next").solution == "B"
