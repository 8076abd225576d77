"""Chapter 19's errata: the numbers support each verdict."""

import pytest

from course_lib.chapters.ch19_sft.errata import ERRATA
from course_lib.course.errata import get_erratum, settle


def test_the_numbers_support_each_verdict():
    for erratum in ERRATA:
        assert settle(erratum).verdict.endswith("。"), erratum.id


@pytest.mark.parametrize(
    ("name", "other"),
    [("K19-1", "50%"), ("K19-2", "50%"), ("K19-3", 2.0), ("K19-4", 4), ("K19-6", [1.0, 0.5, 0.4, 0.5])],
)
def test_other_numbers_are_refused(name, other):
    erratum = get_erratum(name)
    values = dict(erratum.compute())
    last = [*values][-1 if name != "K19-4" else 1]
    with pytest.raises(ValueError):
        erratum.settles(values | {last: other})
