"""Exercises of chapter 08, GPT-2: counting, cutting the tail, finding leaks."""

import torch

from course_lib.course.exercises.core import Exercise, Mistake
from course_lib.decoding.sampling import keep_top_p, penalise


def _top_p_cases(rng):
    cases = []
    for n_vocab, p in ((3, 0.6), (4, 0.5), (6, 0.9), (12, 0.75), (12, 0.2)):
        cases.append((torch.from_numpy(rng.normal(scale=2.0, size=(1, n_vocab))), p))
    return cases


def _by_mass(logits, p, *, keep_crossing=True, of=lambda logits: logits.softmax(-1)):
    ordered, order = of(logits).sort(dim=-1, descending=True)
    reached = ordered.cumsum(-1) - (ordered if keep_crossing else 0)
    dropped = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, reached >= p)
    return logits.masked_fill(dropped, -torch.inf)


def _ascending(logits, p):
    ordered, order = logits.softmax(-1).sort(dim=-1)
    dropped = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, ordered.cumsum(-1) - ordered >= p)
    return logits.masked_fill(dropped, -torch.inf)


def _without_scatter(logits, p):
    ordered = logits.softmax(-1).sort(dim=-1, descending=True).values
    return logits.masked_fill(ordered.cumsum(-1) - ordered >= p, -torch.inf)


def _threshold(logits, p):
    return logits.masked_fill(logits.softmax(-1) < 1 - p, -torch.inf)


def _leak_cases(rng):
    cases = []
    for T, density in ((2, 1.0), (3, 0.0), (3, 0.5), (5, 0.4), (6, 0.7)):
        lit = torch.from_numpy(rng.random((T, T)) < density)
        cases.append((lit | torch.eye(T, dtype=torch.bool),))
    return cases


def _penalty_cases(rng):
    cases = []
    for n_vocab, penalty in ((2, 2.0), (4, 1.5), (6, 1.2), (9, 5.0)):
        logits = torch.from_numpy(rng.normal(scale=2.0, size=(1, n_vocab)))
        logits[0, 0], logits[0, 1] = logits[0, 0].abs() + 0.5, -logits[0, 1].abs() - 0.5
        said = torch.from_numpy(rng.random((1, n_vocab)) < 0.5)
        said[0, :2] = True
        cases.append((logits, said, penalty))
    return cases


