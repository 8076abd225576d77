"""C05: a RoPE score depends only on n - m; norms are kept; V is untouched.

Source: Su et al. 2021 (arXiv:2104.09864), eq. 16; slides, 旋转位置编码, steps 2 to 5.  Chapter 03.
"""

import torch

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.attention import attention_scores
from course_lib.foundations.positions import sinusoidal
from course_lib.foundations.rope import angles, frequencies, rotate_interleaved
from course_lib.toys.position_schemes import NoPositions, RotaryScheme
from course_lib.toys.tiny_lm import Attention, TinyLMConfig

D_HEAD = 128
DTYPES = {"fp64": torch.float64, "fp32": torch.float32, "bf16": torch.bfloat16}


def measure(seed: int, *, progress, n_vectors: int, max_offset: int, n_shifts: int) -> dict[str, float]:
    """Largest change of q·k over shifts of both positions, as a share of |q||k|; every offset up to max_offset."""
    generator = torch.Generator().manual_seed(seed)
    q, k = torch.randn(2, n_vectors, 1, D_HEAD, generator=generator, dtype=torch.float64)
    offsets = torch.arange(-max_offset, max_offset + 1)
    shifts = torch.arange(1, n_shifts + 1)
    freqs = frequencies(D_HEAD)

    def scores(dtype: torch.dtype, angle_dtype: torch.dtype, shift: int) -> torch.Tensor:
        """Query at max_offset + shift, keys at every offset from it: [n_vectors, 2·max_offset + 1] cosines."""
        positions = max_offset + shift + torch.cat([torch.zeros(1, dtype=torch.long), offsets])
        turns = angles(positions, freqs.to(angle_dtype))
        query, keys = rotate_interleaved(q.to(dtype), turns[:1]), rotate_interleaved(k.to(dtype), turns[1:])
        score = attention_scores(query, keys, scale=1.0)[:, 0].double()
        return score / (q.norm(dim=-1) * k.norm(dim=-1))

    forms = {name: (dtype, torch.float64) for name, dtype in DTYPES.items()}
    forms |= {"fp32_angles_fp32": (torch.float32, torch.float32), "bf16_angles_bf16": (torch.bfloat16, torch.bfloat16)}
    start = {name: scores(*form, shift=0) for name, form in forms.items()}
    worst = dict.fromkeys(forms, 0.0)
    for shift in progress(shifts.tolist(), "平移"):
        for name, form in forms.items():
            worst[name] = max(worst[name], float((scores(*form, shift=shift) - start[name]).abs().max()))

    figures = {f"shift_{name}": value for name, value in worst.items()}
    return (
        figures
        | _rounding(q, k, angles(offsets, freqs))
        | _foil(q, k, n_shifts)
        | _norms(q, freqs, n_shifts)
        | _values_in_the_model(seed)
    )


def _rounding(q: torch.Tensor, k: torch.Tensor, turns: torch.Tensor) -> dict[str, float]:
    """What rounding q and k costs a plain dot product, over as many pairs, in the same unit."""
    keys, size = rotate_interleaved(k, turns), q.norm(dim=-1) * k.norm(dim=-1)
    exact = attention_scores(q, keys, scale=1.0)[:, 0]
    figures = {}
    for name in ("fp32", "bf16"):
        rounded = attention_scores(q.to(DTYPES[name]), keys.to(DTYPES[name]), scale=1.0)[:, 0].double()
        figures[f"rounding_{name}"] = float(((rounded - exact) / size).abs().max())
    return figures


def _foil(q: torch.Tensor, k: torch.Tensor, n_shifts: int) -> dict[str, float]:
    """The same measurement where it must not hold: sinusoidal positions added to q and k, both at one position."""
    added = sinusoidal(n_shifts + 1, D_HEAD, dtype=torch.float64)
    score = ((q + added) * (k + added)).sum(-1) / (q.norm(dim=-1) * k.norm(dim=-1))
    return {"shift_added_sinusoidal": float((score - score[:, :1]).abs().max())}


def _norms(q: torch.Tensor, freqs: torch.Tensor, n_shifts: int) -> dict[str, float]:
    turned = rotate_interleaved(q, angles(torch.arange(n_shifts + 1), freqs))
    return {"norm_change": float((turned.norm(dim=-1) / q.norm(dim=-1) - 1).abs().max())}


