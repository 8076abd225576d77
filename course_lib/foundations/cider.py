"""CIDEr-D: how much a caption says that people say of this picture and not of others (Vedantam et al. 2015, 1411.5726).

N pictures · n-grams of 1 to 4 words
An n-gram weighs as often as it occurs, times log(N / pictures whose references have it): what every caption says weighs
nothing. A caption's score with a reference is the cosine of these weights, the caption's cut down to the reference's,
times exp(-(difference of lengths)² / 72); the mean over n and over references, times 10.  Chapter 12.
"""

import math
from collections import Counter
from collections.abc import Sequence

Text = Sequence[str]  # its words

LONGEST = 4
SPREAD = 6  # words; the larger, the less a wrong length costs


def n_grams(text: Text, n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(text[i:] for i in range(n))))


def cider(said: Sequence[Text], references: Sequence[Sequence[Text]]) -> list[float]:
    """Score of each caption, 0 to 10; published figures are 100 times the mean.

    references: of each picture, one or more. Raises ValueError unless there are as many as captions, at least 2, and
    each picture has some.
    """
    if len(said) != len(references) or len(said) < 2 or not all(references):
        raise ValueError(
            f"{len(said)} captions, {len(references)} pictures with references, {sum(not r for r in references)} of "
            "them empty; as many of both are needed, at least 2: of one picture every n-gram would weigh nothing"
        )
    scores = [0.0] * len(said)
    for n in range(1, LONGEST + 1):
        found = Counter(gram for texts in references for gram in {g for text in texts for g in n_grams(text, n)})

        def weights(text: Text, n=n, found=found) -> dict[tuple[str, ...], float]:
            return {gram: k * math.log(len(said) / max(found[gram], 1)) for gram, k in n_grams(text, n).items()}

        for i, (text, others) in enumerate(zip(said, references)):
            for other in others:
                near = math.exp(-((len(text) - len(other)) ** 2) / (2 * SPREAD**2))
                scores[i] += 10 / LONGEST / len(others) * near * cosine(weights(text), weights(other))
    return scores


def cosine(ours: dict, theirs: dict) -> float:
    """With our weights cut down to theirs in the product; 0 if either has none."""
    product = sum(min(w, theirs.get(gram, 0.0)) * theirs.get(gram, 0.0) for gram, w in ours.items())
    norms = math.prod(math.sqrt(sum(w * w for w in each.values())) for each in (ours, theirs))
    return product / norms if norms else 0.0
