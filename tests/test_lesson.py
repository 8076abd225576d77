"""The lesson facade: reproducible start, source as it stands in the file, pictures with words."""

import matplotlib.pyplot as plt
import pytest
import torch

from course_lib import lesson
from course_lib.course import device, outline
from course_lib.foundations import rope


@pytest.fixture
def shown(monkeypatch):
    outputs = []
    monkeypatch.setattr(lesson, "display", lambda data, metadata, raw: outputs.append((data, metadata)))
    return outputs


def test_start_gives_the_same_random_numbers_on_one_thread():
    lesson.start("03")
    first = torch.randn(3)
    lesson.start("03")
    assert torch.equal(torch.randn(3), first)
    assert torch.get_num_threads() == 1


def test_start_gives_a_readers_lab_its_script_and_a_published_page_nothing(shown, monkeypatch):
    lesson.start("03")
    [(data, _)] = shown
    assert (
        data["text/plain"] == ""
        and "guess-cover" in data["text/html"]
        and data["text/html"].endswith("</script></div>")
    )
    monkeypatch.setenv("COURSE_PUBLISH", "1")
    lesson.start("03")
    assert len(shown) == 1


def test_start_asks_for_two_digits():
    with pytest.raises(ValueError, match=r'start\("03"\)'):
        lesson.start("3")


def test_source_is_shown_as_it_stands_in_the_file(shown):
    lesson.show_source(rope.frequencies, rope)
    (function, _), (module, _) = shown
    assert function["text/markdown"].startswith("`course_lib/foundations/rope.py`\n\n```python\ndef frequencies(")
    assert module["text/plain"].count("\ndef ") >= 5


def test_a_figure_needs_words_and_is_closed(shown):
    figure = plt.figure()
    with pytest.raises(ValueError, match="alt is empty"):
        lesson.show_figure(figure, alt=" ")
    lesson.show_figure(figure, alt="一张空图")
    data, metadata = shown[0]
    assert data["text/plain"] == "一张空图" and metadata["image/png"]["alt"] == "一张空图"
    assert not plt.fignum_exists(figure.number)


def test_the_self_test_scales_minutes_with_the_measured_speed():
    found = device.device_report()
    assert found.chinese_font and found.fp32_gflops > 0
    rope = outline.choose(["03"])[0]
    expected = rope.running / 60 * device.REFERENCE_GFLOPS / found.fp32_gflops
    assert found.minutes(rope) == pytest.approx(expected)
    assert "中文字体" in repr(found) and "<th" in found._repr_html_()
