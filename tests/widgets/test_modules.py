"""The JavaScript modules stand alone, and fetch nothing."""

import re

import pytest

from course_lib.widgets.figure import JS, modules, source
from course_lib.widgets.style import COLORS


@pytest.mark.parametrize("module", modules())
def test_a_module_exports_one_thing_and_fetches_nothing(module, run_js):
    whole = source(module)
    assert len(re.findall(r"^export default \{", whole, re.MULTILINE)) == 1
    assert len(re.findall(r"\bexport\b", whole)) == 1
    code = re.sub(r"//.*", "", whole)
    assert not re.search(r"\bimport\b|\bfetch\(|XMLHttpRequest|@import|url\(", code)
    assert set(re.findall(r"https?://[^\"'` ]+", whole)) <= {"http://www.w3.org/2000/svg"}
    assert run_js(module, "typeof widget.render") == "function"


@pytest.mark.parametrize("path", sorted(JS.glob("*.js")), ids=lambda path: path.stem)
def test_every_css_rule_stays_inside_the_widget(path):
    style = "".join(re.findall(r"^const \w*STYLE = `(.*?)`;", path.read_text("utf-8"), re.DOTALL | re.MULTILINE))
    for rule in re.findall(r"^([^{}\n]+)\{", style, re.MULTILINE):
        assert all(selector.strip().startswith(".course-widget-") for selector in rule.split(",")), rule


def test_the_accent_of_the_controls_is_the_palettes_blue():
    assert set(re.findall(r"accent-color: (#\w+)", (JS / "shared.js").read_text("utf-8"))) == {COLORS["Q"]}
