"""k-shot accuracy counts what it says, and asking changes no weight."""

import pytest
import torch
from torch import nn

from course_lib.chapters.ch09_gpt3.in_context_evaluation import accuracy_by_shots, answer, fingerprint, right_by_shots
from course_lib.models.gpt2 import GPT2, GPT2Config

EXAMPLE = 3  # two tokens of question, one of answer


class Oracle(nn.Module):
    """Says at every place the token that is written in its table: logits [B T V] for ids [B T]."""

    def __init__(self, table):
        super().__init__()
        self.table = table

    def forward(self, ids):
        return nn.functional.one_hot(self.table[:, : ids.shape[1]], 10).float()


def test_a_column_is_the_question_after_that_many_examples():
    ids = torch.tensor([[0, 1, 7, 2, 3, 8, 4, 5, 9]] * 2)
    says = torch.zeros(2, 9, dtype=torch.long)
    says[0, 1], says[0, 7] = 7, 9  # right after 0 and 2 examples
    says[1, 4] = 8  # right after 1
    assert right_by_shots(Oracle(says), ids, EXAMPLE).tolist() == [[True, False, True], [False, True, False]]
    assert accuracy_by_shots(Oracle(says), ids, EXAMPLE, [0, 2], batch=2) == [0.5, 0.5]


def test_asking_all_at_once_is_asking_one_by_one():
    torch.manual_seed(0)
    model = GPT2(GPT2Config(n_vocab=10, context=9, d_model=16, n_layers=2, n_heads=2)).eval()
    ids = torch.randint(10, (50, 9))
    at_once = right_by_shots(model, ids, EXAMPLE)
    for k in range(3):
        said = answer(model, ids[:, : 3 * k], ids[:, 3 * k : 3 * k + 2])
        assert torch.equal(said == ids[:, 3 * k + 2], at_once[:, k])


def test_the_mode_is_left_as_it_was_and_dropout_is_off():
    torch.manual_seed(0)
    model = GPT2(GPT2Config(n_vocab=10, context=9, d_model=16, n_layers=1, n_heads=2, dropout=0.5)).train()
    ids = torch.randint(10, (200, 9))
    first, second = (accuracy_by_shots(model, ids, EXAMPLE, [0, 1, 2]) for _ in range(2))
    assert first == second and model.training


def test_half_an_example_is_refused():
    with pytest.raises(ValueError, match="8 tokens are no whole number of examples of 3"):
        right_by_shots(nn.Identity(), torch.zeros(1, 8, dtype=torch.long), EXAMPLE)


def test_the_fingerprint_sees_one_bit_and_the_sign_of_zero():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    first = fingerprint(model)
    assert fingerprint(model) == first
    with torch.no_grad():
        model[0].weight[0, 0] = torch.nextafter(model[0].weight[0, 0], torch.tensor(9.0))
    second = fingerprint(model)
    assert second != first
    model[1].running_mean[0] = -0.0
    assert fingerprint(model) != second
