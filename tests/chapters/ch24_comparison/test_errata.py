"""Chapter 24's errata: the numbers support each verdict, and others do not."""

import pytest

from course_lib.chapters.ch24_comparison.errata import ERRATA
from course_lib.course.errata import settle

FOUND = {erratum.id: (erratum, dict(erratum.compute())) for erratum in ERRATA}
WRONG = [  # erratum, which of its numbers, another
    ("K24-1", 0, 0.1),
    ("K24-1", 1, 0.1),
    ("K24-1", 2, 0.0),
    ("K24-1", 3, 0.1),
    ("K24-1", 4, 0.1),
    ("K24-2", 0, 5.0),
    ("K24-2", 2, 6.0),
    ("K24-2", 3, 4.8),
    ("K24-2", 4, 4.0),
    ("K24-2", 5, 2.0),
    ("K24-2", 6, 1.0),
    ("K24-3", 0, 0.01),
    ("K24-3", 1, 0.0),
    ("K24-4", 3, 0.7),
    ("K24-4", 5, 0.0),
    ("K24-5", 0, 8.0),
    ("K24-5", 1, 7.5),
    ("K24-5", 4, 5.0),
]


@pytest.mark.parametrize("erratum", ERRATA, ids=[erratum.id for erratum in ERRATA])
def test_the_numbers_support_each_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(("id", "at", "other"), WRONG)
def test_other_numbers_do_not(id, at, other):
    erratum, values = FOUND[id]
    with pytest.raises(ValueError):
        erratum.settles(values | {[*values][at]: other})
