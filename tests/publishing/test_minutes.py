"""Reading minutes are counted, and the outline says what the count says."""

import nbformat
import pytest
from pair import code, markdown, notebook, shown

from course_lib.course import outline
from course_lib.course.exercises.registry import exercises_of
from course_lib.publishing.editions import FIRST_EDITION
from course_lib.publishing.minutes import counted, exercise_minutes


@pytest.mark.parametrize("chapter", outline.opened(), ids=lambda chapter: chapter.stem)
def test_the_outline_says_the_counted_minutes(chapter):
    now = counted(chapter.notebook)
    off = 2 if chapter.number in FIRST_EDITION else 0
    assert abs(chapter.reading - now) <= off, f"reading of {chapter.number} in notebooks/course.yml: write {now}"


def test_prose_code_figures_and_widgets_count_until_the_exercises(tmp_path):
    figure, card = shown(image_png="aGVsbG8="), shown(text_html="<p>" + "字" * 350 + "</p>")
    cells = [
        markdown("字 " * 700),
        code("x = 1\n\n" * 24, figure),
        code("explore(draw)", figure),
        code("show_claim('C05')", card),
        markdown("字" * 3500, slide="notes"),
        markdown("## 练习\n" + "字" * 3500),
        markdown("字" * 3500),
    ]
    nbformat.write(notebook(*cells), tmp_path / "a.ipynb")
    assert counted(tmp_path / "a.ipynb") == round(2 + 2 + 1.2 + 2 + 1)


def test_what_is_folded_does_not_count_and_a_live_model_counts_as_a_widget(tmp_path):
    card = "<details><summary>" + "字" * 350 + "</summary><p>" + "字" * 3500 + "</p></details>"
    folded = "文\n\n:::{admonition} 选读\n:class: dropdown\n" + "字" * 3500 + "\n:::\n\n" + "字" * 349
    cells = [
        markdown(folded),
        markdown(":::{admonition} 误区\n:class: pitfall\n" + "字" * 700 + "\n:::"),
        code("show_claim('C05')", shown(text_html=card)),
        code("live_poet()", shown(text_html="<div></div>")),
        code("explore(draw)", shown(image_png="aGVsbG8="), tags=["hide-input"]),
    ]
    nbformat.write(notebook(*cells), tmp_path / "a.ipynb")
    assert counted(tmp_path / "a.ipynb") == round(1 + 2 + 1 + 1 / 12 + 2 + 2)


def test_the_exercises_and_what_follows_them_take_what_their_authors_say():
    asked = [exercise for exercise in exercises_of("08") if exercise.follow_up]
    assert exercise_minutes("08") == sum(each.minutes + each.follow_up.minutes for each in asked) > 20
