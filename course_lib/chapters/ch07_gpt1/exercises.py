"""Exercises of chapter 07, GPT-1."""

import torch
from torch.nn.functional import cross_entropy

from course_lib.course.exercises.core import Exercise, Mistake


def _reading(one, other, start, delimiter, extract):
    return [start, *one, delimiter, *other, extract]


def _similarity(one, other, start, delimiter, extract):
    marks = (start, delimiter, extract)
    return [_reading(one, other, *marks), _reading(other, one, *marks)]


def _text_loss(logits, ids, is_token):
    losses = cross_entropy(logits[:-1], ids[1:], reduction="none")
    return losses[is_token[1:]].mean()


def _loss_cases(rng):
    cases = []
    for T, V, padded in ((3, 2, 1), (4, 3, 0), (7, 5, 2)):
        logits = torch.from_numpy(2 * rng.normal(size=(T, V)))
        cases.append((logits, torch.from_numpy(rng.integers(V, size=T)), torch.arange(T) < T - padded))
    return cases


def _extract_cases(rng):
    cases = []
    for B, T, D in ((2, 4, 2), (3, 6, 3)):
        ids = torch.from_numpy(rng.integers(1, 8, size=(B, T)))
        places = torch.from_numpy(rng.integers(1, T - 1, size=B))
        ids[torch.arange(B), places] = 9
        ids[torch.arange(T) > places[:, None]] = 0
        cases.append((torch.from_numpy(rng.normal(size=(B, T, D))), ids, 9))
    return cases


def _at_extract(x, ids, extract):
    return x[ids == extract]


def _mean_of_tokens(x, ids, extract):
    is_token = (ids != 0).to(x.dtype)[..., None]
    return (x * is_token).sum(1) / is_token.sum(1)


def _one_before(x, ids, extract):
    return x[torch.arange(len(x)), (ids == extract).int().argmax(1) - 1]


def _same_lists(got, expected):
    try:
        return [[int(token) for token in reading] for reading in got] == expected
    except TypeError:
        return False


