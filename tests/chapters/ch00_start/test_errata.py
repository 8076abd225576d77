"""Chapter 00's errata: their dates are the map's, and other numbers are refused."""

import pytest

from course_lib.chapters.ch00_start.errata import ERRATA, RELEASES
from course_lib.course.errata import settle
from course_lib.course.outline import events

BY_ID = {erratum.id: erratum for erratum in ERRATA}


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: erratum.id)
def test_the_numbers_support_the_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


def test_days_and_months_agree_with_the_map():
    by_name = {event.name: event for event in events()}
    for name, (weights, report) in RELEASES.items():
        assert (f"{weights:%Y-%m}", f"{report:%Y-%m}") == (by_name[name].weights, by_name[name].date)


@pytest.mark.parametrize(("erratum_id", "position", "value"), [("K00-1", 3, 2), ("K00-2", 1, "ViT"), ("K00-3", 3, 1)])
def test_other_numbers_are_refused(erratum_id, position, value):
    values = dict(BY_ID[erratum_id].compute())
    values[list(values)[position]] = value
    with pytest.raises(ValueError):
        BY_ID[erratum_id].settles(values)
