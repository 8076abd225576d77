"""Exercises of chapter 03, rotary position embedding."""

import torch
from einops import rearrange, repeat

from course_lib.course.exercises.core import Exercise, Mistake
from course_lib.foundations.rope import interleaved_to_half_split


def _my_rope(x, positions, base):
    d_head = x.shape[-1]
    theta = base ** (-torch.arange(0, d_head, 2, dtype=x.dtype) / d_head)
    angle = positions[:, None].to(x.dtype) * theta
    first, second = x[:, 0::2], x[:, 1::2]
    turned = torch.stack(
        [first * angle.cos() - second * angle.sin(), first * angle.sin() + second * angle.cos()], dim=-1
    )
    return turned.flatten(-2)


def _turn(x, angle, sign=1.0):
    """Interleaved rotation of x [T, Dh] by angle [T, Dh/2]; sign -1 turns the other way."""
    first, second = x[:, 0::2], x[:, 1::2]
    cos, sin = angle.cos(), sign * angle.sin()
    return torch.stack([first * cos - second * sin, first * sin + second * cos], dim=-1).flatten(-2)


def _angle(x, positions, base, exponent=2.0, start=0):
    pairs = torch.arange(start, start + x.shape[-1] // 2, dtype=x.dtype)
    return positions[:, None].to(x.dtype) * base ** (-exponent * pairs / x.shape[-1])


def _half_split(x, positions, base):
    angle = _angle(x, positions, base)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * angle.cos() - second * angle.sin(), first * angle.sin() + second * angle.cos()], dim=-1)


def _mixed(x, positions, base):
    angle = repeat(_angle(x, positions, base), "T P -> T (P two)", two=2)
    first, second = x.chunk(2, dim=-1)
    return x * angle.cos() + torch.cat([-second, first], dim=-1) * angle.sin()


def _rope_cases(rng):
    cases = []
    for n_positions, d_head, base in ((1, 2, 10000.0), (3, 4, 10000.0), (5, 8, 100.0), (6, 16, 500000.0)):
        x = torch.from_numpy(rng.normal(size=(n_positions, d_head)))
        positions = torch.from_numpy(rng.integers(1, 50, size=n_positions))
        cases.append((x, positions, base))
    return cases


