"""Build the site: `python -m course_lib.publishing site [--serve]` → book/_build/html.

Stage (book/*.md, executed notebooks as static HTML, assets) → Jupyter Book with every warning an error → downloads,
web font, decks. Nothing on the site asks another host for anything.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode

from course_lib.course import outline
from course_lib.course.outline import ROOT, Chapter
from course_lib.publishing import slides
from course_lib.publishing.assets import BOOK, BUILD, HTML, copy_assets, guarded, web_font
from course_lib.publishing.notebooks import cache_path, is_fresh, refresh
from course_lib.publishing.pages import chapter_page, downloadable, executed_notebook
from course_lib.publishing.serve import server
from course_lib.publishing.tables import chapters_table, claims_tables, errata_tables
from course_lib.publishing.timeline import timeline_svg

STAGE = BUILD / "src"
KEY = BUILD / "inputs.sha256"


def table_of_contents(pages: dict[str, str]) -> dict:
    """What Jupyter Book reads as _toc.yml: the parts with chapters that are there, then the reference pages."""
    parts = [
        {"caption": title, "chapters": [{"file": pages[c.number]} for c in chapters if c.number in pages]}
        for title, chapters in outline.parts().items()
    ]
    title, files = outline.reference()
    parts.append({"caption": title, "chapters": [{"file": file} for file in files]})
    return {"format": "jb-book", "root": "index", "parts": [part for part in parts if part["chapters"]]}


def fill(text: str, name: str, make) -> str:
    """Put `make()` where the page says `<!-- name -->`; pages without the mark stay as they are."""
    mark = f"<!-- {name} -->"
    return text.replace(mark, make()) if mark in text else text


def stage(notebooks: dict[Chapter, NotebookNode], target: Path = STAGE) -> None:
    """Write the source tree of the book: Markdown with its tables filled, notebooks as pages, assets."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    pages = {c.number: c.page for c in notebooks}
    makers = {
        "timeline": lambda: timeline_svg(pages),
        "chapters": lambda: chapters_table(pages),
        "claims": lambda: claims_tables(pages),
        "errata": lambda: errata_tables(pages),
    }
    for page in BOOK.glob("*.md"):
        text = page.read_text("utf-8").replace("{{start}}", f"{next(iter(pages.values()))}.html")
        for name, make in makers.items():
            text = fill(text, name, make)
        (target / page.name).write_text(text, encoding="utf-8")
    for file in ("_config.yml", "zh_bigram.py"):
        shutil.copy(BOOK / file, target)
    contents = yaml.safe_dump(table_of_contents(pages), allow_unicode=True, sort_keys=False)
    (target / "_toc.yml").write_text(contents, encoding="utf-8")
    copy_assets(target / "assets")
    for chapter, notebook in notebooks.items():
        file = target / f"{chapter.page}.ipynb"
        file.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(chapter_page(chapter, notebook, pages), file)


def run_jupyter_book(source: Path = STAGE, output: Path = BOOK) -> None:
    """Sphinx through Jupyter Book into `output`/_build. Any warning raises RuntimeError with its text."""
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(source), "--path-output", str(output)]
    done = subprocess.run([*command, "-W", "-n", "--keep-going", "--all", "-q"], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"jupyter-book refused the book:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")


def inputs_key(notebooks: dict[Chapter, NotebookNode]) -> str:
    """Hash of all that a build reads: executed notebooks, the book's files, course_lib."""
    digest = hashlib.sha256()
    for chapter, notebook in notebooks.items():
        digest.update(chapter.page.encode() + nbformat.writes(notebook).encode())
        digest.update(downloadable(chapter).read_bytes())
    for folder in (BOOK, ROOT / "course_lib"):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not {"_build", "__pycache__"} & set(file.parts):
                digest.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return digest.hexdigest()


def is_built() -> bool:
    """Whether book/_build/html was made from what lies here now."""
    if not all(is_fresh(chapter.source) for chapter in outline.opened()) or not (HTML / "index.html").exists():
        return False
    kept = {chapter: nbformat.read(cache_path(chapter.source), as_version=4) for chapter in outline.opened()}
    return KEY.exists() and KEY.read_text() == inputs_key(kept)


def build() -> Path:
    """Everything, from executed notebooks to book/_build/html; returns that folder. Does nothing if nothing changed."""
    if is_built():
        return HTML
    refresh(chapter.source for chapter in outline.opened())
    notebooks = {chapter: executed_notebook(chapter) for chapter in outline.opened()}
    KEY.unlink(missing_ok=True)
    stage(notebooks)
    shutil.rmtree(HTML, ignore_errors=True)
    run_jupyter_book()
    for page in HTML.rglob("*.html"):
        page.write_text(guarded(page.read_text("utf-8")), "utf-8")
    for chapter in notebooks:
        shutil.copy(downloadable(chapter), HTML / "_sources" / f"{chapter.page}.ipynb")
    slides.build(notebooks)
    web_font()
    (HTML / ".nojekyll").touch()
    KEY.write_text(inputs_key(notebooks))
    return HTML


def main(args: argparse.Namespace) -> int:
    """Build, then serve if asked to."""
    folder = build()
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    print(f"{len(list(folder.rglob('*.html')))} pages, {size / 2**20:.1f} MiB in {folder.relative_to(ROOT)}")
    if args.serve:
        with server(folder, args.port) as running:
            print(f"http://127.0.0.1:{running.server_port}/  (Ctrl+C stops)", flush=True)
            try:
                running.serve_forever()
            except KeyboardInterrupt:
                print()
    return 0
