"""Chapter 07's errata: the sentences are refused when the numbers change."""

import pytest

from course_lib.chapters.ch07_gpt1.errata import ERRATA
from course_lib.course.errata import settle

BY_ID = {erratum.id: erratum for erratum in ERRATA}


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: erratum.id)
def test_the_numbers_support_the_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(
    ("erratum_id", "name", "value"),
    [
        ("K07-1", "合计，12 层", 117_000_000),
        ("K07-1", "每层 12D² + 13D", 12 * 768**2),
        ("K07-1", "GPT-2 最小的一档，论文表 2 也写 117M", 117_000_000),
        ("K07-2", "合多少 GB", 40.0),
        ("K07-2", "每个词连空格几个字节", 2.0),
        ("K07-3", "多出来的（最后一个 norm）", 0),
        ("K07-3", "同一组权重，两种放法的输出之差", 0.0),
        ("K07-3", "再做一次同样的 norm，输出的方差", 9.0),
        ("K07-4", "两种 GELU 最大之差", 0.02),
        ("K07-5", "永远说对下一个的模型：移一次，损失（nat）", 1.0),
        ("K07-5", "移两次（自己移，模型里又移）", 0.0),
        ("K07-6", "二分类的头：权重与偏置", [1536, 0]),
        ("K07-7", "课件列的第二个文件", "language_understanding_paper.pdf"),
        ("K07-7", "openai/gpt-2 的 README 链接的 GPT-2 论文", "paper.pdf"),
    ],
)
def test_other_numbers_are_refused(erratum_id, name, value):
    values = dict(BY_ID[erratum_id].compute())
    assert name in values
    with pytest.raises(ValueError):
        BY_ID[erratum_id].settles(values | {name: value})
