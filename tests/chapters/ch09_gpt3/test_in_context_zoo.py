"""What the in-context models are trained on, and that the large one shipped really uses its examples."""

import math

import pytest
import torch

from course_lib import zoo
from course_lib.chapters.ch09_gpt3.in_context_evaluation import accuracy_by_shots, answer, fingerprint
from course_lib.chapters.ch09_gpt3.in_context_tasks import EXAMPLE, WORDS, best_possible, read
from course_lib.chapters.ch09_gpt3.in_context_zoo import SIZES, answer_loss, task_batch, unseen_tasks

SHOTS = (0, 1, 2, 4, 8)


def test_the_loss_counts_answers_only():
    ids = task_batch(0, 0)
    logits = torch.zeros(*ids[:, :-1].shape, len(WORDS))
    assert answer_loss(lambda _: logits, ids).item() == pytest.approx(math.log(len(WORDS)))
    knowing = 50.0 * torch.nn.functional.one_hot(ids[:, 1:], len(WORDS))
    knowing[:, 1::2] = 0  # which colour comes next is anybody's guess
    assert answer_loss(lambda _: knowing, ids).item() < 1e-6


def test_batches_follow_from_seed_and_step():
    assert torch.equal(task_batch(1, 7), task_batch(1, 7))
    assert not torch.equal(task_batch(1, 7), task_batch(1, 8))
    assert not torch.equal(task_batch(1, 7), task_batch(2, 7))


def test_sizes_grow():
    counts = [sum(p.numel() for p in zoo.get_recipe(f"icl-{size}").untrained().parameters()) for size in SIZES]
    assert counts == sorted(counts) and counts[-1] > 10 * counts[0]


def test_examples_help_larger_models_more_and_nobody_beats_the_best():
    ids = unseen_tasks(5, 4000)
    best = best_possible(ids).mean(0)[list(SHOTS)]
    models = {size: zoo.load(f"icl-{size}") for size in SIZES}
    accuracy = torch.tensor([accuracy_by_shots(model, ids, EXAMPLE, SHOTS) for model in models.values()])
    assert (accuracy <= best + 0.03).all()
    gap = accuracy[:, -1] - accuracy[:, 0]
    assert gap[0] < gap[1] < gap[2]


def test_a_question_is_answered_from_its_examples_and_changes_nothing():
    model = zoo.load("icl-large")
    before = fingerprint(model)
    for said in ("咕", "嘟", "哞"):
        shots = read(f"红→{said} 蓝→啪 绿→咪")
        assert WORDS[answer(model, shots[None], read("红")[None]).item()] == said
    assert fingerprint(model) == before
