"""C03: every integer position has its own sinusoidal vector; how near two come, and where float precision merges them.

In exact arithmetic two positions p and p + k share a vector only if k · omega_i is a multiple of 2π for every i. The
first frequency is 1, and no integer k > 0 is a multiple of 2π, since π is irrational. The distance depends on k alone:
|PE(p + k) - PE(p)|² = Σ_i 2 - 2 cos(k omega_i) = Σ_i 4 sin²(k omega_i / 2).  Chapter 02.
"""

import torch

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.positions import wave_frequencies

DTYPES = {"fp64": torch.float64, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
BITS = {"fp64": torch.int64, "fp32": torch.int32, "fp16": torch.int16, "bf16": torch.int16}
CHUNK = 8192


def measure(seed: int, *, progress, widths: list[int], n_positions: int) -> dict[str, list[float]]:
    """For each width: the smallest distance, at which shift, and how many positions share a vector once rounded.

    Rounded tables are compared by a random 64-bit fingerprint of each row's bits (chance of a false match < 1e-6).
    """
    generator = torch.Generator().manual_seed(seed)
    names = ["min_distance", "nearest_shift", "neighbour_distance"]
    names += [f"{what}_{name}" for what in ("min_distance", "merged") for name in DTYPES]
    figures: dict[str, list[float]] = {"width": widths} | {name: [] for name in names}
    for width in widths:
        freqs = wave_frequencies(width)
        keys = torch.randint(-(2**62), 2**62, (width,), generator=generator) * 2 + 1
        fingerprints = {name: torch.empty(n_positions, dtype=torch.int64) for name in DTYPES}
        distance = torch.empty(n_positions, dtype=torch.float64)
        for start in progress(range(0, n_positions, CHUNK), f"d_model = {width}"):
            positions = torch.arange(start, min(start + CHUNK, n_positions), dtype=torch.float64)
            angle = positions[:, None] * freqs
            here = slice(start, start + len(positions))
            distance[here] = 2 * (angle / 2).sin().square().sum(-1).sqrt()
            table = _table(angle)
            for name, dtype in DTYPES.items():
                bits = (table.to(dtype) + 0.0).view(BITS[name])
                fingerprints[name][here] = (bits.long() * keys).sum(-1)
        nearest = int(distance[1:].argmin()) + 1
        figures["min_distance"].append(float(distance[nearest]))
        figures["nearest_shift"].append(nearest)
        figures["neighbour_distance"].append(float(distance[1]))
        positions = torch.arange(CHUNK, dtype=torch.float64)
        here, there = (_table(at[:, None] * freqs) for at in (positions, positions + nearest))
        for name, dtype in DTYPES.items():
            rounded = (here.to(dtype).double() - there.to(dtype).double()).norm(dim=-1)
            figures[f"min_distance_{name}"].append(float(rounded.min()))
        for name, prints in fingerprints.items():
            figures[f"merged_{name}"].append(n_positions - len(prints.unique()))
    integers = torch.arange(n_positions, dtype=torch.float64)
    for name in ("fp32", "fp16", "bf16"):
        distinct = integers.to(DTYPES[name]).unique()
        figures[f"merged_integers_{name}"] = [float(n_positions - len(distinct))]
    return figures


def _table(angle: torch.Tensor) -> torch.Tensor:
    """Sines, then cosines: the vectors of `sinusoidal` with their channels in another order."""
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def judge(figures: dict[str, Summary]) -> Verdict:
    """Own vector: in fp64 no two positions share one and the nearest two are 1e-9 apart, a million times the rounding.

    Usable: at the widths that models have (64 and more) rounding the table, even to bf16, merges none.
    """
    mean = {name: summary.mean for name, summary in figures.items()}
    widths = mean["width"].astype(int)
    own = not mean["merged_fp64"].any() and float(mean["min_distance"].min()) > 1e-9
    real = widths >= 64
    usable = not any(mean[f"merged_{name}"][real].any() for name in DTYPES)
    narrow = "；".join(
        f"d_model = {width} 最近的两个相距 {mean['min_distance'][i]:.1g}（相差 {int(mean['nearest_shift'][i])} 步），"
        f"fp16 / bf16 里分别有 {int(mean['merged_fp16'][i])} / {int(mean['merged_bf16'][i])} 个位置与前面的重合"
        for i, width in enumerate(widths[:2])
    )
    wide = "、".join(
        f"{width} 维 {mean['min_distance'][i]:.2f}（相差 {int(mean['nearest_shift'][i])} 步）"
        for i, width in enumerate(widths)
        if width >= 64
    )
    merged = {name: int(mean[f"merged_{name}"].sum()) for name in ("fp64", "fp32")}
    merged["bf16"] = int(mean["merged_bf16"][real].sum())
    measured = (
        f"重合的位置：fp64 里 {merged['fp64']} 个，fp32 里 {merged['fp32']} 个；最近的两个相距 {wide}，"
        f"这些宽度舍入到 bf16 后重合 {merged['bf16']} 个。{narrow}。"
        f"别把位置序号本身转成低精度：bf16 里 {int(mean['merged_integers_bf16'][0])} 个序号与前面的合并。"
    )
    if not own:
        return Verdict("fails", f"有不同的位置共用一个向量（或近到 1e-9 以内）。{measured}")
    if not usable:
        return Verdict("partly", f"精确计算时成立，但常用宽度在低精度里已有位置重合。{measured}")
    return Verdict("holds", measured)


CLAIM = Claim(
    id="C03",
    chapter="02",
    title="每个整数位置有自己的向量",
    statement="正弦位置编码给每个整数位置一个唯一的向量：第一个频率是 1，而整数不会是 2π 的倍数。",
    question="一百万个位置里，最近的两个向量相距多少？舍入到 fp32、fp16、bf16 之后有多少个位置重合？",
    refuted_if="fp64 里有两个整数位置的向量相同，或近到 1e-9 以内。",
    seeds=(0,),
    measure=measure,
    judge=judge,
    quick={"widths": [2, 4, 8, 16, 64, 512], "n_positions": 20_000},
    full={"widths": [2, 4, 8, 16, 64, 512], "n_positions": 1_000_000},
    labels={
        "width": "d_model",
        "min_distance": "任意两个位置的最小距离（公式，fp64）",
        "nearest_shift": "取到最小距离的两个位置相差几步",
        "neighbour_distance": "相邻两个位置的距离",
        "min_distance_fp64": "相差这么多步的两个位置，前 8192 个里的最小距离，fp64",
        "min_distance_fp32": "同上，舍入到 fp32",
        "min_distance_fp16": "同上，舍入到 fp16",
        "min_distance_bf16": "同上，舍入到 bf16",
        "merged_fp64": "与前面某个位置重合的位置数，fp64",
        "merged_fp32": "与前面某个位置重合的位置数，fp32",
        "merged_fp16": "与前面某个位置重合的位置数，fp16",
        "merged_bf16": "与前面某个位置重合的位置数，bf16",
        "merged_integers_fp32": "位置序号本身转成 fp32 后合并的个数",
        "merged_integers_fp16": "位置序号本身转成 fp16 后合并的个数（65504 以上溢出）",
        "merged_integers_bf16": "位置序号本身转成 bf16 后合并的个数",
    },
    limits="向量不同不等于模型分得清：那要看训练（C04a）。",
)
