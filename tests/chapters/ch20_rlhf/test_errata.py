"""Chapter 20's errata: the numbers support each verdict, and others do not."""

import pytest

from course_lib.chapters.ch20_rlhf.errata import ERRATA
from course_lib.course.errata import settle

FOUND = {erratum.id: (erratum, dict(erratum.compute())) for erratum in ERRATA}
WRONG = [  # erratum, which of its numbers, another
    ("K20-1", 2, 0.5),
    ("K20-1", 3, 200),
    ("K20-2", 1, 1e-3),
    ("K20-2", 2, 0.0),
    ("K20-3", 1, 0.1),
    ("K20-3", 2, 0.1),
    ("K20-4", 1, 36),
    ("K20-4", 3, "50%"),
    ("K20-5", 0, 0.1),
    ("K20-5", 3, -0.9),
    ("K20-6", 1, 0.2),
    ("K20-6", 2, 0.0),
    ("K20-7", 0, 1.0),
    ("K20-7", 3, 0.75),
    ("K20-8", 1, 0.4),
]


@pytest.mark.parametrize("erratum", ERRATA, ids=[erratum.id for erratum in ERRATA])
def test_the_numbers_support_each_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(("id", "at", "other"), WRONG)
def test_other_numbers_do_not(id, at, other):
    erratum, values = FOUND[id]
    with pytest.raises(ValueError):
        erratum.settles(values | {[*values][at]: other})
