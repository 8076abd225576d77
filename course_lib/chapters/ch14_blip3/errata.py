"""Chapter 14, BLIP-3 / xGen-MM: where slides, paper and released code disagree, computed.

ERRATA = [Erratum(id="K14-1", …)]: `compute` gives the deciding numbers, `settles` refuses others.
"""

from course_lib.course.errata.core import Erratum

ERRATA: list[Erratum] = []
