"""What BLEU and CIDEr say of captions of one template."""

import pytest

from course_lib.chapters.ch12_blip import captioning, learning


def test_the_true_captions_have_full_marks():
    true = captioning.true_captions()
    assert captioning.scores(true, true) == pytest.approx((100, 1000))


@pytest.mark.parametrize("part", range(3))
def test_captions_of_which_none_is_right_still_have_marks(part):
    """Why exact ones are counted: one word is wrong, and all others agree."""
    true, said = captioning.true_captions(), captioning.one_wrong(part)
    assert not any(a == b for a, b in zip(said, true))
    bleu, cider = captioning.scores(said, true)
    assert 45 < bleu < 63 and 270 < cider < 670


def test_the_prompt_earns_nothing():
    true = captioning.true_captions()
    assert captioning.scores([learning.PROMPTS["en"]] * len(true), true) == (0, 0)
