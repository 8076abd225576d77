"""Chapter 02's errata: the sentences are refused when the numbers change."""

import pytest

from course_lib.chapters.ch02_positions.errata import ERRATA
from course_lib.course.errata import settle

BY_ID = {erratum.id: erratum for erratum in ERRATA}


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: erratum.id)
def test_the_numbers_support_the_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(
    ("erratum_id", "name", "value"),
    [
        ("K02-1", "最长的波长 / 2π，公式，d_model = 16 / 512", [10000.0, 10000.0]),
        ("K02-1", "最长的波长 / 2π，代码，d_model = 16 / 512", [3162.3, 9646.6]),
        ("K02-2", "两种布局的点积 PE(p)·PE(q) 之差", 0.5),
        ("K02-2", "只换位置的布局、权重不动：投影之差", 0.0),
        ("K02-3", "平移公式在位置 0–255 的最大误差", 0.1),
        ("K02-3", "位置 33、63、127、255 到训练里（0–31）最近的向量", [0.1, 0.1, 0.1, 0.1]),
        ("K02-4", "d_model = 64：词向量 / 位置向量 / 乘 √d 后的词向量", [8.0, 5.7, 64.0]),
        ("K02-5", "从 0 数与从 2 数：点积之差的最大值", 0.1),
    ],
)
def test_other_numbers_are_refused(erratum_id, name, value):
    values = dict(BY_ID[erratum_id].compute())
    assert name in values
    values[name] = value
    with pytest.raises(ValueError):
        BY_ID[erratum_id].settles(values)
