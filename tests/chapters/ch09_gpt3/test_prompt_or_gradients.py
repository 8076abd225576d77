"""C13b: what is asked of the prompt and of gradient descent is the same, and the best possible is what it says."""

import pytest
import torch

from course_lib.chapters.ch09_gpt3.experiments import c13b_weights_unchanged as c13b
from course_lib.chapters.ch09_gpt3.in_context_evaluation import fingerprint
from course_lib.chapters.ch09_gpt3.in_context_tasks import FIRST_ANSWER, best_possible, follow, tasks
from course_lib.chapters.ch09_gpt3.in_context_zoo import train_on_tasks

TASK = tasks("held out")[3]
SHOTS = follow(TASK[None], c13b.N_SHOTS, torch.Generator().manual_seed(1))[0]


def knows(ids):
    """Answers the four colours as the task has them, whatever the examples say."""
    table = torch.nn.functional.one_hot(TASK + FIRST_ANSWER, 12).float()
    return table[ids.clamp(max=3)]


def test_one_who_knows_the_task_answers_all_four_colours():
    assert c13b.ask(knows, SHOTS, TASK) == c13b.ask(knows, SHOTS[:0], TASK) == 1
    assert c13b.ask(knows, SHOTS, TASK.roll(1)) == 0


def test_the_best_possible_is_that_of_the_sequences():
    questions = torch.stack([torch.cat([SHOTS, torch.tensor([colour, 4])]) for colour in range(4)])
    assert c13b.possible(SHOTS) == pytest.approx(best_possible(questions)[:, -1].mean().item())
    assert c13b.possible(SHOTS[:0]) == 1 / 8


def test_tuning_learns_the_examples_in_a_copy():
    model = train_on_tasks("small", 0, steps=2)
    before = fingerprint(model)
    shares, pupil = c13b.tuned(model, SHOTS, TASK, 1e-2)
    n_seen = len(SHOTS[::2].unique())
    assert shares.shape == (len(c13b.STEPS),) and shares[-1] >= n_seen / 4
    assert fingerprint(model) == before != fingerprint(pupil)
    assert c13b.changed(model, pupil) > 0 == c13b.changed(model, model)
