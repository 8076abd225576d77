"""Chapter 11, CLIP: where slides, paper and released code disagree, and what a computation says.

The paper is Learning Transferable Visual Models From Natural Language Supervision (Radford et al. 2021).
"""

import math

import torch

from course_lib.course.errata.core import Erratum, require
from course_lib.foundations.contrastive import clip_loss, info_nce, similarities
from course_lib.models.clip import CLIP, SIZES, CLIPConfig, ImageConfig, TextConfig

RADFORD = "Radford et al. 2021, arXiv:2103.00020"
CODE = "openai/CLIP: clip/model.py"
PRINTED = {"dog": 0.8523, "cat": 0.0821, "bird": 0.0312, "car": 0.0201, "person": 0.0143}
COSINES = ((0.5, 0.4, 0.2), (0.3, 0.5, 0.5), (0.1, 0.2, 0.4))  # the chapter's three scenes and captions
TAU = 0.1


def _logits() -> torch.Tensor:
    return torch.tensor(COSINES, dtype=torch.float64) / TAU


def _small() -> CLIP:
    torch.manual_seed(0)
    return CLIP(CLIPConfig(image=ImageConfig(height=8, width=8), text=TextConfig(n_vocab=5, end=4)))


def _denominator() -> dict[str, object]:
    row = _logits()[0]
    positive, negatives = row[0], row[1:]
    return {
        "分母含正样本（后一个式子）": round(float(negatives.exp().sum().add(positive.exp()).log() - positive), 4),
        "求和 i = 0 到 k，正样本是其中一项": round(float(row.exp().sum().log() - positive), 4),
        "若求和只有负样本": round(float(negatives.exp().sum().log() - positive), 4),
        "若求和已含正样本，外面又加一次": round(float((row.exp().sum() + positive.exp()).log() - positive), 4),
    }


def _settle_denominator(values: dict[str, object]) -> str:
    outside, inside, without, twice = values.values()
    require(outside == inside, f"the two ways give {outside} and {inside}")
    require(without < 0 < inside < twice, f"without the positive {without}, once {inside}, twice {twice}")
    return (
        f"两个式子说的是同一件事，只是记法不同：前一个的求和必须把正样本算在内，后一个把它单写在求和外。都是 {inside}。"
        f"若误读成只有负样本，损失会变成负数（{without}）；若求和里有了又在外面加一次，损失偏大（{twice}），"
        "而且再好也不会低于 ln 2。"
    )


def _gap() -> dict[str, object]:
    scale = 100
    return {
        "五个概率的和": round(sum(PRINTED.values()), 4),
        "狗与猫的分数差 ln(0.8523 / 0.0821)": round(math.log(PRINTED["dog"] / PRINTED["cat"]), 4),
        "除以 100：余弦差": round(math.log(PRINTED["dog"] / PRINTED["cat"]) / scale, 4),
        "狗与人的余弦差": round(math.log(PRINTED["dog"] / PRINTED["person"]) / scale, 4),
        "同样的余弦差，scale = 1 时狗的概率": round(
            1 / sum((p / PRINTED["dog"]) ** (1 / scale) for p in PRINTED.values()), 4
        ),
    }


def _settle_gap(values: dict[str, object]) -> str:
    total, logits, cosine, furthest, flat = values.values()
    require(total == 1.0, f"the five probabilities add up to {total}")
    require(cosine == 0.0234 and furthest < 0.05, f"the gaps are {cosine} and {furthest}")
    require(0.2 < flat < 0.21, f"at scale 1 the dog has {flat}")
    return (
        f"85 % 对 8 %，看着悬殊，背后的余弦只差 {cosine}。把它拉开的是温度：分数差 {logits} 是余弦差的 100 倍。"
        f"不乘 100，狗的概率只有 {flat}，几乎是瞎猜的 0.2。所以 0.85 不是“有 85 % 的把握”，换一组候选句子它就变。"
    )


