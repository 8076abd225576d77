"""Build the site: `python -m course_lib.publishing site [--serve]` → book/_build/html.

Stage (book/*.md, executed notebooks as static HTML, assets) → Jupyter Book with every warning an error → downloads,
web font, decks. Nothing on the site asks another host for anything.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import html
import http.server
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml
from fontTools import subset
from fontTools.ttLib import TTFont
from nbformat import NotebookNode

from course_lib.publishing.html import hide_input, only_presents, static_notebook, widget_script

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
BUILD = BOOK / "_build"
STAGE = BUILD / "src"
HTML = BUILD / "html"
KEY = BUILD / "inputs.sha256"
N_FIGURES = 5  # of a claim, shown before the rest is folded
FONT = ROOT / "course_lib" / "fonts" / "CourseSans-SC.otf"


@dataclass(frozen=True)
class Chapter:
    """One chapter of the table of contents; `page` is its path below the root without suffix."""

    page: str

    @property
    def number(self) -> str:
        """Two digits: "03"."""
        return Path(self.page).name[:2]

    @property
    def name(self) -> str:
        """File name without suffix: "03_rope"."""
        return Path(self.page).name

    @property
    def source(self) -> Path:
        """The reviewed percent script."""
        return ROOT / f"{self.page}.py"

    @property
    def notebook(self) -> Path:
        """The committed notebook, which readers download."""
        return ROOT / f"{self.page}.ipynb"


def table_of_contents() -> dict:
    """book/_toc.yml."""
    return yaml.safe_load((BOOK / "_toc.yml").read_text("utf-8"))


def planned_course() -> dict:
    """book/timeline.yml: the map's lanes and events, and all 26 chapters with what they are about."""
    return yaml.safe_load((BOOK / "timeline.yml").read_text("utf-8"))


def chapters() -> list[Chapter]:
    """The chapters that are there, in the order of the table of contents."""
    files = [entry["file"] for part in table_of_contents()["parts"] for entry in part["chapters"]]
    return [c for c in map(Chapter, files) if c.page.startswith("notebooks/") and c.source.exists()]


def choose(wanted: list[str]) -> list[Chapter]:
    """Chapters by number or name; all when none is wanted. Raises ValueError that lists what there is."""
    every = chapters()
    unknown = [w for w in wanted if w not in {n for c in every for n in (c.number, c.name)}]
    if unknown:
        raise ValueError(f"no chapter {', '.join(unknown)}; there are {', '.join(c.name for c in every)}")
    return [c for c in every if not wanted or {c.number, c.name} & set(wanted)]


def executed_notebook(chapter: Chapter) -> NotebookNode:
    """The chapter with all its outputs, executed first when that is out of date."""
    from course_lib.publishing.notebooks import executed

    return nbformat.read(executed(chapter.source), as_version=4)


def downloadable(chapter: Chapter) -> Path:
    """The committed notebook. Raises FileNotFoundError that says how to make it."""
    if not chapter.notebook.exists():
        raise FileNotFoundError(
            f"{chapter.page}.ipynb is missing; python -m course_lib.publishing sync {chapter.number}"
        )
    return chapter.notebook


# ---- pages --------------------------------------------------------------------------------------------------------


_CHAPTER_LINK = re.compile(r"\[([^\]]*)\]\([\w./-]*?(\d\d)_\w+\.ipynb(?:#[^)]*)?\)")


def site_links(source: str, pages: dict[str, str]) -> str:
    """A notebook's Markdown with links as the site needs them.

    The book's pages stand at the site's root; links to chapters still to come are plain text. A misspelt link stays
    as it is, so that the build refuses it.
    """
    source = source.replace("](../../book/", "](../../")
    planned = {c["number"] for part in planned_course()["parts"] for c in part["chapters"]} - set(pages)
    return _CHAPTER_LINK.sub(lambda m: m[1] if m[2] in planned else m[0], source)