EXERCISES = [
    Exercise(
        id="07-gpt1-1",
        title="心算：一个极小的 GPT-1",
        level=1,
        minutes=5,
        task=(
            "词表 V = 5，上下文 C = 3，宽 D = 2，只有一层，前馈宽 4D。\n"
            "输出头与词表共用，post-norm，所有线性层都有偏置。一共多少个参数？"
        ),
        stub="answer = ...  # 一个整数",
        solution=90,
        mistakes=[
            Mistake("untied", 100, "输出头与词表是同一张表，只数一次。你多数了 V·D = 10。"),
            Mistake("final_norm", 94, "你在最后多加了一个 norm（2D = 4）。那是 GPT-2 的；post-norm 每层末尾已经归一。"),
            Mistake("no_positions", 84, "位置也是学出来的一张表，C·D = 6。"),
            Mistake("no_biases", 72, "线性层有偏置：注意力 4D，前馈 5D，共 9D = 18。"),
            Mistake("no_norms", 82, "一层有两个 norm，各 2D：共 4D = 8。"),
        ],
        hints=[
            "两张表：(V + C)·D。",
            "一层：注意力 4D² + 4D，前馈 8D² + 5D，两个 norm 4D，合起来 12D² + 13D。",
            "16 + 48 + 26。",
        ],
        passes="12D² + 13D 再乘层数，加两张表，就是任何一个 GPT-1。",
        next="换成 V = 40,478、C = 512、D = 768、12 层，用 gpt1.n_parameters 核对。",
    ),
    Exercise(
        id="07-gpt1-2",
        title="相似度任务的输入",
        level=2,
        minutes=5,
        task=(
            "写 `similarity_inputs(one, other, start, delimiter, extract)`：`one`、`other` 是两句话的 id 列表，\n"
            "其余三个是记号的 id。返回要送进 GPT-1 的所有序列，列表的列表，先 one 在前的。"
        ),
        stub="def similarity_inputs(one, other, start, delimiter, extract):\n    ...",
        solution=_similarity,
        mistakes=[
            Mistake(
                "one_order",
                lambda one, other, s, d, e: [_reading(one, other, s, d, e)],
                "只读了一个次序。相似没有先后，GPT-1 两个次序都读，再把两个状态相加。",
            ),
            Mistake(
                "extract_in_front",
                lambda one, other, s, d, e: [[s, e, *a, d, *b] for a, b in ((one, other), (other, one))],
                "Extract 放到前面去了。因果掩码下它什么也没读到，看主张 C11c。",
            ),
            Mistake(
                "no_delimiter",
                lambda one, other, s, d, e: [[s, *a, *b, e] for a, b in ((one, other), (other, one))],
                "两句之间少了分隔记号，模型不知道第一句在哪里结束。",
            ),
            Mistake(
                "apart",
                lambda one, other, s, d, e: [[s, *one, e], [s, *other, e]],
                "你把两句分开读了。那样两句之间没有注意力，只能比较两个向量；GPT-1 让它们在同一个序列里。",
            ),
            Mistake(
                "mirrored",
                lambda one, other, s, d, e: [
                    _reading(one, other, s, d, e),
                    _reading(other[::-1], one[::-1], s, d, e),
                ],
                "第二个次序是两句换位，句子里面的词序不动。",
            ),
        ],
        hints=["一个序列：start、一句、delimiter、另一句、extract。", "要两个序列，两句换位。"],
        cases=lambda rng: [([1], [2], 7, 8, 9), ([1, 2, 3], [4, 5], 7, 8, 9), ([3, 1], [2, 6, 4], 10, 11, 12)],
        same=_same_lists,
        passes="同一个模型、同一个头，改的只有输入。",
        next="四选一的阅读题，一道题要送进几个序列？它们的分数怎样变成概率？",
    ),
    Exercise(
        id="07-gpt1-3",
        title="读图：省下多少标注",
        level=1,
        minutes=3,
        task=(
            "看主张 C11 的曲线（8、16、32、64、256、1,024 条标注，三个种子的平均）。\n"
            "从零训练（橙线，80 步）最少要其中哪一档的标注，才超过预训练只用 8 条时的平均正确率？"
        ),
        stub="answer = ...  # 一个整数",
        solution=256,
        mistakes=[
            Mistake("same", 8, "同样 8 条时从零训练低得多。横着看：从蓝线第一个点出发，往右走到橙线。"),
            Mistake("a_bit_more", 64, "64 条时橙线还在蓝线第一个点的下面一点。"),
            Mistake("converged", 1024, "1,024 条是两条线几乎相遇的地方。问的是橙线第一次高过蓝线第一个点。"),
            Mistake("far_below", 32, "32 条时橙线比蓝线第一个点低二十个点左右。再往右看。"),
        ],
        hints=["先读出蓝线在 8 条处的高度。", "水平往右，看橙线在哪一档第一次高过它。"],
        passes="8 条顶 256 条，是三个种子的平均；8 条时各种子相差很大。竖着看是正确率差多少，横着看是省下多少标注。",
        next="论文去掉预训练，八项平均少 14.8 个点。为什么这里标注少时差得多，多时几乎不差？看主张的“这个规模看不到”。",
    ),
    Exercise(
        id="07-gpt1-4",
        title="辅助损失：移一次，跳过补齐",
        level=2,
        minutes=8,
        task=(
            "写 `text_loss(logits, ids, is_token)`：`logits` [T, V] 是每个位置对**下一个**词的打分，`ids` [T]，\n"
            "`is_token` [T] 是布尔，补齐的地方 False（都在右边）。\n"
            "返回平均每个被预测的词的损失（nat）。补齐的词不算。"
        ),
        stub="def text_loss(logits, ids, is_token):\n    ...",
        solution=_text_loss,
        mistakes=[
            Mistake(
                "twice",
                lambda logits, ids, is_token: cross_entropy(logits[:-2], ids[2:], reduction="none")[
                    is_token[2:]
                ].mean(),
                "你移了两次，学的是下下个词。logits[t] 对 ids[t + 1]，移一次（transformers#562）。",
            ),
            Mistake(
                "not_at_all",
                lambda logits, ids, is_token: cross_entropy(logits[is_token], ids[is_token]),
                "没有移：你要它说出正在看的这个词。损失会降到 0，什么也没有学到。",
            ),
            Mistake(
                "backwards",
                lambda logits, ids, is_token: cross_entropy(logits[1:], ids[:-1], reduction="none")[
                    is_token[1:]
                ].mean(),
                "移反了方向：你在预测上一个词。logits 去掉最后一个，ids 去掉第一个。",
            ),
            Mistake(
                "padding_counts",
                lambda logits, ids, is_token: cross_entropy(logits[:-1], ids[1:]),
                "补齐的词也算进去了。它们不是文本，要按 is_token 去掉。",
            ),
            Mistake(
                "mask_of_the_seer",
                lambda logits, ids, is_token: cross_entropy(logits[:-1], ids[1:], reduction="none")[
                    is_token[:-1]
                ].mean(),
                "该问**被预测**的词是不是文本，用 is_token[1:]。用 is_token[:-1] 会把最后一个词后面的补齐也算进去。",
            ),
            Mistake(
                "divided_by_all",
                lambda logits, ids, is_token: (
                    cross_entropy(logits[:-1], ids[1:], reduction="none")[is_token[1:]].sum() / (len(ids) - 1)
                ),
                "和对了，除数不对：除以被预测的词数，不是 T − 1。",
            ),
        ],
        hints=[
            "logits[:-1] 与 ids[1:] 对齐。",
            "cross_entropy(…, reduction='none') 给出每个位置的损失。",
            "再用 is_token[1:] 挑，最后求平均。",
        ],
        cases=_loss_cases,
        passes="移一次，挑被预测的，按数目平均。三件事都对才是式 (1)。",
        next="一批里文本长短不一，先按文本平均再平均，与全部摊平再平均，什么时候不一样？",
    ),
    Exercise(
        id="07-gpt1-5",
        title="从右边补齐的批里取出 Extract",
        level=3,
        minutes=8,
        task=(
            "写 `states_at_extract(x, ids, extract)`：`x` [B, T, D] 是模型的输出，`ids` [B, T]，短的文本右边补 0。\n"
            "每行恰有一个 `extract`。返回它上面的状态，[B, D]。"
        ),
        stub="def states_at_extract(x, ids, extract):\n    ...",
        solution=_at_extract,
        mistakes=[
            Mistake(
                "last_column",
                lambda x, ids, extract: x[:, -1],
                "你取了最后一列。短文本的最后一列是补齐，不是 Extract。",
            ),
            Mistake("first_column", lambda x, ids, extract: x[:, 0], "第 0 列只读过自己。那是 BERT 的 [CLS] 的习惯。"),
            Mistake("mean", _mean_of_tokens, "你把所有词平均了。GPT-1 只读 Extract 那一个位置。"),
            Mistake("one_before", _one_before, "差一位：你取的是 Extract 前面那个词上的状态，它还没有读到 Extract。"),
        ],
        hints=["ids == extract 是布尔 [B, T]，每行一个 True。", "x[布尔 [B, T]] 得到 [B, D]，次序就是行的次序。"],
        cases=_extract_cases,
        passes="补齐在 Extract 的右边，因果掩码下它一个也看不见，所以连注意力掩码都不用给。",
        next="如果补齐在左边呢？位置编号会怎样？",
    ),
]