EXERCISES = [
    Exercise(
        id="08-gpt2-1",
        title="心算一个核",
        level=1,
        minutes=3,
        task=(
            "下一个词的概率从大到小是 0.5、0.2、0.15、0.1、0.05。\n"
            "top-p = 0.8。截断、归一以后，第一个词的概率是多少？保留两位小数。"
        ),
        stub="answer = ...  # 一个数",
        solution=0.5 / 0.85,
        mistakes=[
            Mistake("not_renormalised", 0.5, "截断以后剩下的要重新归一，和才是 1：除以留下的总和。"),
            Mistake("short", 0.5 / 0.7, "你只留了两个，和是 0.7，不到 0.8。要留到和达到 p，跨过 p 的那个也留。"),
            Mistake("divided_by_p", 0.5 / 0.8, "要除以留下的总和 0.85，不是除以 p = 0.8。"),
            Mistake("one_more", 0.5 / 0.95, "你多留了一个：前三个的和 0.85 已经过了 0.8。"),
        ],
        hints=["从大到小加：0.5、0.7、0.85。", "第一次达到 0.8 时停，留下三个。", "0.5 除以 0.85。"],
        passes="留下几个由分布自己定：尖的分布留一两个，平的分布留很多个。top-k 做不到这一点。",
        next="温度调到 2 再做 top-p = 0.8，会留下更多还是更少？先调温度还是先截断，结果一样吗？",
    ),
    Exercise(
        id="08-gpt2-2",
        title="自己写 top-p",
        level=2,
        minutes=8,
        task=(
            "写 `my_top_p(logits, p)`：`logits` [B, V]，0 < p < 1。\n"
            "从大到小，留下概率之和第一次达到 p 的那几个词，其余的分数填 −∞。留下的分数不变。"
        ),
        stub="def my_top_p(logits, p):\n    ...",
        solution=keep_top_p,
        mistakes=[
            Mistake(
                "without_the_crossing",
                lambda logits, p: _by_mass(logits, p, keep_crossing=False),
                "跨过 p 的那个词也要留。你只留了和小于 p 的，最大的词的概率超过 p 时，一个都不剩。",
            ),
            Mistake(
                "ascending",
                _ascending,
                "你从小到大累加了：留下的是尾巴。要 descending=True。",
            ),
            Mistake(
                "not_put_back",
                _without_scatter,
                "排序以后的位置不是原来的位置。掩码要用 scatter 放回原来的次序。",
            ),
            Mistake(
                "threshold",
                _threshold,
                "你把它当成了概率的门槛。top-p 看的是累加的和，门槛随分布变。",
            ),
            Mistake(
                "probabilities",
                lambda logits, p: keep_top_p(logits, p).softmax(-1),
                "返回的应当是分数，不是概率：留下的保持原样，其余填 −∞。",
            ),
        ],
        hints=[
            "logits.sort(dim=-1, descending=True) 给出排好的分数和它们原来的位置。",
            "一个词留下，当且仅当比它大的那些加起来还不到 p：cumsum 减去自己。",
            "dropped = zeros_like(logits, dtype=bool).scatter(-1, order, before >= p)。",
        ],
        cases=_top_p_cases,
        passes="你的核与 course_lib.keep_top_p 逐个相同，最大的词永远留下。",
        next="两个词的概率一样大，恰好卡在 p 上，留哪一个？换一个库试试。",
    ),
    Exercise(
        id="08-gpt2-3",
        title="读图：这个掩码错在哪里",
        level=2,
        minutes=4,
        task=(
            "看泄漏探测器，拨到“错一格”。图里的模型有 2 层。\n"
            "如果同样的错掩码放进 12 层的 GPT-2 small，第 i 处最远能看到后面第几个词（i + 几）？"
        ),
        stub="answer = ...  # 一个整数",
        solution=12,
        mistakes=[
            Mistake("one", 1, "1 是一层能看到的。第二层读的是第一层的输出，那里已经带着后一个词的信息。"),
            Mistake("picture", 2, "2 是图里两层的答案。每多一层，再多看一个。"),
            Mistake("all", 1024, "不会一下子看到底：每层只往后漏一格，12 层漏 12 格。"),
            Mistake("two_per_layer", 24, "每层两个子层，但只有注意力在词之间搬东西，前馈层不搬。"),
        ],
        hints=["图里红格的宽度是几？模型几层？", "一层漏一格，层层相加。"],
        passes="漏得很少，训练损失却会好得离谱：要预测的正好就是后一个词。",
        next="只看训练损失，怎样才能怀疑到它？（提示：再看一次自由生成。）",
    ),
    Exercise(
        id="08-gpt2-4",
        title="数泄漏",
        level=2,
        minutes=6,
        task=(
            "写 `count_leaks(moved)`：`moved` [T, T] 布尔，moved[j, i] 表示改了第 j 个词，第 i 处的分数动了。\n"
            "返回一个整数：有多少处看见了**后面**的词。"
        ),
        stub="def count_leaks(moved):\n    ...",
        solution=lambda moved: int(moved.tril(-1).sum()),
        mistakes=[
            Mistake(
                "upper",
                lambda moved: int(moved.triu(1).sum()),
                "你数了 i > j 的格子：改前面的词，后面动，那是应该的。泄漏是 i < j。",
            ),
            Mistake(
                "diagonal",
                lambda moved: int(moved.tril().sum()),
                "对角线不是泄漏：第 j 处本来就读第 j 个词。用 tril(-1)。",
            ),
            Mistake("all", lambda moved: int(moved.sum()), "你数了所有亮的格子。只数 i < j 的。"),
            Mistake(
                "yes_or_no",
                lambda moved: int(moved.tril(-1).any()),
                "要的是个数，不是有没有。",
            ),
        ],
        hints=["行是 j，列是 i。", "i < j 在对角线下面。", "moved.tril(-1).sum()。"],
        cases=_leak_cases,
        passes="一行代码，任何模型都能查：改一个词，看谁动。",
        next="一个双向的编码器，这个数应当是多少？",
    ),
    Exercise(
        id="08-gpt2-5",
        title="重复惩罚，负数也要罚",
        level=3,
        minutes=8,
        task=(
            "写 `my_penalty(logits, said, penalty)`：`logits` [B, V]，`said` [B, V] 布尔，说过的词，penalty > 1。\n"
            "说过的词的分数都要变小：正的除以 penalty，负的乘以 penalty。没说过的不动。"
        ),
        stub="def my_penalty(logits, said, penalty):\n    ...",
        solution=penalise,
        mistakes=[
            Mistake(
                "divide_all",
                lambda logits, said, penalty: torch.where(said, logits / penalty, logits),
                "负的分数除以 1.2 反而变大了：说过的词更容易再说。CTRL 论文的式子就是这样写的，代码不是。",
            ),
            Mistake(
                "all_tokens",
                lambda logits, said, penalty: torch.where(logits > 0, logits / penalty, logits * penalty),
                "没说过的词也被罚了。用 torch.where(said, …, logits)。",
            ),
            Mistake(
                "subtract",
                lambda logits, said, penalty: torch.where(said, logits - penalty, logits),
                "你减去了一个常数，那是另一种做法（presence penalty）。这里要乘除。",
            ),
            Mistake(
                "unsaid",
                lambda logits, said, penalty: penalise(logits, ~said, penalty),
                "真假用反了：罚的是说过的词。",
            ),
        ],
        hints=["先只看一个词：2.0 变成 2.0/1.2，−2.0 变成 −2.0·1.2。", "两层 torch.where。"],
        cases=_penalty_cases,
        passes="正负两种分数都变小了。",
        next="把所有分数都加 100，softmax 不变。重复惩罚的结果变不变？这说明它有什么毛病？",
    ),
]
