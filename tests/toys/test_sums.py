"""Sums in a chat: what is asked, what is right, and how demonstrators err."""

import random
from collections import Counter

import pytest
import torch

from course_lib.posttraining.chat import chatml
from course_lib.toys import sums
from course_lib.toys.sums import Demonstrator


def text_of(question):
    return question[-1]["content"]


def test_pairs_are_all_sums_of_two_digits_and_mirrors_stay_together():
    learned, kept = map(set, (sums.pairs(False), sums.pairs(True)))
    assert learned | kept == {(a, b) for a in range(10, 90) for b in range(10, 90) if a + b < 100}
    assert not learned & kept and len(learned | kept) == 3240
    assert all((b, a) in kept for a, b in kept)


@pytest.mark.parametrize("split", sums.SPLITS)
def test_right_is_what_python_says(split):
    for question in sums.questions(split, 50):
        text = "".join(message["content"] for message in question)
        for sign in ("再加", "加", "请", "。"):
            text = text.replace(sign, "+" if "加" in sign else "")
        first, *more = text.replace("+", " ").replace("=?", " ").replace("等于几？", " ").split()
        given = [int(first), *map(int, more)]
        if split == "two turns" and len(question) == 3:
            assert int(question[1]["content"]) == given[0] + given[1]
            given = [given[0], given[1], given[3]]
        assert sums.right(question) == str(sum(given))


def test_a_carry_is_forgotten_column_by_column():
    assert sums.carryless(sums.ask("27+15=?")) == "32"
    assert sums.carryless(sums.ask("27+12=?")) == "39"
    assert sums.carryless(sums.ask("168+275=?")) == "333"
    for a, b in sums.pairs(True):
        off = a + b - int(sums.carryless(sums.ask(f"{a}+{b}=?")))
        assert off == (10 if sums.carries(a, b) else 0)


def test_every_text_comes_back_and_every_prompt_fits():
    longest = 0
    for split in sums.SPLITS:
        for question in sums.questions(split, 200):
            ids = sums.chat().prompt(question)
            assert sums.decode(ids) == chatml(question) + "<|im_start|>assistant\n"
            longest = max(longest, len(ids))
    assert longest + 6 <= sums.CONTEXT


def test_no_training_text_has_a_pair_held_out():
    asked = {tuple(sums.numbers(question)) for question in sums.questions("train")}
    assert asked == set(sums.pairs(False))
    held = {f"{a}{sign}{b}" for a, b in sums.pairs(True) for sign in "+加"}
    for ids in sums.pages(200):
        text = sums.decode(ids.tolist())
        assert not any(text[i : i + 5] in held for i in range(1, len(text)) if not text[i - 1].isdigit())


def test_pages_have_no_conversation_and_are_drawn_by_their_seed():
    chat = sums.chat()
    assert torch.equal(sums.pages(4, 1), sums.pages(4, 1)) and not torch.equal(sums.pages(4, 1), sums.pages(4, 2))
    assert not torch.isin(sums.pages(100), torch.tensor([chat.start, chat.end])).any()


@pytest.mark.parametrize("p", [0.3, 0.9])
@pytest.mark.parametrize("error", sums.ERRORS)
def test_a_demonstrator_is_right_as_often_as_it_says(p, error):
    talks = Demonstrator(p, error).conversations(4000)
    right = sum(each[-1]["content"] == sums.right(each[:-1]) for each in talks) / len(talks)
    assert right == pytest.approx(p, abs=0.03)


def test_errors_are_of_their_kind():
    chance = random.Random(0)
    question = sums.ask("27+15=?")
    said = {
        error: Counter(Demonstrator(0, error).answer(question, chance) for _ in range(3000)) for error in sums.ERRORS
    }
    assert set(said["random"]) == {f"{tens}2" for tens in range(1, 10)} - {"42"}
    assert max(said["random"].values()) < 1.3 * 3000 / 8
    assert set(said["systematic"]) == set(said["carry"]) == {"32"}
    assert all(sums.carries(*sums.numbers(each)) for each in Demonstrator(0.5, "systematic").questions("train", 100))


def test_the_seed_says_what_is_drawn():
    teacher = Demonstrator(0.5)
    assert teacher.conversations(20, 1) == teacher.conversations(20, 1) != teacher.conversations(20, 2)
    assert teacher.questions("held-out", 20, 1) == teacher.questions("held-out", 20, 1)


def test_talks_answer_rightly_and_half_go_on():
    talks = sums.talks(1000)
    assert all(each[-1]["content"] == sums.right(each[:-1]) for each in talks)
    assert sum(len(each) == 4 for each in talks) / len(talks) == pytest.approx(0.5, abs=0.05)


def test_wishes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="split"):
        sums.questions("test")
    with pytest.raises(ValueError, match="share"):
        Demonstrator(1.2)
    with pytest.raises(ValueError, match="error"):
        Demonstrator(0.5, "typo")


def test_a_reward_is_for_the_number_alone():
    assert [sums.reward(text, "42") for text in ("42", "42。", "", "042")] == [1, 0, 0, 0]
