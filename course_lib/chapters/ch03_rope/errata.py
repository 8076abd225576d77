"""Chapter 03, rotary position embedding: where slides, paper and released code disagree, and what a computation says.

The paper is RoFormer (Su et al. 2021, arXiv:2104.09864); equation numbers are those of its later versions.
"""

import math

import torch

from course_lib.course.errata.core import Erratum, require
from course_lib.foundations.rope import (
    angles,
    frequencies,
    interleaved_to_half_split,
    rotate_half_split,
    rotate_interleaved,
    rotation_matrix,
)
from course_lib.foundations.rope_scaling import yarn

ROFORMER = "RoFormer, Su et al. 2021, arXiv:2104.09864"
META_LLAMA = "meta-llama/llama: llama/model.py, precompute_freqs_cis, apply_rotary_emb"
HF_LLAMA = "huggingface/transformers: models/llama/modeling_llama.py, rotate_half"
HF_CONVERT = "huggingface/transformers: models/llama/convert_llama_weights_to_hf.py, permute"


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _numbering() -> dict[str, object]:
    d_head = 8
    by_matrix_index = [10000.0 ** (-2 * (i - 1) / d_head) for i in range(d_head // 2)]
    by_paper_index = [10000.0 ** (-2 * (i - 1) / d_head) for i in range(1, d_head // 2 + 1)]
    return {
        "矩阵下标 0…3 代入 Θ 的公式": [round(value, 6) for value in by_matrix_index],
        "公式自己的下标 1…4": [round(value, 6) for value in by_paper_index],
        "course_lib（与公开代码同）": [round(value, 6) for value in frequencies(d_head).double().tolist()],
    }


def _settle_numbering(values: dict[str, object]) -> str:
    mixed, paper, code = values.values()
    require(paper == code, f"the paper's set {paper} is not the set of the code {code}")
    require(mixed[1:] == paper[:-1] and mixed[0] > 1, f"mixing the two numberings gave {mixed}, no shift by one")
    return (
        "两种编号各自成立，混用就错一格：多出每步 10 弧度的一档，丢掉最慢的 0.001。"
        "公开代码都从 0 数：θ_i = 10000^(−2i/d)，i = 0…d/2−1；本课程从此只用这一种。"
    )


def _one_matrix() -> dict[str, object]:
    d_head, freqs = 8, frequencies(8).double()
    q, k = _normal(d_head, seed=1), _normal(d_head, seed=2)
    pairs = [(m, n) for m in range(12) for n in range(12)]

    def score(m: int, n: int) -> float:
        return float((rotation_matrix(m, freqs) @ q) @ (rotation_matrix(n, freqs) @ k))

    only_m = torch.tensor([score(m, m) for m, _ in pairs])
    both = torch.tensor([score(m, n) for m, n in pairs])
    return {
        "Q、K 都用 R_m：分数随 (m, n) 的最大变化": round(float((only_m - q @ k).abs().max()), 12),
        "Q 用 R_m、K 用 R_n：分数随 (m, n) 的最大变化": round(float((both - q @ k).abs().max()), 3),
    }


def _settle_one_matrix(values: dict[str, object]) -> str:
    only_m, both = values.values()
    require(only_m < 1e-12, f"one matrix for both still moved the score by {only_m}")
    require(both > 0.1, f"two matrices moved the score by only {both}")
    return "两边用同一个 R_m，旋转互相抵消，位置信息全部丢失。每个 token 用自己位置的矩阵：查询用 R_m，键用 R_n。"


def _transpose() -> dict[str, object]:
    d_model, freqs = 8, frequencies(8).double()
    w_q, w_k = _normal(d_model, d_model, seed=3), _normal(d_model, d_model, seed=4)
    x_m, x_n = _normal(d_model, seed=5), _normal(d_model, seed=6)
    m, n = 7, 3
    score = (rotation_matrix(m, freqs) @ w_q @ x_m) @ (rotation_matrix(n, freqs) @ w_k @ x_n)
    relative = rotation_matrix(n - m, freqs)
    return {
        "定义：(R_m W_q x_m)ᵀ(R_n W_k x_n)": round(float(score), 6),
        "论文印的：x_mᵀ W_q R_{n−m} W_k x_n": round(float(x_m @ w_q @ relative @ w_k @ x_n), 6),
        "补上转置：x_mᵀ W_qᵀ R_{n−m} W_k x_n": round(float(x_m @ w_q.T @ relative @ w_k @ x_n), 6),
    }


def _settle_transpose(values: dict[str, object]) -> str:
    score, printed, mended = values.values()
    require(score == mended, f"with the transpose {mended}, by definition {score}")
    require(abs(score - printed) > 1e-3, f"the printed form gave the same {printed}")
    return "论文式 (16) 少印了一个转置，应为 W_qᵀ。课件写 q_mᵀ R_{n−m} k_n，没有展开 W_q，所以是对的。"


def _sign() -> dict[str, object]:
    freqs = frequencies(8).double()
    q, k = _normal(8, seed=7), _normal(8, seed=8)
    m, n = 9, 4
    q_complex, k_complex = (torch.view_as_complex(vector.reshape(-1, 2)) for vector in (q, k))
    turn = torch.polar(torch.ones_like(freqs), (m - n) * freqs)
    return {
        "式 (35)：Re Σ q k* e^{i(m−n)θ}": round(float((q_complex * k_complex.conj() * turn).sum().real), 6),
        "式 (16)：qᵀ R_{n−m} k": round(float(q @ rotation_matrix(n - m, freqs) @ k), 6),
        "把符号写反：qᵀ R_{m−n} k": round(float(q @ rotation_matrix(m - n, freqs) @ k), 6),
    }


def _settle_sign(values: dict[str, object]) -> str:
    complex_form, matrix_form, reversed_form = values.values()
    require(complex_form == matrix_form, f"Re[…(m−n)] = {complex_form}, qᵀR(n−m)k = {matrix_form}")
    require(abs(reversed_form - matrix_form) > 1e-3, "the reversed sign gave the same score")
    return (
        "论文的 m−n（式 11、12、35）与 n−m（式 16、21）不矛盾：前者转 q，后者转 k，是同一个数。"
        "但在矩阵式里写成 R_{m−n} 就错了。"
    )


def _layout() -> dict[str, object]:
    n_positions, d_head = 16, 8
    angle = angles(torch.arange(n_positions), frequencies(d_head)).double()
    q, k = _normal(n_positions, d_head, seed=9), _normal(n_positions, d_head, seed=10)
    order = interleaved_to_half_split(d_head)
    reference = rotate_interleaved(q, angle) @ rotate_interleaved(k, angle).T
    permuted = rotate_half_split(q[:, order], angle) @ rotate_half_split(k[:, order], angle).T
    unpermuted = rotate_half_split(q, angle) @ rotate_half_split(k, angle).T
    return {
        "重排通道后，两种布局的分数之差": round(float((permuted - reference).abs().max()), 12),
        "不重排，分数之差": round(float((unpermuted - reference).abs().max()), 3),
    }


def _settle_layout(values: dict[str, object]) -> str:
    permuted, unpermuted = values.values()
    require(permuted < 1e-12, f"permuted channels still differ by {permuted}")
    require(unpermuted > 0.1, f"without the permutation the scores differ by only {unpermuted}")
    return (
        "两种布局是同一个旋转换了通道次序，谁也不是 bug。"
        "转换权重时 W_q、W_k 的行必须同时按头重排；只换代码不换权重，分数就全变了。"
    )


def _decay() -> dict[str, object]:
    d_head, n_draws = 128, 4000
    freqs = frequencies(d_head).double()
    near, far = torch.arange(1, 101).double(), torch.arange(901, 1001).double()
    q, k = _normal(n_draws, d_head, seed=11), _normal(n_draws, d_head, seed=12)
    q_complex, k_complex = (torch.view_as_complex(vectors.reshape(n_draws, -1, 2)) for vectors in (q, k))
    products = q_complex * k_complex.conj()

    def random_scores(distance: torch.Tensor) -> torch.Tensor:
        return (products @ torch.exp(1j * freqs[:, None] * distance)).real

    def bound(distance: torch.Tensor) -> float:
        partial_sums = torch.exp(1j * distance[:, None] * freqs).cumsum(-1)
        return float(partial_sums.abs().mean())

    aligned = torch.cos(torch.arange(1001).double()[:, None] * freqs).sum(-1)
    return {
        "随机 q、k：距离 1–100 的均值 / 标准差": [
            round(float(random_scores(near).mean()), 2),
            round(float(random_scores(near).std()), 2),
        ],
        "随机 q、k：距离 901–1000 的均值 / 标准差": [
            round(float(random_scores(far).mean()), 2),
            round(float(random_scores(far).std()), 2),
        ],
        "论文的上界因子：距离 1–100 / 901–1000": [round(bound(near), 2), round(bound(far), 2)],
        "q = k = 全 1：相邻两步中分数上升的比例": round(float((aligned.diff() > 0).double().mean()), 2),
    }


def _settle_decay(values: dict[str, object]) -> str:
    (near_mean, near_std), (far_mean, far_std), (near_bound, far_bound), rises = values.values()
    noise = math.sqrt(128)
    require(max(abs(near_mean), abs(far_mean)) < 0.1 * noise, f"random means {near_mean}, {far_mean} are not near 0")
    require(abs(far_std / near_std - 1) < 0.05, f"random spread went from {near_std} to {far_std}")
    require(far_bound < 0.7 * near_bound, f"the bound's factor went only from {near_bound} to {far_bound}")
    require(0.3 < rises < 0.7, f"the aligned score rises on {rises} of the steps")
    return (
        "衰减的是上界（包络），不是每一个分数。随机 q、k 的分数均值处处约为 0、标准差不变；"
        "同向的 q、k 平均下降，但约一半的步子是上升的。"
    )


def _ramp() -> dict[str, object]:
    d_head, factor, trained_length = 128, 4.0, 4096
    freqs = frequencies(d_head).double()
    turns = trained_length * freqs / (2 * math.pi)
    kept = ((turns - 1) / (32 - 1)).clamp(0, 1)
    paper = (1 - kept) / factor + kept
    code = yarn(d_head, factor, trained_length=trained_length)[0] / freqs
    shown = (0, 26, 33, 40, 63)
    return {
        "通道对": list(shown),
        "训练里走的圈数": [round(float(turns[i]), 2) for i in shown],
        "论文：新频率 / 原频率": [round(float(paper[i]), 3) for i in shown],
        "代码：新频率 / 原频率": [round(float(code[i]), 3) for i in shown],
    }


def _settle_ramp(values: dict[str, object]) -> str:
    paper, code = values["论文：新频率 / 原频率"], values["代码：新频率 / 原频率"]
    require(paper[0] == code[0] == 1 and paper[-1] == code[-1] == 0.25, f"the ends differ: {paper}, {code}")
    require(max(abs(a - b) for a, b in zip(paper, code)) > 0.1, f"the middles agree: {paper}, {code}")
    return (
        "两端相同，中段不同：论文的坡沿圈数走直线，代码的坡沿通道编号走直线，中间的通道被压得轻。"
        "公开权重是按代码训练的，所以 course_lib 随代码。"
    )


ERRATA = [
    Erratum(
        id="K03-1",
        chapter="03",
        title="θ 从 0 数还是从 1 数",
        slide="矩阵写 θ_0…θ_{d/2−1}，旁边却给 Θ = {θ_i = 10000^(−2(i−1)/d)，i = 1…d/2}",
        paper="式 (15) 用 θ_1…θ_{d/2} 和 Θ（自洽）；§3.3 与式 (35) 又用 θ_i = 10000^(−2i/d)，i 从 0 起",
        code="1 / theta ** (arange(0, dim, 2) / dim)，从 0 起",
        compute=_numbering,
        settles=_settle_numbering,
        sources=[f"{ROFORMER}, eq. 15, 35", META_LLAMA],
    ),
    Erratum(
        id="K03-2",
        chapter="03",
        title="只有 R_m，还是 R_m 与 R_n",
        slide="第 2 步只生成 R_m，第 3 步却用 K' = R_n × K",
        paper="式 (14)：每个 token 用自己位置的矩阵",
        code="一次算出所有位置的角度，第 t 行用第 t 个位置，Q 与 K 都是",
        compute=_one_matrix,
        settles=_settle_one_matrix,
        sources=[f"{ROFORMER}, eq. 14", META_LLAMA],
    ),
    Erratum(
        id="K03-3",
        chapter="03",
        title="相对位置公式里少一个转置",
        slide="Score = q_mᵀ R_{n−m} k_n",
        paper="式 (16) 印作 xᵀ W_q R_{n−m} W_k x_n",
        code="先 W_q x，再旋转，最后点积，相当于 W_qᵀ",
        compute=_transpose,
        settles=_settle_transpose,
        sources=[f"{ROFORMER}, eq. 16"],
    ),
    Erratum(
        id="K03-4",
        chapter="03",
        title="m−n 还是 n−m",
        slide="R_mᵀ R_n = R_{n−m}",
        paper="式 (11)(12)(35) 写 m−n，式 (16)(21) 写 n−m",
        code="不出现差：各转各的，再点积",
        compute=_sign,
        settles=_settle_sign,
        sources=[f"{ROFORMER}, eq. 11, 12, 16, 21, 35"],
    ),
    Erratum(
        id="K03-5",
        chapter="03",
        title="相邻两个通道一对，还是前后两半一对",
        slide="块对角矩阵：相邻通道一对",
        paper="式 (15)、(34)：相邻通道一对（交错布局）",
        code="Meta 的 Llama 文件：交错；HF 格式的 Llama、Qwen：通道 i 与 i + d/2 一对（半分布局）",
        compute=_layout,
        settles=_settle_layout,
        sources=[f"{ROFORMER}, eq. 34", META_LLAMA, HF_LLAMA, HF_CONVERT, "huggingface/transformers#25199"],
    ),
    Erratum(
        id="K03-6",
        chapter="03",
        title="“长程衰减”衰减的是什么",
        slide="没有提到",
        paper="§3.3：相对距离增大时内积会衰减；但 §3.4.3 证明的、图 2 画的是上界的因子",
        code="没有任何衰减项",
        compute=_decay,
        settles=_settle_decay,
        sources=[f"{ROFORMER}, §3.3, §3.4.3, fig. 2", "Barbero et al. 2024, arXiv:2410.06205"],
    ),
    Erratum(
        id="K03-7",
        chapter="03",
        title="YaRN 的坡沿什么走直线",
        slide="没有提到",
        paper="arXiv:2309.00071 §3.2：γ(r) 对圈数 r = L/λ 是直线，r < 1 全压，r > 32 不压",
        code="先把 32 圈、1 圈换算成通道编号并取整，再对编号走直线",
        compute=_ramp,
        settles=_settle_ramp,
        sources=[
            "YaRN, Peng et al. 2023, arXiv:2309.00071, §3.2",
            "huggingface/transformers: modeling_rope_utils.py, _compute_yarn_parameters",
            "jquesnelle/yarn: scaled_rope/LlamaYaRNScaledRotaryEmbedding.py",
        ],
    ),
]
