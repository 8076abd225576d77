"""Chapter 24's errata: the numbers support each verdict."""

from course_lib.chapters.ch24_comparison.errata import ERRATA
from course_lib.course.errata import settle


def test_the_numbers_support_each_verdict():
    for erratum in ERRATA:
        assert settle(erratum).verdict.endswith("。"), erratum.id
