"""The tables of the book: 主张与证据, 考据, all chapters. MyST list tables, made when the book is staged.

pages: chapter number -> path of its page, for the chapters that are there.
"""

from __future__ import annotations

from course_lib.course import outline

N_FIGURES = 5  # of a claim, shown before the rest is folded


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
    from course_lib.course.claims import load_record, outcome_text, registry
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
        badge = f'<span class="verdict verdict-{record["verdict"]}">{outcome_text(record)}</span>'
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
