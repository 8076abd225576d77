"""Exercises of chapter 08, GPT-2: the tail of a distribution, the residual stream, leaks, and what layers cost."""

import torch

from course_lib.course.exercises.core import Exercise, Mistake


def _norm(x):
    return torch.nn.functional.layer_norm(x, x.shape[-1:])


def pre_norm_block(x, attention, feedforward):
    h = x + attention(_norm(x))
    return h + feedforward(_norm(h))


def _norm_on_the_trunk(x, attention, feedforward):
    x = _norm(x)
    x = x + attention(x)
    x = _norm(x)
    return x + feedforward(x)


def _post_norm(x, attention, feedforward):
    h = _norm(x + attention(x))
    return _norm(h + feedforward(h))


def _second_reads_the_first(x, attention, feedforward):
    return x + attention(_norm(x)) + feedforward(_norm(x))


def _second_norm_forgotten(x, attention, feedforward):
    h = x + attention(_norm(x))
    return h + feedforward(h)


def _second_trunk_still_normed(x, attention, feedforward):
    h = _norm(x + attention(_norm(x)))
    return h + feedforward(h)


def _no_residual(x, attention, feedforward):
    return feedforward(_norm(attention(_norm(x))))


def _norm_after_the_branch(x, attention, feedforward):
    h = x + _norm(attention(x))
    return h + _norm(feedforward(h))


class _Mix:
    """A branch that mixes places and features, so that attention and feed-forward cannot be taken for each other."""

    def __init__(self, name, places, features):
        self.name, self.places, self.features = name, places, features

    def __call__(self, x):
        return torch.tanh(self.places.to(x) @ x @ self.features.to(x))

    def __repr__(self):
        return self.name


def _block_cases(rng):
    def numbers(*shape):
        return torch.from_numpy(rng.normal(size=shape))

    return [
        (
            3 * numbers(B, T, D),
            _Mix("attention", numbers(T, T), numbers(D, D)),
            _Mix("feedforward", torch.eye(T, dtype=torch.float64), numbers(D, D)),
        )
        for B, T, D in ((1, 1, 3), (1, 2, 4), (2, 3, 5))
    ]


def min_p(logits, share):
    probs = logits.softmax(-1)
    return logits.masked_fill(probs < share * probs.amax(dim=-1, keepdim=True), -torch.inf)


def _min_p_cases(rng):
    sizes = ((1, 3, 0.5), (1, 5, 0.3), (2, 6, 0.2), (3, 8, 0.1))
    return [(torch.from_numpy(rng.normal(scale=2.0, size=(B, V)) + 3), share) for B, V, share in sizes]


def _kept_by_mass(logits, share):
    ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
    dropped = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, order, ordered.cumsum(-1) - ordered >= share)
    return logits.masked_fill(dropped, -torch.inf)


def furthest_look(moved):
    return max((j - i for j, i in moved.nonzero().tolist()), default=0)


def _lit_cases(rng):
    cases = []
    for T, density in ((2, 0.0), (3, 0.0), (3, 0.6), (5, 0.3), (6, 0.15), (7, 0.1)):
        lit = torch.from_numpy(rng.random((T, T)) < density)
        cases.append((lit | torch.ones(T, T, dtype=torch.bool).triu(),))
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


def lower_what_was_said(logits, said, penalty):
    lower = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(said, lower, logits)


