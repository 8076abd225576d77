"""Chapter 10's errata: the sentences are refused when the numbers change."""

import pytest

from course_lib.chapters.ch10_vit.errata import ERRATA
from course_lib.course.errata import settle

BY_ID = {erratum.id: erratum for erratum in ERRATA}


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: erratum.id)
def test_the_numbers_support_the_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(
    ("erratum_id", "name", "value"),
    [
        ("K10-1", "一块有几个数", 1024),
        ("K10-1", "公开的三种，一块的数 → D", ["ViT-B/16：768 → 768", "ViT-L/16：768 → 768", "ViT-H/14：588 → 768"]),
        ("K10-2", "编码器的输出", [64, 1024]),
        ("K10-3", "把 CLS 的位置并进 CLS：分数最多差", 0.01),
        ("K10-3", "又从第 0 行取起，整表错一格：分数最多差", 0.0),
        ("K10-4", "B/16、L/16、H/14，带 1,000 类的头", [86, 307, 632]),
        ("K10-4", "B/16、L/32、H/14，带预训练的隐藏层，不带头", [86, 304, 632]),
        ("K10-5", "高、平、低各几项", [7, 0, 0]),
        ("K10-6", "一行数约为 0.001：最多差", 0.0),
    ],
)
def test_other_numbers_are_refused(erratum_id, name, value):
    values = dict(BY_ID[erratum_id].compute())
    assert name in values
    with pytest.raises(ValueError):
        BY_ID[erratum_id].settles(values | {name: value})
