"""Exercises of chapter 12, BLIP: soft labels, hard negatives, a queue, three masks, and what a filter keeps."""

import torch

from course_lib.course.exercises.core import Exercise, Mistake


def draw_shares(logits, same):
    return logits.masked_fill(same, -torch.inf).softmax(-1)


def _no_diagonal(logits):
    return logits.masked_fill(torch.eye(len(logits), dtype=torch.bool), -torch.inf)


def _batches(rng):
    cases = []
    for names in ([0, 1, 2], [0, 1, 1, 2], [0, 1, 2, 0, 3], [0, 1, 2, 3, 4, 1]):
        kinds = torch.tensor(names)
        logits = torch.from_numpy(rng.normal(size=(len(names), len(names)), scale=1.5))
        cases.append((logits + 2 * torch.eye(len(names)).double(), kinds[:, None] == kinds))
    return cases


def newest_last(queue, new, capacity):
    return torch.cat([queue, new])[-capacity:]


def _queues(rng):
    sizes = ((2, 1, 4), (4, 2, 4), (5, 2, 5), (3, 3, 5), (4, 4, 4), (3, 5, 4), (0, 2, 3))  # held, new, capacity
    return [(*(torch.from_numpy(rng.normal(size=(n, 2))) for n in (held, new)), room) for held, new, room in sizes]


def who_reads_whom(is_token, causal):
    L = is_token.shape[1]
    earlier = torch.ones(L, L, dtype=torch.bool).tril()
    readable = is_token[:, None, :].expand(-1, L, -1)
    return readable & earlier if causal else readable


def _as_rooms_write_it(answer, is_token, causal):
    """The rooms' [B 1 L L], or what broadcasts to [B L L], says the same."""
    mask = answer(is_token, causal)
    B, L = is_token.shape
    if isinstance(mask, torch.Tensor) and mask.ndim == 4 and mask.shape[1] == 1:
        mask = mask[:, 0]
    if isinstance(mask, torch.Tensor) and mask.ndim in (2, 3) and mask.shape[-1] == L:
        mask = mask.broadcast_to(B, L, L)
    return mask


def _texts(rng):
    rows = ([[3], 4], [[2, 3], 3], [[4, 2], 4], [[5, 3, 4], 5])  # real tokens of each text, width
    masks = [torch.arange(width) < torch.tensor(lengths)[:, None] for lengths, width in rows]
    return [(mask, causal) for mask in masks for causal in (True, False)]


def _square(is_token, matrix):
    return matrix[None] & is_token[:, None, :]


def _all(L):
    return torch.ones(L, L, dtype=torch.bool)


def purity_and_recall(scores, is_true, least):
    kept = scores >= least
    right = (kept & is_true).sum().item()
    return (right / kept.sum().item() if kept.any() else 1.0), right / is_true.sum().item()


