"""Chapter 03's errata: the sentences are refused when the numbers change."""

import pytest

from course_lib.chapters.ch03_rope.errata import ERRATA
from course_lib.course.errata import settle

BY_ID = {erratum.id: erratum for erratum in ERRATA}


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: erratum.id)
def test_the_numbers_support_the_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(
    ("erratum_id", "name", "value"),
    [
        ("K03-1", "公式自己的下标 1…4", [10.0, 1.0, 0.1, 0.01]),
        ("K03-2", "Q、K 都用 R_m：分数随 (m, n) 的最大变化", 0.3),
        ("K03-3", "论文印的：x_mᵀ W_q R_{n−m} W_k x_n", None),
        ("K03-4", "把符号写反：qᵀ R_{m−n} k", None),
        ("K03-5", "重排通道后，两种布局的分数之差", 1.0),
        ("K03-6", "随机 q、k：距离 901–1000 的均值 / 标准差", [0.0, 5.0]),
        ("K03-7", "代码：新频率 / 原频率", None),
    ],
)
def test_other_numbers_are_refused(erratum_id, name, value):
    """None stands for the number with which the disagreement would vanish."""
    values = dict(BY_ID[erratum_id].compute())
    assert name in values
    vanished = {
        "K03-3": "补上转置：x_mᵀ W_qᵀ R_{n−m} W_k x_n",
        "K03-4": "式 (16)：qᵀ R_{n−m} k",
        "K03-7": "论文：新频率 / 原频率",
    }
    values[name] = values[vanished[erratum_id]] if value is None else value
    with pytest.raises(ValueError):
        BY_ID[erratum_id].settles(values)
