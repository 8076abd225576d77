"""Telling good text from a raw crawl, and keeping a document by chance: GPT-3's filter, small.

Brown et al. 2020 (arXiv:2005.14165), appendix A: logistic regression on hashed word counts, good collections against
raw Common Crawl; then a document is kept if and only if np.random.pareto(9) > 1 - score.

N documents · F hashed features.  Words are characters here, and n-grams of them.  Chapter 09.
The kept library for the same fit: sklearn.linear_model.LogisticRegression.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from course_lib.foundations.checks import check_texts, check_within

N_FEATURES = 512
PARETO_ALPHA = 9.0


def hashed_shares(
    texts: Sequence[str], *, n_grams: Sequence[int] = (1, 2), n_features: int = N_FEATURES
) -> Float[np.ndarray, "N F"]:
    """How often each of F buckets is hit, as a share of the text's n-grams: no vocabulary, some collisions.

    n_grams (1,) is a bag of characters, blind to their order, as GPT-3's bag of words is; (1, 2) sees neighbours.
    """
    check_texts("texts", texts)
    shares = np.zeros((len(texts), n_features))
    for row, text in zip(shares, texts):
        grams = [text[i : i + n] for n in n_grams for i in range(len(text) - n + 1)]
        buckets = [zlib.crc32(gram.encode()) % n_features for gram in grams]
        np.add.at(row, buckets, 1 / max(1, len(buckets)))
    return shares


@dataclass(frozen=True)
class QualityClassifier:
    """score = sigmoid(features · weights + bias): how much a text looks like the good collection, 0 to 1."""

    weights: Float[np.ndarray, "F"]
    bias: float
    n_grams: tuple[int, ...]

    def score(self, texts: Sequence[str]) -> Float[np.ndarray, "N"]:
        features = hashed_shares(texts, n_grams=self.n_grams, n_features=len(self.weights))
        return sigmoid(features @ self.weights + self.bias)


def sigmoid(x: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    return 0.5 * (1 + np.tanh(0.5 * x))  # no overflow


def train_classifier(
    good: Sequence[str],
    raw: Sequence[str],
    *,
    n_grams: Sequence[int] = (1, 2),
    n_features: int = N_FEATURES,
    penalty: float = 0.01,
    max_steps: int = 50,
) -> QualityClassifier:
    """Logistic regression by Newton's method: minimise Σ log-loss + penalty/2 · |weights|², bias free.

    `raw` holds good texts too, as a crawl does: nobody has labelled it. penalty is 1/C of scikit-learn.
    Raises ValueError if a side is empty or the steps do not converge.
    """
    if not good or not raw:
        raise ValueError(f"{len(good)} good and {len(raw)} raw texts; both sides need at least one")
    x = hashed_shares([*good, *raw], n_grams=n_grams, n_features=n_features)
    x = np.hstack([x, np.ones((len(x), 1))])  # the last weight is the bias
    y = np.repeat([1.0, 0.0], [len(good), len(raw)])
    pull = np.append(np.full(n_features, penalty), 0.0)
    w = np.zeros(n_features + 1)

    def loss(w):
        z = x @ w
        return np.logaddexp(0, z).sum() - y @ z + 0.5 * pull @ w**2

    for _ in range(max_steps):
        p = sigmoid(x @ w)
        gradient = x.T @ (p - y) + pull * w
        if np.abs(gradient).max() < 1e-8:
            return QualityClassifier(w[:-1], float(w[-1]), tuple(n_grams))
        curvature = (x.T * (p * (1 - p))) @ x + np.diag(pull)
        step, size = np.linalg.solve(curvature, gradient), 1.0
        while loss(w - size * step) > loss(w) and size > 1e-4:  # shorter, where the parabola fits badly
            size /= 2
        w = w - size * step
    raise ValueError(f"no convergence in {max_steps} Newton steps; raise the penalty ({penalty})")


def keep_probability(score: Float[np.ndarray, "..."], alpha: float = PARETO_ALPHA) -> Float[np.ndarray, "..."]:
    """P(pareto(alpha) > 1 - score) = (2 - score)^-alpha.

    numpy's pareto is the Lomax distribution, P(X > x) = (1 + x)^-alpha: score 1 is kept always, 0.5 in 2.6 %.
    Raises ValueError for scores outside 0 … 1.
    """
    check_within("score", score, 0, 1)
    return (2 - np.asarray(score, dtype=np.float64)) ** -alpha


def keep_by_pareto(
    scores: Float[np.ndarray, "N"], generator: np.random.Generator, alpha: float = PARETO_ALPHA
) -> Bool[np.ndarray, "N"]:
    """GPT-3's rule, drawn once a document: pareto(alpha) > 1 - score. Raises ValueError for scores outside 0 … 1."""
    scores = np.asarray(scores, dtype=np.float64)
    check_within("scores", scores, 0, 1)
    return generator.pareto(alpha, size=scores.shape) > 1 - scores
