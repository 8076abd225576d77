"""What the book's pages list: 主张与证据, 考据, all chapters. MyST, made when the book is staged.

pages: chapter number -> path of its page, for the chapters that are there.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from course_lib.course import outline


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


def evidence(name: str, page: str | None, head: str, said: str, folded: str, inside: str) -> str:
    """One row of 主张与证据 or 考据, its verdict first: the place #name, which links to its card in the chapter.

    head and folded (what the fold is called) are HTML, said and inside Markdown.
    """
    link = f' · <a href="{page}.html#{name}">章里的这一张</a>' if page else ""
    inside = f"<details><summary>{folded}</summary>\n\n{inside}\n\n</details>"
    return f'<div class="evidence-row" id="{name}">\n\n{head}{link}\n\n{said}\n\n{inside}\n\n</div>\n'


def by_chapter(rows: list[tuple[str, str]], pages: dict[str, str]) -> str:
    """(chapter, row) as sections, in order of the chapters."""
    parts = []
    for number, group in groupby(sorted(rows, key=lambda row: row[0]), key=lambda row: row[0]):
        parts += [f"## {chapter_link(number, pages)}", "", *(row for _, row in group)]
    return "\n".join(parts)


def claims_tables(pages: dict[str, str]) -> str:
    """主张与证据 by chapter, from the recorded figures; how many came out how stands before."""
    from course_lib.course.claims import OUTCOMES, load_record, registry
    from course_lib.course.claims.render import measured, verdict_badge

    rows, verdicts = [], Counter()
    for claim in registry().values():
        record = load_record(claim.id)
        verdicts[record["verdict"]] += 1
        figures = [f"{one_line(label)}：**{one_line(value)}**" for label, value in measured(record)]
        inside = "<br>".join(figures) + f"\n\n**若出现则推翻** {one_line(record['refuted_if'])}"
        if record["limits"]:
            inside += f"\n\n**这个规模看不到** {one_line(record['limits'])}"
        row = evidence(
            claim.id,
            pages.get(claim.chapter),
            f"{verdict_badge(record)} **{record['id']} {one_line(record['title'])}**",
            f"{one_line(record['sentence'])}\n\n**主张** {one_line(record['statement'])}",
            f"测到的 {len(figures)} 个量（{len(record['seeds'])} 个种子）",
            inside,
        )
        rows.append((claim.chapter, row))
    total = "，".join(f"{word} {verdicts[verdict]} 条" for verdict, word in OUTCOMES.items())
    return f"{len(rows)} 条主张：{total}。\n\n{by_chapter(rows, pages)}"


def errata_tables(pages: dict[str, str]) -> str:
    """考据 by chapter, computed now."""
    from course_lib.course.errata import format_value, registry, settle
    from course_lib.course.errata.render import BADGE

    rows = []
    for entry in registry().values():
        settled = settle(entry)
        computed = "<br>".join(f"{one_line(k)}：**{one_line(format_value(v))}**" for k, v in settled.values.items())
        row = evidence(
            entry.id,
            pages.get(entry.chapter),
            f"{BADGE} **{entry.id} {one_line(entry.title)}**",
            f"**结论** {one_line(settled.verdict)}",
            "几种说法与算出来的数",
            f"**讲义** {one_line(entry.slide)}\n\n**论文** {one_line(entry.paper)}\n\n"
            f"**公开代码** {one_line(entry.code)}\n\n{computed}\n\n出处：{one_line('；'.join(entry.sources))}",
        )
        rows.append((entry.chapter, row))
    return by_chapter(rows, pages)


def chapters_table(pages: dict[str, str]) -> str:
    """Every chapter of the course: open ones link to page and deck, the others say that they are to come."""
    lines = []
    for part, chapters in outline.parts().items():
        rows = []
        for chapter in chapters:
            page = pages.get(chapter.number)
            title = f"[{chapter.title}]({page}.ipynb)" if page else chapter.title
            deck = f'<a href="slides/{chapter.stem}.html">幻灯片</a>' if page else "即将推出"
            rows.append([chapter.number, title, chapter.about, deck])
        lines += [
            f"### {part}",
            "",
            list_table(["章", "标题", "内容", "幻灯片"], rows, widths="8 36 41 15"),
            "",
        ]
    return "\n".join(lines)
