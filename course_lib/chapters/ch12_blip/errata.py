"""Chapter 12, BLIP: where slides, paper and released code disagree, and what a computation says.

The paper is BLIP: Bootstrapping Language-Image Pre-training (Li et al. 2022).
"""

from dataclasses import replace

import torch

from course_lib.course.errata.core import Erratum, require
from course_lib.foundations.attention import causal_mask
from course_lib.foundations.encoder import EncoderBlock
from course_lib.foundations.hard_negatives import hard_negatives, negative_weights
from course_lib.foundations.momentum import FeatureQueue
from course_lib.models.blip import BLIP, SIZES, BLIPConfig, TextConfig
from course_lib.models.blip_pretrain import PretrainConfig, Pretraining
from course_lib.models.vit import ViTConfig

LI = "Li et al. 2022, arXiv:2201.12086"
CODE = "salesforce/BLIP: models/blip_pretrain.py"
BASE = SIZES["ViT-B/16"]


def _small(n_image: int = 3, n_text: int = 2) -> BLIPConfig:
    text = TextConfig(n_vocab=9, context=8, d_model=24, n_layers=n_text, n_heads=2)
    return BLIPConfig(
        image=ViTConfig(height=8, width=8, patch=4, d_model=32, n_layers=n_image, n_heads=2), text=text, d_shared=8
    )