def chapter_page(chapter: Chapter, notebook: NotebookNode, pages: dict[str, str]) -> NotebookNode:
    """The notebook as a page: static outputs, no speaker notes, under the title links to its notebook and its deck."""
    page = static_notebook(notebook)
    page.cells = [c for c in page.cells if c.metadata.get("slideshow", {}).get("slide_type") != "notes"]
    for cell in page.cells:
        if cell.cell_type == "markdown":
            cell.source = site_links(cell.source, pages)
        elif only_presents(cell.source) and "\n" in cell.source:
            hide_input(cell)
    up = "../" * chapter.page.count("/")
    links = (
        f'<div class="page-links"><a href="{up}_sources/{chapter.page}.ipynb" download>下载本章笔记本</a>'
        f'<a href="{up}slides/{chapter.name}.html">本章幻灯片</a></div>'
    )
    first = page.cells[0]
    if first.cell_type != "markdown" or not first.source.lstrip().startswith("# "):
        raise ValueError(f"{chapter.page}: the first cell must be Markdown that begins with a `# ` title")
    title, _, rest = first.source.lstrip().partition("\n")
    first.source = f"{title}\n\n{links}\n\n{rest.lstrip()}"
    return page


def one_line(text: str) -> str:
    """Text for a table cell: no line breaks, no stray HTML."""
    return " ".join(text.split()).replace("<", "&lt;")


def list_table(header: list[str], rows: list[list[str]], *, widths: str) -> str:
    """A MyST list table. Cells are Markdown, of one or more paragraphs."""
    lines = ["::::{list-table}", ":header-rows: 1", f":widths: {widths}", ":class: course-table", ""]
    for row in [header, *rows]:
        for i, cell in enumerate(row):
            first, *rest = cell.split("\n")
            lines += [("* - " if i == 0 else "  - ") + first, *(f"    {line}" for line in rest)]
    return "\n".join([*lines, "::::"])


def chapter_link(number: str, pages: dict[str, str]) -> str:
    """Markdown link to a chapter, or its bare number while it is not there."""
    return f"[第 {number} 章]({pages[number]}.ipynb)" if number in pages else f"第 {number} 章"


def claims_tables(pages: dict[str, str]) -> str:
    """主张与证据: one table a chapter, from the recorded figures."""
    from course_lib.course.claims import OUTCOMES, load_record, registry
    from course_lib.course.claims.render import measured

    def figures(record: dict) -> str:
        lines = [f"{one_line(label)}：**{one_line(value)}**" for label, value in measured(record)]
        shown = "<br>".join([*lines[:N_FIGURES], f"（{len(record['seeds'])} 个种子）"])
        if len(lines) <= N_FIGURES:
            return shown
        rest = "<br>".join(lines[N_FIGURES:])
        return f"{shown}\n\n<details><summary>另外 {len(lines) - N_FIGURES} 项</summary>\n\n{rest}\n\n</details>"

    def row(claim) -> list[str]:
        what = f"**{claim.id}** {one_line(claim.title)}\n\n{one_line(claim.statement)}"
        try:
            record = load_record(claim.id)
        except FileNotFoundError:
            return [what, "尚未测量", "—"]
        badge = f'<span class="verdict verdict-{record["verdict"]}">{OUTCOMES[record["verdict"]]}</span>'
        verdict = f"{badge}\n\n{one_line(record['sentence'])}"
        if record["limits"]:
            verdict += f"\n\n这个规模看不到：{one_line(record['limits'])}"
        return [what, figures(record), verdict]

    by_chapter: dict[str, list[list[str]]] = {}
    for claim in registry().values():
        by_chapter.setdefault(claim.chapter, []).append(row(claim))
    header = ["主张", "测到的数", "结论"]
    parts = []
    for number, rows in sorted(by_chapter.items()):
        parts += [f"## {chapter_link(number, pages)}", "", list_table(header, rows, widths="34 33 33"), ""]
    return "\n".join(parts)


