"""Build the lecture decks: `python -m course_lib.publishing slides [chapters]` → book/_build/html/slides/NN_name.html.

One reveal.js deck a chapter, from the cells that carry `slideshow.slide_type` ("slide", "subslide", "fragment",
"notes"; "-" continues the slide before); cells without it stay in the notebook. The folder is complete in itself:
copied to a stick it runs from file://, without a network.
"""

from __future__ import annotations

import argparse
import copy
import re
import shutil
from pathlib import Path

from nbconvert import SlidesExporter
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter
from traitlets.config import Config

from course_lib.course.exercises.page import RUN
from course_lib.course.outline import Chapter, choose, opened
from course_lib.publishing.assets import BOOK, HTML, copy_assets, guarded, web_font
from course_lib.publishing.cells import slide_type
from course_lib.publishing.deck_cells import shows_code
from course_lib.publishing.html import fences_to_html, hide_input, static_notebook
from course_lib.publishing.models import write_models
from course_lib.publishing.pages import executed_notebook, site_links

_LINK = re.compile(r"\]\((?!https?:|#)([\w./-]*?)([\w-]+)\.(?:ipynb|md)(#[^)]*)?\)")


def deck_notebook(notebook: NotebookNode, folder: str, pages: dict[str, str]) -> NotebookNode:
    """The cells of the deck: boxes as HTML, links to pages of the site, no code of more than a screen.

    folder: of the chapter's page below the site's root, "notebooks/1_foundations".
    """
    deck = static_notebook(notebook)
    deck.cells = [copy.deepcopy(cell) for cell in deck.cells if slide_type(cell) != "skip"]
    for cell in deck.cells:
        if cell.cell_type == "markdown":
            if slide_type(cell) == "notes":
                # folded in the chapter, open for the speaker
                cell.source = cell.source.replace("\n:class: dropdown", "")
            cell.source = _LINK.sub(rf"](../{folder}/\1\2.html\3)", fences_to_html(site_links(cell.source, pages)))
            if cell.source.lstrip().startswith("# "):
                cell.source = "## 这一章\n" + cell.source.lstrip().partition("\n")[2]
        elif shows_code(cell):
            cell.source = re.sub(r"\n{3,}", "\n\n", cell.source)
        else:
            hide_input(cell)
    return deck


def exporter() -> SlidesExporter:
    """nbconvert's exporter with the course's template."""
    config = Config()
    config.TemplateExporter.extra_template_basedirs = [str(BOOK / "slides_template")]
    config.TemplateExporter.template_name = "course_slides"
    config.HTMLExporter.exclude_anchor_links = True
    config.HTMLExporter.exclude_input_prompt = True
    config.HTMLExporter.exclude_output_prompt = True
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_input_tags = {"hide-input", "remove-input"}
    config.TagRemovePreprocessor.remove_cell_tags = {"remove-cell"}
    return SlidesExporter(config=config)


def deck_title(notebook: NotebookNode) -> str:
    """The notebook's `# ` title."""
    return next(
        cell.source.lstrip().split("\n", 1)[0].removeprefix("# ").strip()
        for cell in notebook.cells
        if cell.cell_type == "markdown" and cell.source.lstrip().startswith("# ")
    )


def deck(chapter: Chapter, notebook: NotebookNode) -> str:
    """One deck as HTML. Raises ValueError if no cell of the chapter is for a slide."""
    pages = {c.number: c.page for c in opened()}
    cells = deck_notebook(notebook, Path(chapter.page).parent.as_posix(), pages)
    if not cells.cells:
        raise ValueError(f"{chapter.page}: no cell has slideshow.slide_type, so its deck would be empty")
    resources = {
        "metadata": {"name": chapter.stem},
        "course": {"title": deck_title(notebook), "page": f"../{chapter.page}.html", "number": chapter.number},
    }
    text, _ = exporter().from_notebook_node(cells, resources=resources)
    return text.replace(f'href="{RUN}"', f'href="../{chapter.page}.html{RUN}"')


def build(notebooks: dict[Chapter, NotebookNode], target: Path = HTML / "slides") -> None:
    """Write the decks of these chapters and the assets that they share."""
    assets = target / "assets"
    shutil.rmtree(assets, ignore_errors=True)
    copy_assets(assets)
    write_models(notebooks.values(), assets)
    for file in ("slides.css", "slides.js"):
        shutil.copy(BOOK / "slides_template" / file, assets)
    (assets / "pygments.css").write_text(HtmlFormatter(style="friendly").get_style_defs(".highlight"), encoding="utf-8")
    for chapter, notebook in notebooks.items():
        (target / f"{chapter.stem}.html").write_text(guarded(deck(chapter, notebook)), encoding="utf-8")


def main(args: argparse.Namespace) -> int:
    """Build the decks of the chapters asked for (all by default)."""
    chosen = {chapter: executed_notebook(chapter) for chapter in choose(args.chapters)}
    build(chosen)
    web_font()
    for chapter in chosen:
        print(f"book/_build/html/slides/{chapter.stem}.html")
    return 0
