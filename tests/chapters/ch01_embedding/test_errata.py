"""Chapter 01's errata: the sentences are refused when the numbers change, and the plain algorithm is the room's."""

import pytest

from course_lib.chapters.ch01_embedding.errata import ERRATA, RULES, _words, merges_by
from course_lib.course.errata import settle
from course_lib.foundations.bpe import ByteBPE

BY_ID = {erratum.id: erratum for erratum in ERRATA}


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: erratum.id)
def test_the_numbers_support_the_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(
    ("erratum_id", "name", "value"),
    [
        ("K01-1", "查表与 one-hot @ W 的最大差", 1e-6),
        ("K01-1", "没查到的一行是 NaN：结果里 NaN 的个数，查表 / 乘矩阵", [0, 0]),
        ("K01-2", "ByT5-small：词向量长度 / one-hot 长度", 0.9),
        ("K01-2", "ByT5-small 的 384 行可以两两正交：最大 |余弦|", 0.2),
        ("K01-3", "tokenizers、course_lib：编号小的；小语料并 5 次，red、红线各几个词元", [2, 1]),
        ("K01-3", "短文前三段合并 100 次，两两相同的条数", [100, 100, 100]),
        ("K01-3", "course_lib 与“编号小的”逐条相同的条数", 99),
        ("K01-4", "GPT-1 参数量：词表按 40,478 / 误作 40,000", [116_534_784, 116_534_784]),
        ("K01-4", "自己训一个：合并次数 / 词表大小", [100, 355]),
    ],
)
def test_other_numbers_are_refused(erratum_id, name, value):
    values = dict(BY_ID[erratum_id].compute())
    assert name in values
    values[name] = value
    with pytest.raises(ValueError):
        BY_ID[erratum_id].settles(values)


def test_the_three_rules_learn_different_first_merges_from_a_tie():
    tied = _words(["zy", "ba", "mm"])
    first = [next(merges_by(tied, 1, rule)) for rule in RULES.values()]
    assert first == [(b"z", b"y"), (b"z", b"y"), (b"b", b"a")]
    tied = _words(["ba", "zy"])
    assert next(merges_by(tied, 1, RULES["论文伪代码、minbpe：先遇到的"])) == (b"b", b"a")


def test_the_rule_of_the_smaller_ids_is_the_room():
    text = "红线红纸 red bed 红红红"
    plain = list(merges_by(_words(ByteBPE().words(text)), 50, RULES["tokenizers、course_lib：编号小的"]))
    assert plain == ByteBPE.train(text, 306).merges
