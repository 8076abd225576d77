"""Each rule of a deck refuses the notebook made to break it, and lets the mended one pass."""

import pytest
from pair import code, markdown, notebook, shown, stream

from course_lib.publishing import lint_deck as rules
from course_lib.publishing.new import MOULD
from course_lib.publishing.notebooks import read_source

ALL = (rules.deck_length, rules.slide_headings, rules.speaker_notes, rules.unfinished)
NOTES = "停 1.5 分钟。常问：为什么？答：因为。"


def slide():
    return markdown("## 题", "slide")


def notes(text=NOTES):
    return markdown(text, "notes")


def lecture(n_slides=14, n_fragments=1, text=NOTES):
    def fragments():
        return [code("print(1)", stream("1"), slide="fragment") for _ in range(n_fragments)]

    return [cell for _ in range(n_slides) for cell in (slide(), *fragments(), notes(text))]


BROKEN = [
    (rules.deck_length, lecture(11), None, "11 slides"),
    (rules.deck_length, lecture(17), None, "17 slides"),
    (rules.deck_length, lecture(14, n_fragments=2), None, "42 presses"),
    (rules.slide_headings, [code("print(1)", stream("1"), slide="slide"), markdown("## 题", "-")], 1, "no title"),
    (rules.slide_headings, [slide(), markdown("看", "subslide")], 2, "no title"),
    (rules.slide_headings, [markdown(":::{admonition} 题\n看\n:::", "slide")], 1, "no title"),
    (rules.slide_headings, [markdown("#标签", "slide")], 1, "no title"),
    (rules.speaker_notes, [slide(), code("x", stream("1"), slide="-")], 1, "0 cells of notes"),
    (rules.speaker_notes, [slide(), notes(), markdown("看", "fragment")], 1, "end it with one"),
    (rules.speaker_notes, [slide(), notes(), notes()], 1, "2 cells of notes"),
    (rules.speaker_notes, [slide(), slide(), notes()], 1, "0 cells of notes"),
    (rules.speaker_notes, [slide(), notes("停一会儿。常问：为什么？")], 2, "how long"),
    (rules.speaker_notes, [slide(), notes("停 2 分钟。")], 2, "no question"),
    (rules.speaker_notes, lecture(13, text="停 2 分钟。问：为什么？"), None, "26 minutes"),
    (rules.unfinished, [markdown("## 题\n\n看几条语料：", "slide")], 1, "'## 题\\n\\n看几条语料：'"),
    (rules.unfinished, [markdown("看:", "slide"), slide()], 1, "announces"),
    (rules.unfinished, [markdown("**看：**", "slide"), notes()], 1, "announces"),
    (rules.unfinished, [markdown(":::{admonition} 题\n看：\n:::", "slide")], 1, "announces"),
    (rules.unfinished, [markdown("看：", "slide"), code("f()", shown()), markdown("好", "-")], 1, "announces"),
    (rules.unfinished, [markdown("看：", "slide"), markdown("只在页上"), markdown("好", "fragment")], 1, "announces"),
    (rules.unfinished, [markdown("看：", "slide"), code("x = 1\n" * 17, slide="fragment")], 1, "announces"),
    (rules.unfinished, [markdown("看：", "slide"), code("x", tags=["hide-input"], slide="fragment")], 1, "announces"),
]  # fmt: skip


@pytest.mark.parametrize("rule, cells, number, complaint", BROKEN)
def test_a_deck_made_to_break_a_rule_is_refused(rule, cells, number, complaint):
    found = list(rule(notebook(*cells)))
    assert [place for place, _ in found] == [number]
    assert complaint in found[0][1]


FINE = [
    (rules.deck_length, lecture(12)),
    (rules.deck_length, lecture(16)),
    (rules.deck_length, [*lecture(16), code("f()"), markdown("## 只在页上", "skip")]),
    (rules.slide_headings, [markdown("# 03 题", "slide"), code("x"), markdown("### 题\n看", "subslide")]),
    (rules.speaker_notes, [slide(), code("f()"), notes(), markdown("页"), *lecture(2)]),
    (rules.unfinished, [markdown("看：", "slide"), code("f()", stream("1"), slide="fragment")]),
    (rules.unfinished, [markdown("看：", "slide"), code("x = 1", slide="-")]),
    (rules.unfinished, [markdown("看：", "slide"), code("def f(): ..."), code("f()", shown(), slide="fragment")]),
    (rules.unfinished, [markdown("看：\n\n- 一", "slide"), markdown("A：", "slide"), markdown("一", "-")]),
    (rules.unfinished, [markdown("只在页上："), slide(), markdown("备注：", "skip")]),
]


@pytest.mark.parametrize("rule, cells", FINE)
def test_what_is_right_passes(rule, cells):
    assert list(rule(notebook(*cells))) == []


def test_a_chapter_of_the_mould_has_a_deck(tmp_path):
    source = tmp_path / "99_mould.py"
    source.write_text((MOULD / "notebook.py.txt").read_text("utf-8"), "utf-8")
    assert [found for rule in ALL for found in rule(read_source(source))] == []
