"""The map of the landing page."""

from __future__ import annotations

import html

from course_lib.course import outline


def timeline_svg(pages: dict[str, str]) -> str:
    """The course as a metro map: time runs downwards, one line a lane, a station a paper. Inline SVG, links inside."""
    events, titles = outline.events(), outline.lanes()
    lanes = {lane: i for i, lane in enumerate(titles)}
    left, lane_width, top, row_height = 78, 152, 62, 32
    width = left + lane_width * len(lanes)
    height = top + row_height * len(events) + 8
    places = [(left + 14 + lane_width * lanes[e.lane], top + row_height * i) for i, e in enumerate(events)]
    out = [
        '<div class="timeline-map">',
        f'<svg viewBox="0 0 {width} {height}" role="group" aria-label="课程时间地图：从词向量与 2017 年 6 月的 '
        'Transformer 到 2025 年 2 月的 Qwen2.5-VL，五条线分别是基础、语言模型、图与文、多模态对话、后训练">',
    ]
    year = None
    for event, (_, y) in zip(events, places):
        if event.date[:4] != year:
            year = event.date[:4]
            out.append(f'<line class="tl-year" x1="0" x2="{width}" y1="{y - 17}" y2="{y - 17}"/>')
    for lane, title in titles.items():
        x = left + 14 + lane_width * lanes[lane]
        ys = [y for e, (_, y) in zip(events, places) if e.lane == lane]
        out.append(f'<text class="tl-lane tl-{lane}" x="{x - 9}" y="24">{html.escape(title)}</text>')
        out.append(f'<line class="tl-line tl-{lane}" x1="{x}" x2="{x}" y1="{min(ys)}" y2="{max(ys)}"/>')
    for event, (x, y) in zip(events, places):
        link = pages.get(event.chapter)
        out.append(f'<text class="tl-date" x="4" y="{y + 5}">{html.escape(event.date)}</text>')
        note = f"（{event.note}）" if event.note else ""
        title = html.escape(f"{event.date} {event.name}，第 {event.chapter} 章{note}")
        station = (
            f'<circle class="tl-{event.lane}" cx="{x}" cy="{y}" r="7"/>'
            f'<text x="{x + 14}" y="{y + 5}">{html.escape(event.name)}'
            f'<tspan class="tl-chapter" dx="6">{event.chapter}</tspan></text>'
        )
        if link:
            out.append(f'<a class="tl-open" href="{link}.html" aria-label="{title}">{station}</a>')
        else:
            out.append(f'<g class="tl-soon"><title>{title}，即将推出</title>{station}</g>')
    return "\n".join([*out, "</svg>", "</div>"])
