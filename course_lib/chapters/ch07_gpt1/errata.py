"""Chapter 07, GPT-1: where slides, paper and released code disagree, and what a computation says.

The paper is Improving Language Understanding by Generative Pre-Training (Radford, Narasimhan, Salimans and Sutskever,
OpenAI, June 2018). The released code is openai/finetune-transformer-lm.
"""

import torch
from torch.nn.functional import cross_entropy

from course_lib.chapters.ch07_gpt1.gpt1_tasks import GPT1Task, Marks
from course_lib.course.errata.core import Erratum, require
from course_lib.foundations.gelu import gelu, gelu_tanh
from course_lib.models import gpt1, gpt2
from course_lib.models.gpt1 import GPT1, GPT1Config
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.training.loop import next_token_losses

RADFORD = "Radford et al. 2018, Improving Language Understanding by Generative Pre-Training"
RELEASED = "openai/finetune-transformer-lm: train.py"
HF = "huggingface/transformers: models/openai/modeling_openai.py"
SLIDE_REFERENCES = (
    "https://gwern.net/doc/www/s3-us-west-2.amazonaws.com/d73fdc5ffa8627bce44dcda2fc012da638ffb158.pdf",
    "https://insightcivic.s3.us-east-1.amazonaws.com/language-models.pdf",
)
GPT1_PAPER = "https://cdn.openai.com/research-covers/language-unsupervised/language_understanding_paper.pdf"
GPT2_PAPER = "https://d4mucfpksywv.cloudfront.net/better-language-models/language-models.pdf"


def _count() -> dict[str, object]:
    config = gpt1.SIZES["openai-gpt"]
    D = config.d_model
    tables = [config.n_vocab * D, config.context * D]
    return {
        "词表与位置表": tables,
        "每层 12D² + 13D": 12 * D**2 + 13 * D,
        "合计，12 层": gpt1.n_parameters(config),
        "GPT-2 最小的一档，论文表 2 也写 117M": gpt2.n_parameters(gpt2.SIZES["gpt2"]),
    }


def _settle_count(values: dict[str, object]) -> str:
    tables, layer, total, smallest = values.values()
    require(sum(tables) + 12 * layer == total, f"{tables} and 12 × {layer} are not {total}")
    require(round(total / 1e6) == 117, f"{total} does not round to 117 million")
    require(round(smallest / 1e6) == 124, f"GPT-2's smallest has {smallest}")
    return (
        "GPT-1 的论文没有印参数量；按它的配置算出 116,534,784，四舍五入正是 1.17 亿，所以课件的数对。"
        "GPT-2 论文的表 2 把最小的一档写成 117M，并说它相当于原来的 GPT；那一档其实是 124M，"
        "GPT-2 的仓库后来说明数错了。117M 最早出自哪里，我们没有查到。"
    )


def _corpus() -> dict[str, object]:
    n_bytes, sentences, words = 4_853_859_824, 74_004_228, 984_846_357
    return {
        "今天能查到的 BookCorpus：字节数": n_bytes,
        "句数，与 Zhu 等 2015 的表相同": sentences,
        "合多少 GB": round(n_bytes / 1e9, 2),
        "每句几个词": round(words / sentences, 1),
        "每个词连空格几个字节": round(n_bytes / words, 2),
    }


def _settle_corpus(values: dict[str, object]) -> str:
    _, _, size, per_sentence, per_word = values.values()
    require(4.5 <= size < 5.5, f"{size} GB is not about 5")
    require(13 <= per_sentence < 14, f"{per_sentence} words a sentence; the table says 13")
    require(4.5 < per_word < 6, f"{per_word} bytes a word is no English text")
    return (
        f"论文只说 BooksCorpus 有 7,000 多本书，没有字节数。数据集页面上的纯文本是 {size} GB，词数与句数也对得上，"
        "“5GB”多半就是这样来的（这一句是推断：课件没有写出处）。"
        "BERT 的论文把同一语料写成 8 亿词：各家切词和清洗不一样。"
    )


