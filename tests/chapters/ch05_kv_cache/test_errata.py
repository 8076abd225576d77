"""Chapter 05's errata: the sentences are refused when the numbers change."""

import pytest

from course_lib.chapters.ch05_kv_cache.errata import ERRATA
from course_lib.course.errata import settle

BY_ID = {erratum.id: erratum for erratum in ERRATA}


@pytest.mark.parametrize("erratum", ERRATA, ids=lambda erratum: erratum.id)
def test_the_numbers_support_the_verdict(erratum):
    assert settle(erratum).verdict.endswith("。")


@pytest.mark.parametrize(
    ("erratum_id", "name", "value"),
    [
        ("K05-1", "课件：hidden² 与 2·hidden·head_dim", [4 * 4096**2, 2 * 4096 * 128]),
        ("K05-1", "课件：hidden² 与 2·hidden·head_dim", [4096**2, 4096 * 128]),
        ("K05-1", "MHA（G = 32）：Q / K 与 V / 输出 / 全部", [16777216, 33554432, 16777216, 16777216]),
        ("K05-2", "组数 G = 8（每组 1 个头）与 MHA 之差", 0.1),
        ("K05-2", "组数 G = 1（每组 8 个头）与 MQA 之差", 0.1),
        ("K05-3", "缓存里的张量：每层每个 token", 8704),
        ("K05-3", "RoPE 键每头一份：R + H·Dr", 576),
        ("K05-4", "V2 再量化到平均 6 位：少了（%）", 82.2),
        ("K05-4", "同样 16 位：少了（%）", 93.3),
        ("K05-5", "相当于几组 GQA：(R + Dr) / 2Dh", 2.0),
        ("K05-6", "每个头：乘成一个 W_ukᵀ W_uq", 1000),
        ("K05-6", "每个头每个键的乘法，吸收", 320),
    ],
)
def test_other_numbers_are_refused(erratum_id, name, value):
    values = dict(BY_ID[erratum_id].compute())
    assert name in values
    with pytest.raises(ValueError):
        BY_ID[erratum_id].settles(values | {name: value})
