"""Chapter 00, the map: where slides, papers and releases give different dates, and which one the map uses."""

from datetime import date

from course_lib.course.errata.core import Erratum, require
from course_lib.course.outline import events, month_of_number, months, needs

ARXIV_NUMBERS = "arXiv: Understanding the arXiv identifier, info.arxiv.org/help/arxiv_identifier.html"
QWEN_NEWS = "QwenLM/Qwen2.5-VL: README.md, News"
# first public weights, first paper or report
RELEASES = {
    "CLIP": (date(2021, 1, 5), date(2021, 2, 26)),
    "Qwen2-VL": (date(2024, 8, 30), date(2024, 9, 18)),
    "Qwen2.5-VL": (date(2025, 1, 28), date(2025, 2, 19)),
}
CONFERENCE = "2021-05"  # ICLR 2021


def _vit() -> dict[str, object]:
    by_name = {event.name: event for event in events()}
    vit, clip = by_name["ViT"], by_name["CLIP"]
    return {
        "arXiv 编号给出的月份": month_of_number(vit.arxiv),
        "第 11 章 CLIP 是否用第 10 章 ViT": vit.chapter in needs(clip.chapter),
        "按 2020-10：ViT 比 CLIP 的权重早几个月": months(clip.weights) - months(vit.date),
        f"按会议 {CONFERENCE}：ViT 比 CLIP 的权重早几个月": months(clip.weights) - months(CONFERENCE),
    }


def _settle_vit(values: dict[str, object]) -> str:
    month, used, by_paper, by_conference = values.values()
    require(month == "2020-10" and used, f"the number says {month}; CLIP uses ViT: {used}")
    require(by_paper > 0 > by_conference, f"ViT comes {by_paper} or {by_conference} months before CLIP")
    return (
        "论文 2020 年 10 月公开，2021 年是会议（ICLR）的年份。若按会议的月份排，ViT 会排在用它作图像塔的 CLIP 之后，"
        "前因就落在后果后面。时间线按第一次公开的月份。"
    )


def _number() -> dict[str, object]:
    numbered = [event for event in events() if event.arxiv]
    apart = [event for event in numbered if month_of_number(event.arxiv) != event.date]
    submitted = RELEASES["CLIP"][1]
    return {
        "时间线上有 arXiv 编号的站点": len(numbered),
        "编号的月份与提交的月份不同的": "、".join(event.name for event in apart),
        "CLIP：编号的月份，提交的日期": f"{month_of_number(apart[0].arxiv)}，{submitted.isoformat()}",
        "提交那天是星期几（1 是星期一）": submitted.isoweekday(),
    }


def _settle_number(values: dict[str, object]) -> str:
    n, apart, _, weekday = values.values()
    require(n > 15 and apart == "CLIP", f"of {n} numbers those of {apart} differ from the month")
    require(weekday == 5, f"submitted on weekday {weekday}")
    return (
        f"{n} 个编号里只有 CLIP 一个与提交的月份不合：二月最后一个星期五提交，编号却是三月的。"
        "编号的前四位可以当日期粗看，不能当证据。"
    )


def _weights() -> dict[str, object]:
    return {name: f"权重早 {(report - weights).days} 天" for name, (weights, report) in RELEASES.items()} | {
        "其中月份因此不同的": sum(weights.month != report.month for weights, report in RELEASES.values())
    }


def _settle_weights(values: dict[str, object]) -> str:
    require(values["其中月份因此不同的"] == len(RELEASES), f"the months of some agree: {values}")
    return (
        "课件写的是报告的月份，三处的权重都早一个月。两种写法都对，只要说明是哪一种："
        "时间线的实心点是报告，空心点是权重。"
    )


ERRATA = [
    Erratum(
        id="K00-1",
        chapter="00",
        title="ViT 是 2020 年还是 2021 年",
        slide="“ViT 2021”",
        paper="arXiv:2010.11929，2020-10-22 提交；发表于 ICLR 2021",
        code="google-research/vision_transformer 的引用写 ICLR 2021",
        compute=_vit,
        settles=_settle_vit,
        sources=["Dosovitskiy et al. 2020, arXiv:2010.11929", "google-research/vision_transformer: README.md"],
    ),
    Erratum(
        id="K00-2",
        chapter="00",
        title="CLIP 是一月、二月还是三月",
        slide="“CLIP 2021”，没有月份",
        paper="arXiv:2103.00020，编号是 2021-03，提交日期是 2021-02-26",
        code="博客与权重 2021-01-05",
        compute=_number,
        settles=_settle_number,
        sources=["Radford et al. 2021, arXiv:2103.00020", ARXIV_NUMBERS, "openai.com/index/clip, 2021-01-05"],
    ),
    Erratum(
        id="K00-3",
        chapter="00",
        title="报告的日期，还是权重的日期",
        slide="Qwen2-VL 2024.9，Qwen2.5-VL 2025.2",
        paper="arXiv:2409.12191（2024-09-18），arXiv:2502.13923（2025-02-19）",
        code="仓库的 News：权重 2024.08.30、2025.01.28",
        compute=_weights,
        settles=_settle_weights,
        sources=["arXiv:2409.12191", "arXiv:2502.13923", QWEN_NEWS, "openai.com/index/clip, 2021-01-05"],
    ),
]
