"""Chapter 23's errata: the numbers support each verdict, and others do not."""

import pytest

from course_lib.chapters.ch23_grpo.errata import ERRATA
from course_lib.course.errata import settle

FOUND = {erratum.id: (erratum, dict(erratum.compute())) for erratum in ERRATA}
WRONG = [  # erratum, which of its numbers, another
    ("K23-1", 1, 1.02),
    ("K23-1", 2, 7.24),
    ("K23-1", 3, "不推"),
    ("K23-1", 4, "推"),
    ("K23-2", 2, "+0.275、−0.143、−0.132"),
    ("K23-2", 3, "+0.232、−0.035、−0.197"),
    ("K23-3", 0, 0.1),
    ("K23-3", 1, 0.0),
    ("K23-4", 0, 0.331),
    ("K23-4", 4, 0.2),
    ("K23-5", 0, 0.0),
    ("K23-5", 1, 1e-4),
    ("K23-6", 0, 0.44),
    ("K23-6", 1, 0.66),
    ("K23-7", 0, 3),
    ("K23-7", 2, 1.0),
    ("K23-8", 0, 0.05),
    ("K23-8", 3, 0.05),
    ("K23-9", 0, 24),
    ("K23-9", 3, 20),
    ("K23-10", 0, 0.0),
    ("K23-10", 1, 0.05),
]


@pytest.mark.parametrize("erratum", ERRATA, ids=[erratum.id for erratum in ERRATA])
def test_the_numbers_support_each_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(("id", "at", "other"), WRONG)
def test_other_numbers_do_not(id, at, other):
    erratum, values = FOUND[id]
    with pytest.raises(ValueError):
        erratum.settles(values | {[*values][at]: other})
