"""Chapter 21's errata: the numbers support each verdict, and others do not."""

import pytest

from course_lib.chapters.ch21_ppo.errata import ERRATA
from course_lib.course.errata import settle

FOUND = {erratum.id: (erratum, dict(erratum.compute())) for erratum in ERRATA}
WRONG = [  # erratum, which of its numbers, another
    ("K21-1", 1, 1.5),
    ("K21-1", 3, 2.0),
    ("K21-2", 2, 0.8),
    ("K21-2", 3, 0.01),
    ("K21-3", 1, "+0.00、+0.00、+1.00"),
    ("K21-3", 2, 0.0),
    ("K21-4", 1, 1),
    ("K21-4", 3, "SFT"),
    ("K21-5", 0, 1),
    ("K21-5", 2, 1.1),
    ("K21-6", 0, 2),
    ("K21-6", 1, 1.0),
    ("K21-6", 3, 2),
    ("K21-7", 1, 0.1),
    ("K21-7", 2, 0.0),
    ("K21-7", 3, 0.0),
    ("K21-8", 1, 0.0),
    ("K21-8", 3, -0.4),
    ("K21-9", 0, 0.1),
    ("K21-9", 1, 0.1),
]


@pytest.mark.parametrize("erratum", ERRATA, ids=[erratum.id for erratum in ERRATA])
def test_the_numbers_support_each_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(("id", "at", "other"), WRONG)
def test_other_numbers_do_not(id, at, other):
    erratum, values = FOUND[id]
    with pytest.raises(ValueError):
        erratum.settles(values | {[*values][at]: other})
