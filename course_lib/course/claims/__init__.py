"""Claims: what the course states, measured by experiments that could come out the other way.

`python -m course_lib.course.claims list | run C05 [--quick] | run --stale | show C05`. Importing this package loads no torch;
running an experiment does.
"""

from course_lib.course.claims.core import OUTCOMES, Claim, Summary, Verdict
from course_lib.course.claims.registry import experiment_files, get_claim, known_id, registry
from course_lib.course.claims.render import judge_changed, outcome_text, render_html, render_text
from course_lib.course.claims.runner import refresh, run
from course_lib.course.claims.storage import figures_of, is_stale, load_record

__all__ = [
    "OUTCOMES",
    "Claim",
    "Summary",
    "Verdict",
    "experiment_files",
    "figures_of",
    "get_claim",
    "is_stale",
    "judge_changed",
    "known_id",
    "load_record",
    "outcome_text",
    "refresh",
    "registry",
    "render_html",
    "render_text",
    "run",
    "show",
]


def show(claim_id: str) -> str:
    """The recorded figures of a claim as text."""
    return render_text(load_record(claim_id))
