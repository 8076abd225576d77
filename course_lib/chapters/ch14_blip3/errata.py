"""Chapter 14, BLIP-3 / xGen-MM: where slides, paper and released code disagree, and what a computation says.

The paper is xGen-MM (BLIP-3): A Family of Open Large Multimodal Models (Xue et al. 2024).
"""

from itertools import product

import torch

from course_lib.course.errata.core import Erratum, require
from course_lib.foundations.perceiver import PerceiverResampler
from course_lib.foundations.tiles import RELEASED, fit, grids_within, is_patch, striped, tiling_of, views_of
from course_lib.models.clip import ImageConfig
from course_lib.models.siglip import SigLIPImageTower

XUE = "Xue et al. 2024, arXiv:2408.08872"
CODE = "salesforce/LAVIS, branch xgen-mm: open_flamingo"
TILE, LATENTS = 384, 128
SIDES = range(100, 2001, 100)


def _most_views() -> dict[str, object]:
    sizes = list(product(SIDES, SIDES))
    found = {}
    for name, grids in {"公开代码的 5 种网格": RELEASED, "至多 12 片、每边至多 4 片": grids_within(12, 4)}.items():
        views = [tiling_of(*size, TILE, grids).n_views for size in sizes]
        found[f"{name}：最多几幅小图，几个词元"] = f"{max(views)} 与 {max(views) * LATENTS:,}"
    scores = {grid: fit(TILE, TILE, TILE, grid) for grid in RELEASED}
    first, second = (scores[grid] for grid in RELEASED[:2])
    return found | {
        "384×384 的图，前两种网格一样好": first == second == max(scores.values()),
        "取的是哪一种（行, 列）": tiling_of(TILE, TILE, TILE, RELEASED).grid,
        "它要几个词元": tiling_of(TILE, TILE, TILE, RELEASED).n_views * LATENTS,
    }


def _settle_views(values: dict[str, object]) -> str:
    released, report, tied, grid, tokens = values.values()
    require((released, report) == ("5 与 640", "13 与 1,664"), f"views and tokens: {released}; {report}")
    require(tied is True and grid == (2, 1) and tokens == 3 * LATENTS, f"tied {tied}, {grid}, {tokens} tokens")
    return (
        "两种说法差很多：公开代码至多 4 片加一幅缩小的全图，640 个词元；12 片才有 1,664 个。"
        "我们没能在公开的文字里核实“12 片、1536 像素”，只能说公开代码的设置不是它。"
        f"公开的网格里没有 1×1：正好 384×384 的图也要占一种两片的，并列时取表里靠前的，用 {tokens} 个词元。"
    )