@torch.no_grad()
def _values_in_the_model(seed: int) -> dict[str, float]:
    """How far the course's own decoder moves q, k and v when RoPE is switched on, as a share of their size."""
    torch.manual_seed(seed)
    config = TinyLMConfig(n_vocab=2, d_model=64)
    attention, x = Attention(config).double(), torch.randn(1, 32, config.d_model, dtype=torch.float64)
    plain = attention.heads(x, NoPositions())
    turned = attention.heads(x, RotaryScheme(frequencies(config.d_head)))
    return {
        f"moved_{name}": float((after - before).norm() / before.norm())
        for name, before, after in zip("qkv", plain, turned)
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """In fp64 the identity holds to 1e-12, 4 digits above rounding at angles of some thousand radians; V bit for bit.

    The instrument must see a change where there is one: added sinusoids and turned q, k must move by at least 1 %.
    In fp32 and bf16 a shift may cost no more than ten times what rounding one dot product costs.
    """
    worst = {name: float(summary.values.max()) for name, summary in figures.items()}
    exact = worst["shift_fp64"] < 1e-12 and worst["norm_change"] < 1e-12 and worst["moved_v"] == 0
    sees = min(float(figures[name].values.min()) for name in ("shift_added_sinusoidal", "moved_q", "moved_k")) > 0.01
    if not (exact and sees):
        return Verdict(
            "fails",
            f"平移后分数变了 {worst['shift_fp64']:.1e}，长度变了 {worst['norm_change']:.1e}，"
            f"V 变了 {worst['moved_v']:.1e}（对照：q 变了 {worst['moved_q']:.2f}）。",
        )
    rounding_only = all(worst[f"shift_{name}"] < 10 * worst[f"rounding_{name}"] for name in ("fp32", "bf16"))
    measured = (
        f"同时平移 q 与 k 的位置，分数（以 |q||k| 为 1）在 fp64 里最多变 {worst['shift_fp64']:.0e}，"
        f"fp32 里 {worst['shift_fp32']:.0e}，bf16 里 {worst['shift_bf16']:.0e}"
        f"（一次点积自己的舍入就有 {worst['rounding_fp32']:.0e} 和 {worst['rounding_bf16']:.0e}）；"
        f"长度最多变 {worst['norm_change']:.0e}，V 一位不变。对照：加正弦位置编码，同样的平移使分数变 "
        f"{worst['shift_added_sinusoidal']:.2f}。角度也用同样的精度算，位置越大错得越多："
        f"fp32 {worst['shift_fp32_angles_fp32']:.0e}，bf16 {worst['shift_bf16_angles_bf16']:.2f}。"
    )
    if not rounding_only:
        return Verdict("partly", f"数学上和 fp64 里成立，低精度里平移的代价超过舍入的十倍。{measured}")
    return Verdict("holds", measured)


CLAIM = Claim(
    id="C05",
    chapter="03",
    title="RoPE 的分数只看相对位置",
    statement="旋转之后 q·k 只由 n−m 决定；旋转不改变长度；V 不旋转。",
    question="把 q 和 k 的位置一起平移，分数会变多少？在 fp64、fp32、bf16 里各是多少？",
    refuted_if="fp64 里平移使分数变化超过 |q||k| 的 1e-12，或长度变化超过 1e-12，或 V 有任何一位改变。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"n_vectors": 4, "max_offset": 64, "n_shifts": 100},
    full={"n_vectors": 4, "max_offset": 128, "n_shifts": 4096},
    labels={
        "shift_fp64": "平移使分数变化的最大值 / |q||k|，fp64",
        "shift_fp32": "同上，q、k 为 fp32（角度 fp64）",
        "shift_bf16": "同上，q、k 为 bf16（角度 fp64）",
        "shift_fp32_angles_fp32": "同上，fp32，角度也用 fp32 算",
        "shift_bf16_angles_bf16": "同上，bf16，角度也用 bf16 算",
        "rounding_fp32": "一次点积自己的舍入误差，fp32",
        "rounding_bf16": "一次点积自己的舍入误差，bf16",
        "shift_added_sinusoidal": "对照：加正弦位置编码，平移使分数变化的最大值",
        "norm_change": "旋转使向量长度变化的最大比例",
        "moved_q": "模型里打开 RoPE，q 改变的比例",
        "moved_k": "模型里打开 RoPE，k 改变的比例",
        "moved_v": "模型里打开 RoPE，v 改变的比例",
    },
)
