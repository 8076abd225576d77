"""Chapter 23, GRPO: where slides, paper and released code disagree, computed.

ERRATA = [Erratum(id="K23-1", …)]: `compute` gives the deciding numbers, `settles` refuses others.
"""

from course_lib.course.errata.core import Erratum

ERRATA: list[Erratum] = []
