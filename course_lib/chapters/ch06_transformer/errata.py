"""Chapter 06, encoder and decoder: where slides, paper and released code disagree, and what a computation says.

The paper is Attention Is All You Need (Vaswani et al. 2017, arXiv:1706.03762).
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from course_lib.course.errata.core import Erratum, require
from course_lib.decoding.generation import length_penalty
from course_lib.foundations.attention import attention_weights, causal_mask
from course_lib.foundations.norm import layer_norm
from course_lib.models.transformer import PostNorm, PreNorm, SharedTransformerConfig, Transformer, shift_right

VASWANI = "Vaswani et al. 2017, arXiv:1706.03762"
ANNOTATED = "harvardnlp/annotated-transformer: the_annotated_transformer.py"
T2T = "tensorflow/tensor2tensor: models/transformer.py, transformer_base_v1, transformer_base_v2"
T2T_BEAM = "tensorflow/tensor2tensor: utils/beam_search.py"
TORCH = "pytorch/pytorch: torch/nn/modules/transformer.py, Transformer"
HF_LOSS = "huggingface/transformers: loss/loss_utils.py, ForCausalLMLoss"
HF_BEAM = "huggingface/transformers: generation/utils.py, _beam_search"


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _largest(difference: torch.Tensor) -> float:
    return round(float(difference.abs().max()), 12)


def _normalised(x: torch.Tensor) -> torch.Tensor:
    return layer_norm(x, torch.ones(x.shape[-1]), torch.zeros(x.shape[-1]))


def _by_strings(before: str, after: str, x: torch.Tensor, sublayer: Callable) -> torch.Tensor:
    """A sublayer with tensor2tensor's strings around it: n normalise, a add the input, d dropout (off here)."""
    steps = {"n": _normalised, "a": lambda y: y + x, "d": lambda y: y}
    out = x
    for letter in before:
        out = steps[letter](out)
    out = sublayer(out)
    for letter in after:
        out = steps[letter](out)
    return out


def _where_the_norm_is() -> dict[str, object]:
    x, weight = _normal(3, 5, 8, seed=1), _normal(8, 8, seed=2)
    post, pre = PostNorm(8, 0.0).double(), PreNorm(8, 0.0).double()

    def sublayer(y: torch.Tensor) -> torch.Tensor:
        return (y @ weight).relu()

    with torch.no_grad():
        ours = {"post": post(x, sublayer), "pre": pre(x, sublayer)}
        annotated = x + sublayer(_normalised(x))
        v1, v2 = _by_strings("", "dan", x, sublayer), _by_strings("n", "da", x, sublayer)
    return {
        "The Annotated Transformer 的代码与 post-norm、pre-norm 之差": [
            round(_largest(annotated - ours["post"]), 2),
            _largest(annotated - ours["pre"]),
        ],
        'tensor2tensor v1（""，"dan"）与 post-norm 之差': _largest(v1 - ours["post"]),
        'tensor2tensor v2（"n"，"da"）与 pre-norm 之差': _largest(v2 - ours["pre"]),
    }


def _settle_where(values: dict[str, object]) -> str:
    (from_post, from_pre), v1, v2 = values.values()
    require(from_pre < 1e-10 < 0.1 < from_post, f"the annotated code is {from_post} from post, {from_pre} from pre")
    require(max(v1, v2) < 1e-10, f"the strings of tensor2tensor are {v1} and {v2} away from post and pre")
    return (
        "论文的图和式子是 post-norm；论文配套的 tensor2tensor 先是 post-norm（v1），随后把默认改成 pre-norm（v2）；"
        "The Annotated Transformer 的正文抄了 post-norm 的式子，代码算的是 pre-norm（作者自己注明“为了简单，先归一”）。"
        "读代码时看 norm 包在子层里面还是外面，不要看注释。"
    )


def _own_place() -> dict[str, object]:
    T = 5
    weights = attention_weights(_normal(T, 8, seed=3), _normal(T, 8, seed=4), causal_mask(T))
    strict = torch.ones(T, T, dtype=torch.bool).tril(-1)
    emptied = (~strict.any(-1)).sum().item()
    target = torch.tensor([[7, 8, 9, 3]])
    read = shift_right(target, 1)
    places = [read[0, : t + 1].tolist() for t in range(4)]
    leaked = [target[0, t].item() in seen for t, seen in enumerate(places)]
    return {
        "因果掩码下，各行可以看几个键（T = 5）": (weights > 0).sum(-1).tolist(),
        "只许看左边、不许看自己：有几行一个键也没有": emptied,
        "右移以后，第 t 行看得见的 token（目标 7 8 9 3，1 是起始符）": [" ".join(map(str, seen)) for seen in places],
        "其中有没有要猜的那个": any(leaked),
    }


