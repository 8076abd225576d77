"""The errata framework: entries are complete, and none is settled by numbers that do not support it."""

import subprocess
import sys

import pytest

from course_lib.course import errata
from course_lib.course.errata import Erratum, format_value


def erratum(**changes):
    given = {
        "id": "K99-1",
        "chapter": "99",
        "title": "两种 <写法>",
        "slide": "1 + 1 = 3",
        "paper": "1 + 1 = 2",
        "code": "add(1, 1)",
        "compute": lambda: {"1 + 1": 2, "约": 1 / 3, "各项": [1.0, True]},
        "settles": settles,
        "sources": ["算术 §1"],
    }
    return Erratum(**given | changes)


def settles(values):
    if values["1 + 1"] != 2:
        raise ValueError(f"1 + 1 gave {values['1 + 1']}")
    return "论文对。"


@pytest.mark.parametrize("bad", ["K98-1", "K99", "C99-1", "K99-1b"])
def test_the_id_names_chapter_and_number(bad):
    with pytest.raises(ValueError, match="write K99-1, -2, …"):
        erratum(id=bad)


def test_an_erratum_without_a_source_is_refused():
    with pytest.raises(ValueError, match="at least one source"):
        erratum(sources=[])


def test_settling_computes_now_and_gives_numbers_and_verdict():
    settled = errata.settle(erratum())
    assert settled.verdict == "论文对。" and settled.values["1 + 1"] == 2


def test_numbers_that_do_not_support_the_verdict_raise_also_when_rendered():
    wrong = erratum(compute=lambda: {"1 + 1": 3})
    for use in (errata.settle, errata.render_html, errata.render_text):
        with pytest.raises(ValueError, match="1 \\+ 1 gave 3"):
            use(wrong)


@pytest.mark.parametrize(
    ("render", "order"),
    [
        (
            errata.render_html,
            ("结论", "</summary>", ">幻灯片<", ">论文<", ">公开代码<", ">计算<", "出处", "</details>"),
        ),
        (errata.render_text, ("幻灯片", "论文", "公开代码", "计算", "结论", "出处")),
    ],
)
def test_the_card_has_its_four_rows_verdict_and_sources(render, order):
    shown = render(erratum())
    rows = [shown.index(name) for name in order]
    assert rows == sorted(rows)
    for part in ("1 + 1 = 3", "add(1, 1)", "1 + 1 = 2", "约 = 0.333333", "各项 = 1、是", "论文对。", "算术 §1"):
        assert part in shown


def test_a_card_is_the_place_that_its_id_names():
    assert errata.render_html(erratum()).count('id="K99-1"') == 1


def test_html_escapes_what_authors_write():
    assert "两种 &lt;写法&gt;" in errata.render_html(erratum())


def test_rendering_what_is_settled_computes_nothing_again():
    settled = errata.settle(erratum())
    assert errata.render_html(settled) == errata.render_html(settled.erratum)


@pytest.mark.parametrize(
    ("value", "text"), [(True, "是"), (1234567, "1234567"), (1e-9, "1e-09"), ("词", "词"), ([1, 2], "1、2")]
)
def test_values_as_text(value, text):
    assert format_value(value) == text


def test_an_unknown_id_is_answered_with_the_known_ones():
    with pytest.raises(KeyError, match="no erratum 'K03-98'; there are K03-1"):
        errata.get_erratum("K03-98")
    with pytest.raises(KeyError, match="chapter '98' has no errata; there are 00"):
        errata.get_erratum("K98-1")


def test_importing_the_registry_loads_no_torch():
    code = "import sys, course_lib.course.errata; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
