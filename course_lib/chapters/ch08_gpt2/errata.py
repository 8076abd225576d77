"""Chapter 08, GPT-2: where slides, paper and released code disagree, and what a computation says.

The paper is Language Models are Unsupervised Multitask Learners (Radford et al. 2019).
"""

from dataclasses import replace

import torch

from course_lib.course.errata.core import Erratum, require
from course_lib.foundations.attention import causal_mask
from course_lib.models.gpt2 import SIZES, n_parameters

RADFORD = "Radford et al. 2019, Language Models are Unsupervised Multitask Learners"
CODE = "openai/gpt-2: src/model.py"
NAMES = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")
PRINTED = (117, 345, 762, 1542)  # millions, table 2
GPT1_VOCABULARY = 40_478


def _versus_bert() -> dict[str, object]:
    """What each can read: a bidirectional and a causal mask on one sentence of ten tokens, the fifth left out."""
    T, gap = 10, 4
    causal = causal_mask(T)[gap].sum() - 1
    return {
        "十个词的句子，填第 5 个空：单向模型看得见几个词": int(causal),
        "双向模型看得见几个词": T - 1,
        "论文：CoQA 零样本，GPT-2 的 F1（摘要：胜过或持平 4 个基线中的 3 个）": 55,
        "论文：CoQA 上人的 F1（以 BERT 为底的监督系统已经接近）": 89,
    }


def _settle_versus_bert(values: dict[str, object]) -> str:
    causal, both, zero_shot, supervised = values.values()
    require(causal < both, f"a causal model sees {causal} words, a bidirectional one {both}")
    require(zero_shot < supervised, f"zero-shot {zero_shot} is not below supervised {supervised}")
    return (
        "论文没有说反超。它说的是：不清楚 GPT-2 多出来的数据和容量，能否弥补 BERT 所指出的单向表示的低效，"
        f"留给以后的微调实验。CoQA 上零样本 {zero_shot} F1，不用 12.7 万条标注就胜过或持平 4 个基线中的 3 个，"
        f"可是离以 BERT 为底的监督系统接近的 {supervised} 还远。新意在于不用标注就能做，而不在分数更高。"
    )


def _counts() -> dict[str, object]:
    with_gpt1_vocabulary = [n_parameters(replace(SIZES[name], n_vocab=GPT1_VOCABULARY)) for name in NAMES]
    return {
        "按公式，词表 50,257": [f"{n_parameters(SIZES[name]):,}" for name in NAMES],
        "论文表 2（百万）": list(PRINTED),
        "按公式，换成 GPT-1 的词表 40,478（百万）": [round(n / 1e6) for n in with_gpt1_vocabulary],
        "XL，输出头若不共享": f"{n_parameters(SIZES['gpt2-xl']) + 50257 * 1600:,}",
    }


def _settle_counts(values: dict[str, object]) -> str:
    counted, printed, other, _ = values.values()
    require(counted[-1] == "1,557,611,200", f"XL has {counted[-1]} parameters")
    require(counted[0] == "124,439,808", f"small has {counted[0]} parameters")
    require(printed == other, f"with GPT-1's vocabulary the counts are {other}, printed are {printed}")
    return (
        f"课件的 15 亿没有错，准确的数是 {counted[-1]}。论文表 2 的四个数都少了，官方仓库后来说明那是算错，"
        "先公开的 117M、345M 改名 124M、355M；后公开的两个一开始就叫 774M、1558M。"
        "我们算到：把词表换成 GPT-1 的 40,478、其余不动，"
        "四个数恰好都是表 2 印的。这是推测的来源，不是论文说的。"
    )


def _future() -> dict[str, object]:
    scores = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)  # the first token's scores; two lie in the future
    see = torch.tensor([True, False, False])
    ways = {
        "未来的分数填 0：第一个词给未来的权重": scores.masked_fill(~see, 0).softmax(-1),
        "未来的分数填 −∞：给未来的权重": scores.masked_fill(~see, -torch.inf).softmax(-1),
    }
    return {name: round(float(weights[1:].sum()), 4) for name, weights in ways.items()}


def _settle_future(values: dict[str, object]) -> str:
    zero, infinite = values.values()
    require(zero > 0.1, f"a score of 0 gives the future only {zero}")
    require(infinite == 0, f"-inf leaves the future {infinite}")
    return (
        f"变成 0 的是 softmax 之后的权重，不是之前的分数。分数填 0，e⁰ = 1，未来照样分走 {zero:.0%}。"
        "分数要填 −∞，权重才是 0。"
    )


def _finite() -> dict[str, object]:
    scores = torch.tensor([-16000.0, 0.0])  # one token seen, one in the future
    see = torch.tensor([True, False])
    ways = {
        "填 −1e4：给未来的权重": torch.where(see, scores, -1e4),
        "填 −1e10（官方代码，单精度）：给未来的权重": torch.where(see, scores, -1e10),
        "填 −∞：给未来的权重": scores.masked_fill(~see, -torch.inf),
    }
    return {name: float(filled.softmax(-1)[1]) for name, filled in ways.items()} | {
        "半精度里 −1e10 是": str(float(torch.tensor(-1e10).half()))
    }


