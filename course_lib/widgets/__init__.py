"""Figures that answer: controls around plots, alive with a kernel and without one."""

from course_lib.widgets.figure import CourseWidget, Explore, Knob, explore
from course_lib.widgets.live_model import LiveText, live_text
from course_lib.widgets.poet import live_poet
from course_lib.widgets.rope import rope_rotation

__all__ = ["CourseWidget", "Explore", "Knob", "LiveText", "explore", "live_poet", "live_text", "rope_rotation"]
