"""Chapter 06's errata: the sentences are refused when the numbers change."""

import pytest

from course_lib.chapters.ch06_transformer.errata import ERRATA
from course_lib.course.errata import settle

BY_ID = {erratum.id: erratum for erratum in ERRATA}


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: erratum.id)
def test_the_numbers_support_the_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(
    ("erratum_id", "name", "value"),
    [
        ("K06-1", "The Annotated Transformer 的代码与 post-norm、pre-norm 之差", [0.0, 6.93]),
        ("K06-1", 'tensor2tensor v2（"n"，"da"）与 pre-norm 之差', 0.3),
        ("K06-2", "因果掩码下，各行可以看几个键（T = 5）", [0, 1, 2, 3, 4]),
        ("K06-2", "只许看左边、不许看自己：有几行一个键也没有", 0),
        ("K06-2", "其中有没有要猜的那个", True),
        ("K06-3", "有填充掩码：同一句话，单独算与补齐后算之差", 0.1),
        ("K06-3", "没有填充掩码：之差", 0.0),
        ("K06-4", "D = 4：std 的写法 / 论文的写法", 1.0),
        ("K06-4", "输入的标准差只有 0.0001 时，输出的标准差：方差 + 1e-5 / std + 1e-6", [0.99, 0.99]),
        ("K06-5", "nn.Transformer 比论文多几个参数（D = 32）", 0),
        ("K06-5", "多出的那个有了自己的权重后，编码器的输出变了多少", 0.0),
        ("K06-6", "base：词表 37,000，三张表共用（百万）", 101.0),
        ("K06-6", "big：词表 37,000，三张表共用（百万）", 176.0),
        ("K06-7", "谁赢：不惩罚 / 论文 α = 0.6 / transformers 0.6 / transformers 默认 1.0", ["短"] * 4),
        ("K06-8", "一个处处全对的模型的损失：移一次 / 移两次", [0.001, 0.001]),
        ("K06-8", "目标的第一个 token 还有人教吗：移一次 / 移两次", [True, True]),
    ],
)
def test_other_numbers_are_refused(erratum_id, name, value):
    values = dict(BY_ID[erratum_id].compute())
    assert name in values
    with pytest.raises(ValueError):
        BY_ID[erratum_id].settles(values | {name: value})
