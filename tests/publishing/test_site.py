"""Pages of the book before Sphinx sees them: order, links, tables, the map, the search language."""

import argparse
import importlib.util
import itertools
import re
import xml.etree.ElementTree as ElementTree

import nbformat
import pytest
from fontTools.ttLib import TTFont
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_lib import chapter_files
from course_lib.course import outline
from course_lib.course.outline import ROOT
from course_lib.publishing import assets, pages, site, tables, timeline
from course_lib.publishing.__main__ import parser

PAGES = {"03": "notebooks/1_foundations/03_rope"}
ROPE = outline.choose(["03"])[0]


def extension(name):
    """A Sphinx extension that lies with the book."""
    spec = importlib.util.spec_from_file_location(name, assets.BOOK / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def bigrams():
    return extension("zh_bigram")


def test_contents_are_the_open_chapters_in_order_and_then_the_reference():
    contents = site.table_of_contents({c.number: c.page for c in outline.opened()})
    files = [entry["file"] for part in contents["parts"] for entry in part["chapters"]]
    chapters = [file for file in files if file.startswith("notebooks/")]
    assert chapters == sorted(set(chapters)) == files[: len(chapters)]
    assert {ROOT / f"{c}.py" for c in chapters} == set((ROOT / "notebooks").glob("*/[0-9][0-9]_*.py"))
    assert all((assets.BOOK / f"{file}.md").is_file() for file in files[len(chapters) :])


def test_the_plan_names_26_chapters_in_the_folders_of_their_parts():
    planned = outline.planned()
    assert [c.number for c in planned] == [f"{n:02d}" for n in range(26)]
    assert {c.folder for c in planned} == {"1_foundations", "2_models", "3_posttraining"}
    for chapter in outline.opened():
        assert chapter.shows and chapter.reading and chapter.running, f"{chapter.stem} is there but lacks its minutes"
        assert chapter_files.folders()[chapter.number].name == f"ch{chapter.stem}"


def test_events_of_the_map_are_in_order_of_time_on_known_lanes():
    dates = [event.date for event in outline.events()]
    assert dates == sorted(dates) and dates[1] == "2017-06" and dates[-1] == "2025-02"
    assert {event.lane for event in outline.events()} == set(outline.lanes())


def test_only_open_chapters_are_linked_from_the_map():
    svg = timeline.timeline_svg(PAGES)
    tree = ElementTree.fromstring(svg)
    assert {a.get("href") for a in tree.iter("a")} == {f"{PAGES['03']}.html"}
    soon = [g.find("title").text for g in tree.iter("g")]
    assert len(soon) == len(outline.events()) - 1 and all("即将推出" in t for t in soon)
    assert "Qwen2.5-VL" in tree.find("svg").get("aria-label") and "\n\n" not in svg


def test_links_to_chapters_to_come_are_text_and_misspelt_ones_stay():
    source = "[第 04 章](04_attention.ipynb#x)、[本章](03_rope.ipynb)、[笔误](99_nothing.ipynb)"
    changed = pages.site_links(source, PAGES)
    assert changed == "第 04 章、[本章](03_rope.ipynb)、[笔误](99_nothing.ipynb)"


def test_page_offers_notebook_and_deck_and_keeps_speaker_notes_out():
    chapter = ROPE
    notes = new_markdown_cell("停两分钟", metadata={"slideshow": {"slide_type": "notes"}})
    page = pages.chapter_page(chapter, new_notebook(cells=[new_markdown_cell("# 题\n\n文"), notes]), PAGES)
    assert len(page.cells) == 1 and page.cells[0].source.startswith("# 题\n\n<div")
    assert 'href="../../_sources/notebooks/1_foundations/03_rope.ipynb"' in page.cells[0].source
    assert 'href="../../slides/03_rope.html"' in page.cells[0].source


def test_page_without_title_is_refused():
    with pytest.raises(ValueError, match="title"):
        pages.chapter_page(ROPE, new_notebook(cells=[new_code_cell("x")]), PAGES)


def test_unknown_chapter_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match=r"99.*03_rope"):
        outline.choose(["99"])
    assert [c.stem for c in outline.choose(["03"])] == ["03_rope"]


def test_list_table_keeps_paragraphs_of_a_cell_together():
    table = tables.list_table(["a", "b"], [["1", "x\n\ny"]], widths="1 1")
    assert "* - 1\n  - x\n    \n    y\n" in table and table.count("* - ") == 2


def shown_in_chapters():
    """Id -> page, of every card that a chapter shows."""
    call = re.compile(r'^show_(?:claim|erratum)\("([CK][^"]+)"\)', re.MULTILINE)
    return [(name, chapter.page) for chapter in outline.opened() for name in call.findall(chapter.source.read_text())]


@pytest.fixture(scope="module")
def listed():
    pages = {chapter.number: chapter.page for chapter in outline.opened()}
    return tables.claims_tables(pages) + tables.errata_tables(pages)


