"""C09c: weight absorption needs a RoPE that is decoupled from the content; the term that stands in the way.

DeepSeek-V2 (arXiv:2405.04434), section 2.1.3.  Chapter 05.

    without RoPE    q·k = q · W_uk c = (W_ukᵀ q) · c                 one matrix W_ukᵀ for every key
    coupled         R_m q · R_n k = q · R_{n-m} W_uk c               another matrix for every distance n - m
    what is lost    q · (R_{n-m} - I) k                              0 at distance 0 only
m position of the query · n position of the key · q, k content of one head · c latent
"""

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.attention import causal_mask
from course_lib.foundations.mla import MultiHeadLatentAttention
from course_lib.foundations.rope import frequencies, rotation_matrix
from course_lib.foundations.rotation import InterleavedRotation

D_MODEL, N_HEADS, D_HEAD, D_LATENT, D_ROPE = 64, 4, 16, 32, 8
DISTANCES = (0, 1, 2, 4, 8, 16, 32, 63)


def layer(seed: int) -> MultiHeadLatentAttention:
    torch.manual_seed(seed)
    return MultiHeadLatentAttention(D_MODEL, N_HEADS, d_latent=D_LATENT, d_head=D_HEAD, d_rope=D_ROPE).double()


def rotation(T: int, width: int) -> InterleavedRotation:
    return InterleavedRotation(torch.arange(T), frequencies(width), torch.float64)


def content(
    mla: MultiHeadLatentAttention, x: Float[Tensor, "B T D"]
) -> tuple[Float[Tensor, "B H T Dh"], Float[Tensor, "B T R"], Float[Tensor, "H Dh R"]]:
    """Queries, latents, and the matrices W_uk that make keys of latents; nothing turned."""
    q, _ = mla.queries(x, None)
    latent = mla.kept(x, None, None)[..., : mla.d_latent]
    return q, latent, rearrange(mla.to_k.weight, "(H Dh) R -> H Dh R", H=mla.n_heads)


def best_fixed(scores: Tensor, q: Tensor, latent: Tensor, sees: Tensor) -> float:
    """Root mean square of what the best fixed matrix M of each head, score ≈ q·M c, leaves of the scores."""
    left = []
    for head in range(scores.shape[1]):
        features = einsum(q[:, head], latent, "B T d, B S R -> B T S d R")[:, sees].flatten(0, 1).flatten(1)
        wanted = scores[:, head][:, sees].flatten()
        fit = torch.linalg.lstsq(features, wanted[:, None]).solution
        left.append((wanted - (features @ fit)[:, 0]).square().mean())
    return torch.stack(left).mean().sqrt().item()