def _inputs(n: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(0)
    return torch.rand(n, 3, 8, 8, generator=chance), torch.randint(9, (n, 6), generator=chance)


def _which_layer() -> dict[str, object]:
    torch.manual_seed(0)
    model = BLIP(_small()).eval()
    read, layers = [], []
    for layer in model.text.layers:
        layer.cross.sublayer.to_kv.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    for block in model.image.encoder.blocks:
        block.register_forward_hook(lambda *given: layers.append(given[-1]))
    images, ids = _inputs()
    with torch.no_grad():
        seen = model.look(images)
        model.text.encode(ids, seen=seen)
        model.text.decode(ids, seen)
    large = SIZES["ViT-L/16"]
    return {
        "交叉注意力读了几次（2 层，2 种模式）": len(read),
        "读到的与图像塔末尾的输出最多差": max(float((each - seen).abs().max()) for each in read),
        "与“对应层”的输出最多差": round(
            max(float((each - layers[i % 2]).abs().max()) for i, each in enumerate(read)), 2
        ),
        "ViT-L 的图像塔与文字塔各几层": f"{large.image.n_layers} 与 {large.text.n_layers}",
    }


def _settle_layer(values: dict[str, object]) -> str:
    times, to_end, to_layer, depths = values.values()
    require(times == 4 and to_end == 0, f"{times} readings, {to_end} from the tower's end")
    require(to_layer > 0.1, f"the layers of the tower are within {to_layer}")
    require(depths == "24 与 12", f"depths {depths}")
    return (
        "每一层的交叉注意力读的都是同一样东西：图像塔末尾、最后一个 LayerNorm 之后的输出。没有“对应层”："
        "ViT-L 有 24 层，文字塔 12 层，也对应不起来。所以图只看一次，三种读法共用。"
    )


def _passes() -> dict[str, object]:
    torch.manual_seed(0)
    model = Pretraining(PretrainConfig(blip=_small(), n_queue=4))
    rows: dict[str, list[int]] = {"image": [], "text": [], "slow image": [], "slow text": []}
    for name, part in {
        "image": model.blip.image.norm_out,
        "text": model.blip.text.layers[0].feedforward,
        "slow image": model.teacher.image.norm_out,
        "slow text": model.teacher.text.layers[0].feedforward,
    }.items():
        part.register_forward_pre_hook(lambda _, given, name=name: rows[name].append(len(given[0])))
    model(*_inputs(4))
    return {
        "一批几对（小模型：图像塔 3 层，文字 2 层）": 4,
        "图像塔跑几遍": len(rows["image"]),
        "文字模型跑几遍": len(rows["text"]),
        "每遍几句": "、".join(map(str, sorted(rows["text"]))),
        "慢老师：图像塔与文字模型各几遍": f"{len(rows['slow image'])} 与 {len(rows['slow text'])}",
    }


def _settle_passes(values: dict[str, object]) -> str:
    n, looks, passes, sizes, teacher = values.values()
    require((looks, passes, sizes, teacher) == (1, 3, f"{n}、{n}、{3 * n}", "1 与 1"), f"{values}")
    return (
        f"论文说的是读法：三种，各一遍。论到句数，是 5 倍：对比 {n} 句，匹配 {3 * n} 句，写 {n} 句。"
        "公开代码把匹配的正样本和负样本分两次送进去，所以调用了四次；慢老师另外各跑一遍，不求梯度。"
    )


def _single_stream() -> dict[str, object]:
    torch.manual_seed(0)
    D, n_image, n_text = 16, 4, 5
    block = EncoderBlock(D, 2, 4 * D)
    parts = {name.split(".")[0] for name, _ in block.named_parameters()}
    x = torch.randn(1, n_image + n_text, D)
    may_attend = torch.zeros(n_image + n_text, n_image + n_text, dtype=torch.bool)
    may_attend[:, :n_image] = True  # everyone reads the image
    may_attend[n_image:, n_image:] = causal_mask(n_text)
    changed = x.clone()
    changed[0, -1] += 1  # another last word
    with torch.no_grad():
        moved = (block(x, may_attend) - block(changed, may_attend)).abs()[0, :-1].max()
    return {
        "单流编码器的一层有哪几部分": "、".join(sorted(parts)),
        "其中交叉注意力的参数": sum("cross" in part for part in parts),
        "换掉末一个词，前面各词最多变": float(moved),
        "BLIP 文字模型一层里，交叉注意力的参数": sum(
            p.numel() for p in BLIP(_small()).text.layers[0].cross.sublayer.parameters()
        ),
    }


def _settle_stream(values: dict[str, object]) -> str:
    parts, cross, moved, ours = values.values()
    require(cross == 0 and moved == 0 and ours > 0, f"{parts}: {cross}, moved {moved}, ours {ours}")
    return (
        "Oscar 是一摞编码器：区域特征、物体名和句子接成一列，一起做自注意力，没有交叉注意力，也没有单独的解码器。"
        "它写说明靠换掩码：词只看前面，同一摞也能写（改末词，前面一点不变）。"
        "所以“编码器–解码器”这一类，论文举的是 VL-T5 和 SimVLM，不是 Oscar。"
    )


def _where_from() -> dict[str, object]:
    N, E = 4, 8
    queue = FeatureQueue(6, E)
    queue.push(torch.randn(6, E, generator=torch.Generator().manual_seed(0)))
    logits = torch.randn(N, N, generator=torch.Generator().manual_seed(1))
    chance = torch.Generator().manual_seed(2)
    drawn = torch.cat([hard_negatives(logits, generator=chance) for _ in range(200)])
    T, Dv = BASE.image.n_patches + 1, BASE.image.d_model
    return {
        "抽到的最大编号（一批 4 对，抽 800 次）": int(drawn.max()),
        "队列里一行有几个数（发布的设置）": BASE.d_shared,
        "交叉注意力要读一张图的几个数": f"{T} × {Dv} = {T * Dv:,}",
        "若把 57,600 张图的这些都存下，fp16": f"{57_600 * T * Dv * 2 / 2**30:.0f} GiB",
    }


def _settle_where(values: dict[str, object]) -> str:
    largest, row, read, room = values.values()
    require(largest == 3 and row == 256, f"drawn up to {largest}, rows of {row}")
    require(read == "197 × 768 = 151,296" and room == "16 GiB", f"{read}, {room}")
    return (
        f"难负样本只从这一批里抽。队列里每张图只剩 {row} 个数，够算余弦，不够让词去读：读要 {read} 个数。"
        "公开代码也写明了：权重只取前 bs 列。队列管 ITC，批管 ITM。"
    )


def _twins() -> dict[str, object]:
    kinds, N = 240, 64
    shared = 1 - (1 - 1 / kinds) ** (N - 1)
    logits = torch.full((N, N), -3.0, dtype=torch.float64).fill_diagonal_(0)
    logits[0, 1] = logits[1, 0] = 0  # captions 0 and 1 are one sentence
    told = torch.eye(N, dtype=torch.bool)
    told[0, 1] = told[1, 0] = True
    weights = negative_weights(logits)
    return {
        "240 种说明，一批 64 句：一句在批里另有一样的，机会": round(shared, 3),
        "随便抽，抽到一样的那句": round(1 / (N - 1), 3),
        "按相似度抽（别的都低 3 分，各加 0.0001），抽到一样的那句": round(float(weights[0, 1] / weights[0].sum()), 3),
        "告诉它谁和谁相同，抽到一样的那句": float(negative_weights(logits, told)[0, 1]),
    }


def _settle_twins(values: dict[str, object]) -> str:
    shared, at_random, hard, told = values.values()
    require(0.2 < shared < 0.3, f"{shared} of captions have a twin")
    require(hard > 10 * at_random and told == 0, f"at random {at_random}, hard {hard}, told {told}")
    return (
        f"越会挑难的，越容易挑到其实也对的：一样的那句被抽到的机会从 {at_random} 升到 {hard}。"
        "预训练的公开代码只挡对角线；检索微调的代码按图的编号挡住同一张图的各句。"
        "我们的 `same` 就是后一种：告诉它谁和谁相同，机会变成 0。"
    )


def _heads() -> dict[str, object]:
    found = {}
    config = replace(_small(), text=replace(_small().text, d_model=48, n_heads=4))
    torch.manual_seed(0)
    model = BLIP(config).eval()
    images, ids = _inputs()
    with torch.no_grad():
        right = model.next_words(model.look(images), ids)
        weights = model.state_dict()
        for name, other in {
            "头数错了": replace(config, text=replace(config.text, n_heads=6)),
            "ViT 的 eps 错了": replace(
                config, image=replace(config.image, eps=1e-5 if config.image.eps < 1e-5 else 1e-6)
            ),
        }.items():
            wrong = BLIP(other).eval()
            wrong.load_state_dict(weights)  # every shape fits
            found[f"{name}：分数最多差"] = float(
                f"{(wrong.next_words(wrong.look(images), ids) - right).abs().max():.1e}"
            )
    return found | {"发布的文字模型：宽度与头数": f"{BASE.text.d_model} 与 {BASE.text.n_heads}"}


def _settle_heads(values: dict[str, object]) -> str:
    heads, eps, released = values.values()
    require(heads > 1e-2 and 0 < eps < heads / 50, f"heads {heads}, eps {eps}")
    require(released == "768 与 12", released)
    return (
        f"权重的形状不管头数，错了也装得上，不报错，分数差 {heads:g}；eps 差十倍，只差 {eps:g}。"
        "所以先对头数：原作是 12，transformers 的类默认 8，发布的配置里写明 12。"
    )


ERRATA = [
    Erratum(
        id="K12-1",
        chapter="12",
        title="交叉注意力读图像塔的哪一层",
        slide="“每个block层都以交叉注意力的形式关注image encoder对应层的视觉特征”。",
        paper="3.1 节：在每个块的自注意力和前馈之间插一层交叉注意力；图 2 里三条路都从图像塔的末尾出发。",
        code="encoder_hidden_states = image_embeds，一个张量传给所有的层。",
        compute=_which_layer,
        settles=_settle_layer,
        sources=[f"{LI}, section 3.1, figure 2", f"{CODE}, BLIP_Pretrain.forward"],
    ),
    Erratum(
        id="K12-2",
        chapter="12",
        title="一步训练，文字模型跑几遍",
        slide="三个损失各有一个编码器或解码器，图里画了三个。",
        paper="3.2 节：每对图文，图像塔跑一遍，文字塔跑三遍。",
        code="text_encoder 调用三次（文字、正样本、负样本），text_decoder 一次；慢老师另有一遍。",
        compute=_passes,
        settles=_settle_passes,
        sources=[f"{LI}, section 3.2", f"{CODE}, BLIP_Pretrain.forward"],
    ),
    Erratum(
        id="K12-3",
        chapter="12",
        title="Oscar 是不是编码器–解码器",
        slide="“生成类模型（如Oscar）采用encoder-decoder架构”。",
        paper=(
            "BLIP 的引言，编码器–解码器一类举 VL-T5（Cho 等）与 SimVLM（Wang 等）。"
            "Oscar 的论文：一个多层 Transformer，写说明时换成单向的掩码。"
        ),
        code="Oscar 的写说明任务用 BertForImageCaptioning，骨架是同一个 BertImgModel。",
        compute=_single_stream,
        settles=_settle_stream,
        sources=[f"{LI}, section 1", "Li et al. 2020, arXiv:2004.06165 (Oscar)", "microsoft/Oscar: modeling_bert.py"],
    ),
    Erratum(
        id="K12-4",
        chapter="12",
        title="难负样本来自队列，还是来自这一批",
        slide="没有说；常见的误解是 57,600 行的队列也供匹配用。",
        paper="3.2 节：按 ALBEF 的办法，一批里对比相似度高的负样本更可能被选来算匹配损失。",
        code="weights_t2i = softmax(sim_t2i[:, :bs])：只取前 bs 列；有人问过为什么不从队列里抽（LAVIS 617 号）。",
        compute=_where_from,
        settles=_settle_where,
        sources=[f"{LI}, section 3.2", f"{CODE}, BLIP_Pretrain.forward", "salesforce/LAVIS#617"],
    ),
    Erratum(
        id="K12-5",
        chapter="12",
        title="难负样本会不会其实是对的",
        slide="“判断图文是否真正对应”，没有提标签会错。",
        paper="3.2 节照 ALBEF 的抽法。软标签是为“负样本里可能的正样本”准备的，只在对比损失里，管不到匹配。",
        code="预训练：weights.fill_diagonal_(0)，只挡自己。作者答：与正样本相似的会被当作难负样本（ALBEF 108 号）。",
        compute=_twins,
        settles=_settle_twins,
        sources=["salesforce/ALBEF#108, #126", f"{CODE}, BLIP_Pretrain.forward", "salesforce/BLIP: blip_retrieval.py"],
    ),
    Erratum(
        id="K12-6",
        chapter="12",
        title="默认的头数与 eps",
        slide="没有写头数和 eps。",
        paper="文字塔用 BERT-base 初始化：12 层、12 头、宽 768。",
        code=(
            "transformers：BlipTextConfig 的默认头数是 8，BlipVisionConfig 的 eps 是 1e-5。"
            "原作：med_config.json 写 12 头，ViT 的 LayerNorm 用 1e-6。"
        ),
        compute=_heads,
        settles=_settle_heads,
        sources=[
            "huggingface/transformers#22625",
            "Salesforce/blip-image-captioning-large, discussion 5",
            "huggingface/transformers 5.23: configuration_blip.py",
        ],
    ),
]
