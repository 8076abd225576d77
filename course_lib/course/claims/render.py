"""A record as a folded card for notebooks (HTML), and as text for terminals."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from course_lib.course.cards import badge, card, first_sentence
from course_lib.course.claims.core import OUTCOMES

BADGE = {"holds": ("✓", "#1b7837"), "fails": ("✗", "#b2182b"), "partly": ("◐", "#8c510a")}
MAX_SHOWN = 8


def render_text(record: Mapping[str, Any]) -> str:
    """The record in plain text: verdict, what was measured, what would refute it."""
    sign, _ = BADGE[record["verdict"]]
    lines = [f"{record['id']} {record['title']}  [{sign} {outcome_text(record)}{_form(record)}]"]
    lines += [f"主张：{record['statement']}", f"结论：{record['sentence']}"]
    lines += [f"  {label}：{value}" for label, value in measured(record)]
    lines.append(f"若出现则推翻：{record['refuted_if']}")
    if record["limits"]:
        lines.append(f"这个规模看不到：{record['limits']}")
    lines.append(_footer(record))
    return "\n".join(lines)


def render_html(record: Mapping[str, Any]) -> str:
    """The record as a folded card; classes `course-claim` and `course-claim-holds` … restyle it.

    The full record owns the page's anchor `#C05`; a quick one may stand beside it.
    """
    said, more = first_sentence(record["sentence"])
    cell = "text-align:left;padding:.15em .8em .15em 0;vertical-align:top"
    rows = "".join(
        f'<tr><th scope="row" style="{cell};font-weight:normal">{escape(label)}</th>'
        f'<td style="{cell};font-variant-numeric:tabular-nums">{escape(value)}</td></tr>'
        for label, value in measured(record)
    )
    more = f"<p>{escape(more)}</p>" if more else ""
    limits = f"<p><b>这个规模看不到</b>：{escape(record['limits'])}</p>" if record["limits"] else ""
    return card(
        kind=f"course-claim course-claim-{record['verdict']}",
        name="" if record["kind"] == "quick" else record["id"],
        colour=BADGE[record["verdict"]][1],
        verdict=verdict_badge(record),
        title=f"{record['id']} {record['title']}{_form(record)}",
        sentence=said,
        inside=f"{more}<p><b>主张</b>：{escape(record['statement'])}</p>"
        f'<table style="border-collapse:collapse;margin:.4em 0"><thead><tr><th scope="col" style="{cell}">测到的量</th>'
        f'<th scope="col" style="{cell}">{_spread_heading(record)}</th></tr></thead><tbody>{rows}</tbody></table>'
        f"<p><b>若出现则推翻</b>：{escape(record['refuted_if'])}</p>{limits}"
        f'<p style="opacity:.75;font-size:.9em">{escape(_footer(record))}</p>',
    )


def verdict_badge(record: Mapping[str, Any]) -> str:
    """The verdict as HTML, the same in every place."""
    sign, colour = BADGE[record["verdict"]]
    return badge(f"{sign} {outcome_text(record)}", colour)


def judge_changed(record: Mapping[str, Any]) -> bool:
    """Whether the verdict is that of another judge than stood when the figures were measured."""
    return record.get("judge") != record.get("judged")


def outcome_text(record: Mapping[str, Any]) -> str:
    """The verdict in Chinese; marked if its judge changed after the figures were known."""
    return OUTCOMES[record["verdict"]] + ("（判据后改）" if judge_changed(record) else "")


def format_number(x: float) -> str:
    """Four significant digits, scientific where the number is very large or small."""
    if x == 0:
        return "0"
    if x == int(x) and abs(x) < 1e7:
        return str(int(x))
    return f"{x:.1e}" if abs(x) < 1e-3 or abs(x) >= 1e7 else f"{x:.4g}"


def measured(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was measured: label and mean ± spread of each figure."""
    several = len(record["seeds"]) > 1
    rows = []
    for name, figure in record["figures"].items():
        means, stds = np.array(figure["mean"]), np.array(figure["std"])
        if means.ndim > 1:
            size = "×".join(map(str, means.shape))
            value = f"{size} 个数，{format_number(means.min())} 到 {format_number(means.max())}"
        elif means.ndim == 1:
            cells = [format_number(mean) for mean in means[:MAX_SHOWN]]
            if len(means) > MAX_SHOWN:
                cells[-1] = f"… {format_number(means[-1])}（共 {len(means)} 个）"
            value = " · ".join(cells)
            if several and stds.max():
                value += f"（标准差至多 {stds.max():.2g}）"
        else:
            value = _mean_and_spread(float(means), float(stds), several)
        rows.append((record["labels"].get(name, name), value))
    return rows


def _mean_and_spread(mean: float, std: float, several: bool) -> str:
    return f"{format_number(mean)} ± {std:.2g}" if several and std else format_number(mean)


def _spread_heading(record: Mapping[str, Any]) -> str:
    n_seeds = len(record["seeds"])
    return f"均值 ± 标准差（{n_seeds} 个种子）" if n_seeds > 1 else "数值（1 个种子）"


def _form(record: Mapping[str, Any]) -> str:
    return "（快速版）" if record["kind"] == "quick" else ""


def _footer(record: Mapping[str, Any]) -> str:
    versions = "，".join(f"{name} {version}" for name, version in record["versions"].items())
    return f"{_spread_heading(record)}；用时 {record['seconds']:.1f} 秒；{versions}"