def _norms() -> dict[str, object]:
    sizes = dict(n_vocab=50, context=16, d_model=32, n_layers=4, n_heads=4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        post = GPT1(GPT1Config(**sizes)).double()
        pre = GPT2(GPT2Config(**sizes)).double()
        pre.load_state_dict({**pre.state_dict(), **post.state_dict()})
        ids = torch.randint(50, (4, 16))
    with torch.no_grad():
        outputs = [model.hidden(ids) for model in (post, pre)]
        spread = post.blocks[-1].norm_feedforward(outputs[1] * 3)
    return {
        "同名的权重有几个": len(post.state_dict()),
        "多出来的（最后一个 norm）": len(pre.state_dict()) - len(post.state_dict()),
        "同一组权重，两种放法的输出之差": round(float((outputs[0] - outputs[1]).abs().max()), 2),
        "post-norm 输出每个向量的均值与方差": [
            round(float(outputs[0].mean(-1).abs().max()), 6),
            round(float(outputs[0].var(-1, unbiased=False).mean()), 3),
        ],
        "再做一次同样的 norm，输出的方差": round(float(spread.var(-1, unbiased=False).mean()), 3),
    }


def _settle_norms(values: dict[str, object]) -> str:
    same, more, difference, (mean, variance), again = values.values()
    require(more == 2, f"GPT-2 has {more} more tensors, not a weight and a bias")
    require(difference > 0.5, f"the two orders differ by {difference} only")
    require(mean < 1e-5 and abs(variance - 1) < 0.01 and abs(again - 1) < 0.01, f"{mean}, {variance}, {again}")
    return (
        f"{same} 个张量名字、形状全都一样，装进去不报错，输出却差到 {difference}。GPT-1 是 post-norm，"
        "每层的末尾都归一，所以不需要最后再来一个 norm；pre-norm 和最后的 norm 是 GPT-2 才有的。"
    )


def _gelu() -> dict[str, object]:
    x = torch.linspace(-6, 6, 120001, dtype=torch.float64)
    difference = (gelu_tanh(x) - gelu(x)).abs()
    return {
        "两种 GELU 最大之差": round(float(difference.max()), 6),
        "在 |x| =": round(float(x[difference.argmax()].abs()), 2),
        "相对于那里的值": f"{float(difference.max() / gelu(x[difference.argmax()].abs())):.1e}",
    }


def _settle_gelu(values: dict[str, object]) -> str:
    largest, place, _ = values.values()
    require(1e-4 < largest < 1e-3, f"the two forms differ by {largest}")
    require(1 < place < 4, f"they differ most at {place}")
    return (
        f"论文只写“GELU”，公开代码用的是 tanh 近似。一次只差 {largest}，装公开权重时十二层下来足以让逐位比较不过；"
        "从零训练则没有分别。torch 里要写 gelu(x, approximate='tanh')。"
    )


def _shift() -> dict[str, object]:
    V, T = 7, 30
    ids = (torch.arange(T) % V)[None]  # 0 1 2 … 6 0 1 …
    knows = torch.full((1, T, V), -20.0).scatter(-1, ((ids + 1) % V)[..., None], 0.0)  # always says the next one
    twice = cross_entropy(knows[0, :-2], ids[0, 2:])
    not_at_all = cross_entropy(knows[0], ids[0])
    return {
        "永远说对下一个的模型：移一次，损失（nat）": round(float(next_token_losses(knows, ids).mean()), 4),
        "移两次（自己移，模型里又移）": round(float(twice), 2),
        "一次不移": round(float(not_at_all), 2),
    }


def _settle_shift(values: dict[str, object]) -> str:
    once, twice, none = values.values()
    require(once < 1e-4, f"shifted once, a perfect model loses {once}")
    require(twice > 10 and none > 10, f"shifted twice {twice}, not at all {none}")
    return (
        f"完全懂得下一个词的模型，多移一次损失就是 {twice}。移两次照样能训练、损失照样下降，学到的却是“下下个词”。"
        "transformers 的模型在里面移，传 labels=input_ids 即可；它的 ROCStories 例子曾先移一次（#473，#562 改正）。"
    )


def _bias() -> dict[str, object]:
    config = gpt1.SIZES["openai-gpt"]
    with torch.random.fork_rng(), torch.device("meta"):
        model = GPT1Task(GPT1(config), Marks(start=0, delimiter=1, extract=2), 2)
    head = sum(parameter.numel() for parameter in model.head.parameters())
    return {
        "二分类的头：权重与偏置": [model.head.weight.numel(), model.head.bias.numel()],
        "三个新记号的词向量": 3 * config.d_model,
        "新加的参数占全部的": f"{(head + 3 * config.d_model) / gpt1.n_parameters(config):.5%}",
    }


def _settle_bias(values: dict[str, object]) -> str:
    (weights, bias), marks, share = values.values()
    require(weights == 2 * 768 and bias == 2, f"{weights} and {bias}")
    require(marks == 3 * 768, f"{marks}")
    return (
        f"论文说微调只新增 W_y 和分隔记号的向量，没有偏置；公开代码的头多一个偏置，只 {bias} 个数。"
        f"两处合起来占全部参数的 {share}，“结构几乎不改”这句话有多实在，看这个数。"
    )


def _references() -> dict[str, object]:
    first, second = (address.rsplit("/", 1)[-1] for address in SLIDE_REFERENCES)
    return {
        "课件列的第一个文件": first,
        "课件列的第二个文件": second,
        "openai/gpt-2 的 README 链接的 GPT-2 论文": GPT2_PAPER.rsplit("/", 1)[-1],
        "OpenAI 放的 GPT-1 论文": GPT1_PAPER.rsplit("/", 1)[-1],
    }


def _settle_references(values: dict[str, object]) -> str:
    first, second, of_gpt2, of_gpt1 = values.values()
    require(second == of_gpt2 != of_gpt1, f"{second} is not GPT-2's {of_gpt2}, or is GPT-1's {of_gpt1}")
    require(first != second, f"both addresses end in {first}")
    return (
        "第一个地址是 GPT-1 的论文（gwern.net 的存档，文件名是散列值）。第二个地址的 language-models.pdf 是 GPT-2 的："
        "Language Models are Unsupervised Multitask Learners，放错了一页；引用这个地址的仓库都把它标作 GPT-2。"
    )


ERRATA = [
    Erratum(
        id="K07-1",
        chapter="07",
        title="1.17 亿参数，出自哪里",
        slide="参数量：1.17 亿",
        paper="没有印参数量；给了 12 层、768 维、12 个头、40,000 次合并、512 个 token",
        code="词表 40,478 = 478 个基本字符 + 40,000 次合并；输出头与词表共用",
        compute=_count,
        settles=_settle_count,
        sources=[f"{RADFORD}, §4.1", "Radford et al. 2019 (GPT-2), table 2", "openai/gpt-2: README.md"],
    ),
    Erratum(
        id="K07-2",
        chapter="07",
        title="5 GB 训练数据，出自哪里",
        slide="预训练数据量：5GB",
        paper="BooksCorpus，7,000 多本未出版的书；没有字节数",
        code="语料不随代码公开；Hugging Face 的 bookcorpus 页面：4,853,859,824 字节，74,004,228 句",
        compute=_corpus,
        settles=_settle_corpus,
        sources=[
            f"{RADFORD}, §4.1",
            "Zhu et al. 2015, arXiv:1506.06724（9.85 亿词，7,400 万句）",
            "huggingface.co/datasets/bookcorpus: README.md, dataset_info",
            "Devlin et al. 2018, arXiv:1810.04805, §3.1（8 亿词）",
        ],
    ),
    Erratum(
        id="K07-3",
        chapter="07",
        title="GPT-1 是 pre-norm 吗",
        slide="没有提到；许多教程把 GPT 一律画成 pre-norm",
        paper="§4.1：沿用 2017 年的 Transformer；GPT-2 的论文 §2.3 说把 LayerNorm 移到了每个子层的输入",
        code="block：n = norm(x + a)，h = norm(n + m)，最后没有 norm",
        compute=_norms,
        settles=_settle_norms,
        sources=[f"{RADFORD}, §4.1", "Radford et al. 2019 (GPT-2), §2.3", RELEASED, HF],
    ),
    Erratum(
        id="K07-4",
        chapter="07",
        title="哪一个 GELU",
        slide="没有提到",
        paper="§4.1：激活函数用 GELU",
        code="0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))",
        compute=_gelu,
        settles=_settle_gelu,
        sources=[f"{RADFORD}, §4.1", "Hendrycks & Gimpel 2016, arXiv:1606.08415, §2", RELEASED],
    ),
    Erratum(
        id="K07-5",
        chapter="07",
        title="标签移几次",
        slide="没有提到",
        paper="式 (1)：用前 k 个词预测第 i 个词",
        code="transformers 在模型里移一次；例子脚本曾在外面又移一次",
        compute=_shift,
        settles=_settle_shift,
        sources=[f"{RADFORD}, eq. 1", "huggingface/transformers#473", "huggingface/transformers#562", HF],
    ),
    Erratum(
        id="K07-6",
        chapter="07",
        title="微调新增多少参数，有没有偏置",
        slide="统一的微调，不改结构",
        paper="§3.2：微调时新增的参数只有 W_y 和分隔记号的向量",
        code="clf：w 与 b 都有",
        compute=_bias,
        settles=_settle_bias,
        sources=[f"{RADFORD}, §3.2, eq. 3", RELEASED],
    ),
    Erratum(
        id="K07-7",
        chapter="07",
        title="GPT-1 那一页的第二篇参考文献",
        slide="GPT-1 的参考文献：① gwern.net 的一份 PDF；② insightcivic 的 language-models.pdf",
        paper="GPT-1：Improving Language Understanding by Generative Pre-Training（2018）",
        code="openai/gpt-2 的 README：论文是 better-language-models/language-models.pdf",
        compute=_references,
        settles=_settle_references,
        sources=[*SLIDE_REFERENCES, GPT1_PAPER, "openai/gpt-2: README.md"],
    ),
]