def _settle_finite(values: dict[str, object]) -> str:
    small, large, infinite, half = values.values()
    require(small > 0.99, f"-1e4 holds: the future gets {small}")
    require(large == infinite == 0, f"-1e10 and -inf give the future {large} and {infinite}")
    require(half == "-inf", f"-1e10 in half precision is {half}")
    return (
        "掩码值只要是有限的，就只比某个分数小，不比所有分数小。−1e4 在分数到了 −16000 时让未来拿走全部权重，"
        "有人用 30 GB 中文训练时真的遇到。官方代码用 −1e10，单精度够用，半精度里它已经是 −∞。"
        "后来 transformers 也改掉了 −1e4。布尔掩码加 −∞ 不用想这些。"
    )


def _tied() -> dict[str, object]:
    small = SIZES["gpt2"]
    table = small.n_vocab * small.d_model
    return {
        "small：全部参数": n_parameters(small),
        "small：词表那张矩阵": table,
        "它占几成": round(table / n_parameters(small), 3),
        "若把输出头另算一遍": n_parameters(small) + table,
    }


def _settle_tied(values: dict[str, object]) -> str:
    total, table, share, twice = values.values()
    require(total == 124_439_808 and table == 38_597_376, f"counted {total} and {table}")
    require(twice - total == table, f"{twice} - {total} is not one table")
    require(0.3 < share < 0.32, f"the table is {share} of all")
    return (
        "检查点里没有 lm_head.weight，不是丢了：输出头就是词表矩阵的转置，同一块内存。"
        f"small 的这张矩阵有 {table:,} 个数，占 {share:.0%}；数两遍就成了 {twice / 1e6:.0f}M。"
    )


ERRATA = [
    Erratum(
        id="K08-1",
        chapter="08",
        title="GPT-2 反超了 BERT 吗",
        slide="“反超 BERT，构建更大的数据集和模型，在多任务场景更好”。",
        paper="讨论一节：不清楚多出来的训练数据和容量是否足以弥补单向表示的低效。没有与 BERT 做同一设置的比较。",
        code="公开的代码只有语言模型和采样，没有任何任务的微调或评测。",
        compute=_versus_bert,
        settles=_settle_versus_bert,
        sources=[f"{RADFORD}, section 3.5, section 6", "Devlin et al. 2018, arXiv:1810.04805"],
    ),
    Erratum(
        id="K08-2",
        chapter="08",
        title="117M 还是 124M：四个参数量",
        slide="“参数量：15 亿”。",
        paper="表 2：117M、345M、762M、1542M。",
        code=(
            "openai/gpt-2 的说明文件承认以前的数算错了；117M、345M 两个目录改名 124M、355M，"
            "后两个公开时已是 774M、1558M。"
        ),
        compute=_counts,
        settles=_settle_counts,
        sources=[f"{RADFORD}, table 2", "openai/gpt-2: README.md", "huggingface: openai-community/gpt2-xl config.json"],
    ),
    Erratum(
        id="K08-3",
        chapter="08",
        title="“未来的分数变成 0”",
        slide="网上的图解常说：掩码把未来的分数变成 0。",
        paper="沿用 GPT-1 的解码器：未来的位置在 softmax 之前填 −∞（Vaswani 等 2017，3.2.3）。",
        code="mask_attn_weights 把未来的分数减到 −1e10，然后才做 softmax。",
        compute=_future,
        settles=_settle_future,
        sources=[f"{CODE}, mask_attn_weights", "Vaswani et al. 2017, arXiv:1706.03762, section 3.2.3"],
    ),
    Erratum(
        id="K08-4",
        chapter="08",
        title="−1e4 够不够小",
        slide="课件没有讲。",
        paper="写的是 −∞。",
        code="官方 TensorFlow 代码用 −1e10；transformers 早年把 masked_bias = −1e4 存进检查点，2022 年改掉。",
        compute=_finite,
        settles=_settle_finite,
        sources=[
            f"{CODE}, mask_attn_weights",
            "huggingface/transformers: issues 3181, 9594; pull request 17306",
            "karpathy/minGPT: issue 75",
        ],
    ),
    Erratum(
        id="K08-5",
        chapter="08",
        title="检查点里没有输出头",
        slide="课件没有讲。",
        paper="没有提；GPT-1 的式 (2) 用 W_eᵀ 作输出。",
        code="model() 的最后一步是 h 乘 wte 的转置；没有别的输出矩阵。",
        compute=_tied,
        settles=_settle_tied,
        sources=[f"{CODE}, model", "Press & Wolf 2017, arXiv:1608.05859"],
    ),
]
