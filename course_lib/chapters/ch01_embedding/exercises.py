"""Exercises of chapter 01, words as vectors and tokens."""

from itertools import pairwise

import torch

from course_lib.course.exercises.core import Exercise, Mistake


def _embedding_grad(ids, upstream, n_vocab):
    grad = torch.zeros(n_vocab, upstream.shape[-1], dtype=upstream.dtype)
    return grad.index_add(0, ids, upstream)


def _one_by_one(ids, upstream, n_vocab):
    """The gradient of the last place where an id stands overwrites the others."""
    grad = torch.zeros(n_vocab, upstream.shape[-1], dtype=upstream.dtype)
    for i, row in zip(ids.tolist(), upstream):
        grad[i] = row
    return grad


def _averaged(ids, upstream, n_vocab):
    return _embedding_grad(ids, upstream, n_vocab) / torch.bincount(ids, minlength=n_vocab).clamp(min=1)[:, None]


def _embedding_cases(rng):
    cases = []
    for n_tokens, n_vocab, d_model in ((3, 4, 2), (6, 3, 2), (12, 8, 4)):
        ids = torch.from_numpy(rng.integers(0, n_vocab - 1, size=n_tokens))  # the last row is never looked up
        ids[1] = ids[0]
        cases.append((ids, torch.from_numpy(rng.normal(size=(n_tokens, d_model))), n_vocab))
    return cases


def _glue_ids(ids, pair, new):
    glued, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            glued.append(new)
            i += 2
        else:
            glued.append(ids[i])
            i += 1
    return glued


def _skip_one(ids, pair, new):
    """Notes the new token but leaves the second of the pair standing."""
    return [new if tuple(ids[i : i + 2]) == pair else token for i, token in enumerate(ids)]


def _first_only(ids, pair, new):
    for i in range(len(ids) - 1):
        if tuple(ids[i : i + 2]) == pair:
            return [*ids[:i], new, *ids[i + 2 :]]
    return list(ids)


def _from_the_right(ids, pair, new):
    return _glue_ids(ids[::-1], pair[::-1], new)[::-1]


def _unordered(ids, pair, new):
    glued, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) in (pair, pair[::-1]):
            glued.append(new)
            i += 2
        else:
            glued.append(ids[i])
            i += 1
    return glued


def _glue_cases(rng):
    fixed = [([1, 2, 3], (1, 2), 9), ([1, 1, 1], (1, 1), 9), ([2, 1, 2, 1, 2], (1, 2), 9), ([7], (7, 7), 9)]
    drawn = [(rng.integers(0, 3, size=n).tolist(), pair, 256) for n in (8, 15) for pair in ((0, 1), (1, 1), (2, 0))]
    return fixed + drawn


def _stream(pieces):
    held, texts = b"", []
    for piece in pieces:
        held += piece
        text = held.decode("utf-8", errors="ignore")  # 完整的字；末尾不完整的字节被略过
        held = held[len(text.encode()) :]  # 略过的留到下一次
        texts.append(text)
    return texts


def _all_or_nothing(pieces):
    held, texts = b"", []
    for piece in pieces:
        held += piece
        try:
            texts.append(held.decode())
            held = b""
        except UnicodeDecodeError:
            texts.append("")
    return texts


def _nothing_let_go(pieces):
    return [b"".join(pieces[: i + 1]).decode("utf-8", errors="ignore") for i in range(len(pieces))]


def _stream_cases(rng):
    # 红 and 线 share two bytes; the second token holds all of 红 and the beginning of 线
    cases = [(["红线".encode()[:2], "红线".encode()[2:5], "红线".encode()[5:]],), ([b"red", "红".encode()],)]
    for n_characters in (4, 9):
        data = "".join(rng.choice(list("红线纸级蓝圆a b1é"), size=n_characters)).encode()
        cuts = sorted({0, len(data), *rng.integers(1, len(data), size=n_characters).tolist()})
        cases.append(([data[start:end] for start, end in pairwise(cuts)],))
    return cases


