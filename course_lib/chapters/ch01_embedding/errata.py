"""Chapter 01, words as vectors and tokens: slides, papers and code side by side, and what a computation says."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

import torch

from course_lib.course.errata.core import Erratum, require
from course_lib.data.text.corpora import prose
from course_lib.foundations.bpe import BYTES, ByteBPE
from course_lib.foundations.embedding import cosine_similarity, one_hot

BENGIO = "Bengio et al. 2003, A Neural Probabilistic Language Model, JMLR 3, §2"
SENNRICH = "Sennrich et al. 2016, arXiv:1508.07909, algorithm 1"
GPT1 = "Radford et al. 2018, Improving Language Understanding by Generative Pre-Training, §4.1"
GPT2 = "Radford et al. 2019, Language Models are Unsupervised Multitask Learners, §2.2, §2.3"

Pair = tuple[bytes, bytes]
Words = dict[tuple[bytes, ...], int]


def _lookup() -> dict[str, object]:
    generator = torch.Generator().manual_seed(0)
    n_vocab, d_model = 200, 16
    table = torch.randn(n_vocab, d_model, generator=generator, dtype=torch.float64, requires_grad=True)
    ids = torch.randint(1, n_vocab, (64,), generator=generator)
    upstream = torch.randn(64, d_model, generator=generator, dtype=torch.float64)
    selector = one_hot(ids, n_vocab).double()
    by_row = torch.autograd.grad(table[ids], table, upstream)[0]
    by_product = torch.autograd.grad(selector @ table, table, upstream)[0]
    broken = table.detach().clone()
    broken[0] = float("nan")  # a row that no id asks for
    return {
        "查表与 one-hot @ W 的最大差": float((table[ids] - selector @ table).abs().max().detach()),
        "两种写法的梯度的最大差": round(float((by_row - by_product).abs().max()), 12),
        "没查到的一行是 NaN：结果里 NaN 的个数，查表 / 乘矩阵": [
            int(broken[ids].isnan().sum()),
            int((selector @ broken).isnan().sum()),
        ],
        "GPT-2，1,024 个词元：存编号 / 存 one-hot（MB）": [1024 * 8 / 1e6, 1024 * 50_257 * 4 / 1e6],
    }


def _settle_lookup(values: dict[str, object]) -> str:
    output, gradient, (nan_row, nan_product), (ids_mb, one_hot_mb) = values.values()
    require(output == 0 and gradient < 1e-12, f"lookup and product differ by {output}, their gradients by {gradient}")
    require(nan_row == 0 < nan_product, f"NaN: {nan_row} by lookup, {nan_product} by product")
    require(one_hot_mb > 1000 * ids_mb > 0, f"one-hot takes {one_hot_mb} MB, ids {ids_mb} MB")
    return (
        f"同一个函数、同一个梯度，不是同一种计算：one-hot 要多存 {one_hot_mb / ids_mb:,.0f} 倍。"
        "只有一处不同：表里若有一行是 NaN，乘矩阵会用 0 × NaN 弄脏所有结果，查表不会。"
    )


def _width() -> dict[str, object]:
    released = {"GPT-2": (50_257, 768), "GPT-3": (50_257, 12_288), "ByT5-small": (384, 1472)}
    wide = torch.randn(1472, 384, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    orthogonal = torch.linalg.qr(wide).Q.T  # 384 rows of 1472 numbers
    n_vocab, d_model = released["GPT-2"]
    return {
        **{f"{name}：词向量长度 / one-hot 长度": round(width / size, 3) for name, (size, width) in released.items()},
        "ByT5-small 的 384 行可以两两正交：最大 |余弦|": round(
            float(cosine_similarity(orthogonal).fill_diagonal_(0).abs().max()), 12
        ),
        "GPT-2 的 50,257 行里，最大 |余弦| 至少": round(((n_vocab - d_model) / (d_model * (n_vocab - 1))) ** 0.5, 3),
    }


def _settle_width(values: dict[str, object]) -> str:
    gpt2, gpt3, byt5, orthogonal, bound = values.values()
    require(gpt2 < 0.1 and gpt3 < 1 < byt5, f"the ratios are {gpt2}, {gpt3} and {byt5}")
    require(orthogonal < 1e-9 and bound > 0.01, f"largest cosines {orthogonal} and {bound}")
    return (
        f"“低维”对大词表成立，对字节词表不成立：ByT5-small 的词向量是 one-hot 的 {byt5:.1f} 倍长。"
        "要点是稠密、可训练，不是短。D ≥ V 时各行仍可两两正交，所以相似度来自训练；D < V 时才必然有不正交的两行。"
    )


def merges_by(
    words: Words, n_merges: int, first: Callable[[dict[Pair, int], dict[bytes, int]], Pair]
) -> Iterator[Pair]:
    """The plain algorithm on words (pieces → how often); first(pairs, number) chooses among the pairs."""
    number = {token: i for i, token in enumerate(BYTES)}
    for _ in range(n_merges):
        pairs: Counter[Pair] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        if not pairs:
            return
        best = first(pairs, number)
        yield best
        number.setdefault(best[0] + best[1], len(number))
        words = {_glued(word, best): count for word, count in words.items()}


def _glued(word: tuple[bytes, ...], pair: Pair) -> tuple[bytes, ...]:
    pieces: list[bytes] = []
    for piece in word:
        if pieces and (pieces[-1], piece) == pair:
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return tuple(pieces)


RULES = {
    "论文伪代码、minbpe：先遇到的": lambda pairs, number: max(pairs, key=pairs.get),
    "subword-nmt：字符次序大的": lambda pairs, number: max(pairs, key=lambda pair: (pairs[pair], pair)),
    "tokenizers、course_lib：编号小的": lambda pairs, number: min(
        pairs, key=lambda pair: (-pairs[pair], number[pair[0]], number[pair[1]])
    ),
}


def _words(pieces: list[str]) -> Words:
    return dict(Counter(tuple(bytes([b]) for b in piece.encode()) for piece in pieces))


def _ties() -> dict[str, object]:
    small = _words(["红"] * 2 + ["红线"] * 3 + ["红纸"] * 2 + ["red"] * 3 + ["bed"])
    text = "\n".join(prose().split("\n")[:3])
    longer = _words(ByteBPE().words(text))
    lengths, learnt = {}, []
    for name, rule in RULES.items():
        tokenizer = ByteBPE(merges_by(small, 5, rule))
        lengths[f"{name}；小语料并 5 次，red、红线各几个词元"] = [
            len(tokenizer.encode("red")),
            len(tokenizer.encode("红线")),
        ]
        learnt.append(list(merges_by(longer, 100, rule)))
    common = [len(set(learnt[i]) & set(learnt[j])) for i, j in ((0, 1), (0, 2), (1, 2))]
    return {
        **lengths,
        "短文前三段合并 100 次，两两相同的条数": common,
        "course_lib 与“编号小的”逐条相同的条数": sum(
            ours == theirs for ours, theirs in zip(ByteBPE.train(text, 356).merges, learnt[2])
        ),
    }


def _settle_ties(values: dict[str, object]) -> str:
    seen, large, small_id, common, same = values.values()
    require(seen == [2, 1] and small_id == [1, 2], f"the tie changed nothing: {seen}, {large}, {small_id}")
    require(max(common) < 100 and same == 100, f"common merges {common}, equal to the room's {same}")
    return (
        f"次数并列时谁先，三家约定各不相同；前 100 条合并只有 {min(common)}–{max(common)} 条相同。"
        "哪种都能用，但同一份语料会得到不同的词元，所以编号只能配自己的词表。course_lib 随 tokenizers。"
    )


def _gpt_vocabularies() -> dict[str, object]:
    def gpt1_parameters(n_vocab: int, d: int = 768, n_layers: int = 12, n_positions: int = 512) -> int:
        attention, mlp, norms = 4 * d * d + 4 * d, 8 * d * d + 5 * d, 4 * d
        return (n_vocab + n_positions) * d + n_layers * (attention + mlp + norms)

    tokenizer = ByteBPE.train(prose(), 256 + 100)
    return {
        "GPT-1：478 个基本符号 + 40,000 次合并": 478 + 40_000,
        "GPT-2：256 个字节 + 50,000 次合并 + 1 个结束符": 256 + 50_000 + 1,
        "GPT-1 参数量：词表按 40,478 / 误作 40,000": [gpt1_parameters(40_478), gpt1_parameters(40_000)],
        "自己训一个：合并次数 / 词表大小": [len(tokenizer.merges), tokenizer.n_vocab],
    }


def _settle_gpt_vocabularies(values: dict[str, object]) -> str:
    gpt1, gpt2, (right, wrong), (merges, n_vocab) = values.values()
    require(gpt1 == 40_478 and gpt2 == 50_257, f"the sums are {gpt1} and {gpt2}")
    require(n_vocab == 256 + merges, f"{merges} merges gave {n_vocab} tokens")
    require(right == 116_534_784 and right - wrong == 478 * 768, f"parameters {right} and {wrong}")
    return (
        "词表 = 基本符号 + 合并次数 + 特殊词元。把 40,000 次合并当成词表大小，GPT-1 就少算 478 行、367,104 个参数；"
        "GPT-2 论文报的 50,257 已经把三项加好了。"
    )


ERRATA = [
    Erratum(
        id="K01-1",
        chapter="01",
        title="one-hot 存不存、乘不乘",
        slide="one-hot 编码：有效位只有一位；下一项才是 word embedding，看上去是两种表示",
        paper="Bengio 等 2003：C 是 |V|×m 的矩阵，第 i 行就是词 i 的特征向量",
        code="GPT-2 用 tf.gather 取行，没有 one-hot；BERT 两种都写了，use_one_hot_embeddings 为真时真的造 one-hot 再乘",
        compute=_lookup,
        settles=_settle_lookup,
        sources=[
            BENGIO,
            "openai/gpt-2: src/model.py, model",
            "google-research/bert: modeling.py, embedding_lookup",
        ],
    ),
    Erratum(
        id="K01-2",
        chapter="01",
        title="词向量一定是低维的吗",
        slide="离散特征映射到低维、稠密连续向量空间",
        paper="Bengio 等 2003：m 远小于 |V|（实验里 m 取 30 到 100，词表约 17,000）",
        code="GPT-2 768 对 50,257；ByT5-small 1,472 对 384",
        compute=_width,
        settles=_settle_width,
        sources=[
            BENGIO,
            "Brown et al. 2020, arXiv:2005.14165, table 2.1",
            "google/byt5-small: config.json (vocab_size 384, d_model 1472)",
            "Welch 1974, IEEE Trans. Inf. Theory 20(3): 下界",
        ],
    ),
    Erratum(
        id="K01-3",
        chapter="01",
        title="次数并列，先并谁",
        slide="没有提到",
        paper="Sennrich 等 2016 算法 1：max(pairs, key=pairs.get)，也就是先遇到的；正文没有讨论并列",
        code="同一作者的 subword-nmt：max 比较 (次数, 对)，取字符次序大的；tokenizers：取编号小的；minbpe：先遇到的",
        compute=_ties,
        settles=_settle_ties,
        sources=[
            SENNRICH,
            "rsennrich/subword-nmt: bpe_toy.py; subword_nmt/learn_bpe.py, learn_bpe",
            "huggingface/tokenizers: models/bpe/trainer.rs",
            "karpathy/minbpe: minbpe/basic.py, train",
        ],
    ),
    Erratum(
        id="K01-4",
        chapter="01",
        title="合并次数不是词表大小",
        slide="没有提到词表；GPT-1 写 117M 参数",
        paper="GPT-1：“BPE 词表，40,000 次合并”；GPT-2：词表 50,257，字节级只需 256 个基本词元",
        code="GPT-1 发布的词向量表是 40,478 × 768；GPT-2 的 encoder.json 有 50,257 项，vocab.bpe 除首行外 50,000 条",
        compute=_gpt_vocabularies,
        settles=_settle_gpt_vocabularies,
        sources=[
            GPT1,
            GPT2,
            "openai/finetune-transformer-lm: model/params_shapes.json",
            "huggingface/transformers: docs, tokenizer_summary (478 + 40,000; 256 + 50,000 + 1)",
        ],
    ),
]
