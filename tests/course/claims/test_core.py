"""The parts that a claim is made of."""

import numpy as np
import pytest

from course_lib.course.claims import Claim, Summary, Verdict
from course_lib.course.claims.core import round_significant, rounded_figures, summarise


def claim(**changes):
    given = {
        "id": "C99",
        "chapter": "00",
        "title": "题",
        "statement": "主张",
        "question": "问",
        "refuted_if": "若",
        "seeds": (0, 1, 2),
        "measure": lambda seed, *, progress, n: {"a": 1.0},
        "judge": lambda figures: Verdict("holds", "成立"),
        "quick": {"n": 1},
        "full": {"n": 2},
    }
    return Claim(**given | changes)


def test_summary_is_mean_and_sample_deviation_over_seeds():
    summary = Summary(np.array([[1.0, 10.0], [3.0, 10.0]]))
    np.testing.assert_allclose(summary.mean, [2.0, 10.0])
    np.testing.assert_allclose(summary.std, [2**0.5, 0.0])
    assert summary.n_seeds == 2


def test_spread_of_one_seed_and_of_equal_seeds_is_zero():
    assert Summary(np.array([3.0])).std == 0
    assert Summary(np.array([0.1 + 0.2] * 3)).std == 0


def test_a_verdict_is_one_of_three():
    with pytest.raises(ValueError, match="holds, fails, partly"):
        Verdict("maybe", "也许")


@pytest.mark.parametrize("seeds", [(), (0, 0)])
def test_seeds_are_distinct_and_at_least_one(seeds):
    with pytest.raises(ValueError, match="distinct and at least one"):
        claim(seeds=seeds)


def test_both_forms_set_the_same_names():
    with pytest.raises(ValueError, match="differ in names"):
        claim(quick={"n": 1}, full={"m": 1})


def test_figures_keep_six_significant_digits():
    np.testing.assert_array_equal(
        round_significant([123456789.0, -1.23456789e-7, 0.0]), [123457000.0, -1.23457e-7, 0.0]
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), [1.0, float("nan")]])
def test_a_figure_that_is_not_finite_is_refused_by_name(bad):
    with pytest.raises(ValueError, match=r"seed 7.*'loss' is not finite"):
        rounded_figures("C99", 7, {"loss": bad})


def test_seeds_must_measure_the_same_figures():
    with pytest.raises(ValueError, match="different figures"):
        summarise([{"a": 1.0}, {"b": 1.0}])


def test_seeds_must_measure_figures_of_one_shape():
    with pytest.raises(ValueError, match=r"'a' has other shapes for other seeds: \[\(1,\), \(2,\)\]"):
        summarise([{"a": [1.0]}, {"a": [1.0, 2.0]}])


@pytest.mark.parametrize("bad", ["x", {}, [[1.0], [1.0, 2.0]]])
def test_a_figure_that_is_no_number_is_refused_by_name(bad):
    with pytest.raises(ValueError, match=r"C99, seed 7: figure 'loss' is no number"):
        rounded_figures("C99", 7, {"loss": bad})
