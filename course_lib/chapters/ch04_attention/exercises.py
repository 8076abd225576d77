"""Exercises of chapter 04, attention and its heads."""

import torch
from einops import rearrange

from course_lib.course.exercises.core import Exercise, Mistake
from course_lib.foundations.attention import attend, causal_mask


def _with(q, k, v, may_attend, *, scale=None, dim=-1, hidden=-torch.inf):
    scores = q @ k.T * (q.shape[-1] ** -0.5 if scale is None else scale)
    return scores.masked_fill(~may_attend, hidden).softmax(dim) @ v


def _mask_after(q, k, v, may_attend):
    return (q @ k.T / q.shape[-1] ** 0.5).softmax(-1) * may_attend.to(q.dtype) @ v


def _attend_cases(rng):
    cases = []
    for T, S, d_head in ((1, 2, 4), (2, 3, 4), (4, 4, 8), (5, 7, 16)):
        q, k, v = (torch.from_numpy(rng.normal(size=shape)) for shape in ((T, d_head), (S, d_head), (S, 3)))
        may_attend = torch.from_numpy(rng.random((T, S)) < 0.5)
        may_attend[:, 0] = True
        may_attend[:, -1] = False
        cases.append((2 * q, k, v, may_attend))
    return cases


def _split_cases(rng):
    return [
        (torch.from_numpy(rng.normal(size=(B, T, n_heads * d_head))), n_heads)
        for B, T, n_heads, d_head in ((1, 3, 2, 2), (2, 5, 2, 3), (2, 4, 3, 2))
    ]


def _causal(T, S):
    return torch.arange(S)[None, :] <= torch.arange(S - T, S)[:, None]