@torch.no_grad()
def measure(seed: int, *, progress, n_texts: int, length: int) -> dict[str, float | list[float]]:
    """Everything relative to the spread of the scores (or of the outputs), in fp64."""
    mla, turn, turn_rope = layer(seed), rotation(length, D_HEAD), rotation(length, D_ROPE)
    x = torch.randn(n_texts, length, D_MODEL, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    sees = causal_mask(length)
    q, latent, to_k = content(mla, x)
    k = einsum(to_k, latent, "H Dh R, B S R -> B H S Dh")
    absorbed = einsum(einsum(q, to_k, "B H T Dh, H Dh R -> B H T R"), latent, "B H T R, B S R -> B H T S")
    plain = einsum(q, k, "B H T Dh, B H S Dh -> B H T S")
    coupled = einsum(turn(q), turn(k), "B H T Dh, B H S Dh -> B H T S")
    spread = coupled[..., sees].std().item()

    places = torch.arange(length)
    turns = torch.stack([rotation_matrix(n, frequencies(D_HEAD)) for n in range(-length + 1, length)])
    between = turns[(places[None, :] - places[:, None]) + length - 1]  # R_{n-m}, [T S Dh Dh]
    term = einsum(q, between - torch.eye(D_HEAD), k, "B H T a, T S a b, B H S b -> B H T S")
    lost = (coupled - absorbed).square().mean((0, 1)).sqrt()
    by_distance = [lost.diagonal(-distance).mean().item() / spread for distance in DISTANCES]
    naive, quick = (way(x, sees, rotation=turn_rope) for way in (mla.naive, mla.absorbed))

    def relative(difference: Tensor, size: float = spread) -> float:
        return (difference.abs().max() / size).item()

    return {
        "without_rope": relative((plain - absorbed)[..., sees]),
        "decoupled": relative(naive - quick, naive.std().item()),
        "coupled": ((coupled - absorbed)[..., sees].square().mean().sqrt() / spread).item(),
        "best_fixed": best_fixed(coupled, q, latent, sees) / spread,
        "term_error": relative((coupled - absorbed - term)[..., sees]),
        "by_distance": by_distance,
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: absorption is exact without RoPE and with decoupled RoPE, the term accounts for the whole loss, and no
    fixed matrix gets the coupled scores within 10 % of their spread. Fails: one does, or what should be exact is not.
    """
    value = {name: summary.values for name, summary in figures.items()}
    exact = max(value[name].max() for name in ("without_rope", "decoupled", "term_error"))
    coupled, best = value["coupled"].mean(), value["best_fixed"].mean()
    near, far = value["by_distance"].mean(axis=0)[[0, -1]]
    measured = (
        f"没有 RoPE、RoPE 解耦时，吸收前后的相对差，以及少掉的那一项的算式误差，都不超过 {exact:.0e}。"
        f"RoPE 耦合时，吸收后的分数差了 {coupled:.0%} 个标准差（距离 0 处 {near:.0%}，距离 63 处 {far:.0%}）；"
        f"即使给每个头换上最合适的固定矩阵，仍差 {best:.0%}。"
    )
    if exact > 1e-10:
        return Verdict("fails", f"本应精确的地方不精确。{measured}")
    if value["best_fixed"].max() < 0.1 or value["coupled"].max() < 0.1:
        return Verdict("fails", f"耦合的 RoPE 也能吸收。{measured}")
    if value["best_fixed"].min() < 0.1:
        return Verdict("partly", f"有的种子里，一个固定的矩阵差不多就够了。{measured}")
    return Verdict("holds", measured)


CLAIM = Claim(
    id="C09c",
    chapter="05",
    title="RoPE 必须解耦，权重才能吸收",
    statement="键带着 RoPE 时，W_uq 与 W_uk 之间夹着 R_{n−m}，每个距离一个矩阵，不能合成一个；把 RoPE 移到另外几维，"
    "吸收就精确。",
    question="吸收前后的分数差多少：没有 RoPE、RoPE 解耦、RoPE 耦合？差的是哪一项？有没有一个固定的矩阵能补上？",
    refuted_if="耦合时也有一个固定的矩阵使误差小于分数标准差的 10 %，或解耦时吸收不精确（相对差大于 1e-10）。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"n_texts": 2, "length": 64},
    full={"n_texts": 8, "length": 64},
    quick_seeds=(0,),
    labels={
        "without_rope": "没有 RoPE：吸收前后分数的最大差 / 标准差",
        "decoupled": "RoPE 解耦：朴素与吸收两条路，输出的最大差 / 标准差",
        "coupled": "RoPE 耦合：直接吸收，均方根误差 / 标准差",
        "best_fixed": "RoPE 耦合：最合适的固定矩阵，均方根误差 / 标准差",
        "term_error": "误差减去 q·(R_{n−m}−I)k 以后还剩多少 / 标准差",
        "by_distance": "直接吸收的误差 / 标准差，距离 0、1、2、4、8、16、32、63",
    },
    limits="权重是随机的：误差的大小随权重和上下文长度变，项的算式不变。每个距离换一个矩阵也能精确，"
    "但那就要为每个键另算一次查询，省不下任何东西。",
)
