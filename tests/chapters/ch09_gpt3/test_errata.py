"""Chapter 09's errata: the sentences are refused when the numbers change."""

import pytest

from course_lib.chapters.ch09_gpt3.errata import ERRATA
from course_lib.course.errata import settle

BY_ID = {erratum.id: erratum for erratum in ERRATA}


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: erratum.id)
def test_the_numbers_support_the_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


def test_the_counts_of_all_eight_rows():
    counts = [value for name, value in BY_ID["K09-4"].compute().items() if "参数量" in name]
    assert counts == [
        *(125_226_240, 355_871_744, 760_300_032, 1_517_123_584),
        *(2_651_553_280, 6_658_404_352, 12_936_488_380, 174_604_259_328),
    ]


@pytest.mark.parametrize(
    ("erratum_id", "name", "value"),
    [
        ("K09-1", "以亿为单位：算出的 / 表里的 175.0B / 课件", [1705.0, 1750, 1705]),
        ("K09-1", "以亿为单位：算出的 / 表里的 175.0B / 课件", [1746.0, 1750, 1745]),
        ("K09-2", "过滤后 / 过滤前", "50.0%"),
        ("K09-2", "570 GB ÷ 4000 亿 token，字节/token", 4.2),
        ("K09-2", "Kaplan 等的 WebText2：96 GB ÷ 229 亿 token，字节/token", 1.4),
        ("K09-2", "Common Crawl 在训练里读了几遍：60 % × 3000 亿 ÷ 4100 亿", 0.75),
        ("K09-3", "对不上的", ["WebText2", "Books1"]),
        ("K09-3", "权重之和（%）", 100),
        ("K09-3", "WebText2 要 2.9 遍，总 token（十亿）须在", [234.0, 300.0]),
        ("K09-4", "GPT-3 XL：n_heads × d_head 与 d_model", [2048, 2048]),
        ("K09-4", "GPT-3 Small：参数量（印作 125M）", 1_250_000_000),
        ("K09-4", "XL 改成 16 个头", 1_517_123_584),
        ("K09-5", "2048 个 token 的窗口，每个示例平均 20 / 100 / 200 个 token，放得下", [102, 20, 2]),
        ("K09-6", "抽 20 万次，留下的比例", [0.5, 0.9, 0.99]),
        ("K09-7", "GPT-3 图 3.1：2.57·C^(−0.048)", 1.6),
        ("K09-8", "其中 approxSimilarityJoin(…, 0.15) 留下的：真的距离 1 − s < 0.15", [0.8, 0.87]),
        ("K09-8", "Spark 的 MinHashLSH，10 张哈希表：s = 0.1 / 0.5 / 0.8 / 0.87 成为候选的概率", [0.1, 0.5, 0.8, 0.87]),
    ],
)
def test_other_numbers_are_refused(erratum_id, name, value):
    values = dict(BY_ID[erratum_id].compute())
    assert name in values
    with pytest.raises(ValueError):
        BY_ID[erratum_id].settles(values | {name: value})