def _scored(rng):
    cases = [
        (torch.tensor([0.9, 0.5, 0.2, 0.7]).double(), torch.tensor([True, True, True, False]), 0.5),
        (torch.tensor([0.3, 0.1, 0.2]).double(), torch.tensor([True, False, True]), 0.6),
    ]
    for n in (5, 8, 12):
        is_true = torch.from_numpy(rng.permutation(n) < n // 2 + 1)
        scores = torch.from_numpy(rng.integers(1, 10, size=n) / 10)
        cases.append((scores, is_true, float(scores.median())))
    return cases


def _shares(scores, is_true, least):
    kept = scores >= least
    right = (kept & is_true).sum().item()
    return right, kept.sum().item(), is_true.sum().item(), len(scores)


def _ratio(a, b):
    return a / b if b else 1.0


EXERCISES = [
    Exercise(
        id="12-blip-1",
        title="心算：软标签的一行",
        level=1,
        minutes=5,
        task=(
            "一张图，三句话，第一句是它自己的。学生的 softmax 是 (1/2, 1/4, 1/4)，慢老师的是 (3/5, 2/5, 0)。α = 0.4。\n"
            "这一行的 ITC 损失是多少？自然对数，保留两位小数。"
        ),
        stub="answer = ...  # 一个数",
        solution=0.8041,
        tolerance=0.01,
        mistakes=[
            Mistake("hard", 0.6931, "0.69 是硬标签的：−ln 1/2。目标要先软化：α 份归老师。"),
            Mistake("swapped", 0.8595, "α 和 1 − α 反了。α = 0.4 是给老师的那一份，0.6 归标签。"),
            Mistake("teacher", 0.9704, "这是只听老师的。老师占 0.4，标签占 0.6。"),
            Mistake("own_only", 0.5822, "只算了第一句。第二句的目标是 0.16，也要乘它的 −ln 1/4。"),
            Mistake("base_two", 1.16, "这是以 2 为底。要自然对数：再乘 ln 2。"),
            Mistake("divergence", 0.3644, "你减去了目标的熵，那是 KL 散度。损失是交叉熵，不减。"),
            Mistake("entropy", 0.4397, "这是目标自己的熵：ln 里要放学生的概率，不是目标。"),
            Mistake("turned", 0.7208, "谁在 ln 里面弄反了？外面是目标，ln 里面是学生。"),
            Mistake("negative", -0.8041, "符号反了：每一项是 −目标·ln(学生)，不会小于 0。"),
            Mistake("thirds", 0.268, "你又除以了 3。一行里各句相加；平均是对各张图的。"),
            Mistake("alpha_times", 0.3881, "你只算了老师的 0.4 份，还少标签的 0.6 份：再加 0.6 × ln 2。"),
            Mistake("label_times", 0.4159, "你只算了标签的 0.6 份，还少老师的 0.4 份。"),
        ],
        hints=["目标 = 0.4 × (0.6, 0.4, 0) + 0.6 × (1, 0, 0)。", "0.84 × ln 2 + 0.16 × ln 4。"],
        passes="目标是 (0.84, 0.16, 0)：老师把 0.16 让给了第二句，它也许也对。",
        follow_up=Exercise(
            id="12-blip-1-next",
            level=2,
            minutes=3,
            task="目标不变，学生怎样学都行。这一行的损失最低能到多少？",
            stub="answer = ...  # 一个数",
            solution=0.4397,
            tolerance=0.015,
            mistakes=[
                Mistake("zero", 0.0, "硬标签才能到 0。目标不是 0 就是 1 时，熵是 0；现在不是。"),
                Mistake("same", 0.8041, "这是现在的损失。学生还能更像目标。"),
                Mistake("hard", 0.1744, "0.17 是 −ln 0.84：还要加上第二句那一项。"),
                Mistake("teacher", 0.673, "这是老师自己的熵。目标只有 0.4 份是老师。"),
                Mistake("base_two", 0.6343, "这是以 2 为底的熵。要自然对数。"),
                Mistake("gap", 0.3644, "这是还能降多少。问的是降到底是多少。"),
            ],
            hints=["学生与目标一模一样时最低。", "−0.84 ln 0.84 − 0.16 ln 0.16。"],
            passes="软标签的损失到不了 0，底是目标的熵。看见它停在 0.44，不等于没学好。",
        ),
    ),
    Exercise(
        id="12-blip-2",
        title="心算：抽到哪一句",
        level=1,
        minutes=4,
        task=(
            "一批三对。第一张图对三句话的分数（已除以 τ）是 5、3、2，第一句是它自己的。"
            "给它抽一句难负样本，抽到第二句的概率是多少？不计那 0.0001，保留两位小数。"
        ),
        stub="answer = ...  # 0 到 1 的数，或百分数",
        solution=0.7311,
        tolerance=0.012,
        percent=True,
        mistakes=[
            Mistake("own_counted", 0.1142, "你把自己的那一句也算进了分母。它不许抽，先拿掉，再让剩下的加起来是 1。"),
            Mistake("uniform", 0.5, "一半是随便抽。难负样本按 softmax 抽：e³ 对 e²。"),
            Mistake("linear", 0.6, "3/(3+2) 没有取指数。要 e³/(e³+e²)。"),
            Mistake("against_own", 0.1192, "你拿它和自己的那句比了。对手是第三句。"),
            Mistake("other", 0.2689, "这是抽到第三句的概率。"),
            Mistake("own", 0.8438, "这是自己那句的 softmax。它正是不许抽的。"),
            Mistake("with_own", 0.1355, "e³/e⁵：要和别的候选比，不和自己的那句比。"),
            Mistake("turned", 0.8808, "这是自己那句对第二句的。自己的不许抽。"),
            Mistake("squares", 0.6923, "9/(9+4) 是平方。softmax 取指数。"),
        ],
        hints=["候选只有第二、第三句。", "e³ : e²，只看差 1。"],
        passes="差 1 分，就有 73 % 抽到更像的那句。差得越多，抽得越准，也越容易抽到其实也对的。",
        follow_up=Exercise(
            id="12-blip-2-next",
            level=2,
            minutes=3,
            task=(
                "一批 8 对，有一句和自己的一字不差，分数也一样；另外 6 句都比它低 2 分（已除以 τ）。"
                "不告诉模型谁和谁相同，抽到这个假负样本的概率是多少？"
            ),
            stub="answer = ...  # 0 到 1 的数，或百分数",
            solution=0.5519,
            tolerance=0.012,
            percent=True,
            mistakes=[
                Mistake("eighth", 0.125, "1/8 是随便抽，还把自己也算了进去。"),
                Mistake("seventh", 0.1429, "1/7 是随便抽。按 softmax，它的权重是别人的 e² = 7.4 倍。"),
                Mistake("own_counted", 0.3557, "自己那句不许抽，分母里不要它。"),
                Mistake("one_rival", 0.8808, "对手有 6 句，不是 1 句。"),
                Mistake("seven", 0.5135, "对手是 6 句：8 句里除去自己，再除去它。"),
                Mistake("linear", 0.25, "要取指数：低 2 分是 e⁻²。"),
                Mistake("rest", 0.4481, "这是没抽到它的概率。"),
            ],
            hints=["它的权重记 1，别人各 e⁻² = 0.135。", "1 / (1 + 6 × 0.135)。"],
            passes="过半的时候，一个“不匹配”的标签贴在了一对匹配的图文上。",
        ),
    ),
    Exercise(
        id="12-blip-3",
        title="修：抽到了自己人",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "`logits` [N, N] 是图对句的分数（已除以 τ），`same` [N, N] 是真值：第 j 句也适合第 i 张图的地方是 True。"
            "对角线总是 True。要返回 [N, N] 的抽样概率：每行加起来是 1，`same` 的地方是 0，其余按 softmax 的比例。\n"
            "找出错误，写出改好的 `my_shares(logits, same)`。每一行至少有一个可抽的。"
        ),
        program="def my_shares(logits, same):\n    return logits.masked_fill(same, 0).softmax(-1)",
        symptom="匹配损失降不下去。打印抽到的编号：不少行抽到了自己的那一句，别的句子越不像，越爱抽自己。",
        stub="def my_shares(logits, same):\n    ...",
        solution=draw_shares,
        mistakes=[
            Mistake(
                "program",
                lambda logits, same: logits.masked_fill(same, 0).softmax(-1),
                "分数填 0，softmax 以后是 e⁰，不是 0：别人的分数都是负的时，它反而最大。要填 −∞。",
            ),
            Mistake(
                "not_shared_again",
                lambda logits, same: logits.softmax(-1).masked_fill(same, 0),
                "位置清零了，可是每行加起来不到 1。清零以后还要除以这一行剩下的和。",
            ),
            Mistake(
                "only_diagonal",
                lambda logits, same: _no_diagonal(logits).softmax(-1),
                "只挡住了对角线。别的图的说明也可能适合它，`same` 说了是哪几句。",
            ),
            Mistake(
                "diagonal_of_zero",
                lambda logits, same: logits.masked_fill(torch.eye(len(logits), dtype=torch.bool), 0).softmax(-1),
                "只管了对角线，而且填 0 挡不住：e⁰ = 1。`same` 的地方都要填 −∞。",
            ),
            Mistake("not_masked", lambda logits, same: logits.softmax(-1), "没有挡任何一句：最像的正是自己那句。"),
            Mistake(
                "columns",
                lambda logits, same: logits.masked_fill(same, -torch.inf).softmax(0),
                "softmax 的轴错了：每张图（每一行）自己加起来是 1。",
            ),
            Mistake(
                "columns_of_zero",
                lambda logits, same: logits.masked_fill(same, 0).softmax(0),
                "轴错了，要沿每一行；而且填 0 挡不住，要填 −∞。",
            ),
            Mistake(
                "only_same",
                lambda logits, same: logits.masked_fill(~same, -torch.inf).softmax(-1),
                "反了：你只留下了不许抽的。",
            ),
            Mistake(
                "uniform",
                lambda logits, same: (~same).double() / (~same).sum(-1, keepdim=True),
                "这是随便抽一句别的，没有看分数。难负样本要按 softmax 的比例。",
            ),
            Mistake(
                "linear",
                lambda logits, same: logits.masked_fill(same, 0) / logits.masked_fill(same, 0).sum(-1, keepdim=True),
                "要先取指数：分数有正有负，直接除会出负的概率。",
            ),
            Mistake(
                "one_hot",
                lambda logits, same: torch.nn.functional.one_hot(
                    logits.masked_fill(same, -torch.inf).argmax(-1), len(logits)
                ).double(),
                "你总是取最像的一句。论文是按比例抽：第二像的也有机会。",
            ),
            Mistake(
                "sigmoid",
                lambda logits, same: logits.sigmoid().masked_fill(same, 0),
                "sigmoid 是每格一道是非题，一行加起来不是 1。要在剩下的句子里做 softmax。",
            ),
        ],
        hints=["softmax 里怎样才能得到恰好 0？", "−∞ 的指数是 0。`masked_fill(…, -torch.inf)`。"],
        cases=_batches,
        passes="挡住的填 −∞，剩下的自己加起来是 1。`negative_weights` 先 softmax 再清零，`multinomial` 自己会除。",
        follow_up=Exercise(
            id="12-blip-3-next",
            level=2,
            minutes=2,
            kind="choice",
            task="公开的代码给每个候选的权重都加 0.0001，对角线除外。不加，什么时候会出错？",
            choices={
                "A": "一批里有两句一样时",
                "B": "自己的那句太像，其余的 softmax 都下溢成 0，没有一句可抽时",
                "C": "一批太大时",
            },
            stub='answer = "..."  # A、B 或 C',
            solution="B",
            mistakes=[
                Mistake("twins", "A", "两句一样时权重很大，不会是 0。那是假负样本的麻烦，加 0.0001 治不了。"),
                Mistake("large", "C", "一批大，候选多，权重更不会全是 0。"),
            ],
            hints=["先 softmax，后清零对角线：什么时候别的都是 0？"],
            passes="半精度里，e 的负十几次方就没有了。`multinomial` 遇到一整行 0 会报错。",
        ),
    ),
    Exercise(
        id="12-blip-4",
        title="修：不动的队列",
        level=1,
        minutes=4,
        kind="repair",
        task=(
            "`queue` [K, E]，最老的在最前；`new` [B, E] 是这一步慢老师的特征；最多留 `capacity` 行（至少 1）。\n"
            "要返回推进以后的队列，最老的仍在最前。找出错误，写出改好的 `my_push(queue, new, capacity)`。"
        ),
        program="def my_push(queue, new, capacity):\n    return torch.cat([queue, new])[:capacity]",
        symptom="头几步正常。队列一满，里面的特征就再也不变了：老师走了几千步，队列里还是头几步说的话。",
        stub="def my_push(queue, new, capacity):\n    ...",
        solution=newest_last,
        mistakes=[
            Mistake(
                "program",
                lambda queue, new, capacity: torch.cat([queue, new])[:capacity],
                "留下的是最老的：队列满了，新的永远进不来。要留最后 capacity 行。",
            ),
            Mistake(
                "in_front",
                lambda queue, new, capacity: torch.cat([new, queue])[:capacity],
                "留下的是对的，次序反了：约定最老的在最前。",
            ),
            Mistake(
                "always_out",
                lambda queue, new, capacity: torch.cat([queue[len(new) :], new]),
                "队列还没满，就先赶走了老的。不满时不用赶；新的比队列还多时，又会超出。",
            ),
            Mistake("unbounded", lambda queue, new, capacity: torch.cat([queue, new]), "没有上限：队列会一直长下去。"),
            Mistake("only_new", lambda queue, new, capacity: new[-capacity:], "老的全丢了，这就只剩这一批。"),
            Mistake(
                "room_by_new",
                lambda queue, new, capacity: torch.cat([queue[-(capacity - len(new)) :], new]),
                "capacity − B 是 0 或负数时，切片的意思变了：`queue[-0:]` 是整个队列。",
            ),
            Mistake(
                "overwritten",
                lambda queue, new, capacity: torch.cat([new, queue[len(new) :]])[:capacity],
                "你总是从第 0 行起覆盖：后面的永远老下去。",
            ),
            Mistake(
                "newest_missing",
                lambda queue, new, capacity: torch.cat([queue, new])[-capacity - 1 : -1],
                "最新的一行丢了：切到末尾，不要写 −1。",
            ),
            Mistake(
                "last_in_first_out",
                lambda queue, new, capacity: torch.cat([queue[: max(capacity - len(new), 0)], new])[-capacity:],
                "你赶走的是较新的，留下了最老的。先进先出：最老的先走。",
            ),
            Mistake(
                "reversed",
                lambda queue, new, capacity: torch.cat([queue, new])[-capacity:].flip(0),
                "次序反了：最老的在最前。",
            ),
        ],
        hints=["新的接在最后。", "从后面数 capacity 行。"],
        cases=_queues,
        passes="先进先出。`course_lib` 不搬动整个队列，写满就从头覆盖，只记住下一个该覆盖的位置，结果一样。",
        follow_up=Exercise(
            id="12-blip-4-next",
            level=2,
            minutes=3,
            task=(
                "本章的小 BLIP：队列 96 行，每步 24 对，动量 0.95。"
                "从最老的一行写下到现在，慢老师的参数有百分之几换成了学生后来的？"
            ),
            stub="answer = ...  # 0 到 1 的数，或百分数",
            solution=0.1855,
            tolerance=0.01,
            percent=True,
            mistakes=[
                Mistake("one_step", 0.05, "5 % 是一步的。最老的一行是 96 ÷ 24 = 4 步前的，要连乘。"),
                Mistake("linear", 0.2, "4 × 5 % = 20 % 是相加。每步只换剩下的 5 %：1 − 0.95⁴。"),
                Mistake("kept", 0.8145, "这是还留着的。问的是换掉的。"),
                Mistake("wrong_way", 0.9999, "动量 0.95 是留下的那一份，每步只换 5 %。"),
                Mistake("wrong_steps", 0.708, "你连乘了 24 次。24 是每步几对；96 ÷ 24 = 4 步。"),
            ],
            hints=["最老的一行是几步以前的？", "留下的是 0.95 连乘 4 次。"],
            passes="只换了不到两成，所以 4 步以前的特征还能用。动量是 0 时，队列里的就全过时了。",
        ),
    ),
    Exercise(
        id="12-blip-5",
        title="修：偷看答案的解码器",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "`is_token` [B, L] 布尔，填充处是 False，填充都在句尾。`causal`：decode 模式 True，encode 模式 False。"
            "要返回 [B, L, L] 的布尔：第 b 句的第 i 个词元可不可以读第 j 个。"
            "填充不许被任何词元读；填充所在的行不必特别处理。\n"
            "找出错误，写出改好的 `my_mask(is_token, causal)`。"
        ),
        program=(
            "def my_mask(is_token, causal):\n"
            "    L = is_token.shape[1]\n"
            "    return is_token[:, None, :].expand(-1, L, -1)"
        ),
        symptom="写句子的损失很快掉到标签平滑的底，再不动。让它自己写，写出来的句子和图毫无关系。",
        stub="def my_mask(is_token, causal):\n    ...",
        solution=who_reads_whom,
        mistakes=[
            Mistake(
                "program",
                lambda is_token, causal: is_token[:, None, :].expand(-1, is_token.shape[1], -1),
                "decode 模式没有因果掩码：每个词都看得见下一个词，答案就在输入里。",
            ),
            Mistake(
                "always_causal",
                lambda is_token, causal: who_reads_whom(is_token, True),
                "encode 模式也成了因果的：第 0 个词元只看得见自己，而特征正是在那里读的。",
            ),
            Mistake(
                "upside_down",
                lambda is_token, causal: _square(
                    is_token, _all(is_token.shape[1]).triu() if causal else _all(is_token.shape[1])
                ),
                "上下反了：你让词元读自己和后面。要读自己和前面，tril。",
            ),
            Mistake(
                "not_itself",
                lambda is_token, causal: _square(
                    is_token, _all(is_token.shape[1]).tril(-1) if causal else _all(is_token.shape[1])
                ),
                "词元也要读自己：第 0 个词元现在一个也读不到，softmax 会除以 0。",
            ),
            Mistake(
                "one_ahead",
                lambda is_token, causal: _square(
                    is_token, _all(is_token.shape[1]).tril(1) if causal else _all(is_token.shape[1])
                ),
                "多看了一个：下一个词正是要猜的答案。对角线参数是 0，不是 1。",
            ),
            Mistake(
                "no_padding",
                lambda is_token, causal: (_all(is_token.shape[1]).tril() if causal else _all(is_token.shape[1])).expand(
                    len(is_token), -1, -1
                ),
                "填充也被读了：短句的特征会随这一批最长的句子变。",
            ),
            Mistake(
                "padding_where_causal",
                lambda is_token, causal: (
                    _all(is_token.shape[1]).tril().expand(len(is_token), -1, -1)
                    if causal
                    else who_reads_whom(is_token, False)
                ),
                "decode 模式忘了填充。两个条件要同时满足：用 &。",
            ),
            Mistake(
                "rows_of_padding",
                lambda is_token, causal: (
                    is_token[:, :, None] & (_all(is_token.shape[1]).tril() if causal else _all(is_token.shape[1]))
                ),
                "你挡的是填充那几行。要挡的是列：没有谁可以读填充。",
            ),
            Mistake(
                "rows_and_columns",
                lambda is_token, causal: who_reads_whom(is_token, causal) & is_token[:, :, None],
                "列挡对了，行也挡掉了：填充那一行一个也读不到，softmax 会除以 0。那几行不必特别处理。",
            ),
            Mistake(
                "inverted",
                lambda is_token, causal: ~who_reads_whom(is_token, causal),
                "真假反了：True 是可以读。",
            ),
            Mistake(
                "either",
                lambda is_token, causal: (
                    is_token[:, None, :].expand(-1, is_token.shape[1], -1)
                    | (_all(is_token.shape[1]).tril() if causal else torch.zeros_like(_all(is_token.shape[1])))
                ),
                "用了“或”：满足一个就放行，后面的词又看见了。要“与”。",
            ),
            Mistake(
                "swapped",
                lambda is_token, causal: who_reads_whom(is_token, not causal),
                "两种模式反了：写的时候才是因果的。",
            ),
        ],
        hints=["decode 模式里，第 i 个词元只能读 j ≤ i。", "torch.tril 留下左下角；和填充用 & 合起来。"],
        cases=_texts,
        call=_as_rooms_write_it,
        passes="两个条件都要：不是填充；写的时候，还要不在自己后面。",
        follow_up=Exercise(
            id="12-blip-5-next",
            level=2,
            minutes=2,
            kind="choice",
            task="反过来：encode 模式也错用了因果掩码，图文对比的特征仍在第 0 个词元读。各句的文字特征会怎样？",
            choices={
                "A": "全部一样",
                "B": "只剩前半句的意思",
                "C": "不变，第 0 个词元本来就只读自己",
            },
            stub='answer = "..."  # A、B 或 C',
            solution="A",
            mistakes=[
                Mistake("half", "B", "因果掩码让第 0 个词元只读第 0 个词元，半句也读不到。"),
                Mistake("same", "C", "双向时，第 0 个词元读整句，特征就在那里攒起来。"),
            ],
            hints=["第 0 个词元的前面有谁？每句的第 0 个词元是什么？"],
            passes="每句都以同一个词元开头，它只看得见自己：图文对比的损失停在 ln N，一动不动。",
        ),
    ),
    Exercise(
        id="12-blip-6",
        title="过滤器的两个分数",
        level=1,
        minutes=6,
        task=(
            "过滤器给 n 句话打分 `scores` [n]，不低于 `least` 的留下。`is_true` [n] 是真值：哪些说对了，至少一句。\n"
            "写 `my_filter(scores, is_true, least)`，返回两个数：留下的里面说对的占几成（精确率），"
            "说对的里面留下了几成（召回率）。一句也没留下时，精确率记作 1。"
        ),
        stub="def my_filter(scores, is_true, least):\n    ...",
        solution=purity_and_recall,
        mistakes=[
            Mistake(
                "swapped", lambda s, t, k: purity_and_recall(s, t, k)[::-1], "两个数的次序反了：先精确率，后召回率。"
            ),
            Mistake(
                "of_noise",
                lambda s, t, k: (
                    _ratio((~t & (s < k)).sum().item(), (s < k).sum().item()),
                    _ratio((~t & (s < k)).sum().item(), (~t).sum().item()),
                ),
                "你算的是扔掉的那一边：扔掉的里有几成是噪声。题目问留下的。",
            ),
            Mistake(
                "accuracy",
                lambda s, t, k: ((t == (s >= k)).double().mean().item(), purity_and_recall(s, t, k)[1]),
                "第一个数是正确率：扔对的也算了进去。精确率只看留下的。",
            ),
            Mistake(
                "above",
                lambda s, t, k: (
                    _ratio((t & (s > k)).sum().item(), (s > k).sum().item()),
                    (t & (s > k)).sum().item() / t.sum().item(),
                ),
                "正好等于 least 的也要留下：≥，不是 >。",
            ),
            Mistake(
                "of_all",
                lambda s, t, k: (_shares(s, t, k)[0] / len(s), _shares(s, t, k)[0] / len(s)),
                "两个分母都错了：精确率除以留下的句数，召回率除以说对的句数，不除以全部。",
            ),
            Mistake(
                "precision_of_all",
                lambda s, t, k: (_shares(s, t, k)[0] / len(s), purity_and_recall(s, t, k)[1]),
                "精确率的分母是留下的句数，不是全部。",
            ),
            Mistake(
                "recall_of_all",
                lambda s, t, k: (purity_and_recall(s, t, k)[0], _shares(s, t, k)[0] / len(s)),
                "召回率的分母是说对的句数，不是全部。",
            ),
            Mistake(
                "kept_share",
                lambda s, t, k: (purity_and_recall(s, t, k)[0], (s >= k).double().mean().item()),
                "第二个数是留下的比例，没有看真值。召回率只看说对的那些。",
            ),
            Mistake(
                "empty_is_zero",
                lambda s, t, k: (_shares(s, t, k)[0] / max(_shares(s, t, k)[1], 1), purity_and_recall(s, t, k)[1]),
                "一句也没留下时，精确率按约定记作 1：没有留错的。",
            ),
            Mistake(
                "empty_is_nan",
                lambda s, t, k: (
                    purity_and_recall(s, t, k)[0] if (s >= k).any() else float("nan"),
                    purity_and_recall(s, t, k)[1],
                ),
                "一句也没留下时，你算了 0/0。按约定记作 1。",
            ),
            Mistake(
                "below",
                lambda s, t, k: (
                    _ratio((t & (s < k)).sum().item(), (s < k).sum().item()),
                    (t & (s < k)).sum().item() / t.sum().item(),
                ),
                "你留下了分数低的。分数高的才留。",
            ),
            Mistake(
                "counts",
                lambda s, t, k: (_shares(s, t, k)[0], _shares(s, t, k)[1]),
                "你返回了个数。要比例：各除以自己的分母。",
            ),
        ],
        hints=["留下的：`scores >= least`。", "分子一样，都是留下又说对的；分母不同。"],
        cases=_scored,
        passes="分子相同，分母不同。门槛抬高，精确率多半上升，召回率只会下降。",
        follow_up=Exercise(
            id="12-blip-6-next",
            level=1,
            minutes=3,
            task="网上的 1,000 句里，三成说错了。过滤器留下了说对的九成、说错的两成。留下的里，说对的占几成？",
            stub="answer = ...  # 0 到 1 的数，或百分数",
            solution=0.913,
            tolerance=0.005,
            percent=True,
            mistakes=[
                Mistake("before", 0.7, "七成是过滤以前的。"),
                Mistake("recall", 0.9, "九成是召回率：说对的里留下多少。"),
                Mistake("of_all", 0.63, "630 句是留下又说对的，还要除以留下的 690 句，不是 1,000。"),
                Mistake("no_shares", 0.8182, "0.9/(0.9+0.2) 忘了说对的本来就多：700 对 300。"),
                Mistake("kept", 0.69, "这是留下的比例。"),
                Mistake("noise_left", 0.087, "这是留下的里说错的。问说对的。"),
                Mistake("turned", 0.6585, "三成是说错的，不是说对的：700 句对，300 句错。"),
                Mistake("accuracy", 0.87, "这是正确率：把扔对的也算了。只看留下的。"),
            ],
            hints=["留下：700 × 0.9 和 300 × 0.2。"],
            passes="70 % 变成 91 %，代价是丢了 70 句对的，还留着 60 句错的。",
        ),
    ),
]
