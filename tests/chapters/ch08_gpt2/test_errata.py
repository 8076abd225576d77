"""Chapter 08's errata: the sentences are refused when the numbers change."""

import pytest

from course_lib.chapters.ch08_gpt2.errata import ERRATA
from course_lib.course.errata import settle

BY_ID = {erratum.id: erratum for erratum in ERRATA}


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: erratum.id)
def test_the_numbers_support_the_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(
    ("erratum_id", "name", "value"),
    [
        ("K08-1", "双向模型看得见几个词", 4),
        ("K08-1", "论文：CoQA 零样本，GPT-2 的 F1（摘要：胜过或持平 4 个基线中的 3 个）", 90),
        ("K08-2", "按公式，词表 50,257", ["124,439,808", "", "", "1,542,000,000"]),
        ("K08-2", "论文表 2（百万）", [124, 355, 774, 1558]),
        ("K08-3", "未来的分数填 0：第一个词给未来的权重", 0.0),
        ("K08-3", "未来的分数填 −∞：给未来的权重", 0.1),
        ("K08-4", "填 −1e4：给未来的权重", 0.0),
        ("K08-4", "半精度里 −1e10 是", "-65504.0"),
        ("K08-5", "若把输出头另算一遍", 124_439_808),
        ("K08-5", "它占几成", 0.03),
    ],
)
def test_other_numbers_are_refused(erratum_id, name, value):
    values = dict(BY_ID[erratum_id].compute())
    assert name in values
    with pytest.raises(ValueError):
        BY_ID[erratum_id].settles(values | {name: value})