EXERCISES = [
    Exercise(
        id="01-onehot-1",
        title="两个 one-hot 相距多远",
        level=1,
        minutes=3,
        task=(
            "词表有 50,257 个词元。任取两个不同的词元，写出它们的 one-hot 向量。\n"
            "不用电脑，说出这两个向量之间的欧氏距离，保留两位小数。"
        ),
        stub="answer = ...  # 一个数",
        solution=1.41,
        tolerance=0.012,
        mistakes=[
            Mistake("product", 0.0, "0 是内积。相减以后有两位不是 0，距离不是 0。"),
            Mistake("squared", 2.0, "2 是距离的平方：1² + (−1)²。再开一次方。"),
            Mistake("one", 1.0, "相减以后不止一位非零：一处是 1，另一处是 −1。"),
            Mistake("grows", 224.18, "√50257 是 V 维全 1 向量的长度。这里只有两位不是 0，与词表多大无关。"),
        ],
        hints=[
            "设一个的 1 在第 i 位，另一个在第 j 位。相减以后，哪几位不是 0？",
            "一处是 1，一处是 −1，其余全是 0。",
            "长度 = √(1² + 1²)。",
        ],
        passes="任何两个不同的词元都相距 √2，不管词表多大：one-hot 里没有谁与谁更近。",
        next="三个不同的 one-hot 向量两两相连，是什么三角形？四个呢？",
    ),
    Exercise(
        id="01-embedding-2",
        title="自己写词向量表的梯度",
        level=2,
        minutes=8,
        task=(
            "写 `embedding_grad(ids, upstream, n_vocab)`：`ids` 形状 [T]，`upstream` 形状 [T, D]，是传回来的梯度。\n"
            "返回词向量表的梯度，形状 [V, D]，V = n_vocab。不造 one-hot 矩阵也能做到；造了也算对。"
        ),
        stub="def embedding_grad(ids, upstream, n_vocab):\n    ...",
        solution=_embedding_grad,
        mistakes=[
            Mistake(
                "overwritten",
                _one_by_one,
                "同一个编号出现几次，你只留下了最后一次。`grad[ids] += upstream` 也会这样：重复的编号不会累加。"
                "几份梯度要相加。",
            ),
            Mistake(
                "averaged", _averaged, "你除以了出现的次数。梯度相加，不取平均：出现两次的词元本来就影响损失两次。"
            ),
            Mistake(
                "everywhere",
                lambda ids, upstream, n_vocab: upstream.sum(0, keepdim=True).repeat(n_vocab, 1),
                "每一行都收到了全部的梯度。没有被查到的行应当恰好是 0。",
            ),
            Mistake(
                "not_scattered",
                lambda ids, upstream, n_vocab: upstream.clone(),
                "这还是 [T, D]，每个位置一行。要把它们放回 [V, D]：第 t 行加到第 ids[t] 行上。",
            ),
        ],
        hints=[
            "先造一张全 0 的 [V, D] 表。",
            "第 t 行的梯度加到表的第 ids[t] 行上。先写成一个循环。",
            "torch 里有 index_add；或者 one_hot(ids).T @ upstream。",
        ],
        cases=_embedding_cases,
        passes="查表的反向就是“按编号加回去”。PyTorch 的 embedding 反向做的正是这件事。",
        next="一批文本里“的”出现 500 次，“麒麟”出现 1 次。两行的梯度大小差多少？Adam 会怎样改变这一点？",
    ),
    Exercise(
        id="01-bpe-3",
        title="读图：第一个两字词",
        level=1,
        minutes=4,
        task=("看“头 40 次合并”那张图，每个框左上角是次序。\n第几次合并第一次得到**由两个汉字组成**的词元？"),
        stub="answer = ...  # 一个整数",
        solution=22,
        mistakes=[
            Mistake("half", 1, "第 1 次得到的 E4 B8 是两个**字节**，还不到一个汉字。"),
            Mistake("comma", 3, "第 3 次是逗号：第一个完整的字符，但只有一个。"),
            Mistake("single", 5, "第 5 次是“的”：第一个完整的汉字，但只有一个。"),
            Mistake("part", 10, "第 10 次是“个”，一个字。它要与“一”并在一起，还得再等几次。"),
        ],
        hints=["只看实线的蓝框。", "框里有两个汉字的，是哪一个？", "它由第 6 次和第 10 次的结果合成。"],
        passes="要先有“一”（第 6 次）和“个”（第 10 次），才可能有“一个”。大的总由先学到的小的拼成。",
        next="“一个”排在“和”“数”“不”之前，说明什么？它的次数至少是多少？",
    ),
    Exercise(
        id="01-bpe-4",
        title="合并一对",
        level=2,
        minutes=8,
        task=(
            "写 `glue_ids(ids, pair, new)`：`ids` 是编号的列表，`pair` 是两个编号的元组，`new` 是新编号。\n"
            "从左到右，把每一处相邻的 pair 换成 new，返回新的列表。"
        ),
        stub="def glue_ids(ids, pair, new):\n    ...",
        solution=_glue_ids,
        mistakes=[
            Mistake("skip_one", _skip_one, "并成一个以后，第二个编号还留着。匹配上就要一次走两步。"),
            Mistake("first_only", _first_only, "只换了第一处。这一对出现在哪里，就要换到哪里。"),
            Mistake(
                "from_the_right", _from_the_right, "1 1 1 里并 (1, 1)：你从右边开始，得到 1 9。约定是从左边，得到 9 1。"
            ),
            Mistake("unordered", _unordered, "(2, 1) 不是 (1, 2)。对是有次序的。"),
        ],
        hints=[
            "用下标 i 走一遍，不要在遍历时改原来的列表。",
            "看 ids[i] 和 ids[i + 1]；别忘了最后一个没有右邻。",
            "匹配：放 new，i 加 2。不匹配：放 ids[i]，i 加 1。",
        ],
        cases=_glue_cases,
        passes="训练和编码用的是同一步。反复做它，就是整个 BPE。",
        next="编码一句话时，应当先找哪一对来合并？为什么不是最左边的那一对？",
    ),
    Exercise(
        id="01-utf8-5",
        title="边生成边显示",
        level=3,
        minutes=12,
        task=(
            "模型一个词元一个词元地写，每个词元是几个字节。写 `stream(pieces)`：`pieces` 是 bytes 的列表，\n"
            "返回同样长的字符串列表：第 k 个是收到第 k 个词元时**新**显示的文字。\n"
            "不完整的字节先拿住，等凑成完整的字再显示；已经完整的字立刻显示。全部连起来要等于原文。"
        ),
        stub="def stream(pieces):\n    ...",
        solution=_stream,
        mistakes=[
            Mistake(
                "each_alone",
                lambda pieces: [piece.decode("utf-8", errors="replace") for piece in pieces],
                "每个词元单独解码，半个字变成了 �，后面再也补不回来。不完整的字节要留到下一次。",
            ),
            Mistake(
                "dropped",
                lambda pieces: [piece.decode("utf-8", errors="ignore") for piece in pieces],
                'errors="ignore" 把半个字的字节丢掉了，字就没了。略过的要留着。',
            ),
            Mistake(
                "all_or_nothing",
                _all_or_nothing,
                "要等手里的字节**全都**合法才放行，完整的字也被扣住了。先放完整的，只拿住末尾不完整的几个字节。",
            ),
            Mistake("nothing_let_go", _nothing_let_go, "每次都从头显示了一遍。要的是这一步新出现的文字。"),
            Mistake(
                "at_the_end",
                lambda pieces: [""] * (len(pieces) - 1) + [b"".join(pieces).decode()],
                "全部攒到最后才显示。读者要边写边看，完整的字应当立刻放出来。",
            ),
        ],
        hints=[
            "用一个变量 held 记着还没显示的字节，每来一个词元就接在后面。",
            "held 的前面是完整的字，末尾最多缺一个字。怎样知道完整的部分有多长？",
            'text = held.decode(errors="ignore") 是完整的部分；len(text.encode()) 是它的字节数。',
        ],
        cases=_stream_cases,
        passes="聊天界面里逐字冒出来的回答，后台就有这样一段。标准库的 codecs.getincrementaldecoder 做同样的事。",
        next="如果模型真的写出一个永远凑不齐的字节，你的函数会一直扣着吗？该怎么收场？",
    ),
]
