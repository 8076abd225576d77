"""Exercises of chapter 02, positional encoding."""

import math

import torch

from course_lib.course.exercises.core import Exercise, Mistake
from course_lib.foundations.positions import shift_matrix, sinusoidal


def _my_positions(n_positions, d_model, base):
    omega = base ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
    angle = torch.arange(n_positions, dtype=torch.float64)[:, None] * omega
    table = torch.empty(n_positions, d_model, dtype=torch.float64)
    table[:, 0::2], table[:, 1::2] = angle.sin(), angle.cos()
    return table


def _my_shift(k, d_model, base):
    angle = k * base ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
    blocks = [torch.tensor([[a.cos(), a.sin()], [-a.sin(), a.cos()]], dtype=torch.float64) for a in angle]
    return torch.block_diag(*blocks)


def _offset(a, b, base):
    d_model = len(a)
    omega = base ** (-(d_model - 2) / d_model)  # the slowest pair
    (sin_a, cos_a), (sin_b, cos_b) = a[-2:].tolist(), b[-2:].tolist()
    return round(math.atan2(sin_b * cos_a - cos_b * sin_a, cos_b * cos_a + sin_b * sin_a) / omega)


def _table(n_positions, d_model, base, *, exponent=2.0, start=0, swap=False, denominator=None):
    """[sin, cos] taking turns, with the usual slips as options."""
    pair = torch.arange(d_model // 2, dtype=torch.float64)
    omega = base ** (-exponent * pair / (d_model if denominator is None else denominator))
    angle = torch.arange(start, start + n_positions, dtype=torch.float64)[:, None] * omega
    waves = [angle.cos(), angle.sin()] if swap else [angle.sin(), angle.cos()]
    return torch.stack(waves, dim=-1).flatten(-2)


def _by_channel(n_positions, d_model, base):
    """Every channel with a frequency of its own."""
    channel = torch.arange(d_model, dtype=torch.float64)
    angle = torch.arange(n_positions, dtype=torch.float64)[:, None] * base ** (-channel / d_model)
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos())


def _by_token(n_positions, d_model, base):
    """2i and 2i+1 read as even and odd tokens."""
    position = torch.arange(n_positions, dtype=torch.float64)[:, None]
    angle = position * base ** (-torch.arange(d_model, dtype=torch.float64) / d_model)
    return torch.where(position % 2 == 0, angle.sin(), angle.cos())


def _halves(n_positions, d_model, base):
    table = _table(n_positions, d_model, base)
    return torch.cat([table[:, 0::2], table[:, 1::2]], dim=-1)


def _half_split_shift(k, d_model, base):
    angle = k * base ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
    cos, sin = angle.cos().diag(), angle.sin().diag()
    return torch.cat([torch.cat([cos, sin], dim=1), torch.cat([-sin, cos], dim=1)])


def _signed_angle(a, b, pair):
    (sin_a, cos_a), (sin_b, cos_b) = a[2 * pair : 2 * pair + 2].tolist(), b[2 * pair : 2 * pair + 2].tolist()
    return math.atan2(sin_b * cos_a - cos_b * sin_a, cos_b * cos_a + sin_b * sin_a)


def _offset_cases(rng):
    cases = []
    for d_model, base in ((4, 10000.0), (8, 10000.0), (16, 10000.0), (8, 1000.0)):
        table = sinusoidal(200, d_model, base, dtype=torch.float64)
        p = int(rng.integers(60, 120))
        for q in (p + int(rng.integers(5, 60)), p - int(rng.integers(5, 60))):
            cases.append((table[p], table[q], base))
    return cases


