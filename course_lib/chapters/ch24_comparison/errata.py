"""Chapter 24, PPO, DPO and GRPO compared: where slides, paper and released code disagree, computed.

ERRATA = [Erratum(id="K24-1", …)]: `compute` gives the deciding numbers, `settles` refuses others.
"""

from course_lib.course.errata.core import Erratum

ERRATA: list[Erratum] = []
