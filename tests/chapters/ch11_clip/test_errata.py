"""Chapter 11's errata: the sentences are refused when the numbers change."""

import pytest

from course_lib.chapters.ch11_clip.errata import ERRATA
from course_lib.course.errata import settle

BY_ID = {erratum.id: erratum for erratum in ERRATA}


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: erratum.id)
def test_the_numbers_support_the_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(
    ("erratum_id", "name", "value"),
    [
        ("K11-1", "求和 i = 0 到 k，正样本是其中一项", 0.5),
        ("K11-1", "若求和只有负样本", 0.1),
        ("K11-1", "若求和已含正样本，外面又加一次", 0.349),
        ("K11-2", "五个概率的和", 0.98),
        ("K11-2", "除以 100：余弦差", 0.234),
        ("K11-2", "同样的余弦差，scale = 1 时狗的概率", 0.8523),
        ("K11-3", "句找图（另一个方向）", 0.4258),
        ("K11-3", "两个方向的平均", 0.4258),
        ("K11-4", "正样本是同一张图的另一个样子：文字塔收到的梯度", 0.3),
        ("K11-4", "正样本是图的说明：文字塔收到的梯度", 0.0),
        ("K11-5", "开始时的 1/τ", 1.0),
        ("K11-5", "会被学习", False),
        ("K11-5", "参数涨到 9 时的 1/τ", 8103.08),
        ("K11-6", "18,291 记成 K", "21K"),
        ("K11-6", "CLIP 添一个类要添的参数", 768),
    ],
)
def test_other_numbers_are_refused(erratum_id, name, value):
    values = dict(BY_ID[erratum_id].compute())
    assert name in values
    with pytest.raises(ValueError):
        BY_ID[erratum_id].settles(values | {name: value})
