"""Near-copies among many texts without comparing all pairs: MinHash signatures and banding (LSH).

Broder 1997, On the resemblance and containment of documents; GPT-3 (arXiv:2005.14165), appendix A, uses Spark's.
N documents · K hash functions = b bands × r rows.  The kept library for the same: datasketch.  Chapter 09.

    text → shingles (a set) → signature [K] → bands → candidate pairs → check → clusters → one of each is kept
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

from course_lib.foundations.checks import check_count, check_counts, check_texts, check_within

PRIME = 2**31 - 1  # a · x + b stays below 2^63 for a, x < PRIME


def shingles(text: str, k: int = 5) -> set[str]:
    """All substrings of k characters; the whole text if it is shorter. Raises ValueError for k < 1."""
    check_count("k", k, 1)
    return {text[i : i + k] for i in range(max(1, len(text) - k + 1))}


def jaccard(a: set, b: set) -> float:
    """|A ∩ B| / |A ∪ B|: 1 for equal sets, 0 for disjoint ones; two empty sets count as equal."""
    return len(a & b) / len(a | b) if a or b else 1.0


class MinHash:
    """K random orders of all shingles; a text's signature holds, for each order, the smallest rank among its shingles.

    P(two signatures agree at one place) = Jaccard similarity, so the share of agreeing places estimates it, with
    standard deviation √(J(1−J)/K). An order is x ↦ (a x + b) mod p, nearly as good as a random permutation.
    """

    def __init__(self, n_hashes: int = 128, *, seed: int = 0):
        check_count("n_hashes", n_hashes, 1)
        generator = np.random.Generator(np.random.PCG64(seed))
        self.a = generator.integers(1, PRIME, (n_hashes, 1), dtype=np.uint64)
        self.b = generator.integers(0, PRIME, (n_hashes, 1), dtype=np.uint64)

    def signature(self, items: Iterable[str]) -> Int[np.ndarray, "K"]:
        """Raises ValueError for an empty set, which has no smallest rank."""
        x = np.array([_number(item) for item in items], dtype=np.uint64)
        if not x.size:
            raise ValueError("an empty set has no signature; leave empty texts out")
        return ((self.a * x + self.b) % np.uint64(PRIME)).min(axis=1).astype(np.int64)

    def signatures(self, sets: Sequence[Iterable[str]]) -> Int[np.ndarray, "N K"]:
        return np.array([self.signature(items) for items in sets], dtype=np.int64).reshape(len(sets), len(self.a))


def _number(item: str) -> int:
    return int.from_bytes(hashlib.blake2b(item.encode(), digest_size=8).digest(), "big") % PRIME


def estimate(one: Int[np.ndarray, "... K"], other: Int[np.ndarray, "... K"]) -> Float[np.ndarray, "..."]:
    """The share of places where two signatures agree: an unbiased estimate of the Jaccard similarity."""
    return (one == other).mean(axis=-1)


def collision_probability(s: Float[np.ndarray, "..."], bands: int, rows: int) -> Float[np.ndarray, "..."]:
    """P(a pair of similarity s becomes a candidate) = 1 − (1 − s^r)^b: the S-curve."""
    check_within("s", s, 0, 1)
    check_counts(1, bands=bands, rows=rows)
    return 1 - (1 - np.asarray(s, dtype=np.float64) ** rows) ** bands


def knee(bands: int, rows: int) -> float:
    """(1/b)^(1/r), about where the S-curve is steepest: there s^r = 1/b and the curve is near 1 − 1/e = 0.63."""
    check_counts(1, bands=bands, rows=rows)
    return (1 / bands) ** (1 / rows)


def candidate_pairs(signatures: Int[np.ndarray, "N K"], bands: int, rows: int) -> set[tuple[int, int]]:
    """Pairs i < j that agree in all r rows of at least one band.

    Raises ValueError if bands × rows is more than the signature holds.
    """
    if bands < 1 or rows < 1 or bands * rows > signatures.shape[1]:
        raise ValueError(
            f"{bands} bands × {rows} rows need {bands * rows} hashes, the signatures have {signatures.shape[1]}; "
            f"with {rows} rows take at most {signatures.shape[1] // max(1, rows)} bands"
        )
    pairs = set()
    for band in range(bands):
        buckets = defaultdict(list)
        for document, key in enumerate(signatures[:, band * rows : (band + 1) * rows]):
            buckets[key.tobytes()].append(document)
        for members in buckets.values():
            pairs.update(combinations(members, 2))
    return pairs


def clusters(n: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Connected components of n documents joined by pairs, each sorted, in order of their first member.

    Beware: being alike is not transitive. A~B and B~C put A and C into one cluster however different they are; see
    `chained`. A long chain of small edits can swallow documents that share nothing.
    """
    parent = list(range(n))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in pairs:
        check_within(f"pair of {n} documents", (i, j), 0, n - 1)
        parent[max(root(i), root(j))] = min(root(i), root(j))
    found = defaultdict(list)
    for i in range(n):
        found[root(i)].append(i)
    return list(found.values())


def chained(cluster: Sequence[int], similarity: Callable[[int, int], float], threshold: float) -> list[tuple[int, int]]:
    """Pairs of a cluster that are below the threshold themselves: only others between them joined them."""
    return [(i, j) for i, j in combinations(cluster, 2) if similarity(i, j) < threshold]


def similar_pairs(
    texts: Sequence[str], *, bands: int = 20, rows: int = 6, threshold: float = 0.6, k: int = 5, seed: int = 0
) -> dict[tuple[int, int], float]:
    """Candidate pairs whose true Jaccard similarity reaches the threshold, with that similarity."""
    check_texts("texts", texts)
    sets = [shingles(text, k) for text in texts]
    candidates = candidate_pairs(MinHash(bands * rows, seed=seed).signatures(sets), bands, rows)
    checked = {(i, j): jaccard(sets[i], sets[j]) for i, j in sorted(candidates)}
    return {pair: similarity for pair, similarity in checked.items() if similarity >= threshold}


def deduplicate(
    texts: Sequence[str], *, bands: int = 20, rows: int = 6, threshold: float = 0.6, k: int = 5, seed: int = 0
) -> list[int]:
    """Places of the texts to keep: the first of every cluster of near-copies (one stays, never none)."""
    pairs = similar_pairs(texts, bands=bands, rows=rows, threshold=threshold, k=k, seed=seed)
    return [cluster[0] for cluster in clusters(len(texts), pairs)]
