"""What is published keeps to its own site, and what is written into it is escaped."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from course_lib.course import device, outline
from course_lib.publishing import assets, html, timeline

WORKFLOWS = sorted((outline.ROOT / ".github" / "workflows").glob("*.yml"))
EVIL = '<script>"&'


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.stem)
def test_workflows_pin_their_actions_and_say_what_they_may(workflow):
    text = workflow.read_text("utf-8")
    used = re.findall(r"uses: (\S+)", text)
    assert used and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in used)
    assert "permissions:" in text.partition("jobs:")[0]


def test_a_page_says_what_it_may_load():
    page = assets.guarded("<html><head><title>t</title></head></html>")
    assert page.index("Content-Security-Policy") < page.index("<title>")
    assert "http" not in assets.POLICY and "*" not in assets.POLICY


def test_titles_of_the_map_are_escaped(monkeypatch):
    event = outline.Event(date=EVIL, name=EVIL, lane="a", chapter="03", note=EVIL)
    monkeypatch.setattr(outline, "events", lambda: [event])
    monkeypatch.setattr(outline, "lanes", lambda: {"a": EVIL})
    for pages in ({}, {"03": "03_rope"}):
        drawn = ElementTree.fromstring(timeline.timeline_svg(pages))  # raises where a title breaks out
        assert not list(drawn.iter("script")) and EVIL in "".join(drawn.itertext())


def test_the_self_test_and_fences_are_escaped():
    found = device.Device(EVIL, EVIL, EVIL, {EVIL: EVIL}, 1, 1, True, 1.0, 1.0)
    assert "<script>" not in found._repr_html_()
    assert 'class="admonition note a&quot;b"' in html.fences_to_html(':::{note}\n:class: a"b\ntext\n:::')
