"""The course's map: its data are consistent, its figures draw them."""

import matplotlib.pyplot as plt
import pytest

from course_lib.chapters.ch00_start import figures as plots
from course_lib.course import outline as course_map


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def texts(figure):
    return [text.get_text() for text in figure.findobj(plt.Text)]


def test_every_use_points_forward_and_every_chapter_has_a_place():
    numbers = set(course_map.chapters()) - {"00"}
    assert all(use.earlier < use.later for use in course_map.uses())
    assert {end for use in course_map.uses() for end in (use.earlier, use.later)} == numbers == set(plots.PLACES)


def test_what_builds_on_a_chapter():
    assert course_map.needed_by("10") == {"11", "12", "13", "14", "15", "16", "17", "18", "25"}
    assert "10" in course_map.needs("25") and not course_map.needed_by("24")
    with pytest.raises(ValueError, match="no chapter '99'"):
        course_map.needs("99")
    with pytest.raises(ValueError, match="2021-02"):
        course_map.months("2021")


def test_the_timeline_names_every_event_with_its_date():
    shown = texts(plots.plot_timeline(course_map.events(), course_map.lanes()))
    for event in course_map.events():
        assert f"{event.name} {event.chapter}" in shown and event.date in shown


def test_the_graph_names_every_chapter():
    titles = {number: f"第{number}" for number in plots.PLACES}
    figure = plots.plot_uses(titles, course_map.uses(), "10", course_map.needs("10"), course_map.needed_by("10"))
    assert set(titles) | set(titles.values()) <= set(texts(figure))
