"""Chapter 04's errata: the sentences are refused when the numbers change."""

import pytest

from course_lib.chapters.ch04_attention.errata import ERRATA
from course_lib.course.errata import settle

BY_ID = {erratum.id: erratum for erratum in ERRATA}


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: erratum.id)
def test_the_numbers_support_the_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(
    ("erratum_id", "name", "value"),
    [
        ("K04-1", "再加输出投影", 3 * 768**2),
        ("K04-1", "Q、K、V 三个投影（D = 768）", 768**2),
        ("K04-2", "模块，把掩码取反以后，与函数之差", 0.5),
        ("K04-2", "模块，不取反（下三角当成“遮住”），与函数之差", 0.0),
        ("K04-3", "公式：全是 −∞ 的一行做 softmax", "0.333"),
        ("K04-3", "course_lib：输出最大的绝对值", 0.3),
        ("K04-3", "用 −1e9 代替 −∞：与“平均所有 V”之差", 0.3),
        ("K04-4", "d_k = 1024，不缩放：梯度的中位数 / 均值", [0.005, 0.006]),
        ("K04-4", "d_k = 1024，不缩放：梯度的中位数 / 均值", [3.0, 5.9]),
        ("K04-4", "d_k = 1024：第二大的权重，全体中位数 / 梯度最大的 1 % 的平均", [0.0, 0.0]),
        ("K04-5", "除以 √d_k，与把 1/√d_k 乘进 W_q：分数之差", 1.0),
        ("K04-5", "分数的标准差：两种做法 / 什么都不做", [1.0, 1.0]),
    ],
)
def test_other_numbers_are_refused(erratum_id, name, value):
    values = dict(BY_ID[erratum_id].compute())
    assert name in values
    with pytest.raises(ValueError):
        BY_ID[erratum_id].settles(values | {name: value})
