"""Exercises of chapter 06, encoder and decoder."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_lib.course.exercises.core import Exercise, Mistake
from course_lib.decoding.generation import length_penalty
from course_lib.models.transformer import shift_right


def _shift_cases(rng):
    return [
        (torch.from_numpy(rng.integers(2, 9, size=(B, T))), int(rng.integers(0, 2)))
        for B, T in ((1, 2), (1, 4), (2, 5), (3, 7))
    ]


def _mask(T, n_tokens, *, strict=False, upside_down=False, future=False, swap=False):
    places = torch.arange(T)
    causal = places[None, :] < places[:, None] if strict else places[None, :] <= places[:, None]
    if future:
        causal = causal.T
    is_token = places[None, :] < n_tokens[:, None]
    mask = causal[None] & (is_token[:, :, None] if swap else is_token[:, None, :])
    return ~mask if upside_down else mask


def _mask_cases(rng):
    return [(T, torch.from_numpy(rng.integers(1, T, size=B))) for B, T in ((1, 2), (2, 3), (2, 5), (3, 6))]


def _greedy(next_logits, start, end, longest):
    ids = [start]
    for _ in range(longest):
        ids.append(int(torch.argmax(next_logits(ids))))
        if ids[-1] == end:
            break
    return ids[1:]


def _one_shot(next_logits, start, end, longest):
    """Says every token from the start token alone."""
    said = []
    for _ in range(longest):
        said.append(int(torch.argmax(next_logits([start]))))
        if said[-1] == end:
            break
    return said


def _last_only(next_logits, start, end, longest):
    """Forgets all but its last word."""
    last, said = start, []
    for _ in range(longest):
        last = int(torch.argmax(next_logits([last])))
        said.append(last)
        if last == end:
            break
    return said


def _never_ends(next_logits, start, end, longest):
    ids = [start]
    for _ in range(longest):
        ids.append(int(torch.argmax(next_logits(ids))))
    return ids[1:]


def _without_end(next_logits, start, end, longest):
    said = _greedy(next_logits, start, end, longest)
    return said[:-1] if said[-1] == end else said


def _with_start(next_logits, start, end, longest):
    return [start, *_greedy(next_logits, start, end, longest)]


@dataclass(frozen=True)
class Writer:
    """A little model: logits that depend on all words before, END (id 1) more likely as the text grows."""

    seed: int
    n_words: int = 6

    def __call__(self, ids: list[int]) -> Float[Tensor, "V"]:
        chance = torch.Generator().manual_seed(hash((self.seed, *ids)) % 2**31)
        logits = torch.rand(self.n_words, generator=chance, dtype=torch.float64)
        logits[0] = -1
        logits[1] += 0.12 * len(ids) - 0.5
        return logits

    def __repr__(self) -> str:
        said = [round(logit, 2) for logit in self([0]).tolist()]
        return f"第 {self.seed} 号小模型，读 [0] 给出 {said}"


def _writer_cases(rng):
    return [(Writer(int(rng.integers(10_000))), 0, 1, longest) for longest in (3, 8, 12, 15)]


def _score(length, log_p, alpha):
    return log_p / length_penalty(length, alpha)


def _score_cases(rng):
    return [(int(rng.integers(2, 20)), float(-rng.uniform(0.5, 9)), float(rng.uniform(0.2, 1.5))) for _ in range(4)]


EXERCISES = [
    Exercise(
        id="06-transformer-1",
        title="心算：能看见几个",
        level=1,
        minutes=4,
        task=(
            "源句 6 个 token，目标 4 个 token，一层编码器、一层解码器，没有填充。\n"
            "数一数，三处注意力里“允许看”的（查询，键）一共有几对：编码器自注意力、解码器自注意力、交叉注意力。"
        ),
        stub="answer = ...  # 一个整数",
        solution=36 + 10 + 24,
        tolerance=1e-6,
        mistakes=[
            Mistake("no_causal", 36 + 16 + 24, "解码器自注意力你数了 4×4 = 16 对。有因果掩码，只有 1+2+3+4 = 10 对。"),
            Mistake("strict", 36 + 6 + 24, "解码器里自己也看得见：第 t 行看 t 个键，共 10 对，不是 6 对。"),
            Mistake(
                "cross_causal", 36 + 10 + 10, "交叉注意力没有因果掩码：每个目标都看得见全部 6 个源 token，共 24 对。"
            ),
            Mistake("encoder_causal", 21 + 10 + 24, "编码器没有因果掩码，6×6 = 36 对都看得见。"),
            Mistake("two", 36 + 10, "还有交叉注意力：4 个查询，6 个键。"),
        ],
        hints=["编码器：每个看每个。", "解码器自注意力：第 t 行看 t 个。", "交叉：查询来自目标，键来自源，不遮。"],
        passes="36 + 10 + 24 = 70。只有解码器的自注意力是三角形。",
        next="用了 KV cache、写第 4 个字时，这三处各要算几对？",
    ),
    Exercise(
        id="06-transformer-2",
        title="写右移",
        level=1,
        minutes=5,
        task=(
            "写 `my_shift(target, start)`：`target` [B, T] 是要写出的 token，`start` 是起始符的编号。\n"
            "返回解码器的输入 [B, T]：第 t 位是第 t−1 个目标，第 0 位是 start。"
        ),
        stub="def my_shift(target, start):\n    ...",
        solution=shift_right,
        mistakes=[
            Mistake("no_shift", lambda target, start: target, "你没有移：第 t 位就放着要猜的答案，损失会飞快掉到 0。"),
            Mistake(
                "left",
                lambda target, start: torch.cat([target[:, 1:], torch.full_like(target[:, :1], start)], 1),
                "移反了：第 t 位放的是第 t+1 个目标，连答案后面的都给了。要向右移。",
            ),
            Mistake(
                "roll",
                lambda target, start: target.roll(1, dims=1),
                "roll 把最后一个绕到了最前面：第 0 位泄露了句末，而生成时那里是起始符。",
            ),
            Mistake(
                "longer",
                lambda target, start: torch.cat([torch.full_like(target[:, :1], start), target], 1),
                "多了一个 token：加了 start 就要去掉最后一个，输入和目标才一样长、逐位对齐。",
            ),
            Mistake(
                "overwrite",
                lambda target, start: torch.cat([torch.full_like(target[:, :1], start), target[:, 1:]], 1),
                "你只换掉了第一个，后面没有移：从第 1 位起，输入还是答案本身。",
            ),
            Mistake(
                "twice",
                lambda target, start: shift_right(shift_right(target, start), start),
                "移了两次：第 t 位是第 t−2 个目标，模型写字时总少看一个字。",
            ),
        ],
        hints=["前面接一列 start。", "后面少要一列：target[:, :-1]。", "torch.cat([..., ...], dim=1)。"],
        cases=_shift_cases,
        passes="一列进、一列出，长度不变。训练时各位并行，靠的就是它加上因果掩码。",
        next="目标里有填充时，右移后的填充要不要遮？为什么不遮也不影响前面？",
    ),
    Exercise(
        id="06-transformer-3",
        title="读图：谁漏了题",
        level=2,
        minutes=5,
        task=(
            "看“漏题侦探”那张图的四个案子。下面是第五个模型的体检：\n"
            "损失 0.0001；改后面的 token，前面不变；源句全换成别的，给真的前文照样每一位都对；自己写，一个也不对。\n"
            "它少了哪一行？填 'no_shift'、'no_mask'、'from_itself'、'double_shift' 之一。"
        ),
        stub='answer = ...  # 例如 "no_mask"',
        solution="no_shift",
        same=lambda got, expected: isinstance(got, str) and got.strip() == expected,
        mistakes=[
            Mistake("no_mask", "no_mask", "没有因果掩码的话，改后面的 token，前面会变。这里不变。"),
            Mistake(
                "from_itself",
                "from_itself",
                "交叉注意力读自己，等于没有源句，损失会停在很高的地方，不会是 0.0001。",
            ),
            Mistake(
                "double_shift",
                "double_shift",
                "移了两次的模型看不见要猜的字，只能靠源句；换了源句就答不对了。这里照样全对。",
            ),
        ],
        hints=[
            "损失几乎是 0，说明答案就在输入里。",
            "看不见未来，又不靠源句，答案在哪一位？",
            "就在它自己那一位。",
        ],
        passes="没有右移：第 t 位的输入就是第 t 位的答案。掩码没有坏，源句不必看，损失却是 0。",
        next="再加一条体检：把解码器的输入整个换成起始符，四个案子各会怎样？",
    ),
    Exercise(
        id="06-transformer-4",
        title="贪心地写",
        level=2,
        minutes=8,
        task=(
            "写 `my_greedy(next_logits, start, end, longest)`。\n"
            "`next_logits(ids)` 读一串 token（列表），给出下一个 token 的 logits [V]。\n"
            "从 [start] 写起，每次取最大的，写到 end 或写满 longest 个为止。返回写出的列表：含 end，不含 start。"
        ),
        stub="def my_greedy(next_logits, start, end, longest):\n    ...",
        solution=_greedy,
        same=lambda got, expected: list(map(int, got)) == list(expected),
        mistakes=[
            Mistake("one_shot", _one_shot, "每一步都只读了起始符：写出的字要接回输入，下一步才知道自己写到哪里。"),
            Mistake("last_only", _last_only, "你只把最后一个字交给了模型。没有缓存时，要交写过的全部。"),
            Mistake("never_ends", _never_ends, "写到 end 要停：end 之后模型没有学过要说什么。"),
            Mistake(
                "without_end", _without_end, "返回的列表要含 end：评分和束搜索都要知道它是自己停的，还是被截断的。"
            ),
            Mistake("with_start", _with_start, "起始符不是模型写的，返回时去掉它。"),
        ],
        hints=["ids = [start]，循环 longest 次。", "next_logits(ids).argmax()。", "追加，碰到 end 就 break。"],
        cases=_writer_cases,
        passes="训练时各位并行，写字时只能一个接一个：第 t 个字的输入里有第 t−1 个字。",
        next="把它改成每步只把新字交给带缓存的 Translator，结果应当一样。",
    ),
    Exercise(
        id="06-transformer-5",
        title="两种掩码合成一张",
        level=3,
        minutes=8,
        task=(
            "解码器自注意力里，目标也常有填充。写 `decoder_mask(T, n_tokens)`：\n"
            "`n_tokens` [B] 是每句话真正的 token 数（都在左边），返回布尔 [B, T, T]，True 表示可以看。\n"
            "第 b 句第 t 个查询可以看第 s 个键，当且仅当 s ≤ t 而且 s 不是填充。"
        ),
        stub="def decoder_mask(T, n_tokens):\n    ...",
        solution=_mask,
        mistakes=[
            Mistake("no_padding", lambda T, n: _mask(T, torch.full_like(n, T)), "只有因果，没有遮填充的键。"),
            Mistake(
                "no_causal",
                lambda T, n: _mask(T, n) | _mask(T, n, future=True),
                "只遮了填充，没有遮未来：两张掩码要“与”，不是二选一。",
            ),
            Mistake(
                "queries",
                lambda T, n: _mask(T, n, swap=True),
                "填充的查询整行都遮住了。只遮填充的键（列）：整行遮住，softmax 会变成 NaN。",
            ),
            Mistake("strict", lambda T, n: _mask(T, n, strict=True), "自己也可以看：s ≤ t，不是 s < t。"),
            Mistake("upside_down", lambda T, n: _mask(T, n, upside_down=True), "真假反了：True 是可以看。"),
            Mistake("future", lambda T, n: _mask(T, n, future=True), "三角的方向反了：你让它看自己和右边。"),
        ],
        hints=[
            "因果：torch.ones(T, T, dtype=torch.bool).tril()，形状 [T, T]。",
            "是 token：torch.arange(T) < n_tokens[:, None]，形状 [B, T]，放到键的轴上：[:, None, :]。",
            "两者用 & 合起来。",
        ],
        cases=_mask_cases,
        passes="填充在右边时，真正的查询本来就看不到它：因果掩码已经挡住了。填充在左边时才非遮不可。",
        next="把填充放到左边再写一遍，看第一行会发生什么。",
    ),
    Exercise(
        id="06-transformer-6",
        title="长度惩罚",
        level=2,
        minutes=5,
        task=(
            "写 `my_score(length, log_p, alpha)`：论文的束搜索分数，log_p / ((5 + length) / 6)^alpha。\n"
            "length 是写出的 token 数（含结束符），log_p 是整句的对数概率（负数）。"
        ),
        stub="def my_score(length, log_p, alpha):\n    ...",
        solution=_score,
        mistakes=[
            Mistake(
                "hf",
                lambda length, log_p, alpha: log_p / length**alpha,
                "这是 transformers 的公式，除以 length^α。论文（GNMT）的是 ((5 + length)/6)^α。",
            ),
            Mistake(
                "times",
                lambda length, log_p, alpha: log_p * length_penalty(length, alpha),
                "你乘了惩罚。log_p 是负的，长句越乘越差；要除。",
            ),
            Mistake(
                "mean",
                lambda length, log_p, alpha: log_p / length,
                "这是每个 token 的平均，等于 length^1，没有用到 α。",
            ),
            Mistake(
                "no_power",
                lambda length, log_p, alpha: log_p / (alpha * (5 + length) / 6),
                "α 是指数，不是系数。",
            ),
        ],
        hints=["先算 (5 + length) / 6。", "再取 alpha 次方：**。", "log_p 除以它。"],
        cases=_score_cases,
        passes="α = 0 时不惩罚，束搜索偏爱短句；α 越大，长句越占便宜。",
        next="length = 1 时惩罚总是 1。为什么分母取 6？",
    ),
]
