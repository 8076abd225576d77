"""Errata (考据): where slides, papers and released code disagree, each settled by a computation.

A chapter's errata.py holds `ERRATA = [...]`. Importing this package loads no torch; `registry()` does.
"""

from course_lib.course.errata.core import Erratum, Settled, get_erratum, registry, settle
from course_lib.course.errata.render import format_value, render_html, render_text

__all__ = [
    "Erratum",
    "Settled",
    "format_value",
    "get_erratum",
    "registry",
    "render_html",
    "render_text",
    "settle",
]
