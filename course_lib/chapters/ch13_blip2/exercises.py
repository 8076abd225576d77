"""Exercises of chapter 13, BLIP-2: which query speaks, a mask that is not square, a loss behind a prefix, who votes,
what a prefix costs, and a gradient through a frozen model.

B pictures · Q queries · L words of a text · S = Q + L
"""

import torch
from torch.nn.functional import cross_entropy

from course_lib.course.exercises.core import Exercise, Mistake


def words_see(is_token, n_queries):
    B, L = is_token.shape
    earlier = torch.ones(L, L, dtype=torch.bool).tril()
    queries = torch.ones(B, L, n_queries, dtype=torch.bool)
    return torch.cat([queries, is_token[:, None, :] & earlier], dim=-1)


def _mask(answer, is_token, n_queries):
    """Also as the rooms write it, [B 1 L S], as 0 and 1, or as what is added to scores, 0 and −∞."""
    mask = answer(is_token, n_queries)
    if isinstance(mask, torch.Tensor) and mask.dtype != torch.bool:
        mask = mask == 0 if (mask < 0).any() else mask > 0
    return mask[:, 0] if isinstance(mask, torch.Tensor) and mask.ndim == 4 else mask


def _whole(is_token, n_queries):
    """[B S S]: figure 2's square, queries' rows included."""
    queries = torch.zeros(len(is_token), n_queries, n_queries + is_token.shape[1], dtype=torch.bool)
    queries[..., :n_queries] = True
    return torch.cat([queries, words_see(is_token, n_queries)], dim=1)


def _texts(rng):
    rows = ([[2], 2, 1], [[2, 3], 3, 2], [[4, 1], 4, 2], [[5, 3, 4], 5, 3])  # words of each text, width, queries
    return [(torch.arange(width) < torch.tensor(n)[:, None], n_queries) for n, width, n_queries in rows]


def _beside(is_token, n_queries, square):
    """[B L S]: everyone sees the queries; of the words, `square` [L L] without padding."""
    B, L = is_token.shape
    return torch.cat([torch.ones(B, L, n_queries, dtype=torch.bool), is_token[:, None, :] & square], dim=-1)


def _ones(is_token, *more):
    L = is_token.shape[1]
    return torch.ones(L, L + sum(more), dtype=torch.bool)


def caption_loss(logits, ids, is_token, n_queries):
    real = is_token[:, 1:]
    return cross_entropy(logits[:, n_queries:-1][real], ids[:, 1:][real])


def _of(logits, targets, kept):
    return cross_entropy(logits[kept], targets[kept])


def _logits(rng):
    cases = []
    for lengths, width, n_queries, n_vocab in ([[3, 2], 3, 2, 4], [[4, 2], 4, 1, 5], [[5, 3, 4], 5, 3, 6]):
        is_token = torch.arange(width) < torch.tensor(lengths)[:, None]
        logits = 2 * torch.from_numpy(rng.normal(size=(len(lengths), n_queries + width, n_vocab)))
        cases.append((logits, torch.from_numpy(rng.integers(n_vocab, size=is_token.shape)), is_token, n_queries))
    return cases


def match_probability(x, weight, bias, n_queries):
    logits = x[:, :n_queries] @ weight.T + bias
    return logits.mean(dim=1).softmax(dim=-1)[:, 1]


def _scores(x, weight, bias):
    return x @ weight.T + bias


def _answers(rng):
    cases = []
    for B, Q, L, D in ((2, 2, 1, 2), (2, 3, 2, 3), (3, 4, 5, 4)):
        normal = [torch.from_numpy(rng.normal(size=size, scale=1.5)) for size in ((B, Q + L, D), (2, D), (2,))]
        cases.append((*normal, Q))
    return cases


def through_frozen(prefix, weight, target):
    prefix = prefix.clone().requires_grad_()
    said = torch.tanh(prefix @ weight)
    loss = (said - target).square().sum() + prefix.square().sum() / 2
    loss.backward()
    return prefix.grad


CUT = """
def my_gradient(prefix, weight, target):
    prefix = prefix.clone().requires_grad_()
    with torch.no_grad():  # 语言模型是冻结的
        said = torch.tanh(prefix @ weight)
    loss = (said - target).square().sum() + prefix.square().sum() / 2
    loss.backward()
    return prefix.grad
"""


