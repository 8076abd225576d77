import pytest
import torch

from course_lib.chapters.ch07_gpt1.fine_tuning import accuracy, fine_tune
from course_lib.chapters.ch07_gpt1.gpt1_tasks import GPT1Task, Marks
from course_lib.models.gpt1 import GPT1, GPT1Config

MARKS = Marks(start=6, delimiter=7, extract=8)


def task(seed: int = 0) -> tuple[GPT1Task, torch.Tensor, torch.Tensor]:
    """Which of two words comes first in the text?"""
    torch.manual_seed(seed)
    texts = torch.randint(6, (64, 4))
    labels = (texts[:, 0] >= 3).long()
    ids = torch.cat([torch.full((64, 1), 6), texts, torch.full((64, 1), 8)], dim=1)[:, None]
    return GPT1Task(GPT1(GPT1Config(n_vocab=9, context=8, d_model=16)), MARKS, 2), ids, labels


def test_a_task_is_learnt_and_all_weights_move():
    model, ids, labels = task()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    losses = fine_tune(model, ids, labels, steps=60, lr=1e-2)
    assert losses[-1] < 0.1 < losses[0] and accuracy(model, ids, labels) == 1.0
    assert all(not torch.equal(before[name], parameter) for name, parameter in model.named_parameters())


def test_the_auxiliary_loss_is_added_and_the_seed_decides():
    runs = []
    for weight, seed in ((0.0, 0), (0.5, 0), (0.5, 0), (0.5, 1)):
        model, ids, labels = task()
        runs.append(fine_tune(model, ids, labels, steps=3, lm_weight=weight, seed=seed))
    assert runs[1][0] > runs[0][0] + 0.5 and runs[1] == runs[2] != runs[3]


def test_labels_must_be_as_many_as_texts():
    model, ids, labels = task()
    with pytest.raises(ValueError, match="64 examples but 63 labels"):
        fine_tune(model, ids, labels[:-1], steps=1)