def _settle_own_place(values: dict[str, object]) -> str:
    counts, emptied, _, leaked = values.values()
    require(counts == [1, 2, 3, 4, 5], f"the rows of the causal mask see {counts} keys")
    require(emptied == 1, f"{emptied} rows see no key under a strict mask")
    require(leaked is False, "a place sees the token that it has to predict")
    return (
        "掩码许看自己和左边，不是只有左边；只看左边，第一行一个键也没有。"
        "看自己不会漏题，因为输入已经右移：第 t 行的“自己”是第 t−1 个目标。"
        "所以防偷看是掩码和右移两件事一起做的，少一件都不行。"
    )


def _padding() -> dict[str, object]:
    torch.manual_seed(0)
    model = Transformer(SharedTransformerConfig(n_vocab=12, d_model=16, n_heads=2, d_hidden=32)).double()
    alone = torch.tensor([[5, 6, 7]])
    padded, other = torch.tensor([[5, 6, 7, 0, 0]]), torch.tensor([[5, 6, 7, 9, 9]])
    is_token = torch.tensor([[True] * 3 + [False] * 2])
    with torch.no_grad():
        truth = model.encode(alone)[0]
        masked = model.encode(padded, is_token)[0, :3]
        unmasked, unmasked_other = model.encode(padded)[0, :3], model.encode(other)[0, :3]
    return {
        "有填充掩码：同一句话，单独算与补齐后算之差": _largest(masked - truth),
        "没有填充掩码：之差": round(_largest(unmasked - truth), 3),
        "没有填充掩码：把补的字换掉，输出又变多少": round(_largest(unmasked - unmasked_other), 3),
    }


def _settle_padding(values: dict[str, object]) -> str:
    masked, unmasked, moved = values.values()
    require(masked < 1e-10, f"with the mask, padding moves the encoding by {masked}")
    require(min(unmasked, moved) > 0.01, f"without the mask padding moves it by {unmasked} and {moved} only")
    return (
        "“编码器没有 Mask”只说没有因果掩码。一批里长短不一的句子要补齐，补上的位置必须遮住；交叉注意力也一样。"
        "少了它，同一句话的结果会随同批的邻居而变，而且不报错。"
    )


def _deviation() -> dict[str, object]:
    def annotated(x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-6)

    found: dict[str, object] = {}
    for d_model in (4, 512):
        x = _normal(1000, d_model, seed=d_model)
        ours = layer_norm(x, torch.ones(d_model), torch.zeros(d_model), eps=1e-6)
        found[f"D = {d_model}：std 的写法 / 论文的写法"] = round(float((annotated(x) / ours).median()), 4)
        found[f"D = {d_model}：√((D−1)/D)"] = round(((d_model - 1) / d_model) ** 0.5, 4)
    small = 1e-4 * _normal(1000, 512, seed=9)
    spread = [
        round(float(y.std(-1, correction=0).mean()), 2)
        for y in (layer_norm(small, torch.ones(512), torch.zeros(512), eps=1e-5), annotated(small))
    ]
    found["输入的标准差只有 0.0001 时，输出的标准差：方差 + 1e-5 / std + 1e-6"] = spread
    return found


def _settle_deviation(values: dict[str, object]) -> str:
    narrow, narrow_formula, wide, wide_formula, (inside, outside) = values.values()
    require(abs(narrow - narrow_formula) < 1e-3 and abs(wide - wide_formula) < 1e-3, f"ratios {narrow}, {wide}")
    require(inside < 0.1 < 0.9 < outside, f"small inputs come out with spread {inside} and {outside}")
    return (
        "两处不同：x.std() 除以 D−1，LayerNorm 的方差除以 D；ε 一个加在根号外的标准差上，一个加在根号里的方差上。"
        "D = 512 时第一处差千分之一，权重可以吸收；第二处在输入极小时差出几十倍。照抄权重前先看 ε 的值和位置。"
    )


def _one_more_norm() -> dict[str, object]:
    D, F = 32, 64
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = nn.Transformer(D, 4, 1, 1, F, dropout=0.0, batch_first=True).double()
    ours = Transformer(SharedTransformerConfig(n_vocab=1, d_model=D, n_layers=1, d_hidden=F))
    in_layers = sum(p.numel() for p in ours.parameters()) - D - 1  # without the table of one word and its bias
    more = sum(p.numel() for p in theirs.parameters()) - in_layers
    x = _normal(2, 5, D, seed=5)
    with torch.no_grad():
        theirs.encoder.norm.weight.mul_(1.5)
        twice = theirs.encoder(x)
        theirs.encoder.norm = None
        once = theirs.encoder(x)
    return {
        "nn.Transformer 比论文多几个参数（D = 32）": more,
        "两个栈各多一个 LayerNorm：2 · 2D": 2 * 2 * D,
        "多出的那个有了自己的权重后，编码器的输出变了多少": round(_largest(twice - once), 2),
    }


