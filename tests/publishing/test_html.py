"""Outputs of executed notebooks as static HTML: widgets, pictures, boxes, and the script that brings them to life."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

from course_lib.publishing.html import (
    WIDE,
    classic,
    fences_to_html,
    only_presents,
    script_json,
    static_notebook,
    static_output,
    widget_script,
)
from course_lib.widgets.figure import MIME

PNG = "iVBORw0KGgo="
BUNDLE = {"module": "explore", "state": {"text": "</script><b>", "n": [1, 2]}, "alt": '一张"图"', "name": "x"}


class Page(HTMLParser):
    """Start tags, and the text of each script, as a browser would see them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.inside = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag == "script"

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.scripts.append(data)


def html_of(data, **metadata):
    return static_output(new_output("display_data", data, metadata=metadata)).data["text/html"]


def test_widget_becomes_a_box_with_state_and_first_frame():
    page = Page(html_of({MIME: BUNDLE, "image/png": PNG, "text/plain": "alt"}))
    tags = dict(page.tags)
    assert tags["div"] == {"class": "course-widget", "data-module": "explore", "data-name": "x"}
    assert tags["img"] == {"src": f"data:image/png;base64,{PNG}", "alt": '一张"图"'}
    assert json.loads("".join(page.scripts)) == BUNDLE["state"]
    assert "b" not in tags  # markup inside the state never becomes markup of the page


def test_json_cannot_close_its_script():
    hostile = {"a": "</script><!-- <script>"}
    assert "<" not in script_json(hostile) and json.loads(script_json(hostile)) == hostile


def test_figure_keeps_its_alt_text():
    assert dict(Page(html_of({"image/png": PNG, "text/plain": "两支箭头"})).tags)["img"]["alt"] == "两支箭头"
    assert dict(Page(html_of({"image/png": PNG, "text/plain": "x"}, alt="弧")).tags)["img"]["alt"] == "弧"


def test_a_phone_scrolls_wide_pictures_and_shrinks_others():
    for width, classes in ((WIDE - 1, "course-figure"), (WIDE, "course-figure course-wide")):
        picture = io.BytesIO()
        Image.new("L", (width, 2)).save(picture, "png")
        png = base64.b64encode(picture.getvalue()).decode()
        shown = static_output(new_output("display_data", {"image/png": png}, metadata={"alt": "图"}))
        assert f'class="{classes}"' in shown.data["text/html"]


def test_what_a_cell_prints_in_parts_stands_in_one_box():
    parts = [new_output("stream", name="stdout", text=text) for text in ("一\n", "二\n", "三\n")]
    other = new_output("display_data", {"text/html": "<p>"})
    cell = static_notebook(new_notebook(cells=[new_code_cell("f()", outputs=[*parts[:2], other, parts[2]])])).cells[0]
    assert [each.get("text") for each in cell.outputs] == ["一\n二\n", None, "三\n"]


def test_default_representation_is_no_alt_text():
    output = new_output("display_data", {"image/png": PNG, "text/plain": "<Figure size 640x480 with 1 Axes>"})
    assert "text/html" not in static_output(output).data


def test_what_needs_a_kernel_is_dropped():
    progress = new_output("stream", name="stderr", text="50%")
    dead = new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "HBox()"})
    kept = new_output("stream", name="stdout", text="1.0")
    notebook = new_notebook(cells=[new_code_cell("x", outputs=[progress, dead, kept])], metadata={"widgets": {"a": 1}})
    page = static_notebook(notebook)
    assert [o.text for o in page.cells[0].outputs] == ["1.0"] and "widgets" not in page.metadata
    assert len(notebook.cells[0].outputs) == 3  # the executed notebook itself is untouched


def test_module_becomes_a_classic_expression():
    script = classic("dots", "const a = 1;\nexport default { render() { return a; } };\n")
    assert script.startswith('courseWidgets["dots"] = (() => {') and "export default" not in script
    assert script.index("const exported = {") < script.index("return exported;")


@pytest.mark.parametrize(
    "source",
    ["const a = 1;", 'import x from "y";\nexport default {};', "export const a = 1;\nexport default {};"],
)
def test_module_that_cannot_be_classic_is_refused(source):
    with pytest.raises(ValueError, match=r"bad\.js"):
        classic("bad", source)


def test_script_holds_every_widget_and_no_module_syntax():
    script = widget_script()
    assert {'"explore"', '"rope_rotation"'} <= set(re.findall(r'courseWidgets\[("\w+")\] =', script))
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)


def test_fences_become_boxes_with_markdown_inside():
    source = "前\n\n:::{admonition} 先猜 <再> 跑\n:class: guess\n**A** $x$\n:::\n\n后"
    boxed = fences_to_html(source)
    assert '<div class="admonition guess">' in boxed and "先猜 &lt;再&gt; 跑" in boxed
    assert "\n\n**A** $x$\n" in boxed and ":::" not in boxed and boxed.count("</div>") == 1


def test_nested_fences_close_in_order():
    source = "::::{admonition} 外\n:class: look\n:::{admonition} 内\n:class: pitfall dropdown\nx\n:::\n::::"
    boxed = fences_to_html(source)
    assert boxed.index('class="admonition look"') < boxed.index("<details") < boxed.index("</details>")
    assert boxed.rstrip().endswith("</div>")


def test_presenting_cells_are_told_from_computing_ones():
    assert only_presents("from course_lib.widgets import rope_rotation\n\nrope_rotation()")
    assert only_presents('show_figure(\n    plots.plot(x),\n    alt="…",\n)')
    assert not only_presents("import math")
    assert not only_presents("y = f(x)\nshow_figure(plot(y), alt='…')")
    assert not only_presents("print(x)") and not only_presents("%timeit x")
