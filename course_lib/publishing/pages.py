"""A chapter as a page of the book: its executed notebook with static outputs, and links as the site needs them."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.course import outline
from course_lib.course.outline import Chapter
from course_lib.publishing.html import hide_input, only_presents, static_notebook
from course_lib.publishing.notebooks import executed
from course_lib.publishing.run_box import repository, run_box

_CHAPTER_LINK = re.compile(r"\[([^\]]*)\]\([\w./-]*?(\d\d)_\w+\.ipynb(?:#[^)]*)?\)")

_CARD = re.compile(r'<details class="course-card course-(?P<kind>claim|erratum)[^>]* id="(?P<name>[\w-]+)"')
TABLES = {"claim": ("claims", "主张与证据"), "erratum": ("errata", "考据")}


def executed_notebook(chapter: Chapter) -> NotebookNode:
    """The chapter with all its outputs, executed first when that is out of date."""
    return nbformat.read(executed(chapter.source), as_version=4)


def downloadable(chapter: Chapter) -> Path:
    """The committed notebook. Raises FileNotFoundError that says how to make it."""
    if not chapter.notebook.exists():
        raise FileNotFoundError(
            f"{chapter.page}.ipynb is missing; python -m course_lib.publishing sync {chapter.number}"
        )
    return chapter.notebook


def site_links(source: str, pages: dict[str, str]) -> str:
    """A notebook's Markdown with links as the site needs them.

    The book's pages stand at the site's root; links to chapters still to come are plain text. A misspelt link stays
    as it is, so that the build refuses it.
    """
    source = source.replace("](../../book/", "](../../")
    planned = set(outline.chapters()) - set(pages)
    return _CHAPTER_LINK.sub(lambda m: m[1] if m[2] in planned else m[0], source)


def with_table_link(card: str, up: str) -> str:
    """A card of evidence with a link to its row of the book's table; any other HTML as it is."""
    found = _CARD.match(card)
    if not found:
        return card
    table, title = TABLES[found["kind"]]
    link = f'<p class="table-link"><a href="{up}{table}.html#{found["name"]}">“{title}”里的这一条</a></p>'
    return f"{card.removesuffix('</details>')}{link}</details>"


def chapter_page(chapter: Chapter, notebook: NotebookNode, pages: dict[str, str]) -> NotebookNode:
    """The notebook as a page: static outputs, no speaker notes; under the title notebook, deck and how to run it."""
    up = "../" * chapter.page.count("/")
    page = static_notebook(notebook)
    page.cells = [c for c in page.cells if c.metadata.get("slideshow", {}).get("slide_type") != "notes"]
    for cell in page.cells:
        if cell.cell_type == "markdown":
            cell.source = site_links(cell.source, pages)
        elif only_presents(cell.source) and "\n" in cell.source:
            hide_input(cell)
        for output in cell.get("outputs", []):
            if "text/html" in output.get("data", {}):
                output.data["text/html"] = with_table_link(output.data["text/html"], up)
    links = (
        f'<div class="page-links"><a href="{up}_sources/{chapter.page}.ipynb" download>下载本章笔记本</a>'
        f'<a href="{up}slides/{chapter.stem}.html">本章幻灯片</a>'
        '<a href="#run-this-chapter">运行这一章</a></div>'
    )
    first = page.cells[0]
    if first.cell_type != "markdown" or not first.source.lstrip().startswith("# "):
        raise ValueError(f"{chapter.page}: the first cell must be Markdown that begins with a `# ` title")
    title, _, rest = first.source.lstrip().partition("\n")
    first.source = f"{title}\n\n{links}\n\n{run_box(chapter, repository(), up)}\n\n{rest.lstrip()}"
    return page
