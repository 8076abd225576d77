"""The tiny language: whole words, few of them at a time, the same everywhere in a text."""

import itertools

import torch

from course_lib.toys.topic_text import N_LETTERS, N_WORDS, WORDS_IN_A_TOPIC, WORDS_ON_A_TOPIC, topic_texts, vocabulary


def spelled(text: list[int], words: list[tuple[int, ...]]) -> set[int]:
    """Places that can be reached from the start by whole words."""
    reached = {0}
    for start in range(len(text)):
        if start in reached:
            reached |= {start + len(word) for word in words if tuple(text[start : start + len(word)]) == word}
    return reached


def test_a_text_is_made_of_whole_words():
    words = [tuple(word) for word in vocabulary(0)]
    assert len(words) == N_WORDS
    assert {len(word) for word in words} == {3, 4, 5}
    text = topic_texts(0, "test", 1, 500)[0].tolist()
    assert max(spelled(text, words)) >= 496
    assert set(text) == set(range(N_LETTERS))
    assert max(spelled(text[::-1], words)) < 100


def test_a_topic_uses_few_words():
    text = topic_texts(0, "test", 1, 3 * WORDS_ON_A_TOPIC)[0].tolist()
    words = [tuple(word) for word in vocabulary(0)]
    chosen = itertools.combinations(range(N_WORDS), WORDS_IN_A_TOPIC)
    assert any(max(spelled(text, [words[i] for i in four])) >= len(text) - 4 for four in chosen)


def test_language_and_part_fix_the_text():
    assert torch.equal(topic_texts(0, "test", 3, 40), topic_texts(0, "test", 3, 40))
    assert not torch.equal(topic_texts(0, "test", 3, 40), topic_texts(0, "train", 3, 40))
    assert vocabulary(0) != vocabulary(1)


def test_far_letters_are_like_near_ones():
    texts = topic_texts(0, "test", 2000, 64)
    counts = torch.stack([torch.bincount(half.flatten(), minlength=N_LETTERS) for half in texts.chunk(2, dim=1)])
    assert (counts[0] / counts[1] - 1).abs().max() < 0.05