def errata_tables(pages: dict[str, str]) -> str:
    """考据: one table a chapter, computed now."""
    from course_lib.course.errata import format_value, registry, settle

    by_chapter: dict[str, list[list[str]]] = {}
    for entry in registry().values():
        settled = settle(entry)
        by_chapter.setdefault(entry.chapter, []).append(
            [
                f"**{entry.id}** {one_line(entry.title)}",
                f"**讲义** {one_line(entry.slide)}\n\n**论文** {one_line(entry.paper)}\n\n"
                f"**公开代码** {one_line(entry.code)}",
                "<br>".join(f"{one_line(k)}：**{one_line(format_value(v))}**" for k, v in settled.values.items()),
                one_line(settled.verdict),
            ]
        )
    parts = []
    for number, rows in sorted(by_chapter.items()):
        header = ["问题", "三种说法", "算出来的", "结论"]
        parts += [f"## {chapter_link(number, pages)}", "", list_table(header, rows, widths="16 30 28 26"), ""]
    return "\n".join(parts)


def timeline_svg(pages: dict[str, str]) -> str:
    """The course as a metro map: time runs downwards, one line a lane, a station a paper. Inline SVG, links inside."""
    data = planned_course()
    lanes = {lane["id"]: i for i, lane in enumerate(data["lanes"])}
    left, lane_width, top, row_height = 78, 152, 62, 32
    width = left + lane_width * len(lanes)
    height = top + row_height * len(data["events"]) + 8
    places = [(left + 14 + lane_width * lanes[e["lane"]], top + row_height * i) for i, e in enumerate(data["events"])]
    out = [
        '<div class="timeline-map">',
        f'<svg viewBox="0 0 {width} {height}" role="group" aria-label="课程时间地图：从词向量与 2017 年 6 月的 '
        'Transformer 到 2025 年 2 月的 Qwen2.5-VL，五条线分别是基础、语言模型、图与文、多模态对话、后训练">',
    ]
    year = None
    for event, (_, y) in zip(data["events"], places):
        if event["date"][:4] != year:
            year = event["date"][:4]
            out.append(f'<line class="tl-year" x1="0" x2="{width}" y1="{y - 17}" y2="{y - 17}"/>')
    for lane in data["lanes"]:
        x = left + 14 + lane_width * lanes[lane["id"]]
        ys = [y for e, (_, y) in zip(data["events"], places) if e["lane"] == lane["id"]]
        out.append(f'<text class="tl-lane tl-{lane["id"]}" x="{x - 9}" y="24">{lane["title"]}</text>')
        out.append(f'<line class="tl-line tl-{lane["id"]}" x1="{x}" x2="{x}" y1="{min(ys)}" y2="{max(ys)}"/>')
    for event, (x, y) in zip(data["events"], places):
        link = pages.get(event["chapter"])
        out.append(f'<text class="tl-date" x="4" y="{y + 5}">{event["date"]}</text>')
        title = f"{event['date']} {event['name']}，第 {event['chapter']} 章"
        if event.get("note"):
            title += f"（{event['note']}）"
        station = (
            f'<circle class="tl-{event["lane"]}" cx="{x}" cy="{y}" r="7"/>'
            f'<text x="{x + 14}" y="{y + 5}">{html.escape(event["name"])}'
            f'<tspan class="tl-chapter" dx="6">{event["chapter"]}</tspan></text>'
        )
        if link:
            out.append(f'<a class="tl-open" href="{link}.html" aria-label="{title}">{station}</a>')
        else:
            out.append(f'<g class="tl-soon"><title>{title}，即将推出</title>{station}</g>')
    return "\n".join([*out, "</svg>", "</div>"])


def chapters_table(pages: dict[str, str]) -> str:
    """Every chapter of the course: open ones link to page and deck, the others say that they are to come."""
    data = planned_course()
    parts = []
    for part in data["parts"]:
        rows = []
        for chapter in part["chapters"]:
            page = pages.get(chapter["number"])
            title = f"[{chapter['title']}]({page}.ipynb)" if page else chapter["title"]
            deck = f'<a href="slides/{Path(page).name}.html">幻灯片</a>' if page else "即将推出"
            rows.append([chapter["number"], title, chapter["about"], deck])
        parts += [
            f"### {part['title']}",
            "",
            list_table(["章", "标题", "内容", "幻灯片"], rows, widths="8 36 41 15"),
            "",
        ]
    return "\n".join(parts)


