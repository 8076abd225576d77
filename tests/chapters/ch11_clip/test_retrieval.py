"""Words, ranks and recalls against counting by hand."""

import pytest
import torch

from course_lib.chapters.ch11_clip.retrieval import ranks, recall_at, retrieval_table
from course_lib.toys.words import END, UNKNOWN, Words, words_of


def test_a_chinese_character_or_an_english_word_is_a_word():
    assert words_of("红色圆形 a T-shirt, o’clock") == [*"红色圆形", "a", "t-shirt", ",", "o’clock"]


def test_texts_end_and_unknown_words_are_named():
    words = Words(["a red ring"])
    rows = words.encode(["a red ring", "a pink ring", ""], 5)
    assert rows.shape == (3, 5) and (rows == END).sum(1).tolist() == [2, 2, 5]
    assert rows[1, 1] == UNKNOWN and words.unknown("a pink ring") == ["pink"]
    assert len(set(rows[0, :3].tolist()) | {END, UNKNOWN}) == words.n_vocab
    with pytest.raises(ValueError, match="at most 2"):
        words.encode(["a red ring"], 3)


def test_ranks_count_what_lies_before_and_equals_come_first():
    table = torch.tensor([[0.9, 0.1, 0.5], [0.2, 0.1, 0.3], [0.4, 0.4, 0.4]])
    assert ranks(table, torch.tensor([0, 1, 1])).tolist() == [1, 3, 3]
    assert recall_at(table, torch.tensor([0, 1, 1]), 1) == pytest.approx(1 / 3)


def test_a_model_that_says_the_same_of_everything_finds_nothing():
    same = torch.ones(4, 3)
    assert set(retrieval_table(same, {"zh": same}).values()) == {(0.0, 1.0)}  # of 4, all are among the first 5


def test_both_directions_and_a_smaller_gallery():
    pictures = torch.eye(8)
    texts = torch.eye(8)
    texts[0] = texts[1]  # picture 0's name reads as picture 1's
    full = retrieval_table(pictures, {"en": texts})
    assert full["en", "i2t"][0] == pytest.approx(6 / 8)  # picture 0 has no name of its own, picture 1 has a double
    assert full["en", "t2i"][0] == pytest.approx(7 / 8)
    few = torch.tensor([3, 5])
    assert retrieval_table(pictures, {"en": texts}, few, few)["en", "i2t"] == (1.0, 1.0)
    with pytest.raises(ValueError, match="1 of 2 queries"):
        retrieval_table(pictures, {"en": texts}, few, torch.tensor([3]))
