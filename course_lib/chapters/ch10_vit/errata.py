"""Chapter 10, ViT: where slides, paper and released code disagree, and what a computation says.

The paper is An Image is Worth 16x16 Words (Dosovitskiy et al. 2020, arXiv:2010.11929).
"""

from dataclasses import replace

import torch

from course_lib.course.errata.core import Erratum, require
from course_lib.foundations.norm import LayerNorm
from course_lib.foundations.patches import patchify
from course_lib.models.vit import SIZES, ViT, ViTConfig, n_parameters

DOSOVITSKIY = "Dosovitskiy et al. 2020, arXiv:2010.11929"
CODE = "google-research/vision_transformer: vit_jax/models_vit.py"
PRINTED = [86, 307, 632]  # millions, table 1: Base, Large, Huge
# table 2: ViT-L/16 and BiT-L, both pre-trained on JFT-300M; mean and spread of three fine-tunings
TABLE_2 = {
    "ImageNet": (87.76, 87.54),
    "ImageNet ReaL": (90.54, 90.54),
    "CIFAR-10": (99.42, 99.37),
    "CIFAR-100": (93.90, 93.51),
    "Pets": (97.32, 96.62),
    "Flowers": (99.74, 99.63),
    "VTAB": (76.28, 76.29),
}


def _numbers_of_a_patch() -> dict[str, object]:
    patches = patchify(torch.zeros(1, 3, 256, 256), 32)
    return {
        "256×256、三通道的图，切 32×32：几块": patches.shape[1],
        "一块有几个像素": 32 * 32,
        "一块有几个数": patches.shape[2],
        "公开的三种，一块的数 → D": [
            f"{name}：{config.channels * config.patch**2} → {config.d_model}"
            for name, config in SIZES.items()
            if name in ("ViT-B/16", "ViT-L/16", "ViT-H/14")
        ],
        "3,072 → 1,024 的投影有多少权重": patches.shape[2] * 1024,
    }


def _settle_numbers_of_a_patch(values: dict[str, object]) -> str:
    n_patches, pixels, numbers, released, weights = values.values()
    require(n_patches == 64, f"there are {n_patches} patches")
    require(numbers == 3 * pixels == 3072, f"{pixels} pixels and {numbers} numbers")
    require(len({line.partition("→")[2] for line in released}) == 3, f"the widths are {released}")
    require(weights == numbers * 1024, f"{weights} weights")
    return (
        f"32×32×3 是 {numbers:,}，不是 1,024。1,024 是像素的个数，每个像素三个数。"
        f"D = 1,024 也可以，但那是另外选定的宽度，要靠一个 {numbers:,} → 1,024 的投影走到，它有 {weights:,} 个权重。"
        "ViT-B/16 恰好 768 → 768，容易让人以为 D 就是块里数的个数；ViT-H/14 是 588 → 1,280，投影后反而更宽。"
    )


def _length_of_the_output() -> dict[str, object]:
    torch.manual_seed(0)
    config = ViTConfig(height=256, width=256, patch=32, d_model=1024, n_layers=1, n_heads=16)
    with torch.no_grad():
        features = ViT(config).features(torch.rand(1, 3, 256, 256))
    return {"N": config.n_patches, "进编码器的词元": config.n_patches + 1, "编码器的输出": list(features.shape[1:])}


def _settle_length_of_the_output(values: dict[str, object]) -> str:
    n_patches, n_tokens, shape = values.values()
    require(n_patches == 64, f"N is {n_patches}")
    require(shape == [n_tokens, 1024] == [n_patches + 1, 1024], f"the output is {shape} for N = {n_patches}")
    return f"输出是 {shape[0]}×{shape[1]}，写成 (N+1)×D 才对。N 已经定为 {n_patches}，多出来的一行是 CLS 的。"


def _positions_before_cls() -> dict[str, object]:
    torch.manual_seed(0)
    model = ViT(ViTConfig(d_model=32, n_heads=4, n_classes=5)).double()
    picture = torch.rand(1, 3, 32, 32, dtype=torch.float64)

    @torch.no_grad()
    def moved(cls: torch.Tensor, rows: torch.Tensor) -> float:
        """Largest change of a score when `rows` [N D] are added to the patches alone, and `cls` stands in front."""
        tokens = torch.cat([cls.expand(1, 1, -1), model.patches(picture) + rows], dim=1)
        scores = model.head(model.norm_out(model.encoder(tokens))[:, 0])
        return round((scores - model(picture)).abs().max().item(), 6)

    cls, positions = model.cls.detach(), model.positions.detach()
    return {
        "论文的次序：位置表几行": len(positions),
        "先加位置再拼 CLS：位置表几行": len(positions) - 1,
        "把 CLS 的位置并进 CLS：分数最多差": moved(cls + positions[0], positions[1:]),
        "丢掉 CLS 的位置：分数最多差": moved(cls, positions[1:]),
        "又从第 0 行取起，整表错一格：分数最多差": moved(cls, positions[:-1]),
    }


