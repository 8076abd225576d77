"""The mixture: epochs by hand, bounds that contain the truth, and what table 2.2 can mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.data.text.mixture import (
    GPT3_MIXTURE,
    Source,
    agrees,
    draw_sources,
    epochs,
    possible_epochs,
    printed_range,
)

BY_NAME = {source.name: source for source in GPT3_MIXTURE}


def test_only_webtext2_cannot_be_right():
    assert [source.name for source in GPT3_MIXTURE if not agrees(source)] == ["WebText2"]
    assert possible_epochs(BY_NAME["WebText2"]) == pytest.approx((3.31, 3.65), abs=5e-3)
    assert sum(int(source.percent) for source in GPT3_MIXTURE) == 101


@pytest.mark.parametrize(("number", "expected"), [("0.44", (0.435, 0.445)), ("3", (2.5, 3.5)), ("2.9", (2.85, 2.95))])
def test_a_printed_number_may_be_half_a_unit_off(number, expected):
    assert printed_range(number) == pytest.approx(expected)


@given(st.floats(1, 90), st.floats(2, 500))
def test_rounding_a_true_row_never_makes_it_fail(percent, billions):
    printed = Source("row", f"{billions:.0f}", f"{percent:.0f}", f"{epochs(percent / 100, billions):.2f}")
    low, high = possible_epochs(printed)
    assert low - 1e-9 <= epochs(percent / 100, billions) <= high + 1e-9
    assert agrees(printed)


def test_epochs_by_hand():
    assert epochs(0.5, 150.0, 300.0) == 1
    with pytest.raises(ValueError, match="above 0"):
        epochs(0.5, 0.0)


def test_sources_come_as_often_as_their_weights_say():
    drawn = draw_sources([60, 22, 8, 8, 3], 50_000, np.random.default_rng(0))
    shares = np.bincount(drawn, minlength=5) / 50_000
    np.testing.assert_allclose(shares, np.array([60, 22, 8, 8, 3]) / 101, atol=0.01)


@pytest.mark.parametrize("weights", [[0, 0], [1, -1]])
def test_weights_that_cannot_be_drawn_from_are_refused(weights):
    with pytest.raises(ValueError, match="0 or more"):
        draw_sources(weights, 3, np.random.default_rng(0))
