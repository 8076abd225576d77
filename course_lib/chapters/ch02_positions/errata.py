"""Chapter 02, positional encoding: where slides, paper and released code disagree, and what a computation says.

The paper is Vaswani et al. 2017 (arXiv:1706.03762); its released code is tensorflow/tensor2tensor.
"""

import math

import torch
from torch import Tensor

from course_lib.course.errata.core import Erratum, require
from course_lib.foundations.embedding import Embedding
from course_lib.foundations.positions import shift_matrix, sinusoidal, wave_frequencies

VASWANI = "Vaswani et al. 2017, arXiv:1706.03762"
TIMING_SIGNAL = "tensorflow/tensor2tensor: layers/common_attention.py, get_timing_signal_1d"
MODALITY = "tensorflow/tensor2tensor: layers/modalities.py, SymbolModality"


def _code_frequencies(d_model: int) -> Tensor:
    """10000^(-i / (d_model/2 - 1)), i = 0 … d_model/2 - 1, as in tensor2tensor and fairseq."""
    half = d_model // 2
    return 10000.0 ** (-torch.arange(half, dtype=torch.float64) / (half - 1))


def _wavelengths() -> dict[str, object]:
    def longest(freqs: Tensor) -> float:
        return round(1 / float(freqs[-1]), 1)

    return {
        "最长的波长 / 2π，公式，d_model = 16 / 512": [longest(wave_frequencies(d_model)) for d_model in (16, 512)],
        "最长的波长 / 2π，代码，d_model = 16 / 512": [longest(_code_frequencies(d_model)) for d_model in (16, 512)],
        "最短的波长 / 2π，公式与代码": [
            1 / float(freqs[0]) for freqs in (wave_frequencies(512), _code_frequencies(512))
        ],
    }


def _settle_wavelengths(values: dict[str, object]) -> str:
    formula, code, shortest = values.values()
    require(shortest == [1.0, 1.0], f"the shortest wavelengths are {shortest} times 2π")
    require(code == [10000.0, 10000.0], f"the code's longest wavelengths are {code} times 2π")
    require(max(formula) < 9999, f"the formula's longest wavelengths are {formula} times 2π")
    return (
        "公式的最后一对到不了 10000·2π：512 维差 3.5 %，16 维只有三分之一。到 10000·2π 的是公开代码，"
        "它的指数分母是 d/2 − 1：论文那句话描述的是代码。差别很小，但换了频率，训练好的权重就读不对；本课程随公式。"
    )


def _layout() -> dict[str, object]:
    d_model, n_positions = 64, 128
    interleaved = sinusoidal(n_positions, d_model, dtype=torch.float64)
    order = torch.cat([torch.arange(0, d_model, 2), torch.arange(1, d_model, 2)])
    angle = torch.arange(n_positions, dtype=torch.float64)[:, None] * wave_frequencies(d_model)
    halves = torch.cat([angle.sin(), angle.cos()], dim=-1)
    generator = torch.Generator().manual_seed(0)
    tokens, weight = (torch.randn(n, d_model, generator=generator, dtype=torch.float64) for n in (n_positions, 32))

    def difference(one: Tensor, other: Tensor) -> float:
        return round(float((one - other).abs().max()), 9)

    projected = (tokens + interleaved) @ weight.T
    return {
        "把交错的通道重排成前后两半，与代码之差": difference(interleaved[:, order], halves),
        "两种布局的点积 PE(p)·PE(q) 之差": difference(interleaved @ interleaved.T, halves @ halves.T),
        "词向量与权重的列也重排：投影之差": difference((tokens[:, order] + halves) @ weight[:, order].T, projected),
        "只换位置的布局、权重不动：投影之差": round(difference((tokens + halves) @ weight.T, projected), 1),
    }


def _settle_layout(values: dict[str, object]) -> str:
    reordered, products, permuted, mixed = values.values()
    require(max(reordered, products, permuted) < 1e-9, f"not the same up to an order: {values}")
    require(mixed > 1, f"swapping only the layout changed the projection by {mixed}")
    return (
        "同一组通道，两种次序。从头训练，学到的词向量与权重跟着换次序，结果一样；"
        "对训练好的权重只换布局就错了。tensor2tensor#177 曾改成论文的次序，维护者随即指出旧权重全要重训；"
        "现在的代码仍是前后两半。"
    )


def _beyond() -> dict[str, object]:
    trained, far, d_model = 32, 256, 64
    table = sinusoidal(far, d_model, dtype=torch.float64)
    nearest = torch.cdist(table, table[:trained]).min(-1).values
    errors = []
    for k in (1, 16):
        errors.append(float((table[:-k] @ shift_matrix(k, d_model).T - table[k:]).abs().max()))
    return {
        "平移公式在位置 0–255 的最大误差": round(max(errors), 9),
        "相邻两格的距离": round(float((table[1] - table[0]).norm()), 2),
        "位置 33、63、127、255 到训练里（0–31）最近的向量": [round(float(nearest[p]), 2) for p in (33, 63, 127, 255)],
    }


def _settle_beyond(values: dict[str, object]) -> str:
    error, step, nearest = values.values()
    require(error < 1e-9, f"the shift is off by {error}")
    require(nearest == sorted(nearest) and nearest[-1] > 3 * step, f"the nearest seen vectors are {nearest} away")
    return (
        "“也许能外推”的根据是真的：公式给得出任何位置，平移矩阵处处精确。"
        "但训练范围以外的向量是新的，离见过的越来越远，模型不一定会用。能不能要测：玩具尺度上 C04a 支持课件。"
    )