# ---- stage and build ----------------------------------------------------------------------------------------------


def fill(text: str, name: str, make) -> str:
    """Put `make()` where the page says `<!-- name -->`; pages without the mark stay as they are."""
    mark = f"<!-- {name} -->"
    return text.replace(mark, make()) if mark in text else text


def copy_assets(target: Path) -> None:
    """The assets of site and decks, with the widgets' script built from its modules."""
    shutil.copytree(BOOK / "assets", target, dirs_exist_ok=True)
    (target / "vendor" / "README.md").unlink(missing_ok=True)
    (target / "course-widgets.js").write_text(widget_script(), encoding="utf-8")


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
    toc = table_of_contents()
    for part in toc["parts"]:
        part["chapters"] = [
            e for e in part["chapters"] if e["file"] in pages.values() or (target / f"{e['file']}.md").exists()
        ]
    (target / "_toc.yml").write_text(yaml.safe_dump(toc, allow_unicode=True, sort_keys=False), encoding="utf-8")
    copy_assets(target / "assets")
    for chapter, notebook in notebooks.items():
        file = target / f"{chapter.page}.ipynb"
        file.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(chapter_page(chapter, notebook, pages), file)


def run_jupyter_book(source: Path = STAGE) -> None:
    """Sphinx through Jupyter Book; any warning or unresolved reference raises RuntimeError with its text."""
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(source), "--path-output", str(BOOK)]
    done = subprocess.run([*command, "-W", "-n", "--keep-going", "--all", "-q"], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"jupyter-book refused the book:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")


def web_font(folder: Path = HTML) -> None:
    """Subset of the course's font with the characters of the pages and of the widgets' script, for systems without a
    Chinese font."""
    texts = [*folder.rglob("*.html"), *folder.rglob("course-widgets.js")]
    characters = set().union(*(text.read_text("utf-8") for text in texts))
    options = subset.Options(flavor="woff", hinting=False, layout_features=[])
    font = TTFont(FONT)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=[ord(c) for c in characters])
    subsetter.subset(font)
    for target in (folder / "_static", folder / "slides" / "assets"):
        if target.is_dir():
            subset.save_font(font, str(target / "CourseSans-SC.woff"), options)


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
    from course_lib.publishing.notebooks import cache_path, is_fresh

    if not all(is_fresh(chapter.source) for chapter in chapters()) or not (HTML / "index.html").exists():
        return False
    kept = {chapter: nbformat.read(cache_path(chapter.source), as_version=4) for chapter in chapters()}
    return KEY.exists() and KEY.read_text() == inputs_key(kept)


def build() -> Path:
    """Everything, from executed notebooks to book/_build/html; returns that folder. Does nothing if nothing changed."""
    from course_lib.publishing import slides
    from course_lib.publishing.notebooks import refresh

    if is_built():
        return HTML
    refresh(chapter.source for chapter in chapters())
    notebooks = {chapter: executed_notebook(chapter) for chapter in chapters()}
    KEY.unlink(missing_ok=True)
    stage(notebooks)
    shutil.rmtree(HTML, ignore_errors=True)
    run_jupyter_book()
    for chapter in notebooks:
        shutil.copy(downloadable(chapter), HTML / "_sources" / f"{chapter.page}.ipynb")
    slides.build(notebooks)
    web_font()
    (HTML / ".nojekyll").touch()
    KEY.write_text(inputs_key(notebooks))
    return HTML


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


def server(folder: Path = HTML, port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server of the built site on localhost; port 0 takes a free one. The caller runs and closes it."""
    handler = functools.partial(_Quiet, directory=str(folder))
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)


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
