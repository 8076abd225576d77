"""How many bytes a token leaves in the cache, and how many weights attention has: for real models, from their sizes.

D width · H heads · G kv heads · Dh head width · R latent width · Dr rotated width · N layers
The sizes are those of the released config.json files (`source`); `published` is a figure somebody else gives for the
bytes a token, with `where`. Nothing here needs a model: it is arithmetic that a test compares with real tensors.
Read first: foundations/gqa.py, foundations/mla.py.  Chapter 05.
"""

from dataclasses import dataclass

from course_lib.foundations.attention import check_heads
from course_lib.foundations.checks import check_counts, check_known
from course_lib.foundations.gqa import check_groups

BYTES = {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1}


@dataclass(frozen=True, kw_only=True)
class GroupedSizes:
    """MHA (G = H), GQA, or MQA (G = 1)."""

    n_layers: int
    d_model: int
    n_heads: int
    n_kv_heads: int
    d_head: int

    def __post_init__(self):
        check_counts(1, **vars(self))
        check_groups(self.n_heads, self.n_kv_heads)

    @property
    def numbers_per_layer(self) -> int:
        """A key and a value for each kv head: 2 G Dh."""
        return 2 * self.n_kv_heads * self.d_head

    @property
    def attention_weights(self) -> dict[str, int]:
        """Weights of one layer's attention, by projection, biases not counted."""
        wide, narrow = self.n_heads * self.d_head, self.n_kv_heads * self.d_head
        return {
            "q": self.d_model * wide,
            "k": self.d_model * narrow,
            "v": self.d_model * narrow,
            "out": wide * self.d_model,
        }


@dataclass(frozen=True, kw_only=True)
class LatentSizes:
    """MLA. d_query_latent: None where queries are made straight from x."""

    n_layers: int
    d_model: int
    n_heads: int
    d_latent: int
    d_rope: int
    d_head: int
    d_value: int
    d_query_latent: int | None = None

    def __post_init__(self):
        check_counts(1, **{name: size for name, size in vars(self).items() if size is not None})

    @property
    def numbers_per_layer(self) -> int:
        """One latent and one turned key for all heads: R + Dr."""
        return self.d_latent + self.d_rope

    @property
    def attention_weights(self) -> dict[str, int]:
        """Weights of one layer's attention, by projection, norms not counted."""
        query = self.n_heads * (self.d_head + self.d_rope)
        rank = self.d_query_latent
        return {
            "q": self.d_model * query if rank is None else rank * (self.d_model + query),
            "latent": self.d_model * (self.d_latent + self.d_rope),
            "k": self.d_latent * self.n_heads * self.d_head,
            "v": self.d_latent * self.n_heads * self.d_value,
            "out": self.n_heads * self.d_value * self.d_model,
        }


@dataclass(frozen=True, kw_only=True)
class RealModel:
    """A released model: its sizes, and the bytes a token at 16 bit that a publication gives, if one does."""

    name: str
    design: str
    sizes: GroupedSizes | LatentSizes
    context: int
    source: str
    published: int | None = None
    where: str = ""


def bytes_per_token(sizes: GroupedSizes | LatentSizes, dtype: str = "bf16") -> int:
    """Bytes that one token leaves in the caches of all layers. Raises ValueError for an unknown dtype."""
    check_known("dtype", dtype, BYTES)
    return sizes.n_layers * sizes.numbers_per_layer * BYTES[dtype]


def cache_gib(sizes: GroupedSizes | LatentSizes, *, n_tokens: int, batch: int = 1, dtype: str = "bf16") -> float:
    """GiB (2^30 bytes) of cache for `batch` texts of n_tokens each."""
    check_counts(0, n_tokens=n_tokens, batch=batch)
    return bytes_per_token(sizes, dtype) * n_tokens * batch / 2**30


def four_designs(
    *,
    n_layers: int,
    d_model: int,
    n_heads: int,
    n_kv_heads: int,
    d_latent: int | None = None,
    d_rope: int | None = None,
) -> dict[str, GroupedSizes | LatentSizes]:
    """One model in four designs, heads of width D / H. MLA with R = 4 Dh and Dr = Dh / 2, as in DeepSeek-V2."""
    check_heads(d_model, n_heads)
    d_head = d_model // n_heads
    grouped = {
        name: GroupedSizes(n_layers=n_layers, d_model=d_model, n_heads=n_heads, n_kv_heads=groups, d_head=d_head)
        for name, groups in (("MHA", n_heads), ("GQA", n_kv_heads), ("MQA", 1))
    }
    latent = LatentSizes(
        n_layers=n_layers,
        d_model=d_model,
        n_heads=n_heads,
        d_latent=4 * d_head if d_latent is None else d_latent,
        d_rope=d_head // 2 if d_rope is None else d_rope,
        d_head=d_head,
        d_value=d_head,
    )
    return {**grouped, "MLA": latent}


INSIGHTS = "Insights into DeepSeek-V3, arXiv:2505.09343, table 1"
DEEPSEEK_HEADS = {"n_heads": 128, "d_latent": 512, "d_rope": 64, "d_head": 128, "d_value": 128, "d_query_latent": 1536}

REAL_MODELS = {
    model.name: model
    for model in (
        RealModel(
            name="Llama-2-7B",
            design="MHA",
            sizes=GroupedSizes(n_layers=32, d_model=4096, n_heads=32, n_kv_heads=32, d_head=128),
            context=4096,
            source="https://huggingface.co/meta-llama/Llama-2-7b-hf/blob/main/config.json",
        ),
        RealModel(
            name="Llama-3-8B",
            design="GQA",
            sizes=GroupedSizes(n_layers=32, d_model=4096, n_heads=32, n_kv_heads=8, d_head=128),
            context=8192,
            source="https://huggingface.co/meta-llama/Meta-Llama-3-8B/blob/main/config.json",
        ),
        RealModel(
            name="Llama-3.1-405B",
            design="GQA",
            sizes=GroupedSizes(n_layers=126, d_model=16384, n_heads=128, n_kv_heads=8, d_head=128),
            context=131072,
            source="https://huggingface.co/meta-llama/Llama-3.1-405B/blob/main/config.json",
            published=516_096,
            where=INSIGHTS,
        ),
        RealModel(
            name="Qwen2.5-7B",
            design="GQA",
            sizes=GroupedSizes(n_layers=28, d_model=3584, n_heads=28, n_kv_heads=4, d_head=128),
            context=131072,
            source="https://huggingface.co/Qwen/Qwen2.5-7B/blob/main/config.json",
        ),
        RealModel(
            name="Qwen2.5-72B",
            design="GQA",
            sizes=GroupedSizes(n_layers=80, d_model=8192, n_heads=64, n_kv_heads=8, d_head=128),
            context=131072,
            source="https://huggingface.co/Qwen/Qwen2.5-72B/blob/main/config.json",
            published=327_680,
            where=INSIGHTS,
        ),
        RealModel(
            name="DeepSeek-V2",
            design="MLA",
            sizes=LatentSizes(n_layers=60, d_model=5120, **DEEPSEEK_HEADS),
            context=131072,
            source="https://huggingface.co/deepseek-ai/DeepSeek-V2/blob/main/config.json",
        ),
        RealModel(
            name="DeepSeek-V3",
            design="MLA",
            sizes=LatentSizes(n_layers=61, d_model=7168, **DEEPSEEK_HEADS),
            context=131072,
            source="https://huggingface.co/deepseek-ai/DeepSeek-V3/blob/main/config.json",
            published=70_272,
            where=INSIGHTS,
        ),
    )
}
