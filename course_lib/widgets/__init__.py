"""Figures that answer: controls around plots, alive with a kernel and without one."""

from course_lib.widgets.figure import CourseWidget, Explore, Knob, explore
from course_lib.widgets.rope import rope_rotation

__all__ = ["CourseWidget", "Explore", "Knob", "explore", "rope_rotation"]