def _settle_one_more(values: dict[str, object]) -> str:
    more, formula, moved = values.values()
    require(more == formula, f"nn.Transformer has {more} more parameters, two norms have {formula}")
    require(moved > 0.1, f"the additional norm moved the encoder's output by {moved} only")
    return (
        "torch 的 nn.Transformer 在每个栈的末尾总加一个 LayerNorm。pre-norm 需要它；post-norm 的最后一层已经归一，"
        "论文里没有第二个。开发者知道，为了兼容旧权重没有改。搬权重时要把它去掉，我们的对照测试就是这样做的。"
    )


def _size(d_model: int, d_hidden: int, n_vocab: int) -> int:
    with torch.device("meta"):
        config = SharedTransformerConfig(
            n_vocab=n_vocab, d_model=d_model, n_layers=6, n_heads=d_model // 64, d_hidden=d_hidden
        )
        return sum(p.numel() for p in Transformer(config).parameters())


def _parameters() -> dict[str, object]:
    base, big = _size(512, 2048, 37_000), _size(1024, 4096, 37_000)
    apart = base + 2 * 37_000 * 512
    return {
        "base：词表 37,000，三张表共用（百万）": round(base / 1e6, 1),
        "base：三张表各一份（百万）": round(apart / 1e6, 1),
        "base：不算词表（百万）": round((base - 37_000 * 513) / 1e6, 1),
        "big：词表 37,000，三张表共用（百万）": round(big / 1e6, 1),
    }


def _settle_parameters(values: dict[str, object]) -> str:
    base, apart, without, big = values.values()
    require(abs(base - 65) < 3 < abs(apart - 65), f"base has {base} M shared and {apart} M apart, the paper says 65")
    require(abs(big - 213) < 3, f"big has {big} M, the paper says 213")
    require(without < 45, f"without the tables {without} M")
    return (
        f"按论文的尺寸数出来是 {base} 与 {big} 百万，与表 3 的 65 与 213 只差百分之几，而且只有三张表共用时才对得上。"
        "剩下的差别来自词表的实际大小（论文只说“约 37,000”）。近三分之一的参数在词表里。"
    )


def _beams() -> dict[str, object]:
    candidates = {"短（3 个 token，log P = −2.0）": (3, -2.0), "长（8 个 token，log P = −2.8）": (8, -2.8)}
    found: dict[str, object] = {}
    for name, (length, log_p) in candidates.items():
        found[name] = [
            round(log_p, 2),
            round(log_p / length_penalty(length, 0.6), 2),
            round(log_p / length**0.6, 2),
            round(log_p / length**1.0, 2),
        ]
    rows = list(found.values())
    found["谁赢：不惩罚 / 论文 α = 0.6 / transformers 0.6 / transformers 默认 1.0"] = [
        "短" if short > long else "长" for short, long in zip(*rows)
    ]
    return found


def _settle_beams(values: dict[str, object]) -> str:
    short, long, winners = values.values()
    require(winners == ["短", "短", "长", "长"], f"the winners are {winners}: {short} against {long}")
    return (
        "同一个 0.6，两个公式：论文（引 GNMT）除以 ((5 + 长度)/6)^α，transformers 除以 长度^α。"
        "后者对长句宽容得多，默认还是 1.0。"
        "这个例子里连赢家都换了。说“束宽 4，α = 0.6”时要说清是哪个公式。"
    )


def _shifts() -> dict[str, object]:
    target, start = torch.tensor([[4, 5, 6, 7, 3]]), 1
    read = shift_right(target, start)
    once = [f"{r}→{t}" for r, t in zip(read[0].tolist(), target[0].tolist())]
    twice = [f"{r}→{t}" for r, t in zip(read[0, :-1].tolist(), target[0, 1:].tolist())]
    logits = 9.0 * nn.functional.one_hot(target, 8).double()  # a model that is right everywhere
    right = cross_entropy(logits.transpose(1, 2), target)
    moved = cross_entropy(logits[:, :-1].transpose(1, 2), target[:, 1:])
    return {
        "移一次：读到 → 要说": "  ".join(once),
        "移两次：读到 → 要说": "  ".join(twice),
        "一个处处全对的模型的损失：移一次 / 移两次": [round(right.item(), 3), round(moved.item(), 3)],
        "目标的第一个 token 还有人教吗：移一次 / 移两次": [True, 4 in target[0, 1:].tolist()],
    }


def _settle_shifts(values: dict[str, object]) -> str:
    once, twice, (right, moved), taught = values.values()
    require(once.startswith("1→4") and twice.startswith("1→5"), f"rows are {once} and {twice}")
    require(right < 0.01 < 5 < moved, f"a perfect model costs {right} once and {moved} twice")
    require(taught == [True, False], f"the first token is taught: {taught}")
    return (
        "编码器–解码器在输入处移，GPT 一类在损失里移，各移一次。"
        "两处都移，第 t 位学的是第 t+1 个词，第一个词永远没人教。"
        "形状全对，损失照样下降：transformers 里 Florence-2、Moonshine、GIT 都出过这个错。"
    )