def _settle_positions_before_cls(values: dict[str, object]) -> str:
    paper, other, folded, dropped, shifted = values.values()
    require(paper == other + 1, f"tables of {paper} and {other} rows")
    require(folded == 0, f"with the position folded in, the scores differ by {folded}")
    require(min(dropped, shifted) > 0.01, f"dropped and shifted move the scores by {dropped} and {shifted} only")
    return (
        "论文先拼 CLS，再给 N+1 个词元都加位置。两种次序表达力一样：CLS 总站在第 0 位，"
        f"它的位置可以并进 CLS，分数差 {folded:g}。装公开的权重就不一样了：丢掉 CLS 的那一行，分数差到 {dropped:.2f}；"
        f"位置表错一格，差到 {shifted:.2f}。形状全对，也不报错。labml 的注解代码就这样写过，2023 年由读者改正。"
    )


def _printed_sizes() -> dict[str, object]:
    def millions(patches: tuple[int, int, int], *, hidden: bool, classes: int) -> list[int]:
        """hidden: the layer of D × D before the head, which the paper has while pre-training."""
        named = zip(("B", "L", "H"), patches)
        configs = [replace(SIZES[f"ViT-{'H/14' if size == 'H' else f'{size}/{p}'}"], patch=p) for size, p in named]
        counts = [
            n_parameters(replace(config, n_classes=classes)) + hidden * (config.d_model + 1) * config.d_model
            for config in configs
        ]
        return [round(count / 1e6) for count in counts]

    return {
        "论文表 1，Base、Large、Huge（百万）": PRINTED,
        "B/16、L/16、H/14，带 1,000 类的头": millions((16, 16, 14), hidden=False, classes=1000),
        "B/16、L/16、H/14，不带头": millions((16, 16, 14), hidden=False, classes=0),
        "B/16、L/16、H/14，带预训练的隐藏层，不带头": millions((16, 16, 14), hidden=True, classes=0),
        "B/16、L/32、H/14，带预训练的隐藏层，不带头": millions((16, 32, 14), hidden=True, classes=0),
    }


def _settle_printed_sizes(values: dict[str, object]) -> str:
    printed, with_head, bare, hidden, mixed = values.values()
    base, large, huge = printed
    require(with_head == [87, 304, 632], f"with a head of 1,000 classes: {with_head}")
    require(printed not in (with_head, bare, hidden), f"{printed} is one of {with_head}, {bare}, {hidden}")
    require(mixed == printed, f"the mixed count gives {mixed}, printed are {printed}")
    return (
        f"表 1 没有写图像块的大小，参数却跟着它变。按常用的 B/16、L/16、H/14 数，"
        f"带不带头都凑不成表里的 {base}M、{large}M、{huge}M："
        f"Large 总是 {with_head[1]} 上下。我们试出一种数法全对上：Large 按 /32，"
        "预训练时头前面那层也数，分类的那层不数。这是推测，论文没有说怎样数。"
    )


def _all_tasks() -> dict[str, object]:
    leads = {name: round(ours - theirs, 2) for name, (ours, theirs) in TABLE_2.items()}
    return {
        "ViT-L/16 减 BiT-L（百分点）": [f"{name} {lead:+.2f}" for name, lead in leads.items()],
        "高、平、低各几项": [
            sum(lead > 0 for lead in leads.values()),
            sum(lead == 0 for lead in leads.values()),
            sum(lead < 0 for lead in leads.values()),
        ],
        "预训练花费，BiT-L ÷ ViT-L/16": round(9.9 / 0.68, 1),
    }


def _settle_all_tasks(values: dict[str, object]) -> str:
    leads, (higher, level, lower), cost = values.values()
    require((higher, level, lower) == (5, 1, 1), f"{higher} higher, {level} level, {lower} lower: {leads}")
    require(cost > 14, f"BiT-L costs {cost} times as much")
    return (
        f"按论文自己的表：{higher} 项高，{level} 项一样，{lower} 项低了 0.01。高出来的也多在一个百分点以内。"
        f"站得住的说法是：同一份 JFT-300M，准确率相当，预训练少花到约 {cost:.0f} 分之一。"
        "论文也提醒，花费还受训练日程、优化器和权重衰减影响，不全是结构的功劳。"
    )


def _epsilon() -> dict[str, object]:
    torch.manual_seed(0)
    row = torch.randn(1, 768, dtype=torch.float64)

    def apart(scale: float) -> float:
        """Largest difference between the two norms of a row whose numbers are about `scale`."""
        ours, theirs = (LayerNorm(768, eps=eps).double()(scale * row) for eps in (1e-6, 1e-12))
        return float(f"{(ours - theirs).abs().max().item():.1g}")

    return {"一行数约为 1：两种 eps 最多差": apart(1.0), "一行数约为 0.001：最多差": apart(1e-3)}


