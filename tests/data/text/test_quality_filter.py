"""The filter: the fit is scikit-learn's, the rule keeps with (2 - s)^-alpha, a bag of characters is blind to order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from course_lib.data.text.quality_filter import (
    hashed_shares,
    keep_by_pareto,
    keep_probability,
    sigmoid,
    train_classifier,
)
from course_lib.data.text.web_text import crawl, curated

GOOD, DOCUMENTS = curated(120, 0), crawl(80, 0)
RAW = [document.text for document in DOCUMENTS]


@pytest.mark.parametrize("penalty", [0.01, 1.0])
def test_the_fit_is_that_of_scikit_learn(penalty):
    ours = train_classifier(GOOD, RAW, n_features=64, penalty=penalty)
    features = hashed_shares([*GOOD, *RAW], n_features=64)
    theirs = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    theirs.fit(features, np.repeat([1, 0], [len(GOOD), len(RAW)]))
    np.testing.assert_allclose(ours.weights, theirs.coef_[0], atol=1e-6)
    np.testing.assert_allclose(ours.bias, theirs.intercept_[0], atol=1e-6)
    np.testing.assert_allclose(
        ours.score(RAW), theirs.predict_proba(hashed_shares(RAW, n_features=64))[:, 1], atol=1e-8
    )


@given(st.text(min_size=1, max_size=30), st.randoms())
def test_single_characters_are_blind_to_order_and_pairs_are_not(text, chance):
    signs = list(text)
    chance.shuffle(signs)
    both = hashed_shares([text, "".join(signs)], n_grams=(1,))
    np.testing.assert_allclose(both[0], both[1])
    np.testing.assert_allclose(both.sum(1), 1)
    pairs = hashed_shares(["狗咬人", "人咬狗"], n_grams=(1, 2))
    assert not np.allclose(pairs[0], pairs[1])


def test_clean_text_scores_high_and_junk_low():
    score = train_classifier(curated(400, 1), [document.text for document in crawl(100, 1)]).score
    by_label = {
        label: score([d.text for d in DOCUMENTS if d.label == label]).mean()
        for label in ("clean", "shuffled", "boilerplate")
    }
    assert by_label["clean"] > 0.7 > 0.3 > by_label["shuffled"] and by_label["boilerplate"] < 0.1


@given(st.floats(-800, 800))
def test_sigmoid_does_not_overflow(x):
    with np.errstate(over="raise"):
        assert 0 <= sigmoid(np.array(x)) <= 1


@pytest.mark.parametrize("alpha", [1.0, 9.0])
def test_the_draw_keeps_with_the_probability_of_the_formula(alpha):
    generator = np.random.default_rng(0)
    for score in (0.0, 0.3, 0.5, 0.9, 1.0):
        kept = keep_by_pareto(np.full(40_000, score), generator, alpha).mean()
        expected = (2 - score) ** -alpha
        assert abs(kept - expected) < 5 * (expected * (1 - expected) / 40_000) ** 0.5 + 1e-9
        assert keep_probability(score, alpha) == pytest.approx(expected)


def test_the_numbers_of_the_chapter():
    assert keep_probability(0.5) == pytest.approx(0.026, abs=5e-4)
    assert keep_probability(0.9) == pytest.approx(0.424, abs=5e-4)
    assert keep_probability(1.0) == 1


@pytest.mark.parametrize("scores", [[-0.1, 0.5], [0.5, 1.2]])
def test_what_is_no_score_is_refused(scores):
    with pytest.raises(ValueError, match="0 … 1"):
        keep_by_pareto(np.array(scores), np.random.default_rng(0))


def test_one_side_alone_cannot_be_fitted():
    with pytest.raises(ValueError, match="both sides"):
        train_classifier(GOOD, [])
    with pytest.raises(ValueError, match="Newton"):
        train_classifier(GOOD, RAW, n_features=64, max_steps=1)
