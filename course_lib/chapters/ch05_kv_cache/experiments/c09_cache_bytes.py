"""C09: bytes of cache a token, formula against real tensors, in four designs and in released configurations.

    MHA 2 N H Dh    GQA 2 N G Dh    MQA 2 N Dh    MLA N (R + Dr)      numbers a token; times the bytes of a number
Sources: DeepSeek-V2 (arXiv:2405.04434), table 1 and table 9; Insights into DeepSeek-V3 (arXiv:2505.09343), table 1; the
config.json files named in chapters/ch05_kv_cache/cache_sizes.py.  Chapter 05.

Real sizes run on torch's meta device: every tensor has its shape and type, none has memory. The small models run whole.
"""

import numpy as np
import torch
from torch import nn

from course_lib.chapters.ch05_kv_cache.cache_sizes import BYTES, REAL_MODELS, GroupedSizes, LatentSizes, bytes_per_token
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.gqa import GroupedQueryAttention
from course_lib.foundations.kv_cache import KVCache
from course_lib.foundations.mla import MultiHeadLatentAttention
from course_lib.models.deepseek import DeepSeekConfig
from course_lib.models.llama import Llama, LlamaConfig

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
SMALL = {
    "MHA": LlamaConfig(n_vocab=8, n_layers=3, n_kv_heads=4),
    "GQA": LlamaConfig(n_vocab=8, n_layers=3, n_kv_heads=2),
    "MQA": LlamaConfig(n_vocab=8, n_layers=3, n_kv_heads=1),
    "MLA": DeepSeekConfig(n_vocab=8, n_layers=3),
}


def attention_of(sizes: GroupedSizes | LatentSizes) -> nn.Module:
    if isinstance(sizes, GroupedSizes):
        return GroupedQueryAttention(sizes.d_model, sizes.n_heads, sizes.n_kv_heads, d_head=sizes.d_head)
    return MultiHeadLatentAttention(
        sizes.d_model,
        sizes.n_heads,
        d_latent=sizes.d_latent,
        d_head=sizes.d_head,
        d_rope=sizes.d_rope,
        d_value=sizes.d_value,
        d_query_latent=sizes.d_query_latent,
    )


def sizes_of(config: LlamaConfig | DeepSeekConfig) -> GroupedSizes | LatentSizes:
    kind = GroupedSizes if isinstance(config, LlamaConfig) else LatentSizes
    return kind(**{name: getattr(config, name) for name in kind.__dataclass_fields__})


def stored(caches: list[KVCache], batch: int, capacity: int) -> float:
    """Bytes a token, from the memory that the tensors of all caches take."""
    total = sum(buffer.untyped_storage().nbytes() for cache in caches for buffer in cache.buffers)
    return total / (batch * capacity)


@torch.no_grad()
def run_real(sizes: GroupedSizes | LatentSizes, batch: int, length: int) -> tuple[float, int]:
    """Bytes a token of all layers in bf16, and weights of one layer, of a layer that has read a text on meta."""
    with torch.device("meta"):
        layer = attention_of(sizes).to(torch.bfloat16)
        x = torch.empty(batch, length, sizes.d_model, dtype=torch.bfloat16)
    cache = KVCache(2 * length)
    layer(x, cache=cache)
    weights = sum(parameter.numel() for parameter in layer.parameters() if parameter.ndim == 2)
    return sizes.n_layers * stored([cache], batch, cache.capacity), weights


@torch.no_grad()
def run_small(config: LlamaConfig | DeepSeekConfig, dtype: torch.dtype, batch: int, length: int) -> float:
    """Bytes a token of a whole model that has read a text."""
    model = Llama(config).to(dtype)
    caches = model.new_caches(length + 5)
    model(torch.zeros(batch, length, dtype=torch.long), caches=caches)
    return stored(caches, batch, length + 5)


