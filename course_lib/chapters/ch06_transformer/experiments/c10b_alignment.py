"""C10b: the cross-attention of a trained translator lines up with the true alignment.

Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.3; slides, Encoder和Decoder.  Chapter 06.

The task knows which source characters say each digit. A map is right at a digit if its largest weight lies on one of
them. The head is chosen on one half of the held-out values and judged on the other. Baselines: a uniform guess, the
diagonal (place t of T against place s of S), and the same model before training.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course_lib.chapters.ch06_transformer.numerals import START_ID, Pair, encode, pairs
from course_lib.chapters.ch06_transformer.numerals_zoo import PAD_ID, numeral_config, train_translator
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.models.transformer import Transformer, shift_right


def true_places(batch: list[Pair], n_target: int, n_source: int) -> Bool[Tensor, "B T S"]:
    """Which source characters say each target character; an all-False row where none does."""
    says = torch.zeros(len(batch), n_target, n_source, dtype=torch.bool)
    for b, pair in enumerate(batch):
        for t, places in enumerate(pair.says):
            says[b, t, list(places)] = True
    return says


@torch.no_grad()
def maps_of(model: Transformer, batch: list[Pair]) -> tuple[Float[Tensor, "N B H T S"], Bool[Tensor, "B T S"]]:
    """Cross-attention under teacher forcing, and the truth."""
    source, target = encode(batch)
    maps = model.cross_attention_maps(source, shift_right(target, START_ID), source != PAD_ID)
    return maps, true_places(batch, target.shape[1], source.shape[1])


def alignment(maps: Float[Tensor, "N B H T S"], says: Bool[Tensor, "B T S"]) -> Float[Tensor, "N H"]:
    """Share of the said characters at which a head's largest weight lies on one that says it."""
    hit = says[None, :, None].expand(maps.shape).gather(-1, maps.argmax(-1, keepdim=True))[..., 0]
    said = says.any(-1)
    return hit.transpose(2, 3)[:, said].float().mean(1)


def diagonal(batch: list[Pair], says: Bool[Tensor, "B T S"]) -> float:
    """The same share for a guess by place alone."""
    hits = [
        says[b, t, min(len(pair.source) - 1, round(t * (len(pair.source) - 1) / max(1, len(pair.target) - 1)))]
        for b, pair in enumerate(batch)
        for t, places in enumerate(pair.says)
        if places
    ]
    return torch.stack(hits).float().mean().item()


def uniform(batch: list[Pair]) -> float:
    """The same share for a guess at random, END of the source included."""
    chances = [len(places) / (len(pair.source) + 1) for pair in batch for places in pair.says if places]
    return sum(chances) / len(chances)


def measure(seed: int, *, progress, steps: int, n_pairs: int) -> dict[str, float | list[list[float]]]:
    """Alignment accuracy of every head, of the chosen one on values that did not choose it, and of the baselines."""
    batch = pairs(seed, "held out", n_pairs)
    choosing, judging = batch[::2], batch[1::2]
    trained = train_translator(seed, steps=steps, progress=progress)
    torch.manual_seed(seed)
    untrained = Transformer(numeral_config())
    by_head = alignment(*maps_of(trained, choosing))
    chosen = by_head.argmax().item()
    maps, says = maps_of(trained, judging)
    said = says.any(-1)
    silent = torch.arange(says.shape[1]) < torch.tensor([[len(pair.target)] for pair in judging])
    best_layer, best_head = divmod(chosen, by_head.shape[1])
    to_end = maps[best_layer, :, best_head].argmax(-1) == torch.tensor([[len(pair.source)] for pair in judging])
    return {
        "by_head": alignment(maps, says).tolist(),
        "chosen": alignment(maps, says).flatten()[chosen].item(),
        "last_layer_mean": alignment(maps[-1:].mean(2, keepdim=True), says).item(),
        "weight": (maps[best_layer, :, best_head] * says).sum(-1)[said].mean().item(),
        "untrained": alignment(*maps_of(untrained, judging)).flatten()[chosen].item(),
        "uniform": uniform(judging),
        "diagonal": diagonal(judging, says),
        "silent_to_end": to_end[~said & silent].float().mean().item(),
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed the chosen head is right at least 80 % of the time and 20 points above the diagonal. Fails:
    on average it does not beat the best baseline by 5 points."""
    chosen, diagonal = figures["chosen"].values, figures["diagonal"].values
    baselines = {"均匀乱猜": "uniform", "按位置的对角线": "diagonal", "没有训练": "untrained"}
    said = "、".join(f"{text} {figures[name].mean:.0%}" for text, name in baselines.items())
    measured = (
        f"写每个字符时，选出的头最大的权重有 {chosen.mean():.0%}（各种子 {chosen.min():.0%} 到 {chosen.max():.0%}）"
        f"落在说出它的字上；{said}。"
        f"末层四个头取平均是 {figures['last_layer_mean'].mean:.0%}；"
        f"选出的头给那些字的权重平均 {figures['weight'].mean:.2f}。"
    )
    best = max(figures[name].mean for name in baselines.values())
    if chosen.mean() < best + 0.05:
        return Verdict("fails", f"交叉注意力并不比基线更对得上。{measured}")
    if (chosen >= 0.8).all() and (chosen >= diagonal + 0.2).all():
        return Verdict("holds", measured)
    return Verdict("partly", f"比基线强，但不是每个种子都清楚地对上。{measured}")


CLAIM = Claim(
    id="C10b",
    chapter="06",
    title="交叉注意力对得上真正的对齐",
    statement="训练好的翻译模型里，有一个交叉注意力头在写每个数字时，看的就是说出这个数字的那个字。",
    question="写每个数字时，交叉注意力最大的权重，有多少落在真正说出它的字上？均匀乱猜、按位置的对角线、没有训练的模型各是多少？",
    refuted_if="选出的头的对齐准确率，平均比最好的基线高不到 5 个百分点。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 120, "n_pairs": 200},
    full={"steps": 500, "n_pairs": 1000},
    quick_seeds=(0,),
    labels={
        "by_head": "对齐准确率，各层（行）各头（列）",
        "chosen": "对齐准确率：在另一半数据上选出的头",
        "last_layer_mean": "对齐准确率：末层四个头取平均以后",
        "weight": "选出的头给说出数字的字的权重",
        "untrained": "对齐准确率：没有训练，同一个头",
        "uniform": "基线：均匀乱猜",
        "diagonal": "基线：按位置的对角线",
        "silent_to_end": "没有字说的零：选出的头看句末符的比例",
    },
    limits="对齐只说权重落在哪里，不说拿来做什么：编码器的每个位置都混有全句，一个头看错了字，也可能拿到了对的信息。"
    "没有字说的零（如“三百”的两个零）不计。自然语言没有这样的标准答案。",
)