EXERCISES = [
    Exercise(
        id="04-attention-1",
        title="心算一行权重",
        level=1,
        minutes=4,
        task=(
            "d_k = 4。一个查询对三个键的点积 q·k 是 0、0、2.77（也就是 4·ln 2）。\n"
            "不用电脑，算出缩放以后 softmax 给第三个键的权重，保留两位小数。"
        ),
        stub="answer = ...  # 一个数",
        solution=2 / 3,
        mistakes=[
            Mistake("no_scale", 16 / 18, "你没有除以 √d_k：e^2.77 = 16，得 16/18 = 0.89。先除以 √4 = 2。"),
            Mistake("by_width", 0.5, "你除以了 d_k = 4，要除的是它的平方根 2。方差是 d_k，标准差才是 √d_k。"),
            Mistake("no_softmax", 1.386, "1.39 是缩放后的分数。还要做 softmax：先取 e 的幂，再除以三个数之和。"),
            Mistake("no_exponent", 1.0, "你把分数直接归一了：1.39/(0+0+1.39)。要先取 e 的幂，分数 0 的键也有一份。"),
            Mistake("ratio", 4.0, "4 是第三个键与别的键之比。权重要除以三份之和 1 + 1 + 4。"),
        ],
        hints=["缩放：2.77 除以 √4。", "2.77/2 = 2·ln 2，e 的这么多次方是 4。", "三份是 1、1、4，和是 6。"],
        passes="分数为 0 不等于权重为 0：两个 0 分的键各得 1/6。",
        next="要让第三个键的权重到 0.99，点积得多大？d_k = 64 时呢？",
    ),
    Exercise(
        id="04-attention-2",
        title="自己写一遍注意力",
        level=2,
        minutes=8,
        task=(
            "写 `my_attend(q, k, v, may_attend)`：`q` [T, Dh]，`k` [S, Dh]，`v` [S, Dv]，\n"
            "`may_attend` [T, S] 是布尔，True 表示可以看。\n"
            "返回 softmax(q kᵀ/√Dh) v，形状 [T, Dv]，不许看的键权重为 0。每行至少有一个键可以看。"
        ),
        stub="def my_attend(q, k, v, may_attend):\n    ...",
        solution=attend,
        mistakes=[
            Mistake(
                "no_scale",
                lambda q, k, v, may_attend: _with(q, k, v, may_attend, scale=1.0),
                "分数没有除以 √Dh：方差随 Dh 增长，softmax 会饱和，看 d_k 转盘那张图。",
            ),
            Mistake(
                "by_width",
                lambda q, k, v, may_attend: _with(q, k, v, may_attend, scale=1 / q.shape[-1]),
                "你除以了 Dh，要除以它的平方根。除多了，权重会过于平均。",
            ),
            Mistake(
                "wrong_axis",
                lambda q, k, v, may_attend: _with(q, k, v, may_attend, dim=0).nan_to_num(),
                "softmax 取错了轴：你让每个键的一列和为 1。应当每个查询的一行和为 1，dim=-1。",
            ),
            Mistake(
                "upside_down",
                lambda q, k, v, may_attend: _with(q, k, v, ~may_attend),
                "掩码用反了：True 是可以看，你把可以看的遮住了。要填 −∞ 的是 ~may_attend。",
            ),
            Mistake(
                "mask_after",
                _mask_after,
                "你在 softmax 之后才乘掩码：不许看的键已经占走了一份，剩下的和不到 1。要在 softmax 之前填 −∞。",
            ),
            Mistake(
                "zero_score",
                lambda q, k, v, may_attend: _with(q, k, v, may_attend, hidden=0.0),
                "你把不许看的分数填成了 0。e⁰ = 1，它照样分走一份；要填 −∞。",
            ),
        ],
        hints=[
            "四步：点积、缩放、填 −∞ 再 softmax、加权求和。",
            "scores.masked_fill(~may_attend, -torch.inf)。",
            "softmax 在键的轴上：dim=-1。",
        ],
        cases=_attend_cases,
        passes="你的四行与 course_lib.attend 逐元素一致。",
        next="如果有一行一个键都不许看，你的函数会给出什么？怎样改才能给出 0？",
    ),
    Exercise(
        id="04-attention-3",
        title="读图：少了一次转置",
        level=2,
        minutes=4,
        task=(
            "看“谁的数进了哪个头”那张图，把写法拨到“拆时漏转置”。\n"
            "现在换成 T = 6 个 token、D = 8、H = 4 个头。x.view(B, H, T, Dh) 之后，头 0 里的数一共来自几个 token？"
        ),
        stub="answer = ...  # 一个整数",
        solution=2,
        mistakes=[
            Mistake("all", 6, "6 个都进来，那是正确的拆法：每个头看见每个 token 的一段。漏掉转置时不是这样。"),
            Mistake("one", 1, "头 0 分到 T·Dh = 12 个数，一个 token 只有 8 个，不够。"),
            Mistake("picture", 3, "3 是图里 T = 6、H = 2 时的答案。现在有 4 个头，每头只分到 12 个数。"),
            Mistake("heads", 4, "4 是头数。头 0 按内存次序拿走前 12 个数，看它们落在哪几个 token 上。"),
        ],
        hints=[
            "内存里先放完 token 0 的 8 个数，再放 token 1 的。",
            "头 0 拿走最前面的 T·Dh 个数。",
            "12 个数 = 8 + 4。",
        ],
        passes="头 0 只见到两个 token，其余四个它根本看不见。形状却完全正确。",
        next="因果掩码还管用吗？头 1 的第 0 个位置装的是哪个 token 的数？",
    ),
    Exercise(
        id="04-attention-4",
        title="拆成几个头",
        level=2,
        minutes=6,
        task=(
            "写 `split_heads(x, n_heads)`：`x` 形状 [B, T, D]，返回 [B, H, T, Dh]，Dh = D / H。\n"
            "第 h 个头拿每个 token 的第 h·Dh 到 (h+1)·Dh − 1 个通道。"
        ),
        stub="def split_heads(x, n_heads):\n    ...",
        solution=lambda x, n_heads: rearrange(x, "B T (H Dh) -> B H T Dh", H=n_heads),
        mistakes=[
            Mistake(
                "no_transpose",
                lambda x, n_heads: x.reshape(x.shape[0], n_heads, x.shape[1], -1),
                "你直接 view 成了 [B, H, T, Dh]，没有转置：形状对，数却串了 token。"
                "先 view 成 [B, T, H, Dh]，再交换中间两轴。",
            ),
            Mistake(
                "interleaved",
                lambda x, n_heads: rearrange(x, "B T (Dh H) -> B H T Dh", H=n_heads),
                "你让相邻通道轮流进各个头（Dh 在外、H 在内）。这里每个头拿连续的一段：(H Dh)。",
            ),
            Mistake(
                "channels_first",
                lambda x, n_heads: x.transpose(1, 2).reshape(x.shape[0], n_heads, x.shape[1], -1),
                "你把通道和 token 先交换了再 view：每个头拿对了通道，可是它的 T × Dh 表格里行列是乱的。",
            ),
            Mistake(
                "reversed",
                lambda x, n_heads: rearrange(x, "B T (H Dh) -> B H T Dh", H=n_heads).flip(1),
                "头的次序反了：第 0 个头拿最前面的 Dh 个通道。",
            ),
        ],
        hints=[
            "先想一个 token：它的 D 个数切成 H 段。",
            "x.view(B, T, H, Dh)，再 transpose(1, 2)。",
            "einops：rearrange(x, 'B T (H Dh) -> B H T Dh', H=n_heads)。",
        ],
        cases=_split_cases,
        passes="一次重排就得到所有头，没有复制权重，也没有循环。",
        next="写出逆变换 merge_heads，并说明为什么它之前也要先转置。",
    ),
    Exercise(
        id="04-attention-5",
        title="带着缓存的因果掩码",
        level=3,
        minutes=10,
        task=(
            "生成文本时，前面的键已经存好，这一步只送进最后 T 个查询。键共有 S 个，S ≥ T。\n"
            "写 `my_causal(T, S)`：返回布尔张量 [T, S]，True 表示可以看。\n"
            "第 t 个查询的真实位置是 S − T + t，它可以看自己和左边。"
        ),
        stub="def my_causal(T, S):\n    ...",
        solution=causal_mask,
        mistakes=[
            Mistake(
                "top_left",
                lambda T, S: torch.ones(T, S, dtype=torch.bool).tril(),
                "你让第 0 个查询对齐了第 0 个键（torch 的 is_causal 就是这样）。"
                "有缓存时第 0 个查询在 S − T，左边的键它都能看。",
            ),
            Mistake(
                "not_itself",
                lambda T, S: torch.ones(T, S, dtype=torch.bool).tril(S - T - 1),
                "自己也该能看：对角线上要是 True。否则第一个 token 一个键都看不到。",
            ),
            Mistake("upside_down", lambda T, S: ~_causal(T, S), "真假反了：你标出的是不许看的。这里 True 是可以看。"),
            Mistake(
                "looks_right",
                lambda T, S: torch.ones(T, S, dtype=torch.bool).triu(S - T),
                "三角的方向反了：你让它看自己和右边，那是未来。",
            ),
        ],
        hints=[
            "T = S 时是普通的下三角。",
            "S = 5，T = 2：两个查询在位置 3 和 4。写出这两行。",
            "torch.ones(T, S, dtype=torch.bool).tril(S − T)。",
        ],
        cases=lambda rng: [(1, 3), (2, 2), (2, 5), (4, 7)],
        passes="T = 1 时整行都是 True：逐字生成根本不需要掩码。",
        next="一批里每句话已缓存的长度不同，掩码该是什么形状？",
    ),
]
