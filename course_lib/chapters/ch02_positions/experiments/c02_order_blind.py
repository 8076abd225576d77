"""C02: without positions self-attention is permutation-equivariant, so "Dog bit Man" and "Man bit Dog" pool alike.

Source: Vaswani et al. 2017, section 3.5; slides, 位置编码.  Chapter 02.
"""

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.attention import attend, causal_mask
from course_lib.foundations.positions import sinusoidal
from course_lib.foundations.rope import angles, frequencies, rotate_interleaved

WORDS = ["dog", "bit", "man"]
D_MODEL, N_HEADS, N_LAYERS = 64, 4, 2
Turn = Callable[[Tensor], Tensor]


def measure(seed: int, *, progress, n_models: int, n_tokens: int) -> dict[str, float]:
    """Largest change of the pooled vector when the words swap places, as a share of its size, over random models."""
    generator = torch.Generator().manual_seed(seed)
    figures: dict[str, float] = {}
    for _ in progress(range(n_models), "随机模型"):
        maps = torch.randn(N_LAYERS, 4, D_MODEL, D_MODEL, generator=generator, dtype=torch.float64) * D_MODEL**-0.5
        table = torch.randn(len(WORDS), D_MODEL, generator=generator, dtype=torch.float64)
        learned = torch.randn(len(WORDS), D_MODEL, generator=generator, dtype=torch.float64)
        one_way = table[[WORDS.index(word) for word in ("dog", "bit", "man")]]
        other_way = table[[WORDS.index(word) for word in ("man", "bit", "dog")]]
        waves = sinusoidal(len(WORDS), D_MODEL, dtype=torch.float64)
        turns = angles(torch.arange(len(WORDS)), frequencies(D_MODEL // N_HEADS))

        def rope(x: Tensor, turns: Tensor = turns) -> Tensor:
            return rotate_interleaved(x, turns)

        def differ(encoder: Callable[[Tensor], Tensor], pair: tuple[Tensor, Tensor] = (one_way, other_way)) -> float:
            pooled, swapped = (encoder(x).mean(0) for x in pair)
            return float((pooled - swapped).norm() / pooled.norm())

        tokens = torch.randn(n_tokens, D_MODEL, generator=generator, dtype=torch.float64)
        order = torch.randperm(n_tokens, generator=generator)
        encoded = encode(tokens, maps)
        now = {
            "none_fp64": differ(lambda x, maps=maps: encode(x, maps)),
            "none_fp32": differ(lambda x, maps=maps: encode(x.float(), maps.float())),
            "permuted_tokens": float((encode(tokens[order], maps) - encoded[order]).norm() / encoded.norm()),
            "sinusoidal": differ(lambda x, maps=maps, waves=waves: encode(x + waves, maps)),
            "learned": differ(lambda x, maps=maps, learned=learned: encode(x + learned, maps)),
            "rope": differ(lambda x, maps=maps, turn=rope: encode(x, maps, turn)),
            "causal_without_positions": differ(lambda x, maps=maps: encode(x, maps, causal=True)),
        }
        for name, value in now.items():
            keep = max if name in ("none_fp64", "none_fp32", "permuted_tokens") else min
            figures[name] = keep(figures.get(name, value), value)
    return figures


def encode(x: Tensor, maps: Tensor, turn: Turn = lambda heads: heads, causal: bool = False) -> Tensor:
    """x [T D] through layers of multi-head self-attention with residuals; maps [N 4 D D] are W_q, W_k, W_v, W_out."""
    may_attend = causal_mask(len(x)) if causal else None
    for *to_qkv, to_out in maps:
        q, k, v = (rearrange(x @ to, "T (H Dh) -> H T Dh", H=N_HEADS) for to in to_qkv)
        heads = attend(turn(q), turn(k), v, may_attend)
        x = x + rearrange(heads, "H T Dh -> T (H Dh)") @ to_out
    return x


def judge(figures: dict[str, Summary]) -> Verdict:
    """Exact up to rounding: 1e-12 in fp64 and 1e-5 in fp32 are about 30 times the rounding of 64-term sums, relatively.

    With positions the smallest difference of any random model must stand at least 1e-3 of the vector's size above zero.
    """
    largest = {name: float(summary.values.max()) for name, summary in figures.items()}
    smallest = {name: float(summary.values.min()) for name, summary in figures.items()}
    blind = largest["none_fp64"] < 1e-12 and largest["permuted_tokens"] < 1e-12 and largest["none_fp32"] < 1e-5
    told = {name: smallest[name] for name in ("sinusoidal", "learned", "rope")}
    measured = (
        f"没有位置时，两句话的池化向量最多相差自身长度的 {largest['none_fp64']:.0e}（fp64）和 "
        f"{largest['none_fp32']:.0e}（fp32），打乱任意顺序只是跟着打乱输出（相差 {largest['permuted_tokens']:.0e}）。"
        f"加上位置，至少相差：正弦 {told['sinusoidal']:.1%}，可学习 {told['learned']:.1%}，RoPE {told['rope']:.1%}。"
    )
    if not blind:
        return Verdict("fails", f"没有位置也分得出顺序。{measured}")
    if min(told.values()) < 1e-3:
        return Verdict("partly", f"没有位置时确实分不出，但并非每种位置编码都分得出。{measured}")
    causal = f"前提是没有因果掩码：加了它，没有位置也至少相差 {smallest['causal_without_positions']:.1%}。"
    return Verdict("holds", measured + causal)


CLAIM = Claim(
    id="C02",
    chapter="02",
    title="没有位置，注意力看不见词序",
    statement="没有位置编码时，自注意力对排列等变：Dog bit Man 与 Man bit Dog 池化成同一个向量；有了位置就不同。",
    question="同样三个词换个顺序，两层多头自注意力之后取平均，两个向量差多少？",
    refuted_if="没有位置时两个向量相差超过舍入误差（fp64 中自身长度的 1e-12）。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"n_models": 20, "n_tokens": 20},
    full={"n_models": 500, "n_tokens": 50},
    labels={
        "none_fp64": "没有位置：两句的池化向量之差的最大值，fp64（占自身长度）",
        "none_fp32": "没有位置：同上，fp32",
        "permuted_tokens": "没有位置：f(打乱 x) 与 打乱 f(x) 之差的最大值，fp64",
        "sinusoidal": "正弦位置：两句之差的最小值",
        "learned": "可学习位置（随机初值）：两句之差的最小值",
        "rope": "RoPE：两句之差的最小值",
        "causal_without_positions": "没有位置但有因果掩码：两句之差的最小值",
    },
    limits="模型是随机的，证明的是结构分不出词序；训练过的模型分不出的原因相同，但它会怎么用位置要看训练。",
)