EXERCISES = [
    Exercise(
        id="02-positions-1",
        title="位置向量有多长",
        level=1,
        minutes=3,
        task="d_model = 512，位置 pos = 37。不用电脑，说出 PE(37) 的长度（各分量平方和再开方）。",
        stub="answer = ...  # 一个数",
        solution=16.0,
        mistakes=[
            Mistake("all_ones", math.sqrt(512), "你把 512 个分量都当成了 1。一对的 sin² + cos² 才是 1，共 256 对。"),
            Mistake("no_root", 256.0, "256 是长度的平方。还要开方。"),
            Mistake("one", 1.0, "一对的长度是 1。这里有 256 对，平方加起来是 256。"),
            Mistake("position", 37.0, "37 是位置。正弦编码的长度不随位置变，整数编码才会。"),
        ],
        hints=["一对通道：sin²(ω·37) + cos²(ω·37) 等于多少？", "512 个通道有几对？", "平方和是 256。"],
        passes="每个位置的向量一样长，√(d/2)。位置大不等于向量大，这正是整数编码做不到的。",
        next="两个位置的点积最大能到多少？什么时候取到？",
    ),
    Exercise(
        id="02-positions-2",
        title="自己写一张表",
        level=2,
        minutes=8,
        task=(
            "写 `my_positions(n_positions, d_model, base)`，返回 [n_positions, d_model]：\n"
            "第 2i 个通道是 sin(pos · base^(−2i/d_model))，第 2i+1 个通道是同一个角的 cos，pos 从 0 数起。"
        ),
        stub="def my_positions(n_positions, d_model, base):\n    ...",
        solution=_my_positions,
        mistakes=[
            Mistake(
                "even_tokens",
                _by_token,
                "你让偶数位置的词用 sin、奇数位置的词用 cos。2i 和 2i+1 数的是通道，不是词：每一行里两样都有。",
            ),
            Mistake(
                "own_frequency",
                _by_channel,
                "第 2i+1 个通道的指数用了 2i+1。sin 和 cos 要共用同一个角，不然平移就不再是旋转。",
            ),
            Mistake(
                "halves",
                _halves,
                "你把 sin 全放在前一半、cos 全放在后一半。通道没错，次序不同（考据 K02-2）；这里要相间。",
            ),
            Mistake(
                "exponent",
                lambda n_positions, d_model, base: _table(n_positions, d_model, base, exponent=1.0),
                "指数少了一个 2：第 i 对的频率是 base^(−2i/d_model)，i 数的是通道对。",
            ),
            Mistake(
                "swapped",
                lambda n_positions, d_model, base: _table(n_positions, d_model, base, swap=True),
                "sin 和 cos 换了位置：偶数通道应当是 sin。位置 0 的向量应是 (0, 1, 0, 1, …)。",
            ),
            Mistake(
                "from_one",
                lambda n_positions, d_model, base: _table(n_positions, d_model, base, start=1),
                "位置从 1 数起了。第一行应是位置 0：(0, 1, 0, 1, …)。",
            ),
            Mistake(
                "code_denominator",
                lambda n_positions, d_model, base: _table(n_positions, d_model, base, denominator=d_model - 2),
                "这是 tensor2tensor 代码的分母 d/2 − 1（考据 K02-1）。这里照论文的公式，分母是 d_model。",
            ),
        ],
        hints=[
            "先算 omega = base ** (-torch.arange(0, d_model, 2) / d_model)，形状 [d_model/2]。",
            "angle = torch.arange(n_positions)[:, None] * omega，形状 [n_positions, d_model/2]。",
            "建一张空表，table[:, 0::2] = angle.sin()，table[:, 1::2] = angle.cos()。",
        ],
        cases=lambda rng: [(2, 4, 10000.0), (4, 6, 10000.0), (9, 16, 100.0), (20, 64, 10000.0)],
        passes="你的表与课程的 sinusoidal 逐元素一致。",
        next="把 pos 换成小数 2.5 还有意义吗？整数编码和学习式的表呢？",
    ),
    Exercise(
        id="02-positions-3",
        title="读图：一段话里走满一圈的有几对",
        level=2,
        minutes=5,
        task=(
            "拖动“单看一对”那幅图，d_model = 16，base = 10000，共 8 对，编号 0–7。\n"
            "一段 64 个 token 的文字里，有几对通道至少走满一整圈？"
        ),
        stub="answer = ...  # 一个整数",
        solution=3,
        mistakes=[
            Mistake("channels", 6, "6 是通道数。一对有 sin、cos 两个通道，问的是对。"),
            Mistake("index", 2, "2 是最后一对走满的编号。编号从 0 数起，0、1、2 一共三对。"),
            Mistake("unfinished", 5, "5 是没走满的对数：编号 3 到 7。问的是走满的。"),
            Mistake("no_pi", 4, "你大概比较的是 10000^(2i/16) 与 64。波长还要乘 2π：第 3 对是 199 格，不是 32 格。"),
        ],
        hints=[
            "标题里写着这一对走一圈要几格。",
            "波长 = 2π · 10000^(2i/16)。",
            "i = 2 时 62.8 格，i = 3 时 198.7 格。",
        ],
        passes="剩下的 5 对在这段文字里只走了一段弧：它们几乎是常数，却要靠它们分清长文里的远近。",
        next="base 换成 100，有几对走满？代价是什么？",
    ),
    Exercise(
        id="02-positions-4",
        title="往后挪 k 格的矩阵",
        level=2,
        minutes=8,
        task=(
            "写 `my_shift(k, d_model, base)`，返回 [d_model, d_model] 的矩阵 M，\n"
            "使 M @ PE(pos) = PE(pos + k) 对每个 pos 成立。通道是相间的：sin, cos, sin, cos, …"
        ),
        stub="def my_shift(k, d_model, base):\n    ...",
        solution=_my_shift,
        mistakes=[
            Mistake(
                "transposed",
                lambda k, d_model, base: shift_matrix(k, d_model, base).T,
                "方向反了：这个矩阵往前挪 k 格。sin 在前、cos 在后，小块是 [[cos, sin], [−sin, cos]]。",
            ),
            Mistake(
                "halves",
                _half_split_shift,
                "这是 sin 在前一半、cos 在后一半时的矩阵。通道相间时，每个小块占相邻的两行两列。",
            ),
            Mistake(
                "one_step",
                lambda k, d_model, base: shift_matrix(1, d_model, base),
                "角度里没有 k：小块要转 k·ω。",
            ),
            Mistake(
                "one_frequency",
                lambda k, d_model, base: shift_matrix(k, d_model, 1.0),
                "每一块转了同样的角度。第 i 块转 k · base^(−2i/d_model)。",
            ),
        ],
        hints=[
            "一对通道：sin(ω(p+k)) = sin(ωp)·cos(ωk) + cos(ωp)·sin(ωk)。cos 的和角公式也写出来。",
            "两行拼成 2×2：[[cos ωk, sin ωk], [−sin ωk, cos ωk]]。",
            "torch.block_diag 把各块摆到对角线上。",
        ],
        cases=lambda rng: [(1, 2, 10000.0), (3, 4, 10000.0), (-2, 6, 100.0), (int(rng.integers(5, 50)), 16, 10000.0)],
        passes="M 里没有 pos：挪同样的格数，在哪里都是同一个矩阵。",
        next="M 是正交矩阵吗？由此说出为什么 PE(p)·PE(q) 只与 q − p 有关。",
    ),
    Exercise(
        id="02-positions-5",
        title="从两个向量读出距离",
        level=3,
        minutes=12,
        task=(
            "给你 a = PE(p)、b = PE(q)，形状 [d_model]，通道相间。p、q 不告诉你，只知道 |q − p| < 100。\n"
            "写 `offset(a, b, base)`，返回整数 q − p（q 在后为正）。"
        ),
        stub="def offset(a, b, base):\n    ...",
        solution=_offset,
        mistakes=[
            Mistake(
                "fastest",
                lambda a, b, base: round(_signed_angle(a, b, 0)),
                "你用的是最快的一对：它 6 格多就转一圈，100 格里要转 15 圈，角度差只剩零头。换最慢的一对。",
            ),
            Mistake(
                "unsigned",
                lambda a, b, base: abs(_offset(a, b, base)),
                "距离对了，方向丢了：点积和 acos 只给 |q − p|。还要用 sin_b·cos_a − cos_b·sin_a 的正负。",
            ),
            Mistake("reversed", lambda a, b, base: -_offset(a, b, base), "正负号反了：q 在后面时应当是正的。"),
            Mistake(
                "radians",
                lambda a, b, base: round(_signed_angle(a, b, len(a) // 2 - 1)),
                "这是角度差，单位是弧度。除以这一对的频率，才是格数。",
            ),
        ],
        hints=[
            "最慢的一对是最后两个通道，频率 base^(−2i/d_model)，i = d_model/2 − 1。",
            "角度差的 sin 是 sin_b·cos_a − cos_b·sin_a，cos 是 cos_b·cos_a + sin_b·sin_a；再用 math.atan2。",
            "角度差除以频率，四舍五入。",
        ],
        cases=_offset_cases,
        passes="距离和方向都在两个向量里，只用乘法、加法和一次反三角就取得出来。模型要学的就是类似的事。",
        next="点积 PE(p)·PE(q) 为什么分不清前后？注意力靠什么分清？",
    ),
]
