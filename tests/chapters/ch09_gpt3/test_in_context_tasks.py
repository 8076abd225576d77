"""A sequence follows one task; held-out tasks are never trained on; nobody beats the best possible."""

import pytest
import torch

from course_lib.chapters.ch09_gpt3 import in_context_tasks as data
from course_lib.chapters.ch09_gpt3.in_context_tasks import (
    ANSWERS,
    COLOURS,
    FIRST_ANSWER,
    WORDS,
    best_possible,
    read,
    say,
    sequences,
)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_tasks_are_parted_once_and_for_all():
    train, held_out = ({tuple(row) for row in data.tasks(part).tolist()} for part in ("train", "held out"))
    assert not train & held_out
    assert len(train | held_out) == 1680
    assert 0.17 < len(held_out) / 1680 < 0.23
    assert all(data.is_held_out(task) for task in held_out)
    with pytest.raises(ValueError, match=r"part \('test'\)"):
        data.tasks("test")


@pytest.mark.parametrize("part", ["train", "held out"])
def test_every_example_of_a_sequence_follows_one_task_of_the_part(part):
    tasks = {tuple(row) for row in data.tasks(part).tolist()}
    for row in sequences(200, 30, part, chance()).view(200, 30, 2).tolist():
        said = {colour: answer - FIRST_ANSWER for colour, answer in row}
        assert all(said[colour] == answer - FIRST_ANSWER for colour, answer in row)
        assert len(said) == 4, "30 draws miss none of four colours in these sequences"
        assert tuple(said[colour] for colour in range(4)) in tasks


def test_sequences_follow_from_the_generator():
    assert torch.equal(sequences(8, 5, "train", chance(3)), sequences(8, 5, "train", chance(3)))
    assert not torch.equal(sequences(8, 5, "train", chance(3)), sequences(8, 5, "train", chance(4)))
    with pytest.raises(ValueError, match=r"n_examples \(0\)"):
        sequences(8, 0, "train", chance())


def test_words_are_drawn_evenly():
    """So a model that sees no example can be right one time in eight."""
    colour, answer = sequences(40_000, 1, "train", chance()).unbind(1)
    assert (torch.bincount(colour) / 10_000 - 1).abs().max() < 0.05
    assert (torch.bincount(answer - FIRST_ANSWER) / 5_000 - 1).abs().max() < 0.1
    for each in range(4):
        assert (torch.bincount(answer[colour == each] - FIRST_ANSWER) / 1_250 - 1).abs().max() < 0.15


def test_the_best_possible_by_hand():
    best = best_possible(read("红→咕 红→咕 蓝→嘟 绿→啪 蓝→嘟 黄→哞")[None])
    assert best[0].tolist() == pytest.approx([1 / 8, 1, 1 / 7, 1 / 6, 1, 1 / 5])


def test_one_who_remembers_and_guesses_is_as_good_as_it_says():
    ids = sequences(5000, 6, "held out", chance(1))
    right = torch.zeros(6)
    dice = chance(2)
    for row in ids.view(-1, 6, 2).tolist():
        known: dict[int, int] = {}
        for k, (colour, answer) in enumerate(row):
            left = [each for each in range(4, len(WORDS)) if each not in known.values()]
            guess = known.get(colour, left[int(torch.randint(len(left), (1,), generator=dice))])
            right[k] += guess == answer
            known[colour] = answer
    assert torch.allclose(right / 5000, best_possible(ids).mean(0), atol=0.02)


def test_a_sequence_can_be_read_and_said():
    ids = sequences(1, 4, "train", chance())[0]
    assert torch.equal(read(say(ids)), ids)
    assert torch.equal(read(say(ids[:-1])), ids[:-1])
    assert say(torch.tensor([0, FIRST_ANSWER, 1])) == f"{COLOURS[0]}→{ANSWERS[0]} {COLOURS[1]}→"
    with pytest.raises(ValueError, match="unknown words"):
        read("红→汪")
