"""Captions of one thing as ids and back, what is shown in training, and what an examination asks."""

import pytest
import torch

from course_lib.data.world.captions import LANGUAGES
from course_lib.data.world.scenes import combinations
from course_lib.toys import told_shape
from course_lib.toys.one_shape import UNSEEN, held_out, pictures, seen
from course_lib.toys.told_shape import encode, exam, ids_of, is_token, prompt, read, sentence
from course_lib.toys.words import END


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_caption_comes_back_from_its_ids(language):
    ids = ids_of(language)
    assert (ids[:, 0] == told_shape.first()).all() and len(ids.unique(dim=0)) == len(combinations())
    assert [read(row) for row in ids] == [sentence(triple, language) for triple in combinations()]


def test_a_row_counts_up_to_its_first_end():
    ids = torch.tensor([[9, 3, END, 4, END], [9, 3, 4, 5, 6], [9, END, END, END, END]])
    assert is_token(ids).tolist() == [[True] * 3 + [False] * 2, [True] * 5, [True] * 2 + [False] * 3]
    assert is_token(ids[None]).tolist() == [is_token(ids).tolist()]
    texts = encode([sentence(combinations()[0], language) for language in LANGUAGES])
    assert all(row[keep][-1] == END and END not in row[keep][:-1] for row, keep in zip(texts, is_token(texts)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_prompt_is_what_all_captions_of_its_language_share(language):
    begun = prompt(language)
    assert (ids_of(language)[:, : begun.shape[1]] == begun).all() and END not in begun
    (other,) = set(LANGUAGES) - {language}
    assert not (ids_of(other)[:, : begun.shape[1]] == begun).all(1).any()


def test_batches_show_seen_combinations_with_a_caption_that_says_them():
    shown = set()
    for step in range(6):
        images, ids, numbers = told_shape.batches(step, 20)
        shown |= set(numbers.tolist())
        triples = [combinations()[i] for i in numbers.tolist()]
        assert [read(row) for row in ids] == [sentence(triple, "zh") for triple in triples]
        assert torch.equal(images, pictures(triples, 20 * step))
    assert shown <= set(seen().tolist()) and len(shown) > 50


def test_the_exam_asks_for_what_was_never_shown_and_its_wrong_answers_are_wrong_in_one_thing():
    images, numbers, others = exam()
    assert sorted(numbers.tolist()) == sorted(held_out().tolist() * 2)
    assert torch.equal(images, pictures([combinations()[i] for i in numbers.tolist()], UNSEEN))
    for number, three in zip(numbers.tolist(), others.tolist()):
        right = combinations()[number]
        for part, other in enumerate(three):
            differs = [a != b for a, b in zip(right, combinations()[other])]
            assert differs == [i == part for i in range(3)]


def test_exact_is_the_share_that_is_right_to_the_last_word():
    true = [sentence(combinations()[i], "en") for i in exam().numbers.tolist()]
    assert told_shape.exact(lambda images: true, "en") == 1
    assert told_shape.exact(lambda images: [text + "." for text in true[:24]] + true[24:], "en") == 0.75