ERRATA = [
    Erratum(
        id="K06-1",
        chapter="06",
        title="LayerNorm 在相加之前还是之后",
        slide="没有画",
        paper="§3.1 与图 1：LayerNorm(x + Sublayer(x))，post-norm",
        code="tensor2tensor v1 是 post-norm，v2 起默认 pre-norm；The Annotated Transformer 文字写 post，代码是 pre",
        compute=_where_the_norm_is,
        settles=_settle_where,
        sources=[
            f"{VASWANI}, §3.1",
            T2T,
            f"{ANNOTATED}, SublayerConnection",
            "harvardnlp/annotated-transformer#1",
            "harvardnlp/annotated-transformer#92",
        ],
    ),
    Erratum(
        id="K06-2",
        chapter="06",
        title="解码器“只能看到它左边”，自己算不算",
        slide="“每个 token 只能看到它左边（已生成）的 token”",
        paper="§3.2.3：允许看到“up to and including that position”；§3.1：输出嵌入右移一位",
        code="下三角，含对角线；输入右移",
        compute=_own_place,
        settles=_settle_own_place,
        sources=[f"{VASWANI}, §3.1 与 §3.2.3", TORCH],
    ),
    Erratum(
        id="K06-3",
        chapter="06",
        title="编码器真的没有掩码吗",
        slide="“无 Mask：每个 token 可以看到序列中所有其他 token”",
        paper="没有提填充",
        code="src_key_padding_mask、attention_mask：补齐的位置遮住",
        compute=_padding,
        settles=_settle_padding,
        sources=[f"{VASWANI}, §3.2.3", f"{TORCH}, src_key_padding_mask"],
    ),
    Erratum(
        id="K06-4",
        chapter="06",
        title="LayerNorm：标准差还是方差，ε 加在哪里",
        slide="没有公式",
        paper="Ba 等 2016：除以 √(1/H Σ(a−μ)²)，没有写 ε",
        code="torch：方差 + 1e-5 再开方；The Annotated Transformer：x.std() + 1e-6",
        compute=_deviation,
        settles=_settle_deviation,
        sources=["Ba et al. 2016, arXiv:1607.06450, eq. 3–4", f"{ANNOTATED}, LayerNorm", "torch.nn.LayerNorm"],
    ),
    Erratum(
        id="K06-5",
        chapter="06",
        title="nn.Transformer 末尾多一个 LayerNorm",
        slide="没有提到",
        paper="图 1：最后一个子层的 Add & Norm 之后直接是 Linear",
        code="torch 的 nn.Transformer：两个栈各再加一个 LayerNorm，post-norm 时也加",
        compute=_one_more_norm,
        settles=_settle_one_more,
        sources=[f"{VASWANI}, 图 1", TORCH, "pytorch/pytorch#50086", "pytorch/pytorch#55270"],
    ),
    Erratum(
        id="K06-6",
        chapter="06",
        title="base 是 65 百万参数吗",
        slide="没有给",
        paper="表 3：base 65·10⁶，big 213·10⁶；§3.4：两个嵌入与 softmax 前的线性层共用一个矩阵",
        code="很多教学实现三张表各一份",
        compute=_parameters,
        settles=_settle_parameters,
        sources=[f"{VASWANI}, §3.4、§5.1、表 3"],
    ),
    Erratum(
        id="K06-7",
        chapter="06",
        title="束宽 4、α = 0.6：同一个 α，两个公式",
        slide="没有提到",
        paper="§6.1：beam size 4，length penalty α = 0.6，引 Wu 等 2016 的式 (14)",
        code="tensor2tensor：((5 + 长度)/6)^α；transformers：长度^length_penalty，默认 1.0",
        compute=_beams,
        settles=_settle_beams,
        sources=[f"{VASWANI}, §6.1", "Wu et al. 2016, arXiv:1609.08144, eq. 14", T2T_BEAM, HF_BEAM],
    ),
    Erratum(
        id="K06-8",
        chapter="06",
        title="右移一次，在哪里移",
        slide="没有提右移",
        paper="§3.1：“the output embeddings are offset by one position”",
        code="编码器–解码器：shift_tokens_right 移输入；GPT：ForCausalLMLoss 移标签；两处都移就是错",
        compute=_shifts,
        settles=_settle_shifts,
        sources=[
            f"{VASWANI}, §3.1",
            HF_LOSS,
            "huggingface/transformers#46897",
            "huggingface/transformers#46784",
            "huggingface/transformers#47394",
        ],
    ),
]
