"""Chapter 05, the KV cache and its four designs: where slides, paper and released code disagree, computed.

Real sizes run on torch's meta device: shapes without memory.
"""

import torch
from torch import nn

from course_lib.chapters.ch05_kv_cache.cache_sizes import (
    REAL_MODELS,
    GroupedSizes,
    LatentSizes,
    bytes_per_token,
    four_designs,
)
from course_lib.course.errata.core import Erratum, require
from course_lib.foundations.attention import MultiHeadAttention
from course_lib.foundations.gqa import GroupedQueryAttention
from course_lib.foundations.kv_cache import KVCache
from course_lib.foundations.mla import MultiHeadLatentAttention

SHAZEER = "Shazeer 2019, arXiv:1911.02150"
AINSLIE = "Ainslie et al. 2023, arXiv:2305.13245"
V2 = "DeepSeek-V2, arXiv:2405.04434"
HF_LLAMA = "huggingface/transformers: models/llama/modeling_llama.py, LlamaAttention.num_key_value_groups"
V3_CODE = "deepseek-ai/DeepSeek-V3: inference/model.py, MLA"

# DeepSeek LLM, arXiv:2401.02954, table 2: the model that DeepSeek-V2 compares itself with
DEEPSEEK_67B = GroupedSizes(n_layers=95, d_model=8192, n_heads=64, n_kv_heads=8, d_head=128)


def _weights(layer: nn.Module, *names: str) -> int:
    return sum(getattr(layer, name).weight.numel() for name in names)


def _latent_layer(sizes: LatentSizes) -> MultiHeadLatentAttention:
    return MultiHeadLatentAttention(
        sizes.d_model,
        sizes.n_heads,
        d_latent=sizes.d_latent,
        d_head=sizes.d_head,
        d_rope=sizes.d_rope,
        d_value=sizes.d_value,
        d_query_latent=sizes.d_query_latent,
    )


def _count() -> dict[str, object]:
    D, H, Dh = 4096, 32, 128
    with torch.device("meta"):
        layers = {
            f"{name}（G = {G}）": GroupedQueryAttention(D, H, G) for name, G in (("MHA", H), ("GQA", 8), ("MQA", 1))
        }
    found: dict[str, object] = {
        f"{name}：Q / K 与 V / 输出 / 全部": [
            _weights(layer, "to_q"),
            _weights(layer, "to_k", "to_v"),
            _weights(layer, "to_out"),
            sum(each.numel() for each in layer.parameters()),
        ]
        for name, layer in layers.items()
    }
    designs = four_designs(n_layers=1, d_model=D, n_heads=H, n_kv_heads=8)
    found["MLA（R = 512，Dr = 64）：全部"] = sum(designs["MLA"].attention_weights.values())
    found["课件：hidden² 与 2·hidden·head_dim"] = [D**2, 2 * D * Dh]
    return found


def _settle_count(values: dict[str, object]) -> str:
    mha, _, mqa, _, (slide_mha, slide_mqa) = values.values()
    require(slide_mha == mha[0] and 2 * slide_mha == mha[1], f"hidden² is {slide_mha}, MHA holds {mha}")
    require(slide_mqa == mqa[1], f"2·hidden·head_dim is {slide_mqa}, MQA's K and V hold {mqa[1]}")
    require(mha[3] == sum(mha[:3]) and mqa[3] == sum(mqa[:3]), "the parts do not add up")
    return (
        f"两个数各自都对，数的却不是同一件东西：hidden² 是 MHA 的一个投影，"
        f"2·hidden·head_dim 是 MQA 的 K 和 V 两个投影，"
        f"Q 和输出都没有数。照课件相除，MQA 小 {slide_mha / slide_mqa:.0f} 倍；同数 K 和 V，"
        f"小 {mha[1] / mqa[1]:.0f} 倍；"
        f"数全部，只小到 1/{mha[3] / mqa[3]:.2f}。省下的是缓存，不是参数。"
    )


def _groups() -> dict[str, object]:
    D, H = 32, 8
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 5, D, generator=generator, dtype=torch.float64)
    found: dict[str, object] = {}
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        mha = MultiHeadAttention(D, H, bias=False).double()
        for G in (H, 1):
            layer = GroupedQueryAttention(D, H, G).double()
            own = layer.to_k.weight, layer.to_v.weight
            for name in ("to_q", "to_out"):
                getattr(layer, name).weight.copy_(getattr(mha, name).weight)
            if G == H:
                layer.to_k.weight.copy_(mha.to_k.weight)
                layer.to_v.weight.copy_(mha.to_v.weight)
                reference = mha
            else:  # one key and one value for all heads: multi-head attention whose heads repeat them
                reference = MultiHeadAttention(D, H, bias=False).double()
                reference.to_q, reference.to_out = mha.to_q, mha.to_out
                reference.to_k.weight.copy_(own[0].repeat(H, 1))
                reference.to_v.weight.copy_(own[1].repeat(H, 1))
            kind = "MHA" if G == H else "MQA"
            difference = float((layer(x) - reference(x)).abs().max())
            found[f"组数 G = {G}（每组 {H // G} 个头）与 {kind} 之差"] = round(difference, 12)
    return found


