"""What a model answers to sums, against forward passes that take one question and one token at a time."""

import pytest
import torch

from course_lib.toys import sums
from course_lib.toys.sums_answers import LONGEST, accuracy, answers, written


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return sums.build().eval()


ASKED = sums.questions("two turns", 3) + sums.questions("held-out", 3)


@torch.no_grad()
def test_greedy_answers_are_the_likeliest_token_each_time(model):
    for question, row in zip(ASKED, written(model, ASKED)):
        ids = sums.chat().prompt(question)
        for token in row:
            assert token == int(model(torch.tensor([ids]))[0, -1].argmax())
            ids = [*ids, token]
        assert len(row) == LONGEST


def test_nothing_is_written_after_the_end(model):
    end = written(model, ASKED)[0][2]
    rows = written(model, ASKED, end=end)
    assert rows[0][-1] == end and all(end not in row[:-1] for row in rows)


def test_sampling_follows_its_seed(model):
    one, again, other = (answers(model, ASKED, sample=True, seed=seed) for seed in (1, 1, 2))
    assert one == again != other


def test_accuracy_counts_what_is_right_and_nothing_else(model, monkeypatch):
    said = ["7"] * len(ASKED)
    monkeypatch.setattr("course_lib.toys.sums_answers.answers", lambda *args, **more: said)
    said[:2] = [sums.right(ASKED[0]), sums.right(ASKED[1]) + "。"]
    assert accuracy(model, ASKED) == pytest.approx(1 / len(ASKED))