def _divide_all(logits, said, penalty):
    return torch.where(said, logits / penalty, logits)


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
            Mistake("short", 0.5 / 0.7, "0.5 ÷ 0.7 是只留两个的答案，它们的和 0.7 不到 0.8。跨过 p 的那个也留。"),
            Mistake("divided_by_p", 0.5 / 0.8, "要除以真正留下的总和，不是除以 p = 0.8。"),
            Mistake("one_more", 0.5 / 0.95, "0.5 ÷ 0.95 是留四个的答案：前三个的和 0.85 已经过了 0.8。"),
            Mistake("only_one", 1.0, "只留第一个，和是 0.5，不到 0.8，还要接着留。"),
            Mistake("how_many", 3, "3 是留下的个数。问的是第一个词归一以后的概率。"),
            Mistake("softmax_again", 0.4114, "你把概率当成分数，又做了一遍 softmax。概率只要除以留下的总和。"),
            Mistake("kept_sum", 0.85, "0.85 是留下的总和。第一个词占其中多少？"),
            Mistake("second", 0.2 / 0.85, "这是第二个词的概率，问的是第一个。"),
        ],
        hints=["从大到小加：0.5、0.7、0.85。", "第一次达到 0.8 时停，留下三个。", "0.5 除以 0.85。"],
        passes="留下几个由分布自己定：尖的分布留一两个，平的分布留很多个。top-k 做不到这一点。",
        follow_up=Exercise(
            id="08-gpt2-1-next",
            title="先加热，再截断",
            level=1,
            minutes=2,
            task="同样五个概率，先把温度调到 2（概率开平方再归一），再做 top-p = 0.8。留下几个？",
            stub="answer = ...  # 一个整数",
            solution=4,
            mistakes=[
                Mistake("as_before", 3, "3 是温度 1 的答案。温度 2 把分布压平，前三个的和只有 0.74。"),
                Mistake("sharper", 2, "你把分布变尖了：温度大于 1 是变平。开平方，不是平方。"),
                Mistake("all", 5, "前四个的和 0.89 已经过了 0.8，第五个不留。"),
            ],
            hints=["开平方：0.71、0.45、0.39、0.32、0.22，和 2.08。", "归一后累加：0.34、0.56、0.74、0.89。"],
            passes="同一个 p，分布越平，核越大。所以两步的次序不能换。",
            tolerance=0.0,
        ),
    ),
    Exercise(
        id="08-gpt2-2",
        title="另一种切尾巴：min-p",
        level=2,
        minutes=7,
        task=(
            "有人嫌 top-p 在平的分布上留得太多，改用 **min-p**：概率不到最大概率的 `share` 倍的词全部去掉。\n"
            "写 `my_min_p(logits, share)`：`logits` [B, V]，0 < share < 1。"
            "去掉的分数填 −∞，留下的分数不变。每一行各有自己的最大值。"
        ),
        stub="def my_min_p(logits, share):\n    ...",
        solution=min_p,
        mistakes=[
            Mistake(
                "absolute",
                lambda logits, share: logits.masked_fill(logits.softmax(-1) < share, -torch.inf),
                "你把 share 当成了概率的门槛。门槛是 share 乘以这一行最大的概率。",
            ),
            Mistake("mass", _kept_by_mass, "这是 top-p：看累加的和。min-p 只拿每个词与最大的词相比。"),
            Mistake(
                "logits_times_share",
                lambda logits, share: logits.masked_fill(logits < share * logits.amax(-1, keepdim=True), -torch.inf),
                "你拿分数去乘 share。分数不是概率：概率的几倍，在分数上是加 ln share。",
            ),
            Mistake(
                "one_maximum_for_all",
                lambda logits, share: logits.masked_fill(
                    logits.softmax(-1) < share * logits.softmax(-1).amax(), -torch.inf
                ),
                "你取了整批的最大值。每一行要同自己的最大值比：amax(dim=-1, keepdim=True)。",
            ),
            Mistake(
                "probabilities",
                lambda logits, share: min_p(logits, share).softmax(-1),
                "返回的是概率。要返回分数：留下的保持原样，其余填 −∞。",
            ),
            Mistake(
                "zeros",
                lambda logits, share: logits.masked_fill(min_p(logits, share).isinf(), 0.0),
                "去掉的词填了 0。e⁰ = 1，它们照样会被抽中；要填 −∞。",
            ),
            Mistake(
                "turned_round",
                lambda logits, share: logits.masked_fill(~min_p(logits, share).isinf(), -torch.inf),
                "留和去掉反了：去掉的应当是小的那些。",
            ),
        ],
        hints=[
            "先想概率：p_i < share · p_max 的去掉。",
            "probs = logits.softmax(-1)。取对数也行：z_i < z_max + ln share。",
            "logits.masked_fill(条件, -torch.inf)；一行的最大值是 probs.amax(dim=-1, keepdim=True)。",
        ],
        cases=_min_p_cases,
        passes="每一行与自己的最大值比，留下的分数原样。门槛随模型的把握自动升降。",
        follow_up=Exercise(
            id="08-gpt2-2-next",
            title="加热以后的 min-p",
            level=1,
            minutes=2,
            task="概率 0.5、0.3、0.15、0.05，share = 0.2，留三个。先把温度调到 2，再用同一个 share，留几个？",
            stub="answer = ...  # 一个整数",
            solution=4,
            mistakes=[
                Mistake("as_before", 3, "比值变了：0.05 / 0.5 = 0.1，开平方是 0.32，过了 0.2。"),
                Mistake("fewer", 2, "温度大于 1，小的词离最大的词更近，只会多留。"),
                Mistake("one", 1, "只留最大的那个，是温度趋于 0 的样子。温度 2 让分布变平。"),
            ],
            hints=["每个词与最大词的比值开平方。", "0.05 / 0.5 的平方根是多少？"],
            passes="加热让所有的比值靠近 1，min-p 也就松了。",
            tolerance=0.0,
        ),
    ),
    Exercise(
        id="08-gpt2-3",
        title="修：越深越学不动的块",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "下面的块号称是 pre-norm，形状全对。`attention`、`feedforward` 是两个函数，[B, T, D] 进，[B, T, D] 出。\n"
            "找出错误，写出改好的 `my_block(x, attention, feedforward)`。`norm` 用没有参数的 LayerNorm："
            "`torch.nn.functional.layer_norm(x, x.shape[-1:])`。"
        ),
        program=(
            "def my_block(x, attention, feedforward):\n"
            "    norm = lambda x: torch.nn.functional.layer_norm(x, x.shape[-1:])\n"
            "    x = norm(x)\n"
            "    x = x + attention(x)\n"
            "    x = norm(x)\n"
            "    return x + feedforward(x)"
        ),
        symptom="两层时还能学；叠到 24 层，第一层几乎收不到梯度。把支路换成恒为 0 的函数，输出竟然不等于输入。",
        stub="def my_block(x, attention, feedforward):\n    ...",
        solution=pre_norm_block,
        mistakes=[
            Mistake(
                "norm_on_the_trunk",
                _norm_on_the_trunk,
                "主干自己被归一化了：支路恒为 0 时，输出应当等于输入。归一化的结果只交给支路。",
            ),
            Mistake("post_norm", _post_norm, "这是 GPT-1 的 post-norm：先加，再归一化主干。"),
            Mistake("second_reads_the_first", _second_reads_the_first, "前馈读的是 x。它应当读注意力加完以后的 h。"),
            Mistake(
                "second_norm_forgotten", _second_norm_forgotten, "第二条支路没有归一化：feedforward 要读 norm(h)。"
            ),
            Mistake(
                "second_trunk_still_normed",
                _second_trunk_still_normed,
                "注意力那一行对了，可是第二个 `x = norm(x)` 还在改写主干。",
            ),
            Mistake("no_residual", _no_residual, "残差不见了：支路的输出要加回主干。"),
            Mistake(
                "norm_after_the_branch",
                _norm_after_the_branch,
                "归一化放到了支路的出口。它应当在入口：先 norm，再进支路。",
            ),
            Mistake(
                "half_mended",
                lambda x, attention, feedforward: (lambda h: h + feedforward(_norm(h)))(_norm(x) + attention(_norm(x))),
                "只改好了一半：第一次相加用的还是归一化过的 x。",
            ),
            Mistake(
                "other_order",
                lambda x, attention, feedforward: pre_norm_block(x, feedforward, attention),
                "两条支路的次序反了：先注意力，后前馈。",
            ),
        ],
        hints=[
            "问自己：哪一个变量是主干？它有没有被改写过？",
            "两次 `x = norm(x)` 都把主干换掉了。",
            "h = x + attention(norm(x))；返回 h + feedforward(norm(h))。",
        ],
        cases=_block_cases,
        passes="支路为 0 时输出等于输入：主干上只有加法，梯度可以一路直通。",
        follow_up=Exercise(
            id="08-gpt2-3-next",
            title="谁来收",
            level=1,
            minutes=1,
            kind="choice",
            task="pre-norm 的主干只加不除。输出头读到它之前，谁把大小收回来？",
            choices={
                "A": "最后一块里的前馈层",
                "B": "出门前另加的一个 LayerNorm",
                "C": "softmax，它不在乎大小",
                "D": "初始化的 1/√(2n)",
            },
            stub='answer = "..."  # A、B、C 或 D',
            solution="B",
            mistakes=[
                Mistake("feedforward", "A", "前馈层也只是往主干上加，不会把它变小。"),
                Mistake("softmax", "C", "softmax 在乎：分数大一倍，分布就尖得多。"),
                Mistake("init", "D", "1/√(2n) 只管刚开始训练时，训练以后支路可以变大。"),
            ],
            hints=["四处改动里，哪一处说的是“最后”？"],
            passes="GPT-2 比 GPT-1 多出来的那个 LayerNorm，就是为此。",
        ),
    ),
    Exercise(
        id="08-gpt2-4",
        title="最远偷看到哪里",
        level=2,
        minutes=6,
        task=(
            "`moved` [T, T] 布尔，moved[j, i] 表示改了第 j 个词，第 i 处的分数动了。\n"
            "写 `furthest(moved)`：返回一个整数，所有泄漏里，i 最远看到后面第几个词（最大的 j − i）；"
            "不漏返回 0。对角线总是亮的。"
        ),
        stub="def furthest(moved):\n    ...",
        solution=furthest_look,
        mistakes=[
            Mistake(
                "count",
                lambda moved: int(moved.tril(-1).sum()),
                "你数了泄漏的个数。要的是最远的一处隔了几个词。",
            ),
            Mistake(
                "other_way",
                lambda moved: max((i - j for j, i in moved.nonzero().tolist()), default=0),
                "你量的是 i − j（或两头都算了）：前面的词影响后面，那是应该的。泄漏是 j > i。",
            ),
            Mistake(
                "nearest",
                lambda moved: min((j - i for j, i in moved.nonzero().tolist() if j > i), default=0),
                "这是最近的一处泄漏，要最远的。",
            ),
            Mistake(
                "yes_or_no",
                lambda moved: int(moved.tril(-1).any()),
                "你回答的是有没有泄漏。要的是距离。",
            ),
            Mistake(
                "last_word",
                lambda moved: max((j for j, i in moved.nonzero().tolist() if j > i), default=0),
                "你返回了最靠后的 j 本身，没有减去 i。",
            ),
            Mistake(
                "one_more",
                lambda moved: max((j - i + 1 for j, i in moved.nonzero().tolist() if j > i), default=0),
                "多数了一个：下一个词算第 1 个，j − i 就是答案。",
            ),
        ],
        hints=[
            "moved.nonzero() 给出所有亮着的 (j, i)。",
            "对角线上 j − i = 0，所以不漏时最大值恰好是 0。",
            "max(j − i)。",
        ],
        cases=_lit_cases,
        passes="行是改了谁，列是谁动了；最大的 j − i 就是偷看的距离。",
        follow_up=Exercise(
            id="08-gpt2-4-next",
            title="错一格，叠十二层",
            level=2,
            minutes=2,
            task=(
                "泄漏探测器里的“错一格”用了 2 层，最远看到后面第 2 个词。"
                "同样的错掩码放进 12 层的 GPT-2 small，最远看到后面第几个？"
            ),
            stub="answer = ...  # 一个整数",
            solution=12,
            mistakes=[
                Mistake("one", 1, "1 是一层能看到的。第二层读的是第一层的输出，那里已经带着后一个词的信息。"),
                Mistake("picture", 2, "2 是图里两层的答案。每多一层，再多看一个。"),
                Mistake("all", 1024, "不会一下子看到底：每层只往后漏一格。"),
                Mistake("two_per_layer", 24, "每层两个子层，但只有注意力在词之间搬东西，前馈层不搬。"),
                Mistake("double", 4096, "不是每层翻倍：错一格的掩码每层只多放进一个词。"),
                Mistake("one_less", 11, "第一层也漏：1 层漏 1 格，12 层漏 12 格。"),
            ],
            hints=["图里红格的宽度是几？模型几层？", "一层漏一格，层层相加。"],
            passes="漏得很少，训练损失却会好得离谱：要预测的正好就是后一个词。",
            tolerance=0.0,
        ),
    ),
    Exercise(
        id="08-gpt2-5",
        title="修：越罚越爱说的重复惩罚",
        level=3,
        minutes=6,
        kind="repair",
        task=(
            "重复惩罚的本意：说过的词，分数要变小。`logits` [B, V]，`said` [B, V] 布尔，penalty > 1。\n"
            "下面照着 CTRL 论文的式子写，`said` 标得也对。找出错误，写出改好的 `my_penalty(logits, said, penalty)`："
            "仍然用乘或除，没说过的词不动。"
        ),
        program="def my_penalty(logits, said, penalty):\n    return torch.where(said, logits / penalty, logits)",
        symptom="有的词罚了以后反而更常出现，罚得越重越常。把 logits 打印出来，这些词的分数全是负的。",
        stub="def my_penalty(logits, said, penalty):\n    ...",
        solution=lower_what_was_said,
        mistakes=[
            Mistake("divide_all", _divide_all, "负的分数除以 1.2 反而变大了：−2.4 变成 −2。说过的词更容易再说。"),
            Mistake(
                "multiply_all",
                lambda logits, said, penalty: torch.where(said, logits * penalty, logits),
                "负的对了，正的反了：2.0 乘 1.2 变成 2.4，说过的词更容易再说。",
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
                lambda logits, said, penalty: lower_what_was_said(logits, ~said, penalty),
                "真假用反了：罚的是说过的词。",
            ),
            Mistake(
                "absolute",
                lambda logits, said, penalty: torch.where(said, logits.abs() / penalty, logits),
                "取绝对值把负的分数变成了正的，说过的词一下子成了热门。",
            ),
            Mistake(
                "forbid",
                lambda logits, said, penalty: logits.masked_fill(said, -torch.inf),
                "说过的词被彻底禁止了。惩罚只是变小，还可以再说。",
            ),
            Mistake(
                "only_positive",
                lambda logits, said, penalty: torch.where(said & (logits > 0), logits / penalty, logits),
                "负的分数没有罚。它们也要变小：乘以 penalty。",
            ),
            Mistake(
                "turned_round",
                lambda logits, said, penalty: torch.where(
                    said, torch.where(logits > 0, logits * penalty, logits / penalty), logits
                ),
                "两种情形反了：正的除，负的乘。",
            ),
        ],
        hints=[
            "先只看一个词：2.0 应当变成多少？−2.0 呢？",
            "变小：正的除以 penalty，负的乘以 penalty。",
            "两层 torch.where。",
        ],
        cases=_penalty_cases,
        passes="正负两种分数都变小了。",
        follow_up=Exercise(
            id="08-gpt2-5-next",
            title="加一个常数",
            level=2,
            minutes=2,
            kind="choice",
            task="两个词，分数 1 和 0，第一个说过，penalty = 2。把两个分数都加 10 再罚，第一个词的概率怎样变？",
            choices={"A": "不变，softmax 不在乎常数", "B": "变小了", "C": "变大了"},
            stub='answer = "..."  # A、B 或 C',
            solution="B",
            mistakes=[
                Mistake("same", "A", "softmax 不在乎，惩罚在乎：1 ÷ 2 = 0.5，11 ÷ 2 = 5.5。分别与 0 和 10 比。"),
                Mistake("larger", "C", "不加：0.5 对 0，占 62 %。加 10：5.5 对 10，只占 1 %。"),
            ],
            hints=["不加常数：0.5 对 0。", "加 10：11 ÷ 2 = 5.5，对 10。"],
            passes="同一个分布写成两种分数，罚得轻重不同：这是它的毛病。",
        ),
    ),
    Exercise(
        id="08-gpt2-6",
        title="多十二层要多少",
        level=1,
        minutes=4,
        task="把 GPT-2 small（$D=768$，$n=12$）加到 24 层，别的不变。参数多了多少个？给出准确的整数。",
        stub="answer = ...  # 一个整数",
        solution=85_054_464,
        mistakes=[
            Mistake("no_biases", 12 * 12 * 768**2, "只数了矩阵。每层还有 13D 个偏置与 LayerNorm 的参数。"),
            Mistake("whole_again", 124_439_808, "整个模型翻倍了。词表、位置和最后的 LN 只有一份，不随层数变。"),
            Mistake("total", 209_494_272, "这是 24 层的总数。问的是多了多少。"),
            Mistake("one_layer", 12 * 768**2 + 13 * 768, "这是一层的数，多了 12 层。"),
            Mistake("all_layers", 24 * (12 * 768**2 + 13 * 768), "你算了全部 24 层，原来的 12 层本来就有。"),
            Mistake("medium", 354_823_168 - 124_439_808, "那是换成 GPT-2 medium，它的宽度也变了。"),
            Mistake(
                "last_norm_too",
                85_054_464 + 2 * 768,
                "最后的 LayerNorm 只有一份，不随层数变，不要再算一遍。",
            ),
            Mistake("no_norms", 12 * (12 * 768**2 + 9 * 768), "漏了两个 LN：每层 4D。"),
        ],
        hints=["只有每层的那一括号乘以 n。", "一层 12D² + 13D 个。", "12 × (12·768² + 13·768)。"],
        passes="层数翻倍，参数没有翻倍：词表那一份不动。",
        follow_up=Exercise(
            id="08-gpt2-6-next",
            title="加宽还是加深",
            level=1,
            minutes=1,
            kind="choice",
            task="12 层不变，宽度 $D$ 从 768 变成 1536，12 个块里的参数大约变成几倍？",
            choices={"A": "2 倍", "B": "4 倍", "C": "8 倍", "D": "不变"},
            stub='answer = "..."  # A、B、C 或 D',
            solution="B",
            mistakes=[
                Mistake("linear", "A", "矩阵是 [D, D] 的：两边都翻倍。"),
                Mistake("cubic", "C", "每个矩阵只有两边，2 × 2 = 4。"),
                Mistake("same", "D", "块里的矩阵全由 D 定大小。"),
            ],
            hints=["12D² 里 D 是平方。"],
            passes="宽度按平方算，深度按一次算。",
        ),
        tolerance=0.0,
    ),
]
