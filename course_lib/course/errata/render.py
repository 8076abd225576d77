"""An erratum as a card: verdict, then slide, paper, released code, computation. Computes when it renders."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from course_lib.course.cards import badge, card, first_sentence
from course_lib.course.errata.core import Erratum, Settled, settle

COLOUR = "#6a3d9a"
BADGE = badge("考据", COLOUR)


def render_text(erratum: Erratum | Settled) -> str:
    """The same in plain text."""
    settled = _settled(erratum)
    erratum = settled.erratum
    lines = [f"考据 {erratum.id} {erratum.title}"]
    lines += [f"{name}：{'；'.join(texts)}" for name, texts in _rows(settled)]
    lines += [f"结论：{settled.verdict}", f"出处：{'；'.join(erratum.sources)}"]
    return "\n".join(lines)


def render_html(erratum: Erratum | Settled) -> str:
    """A folded card that shows its verdict; class `course-erratum` lets one restyle it."""
    settled = _settled(erratum)
    erratum = settled.erratum
    said, more = first_sentence(settled.verdict)
    cell = "text-align:left;vertical-align:top;padding:.15em 1em .15em 0"
    rows = "".join(
        f'<tr><th scope="row" style="{cell};white-space:nowrap">{name}</th>'
        f'<td style="{cell}">{"<br>".join(map(escape, texts))}</td></tr>'
        for name, texts in _rows(settled)
    )
    more = f"<p>{escape(more)}</p>" if more else ""
    return card(
        kind="course-erratum",
        name=erratum.id,
        colour=COLOUR,
        verdict=BADGE,
        title=f"{erratum.id} {erratum.title}",
        sentence=f"结论：{said}",
        inside=f'{more}<table style="border-collapse:collapse"><tbody>{rows}</tbody></table>'
        f'<p style="opacity:.75;font-size:.9em">出处：{escape("；".join(erratum.sources))}</p>',
    )


def format_value(value: Any) -> str:
    """A computed value as text: floats to six significant digits, lists item by item, 是/否 for truth values."""
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "、".join(map(format_value, value))
    return str(value)


def _settled(erratum: Erratum | Settled) -> Settled:
    return erratum if isinstance(erratum, Settled) else settle(erratum)


def _rows(settled: Settled) -> list[tuple[str, list[str]]]:
    erratum = settled.erratum
    computed = [f"{name} = {format_value(value)}" for name, value in settled.values.items()]
    return [("幻灯片", [erratum.slide]), ("论文", [erratum.paper]), ("公开代码", [erratum.code]), ("计算", computed)]
