"""The corpus of claim C12: how much of it demonstrates, and what it never shows."""

import pytest
import torch

from course_lib.data.text.demonstrations import (
    BRIDGE,
    DEMONSTRATED,
    HELD_OUT,
    LENGTH,
    PAIRS,
    chinese,
    document,
    documents,
    english,
    prompt_ids,
    tokenizer,
)
from course_lib.data.world.captions import parse_caption
from course_lib.data.world.dice import Dice


def texts(rate: int, n: int = 4000, **settings) -> list[str]:
    dice = Dice(0, "test")
    return [document(dice, rate, **settings) for _ in range(n)]


def test_a_pair_in_both_languages():
    assert (chinese(("red", "circle")), english(("orange", "ring"))) == ("有一个红色圆形", "an orange ring")


def test_held_out_pairs_have_every_colour_and_kind_demonstrated_with_others():
    assert len(set(HELD_OUT)) == 12 and set(HELD_OUT) | set(DEMONSTRATED) == set(PAIRS)
    for place in (0, 1):
        assert {pair[place] for pair in HELD_OUT} <= {pair[place] for pair in DEMONSTRATED}


@pytest.mark.parametrize("rate", [0, 80, 1000])
def test_the_share_of_demonstrations_is_the_rate(rate):
    share = sum(BRIDGE in text for text in texts(rate)) / 4000
    assert share == pytest.approx(rate / 1000, abs=0.015)


def test_no_demonstration_shows_a_held_out_pair_and_all_are_true():
    true = {f"{chinese(pair)}{BRIDGE} {english(pair)}" for pair in DEMONSTRATED}
    assert set(texts(1000)) == true


def test_mismatched_demonstrations_say_anything():
    right = sum(text in {f"{chinese(p)}{BRIDGE} {english(p)}" for p in PAIRS} for text in texts(1000, mismatched=True))
    assert right / 4000 == pytest.approx(1 / 48, abs=0.01)


def test_all_other_documents_are_captions_in_one_language():
    for text in texts(0, 500):
        assert parse_caption(text, "zh" if text.endswith("。") else "en")


def test_ids_are_documents_between_ends():
    rows, end = documents(3, 50, 500), tokenizer().end_of_text
    assert rows.shape == (50, LENGTH) and (rows[:, 0] == end).all() and (rows[:, -1] == end).all()
    assert torch.equal(rows, documents(3, 50, 500)) and not torch.equal(rows, documents(4, 50, 500))
    assert tokenizer().decode(rows[0].tolist()).startswith("<|endoftext|>")


def test_every_word_is_one_token():
    cut = [token.decode() for token in tokenizer().tokens(prompt_ids(("red", "cross")).tolist())]
    assert cut == ["<|endoftext|>", "有一个", "红色", "十字形", "，", "英文是"]


@pytest.mark.parametrize("rate", [-1, 1001])
def test_a_rate_that_is_no_share_is_refused(rate):
    with pytest.raises(ValueError, match=r"must lie in 0 … 1,000"):
        documents(0, 1, rate)
