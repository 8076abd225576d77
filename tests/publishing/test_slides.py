"""Decks: which cells they show, how, and that they need nothing from elsewhere."""

import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_lib.course.outline import choose
from course_lib.publishing import slides

CHAPTER = choose(["03"])[0]


def cell(source, kind=None, make=new_markdown_cell, **metadata):
    return make(source, metadata={**({"slideshow": {"slide_type": kind}} if kind else {}), **metadata})


@pytest.fixture(scope="module")
def deck():
    long = "\n".join(f"x{i} = {i}" for i in range(40))
    cells = [
        cell("# 03 题目\n\n开场", "slide"),
        cell("只在笔记本里"),
        cell("略过", "skip"),
        cell(":::{admonition} 猜\n:class: guess\n$a<b$ 吗\n:::\n\n[看](01_embedding.ipynb#x)", "slide"),
        cell("short = 1", "fragment", new_code_cell),
        cell(long, "fragment", new_code_cell),
        cell("secret = 1", "fragment", new_code_cell, tags=["hide-input"]),
        cell("停两分钟", "notes"),
    ]
    return slides.deck(CHAPTER, new_notebook(cells=cells))


def test_tagged_cells_are_shown_and_others_are_not(deck):
    assert "开场" in deck and "只在笔记本里" not in deck and "略过" not in deck


def test_deck_begins_with_its_title_once(deck):
    assert len(re.findall(r"<h1>", deck)) == 1 and "<h1>03 题目</h1>" in deck


def test_boxes_and_maths_survive(deck):
    assert '<div class="admonition guess">' in deck and ":::" not in deck
    assert re.search(r"\$a(<|&lt;)b\$", deck)


def test_long_and_hidden_code_stays_in_the_notebook(deck):
    assert "short" in deck and "x39" not in deck and "secret" not in deck


def test_speaker_notes_are_notes(deck):
    assert re.search(r'<aside class="notes">.*停两分钟.*</aside>', deck, re.DOTALL)


def test_links_lead_to_pages_of_the_site(deck):
    assert 'href="../notebooks/1_foundations/03_rope.html"' in deck
    assert ".ipynb" not in deck


def test_everything_is_local(deck):
    addresses = re.findall(r'(?:src|href)="([^"]*)"', deck)
    assert addresses and not [a for a in addresses if re.match(r"(https?:)?//", a)]
    assert "require" not in deck and "jquery" not in deck


def test_deck_of_nothing_is_refused():
    with pytest.raises(ValueError, match="slide_type"):
        slides.deck(CHAPTER, new_notebook(cells=[cell("# 题")]))
