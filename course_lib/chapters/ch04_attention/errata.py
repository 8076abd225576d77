"""Chapter 04, attention: where slides, paper and released code disagree, and what a computation says.

The paper is Attention Is All You Need (Vaswani et al. 2017, arXiv:1706.03762).
"""

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from course_lib.course.errata.core import Erratum, require
from course_lib.foundations.attention import MultiHeadAttention, attend, attention_scores, attention_weights

VASWANI = "Vaswani et al. 2017, arXiv:1706.03762"
TORCH_MHA = "pytorch/pytorch: torch/nn/modules/activation.py, MultiheadAttention"
TORCH_SDPA = "pytorch/pytorch: torch/nn/functional.py, scaled_dot_product_attention"
HF_T5 = "huggingface/transformers: models/t5/modeling_t5.py, T5PreTrainedModel._init_weights"


def _normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _module(d_model: int) -> nn.MultiheadAttention:
    """torch's module with one head, the same weights at every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.MultiheadAttention(d_model, 1, bias=False, batch_first=True, dtype=torch.float64)


def _count() -> dict[str, object]:
    d_model, n_heads = 768, 12
    ours = MultiHeadAttention(d_model, n_heads, bias=False)
    weights = {name: projection.weight.numel() for name, projection in ours.named_children()}
    theirs = nn.MultiheadAttention(d_model, n_heads, bias=False)
    return {
        "Q、K、V 三个投影（D = 768）": weights["to_q"] + weights["to_k"] + weights["to_v"],
        "再加输出投影": sum(weights.values()),
        "torch 的 nn.MultiheadAttention": sum(each.numel() for each in theirs.parameters()),
        "3D² 与 4D²": [3 * d_model**2, 4 * d_model**2],
    }


def _settle_count(values: dict[str, object]) -> str:
    three, four, torch_count, (formula_three, formula_four) = values.values()
    require(three == formula_three, f"Q, K and V hold {three} weights, not 3D² = {formula_three}")
    require(four == torch_count == formula_four, f"all four hold {four}, torch {torch_count}, 4D² = {formula_four}")
    return (
        "课件的 3·hidden² 只数了 Q、K、V，数目是对的；一个完整的多头注意力还有输出投影 W_O，共 4·hidden²"
        "（有偏置时再加 4·hidden），与头数无关。"
    )


def _polarity() -> dict[str, object]:
    T, D = 4, 8
    x = _normal(1, T, D, seed=1)
    lower = torch.ones(T, T, dtype=torch.bool).tril()
    theirs = _module(D)
    with torch.no_grad():
        q, k, v = (x @ weight.T for weight in theirs.in_proj_weight.chunk(3))
        functional = scaled_dot_product_attention(q, k, v, attn_mask=lower) @ theirs.out_proj.weight.T
        # without the diagonal, or the last row would have no key left
        as_it_is = theirs(x, x, x, attn_mask=lower.tril(-1))[0]
        inverted = theirs(x, x, x, attn_mask=~lower)[0]
        room = attend(q, k, v, lower) @ theirs.out_proj.weight.T
    return {
        "函数（True = 可以看）与 course_lib 之差": round(float((functional - room).abs().max()), 12),
        "模块，把掩码取反以后，与函数之差": round(float((inverted - functional).abs().max()), 12),
        "模块，不取反（下三角当成“遮住”），与函数之差": round(float((as_it_is - functional).abs().max()), 3),
    }


def _settle_polarity(values: dict[str, object]) -> str:
    room, inverted, as_it_is = values.values()
    require(room < 1e-10, f"our True and the function's differ by {room}")
    require(inverted < 1e-10, f"the module with the inverted mask differs by {inverted}")
    require(as_it_is > 1e-2, f"the polarity made no difference ({as_it_is})")
    return (
        "同一个库里 True 有两个相反的意思：scaled_dot_product_attention 是“可以看”，nn.MultiheadAttention 是“遮住”。"
        "形状都合，弄反了不会报错。所以本课程的掩码一律叫 may_attend，True 就是可以看。"
    )


def _largest(output: torch.Tensor) -> str:
    return "NaN" if output.isnan().all() else f"{float(output.abs().max()):.3g}"


def _empty_row() -> dict[str, object]:
    T, D = 3, 4
    x = _normal(1, T, D, seed=2)
    may_attend = torch.tensor([[True, False, False], [False, False, False], [True, True, True]])
    theirs = _module(D)
    with torch.no_grad():
        function = scaled_dot_product_attention(x, x, x, attn_mask=may_attend)[0, 1]
        module = theirs(x, x, x, attn_mask=~may_attend)[0][0, 1]
        room = attend(x, x, x, may_attend)[0, 1]
        finite = (attention_scores(x, x).masked_fill(~may_attend, -1e9).softmax(-1) @ x)[0, 1]
    return {
        "公式：全是 −∞ 的一行做 softmax": _largest(torch.full((3,), -torch.inf).softmax(-1)),
        "torch 的函数（这个版本）": _largest(function),
        "torch 的模块，要权重时（这个版本）": _largest(module),
        "course_lib：输出最大的绝对值": float(room.abs().max()),
        "用 −1e9 代替 −∞：与“平均所有 V”之差": round(float((finite - x[0].mean(0)).abs().max()), 6),
    }


def _settle_empty_row(values: dict[str, object]) -> str:
    formula, function, module, room, finite = values.values()
    require(formula == "NaN", f"softmax of a row of -inf is {formula}")
    require(room == 0, f"the room gives {room}, not zeros")
    require(finite < 1e-6, f"a finite mask does not average all values ({finite})")
    return (
        f"公式没有规定，各家不同：这个版本里函数给 {function}，模块给 {module}，course_lib 给 0；"
        "用有限大数的实现则悄悄地平均了所有不许看的 V。补齐（padding）的批里常有这种行，先知道自己用的是哪一种。"
    )


def _gradients() -> dict[str, object]:
    n_keys, n_queries = 32, 4000
    found: dict[str, object] = {}
    for width in (16, 1024):
        q, k = _normal(n_queries, 1, width, seed=3), _normal(1, n_keys, width, seed=4)
        v, direction = _normal(n_keys, 16, seed=5), _normal(n_queries, 1, 16, seed=6)
        q.requires_grad_()
        weights = attention_weights(q, k.expand(n_queries, -1, -1), scale=1.0)
        (gradient,) = torch.autograd.grad((weights @ v * direction).sum(), q)
        size = gradient.norm(dim=-1)
        found[f"d_k = {width}，不缩放：梯度的中位数 / 均值"] = [
            round(float(size.median()), 3),
            round(float(size.mean()), 1),
        ]
    second = weights.detach().topk(2).values[..., 1].flatten()
    steepest = size.flatten().topk(n_queries // 100).indices
    found["d_k = 1024：第二大的权重，全体中位数 / 梯度最大的 1 % 的平均"] = [
        round(float(second.median()), 3),
        round(float(second[steepest].mean()), 2),
    ]
    return found


def _settle_gradients(values: dict[str, object]) -> str:
    (narrow_median, narrow_mean), (wide_median, wide_mean), (usual, steepest) = values.values()
    require(wide_median < 0.05 * narrow_median, f"the median went only from {narrow_median} to {wide_median}")
    require(wide_mean > 0.5 * narrow_mean, f"the mean went from {narrow_mean} to {wide_mean}")
    require(usual < 0.05 < 0.3 < steepest, f"second weights: usually {usual}, at the steepest queries {steepest}")
    return (
        "典型的查询确实几乎没有梯度了（中位数掉到不足 5 %），均值却没有变小：少数查询的头两个键几乎打平，梯度极大。"
        "所以更准确的说法是：多数查询没有梯度，少数很大。"
    )


def _folded() -> dict[str, object]:
    d_model, d_head = 512, 64
    x = _normal(50, d_model, seed=7)
    w_q, w_k = _normal(d_head, d_model, seed=8) / d_model**0.5, _normal(d_head, d_model, seed=9) / d_model**0.5
    scaled = attention_scores(x @ w_q.T, x @ w_k.T)
    folded = attention_scores(x @ (w_q / d_head**0.5).T, x @ w_k.T, scale=1.0)
    unscaled = attention_scores(x @ w_q.T, x @ w_k.T, scale=1.0)
    return {
        "除以 √d_k，与把 1/√d_k 乘进 W_q：分数之差": round(float((scaled - folded).abs().max()), 12),
        "分数的标准差：两种做法 / 什么都不做": [round(float(folded.std()), 2), round(float(unscaled.std()), 2)],
    }


def _settle_folded(values: dict[str, object]) -> str:
    difference, (folded, unscaled) = values.values()
    require(difference < 1e-10, f"folding the scale into W_q changes the scores by {difference}")
    require(unscaled > 6 * folded, f"without scale the spread is {unscaled}, with it {folded}")
    return (
        "T5 没有 √d_k 这一步，但初始化时把 W_q 缩小了 √d_k 倍，出发点的分数完全相同；此后两者的训练轨迹可以不同。"
        "照抄公式去算 T5 的权重，分数会再小 8 倍。"
    )


ERRATA = [
    Erratum(
        id="K04-1",
        chapter="04",
        title="3·hidden² 还是 4·hidden²",
        slide="“仅 Q、K、V 的线性层参数量就达 3·hidden²”，没有提输出投影",
        paper="§3.2.2：MultiHead = Concat(head_1 … head_h) W^O，W^O ∈ R^{h·d_v × d_model}",
        code="nn.MultiheadAttention：in_proj_weight [3D, D]，out_proj.weight [D, D]",
        compute=_count,
        settles=_settle_count,
        sources=[f"{VASWANI}, §3.2.2", TORCH_MHA],
    ),
    Erratum(
        id="K04-2",
        chapter="04",
        title="掩码里的 True 是“可以看”还是“遮住”",
        slide="只说有没有 Mask，没有说取值",
        paper="§3.2.3：把不合法的连接在 softmax 之前置为 −∞",
        code="函数 scaled_dot_product_attention：True 可以看；模块 nn.MultiheadAttention：True 遮住",
        compute=_polarity,
        settles=_settle_polarity,
        sources=[f"{VASWANI}, §3.2.3", TORCH_SDPA, TORCH_MHA],
    ),
    Erratum(
        id="K04-3",
        chapter="04",
        title="一个键都不许看的查询，输出是什么",
        slide="没有提到",
        paper="没有规定；照公式是 0/0",
        code="torch 的函数、模块，以及用 −1e9 的实现，各不相同",
        compute=_empty_row,
        settles=_settle_empty_row,
        sources=[f"{VASWANI}, §3.2.3", TORCH_SDPA, TORCH_MHA, "pytorch/pytorch#41508", "pytorch/pytorch#160064"],
    ),
    Erratum(
        id="K04-4",
        chapter="04",
        title="不除以 √d_k，梯度是变小了吗",
        slide="公式里有 √d_k，没有说为什么",
        paper="§3.2.1：“我们猜测”点积变大，把 softmax 推到梯度极小的区域",
        code="直接除，不作解释",
        compute=_gradients,
        settles=_settle_gradients,
        sources=[f"{VASWANI}, §3.2.1 与脚注 4", TORCH_SDPA],
    ),
    Erratum(
        id="K04-5",
        chapter="04",
        title="每个 Transformer 都除以 √d_k 吗",
        slide="softmax(QKᵀ/√d_k)V",
        paper="式 (1)：除以 √d_k",
        code="T5 的代码不除，W_q 用标准差 (d_model·d_k)^(−1/2) 初始化",
        compute=_folded,
        settles=_settle_folded,
        sources=[f"{VASWANI}, eq. 1", HF_T5, "huggingface/transformers#18284"],
    ),
]
