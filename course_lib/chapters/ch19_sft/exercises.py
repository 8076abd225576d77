"""Exercises of chapter 19, SFT: what is learned, prompts, labels, means, packed rows, LoRA, the ceiling."""

import torch

from course_lib.course.exercises.core import Exercise, Mistake

START, END = "<|im_start|>", "<|im_end|>"


def prompt_of(messages):
    said = "".join(f"{START}{each['role']}\n{each['content']}{END}\n" for each in messages)
    return f"{said}{START}assistant\n"


def _said(messages):
    return prompt_of(messages).removesuffix(f"{START}assistant\n")


PROMPT = """
def my_prompt(messages):
    parts = []
    for each in messages:
        parts.append("<|im_start|>" + each["role"] + "\\n" + each["content"] + "<|im_end|>\\n")
    return "".join(parts)
"""


def _talks(rng):
    def number():
        return str(int(rng.integers(10, 99)))

    asked, answered = (
        {"role": "user", "content": f"{number()}+{number()}=?"},
        {"role": "assistant", "content": number()},
    )
    system = {"role": "system", "content": "只写数。"}
    return [([asked],), ([system, asked],), ([asked, answered, asked],), ([system, asked, answered, asked],)]


def labels_of(ids, begins, lengths):
    place = torch.arange(ids.shape[1])
    learned = (place >= begins[:, None]) & (place < lengths[:, None])
    return torch.where(learned, ids, -100)


LABELS = """
def my_labels(ids, begins, lengths, pad=0):
    labels = ids.clone()
    for row, begin in zip(labels, begins.tolist()):
        row[:begin] = -100
    labels[labels == pad] = -100
    return labels
"""


def _without(ids, begins, lengths, *, first=0, last=0):
    return labels_of(ids, begins + first, lengths - last)


def _rows(rng):
    """Right-padded rows of one question and one answer, whose end, 0, also fills up. An answer may be the end alone."""
    cases = []
    for sizes in (((2, 2), (3, 1)), ((3, 3), (2, 0)), ((4, 2), (2, 5), (3, 1))):  # words of the question, of the answer
        rows = []
        for asked, said in sizes:
            words = [*rng.integers(1, 9, size=asked - 1).tolist(), 0, *rng.integers(1, 9, size=said).tolist(), 0]
            rows.append((words, asked, len(words)))
        T = max(length for *_, length in rows) + int(rng.integers(2))
        ids = torch.tensor([words + [0] * (T - len(words)) for words, *_ in rows])
        cases.append((ids, *(torch.tensor([row[at] for row in rows]) for at in (1, 2))))
    return cases


def mean_of(pieces):
    total = sum(losses[mask].sum() for losses, mask in pieces)
    return total / sum(mask.sum() for _, mask in pieces)


MEAN = """
def my_mean(pieces):
    means = [losses[mask].mean() for losses, mask in pieces]
    return sum(means) / len(means)
"""


def _only_full(pieces):
    return [(losses, mask) for losses, mask in pieces if mask.any()]


def _pieces(rng):
    """Pieces of unlike shape; in the last case one has nothing to learn."""

    def piece(shape, n):
        mask = torch.zeros(shape, dtype=torch.bool).flatten()
        mask[torch.from_numpy(rng.permutation(mask.numel())[:n])] = True
        return torch.from_numpy(rng.uniform(0.5, 4.0, size=shape)), mask.view(shape)

    shapes = (
        [((1, 3), 1), ((2, 5), 8)],
        [((2, 4), 2), ((2, 4), 7), ((1, 4), 3)],
        [((1, 4), 4), ((2, 3), 0), ((1, 6), 2)],
    )
    return [([piece(*each) for each in case],) for case in shapes]


def unmerged(merged, A, B, alpha):
    return merged - alpha / A.shape[0] * B @ A


UNMERGE = """
def my_unmerge(merged, A, B, alpha):
    return merged - alpha * B @ A
"""


def _matrices(rng):
    def normal(*shape):
        return torch.from_numpy(rng.normal(size=shape))

    cases = [(normal(O, in_), normal(r, in_), normal(O, r), alpha) for O, in_, r, alpha in
             ((3, 2, 1, 2.0), (4, 6, 2, 8.0), (5, 5, 3, 1.0), (6, 4, 4, 2.0))]  # fmt: skip
    return cases


