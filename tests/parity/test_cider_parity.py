"""CIDEr equals that of pycocoevalcap, which came from COCO's own evaluation; its other parts need Java."""

import random

import pytest
from pycocoevalcap.cider.cider import Cider

from course_lib.foundations.cider import cider

WORDS = ["a", "red", "blue", "circle", "square", "at", "the", "top", "left", "and"]


@pytest.mark.parametrize("seed", range(5))
def test_cider_equals_pycocoevalcaps(seed):
    """Texts of 1 to 12 words, 1 to 3 references, repeated words, captions that are a reference."""
    chance = random.Random(seed)

    def text():
        return chance.choices(WORDS, k=chance.randint(1, 12))

    references = [[text() for _ in range(chance.randint(1, 3))] for _ in range(20)]
    said = [chance.choice([text(), texts[0]]) for texts in references]
    theirs = Cider().compute_score(
        {i: [" ".join(text) for text in texts] for i, texts in enumerate(references)},
        {i: [" ".join(text)] for i, text in enumerate(said)},
    )
    ours = cider(said, references)
    assert ours == pytest.approx(theirs[1].tolist(), abs=1e-10)
    assert sum(ours) / len(ours) == pytest.approx(theirs[0], abs=1e-10)
