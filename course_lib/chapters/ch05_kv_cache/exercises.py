"""Exercises of chapter 05, the KV cache and its four designs."""

import torch

from course_lib.course.exercises.core import Exercise, Mistake
from course_lib.foundations.gqa import attend_in_groups
from course_lib.foundations.rope import rotation_matrix


def _latent_bytes(n_layers, n_heads, d_latent, d_rope, d_head, n_bytes):
    return n_layers * (d_latent + d_rope) * n_bytes


def _one_step(q, k_new, v_new, k_old, v_old):
    k, v = torch.cat([k_old, k_new[:, None]], dim=1), torch.cat([v_old, v_new[:, None]], dim=1)
    return attend_in_groups(q[None, :, None], k[None], v[None])[0, :, 0]


def _step(q, k, v, *, scale=None, order="block"):
    H, G = len(q), len(k)
    group = [h // (H // G) if order == "block" else h % G for h in range(H)]
    scores = (k[group] @ q[..., None])[..., 0] * (q.shape[-1] ** -0.5 if scale is None else scale)
    return (scores.softmax(-1)[:, None] @ v[group])[:, 0]


def _joined(k_new, v_new, k_old, v_old):
    return torch.cat([k_old, k_new[:, None]], dim=1), torch.cat([v_old, v_new[:, None]], dim=1)


def _step_cases(rng):
    cases = []
    for H, G, S, d_head in ((2, 1, 1, 2), (4, 2, 3, 2), (6, 2, 5, 4)):
        shapes = ((H, d_head), (G, d_head), (G, d_head), (G, S, d_head), (G, S, d_head))
        cases.append(tuple(torch.from_numpy(2 * rng.normal(size=shape)) for shape in shapes))
    return cases


def _lost(q, k, m, n, freqs):
    return q @ (rotation_matrix(n - m, freqs) - torch.eye(len(q), dtype=q.dtype)) @ k


def _lost_cases(rng):
    cases = []
    for width, m, n in ((2, 3, 1), (4, 9, 2), (6, 20, 3)):
        q, k = (torch.from_numpy(rng.normal(size=width)) for _ in range(2))
        cases.append((q, k, m, n, torch.from_numpy(rng.uniform(0.1, 1.0, size=width // 2))))
    return cases


EXERCISES = [
    Exercise(
        id="05-cache-1",
        title="心算：一个 token 占多少字节",
        level=1,
        minutes=4,
        task=(
            "一个 GQA 模型：10 层，D = 1200，12 个查询头，3 个键值头，头宽 100，缓存用 fp32。\n"
            "不用电脑：一个 token 在缓存里占多少字节？"
        ),
        stub="answer = ...  # 一个整数，单位是字节",
        solution=24000,
        mistakes=[
            Mistake("half", 12000, "少了一半：K 和 V 两样都要存，乘 2；fp32 每个数 4 字节，不是 2。看看漏了哪一个。"),
            Mistake("no_layers", 2400, "你忘了层数：每一层都有自己的 K 和 V，乘 10。"),
            Mistake("query_heads", 96000, "你按 12 个查询头数了。缓存里只有键值头，这里是 3 个。"),
            Mistake("one_head", 8000, "你只数了一个键值头。这里有 3 个，各有自己的 K 和 V。"),
            Mistake("queries_too", 72000, "你把查询也存了。查询只用一次，用完就扔；缓存里只有 K 和 V。"),
            Mistake("numbers", 6000, "6,000 是数的个数。fp32 每个数 4 字节。"),
            Mistake("bits", 192000, "192,000 是比特数。1 字节 = 8 比特，题目问字节。"),
        ],
        hints=[
            "一层一个 token：K 和 V，各 3 个头，头宽 100。",
            "2 × 3 × 100 = 600 个数，再乘层数。",
            "fp32 是 4 字节。",
        ],
        passes="2 × 层数 × 键值头数 × 头宽 × 字节，五个因子，D 没有直接出现。",
        next="换成 bf16，上下文 100 万个 token，要多少 GB？一张 24 GB 的卡放得下几段？",
        tolerance=1e-6,
    ),
    Exercise(
        id="05-cache-2",
        title="MLA 的账单",
        level=2,
        minutes=5,
        task=(
            "写 `latent_bytes(n_layers, n_heads, d_latent, d_rope, d_head, n_bytes)`：\n"
            "MLA 用吸收的写法，一个 token 在所有层的缓存里占多少字节。`d_latent` 是 R，`d_rope` 是 Dr，"
            "`n_bytes` 是每个数的字节数。"
        ),
        stub="def latent_bytes(n_layers, n_heads, d_latent, d_rope, d_head, n_bytes):\n    ...",
        solution=_latent_bytes,
        mistakes=[
            Mistake(
                "rope_per_head",
                lambda n_layers, n_heads, d_latent, d_rope, d_head, n_bytes: (
                    n_layers * (d_latent + n_heads * d_rope) * n_bytes
                ),
                "你给每个头都存了一份 RoPE 键。它是所有头共用的一个（DeepSeek-R1#238 里也有人这样算）。",
            ),
            Mistake(
                "twice",
                lambda n_layers, n_heads, d_latent, d_rope, d_head, n_bytes: (
                    n_layers * 2 * (d_latent + d_rope) * n_bytes
                ),
                "没有因子 2：键和值都从同一个潜向量里算出来，只存一份。",
            ),
            Mistake(
                "no_rope",
                lambda n_layers, n_heads, d_latent, d_rope, d_head, n_bytes: n_layers * d_latent * n_bytes,
                "你漏了转过的 RoPE 键：它不在潜向量里，要另存 Dr 个数。",
            ),
            Mistake(
                "naive",
                lambda n_layers, n_heads, d_latent, d_rope, d_head, n_bytes: (
                    n_layers * n_heads * (2 * d_head + d_rope) * n_bytes
                ),
                "这是把所有头的键和值都还原出来存的账。吸收以后只存潜向量和一个 RoPE 键。",
            ),
            Mistake(
                "no_layers",
                lambda n_layers, n_heads, d_latent, d_rope, d_head, n_bytes: (d_latent + d_rope) * n_bytes,
                "你忘了层数：每一层都有自己的潜向量。",
            ),
            Mistake(
                "bits",
                lambda n_layers, n_heads, d_latent, d_rope, d_head, n_bytes: (
                    8 * n_layers * (d_latent + d_rope) * n_bytes
                ),
                "你给的是比特数，题目要字节。",
            ),
        ],
        hints=[
            "缓存里有两样东西。",
            "潜向量一份，RoPE 键一份，都与头数无关。",
            "DeepSeek-V3：61 层，512 + 64，2 字节，得 70,272。",
        ],
        cases=lambda rng: [
            (1, 4, 8, 2, 4, 1),
            (61, 128, 512, 64, 128, 2),
            (*map(int, rng.integers(2, 9, size=5)), 2),
        ],
        passes="头数和头宽都没有用上：这正是 MLA 的要点。",
        next="头宽和头数都加倍，GQA（G 不变）的缓存变几倍？MLA 呢？",
    ),
    Exercise(
        id="05-cache-3",
        title="读图：放得下多少段对话",
        level=2,
        minutes=4,
        task=(
            "看“缓存计算器”，拨到 Llama-3-8B、32,768 个 token、16 位。三个点是 1、8、64 段对话。\n"
            "从 GQA 那一行读出一段对话要几 GiB，再算：一张 96 GiB 的卡，权重占去 16 GiB，最多同时放得下几段？"
        ),
        stub="answer = ...  # 一个整数",
        solution=20,
        mistakes=[
            Mistake("size_of_one", 4, "4 是一段对话占的 GiB，读对了。题目最后问的是放得下几段。"),
            Mistake("mha_row", 5, "5 段是一段 16 GiB 的账，那是 MHA 那一行。Llama-3-8B 发布的是 GQA。"),
            Mistake("no_weights", 24, "24 段是 96 GiB 全给缓存。权重先占去 16 GiB。"),
            Mistake("mqa_row", 160, "160 段是一段 0.5 GiB 的账，那是 MQA 那一行。Llama-3-8B 有 8 个键值头。"),
            Mistake("fp8", 40, "40 段是一段 2 GiB 的账，那是 8 位的数。把精度拨回 16 位，一段是 4 GiB。"),
            Mistake("point_of_eight", 2, "2 是一段 32 GiB 的账。32 GiB 是第二个点，8 段对话一共要的。"),
        ],
        hints=["GQA 那一行最左边的点。", "(96 − 16) ÷ 一段的大小。"],
        passes="一段 4 GiB，20 段就满了。同一张卡，MHA 只放得下 5 段：批的大小，往往由缓存决定。",
        next="DeepSeek-V3 的层数多一倍、宽近一倍，32,768 个 token 一段要几 GiB？",
        tolerance=1e-6,
    ),
    Exercise(
        id="05-cache-4",
        title="带缓存的一步",
        level=3,
        minutes=10,
        task=(
            "写 `one_step(q, k_new, v_new, k_old, v_old)`：生成一个 token 时的分组查询注意力。\n"
            "`q` [H, Dh]，`k_new`、`v_new` [G, Dh] 是新 token 的；`k_old`、`v_old` [G, S, Dh] 是缓存里的。\n"
            "连续的 H/G 个头共用一组键值。返回 [H, Dh]，不用投影，不用 RoPE。"
        ),
        stub="def one_step(q, k_new, v_new, k_old, v_old):\n    ...",
        solution=_one_step,
        mistakes=[
            Mistake(
                "not_itself",
                lambda q, k_new, v_new, k_old, v_old: _step(q, k_old, v_old),
                "新 token 没有看自己：先把 k_new、v_new 接到缓存后面，再做注意力。",
            ),
            Mistake(
                "interleaved",
                lambda q, k_new, v_new, k_old, v_old: _step(q, *_joined(k_new, v_new, k_old, v_old), order="turns"),
                "你让头轮流用各组（h % G）。约定是连续的 H/G 个头一组：h // (H/G)。形状一样，数不同。",
            ),
            Mistake(
                "no_scale",
                lambda q, k_new, v_new, k_old, v_old: _step(q, *_joined(k_new, v_new, k_old, v_old), scale=1.0),
                "分数没有除以 √Dh。",
            ),
            Mistake(
                "only_new",
                lambda q, k_new, v_new, k_old, v_old: _step(q, k_new[:, None], v_new[:, None]),
                "你只看了新 token，缓存没有用上：softmax 只剩一个键，权重恒为 1。",
            ),
            Mistake(
                "old_values",
                lambda q, k_new, v_new, k_old, v_old: _step(
                    q, _joined(k_new, v_new, k_old, v_old)[0], torch.cat([v_new[:, None], v_old], dim=1)
                ),
                "K 接在后面，V 却接在前面：权重和值错了位。两样要按同样的次序接。",
            ),
        ],
        hints=[
            "k = torch.cat([k_old, k_new[:, None]], dim=1)，形状 [G, S + 1, Dh]。",
            "k.repeat_interleave(H // G, dim=0) 让每个头有自己的一份。",
            "一个查询，不需要掩码。",
        ],
        cases=_step_cases,
        passes="与 course_lib 逐元素一致。只有一个查询，所以没有掩码；只有 K 和 V 进缓存，q 用完就扔。",
        next="一批里有两句话，缓存的长度不同，怎样让短的那句不看补齐的格子？",
    ),
    Exercise(
        id="05-cache-5",
        title="挡在中间的那一项",
        level=3,
        minutes=10,
        task=(
            "RoPE 耦合在键里时，真正的分数是 (R_m q)·(R_n k)，直接吸收得到的是 q·k。\n"
            "写 `lost(q, k, m, n, freqs)`：两者之差，真正的减去吸收的。`q`、`k` [Dh]，m、n 是位置，`freqs` [Dh/2]，"
            "相邻两维一对，每走一步转 freqs[i] 弧度。可以用 course_lib.foundations.rope.rotation_matrix。"
        ),
        stub="def lost(q, k, m, n, freqs):\n    ...",
        solution=_lost,
        mistakes=[
            Mistake(
                "no_identity",
                lambda q, k, m, n, freqs: q @ rotation_matrix(n - m, freqs) @ k,
                "这是耦合的分数本身。还要减去吸收得到的 q·k，也就是 R_{n−m} 减去单位矩阵。",
            ),
            Mistake(
                "wrong_way",
                lambda q, k, m, n, freqs: q @ rotation_matrix(m - n, freqs) @ k - q @ k,
                "转反了：R_mᵀR_n = R_{n−m}，不是 R_{m−n}。",
            ),
            Mistake(
                "sum",
                lambda q, k, m, n, freqs: q @ rotation_matrix(m + n, freqs) @ k - q @ k,
                "查询的旋转要转置过来：R_mᵀ = R_{−m}，合起来是 n − m，不是 m + n。",
            ),
            Mistake(
                "minus",
                lambda q, k, m, n, freqs: -_lost(q, k, m, n, freqs),
                "正负号反了：题目要真正的减去吸收的。",
            ),
            Mistake(
                "key_only",
                lambda q, k, m, n, freqs: q @ rotation_matrix(n, freqs) @ k - q @ k,
                "你只转了键。查询也在位置 m 上转过，两个旋转合成 R_{n−m}。",
            ),
        ],
        hints=[
            "(R_m q)·(R_n k) = qᵀ R_mᵀ R_n k。",
            "旋转矩阵的转置是反着转：R_mᵀ R_n = R_{n−m}。",
            "q @ (R_{n−m} − I) @ k。",
        ],
        cases=_lost_cases,
        passes="n = m 时这一项是 0，一转开就不可忽略。它依赖 n − m，所以没有一个固定的矩阵能补上。",
        next="如果把 RoPE 转在潜向量 c 上（c 的 R 维两两配对），吸收还成立吗？值会怎样？",
    ),
]
