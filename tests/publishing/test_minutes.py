"""Reading minutes are counted, and the outline says what the count says."""

import nbformat
import pytest
from pair import code, markdown, notebook, shown

from course_lib.course import outline
from course_lib.publishing.minutes import counted


@pytest.mark.parametrize("chapter", outline.opened(), ids=lambda chapter: chapter.stem)
def test_the_outline_says_the_counted_minutes(chapter):
    now = counted(chapter.notebook)
    assert abs(chapter.reading - now) <= 2, f"reading of {chapter.number} in notebooks/course.yml: write {now}"


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