def _scale() -> dict[str, object]:
    torch.manual_seed(0)
    lengths = {}
    for d_model in (64, 512):
        token = float(Embedding(2000, d_model).weight.detach().norm(dim=-1).mean())
        position = float(sinusoidal(100, d_model, dtype=torch.float64).norm(dim=-1).mean())
        lengths[d_model] = [round(token, 1), round(position, 1), round(token * math.sqrt(d_model), 1)]
    return {f"d_model = {d}：词向量 / 位置向量 / 乘 √d 后的词向量": value for d, value in lengths.items()}


def _settle_scale(values: dict[str, object]) -> str:
    for d_model, (token, position, scaled) in zip((64, 512), values.values()):
        require(abs(position - math.sqrt(d_model / 2)) < 0.1, f"a position vector is {position} long at {d_model}")
        require(token < 0.3 * position < scaled, f"lengths at {d_model}: {token}, {position}, {scaled}")
    return (
        "位置向量的长度恒为 √(d/2)。词向量按标准差 d^(−1/2) 初始化时长约 1，直接相加就被位置淹没；"
        "乘 √d 之后词比位置长约 1.4 倍。所以这一步不能省，除非初始化本来就大，或后面会学着调整。"
    )


def _offset() -> dict[str, object]:
    table = sinusoidal(66, 64, dtype=torch.float64)
    from_zero, from_two = table[:64], table[2:]
    products = (from_zero @ from_zero.T - from_two @ from_two.T).abs().max()
    return {
        "从 0 数与从 2 数：点积之差的最大值": round(float(products), 12),
        "从 0 数与从 2 数：第一个 token 的向量相距": round(float((from_zero[0] - from_two[0]).norm()), 2),
        "从 2 数、要容下 512 个 token：学习式的表要多少行": 512 + 2,
    }


def _settle_offset(values: dict[str, object]) -> str:
    products, distance, rows = values.values()
    require(products < 1e-9 < distance, f"dot products moved by {products}, vectors by {distance}")
    require(rows == 514, f"the table would have {rows} rows")
    return (
        "正弦编码从几数起都行：整体平移是同一个旋转，位置之间的点积不变。但向量本身变了，训练和使用必须一致；"
        "学习式的表还要多出两行，RoBERTa 的 514 = 512 + 2 就是这么来的。"
    )


ERRATA = [
    Erratum(
        id="K02-1",
        chapter="02",
        title="波长真的到 10000·2π 吗",
        slide="PE = sin / cos (pos / 10000^(2i/d_model))，没有写 i 到几为止",
        paper="§3.5：同一公式；又说波长成等比数列，从 2π 到 10000·2π",
        code="min_timescale = 1，max_timescale = 10000，指数分母是 num_timescales − 1 = d/2 − 1；fairseq 同",
        compute=_wavelengths,
        settles=_settle_wavelengths,
        sources=[
            f"{VASWANI}, §3.5",
            TIMING_SIGNAL,
            "fairseq: modules/sinusoidal_positional_embedding.py, get_embedding",
        ],
    ),
    Erratum(
        id="K02-2",
        chapter="02",
        title="sin、cos 相间，还是前后两半",
        slide="第 2i 个通道 sin，第 2i+1 个通道 cos（相间）",
        paper="§3.5：同课件",
        code="concat([sin, cos])：前一半全是 sin，后一半全是 cos",
        compute=_layout,
        settles=_settle_layout,
        sources=[f"{VASWANI}, §3.5", TIMING_SIGNAL, "tensorflow/tensor2tensor#177、#391、#1925"],
    ),
    Erratum(
        id="K02-3",
        chapter="02",
        title="正弦编码能不能外推",
        slide="长度外推性差",
        paper="§3.5：选正弦，因为它也许（may）能让模型外推到比训练更长的序列；没有报告实验",
        code="get_timing_signal_1d(length, …)：任何长度都给得出向量",
        compute=_beyond,
        settles=_settle_beyond,
        sources=[f"{VASWANI}, §3.5", "Press et al. 2021, arXiv:2108.12409, fig. 1", "claim C04a"],
    ),
    Erratum(
        id="K02-4",
        chapter="02",
        title="相加之前，词向量要不要乘 √d_model",
        slide="没有提到",
        paper="§3.4 最后一句：嵌入层的权重乘 √d_model",
        code="初始化标准差 hidden_dim^(−0.5)；multiply_embedding_mode = sqrt_depth 时乘 hidden_dim^0.5",
        compute=_scale,
        settles=_settle_scale,
        sources=[f"{VASWANI}, §3.4", MODALITY, "pytorch/tutorials#2849"],
    ),
    Erratum(
        id="K02-5",
        chapter="02",
        title="位置从 0 数，还是从 2 数",
        slide="pos = 0, 1, 2, …, L−1",
        paper="没有写从几开始",
        code="tensor2tensor 从 0；fairseq 从 padding_idx + 1 = 2，RoBERTa 的位置表因此有 514 行",
        compute=_offset,
        settles=_settle_offset,
        sources=[TIMING_SIGNAL, "facebookresearch/fairseq#1177、#1187", "huggingface/transformers#1363"],
    ),
]