EXERCISES = [
    Exercise(
        id="19-sft-1",
        title="心算：几个词元要学",
        level=1,
        minutes=4,
        task=(
            "每条消息写成：抬头 3 个词元（`<|im_start|>`、角色、换行），内容，`<|im_end|>`，换行。"
            "一段对话五条，内容依次是：系统 5 个词元，用户 6，助手 2，用户 4，助手 3。\n"
            "损失数几个词元？"
        ),
        stub="answer = ...  # 一个整数",
        solution=7,
        tolerance=1e-6,
        mistakes=[
            Mistake("no_end", 5, "两条回答各有一个 <|im_end|> 也要学：不学它，就不会停。"),
            Mistake("headers", 13, "抬头是给它的，不用它写。"),
            Mistake("breaks", 9, "<|im_end|> 后面的换行不是谁写的，本课不数。"),
            Mistake("both_breaks", 11, "两边的换行都不数：抬头是给它的，结束符后面的换行不是谁写的。"),
            Mistake("whole_messages", 15, "抬头和末尾的换行都不数，只数内容和 <|im_end|>。"),
            Mistake("last_only", 4, "前面那条回答也是助手写的，一起学。"),
            Mistake("one_end", 6, "每条回答都有一个 <|im_end|>。"),
            Mistake("all_words", 20, "这是所有人的内容。只学助手的。"),
            Mistake("all_tokens", 45, "这是整段对话的词元数。"),
            Mistake("all_words_and_ends", 25, "这是所有人的内容和 <|im_end|>。只学助手的。"),
            Mistake("all_words_own_ends", 22, "系统和用户的话只供它读，不学。"),
            Mistake("system_too", 12, "系统的话也是我们写的，不学。"),
            Mistake("last_message", 8, "这是最后一条的全部。它的抬头和换行不数，前一条回答也要学。"),
            Mistake("users", 17, "用户的话只供它读，不学。"),
        ],
        hints=["助手写了什么？", "每条回答：内容，加一个 <|im_end|>。"],
        passes="(2 + 1) + (3 + 1)。45 个词元里只学 7 个，其余的只供它看。",
        follow_up=Exercise(
            id="19-sft-1-next",
            level=2,
            minutes=2,
            task="同一段对话。最后一条回答的第一个字，由第几个词元去猜（从 1 数起）？",
            stub="answer = ...  # 一个整数",
            solution=40,
            tolerance=1e-6,
            mistakes=[
                Mistake("itself", 41, "41 是那个字自己。猜它的是前一个。"),
                Mistake("from_zero", 39, "你从 0 数起了。"),
                Mistake("end_before", 36, "36 是上一条消息的 <|im_end|>。后面还有换行和三个抬头。"),
                Mistake("break_before", 37, "37 是上一条消息末尾的换行。它后面的抬头也在提示里。"),
                Mistake("start", 38, "38 是 <|im_start|>。抬头有三个词元，猜第一个字的是最后那个换行。"),
                Mistake("second", 42, "42 是最后一条回答的第二个字。"),
                Mistake("third", 43, "43 是最后一条回答的最后一个字。"),
                Mistake("end", 44, "44 是最后那个 <|im_end|>。"),
                Mistake("users", 33, "33 在用户第二次说的话里。后面还有它的结束、换行和助手的抬头。"),
                Mistake("first_answer", 24, "24 猜的是前一条回答的第一个字。"),
                Mistake("only_words", 16, "只数内容不够：抬头、<|im_end|>、换行也各是词元。"),
                Mistake("in_its_message", 4, "4 是那个字在自己那条里排第几。要从整段的开头数，而且猜它的是前一个。"),
            ],
            passes="前四条共 10 + 11 + 7 + 9 = 37 个，抬头 3 个，第 40 个是抬头末尾的换行：看到它，就该开口了。",
        ),
    ),
    Exercise(
        id="19-sft-2",
        title="修：答的人不肯答",
        level=1,
        minutes=4,
        kind="repair",
        task=(
            "模型用 ChatML 训练过。要它回答，得把到此为止的对话写成提示，让它接着写。"
            '`messages` 是一列 `{"role": …, "content": …}`，最后一条是用户的。\n'
            "找出错误，写出改好的 `my_prompt(messages)`，返回一段文字。"
        ),
        program=PROMPT,
        symptom="训练得好好的，一问，它不答，却接着写了 <|im_start|>user，替人又问了一遍。",
        stub="def my_prompt(messages):\n    ...",
        solution=prompt_of,
        mistakes=[
            Mistake("program", _said, "还差一截：没有写轮到谁说话。它在自己猜，猜成了用户。"),
            Mistake(
                "no_line_break",
                lambda messages: prompt_of(messages).removesuffix("\n"),
                "抬头末尾的换行也要写：训练时，第一个字前面总是它。",
            ),
            Mistake("ended", lambda messages: prompt_of(messages) + END, "最后多了 <|im_end|>：那是说“我答完了”。"),
            Mistake(
                "ended_and_broken",
                lambda messages: prompt_of(messages) + END + "\n",
                "抬头后面不要再写 <|im_end|>：那是说“我答完了”，它就只好让别人说。",
            ),
            Mistake(
                "only_start", lambda messages: _said(messages) + START, "还要写上角色和换行，不然它不知道自己是谁。"
            ),
            Mistake("role_alone", lambda messages: _said(messages) + "assistant\n", "角色前面要有 <|im_start|>。"),
            Mistake(
                "still_open",
                lambda messages: _said(messages).removesuffix(f"{END}\n") + f"\n{START}assistant\n",
                "用户的话没有用 <|im_end|> 结束。",
            ),
            Mistake(
                "no_break_between",
                lambda messages: prompt_of(messages).replace(f"{END}\n", END),
                "<|im_end|> 后面的换行没有了，与训练时不同。",
            ),
            Mistake("last_only", lambda messages: prompt_of(messages[-1:]), "前面的话也要写进去：它没有别的地方记得。"),
            Mistake(
                "no_system",
                lambda messages: prompt_of([each for each in messages if each["role"] != "system"]),
                "系统的话丢了。",
            ),
            Mistake(
                "as_user",
                lambda messages: _said(messages) + f"{START}user\n",
                "轮到助手说话，抬头的角色要写 assistant。",
            ),
            Mistake(
                "end_in_front",
                lambda messages: _said(messages) + f"\n{START}assistant\n",
                "多了一个换行：<|im_end|> 后面已经有一个了。",
            ),
            Mistake(
                "in_the_loop",
                lambda messages: "".join(map(prompt_of, [[each] for each in messages])),
                "助手的抬头写在循环里面了，每条消息后面都多一个。只在最后写一次。",
            ),
            Mistake(
                "role_in_chinese",
                lambda messages: _said(messages) + f"{START}助手\n",
                "角色要写 assistant：训练时写的就是它。",
            ),
        ],
        hints=["训练时，回答的第一个字前面是什么？", "抬头：<|im_start|>assistant，再一个换行。"],
        cases=_talks,
        same=lambda got, expected: got == expected,  # to the last line break
        passes="轮到谁说话，要由我们写：抬头是给它的，它从来没有学过写抬头。",
        follow_up=Exercise(
            id="19-sft-2-next",
            level=1,
            minutes=2,
            kind="choice",
            task="提示改好了，它答“42<|im_end|>”。生成的循环没有在 <|im_end|> 停下，继续往后写。接着最可能写出什么？",
            choices={
                "A": "再答一遍 42",
                "B": "没有学过的东西：可能是换行和抬头，也可能是别的",
                "C": "一直写 <|im_end|>",
            },
            stub='answer = "..."  # A、B 或 C',
            solution="B",
            mistakes=[
                Mistake("again", "A", "<|im_end|> 后面写什么，掩码里没有学过，没有理由是 42。"),
                Mistake("ends", "C", "<|im_end|> 后面总是换行，从来不是另一个 <|im_end|>；而且那一格没有学过。"),
            ],
            passes="结束符以后的格子都不在损失里。所以停不停，一半靠模型学会写 <|im_end|>，一半靠循环看见它就停。",
        ),
    ),
    Exercise(
        id="19-sft-3",
        title="修：答完了不会停",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "`ids` [B, T]：每行一问一答，右边用 0 号填充；结束符也是 0 号，问和答的末尾各有一个。"
            "`begins` [B]：回答从第几格起（从 0 数）；`lengths` [B]：连结束符在内，一行有几个词元。\n"
            "要返回标签 [B, T]：要学的格写 `ids`，别的写 −100；不要自己错开，训练的代码会做。"
            "找出错误，写出改好的 `my_labels(ids, begins, lengths)`。"
        ),
        program=LABELS,
        symptom="回答的字都对，可是答完以后不停，一直写到上限。",
        stub="def my_labels(ids, begins, lengths):\n    ...",
        solution=labels_of,
        mistakes=[
            Mistake(
                "program",
                lambda ids, begins, lengths: labels_of(ids, begins, lengths).masked_fill(ids == 0, -100),
                "最后的结束符没有学：按编号去掉填充，它也跟着去掉了。填充在哪里，要看 lengths。",
            ),
            Mistake(
                "padding_too",
                lambda ids, begins, lengths: labels_of(ids, begins, torch.full_like(lengths, ids.shape[1])),
                "填充也学了：一个结束符后面又学了一串结束符。只学到 lengths。",
            ),
            Mistake(
                "first_dropped",
                lambda ids, begins, lengths: _without(ids, begins, lengths, first=1),
                "回答的第一个字没有学。begins 那一格自己就是回答。",
            ),
            Mistake(
                "one_early",
                lambda ids, begins, lengths: _without(ids, begins, lengths, first=-1),
                "多学了一格：begins 的前一格是问的结束符。",
            ),
            Mistake(
                "one_late",
                lambda ids, begins, lengths: _without(ids, begins, lengths, last=-1),
                "多学了一格填充：lengths 已经把结束符算在里面。",
            ),
            Mistake(
                "questions_too",
                lambda ids, begins, lengths: labels_of(ids, torch.zeros_like(begins), lengths),
                "问的也学了：它会学着替人提问。",
            ),
            Mistake("everything", lambda ids, begins, lengths: ids, "问的和填充都学了。"),
            Mistake(
                "shifted",
                lambda ids, begins, lengths: torch.cat(
                    [labels_of(ids, begins, lengths)[:, 1:], torch.full_like(ids[:, :1], -100)], 1
                ),
                "你自己先错开了一位，训练的代码会再错一位：学成了写下下个字。",
            ),
            Mistake(
                "zero_for_none",
                lambda ids, begins, lengths: labels_of(ids, begins, lengths).clamp(min=0),
                "不学的格要写 −100。0 号是结束符，写 0 就成了处处学着结束。",
            ),
            Mistake(
                "mask",
                lambda ids, begins, lengths: labels_of(ids, begins, lengths) != -100,
                "这是哪几格要学。标签里要写编号。",
            ),
            Mistake(
                "only_ends",
                lambda ids, begins, lengths: labels_of(ids, lengths - 1, lengths),
                "你只学了结束符：模型一开口就结束。",
            ),
            Mistake(
                "length_of_answer",
                lambda ids, begins, lengths: labels_of(ids, begins, (begins + lengths).clamp(max=ids.shape[1])),
                "lengths 是整行的词元数，不是回答的。",
            ),
            Mistake(
                "first_rows",
                lambda ids, begins, lengths: labels_of(ids, begins[:1], lengths[:1]),
                "你用第一行的 begins 和 lengths 切了所有的行。每行用自己的。",
            ),
            Mistake(
                "both_early",
                lambda ids, begins, lengths: _without(ids, begins, lengths, first=-1, last=1),
                "整段早了一格：多了问的结束符，少了答的结束符。错开由训练的代码做。",
            ),
        ],
        hints=["同一个编号，有的格是结束，有的格是填充。靠什么分？", "第 t 格要学：begins ≤ t < lengths。"],
        cases=_rows,
        passes="填充由长度说，不由编号说。问的末尾那个结束符不学，答的末尾那个要学。",
        follow_up=Exercise(
            id="19-sft-3-next",
            level=2,
            minutes=2,
            kind="choice",
            task="换一个坏法：填充也学（标签里写 0 号）。每行平均补一半。训练出来的模型最可能怎样？",
            choices={
                "A": "答完就停，没有看得见的坏处；可是损失里多出许多一猜就中的格",
                "B": "还没答就停",
                "C": "答完以后不停",
            },
            stub='answer = "..."  # A、B 或 C',
            solution="A",
            mistakes=[
                Mistake("early", "B", "填充都在结束符后面。它学的是“结束以后还是结束”，不是一开口就结束。"),
                Mistake("never", "C", "真的结束符也在标签里，停是学会的。"),
            ],
            passes="坏处藏着：结束符以后的格一猜就中，平均的损失好看，每个真的字分到的梯度却少了。",
        ),
    ),
    Exercise(
        id="19-sft-4",
        title="修：分几次算，就不一样了",
        level=2,
        minutes=5,
        kind="repair",
        task=(
            "显存不够，一批分成几份，一份一份地算。`pieces` 是一列 (`losses`, `mask`)，形状相同，各份可以不同："
            "`losses` 是每个词元的损失，`mask` 说哪些要学。\n"
            "要返回与整批一次算相同的平均损失。找出错误，写出改好的 `my_mean(pieces)`。"
        ),
        program=MEAN,
        symptom="一批分成几份，损失就与不分时不同；哪一份里没有要学的词元，损失就是 nan。",
        stub="def my_mean(pieces):\n    ...",
        solution=mean_of,
        mistakes=[
            Mistake(
                "program",
                lambda pieces: torch.stack([losses[mask].mean() for losses, mask in pieces]).mean(),
                "这是平均的平均：词少的那一份，每个词的分量大了；没有词的那一份，是 0 除以 0。",
            ),
            Mistake(
                "skipping",
                lambda pieces: torch.stack([losses[mask].mean() for losses, mask in _only_full(pieces)]).mean(),
                "nan 没有了，可是还是平均的平均：词少的那一份，每个词的分量大了。",
            ),
            Mistake(
                "nan_as_zero",
                lambda pieces: torch.stack([losses[mask].mean().nan_to_num() for losses, mask in pieces]).mean(),
                "把 nan 换成 0，就把没有词的那一份当成了满分。先加总，再除。",
            ),
            Mistake(
                "all_places",
                lambda pieces: (
                    sum(losses[mask].sum() for losses, mask in pieces) / sum(mask.numel() for _, mask in pieces)
                ),
                "除以了所有的格。只除以要学的词数。",
            ),
            Mistake(
                "by_pieces",
                lambda pieces: sum(losses[mask].sum() for losses, mask in pieces) / len(pieces),
                "除以了份数。要除以词的总数。",
            ),
            Mistake("sum", lambda pieces: sum(losses[mask].sum() for losses, mask in pieces), "只加总了，还没有除。"),
            Mistake(
                "everything",
                lambda pieces: torch.cat([losses.flatten() for losses, _ in pieces]).mean(),
                "没有用 mask：不学的格也算了进去。",
            ),
            Mistake(
                "by_rows",
                lambda pieces: torch.cat(
                    [(losses * mask).sum(1)[mask.any(1)] / mask.sum(1)[mask.any(1)] for losses, mask in pieces]
                ).mean(),
                "你先各句平均了：短句里的词分量大了。",
            ),
            Mistake(
                "by_number_of_rows",
                lambda pieces: (
                    sum(losses[mask].sum() for losses, mask in pieces) / sum(len(mask) for _, mask in pieces)
                ),
                "除以了句数。要除以词的总数。",
            ),
            Mistake(
                "weighed_by_size",
                lambda pieces: sum(
                    losses[mask].mean() * losses.numel() / sum(m.numel() for _, m in _only_full(pieces))
                    for losses, mask in _only_full(pieces)
                ),
                "按格数加权了。要按要学的词数加权。",
            ),
            Mistake(
                "weighed_by_all_sizes",
                lambda pieces: (
                    sum(losses[mask].mean() * losses.numel() for losses, mask in pieces)
                    / sum(losses.numel() for losses, _ in pieces)
                ),
                "按格数加权了，没有词的那一份又是 0 除以 0。要先加总，再除以词的总数。",
            ),
            Mistake(
                "unmasked_sum",
                lambda pieces: sum(losses.sum() for losses, _ in pieces) / sum(mask.sum() for _, mask in pieces),
                "除数对了，分子却没有用 mask：不学的格也加了进去。",
            ),
            Mistake("opposite", lambda pieces: mean_of([(losses, ~mask) for losses, mask in pieces]), "mask 用反了。"),
        ],
        hints=["平均等于总和除以个数。哪个总和，哪个个数？", "两样都跨过各份去加。"],
        cases=_pieces,
        passes="先加总，最后除一次。几块显卡一起算也是这样：总和与个数各自加起来，再除。",
        follow_up=Exercise(
            id="19-sft-4-next",
            level=2,
            minutes=2,
            task="两份：一份要学 2 个词，每词损失 3；另一份 38 个词，每词损失 1。平均的平均，是真的平均的几倍？",
            stub="answer = ...  # 一个数",
            solution=1.818,
            tolerance=0.01,
            mistakes=[
                Mistake("upside_down", 0.55, "倒过来了：平均的平均是 2，真的平均是 1.1。"),
                Mistake("mean_of_means", 2, "2 是平均的平均。还要除以真的平均，(6 + 38) ÷ 40。"),
                Mistake("true_mean", 1.1, "1.1 是真的平均。问 2 是它的几倍。"),
                Mistake("difference", 0.9, "0.9 是差。问几倍。"),
                Mistake("weights", 19, "19 是一个词的分量差几倍，不是损失差几倍。"),
                Mistake("more_by", 0.818, "0.818 是多出几倍。问是几倍，要加 1。"),
                Mistake("sum_of_means", 3.64, "两份的平均 3 与 1 加起来以后，还要除以 2。"),
            ],
            passes="2 ÷ 1.1。两份的词数差得越远，差得越多；词数相同时，两种平均才相等。",
        ),
    ),
    Exercise(
        id="19-sft-5",
        title="心算：装箱以后，几对可以看",
        level=2,
        minutes=4,
        task=(
            "三段对话，长 5、3、4，装进一行 12 格。每个词元只看自己这段里的、自己和左边的。\n"
            "一行里有多少个（看的，被看的）对？"
        ),
        stub="answer = ...  # 一个整数",
        solution=31,
        tolerance=1e-6,
        mistakes=[
            Mistake("no_walls", 78, "这是没有墙的：12 × 13 ÷ 2。各段要互不相见。"),
            Mistake("squares", 50, "25 + 9 + 16：你让它看了右边。只看自己和左边。"),
            Mistake("not_itself", 19, "自己也看得见：每段多一条对角线。"),
            Mistake("all", 144, "这是所有的格子：既没有墙，也没有因果。"),
            Mistake("one_row", 15, "这只是第一段的。"),
            Mistake("crossed", 47, "47 是跨段的、又在左边的对，正是墙要挡住的。"),
            Mistake("lengths", 12, "12 是格数。每格看几个？"),
            Mistake("no_second", 25, "15 + 10 漏了第二段的 6；5 × 5 让第一段看了右边，又漏了两段。"),
            Mistake("no_third", 21, "15 + 6 漏了第三段的 10。"),
            Mistake("both_ways", 62, "每对数了两遍。只看左边，不看右边。"),
            Mistake("two_squares", 34, "25 + 9：看了右边，又漏了第三段。"),
            Mistake("two_without_itself", 13, "10 + 3：漏了第三段，也漏了看自己的。"),
            Mistake("half", 72, "12 × 12 ÷ 2：没有墙，对角线也只算了一半。"),
            Mistake("no_walls_not_itself", 66, "12 × 11 ÷ 2：没有墙，也没有看自己的。"),
        ],
        hints=["一段长 n，看得见的对有 n(n + 1)/2。", "15 + 6 + 10。"],
        passes="15 + 6 + 10。没有墙时是 78 对，多出的 47 对都是串门。",
        follow_up=Exercise(
            id="19-sft-5-next",
            level=1,
            minutes=2,
            task="同一行，格从 0 数起。第 9 格的词元，位置编号应当是几？",
            stub="answer = ...  # 一个整数",
            solution=1,
            tolerance=1e-6,
            mistakes=[
                Mistake("row", 9, "9 是它在行里的格。位置要在每段的开头从 0 重新数。"),
                Mistake("from_one", 2, "位置从 0 数起：第三段从第 8 格开始，8 是 0，9 是 1。"),
                Mistake("second", 4, "第 9 格在第三段里：前两段占了 0 到 7。"),
                Mistake("zero", 0, "第三段的第一个词元在第 8 格。"),
                Mistake("begin", 8, "8 是第三段开头的格。第 9 格离它几格？"),
                Mistake("row_from_one", 10, "10 是从 1 数的格。位置要在每段的开头从 0 重新数。"),
                Mistake("last", 3, "3 是第三段最后一个词元的位置，在第 11 格。"),
                Mistake("backwards", -1, "倒过来减了：9 − 8。"),
            ],
            passes="第三段从第 8 格起。位置不重新数，同一段话装在哪里，模型的回答就不一样。",
        ),
    ),
    Exercise(
        id="19-sft-6",
        title="修：拆不回去的 LoRA",
        level=2,
        minutes=5,
        kind="repair",
        task=(
            "LoRA 合并过了：`merged` = W + (α/r)·B·A，形状 [O, I]；`A` [r, I]，`B` [O, r]，`alpha` 是 α。\n"
            "要拆回 W。找出错误，写出改好的 `my_unmerge(merged, A, B, alpha)`。"
        ),
        program=UNMERGE,
        symptom="秩是 1 的时候拆得回去，别的秩都拆出一个坏模型。",
        stub="def my_unmerge(merged, A, B, alpha):\n    ...",
        solution=unmerged,
        mistakes=[
            Mistake("program", lambda merged, A, B, alpha: merged - alpha * B @ A, "要除以秩：乘的是 α/r，不是 α。"),
            Mistake("no_alpha", lambda merged, A, B, alpha: merged - B @ A, "漏了 α/r。"),
            Mistake(
                "twice",
                lambda merged, A, B, alpha: merged + alpha / len(A) * B @ A,
                "符号反了：这是又合并了一遍。",
            ),
            Mistake(
                "root", lambda merged, A, B, alpha: merged - alpha / len(A) ** 0.5 * B @ A, "这是 rsLoRA 的 α/√r。"
            ),
            Mistake(
                "by_width",
                lambda merged, A, B, alpha: merged - alpha / A.shape[1] * B @ A,
                "A 的形状是 [r, I]：你除以了 I。",
            ),
            Mistake(
                "by_outputs",
                lambda merged, A, B, alpha: merged - alpha / len(B) * B @ A,
                "B 的形状是 [O, r]：你除以了 O。",
            ),
            Mistake(
                "upside_down",
                lambda merged, A, B, alpha: merged - len(A) / alpha * B @ A,
                "倒过来了：是 α/r，不是 r/α。",
            ),
            Mistake("over_rank", lambda merged, A, B, alpha: merged - B @ A / len(A), "除了秩，还要乘 α。"),
            Mistake("untouched", lambda merged, A, B, alpha: merged, "还没有减去学到的那一份。"),
            Mistake(
                "times_rank",
                lambda merged, A, B, alpha: merged - alpha * len(A) * B @ A,
                "要除以秩，你乘了秩。",
            ),
            Mistake(
                "transposed",
                lambda merged, A, B, alpha: merged - alpha / len(A) * A.T @ B.T,
                "A.T @ B.T 的形状是 [I, O]，W 的是 [O, I]。要写 B @ A。",
            ),
            Mistake(
                "only_transposed",
                lambda merged, A, B, alpha: alpha / len(A) * A.T @ B.T,
                "这是学到的那一份，还转置了。要从合并的里面减去 B @ A 的那一份。",
            ),
            Mistake(
                "learned",
                lambda merged, A, B, alpha: alpha / len(A) * B @ A,
                "这是学到的那一份。要从合并的里面减去它。",
            ),
        ],
        hints=["秩是 1 时对，别的秩不对：哪里该有秩？", "A 有几行，秩就是几。"],
        cases=_matrices,
        passes="合并以后只有一个矩阵，推理不多花一点时间；留着 A、B 和 α/r，就拆得回去（浮点数会差一点点舍入）。",
        follow_up=Exercise(
            id="19-sft-6-next",
            level=1,
            minutes=2,
            task="W 的形状 [2304, 768]，秩 4。LoRA 要学的数是全部微调的百分之几？",
            stub="answer = ...  # 0 到 1 的数，或百分数",
            solution=0.00694,
            tolerance=0.03,
            percent=True,
            mistakes=[
                Mistake("count", 12288, "12,288 是 LoRA 的个数。还要除以 2304 × 768。"),
                Mistake("A_only", 0.001736, "你漏了 B，或者把秩当成了 1：r × (I + O)，r 是 4。"),
                Mistake("B_only", 0.005208, "A 也要学：r × (I + O)。"),
                Mistake("product", 4, "r × I × O 不对。A 是 r × I，B 是 O × r，相加。"),
                Mistake("rest", 0.99306, "这是省下的。"),
                Mistake("upside_down", 144, "144 是全部微调是 LoRA 的几倍。问的是倒数。"),
                Mistake("point", 6.94, "小数点挪错了一位：12,288 ÷ 1,769,472 是 0.00694，也就是 0.694%。"),
                Mistake("doubled", 0.01389, "多了一倍：r × (I + O) 里 A、B 都已经算过。"),
                Mistake("square", 0.002315, "你除以了 2304 × 2304，或者多除了 3。W 是 2304 × 768。"),
            ],
            passes=(
                "4 × (2304 + 768) = 12,288，全部是 1,769,472。省的主要是梯度和优化器的状态；前向的计算没有省。"
                "（正文的小模型也学 12,288 个，碰巧。）"
            ),
        ),
    ),
    Exercise(
        id="19-sft-7",
        title="心算：上限在哪里",
        level=2,
        minutes=4,
        task=("问 37+48，示范者十次里六次写 85，四次忘了进位，写 75。SFT 学得很透。\n照它的概率抽一百次，大约对几次？"),
        stub="answer = ...  # 一个整数",
        solution=60,
        tolerance=0.02,
        mistakes=[
            Mistake("greedy", 100, "每次取最可能的，才是一百次。照概率抽，与示范者一样。"),
            Mistake("wrong", 40, "这是写 75 的次数。"),
            Mistake("half", 50, "不是对半：六成对四成。"),
            Mistake("none", 0, "它学的是示范者的分布，对的占六成。"),
            Mistake("share", 0.6, "问的是一百次里对几次。"),
            Mistake("squared", 36, "抽一次，看一次，不用乘两遍。"),
            Mistake("right_answer", 85, "85 是那道题的答案。问的是一百次里对几次。"),
            Mistake("wrong_answer", 75, "75 是忘了进位的答案。问的是一百次里对几次。"),
            Mistake("complement", 64, "抽一次，看一次，不用乘两遍，再从一百里减。"),
            Mistake("chance", 65, "每次会上下几次，平均还是 60。"),
        ],
        hints=["损失最低时，模型的分布等于谁的分布？"],
        passes="交叉熵最低的地方，就是示范者的分布，错也照学。",
        follow_up=Exercise(
            id="19-sft-7-next",
            level=2,
            minutes=2,
            kind="choice",
            task="换一位示范者：只有四成写 85，另外六成每次错得不同，散在三十个数上。每步取最可能的，对几成？",
            choices={"A": "0", "B": "四成", "C": "全对"},
            stub='answer = "..."  # A、B 或 C',
            solution="C",
            mistakes=[
                Mistake("minority", "A", "错的合起来是六成，可是分在三十个数上，每个只有百分之二。最可能的还是 85。"),
                Mistake("sampled", "B", "这是照概率抽的。取最可能的，每次都是 85。"),
            ],
            passes="错得散，最可能的就是对的，学生比示范者强。可见“上限”要问：怎样取，错得散不散。",
        ),
    ),
]
