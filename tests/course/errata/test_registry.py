"""Every erratum of the course: settled by its numbers, and by no others."""

import numbers

import pytest

from course_lib.course import errata

ALL = errata.registry()


def test_ids_count_from_one_in_each_chapter():
    for chapter in {erratum.chapter for erratum in ALL.values()}:
        ids = [erratum.id for erratum in ALL.values() if erratum.chapter == chapter]
        assert ids == [f"K{chapter}-{i + 1}" for i in range(len(ids))]


@pytest.mark.parametrize("erratum_id", ALL)
def test_todays_numbers_support_the_verdict(erratum_id):
    settled = errata.settle(ALL[erratum_id])
    assert settled.values and len(settled.verdict) > 10
    assert errata.render_html(settled) and errata.render_text(settled)


@pytest.mark.parametrize("erratum_id", ALL)
def test_some_other_numbers_would_not(erratum_id):
    values = ALL[erratum_id].compute()
    refused = 0
    for other in (0.125, 0.5, -1e9, 1e9, float("nan")):
        try:
            ALL[erratum_id].settles(replaced(values, other))
        except (ValueError, KeyError):
            refused += 1
    assert refused, "settles() must look at the numbers and raise ValueError where they say otherwise"


def replaced(value, other):
    """The same structure with every number changed to `other`."""
    if isinstance(value, dict):
        return {name: replaced(each, other) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(replaced(each, other) for each in value)
    if isinstance(value, bool):
        return not value
    return other if isinstance(value, numbers.Number) else ""
