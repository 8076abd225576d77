"""CIDEr by hand, and what its weights do."""

import math

import pytest

from course_lib.foundations.cider import cider


def words(*texts):
    return [text.split() for text in texts]


def test_the_same_words_have_ten_and_others_none():
    said = words("a red circle here", "the blue square there")
    assert cider(said, [[text] for text in said]) == pytest.approx([10, 10])
    assert cider(said[::-1], [[text] for text in said]) == [0, 0]


def test_by_hand():
    """Two pictures: what stands in one of them weighs ln 2, "a" in both nothing; no n-gram of 3 or 4 words."""
    references = [words("a circle"), words("a square")]
    assert cider(words("a circle", "circle"), references) == pytest.approx([5, 0])
    near = math.exp(-1 / 72)
    assert cider(words("circle", "a square"), references) == pytest.approx([10 / 4 * near, 5])


def test_a_word_too_often_does_not_pay():
    """Cut down to how often the reference has it: the product stays, the norm grows."""
    references = [words("red circle"), words("blue square")]
    once, often = (cider(words(text, "blue square"), references)[0] for text in ("red circle", "red circle circle"))
    assert often < once


@pytest.mark.parametrize(
    "said, references", [([["a"]], [[["a"]]]), ([["a"], ["b"]], [[["a"]]]), ([["a"], ["b"]], [[["a"]], []])]
)
def test_too_few_are_named(said, references):
    with pytest.raises(ValueError, match=f"{len(said)} captions, {len(references)} pictures"):
        cider(said, references)