def _stripes() -> dict[str, object]:
    picture = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    features = torch.arange(5 * 16, dtype=torch.float32).reshape(5, 16, 1)  # 4 tiles of 4×4 patches, each its number
    pieces = striped(features, (2, 2))
    from_tiles = [sorted({int(number) // 16 for number in piece.flatten()}) for piece in pieces[1:]]
    column = torch.rand(4, 16, 1, generator=torch.Generator().manual_seed(0))
    views = views_of(picture, tiling_of(64, 64, 32, RELEASED))
    return {
        "2×2 的网格有几幅小图": len(views),
        "第 1 份特征来自哪几片": "、".join(map(str, from_tiles[0])),
        "第 3 份特征来自哪几片": "、".join(map(str, from_tiles[2])),
        "第 1 份里有几行几列图像块": "2 行 8 列" if pieces[1].flatten().tolist()[:8] == _first_row() else "4 行 4 列",
        "只有一列切片时，与逐片相同": torch.equal(striped(column, (3, 1)), column),
    }


def _first_row() -> list[float]:
    """The upper row of patches of tiles 1 and 2, 4×4 patches each."""
    return [16.0, 17.0, 18.0, 19.0, 32.0, 33.0, 34.0, 35.0]


def _settle_stripes(values: dict[str, object]) -> str:
    views, first, third, shape, column = values.values()
    require(views == 5 and (first, third) == ("1、2", "3、4"), f"{views} views; from {first} and {third}")
    require(shape == "2 行 8 列" and column is True, f"{shape}, one column the same: {column}")
    return (
        "公开代码先把各片的特征拼回一张大图，再按行的次序切成同样多份。所以送进重采样器的每一份是一条横带，"
        "横跨左右两片；只有一列切片时，横带才正好是一片。“每份各采各的”没有变，变的是一份里装了什么。"
    )


def _sampler_size() -> dict[str, object]:
    found = {}
    with torch.device("meta"):
        for name, (n, heads, d_head) in {
            "注释里写的：64 个，8 头，每头 64": (64, 8, 64),
            "默认参数：128 个，16 头，每头 96": (128, 16, 96),
        }.items():
            sampler = PerceiverResampler(n, 6, 1152, heads, d_head=d_head)
            found[f"{name}，参数（百万）"] = round(sum(p.numel() for p in sampler.parameters()) / 1e6, 1)
    return found | {"16 × 96 与宽度 1152 比": f"{16 * 96} 与 1152"}


def _settle_size(values: dict[str, object]) -> str:
    written, default, width = values.values()
    require(default > 1.3 * written and width == "1536 与 1152", f"{written} M, {default} M, {width}")
    return (
        f"以默认参数为准：128 个可学习的向量，16 头，每头 96，一共 {default} M 参数；按注释只有 {written} M。"
        "注释是从 Flamingo 的复现抄来的，没有跟着改。头的总宽 1536 比特征的宽度 1152 还大，这没有错。"
    )


def _keys() -> dict[str, object]:
    torch.manual_seed(0)
    sampler = PerceiverResampler(2, 1, 8, 2)
    media = torch.randn(1, 5, 8)
    with torch.no_grad():
        weights = sampler.attention_maps(media)[0, 0, 0]
        blank = sampler(media, torch.zeros(1, 5, dtype=torch.bool))
    return {
        "5 个图像特征，2 个可学习的向量：每个向量读几个键": weights.shape[1],
        "其中落在可学习的向量上的权重（第 1 头，平均）": round(float(weights[:, 5:].sum(1).mean()), 2),
        "图像特征全部挡住时，输出里有 nan": bool(blank.isnan().any()),
    }


def _settle_keys(values: dict[str, object]) -> str:
    n_keys, share, nan = values.values()
    require(n_keys == 7 and share > 0.05 and nan is False, f"{n_keys} keys, {share} on the latents, nan {nan}")
    return (
        "键和值是两样拼在一起：图像特征，加上可学习的向量自己，一个 softmax 分给 7 个键。"
        "所以一层里它们既读图，也互相读，不另设自注意力；一片全是空白时，也还有自己可读，不会除以 0。"
    )


def _padding() -> dict[str, object]:
    torch.manual_seed(0)
    config = ImageConfig(height=32, width=32, patch=8, d_model=16)
    tower, sampler = SigLIPImageTower(config).eval(), PerceiverResampler(4, 1, 16, 2)
    tiling = tiling_of(16, 64, 32, [(1, 2)])  # lies in the middle of 32×64: 8 pixels empty above and below
    picture = torch.rand(3, 16, 64)
    real = is_patch(tiling, 8)
    out = {}
    with torch.no_grad():
        for empty in (-1.0, 1.0):
            features = tower.features(views_of(picture, tiling, empty=empty))
            out[empty] = features, sampler(features, real), sampler(torch.where(real[..., None], features, 9.0), real)
    (seen, tokens, masked), (other, other_tokens, _) = out[-1.0], out[1.0]
    return {
        "每片 16 个图像块里，空的": int((~real[1]).sum()),
        "空块里的数任意改，重采样器的输出最多变": float((tokens - masked).abs().max()),
        "补的颜色从黑改成白，有图的块，特征最多变": round(float((seen - other)[real].abs().max()), 2),
        "重采样器的输出最多变": round(float((tokens - other_tokens).abs().max()), 2),
    }


def _settle_padding(values: dict[str, object]) -> str:
    empty, masked, features, tokens = values.values()
    require(empty == 8 and masked == 0, f"{empty} empty patches, masked ones move the output by {masked}")
    require(features > 0.01 and tokens > 0.01, f"black to white moves features by {features}, tokens by {tokens}")
    return (
        "补出来的空白，只在重采样器那里挡住了；图像塔没有掩码，空块照样参加自注意力，颜色一换，别的块的特征就变。"
        "塔是冻住的，所以补的颜色要一直用同一种：公开代码用黑色。"
    )


def _unseen() -> dict[str, object]:
    side = TILE // 14 * 14
    return {
        "384 ÷ 14": round(TILE / 14, 2),
        "整块只有几个": TILE // 14,
        "读到的边长（像素）": side,
        "每片没有读到的像素占": f"{1 - side**2 / TILE**2:.1%}",
        "一片几个图像块": (TILE // 14) ** 2,
    }


def _settle_unseen(values: dict[str, object]) -> str:
    _, whole, side, share, patches = values.values()
    require((whole, side, share, patches) == (27, 378, "3.1%", 729), f"{whole}, {side}, {share}, {patches}")
    return (
        f"384 不是 14 的倍数，卷积从左上角起只放得下 27×27 块：每片的右边和下边各有 6 个像素没有读到，占 {share}。"
        "两片之间因此有一条 6 像素的缝。细线落在两片之间的缝里，只有缩小的全图还看得见它；"
        "最右、最下的那条，全图也没有读到。"
    )


def _float_cut() -> dict[str, object]:
    height, width, tile, grids = 49, 43, 32, ((1, 1), (1, 2), (2, 1))
    rough = {grid: fit(height, width, tile, grid)[0] for grid in grids}
    exact = {}
    for rows, columns in grids:
        H, W = rows * tile, columns * tile
        top, bottom = (H, height) if H * width <= W * height else (W, width)  # the scale as a fraction
        exact[rows, columns] = min(height * top // bottom * (width * top // bottom), height * width)
    return {
        "49 × (32 / 49) 按浮点数": f"{49 * (32 / 49):.15f}",
        "截成整数": int(49 * (32 / 49)),
        "49×43 的图放进一片 32×32，浮点数算留下": rough[1, 1],
        "分数算留下": exact[1, 1],
    }


def _settle_cut(values: dict[str, object]) -> str:
    shown, cut, rough, exact = values.values()
    require(cut == 31 and rough == 31 * 28 and exact == 32 * 28, f"{shown} cut to {cut}; {rough} and {exact}")
    return (
        f"49 缩到 32，浮点数算出 {shown}，截掉小数成了 31：少一行，{exact} 个像素记成 {rough} 个。"
        "两种网格相差不到一行时，选择就可能跟着变。我们照公开代码的算法，好与它一致。"
    )


def _data() -> dict[str, object]:
    per_picture = 1e12 / 3.4e9
    return {
        "MINT-1T：一张图平均配多少个文字词元": round(per_picture),
        "KALE：图文对（百万）": 218,
        "BLIP-3 的报告（年-月）": "2024-08",
        "KALE 自己的论文（年-月）": "2024-11",
    }


def _settle_data(values: dict[str, object]) -> str:
    per_picture, pairs, report, paper = values.values()
    require(290 < per_picture < 300 and pairs == 218 and report < paper, f"{values}")
    return (
        "MINT-1T 的“1T”数的是文字词元，不是图；图是 34 亿张，平均一张配将近三百个文字词元，是一篇篇图文混排的文档。"
        "KALE 是一图配一段说明，2.18 亿对，自己的论文比 BLIP-3 的第一版报告晚三个月。形式不同，两个数不能相加。"
    )


ERRATA = [
    Erratum(
        id="K14-1",
        chapter="14",
        title="一张图至多切几片",
        slide="“限制图像长边最大为1536像素”，“将图像切分为多个384×384的Patch（最多12个）”。",
        paper="预训练用 384×384 的整图，任意分辨率从微调开始；切片和缩小的全图各自采样，再拼起来。",
        code='训练脚本：--anyres_grids "(1,2),(2,1),(2,2),(3,1),(1,3)"，乘上 384，宽写在前面。',
        compute=_most_views,
        settles=_settle_views,
        sources=[
            XUE,
            f"{CODE}/train/any_res_data_utils.py, process_images",
            "huggingface/transformers#31275 (336×336 gives 3 views)",
        ],
    ),
    Erratum(
        id="K14-2",
        chapter="14",
        title="各采各的，采的是一片还是一条",
        slide="“不拼接所有Patch再统一降采样，而是对每个Patch单独执行Perceiver Resampler”。",
        paper="降采样对每一片（连同缩小的全图）各做一遍。",
        code="先拼成 [C, 行·27, 列·27]，再 view(-1, 行, 列, 27·27)：按行的次序切开。",
        compute=_stripes,
        settles=_settle_stripes,
        sources=[XUE, f"{CODE}/src/vlm.py, _encode_vision_x_anyres"],
    ),
    Erratum(
        id="K14-3",
        chapter="14",
        title="重采样器有多大",
        slide="“论文中每Patch用128个Query”，没有说头数。",
        paper="用 Flamingo 的 Perceiver resampler，没有列出头数和每头的宽度。",
        code="注释：num_latents 默认 64，dim_head 64，heads 8。参数的默认值：128、96、16，六层。",
        compute=_sampler_size,
        settles=_settle_size,
        sources=[f"{CODE}/src/helpers.py, PerceiverResampler", "Alayrac et al. 2022, arXiv:2204.14198, section 3.1"],
    ),
    Erratum(
        id="K14-4",
        chapter="14",
        title="键和值只有图像特征吗",
        slide="“Query作为Query，图像Token作为Key/Value，进行Cross-Attention”。",
        paper="用 Flamingo 的 Perceiver resampler；Flamingo 3.1 节：键和值是图像特征与可学习的向量拼接。",
        code="kv_input = torch.cat((x, latents), dim=-2)。",
        compute=_keys,
        settles=_settle_keys,
        sources=[f"{CODE}/src/helpers.py, PerceiverAttention", "Alayrac et al. 2022, arXiv:2204.14198, section 3.1"],
    ),
    Erratum(
        id="K14-5",
        chapter="14",
        title="补出来的空白，在哪里挡住",
        slide="没有提空白。",
        paper="没有提空白。",
        code="vision_attn_masks 只交给 vision_tokenizer；vision_encoder(image) 不收掩码。",
        compute=_padding,
        settles=_settle_padding,
        sources=[f"{CODE}/src/vlm.py, _encode_vision_x_anyres", f"{CODE}/src/helpers.py, PerceiverAttention"],
    ),
    Erratum(
        id="K14-6",
        chapter="14",
        title="384 像素都读到了吗",
        slide="“384×384的Patch”。",
        paper="图像塔是 SigLIP，384×384。",
        code="google/siglip-so400m-patch14-384：块的边长 14。",
        compute=_unseen,
        settles=_settle_unseen,
        sources=["google/siglip-so400m-patch14-384: config.json", f"{CODE}/src/vlm.py, grid_size_base"],
    ),
    Erratum(
        id="K14-7",
        chapter="14",
        title="浮点数会改变选择",
        slide="没有说怎样选网格。",
        paper="没有写公式；做法与 LLaVA-NeXT 相同。",
        code="int(original_width * scale)：浮点数相乘，截掉小数。",
        compute=_float_cut,
        settles=_settle_cut,
        sources=[f"{CODE}/train/any_res_data_utils.py, select_best_resolution", "LLaVA-VL/LLaVA-NeXT#59"],
    ),
    Erratum(
        id="K14-8",
        chapter="14",
        title="MINT-1T 与 KALE 各是多大",
        slide="“整合MINT-1T、BLIP3-KALE等高质量数据集”。",
        paper="MINT-1T：一万亿文字词元，34 亿张图。KALE：2.18 亿对图文，说明里补进了网上原有的知识。",
        code="数据集 mlfoundations/MINT-1T 与 Salesforce/blip3-kale。",
        compute=_data,
        settles=_settle_data,
        sources=[
            "Awadalla et al. 2024, arXiv:2406.11271 (MINT-1T), abstract",
            "Awadalla et al. 2024, arXiv:2411.07461 (KALE), abstract",
            XUE,
        ],
    ),
]
