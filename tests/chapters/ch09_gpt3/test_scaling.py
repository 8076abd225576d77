"""The fit finds the law that made the numbers, its error bars are honest, and scipy agrees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit
from scipy.stats import linregress

from course_lib.chapters.ch09_gpt3.scaling import fit_power_law

SIZES = np.geomspace(1e3, 1e6, 7)


@given(st.floats(0.02, 2.0), st.floats(1.0, 1e9))
def test_an_exact_law_is_found(alpha, n_c):
    law = fit_power_law(SIZES, (n_c / SIZES) ** alpha)
    assert law.alpha == pytest.approx(alpha, rel=1e-9)
    assert law.n_c == pytest.approx(n_c, rel=1e-6)
    assert law.residual < 1e-9 and law.r2 == pytest.approx(1)
    np.testing.assert_allclose(law.loss(SIZES), (n_c / SIZES) ** alpha, rtol=1e-9)


@given(st.floats(0.1, 1.0), st.floats(0.1, 3.0))
def test_an_exact_law_with_a_floor_is_found(alpha, floor):
    law = fit_power_law(SIZES, floor + (1e4 / SIZES) ** alpha, with_floor=True)
    assert law.alpha == pytest.approx(alpha, rel=1e-3)
    assert law.floor == pytest.approx(floor, rel=1e-2)


def test_the_line_and_its_error_are_scipys():
    losses = (1e4 / SIZES) ** 0.3 * np.exp(0.1 * np.random.default_rng(0).normal(size=7))
    ours, theirs = fit_power_law(SIZES, losses), linregress(np.log(SIZES), np.log(losses))
    assert ours.alpha == pytest.approx(-theirs.slope)
    assert ours.alpha_error == pytest.approx(theirs.stderr)
    assert ours.r2 == pytest.approx(theirs.rvalue**2)


def test_the_fit_with_a_floor_and_its_error_are_scipys():
    losses = (0.5 + (1e4 / SIZES) ** 0.4) * np.exp(0.02 * np.random.default_rng(1).normal(size=7))
    ours = fit_power_law(SIZES, losses, with_floor=True)
    found, covariance = curve_fit(
        lambda n, floor, scale, alpha: floor + scale * (n / 1e4) ** -alpha, SIZES, losses, (0.4, 1, 0.5), sigma=losses
    )
    assert (ours.floor, ours.alpha) == pytest.approx((found[0], found[2]), rel=1e-3)
    assert ours.alpha_error == pytest.approx(covariance[2, 2] ** 0.5, rel=1e-2)


def test_the_error_bar_is_as_wide_as_the_scatter():
    generator = np.random.default_rng(0)
    laws = [fit_power_law(SIZES, (1e4 / SIZES) ** 0.3 * np.exp(0.1 * generator.normal(size=7))) for _ in range(400)]
    assert np.std([law.alpha for law in laws]) == pytest.approx(
        np.sqrt(np.mean([law.alpha_error**2 for law in laws])), rel=0.15
    )
    assert np.mean([law.alpha for law in laws]) == pytest.approx(0.3, abs=0.005)


def test_a_floor_below_zero_is_not_reported():
    law = fit_power_law(SIZES, (1e4 / SIZES) ** 0.3 - 0.2 * (1e4 / SIZES[-1]) ** 0.3, with_floor=True)
    assert law.floor == 0


def test_a_floor_bends_a_line_fitted_to_the_small_sizes():
    line = fit_power_law(SIZES[:4], 1 + (1e4 / SIZES[:4]) ** 0.5)
    assert line.loss(SIZES[-1]) < 1 + (1e4 / SIZES[-1]) ** 0.5


@pytest.mark.parametrize(
    ("sizes", "losses", "match"),
    [
        ([1, 2], [1, 2], "at least 3"),
        ([1, 2, 3], [1, 2], "at least 3"),
        ([1, 2, 3], [1, 0, 2], "above 0"),
        ([1, 2, -3], [1, 1, 2], "above 0"),
        ([2, 2, 2], [1, 1, 2], "different sizes"),
    ],
)
def test_what_cannot_be_fitted_is_refused(sizes, losses, match):
    with pytest.raises(ValueError, match=match):
        fit_power_law(sizes, losses)