def _directions() -> dict[str, object]:
    logits = _logits()
    return {
        "图找句（一个方向）": round(float(info_nce(logits)), 4),
        "句找图（另一个方向）": round(float(info_nce(logits.mT)), 4),
        "两个方向的平均": round(float(clip_loss(logits)), 4),
    }


def _settle_directions(values: dict[str, object]) -> str:
    rows, columns, both = values.values()
    require(abs(rows - columns) > 0.01, f"both directions are {rows}")
    require(abs((rows + columns) / 2 - both) < 1e-3, f"{both} is not the mean of {rows} and {columns}")
    return (
        f"式子只有一个方向（{rows}），代码有两个（{rows} 与 {columns}），再平均（{both}）。CLIP 是后者；"
        "只用一个方向，“哪张图配这句话”就没有被教过。"
    )


def _augmentations() -> dict[str, object]:
    model = _small()
    one, other = torch.rand(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[0, 4], [1, 4], [2, 4], [3, 4]])
    found = {}
    for name, pairs in {
        "正样本是同一张图的另一个样子": lambda: similarities(model.image_features(one), model.image_features(other)),
        "正样本是图的说明": lambda: model(one, ids),
    }.items():
        model.zero_grad()
        clip_loss(pairs()).backward()
        grad = model.text.embedding.weight.grad
        found[f"{name}：文字塔收到的梯度"] = 0.0 if grad is None else round(float(grad.norm()), 4)
    return found


def _settle_augmentations(values: dict[str, object]) -> str:
    pictures, pairs = values.values()
    require(pictures == 0 < pairs, f"the text tower's gradients are {pictures} and {pairs}")
    return (
        "把“同一张图的不同增强版本”当正样本，是 SimCLR（2020）的做法，只有一座图像塔，文字塔收不到梯度。"
        "CLIP 的正样本是一张图和它的说明。InfoNCE 两边都能用，配成对的东西不同。"
    )


def _temperature() -> dict[str, object]:
    model = _small()
    start, learned = model.scale().item(), model.logit_scale.requires_grad
    with torch.no_grad():
        model.logit_scale.fill_(9.0)
    return {
        "开始时的 1/τ": round(start, 4),
        "存的参数 ln(1/τ)": round(math.log(start), 4),
        "会被学习": learned,
        "参数涨到 9 时的 1/τ": round(model.scale().item(), 2),
        "不设上限会是": round(math.exp(9.0)),
    }


def _settle_temperature(values: dict[str, object]) -> str:
    start, stored, learned, largest, free = values.values()
    require(start == 14.2857 and stored == 2.6593, f"the scale starts at {start}, stored as {stored}")
    require(learned and largest == 100 < free, f"learned {learned}, at most {largest}, without a limit {free}")
    return (
        f"τ 不是手调的旋钮。CLIP 存 ln(1/τ)，从 τ = 0.07 开始（1/τ = {start}），和别的参数一起学，"
        "并且不许 1/τ 超过 100，论文说不这样训练会不稳。公开的推理代码里没有这个上限，因为权重已经学好了。"
    )


def _classes() -> dict[str, object]:
    D = SIZES["ViT-B/16"].image.d_model
    return {
        "18,291 记成 K": f"{18_291 // 1000}K",
        "固定的分类头，ViT-B：18,291 × 768": f"{18_291 * D:,}",
        "第 18,292 类要添的参数": D,
        "CLIP 添一个类要添的参数": 0,
    }


def _settle_classes(values: dict[str, object]) -> str:
    short, head, row, none = values.values()
    require(short == "18K" and head == "14,047,488", f"{short}, {head}")
    require(row > none == 0, f"a new class takes {row} and {none}")
    return (
        "课件的 18K 是 18,291，出自 CLIP 论文对 JFT-300M 的引述；另一份工作（Instagram 的话题标签）是 1,000。"
        f"要紧的不是多少类，而是固定：新类要添一行 {row} 个参数，还要新的标注。CLIP 添一句话就行。"
    )