def _to_half_split(w, n_heads):
    order = interleaved_to_half_split(w.shape[0] // n_heads)
    return rearrange(rearrange(w, "(H Dh) D -> H Dh D", H=n_heads)[:, order], "H Dh D -> (H Dh) D")


def _over_all_heads(w, n_heads):
    return w[interleaved_to_half_split(w.shape[0])]


def _backwards(w, n_heads):
    order = interleaved_to_half_split(w.shape[0] // n_heads).argsort()
    return rearrange(rearrange(w, "(H Dh) D -> H Dh D", H=n_heads)[:, order], "H Dh D -> (H Dh) D")


def _columns(w, n_heads):
    order = interleaved_to_half_split(w.shape[1] // n_heads)
    return rearrange(rearrange(w, "O (H Dh) -> O H Dh", H=n_heads)[:, :, order], "O H Dh -> O (H Dh)")


def _weight_cases(rng):
    # head widths of at least 6: with 4 channels the permutation is its own inverse
    places = torch.arange(12, dtype=torch.float64)
    told = places[:, None] + places / 100  # row 3, column 7 holds 3.07: a counterexample says which row went where
    return [
        (told, 2),
        *((torch.from_numpy(rng.normal(size=(H * d_head, H * d_head))), H) for H, d_head in ((3, 8), (2, 16))),
    ]


EXERCISES = [
    Exercise(
        id="03-rope-1",
        title="心算一个分数",
        level=1,
        minutes=3,
        task=(
            "每走一个位置转 30°。q = (1, 0)，k = (1, 0)，q 在位置 m = 5，k 在位置 n = 3。\n"
            "不用电脑，说出旋转以后的点积 q′·k′，保留到小数点后一位。"
        ),
        stub="answer = ...  # 一个数",
        solution=0.5,
        mistakes=[
            Mistake("only_q", -0.8660254, "你只转了 q：cos 150° = −0.87。k 也要按自己的位置转 90°，再点积。"),
            Mistake("only_k", 0.0, "你只转了 k：cos 90° = 0。q 也要按自己的位置转 150°，再点积。"),
            Mistake("sum", -0.5, "你把两个角相加了：cos 240° = −0.5。点积只看夹角，夹角是 150° 减 90°。"),
            Mistake("no_turn", 1.0, "1 是旋转以前的点积。q 和 k 转的角度不一样，夹角不再是 0。"),
            Mistake("angle", 60.0, "60 是夹角的度数。点积是 |q||k| cos 60°。"),
        ],
        hints=[
            "画一个钟面：q 停在几度？k 停在几度？",
            "夹角只由位置差决定：(5 − 3) × 30°。",
            "长度都是 1，点积就是夹角的余弦。",
        ],
        passes="夹角只剩 (m − n) × 30°。两个位置都加 100，答案不变。",
        next="q 不动，k 换成 (0, 1)，答案是多少？正负号由什么决定？",
    ),
    Exercise(
        id="03-rope-2",
        title="自己写一遍旋转",
        level=2,
        minutes=10,
        task=(
            "写 `my_rope(x, positions, base)`：`x` 形状 [T, Dh]，`positions` 形状 [T]，`base` 是一个数。\n"
            "第 t 行的通道对 (2i, 2i+1) 逆时针转 positions[t] · base^(−2i/Dh) 弧度。返回形状 [T, Dh]。"
        ),
        stub="def my_rope(x, positions, base):\n    ...",
        solution=_my_rope,
        mistakes=[
            Mistake(
                "clockwise",
                lambda x, positions, base: _turn(x, _angle(x, positions, base), sign=-1.0),
                "转反了：你的 sin 项符号与旋转矩阵相反。分数仍只看相对位置，"
                "但 R_{n−m} 变成了 R_{m−n}，与训练好的权重不合。",
            ),
            Mistake(
                "half_split",
                _half_split,
                "你写的是半分布局（通道 i 与 i + Dh/2 一对）。旋转本身没错，这里要的是交错布局：通道 2i 与 2i+1 一对。",
            ),
            Mistake(
                "mixed",
                _mixed,
                "两种布局混用了：角度按交错排（0,0,1,1,…），取配对却按前后两半。这已经不是旋转，向量长度都会变。",
            ),
            Mistake(
                "exponent",
                lambda x, positions, base: _turn(x, _angle(x, positions, base, exponent=1.0)),
                "指数少了一个 2：第 i 对的频率是 base^(−2i/Dh)，i 数的是通道对，共 Dh/2 对。",
            ),
            Mistake(
                "numbering",
                lambda x, positions, base: _turn(x, _angle(x, positions, base, start=1)),
                "编号错了一格：i 从 0 数起，第一对每个位置转 1 弧度（见考据 K03-1）。",
            ),
            Mistake(
                "no_position",
                lambda x, positions, base: _turn(x, _angle(x, torch.ones_like(positions), base)),
                "每一行都转了同样的角度。第 t 行要乘它自己的 positions[t]，不然分数里没有位置。",
            ),
        ],
        hints=[
            "先算 theta，形状 [Dh/2]；再算 angle = positions[:, None] * theta，形状 [T, Dh/2]。",
            "x[:, 0::2] 是每对的第一个通道，x[:, 1::2] 是第二个。",
            "新的第一个 = 第一个·cos − 第二个·sin；新的第二个 = 第一个·sin + 第二个·cos。最后交错着放回去。",
        ],
        cases=_rope_cases,
        passes="你的函数与旋转矩阵逐元素一致。旋转矩阵大半是 0，逐对地算就不必造出 Dh × Dh 的矩阵。",
        next="不用循环，把它改成能接收 [B, H, T, Dh] 的版本。",
    ),
    Exercise(
        id="03-rope-3",
        title="读图：走不满的钟",
        level=2,
        minutes=5,
        task=(
            "看“新频率 / 原频率”那张图里标着“训练里走 1 圈”的竖线，对照钟面图。\n"
            "Dh = 128，base = 10000，训练长度 4096；共 64 只钟，编号 0–63。\n"
            "有多少只钟在训练里从来没有走满一圈？"
        ),
        stub="answer = ...  # 一个整数",
        solution=18,
        mistakes=[
            Mistake("index", 46, "46 是第一只走不满的钟的编号，也是走满的只数。问的是走不满的：编号 46 到 63。"),
            Mistake("off_by_one", 17, "差一只：编号 46 到 63，两头都算，是 63 − 46 + 1 只。"),
            Mistake("channels", 36, "36 是通道数。一只钟管两个通道，问的是钟。"),
            Mistake("half", 32, "不是一半。波长 2π·base^(2i/Dh) 要大于 4096 才走不满，从第 46 对开始。"),
        ],
        hints=[
            "竖线右边的钟走不满一圈。竖线落在哪两个编号之间？",
            "走一圈要 2π/θ_i 个 token。求满足 2π·10000^(2i/128) > 4096 的 i。",
            "i = 45 时波长约 4080，i = 46 时约 4712。",
        ],
        passes="这 18 只钟在训练里只见过一段弧。超过训练长度，它们立刻指向没见过的角度。",
        next="base 换成 500000（Llama 3），走不满的有几只？",
    ),
    Exercise(
        id="03-rope-4",
        title="转换一份权重",
        level=3,
        minutes=12,
        task=(
            "一份 W_q 按交错布局训练，形状 [H·Dh, D]，H 个头的行依次排列。\n"
            "写 `to_half_split(w, n_heads)`，返回重排了行的权重，使它配合半分布局的旋转，分数与原来相同。\n"
            "可用 `interleaved_to_half_split(Dh)`：它给出一个头内部的次序。"
        ),
        stub="def to_half_split(w, n_heads):\n    ...",
        solution=_to_half_split,
        mistakes=[
            Mistake(
                "over_all_heads",
                _over_all_heads,
                "你把所有头的行混在一起重排了。次序只在一个头的 Dh 行内部生效，头与头不能混。",
            ),
            Mistake("backwards", _backwards, "方向反了：这是从半分变回交错的次序。目标的第 i 行来自原来的第 2i 行。"),
            Mistake("columns", _columns, "你重排了列。旋转作用在输出通道上，要动的是行；列对应输入 x，不能动。"),
            Mistake(
                "unchanged",
                lambda w, n_heads: w,
                "权重没有变。只换旋转代码、不换权重，分数就全变了（见考据 K03-5）。",
            ),
        ],
        hints=[
            "先看成 [H, Dh, D]，只在中间那一维上取次序。",
            "einops：rearrange(w, '(H Dh) D -> H Dh D', H=n_heads)。",
            "取完 [:, order] 再拼回 [H·Dh, D]。",
        ],
        cases=_weight_cases,
        passes="这就是把 Meta 格式的 Llama 权重变成 HF 格式时做的事。W_k 同样处理，W_v 不动。",
        next="写出逆变换。什么时候它与正变换是同一个排列？",
    ),
    Exercise(
        id="03-rope-5",
        title="NTK 该换多大的 base",
        level=2,
        minutes=8,
        task=(
            "写 `ntk_base(base, scale, d_head)`：返回新的 base，使最慢的一对（i = Dh/2 − 1）正好慢 scale 倍，\n"
            "而最快的一对（i = 0）不变。三个参数都是数。"
        ),
        stub="def ntk_base(base, scale, d_head):\n    ...",
        solution=lambda base, scale, d_head: base * scale ** (d_head / (d_head - 2)),
        mistakes=[
            Mistake(
                "linear",
                lambda base, scale, d_head: base * scale,
                "base 直接乘 scale，最慢的一对只慢 scale^((Dh−2)/Dh) 倍，还差一点。",
            ),
            Mistake(
                "inverse",
                lambda base, scale, d_head: base * scale ** ((d_head - 2) / d_head),
                "指数倒了：要解 b′^((Dh−2)/Dh) = scale · b^((Dh−2)/Dh)，两边取 Dh/(Dh−2) 次方。",
            ),
            Mistake(
                "half",
                lambda base, scale, d_head: base * scale ** (d_head / 2),
                "最慢一对的指数是 −2i/Dh，i = Dh/2 − 1，也就是 −(Dh−2)/Dh，不是 −2/Dh。",
            ),
            Mistake("unchanged", lambda base, scale, d_head: base, "base 没有变，频率也就没有变。"),
        ],
        hints=["写出最慢一对的频率：base^(−(Dh−2)/Dh)。", "新频率 = 旧频率 / scale。", "两边取 −Dh/(Dh−2) 次方。"],
        cases=lambda rng: [(10000.0, 2.0, 64), (10000.0, 4.0, 128), (500000.0, float(rng.uniform(2, 16)), 32)],
        passes="一个式子就做到了“慢的多缩，快的不缩”。",
        next="i = 1 的一对慢了多少倍？把所有 i 的倍数画出来，与 PI 的水平线比一比。",
    ),
]