def _settle_groups(values: dict[str, object]) -> str:
    like_mha, like_mqa = values.values()
    require(like_mha < 1e-10, f"G = H differs from multi-head attention by {like_mha}")
    require(like_mqa < 1e-10, f"G = 1 differs from multi-query attention by {like_mqa}")
    return (
        "课件的话只在一种读法下对：group_size 是每组的头数 P = H/G，P = 1 就是 MHA，P = H 就是 MQA。"
        "若读成论文里 GQA-G 的组数 G，方向正好相反。transformers 里 num_key_value_groups 存的又是 P，不是组数。"
    )


def _latent_count() -> dict[str, object]:
    sizes = REAL_MODELS["DeepSeek-V3"].sizes
    with torch.device("meta"), torch.no_grad():
        cache = KVCache(4)
        _latent_layer(sizes)(torch.empty(1, 4, sizes.d_model), cache=cache)
    (buffer,) = cache.buffers
    return {
        "缓存里的张量：每层每个 token": buffer.numel() // 4,
        "R + Dr": sizes.d_latent + sizes.d_rope,
        "RoPE 键每头一份：R + H·Dr": sizes.d_latent + sizes.n_heads * sizes.d_rope,
        "K 和 V 各存一份，忘了 RoPE 键：2R": 2 * sizes.d_latent,
        "不压缩：H·(Dh + Dr) + H·Dv": sizes.n_heads * (sizes.d_head + sizes.d_rope + sizes.d_value),
    }


def _settle_latent_count(values: dict[str, object]) -> str:
    tensor, formula, per_head, twice, plain = values.values()
    require(tensor == formula == 576, f"the tensor holds {tensor}, the formula gives {formula}")
    require(per_head == 8704 and twice == 1024 and plain == 40960, f"the wrong counts are {per_head}, {twice}, {plain}")
    return (
        f"对的是 {tensor}：一个潜向量 512，加一个所有头共用的 RoPE 键 64。把 RoPE 键按头数乘，得 {per_head}，"
        f"是它的 15 倍；"
        f"把 K 和 V 各算一份，得 {twice}。发布在 Hugging Face 上的示例代码存的是还原后的 {plain:,} 个数：它能跑，"
        f"但没有省缓存。"
    )