ERRATA = [
    Erratum(
        id="K11-1",
        chapter="11",
        title="分母里有没有正样本",
        slide=(
            "先写 softmax(z₊) = exp(z₊) / Σᵢ₌₀ᵏ exp(zᵢ)，没有说 z₊ 是不是其中一项；"
            "后面的 InfoNCE 把正样本单写在求和之外，再加 K 个负样本。"
        ),
        paper="CPC 的式 (4)：分母对一个正样本和 N−1 个负样本一起求和。CLIP 的图 3：对一行 N 个分数做交叉熵。",
        code="cross_entropy(logits, arange(N))：分母是整行，正样本在内。",
        compute=_denominator,
        settles=_settle_denominator,
        sources=["van den Oord et al. 2018, arXiv:1807.03748, equation 4", f"{RADFORD}, figure 3"],
    ),
    Erratum(
        id="K11-2",
        chapter="11",
        title="0.85 背后的余弦差多少",
        slide="dog 0.8523，cat 0.0821，bird 0.0312，car 0.0201，person 0.0143。",
        paper="2.5 节：1/τ 最多 100。",
        code="README 的零样本示例：(100.0 * image_features @ text_features.T).softmax(dim=-1)。",
        compute=_gap,
        settles=_settle_gap,
        sources=[f"{RADFORD}, section 2.5", f"{CODE}, CLIP.forward", "openai/CLIP: README.md, Zero-Shot Prediction"],
    ),
    Erratum(
        id="K11-3",
        chapter="11",
        title="一个方向还是两个",
        slide="InfoNCE 的式子对每个样本算一次，一个方向；后面的代码却有 loss_text 和 loss_image 两份，取平均。",
        paper="图 3 的伪代码：loss = (loss_i + loss_t)/2，对行和列各做一次交叉熵。",
        code="公开的仓库没有训练代码；open_clip 的 ClipLoss 也是两个方向的平均。",
        compute=_directions,
        settles=_settle_directions,
        sources=[f"{RADFORD}, figure 3", "mlfoundations/open_clip: src/open_clip/loss.py, ClipLoss"],
    ),
    Erratum(
        id="K11-4",
        chapter="11",
        title="正样本是增强，还是说明",
        slide="“假设每个样本有一个正样本对（通常为同一语义的不同视图，如图片的不同增强版本）”。",
        paper="2.3 节：一批 N 对 (图, 文)，在 N×N 个可能的配对里预测哪些真的出现过；增强只有随机裁剪。",
        code="forward(image, text)：一边是图，一边是文字。",
        compute=_augmentations,
        settles=_settle_augmentations,
        sources=[f"{RADFORD}, section 2.3", "Chen et al. 2020, arXiv:2002.05709 (SimCLR)"],
    ),
    Erratum(
        id="K11-5",
        chapter="11",
        title="温度是调的，还是学的",
        slide="“τ 是温度参数，用于调节概率分布的平滑程度”。没有说谁来调。",
        paper="2.3、2.5 节：τ 作为参数一起学，从 0.07 开始，截断到 1/τ 不超过 100。",
        code="logit_scale = Parameter(log(1 / 0.07))；截断写在训练代码里，公开的仓库没有。",
        compute=_temperature,
        settles=_settle_temperature,
        sources=[f"{RADFORD}, section 2.5", f"{CODE}, CLIP.__init__"],
    ),
    Erratum(
        id="K11-6",
        chapter="11",
        title="18K 类是谁的",
        slide="“弱监督大数据：数据量大（18K 类），但类别固定，无法 zero-shot 泛化到新概念”。",
        paper="引言：两份弱监督的工作把监督限制在 1000 类和 18291 类，用的是静态的 softmax 分类器。",
        code="课程的 ViT：分类头是一个 [D, 类数] 的矩阵。",
        compute=_classes,
        settles=_settle_classes,
        sources=[f"{RADFORD}, section 1", "Dosovitskiy et al. 2020, arXiv:2010.11929 (JFT-300M)"],
    ),
]