def _gradient(answer, prefix, weight, target):
    """What it returns; [0] where None comes of a prefix that does ask for a gradient, [0 0] where nothing asks."""
    try:
        found = answer(prefix, weight, target)
    except RuntimeError as error:
        if "does not require grad" not in str(error):
            raise
        return torch.empty(0, 0)
    asked = isinstance(prefix, torch.Tensor) and prefix.requires_grad
    return torch.empty(0) if found is None and asked else found


def _no_leaf(prefix, weight, target):
    prefix.requires_grad_()  # and then its clone is asked for a gradient, which is none


def _not_asked(prefix, weight, target):
    (torch.tanh(prefix @ weight) - target).square().sum().backward()


def _slope(prefix, weight, target):
    """Of the first term, what comes back through the frozen model."""
    said = torch.tanh(prefix @ weight)
    return 2 * (said - target) * (1 - said**2)


def _frozen(rng):
    return [
        tuple(torch.from_numpy(rng.normal(size=size, scale=0.7)) for size in ((n, D), (D, V), (n, V)))
        for n, D, V in ((1, 2, 2), (2, 2, 3), (3, 4, 4))
    ]


EXERCISES = [
    Exercise(
        id="13-blip2-1",
        title="心算：哪个查询说话",
        level=1,
        minutes=5,
        task=(
            "一张图，三个查询。它们的输出与第一句话的余弦是 0.2、0.62、0.05，与第二句话的是 0.5、0.3、0.4。τ = 0.1。\n"
            "只比这两句，ITC 给第一句的概率是多少？保留两位小数。"
        ),
        stub="answer = ...  # 0 到 1 的数，或百分数",
        solution=0.7685,
        tolerance=0.012,
        percent=True,
        mistakes=[
            Mistake("mean", 0.2497, "你把三个查询平均了。ITC 取最大的：最像这句话的那个查询代表这张图。"),
            Mistake("sum", 0.0356, "你把三个查询加起来了。ITC 取最大的一个。"),
            Mistake("no_temperature", 0.53, "忘了除以温度：0.62 − 0.5 = 0.12，除以 0.1 是 1.2。"),
            Mistake("times", 0.503, "温度要除，不是乘：0.12 / 0.1 = 1.2。"),
            Mistake("first_query", 0.0474, "你只看了第一个查询。每句话各自挑最像它的查询。"),
            Mistake("last_query", 0.0293, "你只看了最后一个查询，或取了最小的。每句话各自挑最像它的查询。"),
            Mistake("same_query", 0.9608, "你让两句话共用第二个查询。第二句挑的是第一个查询，0.5。"),
            Mistake("other_text", 0.2315, "这是第二句的概率。"),
            Mistake("loss", 0.2633, "这是损失 −ln。题目问概率。"),
            Mistake("all_six", 0.6803, "你对六个余弦一起做了 softmax。先在查询里取最大，再在句子里做 softmax。"),
            Mistake("ratio", 0.5536, "0.62/(0.62+0.5) 没有取指数，也没有用温度。"),
            Mistake("wrong_axis", 0.982, "你在三个查询里做了 softmax。查询里取最大；softmax 在句子里做。"),
        ],
        hints=["每句话先在三个查询里取最大：两个数。", "e^(6.2) 对 e^(5)，只看差 1.2。"],
        passes="第一句由第二个查询代表，第二句由第一个查询代表：同一张图，对不同的话由不同的查询出面。",
        follow_up=Exercise(
            id="13-blip2-1-next",
            level=2,
            minutes=3,
            task="还是这两句话。ITC 的这一项损失，直接传给几个查询的输出？（梯度不是零的有几个）",
            stub="answer = ...  # 一个整数",
            solution=2,
            tolerance=1e-6,
            mistakes=[
                Mistake("all", 3, "取最大只让最大的那个收到梯度。第三个查询两句话都没有选上。"),
                Mistake("one", 1, "两句话挑的查询不同：第二个和第一个。"),
                Mistake("none", 0, "取最大可以求导：最大的那个收到梯度。"),
                Mistake("texts", 6, "只有三个查询。对每句话，只有最大的那个收到梯度。"),
            ],
            passes="没选上的查询从这一项里什么也学不到，靠 ITM（各查询投票）和 ITG（字读全部查询）学。",
        ),
    ),
    Exercise(
        id="13-blip2-2",
        title="修：掩码少了几列",
        level=2,
        minutes=7,
        kind="repair",
        task=(
            "ITG。查询已经跑完，键和值存在缓存里；现在只送字进去。缓存里的查询排在字的前面。\n"
            "`is_token` [B, L] 布尔，填充处是 False，填充都在句尾；`n_queries` 是查询的个数 Q。"
            "要返回 [B, L, Q+L] 的掩码，True（或 1）是第 i 个字可以读第 j 列。填充不许被读；"
            "填充所在的行不必特别处理。\n"
            "找出错误，写出改好的 `my_mask(is_token, n_queries)`。"
        ),
        program=(
            "def my_mask(is_token, n_queries):\n"
            "    L = is_token.shape[1]\n"
            "    return is_token[:, None, :] & torch.ones(L, L, dtype=torch.bool).tril()"
        ),
        symptom="一算注意力就报错：分数有 Q + L 列，掩码只有 L 列，对不上。",
        stub="def my_mask(is_token, n_queries):\n    ...",
        solution=words_see,
        mistakes=[
            Mistake(
                "program",
                lambda is_token, n: is_token[:, None, :] & _ones(is_token).tril(),
                "还是 L 列。能被读的有缓存里的 Q 个查询，再加 L 个字：前面要补 Q 列。",
            ),
            Mistake(
                "not_causal",
                lambda is_token, n: _beside(is_token, n, _ones(is_token)),
                "字看得见后面的字：ITG 是写，答案就在输入里。",
            ),
            Mistake(
                "upside_down",
                lambda is_token, n: _beside(is_token, n, _ones(is_token).triu()),
                "三角形上下反了：字读自己和前面，tril。",
            ),
            Mistake(
                "queries_hidden",
                lambda is_token, n: (
                    _beside(is_token, n, _ones(is_token).tril()) & (torch.arange(n + len(is_token[0])) >= n)
                ),
                "补了 Q 列，却都填了 False：字看不见查询，就完全看不见图。",
            ),
            Mistake(
                "queries_behind",
                lambda is_token, n: _beside(is_token, n, _ones(is_token).tril()).roll(-n, dims=-1),
                "查询在前，字在后：补的 Q 列要放在左边。",
            ),
            Mistake(
                "padding_read",
                lambda is_token, n: _beside(torch.ones_like(is_token), n, _ones(is_token).tril()),
                "填充也被读了。字的那 L 列还要与 is_token 求“与”。",
            ),
            Mistake(
                "triangle_of_the_whole",
                lambda is_token, n: _beside(is_token, n, _ones(is_token)) & _ones(is_token, n).tril(),
                "三角形要从字的那一列开始：整个 [L, Q+L] 直接 tril，前面的字连查询都看不全。",
            ),
            Mistake(
                "rows_of_padding",
                lambda is_token, n: torch.cat(
                    [torch.ones(*is_token.shape, n, dtype=torch.bool), is_token[:, :, None] & _ones(is_token).tril()],
                    dim=-1,
                ),
                "你挡的是填充那几行。要挡的是列：没有谁可以读填充。",
            ),
            Mistake(
                "one_ahead",
                lambda is_token, n: _beside(is_token, n, _ones(is_token).tril(1)),
                "多看了一个：下一个字正是要猜的答案。",
            ),
            Mistake(
                "not_itself",
                lambda is_token, n: _beside(is_token, n, _ones(is_token).tril(-1)),
                "字也要读自己。",
            ),
            Mistake(
                "square",
                lambda is_token, n: (
                    torch.cat([torch.ones(len(is_token), 1, n, dtype=torch.bool), is_token[:, None, :]], dim=-1)
                    & torch.ones(n + is_token.shape[1], n + is_token.shape[1], dtype=torch.bool).tril()
                ),
                "行数多了：这次送进去的只有 L 个字，查询已经跑完，不占行。",
            ),
            Mistake(
                "whole",
                _whole,
                "你把图 2 的整个方块画出来了。查询已经跑完，这次不占行：只要字的 L 行，列还是 Q + L。",
            ),
            Mistake("inverted", lambda is_token, n: ~words_see(is_token, n), "真假反了：True 是可以读。"),
            Mistake(
                "transposed",
                lambda is_token, n: words_see(is_token, n).transpose(1, 2),
                "转置了：行是谁在读（L 个字），列是读谁（Q + L）。",
            ),
        ],
        hints=["列是能被读的一切：Q 个查询，L 个字。", "torch.cat([…[B, L, Q]，全是 True；…[B, L, L]], dim=-1)。"],
        cases=_texts,
        call=_mask,
        passes="掩码不必是方的：行是这次送进去的，列是能被读的。LAVIS 的 436、779 号 issue 问的就是这几列。",
        follow_up=Exercise(
            id="13-blip2-2-next",
            level=2,
            minutes=2,
            kind="choice",
            task="查询的键和值可以先算好存起来，换成 ITM 还行不行？",
            choices={
                "A": "行，查询都是同样的参数",
                "B": "不行，ITM 里查询要读字，字变了，查询各层的输出也变",
                "C": "不行，ITM 没有因果掩码，缓存只能用在因果掩码上",
            },
            stub='answer = "..."  # A、B 或 C',
            solution="B",
            mistakes=[
                Mistake("same", "A", "参数一样，各层的输出不一样：ITM 里查询读了字，第二层的键就跟着字变。"),
                Mistake("causal", "C", "ITG 里查询之间也不是因果的，照样能存。要紧的是存下来的那一半看不看后来的。"),
            ],
            passes="能先算好的，是不看后来者的那一半。",
        ),
    ),
    Exercise(
        id="13-blip2-3",
        title="修：学不会写的第二阶段",
        level=2,
        minutes=8,
        kind="repair",
        task=(
            "第二阶段。语言模型读 [前缀；字]，给出 `logits` [B, Q+L, V]，前 Q 行在前缀上。"
            "`ids` [B, L] 是字，第 0 个是开头的词元，不必猜；`is_token` [B, L] 填充处是 False，填充在句尾。\n"
            "要返回一个数：第 1 个字起，每个真的字的交叉熵，全部一起平均。"
            "找出错误，写出改好的 `my_loss(logits, ids, is_token, n_queries)`。"
        ),
        program=(
            "def my_loss(logits, ids, is_token, n_queries):\n"
            "    L = ids.shape[1]\n"
            "    real = is_token[:, 1:]\n"
            "    rows = logits[:, : L - 1]\n"
            "    return torch.nn.functional.cross_entropy(rows[real], ids[:, 1:][real])"
        ),
        symptom="损失降得慢，写出来的句子前言不搭后语。单看语言模型，读文字时明明很好。",
        stub="def my_loss(logits, ids, is_token, n_queries):\n    ...",
        solution=caption_loss,
        mistakes=[
            Mistake(
                "program",
                lambda z, ids, t, n: _of(z[:, : ids.shape[1] - 1], ids[:, 1:], t[:, 1:]),
                "还是从第 0 行取：前 Q 行在前缀上，不是字。第 0 个字在第 Q 行。",
            ),
            Mistake(
                "no_shift",
                lambda z, ids, t, n: _of(z[:, n:], ids, t),
                "没有错开一位：第 i 个字的那一行猜的是第 i + 1 个字。",
            ),
            Mistake(
                "own_row",
                lambda z, ids, t, n: _of(z[:, n + 1 :], ids[:, 1:], t[:, 1:]),
                "没有错开：你让每个字的那一行猜它自己，它刚读到的。第 i 个字由前一行猜。",
            ),
            Mistake(
                "row_early",
                lambda z, ids, t, n: _of(z[:, n - 1 : -2], ids[:, 1:], t[:, 1:]),
                "早了一行：第 1 个字该由第 0 个字的那一行猜，就是第 Q 行，不是前缀的最后一行。",
            ),
            Mistake(
                "own_targets",
                lambda z, ids, t, n: _of(z[:, n:-1], ids[:, :-1], t[:, 1:]),
                "目标没有错开：要猜的字是 ids[:, 1:]，和挑它们的 is_token[:, 1:] 一样。",
            ),
            Mistake(
                "one_row_more",
                lambda z, ids, t, n: _of(z[:, n:], ids[:, 1:], t[:, 1:]),
                "布尔下标的行数对不上。若行取的是 logits[:, Q:]，那是 L 行，"
                "要猜的字只有 L − 1 个：最后一行后面没有字。",
            ),
            Mistake(
                "padding_counted",
                lambda z, ids, t, n: cross_entropy(z[:, n:-1].flatten(0, 1), ids[:, 1:].flatten()),
                "填充也算了损失：模型会学着写填充。用 is_token 挑出真的字。",
            ),
            Mistake(
                "wrong_way",
                lambda z, ids, t, n: _of(z[:, n + 1 :], ids[:, :-1], t[:, :-1]),
                "错开的方向反了：你让每个字猜它前面的字。",
            ),
            Mistake(
                "start_counted",
                lambda z, ids, t, n: _of(z[:, n - 1 : -1], ids, t),
                "开头的词元也算进去了：它总是一样，不必猜，题目从第 1 个字起。",
            ),
            Mistake(
                "sum",
                lambda z, ids, t, n: caption_loss(z, ids, t, n) * t[:, 1:].sum(),
                "你加起来了。要平均：除以真的字的个数。",
            ),
            Mistake(
                "mean_of_means",
                lambda z, ids, t, n: torch.stack(
                    [caption_loss(z[b : b + 1], ids[b : b + 1], t[b : b + 1], n) for b in range(len(ids))]
                ).mean(),
                "你先在每句里平均，再平均各句：短句的字就更重了。全部真的字一起平均。",
            ),
            Mistake(
                "over_all",
                lambda z, ids, t, n: caption_loss(z, ids, t, n) * t[:, 1:].sum() / t[:, 1:].numel(),
                "分母里有填充。除以真的字的个数。",
            ),
            Mistake(
                "mask_of_readers",
                lambda z, ids, t, n: _of(z[:, n:-1], ids[:, 1:], t[:, :-1]),
                "掩码要看**被猜的**字是不是真的：is_token[:, 1:]，不是 [:, :-1]。",
            ),
            Mistake(
                "probabilities",
                lambda z, ids, t, n: _of(z[:, n:-1].softmax(-1), ids[:, 1:], t[:, 1:]),
                "cross_entropy 要分数，它自己会做 softmax：你做了两次。",
            ),
            Mistake(
                "not_by_words",
                lambda z, ids, t, n: _of(z[:, n:-1], ids[:, :-1], t[:, :-1]),
                "目标没有错开：第 i 行你让它猜的是第 i 个字，就是它刚读到的。",
            ),
            Mistake(
                "queries_too",
                lambda z, ids, t, n: cross_entropy(
                    z[:, :-1].flatten(0, 1), torch.cat([torch.zeros_like(z[:, :n, 0]).long(), ids[:, 1:]], 1).flatten()
                ),
                "前缀那几行也算了损失：前缀是读的，没有要猜的字。",
            ),
        ],
        hints=["第 0 个字在第几行？它要猜的是第几个字？", "行：Q 到倒数第二行。目标：第 1 个字到最后。"],
        cases=_logits,
        passes="前缀只供读，不算损失；每一行猜后一个字；填充不算。返回的要是张量，.item() 以后梯度就断了。",
        follow_up=Exercise(
            id="13-blip2-3-next",
            level=1,
            minutes=2,
            task="32 个查询，一批 4 句，每句 12 个词元（含开头），没有填充。损失是多少个位置的平均？",
            stub="answer = ...  # 一个整数",
            solution=44,
            tolerance=1e-6,
            mistakes=[
                Mistake("no_shift", 48, "开头的词元不必猜：每句 11 个位置。"),
                Mistake("with_prefix", 172, "前缀的 32 个位置不算损失。"),
                Mistake("all_places", 176, "前缀的 32 个位置不算，开头的词元也不算。"),
                Mistake("one_text", 11, "这是一句的。一批 4 句。"),
                Mistake("one_whole_text", 12, "这是一句的词元。一批 4 句，每句 11 个要猜。"),
                Mistake("two_less", 40, "每句只少一个位置：开头的。末尾的字也要猜。"),
            ],
            passes="4 × 11。前缀再长，损失的位置也不变。",
        ),
    ),
    Exercise(
        id="13-blip2-4",
        title="谁来投票",
        level=1,
        minutes=6,
        task=(
            "ITM。`x` [B, Q+L, D] 是 Q-Former 的输出，前 Q 行是查询，后 L 行是字。"
            "`weight` [2, D] 和 `bias` [2] 是两类的线性层：第 0 类“不是一对”，第 1 类“是一对”。\n"
            "写 `my_match(x, weight, bias, n_queries)`，返回 [B]：是一对的概率。"
            "每个查询各得两个分数，先对查询求平均，再做 softmax。"
        ),
        stub="def my_match(x, weight, bias, n_queries):\n    ...",
        solution=match_probability,
        mistakes=[
            Mistake(
                "softmax_first",
                lambda x, w, b, n: _scores(x[:, :n], w, b).softmax(-1).mean(1)[:, 1],
                "你先 softmax，再平均。平均的是分数，不是概率。",
            ),
            Mistake(
                "first_query",
                lambda x, w, b, n: _scores(x[:, 0], w, b).softmax(-1)[:, 1],
                "只问了第一个查询。Q 个查询都要投票。",
            ),
            Mistake(
                "words_vote",
                lambda x, w, b, n: _scores(x, w, b).mean(1).softmax(-1)[:, 1],
                "字也投了票。只有前 Q 行是查询。",
            ),
            Mistake(
                "only_words",
                lambda x, w, b, n: _scores(x[:, n:], w, b).mean(1).softmax(-1)[:, 1],
                "你取了字的那一半。投票的是前 Q 行，查询。",
            ),
            Mistake(
                "first_word",
                lambda x, w, b, n: _scores(x[:, n], w, b).softmax(-1)[:, 1],
                "这是 BLIP 的做法，读文字的第 0 行。BLIP-2 读的是查询，求平均。",
            ),
            Mistake(
                "largest",
                lambda x, w, b, n: _scores(x[:, :n], w, b).amax(1).softmax(-1)[:, 1],
                "取最大的是 ITC。ITM 对查询求平均。",
            ),
            Mistake(
                "other_class",
                lambda x, w, b, n: match_probability(x, w, b, n).neg() + 1,
                "这是“不是一对”的概率。要第 1 类。",
            ),
            Mistake(
                "twice",
                lambda x, w, b, n: _scores(x[:, :n], w, b).mean(1).softmax(-1).softmax(-1)[:, 1],
                "softmax 做了两次：概率挤到 0.27 和 0.73 之间。",
            ),
            Mistake(
                "logit",
                lambda x, w, b, n: _scores(x[:, :n], w, b).mean(1)[:, 1],
                "这是分数，还没有做 softmax。",
            ),
            Mistake(
                "sum",
                lambda x, w, b, n: _scores(x[:, :n], w, b).sum(1).softmax(-1)[:, 1],
                "你把查询的分数加起来了。要平均，不然查询越多越极端。",
            ),
            Mistake(
                "sigmoid",
                lambda x, w, b, n: _scores(x[:, :n], w, b).mean(1)[:, 1].sigmoid(),
                "两类要一起做 softmax：只看第 1 类的 sigmoid，丢了第 0 类的分数。",
            ),
            Mistake("no_bias", lambda x, w, b, n: match_probability(x, w, 0, n), "忘了加 bias。"),
            Mistake(
                "both",
                lambda x, w, b, n: _scores(x[:, :n], w, b).mean(1).softmax(-1),
                "两类都返回了。只要第 1 类，形状 [B]。",
            ),
            Mistake(
                "wrong_axis",
                lambda x, w, b, n: _scores(x[:, :n], w, b).mean(1).softmax(0)[:, 1],
                "softmax 的轴错了：一张图自己的两类加起来是 1。",
            ),
        ],
        hints=["x[:, :n_queries] 是查询。", "线性层以后是 [B, Q, 2]，沿 Q 平均。"],
        cases=_answers,
        passes="每个查询一票，分数平均。ITC 取最大，ITM 取平均：前者问谁最像，后者问大家的意见。",
        follow_up=Exercise(
            id="13-blip2-4-next",
            level=2,
            minutes=2,
            kind="choice",
            task="换个次序：先把 Q 个查询的输出平均成一个向量，再过那个两类的线性层。分数会变吗？",
            choices={"A": "不变", "B": "变", "C": "只有 Q = 1 时不变"},
            stub='answer = "..."  # A、B 或 C',
            solution="A",
            mistakes=[
                Mistake("changes", "B", "线性层是线性的：平均以后再乘，与乘了再平均相等；bias 平均了还是它自己。"),
                Mistake("one_only", "C", "Q 是几都不变：线性层和平均可以交换。若中间有非线性，才会变。"),
            ],
            passes="线性和平均可以交换。与 softmax 不行，所以先平均分数，后做 softmax。",
        ),
    ),
    Exercise(
        id="13-blip2-5",
        title="心算：一张图占多少缓存",
        level=2,
        minutes=5,
        task=(
            "换一个语言模型：40 层，宽 5120，不分组，键和值用 fp16（每个数 2 字节）。"
            "图变成 32 个词元的前缀，它们的键和值要在缓存里占多少 MiB（2²⁰ 字节）？"
        ),
        stub="answer = ...  # 多少 MiB",
        solution=25.0,
        tolerance=0.01,
        mistakes=[
            Mistake("keys_only", 12.5, "只算了键。键和值各一份。"),
            Mistake("fp32", 50.0, "fp16 每个数 2 字节，你按 4 字节算了。"),
            Mistake("one_token", 0.78125, "这是一个词元的。前缀有 32 个。"),
            Mistake("one_layer", 0.625, "这是一层的。40 层各存一份。"),
            Mistake("qformer_width", 3.75, "宽度用了 Q-Former 的 768。前缀投影以后与语言模型一样宽。"),
            Mistake("patches", 200.78125, "这是 257 个图像词元全给语言模型的。Q-Former 只给 32 个。"),
            Mistake("millions", 26.2144, "这是百万字节。1 MiB = 2²⁰ 字节，要除以 1,048,576。"),
            Mistake("kib", 25600, "这是 KiB。MiB 再除以 1024。"),
            Mistake("bytes", 26214400, "这是字节。除以 2²⁰。"),
            Mistake("numbers", 12.5 * 2**20, "这是多少个数，还要乘每个数 2 字节，再除以 2²⁰。"),
            Mistake("image_width", 6.875, "宽度用了图像塔的 1408。前缀投影以后与语言模型一样宽。"),
        ],
        hints=["一个词元一层：键 5120 个数，值 5120 个数。", "2 × 40 × 5120 × 32 × 2 字节。"],
        passes="25 MiB。前缀和字一样占缓存，所以词元的个数就是钱。",
        follow_up=Exercise(
            id="13-blip2-5-next",
            level=1,
            minutes=2,
            task="不用 Q-Former，把 ViT-g/14 的输出逐个投影给语言模型。224 × 224 的图，前缀比 32 个多几个词元？",
            stub="answer = ...  # 一个整数",
            solution=225,
            tolerance=1e-6,
            mistakes=[
                Mistake("no_class", 224, "忘了分类词元：16 × 16 + 1 = 257。"),
                Mistake("all", 257, "这是一共几个。比 32 个多几个？"),
                Mistake("patches", 256, "这是图像块的个数。还有分类词元，再减 32。"),
                Mistake("times", 8, "约 8 倍，题目问多几个。"),
                Mistake("of_16", 165, "块的边长是 14，不是 16：224 / 14 = 16。"),
            ],
            passes="257 对 32。LLaVA 走的正是这条路，它的 ViT-L/14 去掉分类词元，256 个，所以它多的是 224 个。",
        ),
    ),
    Exercise(
        id="13-blip2-6",
        title="修：冻结以后什么也学不到",
        level=2,
        minutes=7,
        kind="repair",
        task=(
            "冻结的“语言模型”只有一层：tanh(prefix @ weight)。`prefix` [n, D] 是 Q-Former 给的，`weight` [D, V] 冻结，"
            "`target` [n, V] 是想让它说的。损失是两项之和：(说的 − target) 的平方和，加上 prefix 的平方和的一半。\n"
            "要返回损失对 `prefix` 的梯度 [n, D]。找出错误，写出改好的 `my_gradient(prefix, weight, target)`。"
        ),
        program=CUT,
        symptom="不报错，也有梯度。可是描述的损失一点不降，前缀一步步缩向零。",
        stub="def my_gradient(prefix, weight, target):\n    ...",
        solution=through_frozen,
        mistakes=[
            Mistake(
                "program",
                lambda prefix, weight, target: prefix.clone(),
                "no_grad 把路截断了：第一项的梯度传不回来，只剩第二项。冻结是不改它的参数，不是不让梯度穿过它。",
            ),
            Mistake(
                "no_leaf",
                _no_leaf,
                "prefix 要了梯度，返回的却是 None。若先 requires_grad_() 再 clone()，clone 出来的不是叶子，"
                "梯度不存在它身上：先 clone()，再 requires_grad_()。若忘了 return，补上。",
            ),
            Mistake(
                "not_asked",
                _not_asked,
                "没有谁要梯度，backward 就报错：prefix.clone().requires_grad_()。",
            ),
            Mistake(
                "nothing", lambda prefix, weight, target: torch.zeros_like(prefix), "梯度全是零：两项都没有传回来。"
            ),
            Mistake(
                "without_second",
                lambda prefix, weight, target: through_frozen(prefix, weight, target) - prefix,
                "少了第二项的梯度：平方和的一半，梯度就是 prefix。",
            ),
            Mistake(
                "linear",
                lambda prefix, weight, target: 2 * (torch.tanh(prefix @ weight) - target) @ weight.T + prefix,
                "链式法则少了 tanh 的一环：再乘 1 − tanh²。",
            ),
            Mistake(
                "no_two",
                lambda prefix, weight, target: _slope(prefix, weight, target) @ weight.T / 2 + prefix,
                "平方的导数有个 2：第一项没有除以 2。",
            ),
            Mistake(
                "downhill",
                lambda prefix, weight, target: -through_frozen(prefix, weight, target),
                "符号反了：要梯度，不是下降的方向。",
            ),
            Mistake(
                "backwards",
                lambda prefix, weight, target: prefix - _slope(prefix, weight, target) @ weight.T,
                "第一项的符号反了：是说的减 target。",
            ),
            Mistake(
                "of_weight",
                lambda prefix, weight, target: prefix.T @ _slope(prefix, weight, target),
                "这是对 weight 的梯度。它冻结了，不要；要对 prefix 的。",
            ),
            Mistake(
                "twice_second",
                lambda prefix, weight, target: through_frozen(prefix, weight, target) + prefix,
                "第二项已经除以 2，梯度是 prefix，不是 2 × prefix。",
            ),
            Mistake(
                "mean",
                lambda prefix, weight, target: _slope(prefix, weight, target) @ weight.T / target.numel() + prefix,
                "第一项是平方和，你取了平均。",
            ),
            Mistake(
                "mean_of_both",
                lambda prefix, weight, target: (
                    _slope(prefix, weight, target) @ weight.T / target.numel() + prefix / prefix.numel()
                ),
                "两项都是平方和，你都取了平均。",
            ),
        ],
        hints=["no_grad 里算的，谁也求不了导。", "冻结用 requires_grad_(False)：参数不求，路还通。"],
        cases=_frozen,
        call=_gradient,
        passes="冻结的模型，参数没有梯度，梯度却要穿过它，才到得了前缀。所以第二阶段的显存省不了语言模型的中间结果。",
        follow_up=Exercise(
            id="13-blip2-6-next",
            level=2,
            minutes=2,
            kind="choice",
            task="图像塔也冻结。训练时，哪一个可以放心地放进 no_grad？",
            choices={"A": "图像塔", "B": "语言模型", "C": "两个都可以", "D": "两个都不行"},
            stub='answer = "..."  # A、B、C 或 D',
            solution="A",
            mistakes=[
                Mistake("lm", "B", "要学的 Q-Former 在语言模型前面，损失在它后面：梯度非穿过它不可。"),
                Mistake("both", "C", "语言模型不行：梯度要穿过它才到得了 Q-Former。"),
                Mistake("none", "D", "图像塔前面没有要学的东西，梯度到 Q-Former 就可以停。"),
            ],
            passes="图像塔的输出甚至可以先算好存起来。看谁的前面有要学的。",
        ),
    ),
]