def _reduction() -> dict[str, object]:
    v2 = REAL_MODELS["DeepSeek-V2"].sizes
    before, after = (bytes_per_token(sizes) // 2 for sizes in (DEEPSEEK_67B, v2))
    return {
        "DeepSeek 67B：每个 token 的数": before,
        "DeepSeek-V2：每个 token 的数": after,
        "同样 16 位：少了（%）": round(100 * (1 - after / before), 1),
        "V2 再量化到平均 6 位：少了（%）": round(100 * (1 - 6 * after / (16 * before)), 1),
    }


def _settle_reduction(values: dict[str, object]) -> str:
    _, _, same, quantised = values.values()
    require(quantised == 93.3, f"with 6 bits the reduction is {quantised} %, not the printed 93.3 %")
    require(same < 85, f"at equal precision the reduction is {same} %")
    return (
        f"93.3 % 里有两件事：结构（MLA 和少了 35 层）在同样精度下少 {same} %，再把每个数从 16 位压到平均 6 位，"
        f"才到 {quantised} %。"
        "引用它来说“MLA 省 93.3 %”就把量化也算给了 MLA；而且比较的对象 DeepSeek 67B 已经是 8 组的 GQA，不是 MHA。"
    )


def _equivalent() -> dict[str, object]:
    sizes = REAL_MODELS["DeepSeek-V2"].sizes
    H, Dh = sizes.n_heads, sizes.d_head
    return {
        "MLA：每层每个 token 的数": sizes.numbers_per_layer,
        "相当于几组 GQA：(R + Dr) / 2Dh": sizes.numbers_per_layer / (2 * Dh),
        "GQA 2 组 / 4 组 / 128 组（MHA）": [2 * G * Dh for G in (2, 4, H)],
        "R + Dr 是 MHA 的几分之一": round(2 * H * Dh / sizes.numbers_per_layer, 1),
    }


def _settle_equivalent(values: dict[str, object]) -> str:
    numbers, groups, (two, four, mha), share = values.values()
    require(groups == 2.25 and two < numbers < four, f"{numbers} numbers are {groups} groups, between {two} and {four}")
    require(abs(mha / numbers - share) < 0.1, f"MHA keeps {mha}, {share} times {numbers}")
    return (
        f"2.25 只是字节的换算：组数必须整除头数，2.25 组的 GQA 不存在，最近的是 2 组。结构也不同："
        f"GQA 的 2 组只有 2 份键值，"
        f"MLA 的 128 个头各有自己的键和值，都从同一个潜向量里算出。同样宽的 MHA 要存 {share} 倍。"
    )


def _absorbing() -> dict[str, object]:
    s = REAL_MODELS["DeepSeek-V3"].sizes
    return {
        "每个头：W_uq 与 W_uk 分开放": s.d_query_latent * s.d_head + s.d_head * s.d_latent,
        "每个头：乘成一个 W_ukᵀ W_uq": s.d_query_latent * s.d_latent,
        "每个头每个键的乘法，朴素（键值已还原）": s.d_head + s.d_rope + s.d_value,
        "每个头每个键的乘法，吸收": s.d_latent + s.d_rope + s.d_latent,
    }


def _settle_absorbing(values: dict[str, object]) -> str:
    apart, merged, naive, absorbed = values.values()
    require(merged > 2 * apart, f"merged {merged} weights, apart {apart}")
    require(absorbed > 3 * naive, f"absorbed {absorbed} multiplications a key, naive {naive}")
    return (
        f"“吸收”说的是结合律，不是真的把矩阵乘好存起来：乘好以后每个头的权重是分开时的 {merged / apart:.1f} 倍。"
        "发布的代码每一步先算 W_ukᵀq，再与潜向量点积。"
        f"而且吸收不省乘法，每个键反而是 {absorbed / naive:.1f} 倍；它省的是读内存，所以逐字生成时用，"
        f"一次读入整段提示时用朴素的一条路。"
    )


ERRATA = [
    Erratum(
        id="K05-1",
        chapter="05",
        title="参数规模：hidden² 与 2·hidden·head_dim",
        slide="MHA 的参数规模 hidden²；MQA 的参数规模 2·hidden·head_dim",
        paper="MQA 论文：K 和 V 的投影不再有头这一维，Q 和输出的投影不变",
        code="LlamaAttention：q_proj、k_proj、v_proj、o_proj 四个矩阵",
        compute=_count,
        settles=_settle_count,
        sources=[f"{SHAZEER}, §3", HF_LLAMA],
    ),
    Erratum(
        id="K05-2",
        chapter="05",
        title="group_size 是每组几个头，还是一共几组",
        slide="“过小则接近 MHA（效率低），过大则接近 MQA（表达弱）”",
        paper="GQA-G 有 G 组：GQA-1 就是 MQA，GQA-H 就是 MHA",
        code="num_key_value_heads = G；num_key_value_groups = H / G",
        compute=_groups,
        settles=_settle_groups,
        sources=[f"{AINSLIE}, §2.2", HF_LLAMA],
    ),
    Erratum(
        id="K05-3",
        chapter="05",
        title="MLA 每层每个 token 存几个数",
        slide="只列了三件事：低秩联合压缩、权重吸收、解耦 RoPE",
        paper="表 1：(d_c + d_h^R)·l，RoPE 键所有头共用一个",
        code="absorb 分支：kv_cache [kv_lora_rank] 与 pe_cache [qk_rope_head_dim]；naive 分支存全部头的 K 和 V",
        compute=_latent_count,
        settles=_settle_latent_count,
        sources=[f"{V2}, table 1", V3_CODE, "deepseek-ai/DeepSeek-R1#238", "LMCache/LMCache#694"],
    ),
    Erratum(
        id="K05-4",
        chapter="05",
        title="缓存少了 93.3 %，是谁的功劳",
        slide="没有提到",
        paper="摘要：与 DeepSeek 67B 相比，KV 缓存减少 93.3 %；§3.2.3：部署时缓存量化到平均 6 位",
        code="公开的推理代码不量化缓存",
        compute=_reduction,
        settles=_settle_reduction,
        sources=[f"{V2}, abstract and §3.2.3", "DeepSeek LLM, arXiv:2401.02954, table 2", V3_CODE],
    ),
    Erratum(
        id="K05-5",
        chapter="05",
        title="“等于 2.25 组的 GQA”",
        slide="没有提到",
        paper="表 1 的说明：MLA 的缓存等于只有 2.25 组的 GQA",
        code="num_key_value_heads 必须整除 num_attention_heads",
        compute=_equivalent,
        settles=_settle_equivalent,
        sources=[f"{V2}, table 1", f"{AINSLIE}, §2.2"],
    ),
    Erratum(
        id="K05-6",
        chapter="05",
        title="“权重吸收”把矩阵乘起来存吗",
        slide="“权重吸收”，没有说吸收到哪里",
        paper="§2.1.2：推理时 W^UK 可以吸收进 W^Q，W^UV 可以吸收进 W^O",
        code="absorb 分支：每一步先用 einsum 算 q_nope 乘 W^UK，不合并矩阵",
        compute=_absorbing,
        settles=_settle_absorbing,
        sources=[f"{V2}, §2.1.2 and appendix C", V3_CODE],
    ),
]