def test_every_row_of_the_tables_has_its_card_and_every_card_its_row(listed):
    """Ids once on each side, and the row's link is to the page that shows the card."""
    rows = re.findall(r'^<div class="evidence-row" id="([^"]+)">', listed, re.MULTILINE)
    links = re.findall(r'<a href="([^"]+)\.html#([^"]+)">', listed)
    assert sorted(rows) == sorted(name for name, _ in shown_in_chapters())
    assert sorted((name, page) for page, name in links) == sorted(shown_in_chapters())


def test_a_row_says_its_verdict_before_its_numbers(listed):
    from course_lib.course.claims import load_record, outcome_text

    row = listed.partition('id="C05"')[2].partition("evidence-row")[0]
    record = load_record("C05")
    order = [row.index(part) for part in (outcome_text(record), record["sentence"], record["statement"], "<details>")]
    assert order == sorted(order) and row.index("±") > order[-1]


def test_a_card_links_to_its_row_and_other_outputs_stay():
    from course_lib.course import errata

    shown = errata.render_html(errata.get_erratum("K03-1"))
    linked = pages.with_table_link(shown, "../../")
    assert 'href="../../errata.html#K03-1"' in linked and linked.endswith("</details>")
    assert pages.with_table_link("<details><b>K03-1</b></details>", "../../") == "<details><b>K03-1</b></details>"


def test_staged_book_has_no_placeholder_left(tmp_path):
    chapter = ROPE
    cells = [new_markdown_cell("# 题"), new_code_cell("1", outputs=[new_output("stream", text="1")])]
    site.stage({chapter: new_notebook(cells=cells)}, tmp_path)
    text = "".join(p.read_text("utf-8") for p in tmp_path.glob("*.md"))
    assert not re.search(r"<!-- \w+ -->|\{\{", text)
    assert (tmp_path / "assets" / "course-widgets.js").stat().st_size > 1000
    assert nbformat.read(tmp_path / f"{chapter.page}.ipynb", as_version=4).cells
    assert "03_rope" in (tmp_path / "_toc.yml").read_text("utf-8")


def test_links_to_pages_of_the_book_lead_to_the_root():
    assert pages.site_links("[表](../../book/glossary.md#x)", PAGES) == "[表](../../glossary.md#x)"


def test_search_finds_every_phrase_of_a_text(bigrams):
    language = bigrams.ChineseBigrams({})
    index = {language.stem(term) for term in language.split("旋转位置编码 RoPE 与 KV cache")}
    for query in ("旋转位置编码", "位置编码", "转位置", "位", "rope", "KV"):
        runs = bigrams.RUN.findall(query)
        terms = [t for r in runs for t in ([r] if r.isascii() or len(r) < 3 else map("".join, itertools.pairwise(r)))]
        assert {t.lower() for t in terms} <= index, query


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("手算：两个位置", "手算-两个位置"),
        ("KV cache 与 MHA", "kv-cache-与-mha"),
        ("Q, K and V", "q-k-and-v"),
        ("第 03 章", "第-03-章"),
    ],
)
def test_the_words_of_a_heading_are_its_place(words, place):
    assert extension("zh_ids").make_id(words) == place


def test_web_font_holds_what_pages_and_widgets_write(tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "index.html").write_text("位置", "utf-8")
    (tmp_path / "_static" / "course-widgets.js").write_text('label("分量，纵轴")', "utf-8")
    assets.web_font(tmp_path)
    held = TTFont(tmp_path / "_static" / "CourseSans-SC.woff").getBestCmap()
    assert {ord(c) for c in "位置分量，纵轴"} <= set(held) and ord("乘") not in held
    assert "SIL OPEN FONT LICENSE" in (tmp_path / "_static" / "CourseSans-SC.OFL.txt").read_text("utf-8").upper()


def test_web_font_stands_before_every_family_that_a_bare_linux_has():
    """Behind one of them Chromium sometimes keeps the boxes that it drew while the font was on its way."""
    css = (assets.BOOK / "assets" / "course.css").read_text("utf-8")
    assert "unicode-range" in css.partition("@font-face")[2].partition("}")[0]  # Latin stays the system's
    for name in ("--course-sans", "--course-mono"):
        before, after = css.partition(f"{name}:")[2].partition(";")[0].split('"CourseSans SC Web"')
        assert not re.search(r"system-ui|DejaVu|sans-serif| monospace", before), name
        assert after.strip(" ,\n"), name


def test_vendored_files_are_small_and_licensed():
    vendor = assets.BOOK / "assets" / "vendor"
    assert sum(f.stat().st_size for f in vendor.rglob("*") if f.is_file()) < 6 * 2**20
    for package in ("mathjax", "reveal"):
        assert (vendor / package / "LICENSE").is_file()


def test_command_line_knows_its_commands():
    assert parser().parse_args(["site", "--serve"]).serve is True
    assert parser().parse_args(["site", "--no-serve"]).serve is False
    assert parser().parse_args(["slides", "03"]).chapters == ["03"]
    assert isinstance(parser().parse_args(["sync"]), argparse.Namespace)
