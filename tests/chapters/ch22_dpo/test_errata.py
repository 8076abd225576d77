"""Chapter 22's errata: the numbers support each verdict, and others do not."""

import pytest

from course_lib.chapters.ch22_dpo.errata import ERRATA
from course_lib.course.errata import settle

FOUND = {erratum.id: (erratum, dict(erratum.compute())) for erratum in ERRATA}
WRONG = [  # erratum, which of its numbers, another
    ("K22-1", 1, 0.3),
    ("K22-1", 3, 0.6),
    ("K22-2", 2, 0.1),
    ("K22-2", 3, -0.01),
    ("K22-3", 2, 0.001),
    ("K22-3", 3, 55.0),
    ("K22-4", 1, 0.01),
    ("K22-4", 2, 0.07),
    ("K22-5", 1, 1.0),
    ("K22-5", 3, 25.0),
    ("K22-6", 0, 0.5),
    ("K22-6", 1, 0.0),
    ("K22-6", 2, 0.6931),
    ("K22-7", 1, 0.4425),
    ("K22-7", 4, 3.0),
    ("K22-8", 1, "A|:| |yes"),
    ("K22-8", 2, "yes"),
]


@pytest.mark.parametrize("erratum", ERRATA, ids=[erratum.id for erratum in ERRATA])
def test_the_numbers_support_each_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(("id", "at", "other"), WRONG)
def test_other_numbers_do_not(id, at, other):
    erratum, values = FOUND[id]
    with pytest.raises(ValueError):
        erratum.settles(values | {[*values][at]: other})
