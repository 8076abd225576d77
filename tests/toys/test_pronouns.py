"""The pronoun sentences: nothing but the last word tells, and no bag of words does."""

import pytest
import torch

from course_lib.toys.pronouns import (
    ABOUT_THE_CHASED,
    ABOUT_THE_CHASER,
    ANIMALS,
    LENGTH,
    PRONOUN,
    WORDS,
    encode_words,
    pronoun_sentences,
)


@pytest.fixture(scope="module")
def sentences():
    return pronoun_sentences(4000, torch.Generator().manual_seed(0))


def test_the_answer_is_the_animal_that_the_adjective_fits(sentences):
    for ids, answer in zip(*(part[:200].tolist() for part in sentences)):
        words = [WORDS[i] for i in ids]
        assert len(words) == LENGTH and words[PRONOUN] == "它"
        assert words[0] in ANIMALS and words[2] in ANIMALS and words[0] != words[2]
        assert words[-1] in (ABOUT_THE_CHASER if answer == ids[0] else ABOUT_THE_CHASED)
        assert answer in (ids[0], ids[2])


def test_both_readings_and_all_animals_are_equally_usual(sentences):
    ids, answers = sentences
    assert abs((answers == ids[:, 0]).float().mean().item() - 0.5) < 0.03
    for place in (0, 2):
        shares = torch.bincount(ids[:, place], minlength=len(ANIMALS))[: len(ANIMALS)] / len(ids)
        assert (shares - 1 / len(ANIMALS)).abs().max() < 0.03


def test_the_same_seed_gives_the_same_sentences():
    first, second = (pronoun_sentences(5, torch.Generator().manual_seed(3))[0] for _ in range(2))
    assert torch.equal(first, second)


def test_an_unknown_word_is_named():
    assert [WORDS[i] for i in encode_words("猫 追 老鼠")] == ["猫", "追", "老鼠"]
    with pytest.raises(ValueError, match="鲸鱼"):
        encode_words("鲸鱼 追 老鼠")
