"""Poems by counting: what a poet of unigrams, bigrams or trigrams expects, the rivals of the one in the zoo.

Interpolated Kneser-Ney (Kneser and Ney 1995; Chen and Goodman 1999): a context that was seen gives up `discount` of
each count to the context one shorter, where a token counts once for each that stands before it.  Chapter 08.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from course_lib.data.real.poems import EDGE, SIGNS, Poem, vocabulary


class CountedPoems:
    """Probabilities from the n-grams of `poems`, marks and edges among them. discount: 0 to 1."""

    def __init__(self, poems: Iterable[Poem], n: int, discount: float):
        self.n, self.discount = n, discount
        self.counts: list[defaultdict[str, Counter]] = [defaultdict(Counter) for _ in range(n)]
        seen = Counter(context + token for poem in poems for context, token in self.places(poem))
        for length in range(n - 1, -1, -1):
            for gram, count in seen.items():
                self.counts[length][gram[:-1]][gram[-1]] += count
            seen = Counter(gram[1:] for gram in seen)
        self.totals = [{context: after.total() for context, after in counts.items()} for counts in self.counts]

    def places(self, poem: Poem) -> Iterator[tuple[str, str]]:
        """Every token of the poem and the edge after it, each with the n - 1 before it: edges, at the start."""
        text = f"{EDGE * (self.n - 1)}{poem}{EDGE}"
        return ((text[i - self.n + 1 : i], text[i]) for i in range(self.n - 1, len(text)))

    def probability(self, context: str, token: str) -> float:
        """Of `token` after `context`, n - 1 tokens."""
        p = 1 / len(vocabulary())
        for length in range(self.n):
            last = context[len(context) - length :]
            if last in self.totals[length]:
                after = self.counts[length][last]
                given_up = self.discount * len(after)
                p = (max(0.0, after[token] - self.discount) + given_up * p) / self.totals[length][last]
        return p

    def log_probability(self, poems: Iterable[Poem]) -> float:
        """Of a character, in nats, on average, as poet.log_probability has it: marks and edges are left out."""
        places = [place for poem in poems for place in self.places(poem) if place[1] not in SIGNS]
        return sum(math.log(self.probability(*place)) for place in places) / len(places)
