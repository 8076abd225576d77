"""The questions of C16f: what they show, what they ask, what a blind one can know."""

import pytest
import torch

from course_lib.chapters.ch12_blip.experiments import c16f_blind as blind
from course_lib.data.world.scenes import COLOURS, KINDS


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


USUAL = torch.tensor([3, 1, 4, 0, 5, 2])


def test_even_questions_are_answered_yes_as_often_as_no_whatever_they_ask():
    questions = blind.even(40_000, chance())
    assert questions.answers().float().mean() == 0.5
    for kind in range(len(KINDS)):
        for colour in range(len(COLOURS)):
            asked = (questions.kinds == kind) & (questions.asked == colour)
            assert questions.answers()[asked].float().mean().item() == pytest.approx(0.5, abs=0.1)


def test_of_uneven_questions_the_asked_colour_tells_the_answer():
    questions = blind.uneven(40_000, USUAL, chance())
    usual = questions.asked == USUAL[questions.kinds]
    yes = questions.answers().float()
    assert yes[usual].mean().item() == pytest.approx(0.8, abs=0.02)
    assert yes[~usual].mean().item() == pytest.approx(0.2 / 7, abs=0.01)
    assert usual.float().mean().item() == pytest.approx(0.5, abs=0.02)


def test_a_question_names_the_kind_that_is_shown_and_the_colour_that_is_asked_for():
    questions = blind.Questions(torch.tensor([0]), torch.tensor([2]), torch.tensor([1]))
    text = blind.TEXTS[0 * len(COLOURS) + 1]
    assert torch.equal(questions.ids()[0, 1:], blind.WORDS.encode([text], 12)[0])
    assert blind.ZH[KINDS[0]] in text and blind.ZH[list(COLOURS)[1]] in text and not questions.answers().any()


def test_the_blind_one_answers_alike_whatever_is_shown_and_the_seeing_one_does_not():
    torch.manual_seed(0)
    model = blind.build().eval()
    asked = blind.even(8, chance())
    other = asked._replace(colours=blind.others(asked.colours, chance(1)))
    with torch.no_grad():
        sees = [blind.logits(model, each, 0, blind=False) for each in (asked, other)]
        unseeing = [blind.logits(model, each, 0, blind=True) for each in (asked, other)]
    assert torch.equal(*unseeing) and not torch.allclose(*sees)