def _settle_epsilon(values: dict[str, object]) -> str:
    usual, tiny = values.values()
    require(usual < 1e-5, f"for numbers about 1 the two differ by {usual}")
    require(tiny > 0.3, f"for numbers about 0.001 they differ by {tiny} only")
    return (
        f"平常没有差别（{usual:g}），所以很少有人发现。可是一行数的方差小到 1e-6 时，eps 与方差一样大，差到 {tiny:g}。"
        "装别人的权重，eps 要跟着配置文件走。"
    )


ERRATA = [
    Erratum(
        id="K10-1",
        chapter="10",
        title="32×32×3 是多少",
        slide="“每个图像块均有 P²c = 32×32×3 = 3072 个像素”，投影后“维度为 D = (32×32×3) = 1024”。",
        paper="一块摊平是 P²·C 个数，经可训练的投影映到 D 维（3.1 节，式 1）。D 是模型的宽度，与 P 无关。",
        code="nn.Conv(features=hidden_size, kernel_size=patches.size, strides=patches.size)，hidden_size 另外给定。",
        compute=_numbers_of_a_patch,
        settles=_settle_numbers_of_a_patch,
        sources=[f"{DOSOVITSKIY}, section 3.1, eq. 1", f"{CODE}, VisionTransformer"],
    ),
    Erratum(
        id="K10-2",
        chapter="10",
        title="65×1024 是 N×D 吗",
        slide="先写 N = 64，最后一步又写“尺寸仍为 N×D = 65×1024 的输出”。",
        paper="位置表是 (N+1)×D（式 1），编码器逐层不改变形状。",
        code="拼上 cls 以后，序列长 h·w + 1，一直到 encoder_norm。",
        compute=_length_of_the_output,
        settles=_settle_length_of_the_output,
        sources=[f"{DOSOVITSKIY}, eq. 1", f"{CODE}, VisionTransformer, Encoder"],
    ),
    Erratum(
        id="K10-3",
        chapter="10",
        title="先加位置，还是先拼 CLS",
        slide="“按元素加入位置向量后，尺寸仍为 64×1024；再于长度维度拼接一个 1×1024 可学习向量”。",
        paper="先把 CLS 和 N 个投影过的块拼成一列，再整个加上位置表；位置表有 N+1 行（式 1）。",
        code="先 concatenate([cls, x])，再进 Encoder，AddPositionEmbs 在那里给整个序列加位置。",
        compute=_positions_before_cls,
        settles=_settle_positions_before_cls,
        sources=[
            f"{DOSOVITSKIY}, eq. 1",
            f"{CODE}, VisionTransformer, AddPositionEmbs",
            "labmlai/annotated_deep_learning_paper_implementations: pull request 221",
        ],
    ),
    Erratum(
        id="K10-4",
        chapter="10",
        title="86M、307M、632M 怎样数出来",
        slide="没有给参数量。",
        paper="表 1：Base 86M，Large 307M，Huge 632M。没有写图像块多大，也没有写头算不算。",
        code="预训练时头前面有一层 pre_logits（D → D，tanh），微调时连头一起换掉。",
        compute=_printed_sizes,
        settles=_settle_printed_sizes,
        sources=[
            f"{DOSOVITSKIY}, table 1, appendix D.3",
            f"{CODE}, pre_logits",
            "lucidrains/vit-pytorch: issue 39",
        ],
    ),
    Erratum(
        id="K10-5",
        chapter="10",
        title="“每一项都超过 BiT-L”",
        slide="只列了结果表，没有说怎样读。",
        paper="4.2 节：ViT-L/16 在所有任务上超过用同一份数据预训练的 BiT-L，花费少得多。表 2 给出七项成绩。",
        code="没有放出 JFT-300M，也没有放出用它预训练的 L/16 和 H/14，这几列无法重做。",
        compute=_all_tasks,
        settles=_settle_all_tasks,
        sources=[f"{DOSOVITSKIY}, section 4.2, table 2", "google-research/vision_transformer: issue 9"],
    ),
    Erratum(
        id="K10-6",
        chapter="10",
        title="LayerNorm 的 eps：1e-6 还是 1e-12",
        slide="没有讲。",
        paper="没有写。",
        code="官方代码用 flax 的默认值 1e-6，timm 也是；transformers 的 ViTConfig 默认 1e-12，沿用 BERT 的。",
        compute=_epsilon,
        settles=_settle_epsilon,
        sources=[
            f"{CODE}, nn.LayerNorm",
            "huggingface/transformers: issue 18137",
            "huggingface/transformers: models/vit/configuration_vit.py",
        ],
    ),
]
