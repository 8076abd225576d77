"""C04b: how much of the attention scores' variance is content times position?

With added positions a score expands into content·content, content·position, position·content and position·position
(Ke et al. 2020, TUPE, arXiv:2006.15595, eq. 6); slides, 位置编码: meaning and position are mixed.  Chapter 02.

First layer only: deeper ones read a mixture. Three parts make up what the layer's LayerNorm hands to W_q and W_k:
    content   the token's vector, position  what the scheme added to it, both divided by the std of their sum
    constant  LayerNorm's bias and the means of the two above, so that the other two vary around 0
    content term   content·content, content·constant, constant·content
    position term  position·position, position·constant, constant·position, constant·constant
    cross term     content·position, position·content
RoPE adds nothing to a token, so its position part, and with it the cross term, is 0 by construction, not by learning.
constant·constant is one number under added positions and a function of distance alone under RoPE.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.attention import attention_scores, causal_mask
from course_lib.toys.position_schemes import NoPositions
from course_lib.toys.reading_further import TRAINED_LENGTH, trained_model, untrained_model
from course_lib.toys.tiny_lm import TinyLM
from course_lib.toys.topic_text import topic_texts

COMPARED = ("learned", "sinusoidal", "rope")
TERMS = ("content", "position", "cross")


def measure(seed: int, *, progress, steps: int, batch: int, n_texts: int) -> dict[str, float | list[float]]:
    """Shares of content, position and cross term, which sum to 1, before and after training."""
    ids = topic_texts(seed, "test", n_texts, TRAINED_LENGTH)
    figures, errors = {}, []
    for scheme in COMPARED:
        trained = trained_model(scheme, seed, steps=steps, batch=batch, progress=progress)
        for when, model in (("fresh", untrained_model(scheme, seed)), ("trained", trained)):
            terms = score_terms(model, ids, model.positions)
            total = sum(terms.values())
            figures[f"{when}_{scheme}"] = [share(terms[name], total) for name in TERMS]
            with torch.no_grad():
                own = model.attention_scores(ids)[0]
            errors.append(((total - own).abs().max() / total.std()).item())
    turned, unturned = score_terms(trained, ids, trained.positions), score_terms(trained, ids, NoPositions())
    figures["rope_turning"] = share(turned["content"] - unturned["content"], sum(turned.values()))
    return figures | {"sum_error": max(errors)}


@torch.no_grad()
def score_terms(model: TinyLM, ids: Int[Tensor, "B T"], turning: NoPositions) -> dict[str, Float[Tensor, "B H T T"]]:
    """The first layer's scores as a sum of three terms, q and k turned by `turning`."""
    attention, norm = model.blocks[0].attention, model.blocks[0].norm_attention
    tokens = model.embedding(ids)
    summed = model.positions.embed(tokens)
    std = (summed.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()

    def normed(part: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        return (part - part.mean(-1, keepdim=True)) / std * norm.weight

    content, position = normed(tokens), normed(summed - tokens)
    constant = norm.bias + content.mean((0, 1)) + position.mean((0, 1))
    parts = {
        "content": content - content.mean((0, 1)),
        "position": position - position.mean((0, 1)),
        "constant": constant.expand_as(content),
    }

    def heads(weight: Float[Tensor, "D D"], part: Float[Tensor, "B T D"]) -> Float[Tensor, "B H T Dh"]:
        return turning.turn(rearrange(part @ weight.T, "B T (H Dh) -> B H T Dh", H=attention.n_heads))

    terms = {name: torch.zeros(()) for name in TERMS}
    for query, query_part in parts.items():
        for key, key_part in parts.items():
            met = {query, key}
            term = "cross" if met == {"content", "position"} else "content" if "content" in met else "position"
            q, k = heads(attention.to_q.weight, query_part), heads(attention.to_k.weight, key_part)
            terms[term] = terms[term] + attention_scores(q, k)
    return terms


def share(term: Float[Tensor, "B H T T"], total: Float[Tensor, "B H T T"]) -> float:
    """Covariance of a term with the scores over the scores' variance, mean over heads. Shares of all terms sum to 1.

    Over the keys that a query may attend to, around the query's own mean: softmax does not see that mean.
    """
    may_attend = causal_mask(total.shape[-1])
    seen_term, seen_total = around_mean(term, may_attend), around_mean(total, may_attend)
    covariance, variance = (
        rearrange(seen_total * each, "B H T S -> H (B T S)").mean(-1) for each in (seen_term, seen_total)
    )
    return (covariance / variance).mean().item()


def around_mean(scores: Float[Tensor, "B H T S"], may_attend: Bool[Tensor, "T S"]) -> Float[Tensor, "B H T S"]:
    mean = (scores * may_attend).sum(-1, keepdim=True) / may_attend.sum(-1, keepdim=True)
    return (scores - mean) * may_attend


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed the trained cross share is at least 5 % for both added schemes and exactly 0 for RoPE.
    Fails: it is below 1 % on average for both, or not 0 for RoPE, or the terms do not sum to the model's scores."""
    content, position, cross = range(3)
    trained = {scheme: figures[f"trained_{scheme}"] for scheme in ("learned", "sinusoidal", "rope")}
    error = figures["sum_error"].values.max()
    if error > 1e-3:
        return Verdict("fails", f"三项之和与模型自己的分数相差 {error:.1e} 个标准差，分解不成立。")
    measured = "；".join(
        f"{name}：内容 {trained[scheme].mean[content]:.0%}，位置 {trained[scheme].mean[position]:.0%}，"
        f"交叉 {trained[scheme].mean[cross]:.0%} ± {trained[scheme].std[cross]:.0%}"
        f"（训练前交叉 {figures[f'fresh_{scheme}'].mean[cross]:.0%}）"
        for scheme, name in (("learned", "学习式"), ("sinusoidal", "正弦"))
    )
    measured = (
        f"训练后第一层分数的方差里，{measured}。RoPE 的交叉项为 {abs(trained['rope'].values[:, cross]).max():g}，"
        "这是构造决定的，不是学来的：位置没有加进向量。"
        f"它的位置项占 {trained['rope'].mean[position]:.0%}，只看距离；位置也照样作用在内容上："
        f"内容项里由旋转带来的变化占 {figures['rope_turning'].mean:.0%}。"
    )
    added = [trained[scheme] for scheme in ("learned", "sinusoidal")]
    if (trained["rope"].values[:, cross] != 0).any():
        return Verdict("fails", f"RoPE 的打分里出现了单独的交叉项。{measured}")
    if all(each.mean[cross] < 0.01 for each in added):
        return Verdict("fails", f"加法式位置编码的交叉项几乎为零：内容和位置没有混在一起。{measured}")
    if all((each.values[:, cross] >= 0.05).all() for each in added):
        return Verdict("holds", measured)
    smallest = min(each.values[:, cross].min() for each in added)
    fell = all((trained[name].mean < figures[f"fresh_{name}"].mean)[cross] for name in ("learned", "sinusoidal"))
    learned = "训练自己把大部分混合去掉了：" if fell else ""
    return Verdict("partly", f"交叉项有，但不大，各种子里最小的是 {smallest:.1%}（门槛 5 %）。{learned}{measured}")


CLAIM = Claim(
    id="C04b",
    chapter="02",
    title="加法式位置编码：内容和位置混在一个分数里",
    statement="把位置加进词向量，注意力分数里就有内容×位置的交叉项；RoPE 没有这样单独的一项。",
    question="训练之后，第一层注意力分数的方差有多少来自内容×位置的交叉项？",
    refuted_if="两种加法式编码训练后的交叉项平均都不到 1 %，或 RoPE 的交叉项不是 0。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 120, "batch": 16, "n_texts": 32},
    full={"steps": 400, "batch": 32, "n_texts": 128},
    quick_seeds=(0,),
    labels={
        f"{when}_{scheme}": f"{words}：内容、位置、交叉项的份额，{name}"
        for when, words in (("fresh", "训练前"), ("trained", "训练后"))
        for scheme, name in (("learned", "学习式"), ("sinusoidal", "正弦"), ("rope", "RoPE"))
    }
    | {
        "rope_turning": "RoPE：内容项里由旋转带来的变化，占分数方差的份额",
        "sum_error": "三项之和与模型分数的最大差（以分数的标准差为 1）",
    },
    limits="只看第一层：从第二层起，每个向量里已经有别处的内容。份额是协方差份额，三项之和为 1，"
    "一项与其余相抵时可以是负数。交叉项大不等于有害：这里量的是混合，不是损失。",
)
