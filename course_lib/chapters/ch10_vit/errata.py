"""Chapter 10, ViT: where slides, paper and released code disagree, computed.

ERRATA = [Erratum(id="K10-1", …)]: `compute` gives the deciding numbers, `settles` refuses others.
"""

from course_lib.course.errata.core import Erratum

ERRATA: list[Erratum] = []