def measure(seed: int, *, progress, n_draws: int) -> dict[str, list]:
    """Measured and by formula: [models], [designs × dtypes]; and the largest published difference."""
    chance = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)

    def some(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=chance))

    worst_small = 0.0
    for _ in progress(range(n_draws), "small models"):
        for config in SMALL.values():
            for name, dtype in DTYPES.items():
                found = run_small(config, dtype, some(1, 5), some(1, 20))
                worst_small = max(worst_small, abs(found - bytes_per_token(sizes_of(config), name)))
    real = [run_real(model.sizes, some(1, 4), some(1, 9)) for model in REAL_MODELS.values()]
    published = [found - model.published for (found, _), model in zip(real, REAL_MODELS.values()) if model.published]
    return {
        "real": [found for found, _ in real],
        "formula": [bytes_per_token(model.sizes) for model in REAL_MODELS.values()],
        "small_difference": worst_small,
        "published_difference": published,
        "weights_difference": [
            weights - sum(model.sizes.attention_weights.values())
            for (_, weights), model in zip(real, REAL_MODELS.values())
        ],
        "numbers_v2": real[list(REAL_MODELS).index("DeepSeek-V2")][0] / BYTES["bf16"],
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Exact: every difference is 0; DeepSeek-V2 keeps 34.6 thousand numbers a token, as its table 9 prints."""
    values = {name: summary.values for name, summary in figures.items()}
    models = ("Llama-2-7B", "Llama-3-8B", "Llama-3.1-405B", "Qwen2.5-7B", "Qwen2.5-72B", "DeepSeek-V2", "DeepSeek-V3")
    table = "、".join(f"{name} {found:,.0f}" for name, found in zip(models, values["real"][0]))
    if (values["real"] != values["formula"]).any() or values["small_difference"].any():
        return Verdict(
            "fails", f"张量的字节数与公式不符：{table}；小模型相差至多 {values['small_difference'].max():g}。"
        )
    if values["published_difference"].any() or (np.round(values["numbers_v2"] / 1000, 1) != 34.6).any():
        return Verdict("fails", f"公式与张量相符，却与公布的数不符：差 {values['published_difference'].tolist()}。")
    if values["weights_difference"].any():
        return Verdict("partly", f"缓存与公式相符，参数量不符，差 {values['weights_difference'][0].tolist()}。")
    return Verdict(
        "holds",
        f"四种设计、三种精度的小模型，张量占的字节与公式相差 0；真实配置在 16 位下每个 token：{table} 字节。"
        "三个公布的数（Llama-3.1-405B、Qwen2.5-72B、DeepSeek-V3）逐字节相同，DeepSeek-V2 表 9 的 34.6K 个数也相同。",
    )


CLAIM = Claim(
    id="C09",
    chapter="05",
    title="每个 token 的缓存有多少字节",
    statement="缓存只由层数、键值头数（或潜向量宽）、头宽和精度决定：MHA 2NHDh，GQA 2NGDh，MQA 2NDh，"
    "MLA N(R+Dr) 个数。",
    question="公式给出的字节数，与真正分配的张量、与别人公布的数，差多少？",
    refuted_if="任何一种设计、精度或真实配置的张量字节数与公式差一个字节，或与公布的数不符。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"n_draws": 2},
    full={"n_draws": 5},
    quick_seeds=(0,),
    labels={
        "real": "每个 token 的字节数，七个真实配置，张量",
        "formula": "每个 token 的字节数，七个真实配置，公式",
        "small_difference": "小模型：张量与公式的最大差（字节）",
        "published_difference": "张量减去公布的数（字节）：405B、72B、V3",
        "weights_difference": "一层注意力的权重数，模块减去公式",
        "numbers_v2": "DeepSeek-V2 每个 token 存几个数",
    },
    limits="只数缓存本身。分页、对齐、量化的缩放系数、批里的补齐会再占一些；真实尺寸的层在 meta 设备上运行，"
    "只有形状，没有内容。",
)
