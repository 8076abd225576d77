"""Exercises of chapter 11, CLIP: the other direction, the loss at the start, lengths, ends, twins and prompts."""

import torch
from torch.nn.functional import normalize

from course_lib.course.exercises.core import Exercise, Mistake

END = 9  # the token that ends a text


def scores_by_angle(image, text, scale):
    return scale * normalize(image, dim=-1) @ normalize(text, dim=-1).T


def _features(rng):
    shapes = (
        (2, 3, 2),
        (3, 2, 4),
        (4, 5, 3),
    )  # images, texts, width: no axis can be taken for another
    return [
        (*(torch.from_numpy(rng.normal(size=(n, D)) * rng.uniform(0.5, 3, size=(n, 1))) for n in (N, M)), scale)
        for (N, M, D), scale in zip(shapes, (2.0, 5.0, 10.0))
    ]


def cut_before_the_end(ids, context):
    return ids if len(ids) <= context else ids[: context - 1] + ids[-1:]


def _texts(rng):
    lengths = ((2, 4), (4, 3), (4, 4), (6, 4), (7, 3), (5, 8))
    return [([int(each) for each in rng.permutation(END)[: n - 1]] + [END], context) for n, context in lengths]


def shared_targets(captions):
    same = torch.tensor([[one == other for other in captions] for one in captions]).double()
    return same / same.sum(1, keepdim=True)


def _captions(rng):
    return [
        (["红色圆形", "蓝色方块"],),
        (["红色圆形", "蓝色方块", "红色圆形"],),
        (["圆", "圆", "方", "圆"],),
        ([["红", "蓝", "绿"][int(i)] for i in rng.integers(0, 3, size=6)],),
    ]


def _without_itself(captions):
    others = shared_targets(captions) * (1 - torch.eye(len(captions)).double())
    return others / others.sum(1, keepdim=True).clamp(min=1e-9)


def mean_direction(features):
    return normalize(normalize(features, dim=-1).mean(0), dim=-1)


def _prompted(rng):
    shapes = ((2, 3, 4), (3, 2, 5), (4, 5, 3))  # prompts, classes, width
    return [(torch.from_numpy(rng.normal(size=shape) * rng.uniform(0.5, 4, size=(*shape[:2], 1))),) for shape in shapes]


EXERCISES = [
    Exercise(
        id="11-clip-1",
        title="心算：只算“句找图”",
        level=1,
        minutes=4,
        task=(
            "两张图、两句话的余弦是 [[0.8, 0.2], [0.4, 0.4]]，行是图，列是句，对角线是真的一对。τ = 0.2。\n"
            "只算“句找图”这一个方向的损失（两句的平均，自然对数）。保留两位小数。"
        ),
        stub="answer = ...  # 一个数",
        solution=0.2201,
        tolerance=0.0125,
        # "both", "first", "second" and "base_two" lie between the exact number and its two decimals, and name either
        mistakes=[
            Mistake("rows", 0.3709, "0.37 是“图找句”：你在一行里做了 softmax。句找图，要在一列里比。"),
            Mistake("both", 0.298, "0.30 是两个方向的平均。题目只问“句找图”。"),
            Mistake("sum", 0.4402, "0.44 是两句之和。损失要除以句数 2。"),
            Mistake("no_temperature", 0.5556, "0.56 是没有除以 τ 的答案。余弦先除以 0.2，再做 softmax。"),
            Mistake("times", 0.6633, "0.66 是乘了 τ。要除：0.8 变成 4，0.4 变成 2。"),
            Mistake("first", 0.1285, "0.13 只是第一句的。第二句也要算，再平均。"),
            Mistake("second", 0.3117, "0.31 只是第二句的。第一句也要算，再平均。"),
            Mistake("base_two", 0.3188, "0.32 是以 2 为底。要自然对数：再乘 ln 2。"),
            Mistake("negative", -0.2201, "符号反了：损失是 −ln p，不会小于 0。"),
        ],
        hints=["第一列除以 τ 是 4 和 2，对的是 4；第二列是 1 和 2，对的是 2。", "−ln p = ln(1 + e^{错 − 对})。"],
        passes="列和行不同：同一个矩阵，两个方向是两道题，CLIP 把它们平均。",
        follow_up=Exercise(
            id="11-clip-1-next",
            minutes=2,
            kind="choice",
            task="把矩阵里四个余弦都加上 0.1（仍然除以 τ = 0.2）。CLIP 的损失和 SigLIP 的损失（偏置不动）哪个会变？",
            choices={"A": "都不变", "B": "只有 CLIP 的变", "C": "只有 SigLIP 的变", "D": "都变"},
            stub='answer = "..."  # A、B、C 或 D',
            solution="C",
            mistakes=[
                Mistake("neither", "A", "sigmoid 只看自己这一格：格子里的数变了，它就变了。"),
                Mistake("softmax", "B", "softmax 只看差：一行都加同一个数，分子分母同乘 e^{0.5}，约掉了。"),
                Mistake("both", "D", "CLIP 的 softmax 会把公共的一份约掉，不变。"),
            ],
            hints=["softmax 看相对的差，sigmoid 看绝对的数。"],
            passes="所以 SigLIP 需要一个偏置，CLIP 不需要。",
        ),
    ),
    Exercise(
        id="11-clip-2",
        title="从一个损失猜一批有多大",
        level=1,
        minutes=2,
        task="有人训练 CLIP，损失一直停在 6.93，怎样调都不动。他没有说一批有多少对。大约是多少？差 2 % 以内都算对。",
        stub="answer = ...  # 一个数",
        solution=1022.5,
        tolerance=0.02,
        mistakes=[
            Mistake("base_two", 121.9, "底数用错了：损失用自然对数，要算 e^6.93，不是 2^6.93。"),
            Mistake("base_ten", 8511380.4, "底数用错了：损失用自然对数，要算 e^6.93，不是 10^6.93。"),
            Mistake("two_directions", 2045.0, "两个方向取的是平均，不用再乘 2。"),
            Mistake("half", 511.2, "ln 512 是 6.24。两个方向取的是平均，不用除以 2。"),
            Mistake("square", 31.98, "一行的候选是 N 句，不是 N² 句，不用开方。"),
            Mistake("the_loss", 6.93, "6.93 是损失。它等于 ln N，反过来求 N。"),
        ],
        hints=["分不出谁是谁时，每句的概率都是 1/N。", "损失 = ln N，所以 N = e^6.93。"],
        passes="e^6.93 = 1,022，一批常取 2 的幂，多半是 1,024。损失等于 ln N，说明它还什么都没学到。",
        follow_up=Exercise(
            id="11-clip-2-next",
            level=2,
            minutes=3,
            task=(
                "换成 SigLIP 的损失，一批还是 1,024 对，余弦全是 0，偏置却从 0 开始（论文从 −10 开始）。"
                "每对图文分到的损失（总和除以 N）是多少？"
            ),
            stub="answer = ...  # 一个数",
            solution=709.78,
            mistakes=[
                Mistake("per_cell", 0.6931, "0.69 是一格的。每一行有 1,024 格，SigLIP 除以 N，不除以 N²。"),
                Mistake("softmax", 6.9315, "6.93 是 softmax 的损失。sigmoid 每格各算一次，再相加。"),
                Mistake("biased", 10.05, "10.05 是偏置 −10 的答案，题目问的是偏置 0。"),
                Mistake("total", 726817.0, "这是所有格子的总和，还要除以 N = 1,024。"),
            ],
            hints=["σ(0) = 0.5，一格的损失是 ln 2。", "一行有 1,024 格。"],
            passes="一开始就有 709，几乎全来自负样本。偏置 −10 把它降到 10 左右。",
        ),
    ),
    Exercise(
        id="11-clip-3",
        title="修：总赢的那一句",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "`image` [N, D]，`text` [M, D]，`scale` 是 1/τ。分数应当是余弦乘 scale，形状 [N, M]。\n"
            "找出错误，写出改好的 `my_scores(image, text, scale)`。"
        ),
        program="def my_scores(image, text, scale):\n    return scale * image @ text.T",
        symptom="有一句话，随便换哪张图它的分数都偏大。打印出来，这句的特征比别的长三倍。分数也早就超过了 scale。",
        stub="def my_scores(image, text, scale):\n    ...",
        solution=scores_by_angle,
        mistakes=[
            Mistake(
                "program",
                lambda image, text, scale: scale * image @ text.T,
                "这是点积：向量越长，分数越大。余弦要先除以各自的长度。",
            ),
            Mistake(
                "only_image",
                lambda image, text, scale: scale * normalize(image, dim=-1) @ text.T,
                "只归一了图。长的句子照样总赢：文字也要除以长度。",
            ),
            Mistake(
                "only_text",
                lambda image, text, scale: scale * image @ normalize(text, dim=-1).T,
                "只归一了文字。图的长度还在：它成了每张图自己的温度。",
            ),
            Mistake(
                "over_the_batch",
                lambda image, text, scale: scale * normalize(image, dim=0) @ normalize(text, dim=0).T,
                "除错了轴：你让每个分量在整批里长度为 1。要让每个向量（最后一维）长度为 1。",
            ),
            Mistake(
                "one_number",
                lambda image, text, scale: scale * (image / image.norm()) @ (text / text.norm()).T,
                "`.norm()` 不写 dim 是整个矩阵的长度。要每一行除以自己的长度。",
            ),
            Mistake(
                "divided",
                lambda image, text, scale: normalize(image, dim=-1) @ normalize(text, dim=-1).T / scale,
                "scale 是 1/τ，要乘。除了就把差别压没了。",
            ),
            Mistake(
                "no_scale",
                lambda image, text, scale: normalize(image, dim=-1) @ normalize(text, dim=-1).T,
                "没有乘 scale：余弦最多差 2，softmax 拉不开。",
            ),
            Mistake(
                "l1",
                lambda image, text, scale: scale * normalize(image, p=1, dim=-1) @ normalize(text, p=1, dim=-1).T,
                "你除以了绝对值之和。余弦要除以平方和的平方根。",
            ),
            Mistake(
                "turned",
                lambda image, text, scale: scores_by_angle(text, image, scale),
                "行列反了：行是图，列是句。",
            ),
        ],
        hints=[
            "余弦只看方向，不看长度。",
            "每个向量除以自己的长度：沿最后一维。",
            "torch.nn.functional.normalize(x, dim=-1)。",
        ],
        cases=_features,
        passes="长度去掉了，分数在 ±scale 之间，尖不尖由 τ 一个数决定。",
        follow_up=Exercise(
            id="11-clip-3-next",
            level=2,
            minutes=3,
            task=(
                "归一了，却忘了温度（scale = 1）。一批 128 对，训练得不能再好：对的余弦都是 1，"
                "错的都是 −1/127（128 个方向不可能两两相反，一样远时最多如此）。对的那句的概率是百分之几？"
            ),
            stub="answer = ...  # 一个数，百分之几",
            solution=2.11,
            tolerance=0.02,
            mistakes=[
                Mistake("sure", 100.0, "余弦只差 1，e¹ 只有 2.7 倍，压不住 127 个对手。"),
                Mistake("two", 73.3, "73 % 是只有一个对手时的。现在有 127 个。"),
                Mistake("chance", 0.78, "0.78 % 是瞎猜的 1/128。对的那句还是大了 2.7 倍。"),
                Mistake("opposite", 5.5, "5.5 % 是错的余弦都为 −1 时的：两个方向能相反，128 个不能。"),
                Mistake("share", 0.0211, "要的是百分之几：0.021 就是 2.1 %。"),
            ],
            hints=["错的余弦差不多是 0：e¹ 除以 (e¹ + 127·e⁰)。"],
            passes="损失最低是 −ln 0.0211 = 3.86，离瞎猜的 ln 128 = 4.85 不远：分数的差被余弦锁住了。",
        ),
    ),
    Exercise(
        id="11-clip-4",
        title="修：长句都成了同一句",
        level=2,
        minutes=5,
        kind="repair",
        task=(
            "`ids` 是一句话的编号列表，最后一个是结束符。模型最多读 `context` 个（至少 2 个）。"
            "结束符所在的位置，就是取特征的位置。\n"
            "找出错误，写出改好的 `my_cut(ids, context)`：不超长的原样返回；超长的截短，长度恰好是 context。"
        ),
        program="def my_cut(ids, context):\n    return ids[:context]",
        symptom="短句检索很好。凡是超长的句子，特征一模一样，不管说的是什么。",
        stub="def my_cut(ids, context):\n    ...",
        solution=cut_before_the_end,
        mistakes=[
            Mistake(
                "program",
                lambda ids, context: ids[:context],
                "结束符被切掉了，读特征的位置也就没了。取最大编号或找不到时取第 0 个，读到的都不是整句。",
            ),
            Mistake(
                "appended",
                lambda ids, context: ids if len(ids) <= context else ids[:context] + ids[-1:],
                "多了一个：先留出结束符的位置，正文只能有 context − 1 个。",
            ),
            Mistake(
                "tail",
                lambda ids, context: ids[-context:],
                "你留了句尾。结束符在，开头没了；约定是从后面截。",
            ),
            Mistake(
                "always",
                lambda ids, context: ids[: context - 1] + ids[-1:],
                "短句也补了一个结束符。不超长的要原样返回。",
            ),
            Mistake(
                "only_room",
                lambda ids, context: ids if len(ids) <= context else ids[: context - 1],
                "你给结束符留了位置，却没有把它接上：ids[: context − 1] 后面还要一个 ids[−1]。",
            ),
            Mistake(
                "too_short",
                lambda ids, context: ids if len(ids) <= context else ids[: context - 2] + ids[-1:],
                "少了一个：正文可以有 context − 1 个。",
            ),
            Mistake(
                "at_the_limit",
                lambda ids, context: ids if len(ids) < context else ids[: context - 2] + ids[-1:],
                "刚好等于 context 的不算超长，不用截。",
            ),
        ],
        hints=["超长时，最后一位必须是结束符。", "正文留 context − 1 个，再接上 ids 的最后一个。"],
        cases=_texts,
        passes="结束符还在最后，读得到整句截短后的特征。",
        follow_up=Exercise(
            id="11-clip-4-next",
            level=2,
            minutes=2,
            kind="choice",
            task=(
                "公开的 CLIP 用“编号最大的位置”找结束符（49407），开头符的编号是第二大（49406）。"
                "结束符被切掉以后，读到的是哪里？那里看得见什么？"
            ),
            choices={
                "A": "最后一个词，看得见整句",
                "B": "开头符，因果掩码下只看得见自己",
                "C": "开头符，看得见整句",
                "D": "报错",
            },
            stub='answer = "..."  # A、B、C 或 D',
            solution="B",
            mistakes=[
                Mistake("last", "A", "argmax 找的是编号最大的，不是最后的。结束符没了，第二大的是开头符。"),
                Mistake("sees_all", "C", "文字塔有因果掩码，第 0 个位置看不见后面。"),
                Mistake("raises", "D", "argmax 总会给出一个位置，不会报错：所以这个错很安静。"),
            ],
            hints=["剩下的编号里最大的是谁？", "第 0 个位置在因果掩码下看得见谁？"],
            passes="每句都读开头符，它只看得见自己：所有长句的特征相同。我们的房间遇到没有结束符的句子会报错。",
        ),
    ),
    Exercise(
        id="11-clip-5",
        title="同一句话出现两次",
        level=2,
        minutes=6,
        task=(
            "一批里有几张图的说明一字不差，它们互为**假负样本**。写 `my_targets(captions)`："
            "`captions` 是 N 句话的列表，"
            "返回 [N, N] 的目标，第 i 行把 1 平分给与第 i 句相同的各句（包括它自己），其余是 0。"
        ),
        stub="def my_targets(captions):\n    ...",
        solution=shared_targets,
        mistakes=[
            Mistake(
                "identity",
                lambda captions: torch.eye(len(captions)).double(),
                "这是原来的目标：相同的句子仍被当作负样本。",
            ),
            Mistake(
                "not_shared",
                lambda captions: torch.tensor([[a == b for b in captions] for a in captions]).double(),
                "每一行要加起来是 1：有几句相同，就各分几分之一。",
            ),
            Mistake(
                "by_n",
                lambda captions: torch.tensor([[a == b for b in captions] for a in captions]).double() / len(captions),
                "你除以了 N。除数是这一行有几句相同，每一行才加起来是 1。",
            ),
            Mistake(
                "others_only",
                lambda captions: (
                    torch.tensor([[a == b for b in captions] for a in captions]).double() - torch.eye(len(captions))
                ),
                "自己也算相同的一句：对角线不能是 0；每一行还要除以自己的和。",
            ),
            Mistake(
                "own_share_dropped",
                lambda captions: shared_targets(captions) * (1 - torch.eye(len(captions)).double()),
                "自己的那一份丢了：对角线不能是 0，每一行加起来是 1。",
            ),
            Mistake(
                "over_all",
                lambda captions: shared_targets(captions) / len(captions),
                "你除以了整批。每一行自己的和是 1。",
            ),
            Mistake(
                "without_itself",
                _without_itself,
                "自己也算相同的一句：对角线不能是 0。",
            ),
            Mistake(
                "half_and_half",
                lambda captions: (torch.eye(len(captions)).double() + shared_targets(captions)) / 2,
                "你偏袒了自己那一对。一字不差，就该平分。",
            ),
            Mistake(
                "removed",
                lambda captions: torch.eye(len(captions)).double() * shared_targets(captions),
                "只留了自己的那一份，和不到 1。相同的句子也要分到。",
            ),
        ],
        hints=["先写一个 N×N 的“相同吗”。", "每一行除以自己的和。"],
        cases=_captions,
        passes="`soft_clip_loss` 就是拿这样的目标做交叉熵。没有重复时它就是 CLIP 的损失。",
        follow_up=Exercise(
            id="11-clip-5-next",
            level=2,
            minutes=3,
            task=(
                "一批 6 对，恰有 2 句一字不差。不用平分的目标，用原来的。模型再好，这 6 行的平均损失也不会低于多少？"
            ),
            stub="answer = ...  # 一个数",
            solution=0.2310,
            mistakes=[
                Mistake("zero", 0.0, "两句一字不差，特征必然相同，概率最多各一半：这两行不会是 0。"),
                Mistake("one_row", 0.6931, "0.69 是其中一行的。6 行平均：只有 2 行有这个代价。"),
                Mistake("one_of_six", 0.1155, "两行都有代价，不是一行。"),
                Mistake("sum", 1.3863, "这是两行之和，还要除以 6。"),
            ],
            hints=["相同的两句特征相同，最多各占一半。", "两行各 ln 2，其余四行可以到 0。"],
            passes="损失到不了 0，不一定是没学好，可能是数据里有重复。",
        ),
    ),
    Exercise(
        id="11-clip-6",
        title="几种说法合成一个类别",
        level=2,
        minutes=5,
        task=(
            "每个类别写几种提示：`features` [P, C, D]，P 种说法、C 个类别、宽 D，都没有归一化。\n"
            "写 `my_classes(features)`：返回 [C, D]。每种说法先取方向，再平均，最后再变成长度 1。"
        ),
        stub="def my_classes(features):\n    ...",
        solution=mean_direction,
        mistakes=[
            Mistake(
                "long_ones_weigh_more",
                lambda features: normalize(features.mean(0), dim=-1),
                "没有先归一：特征长的那种说法说了算。",
            ),
            Mistake(
                "too_short",
                lambda features: normalize(features, dim=-1).mean(0),
                "平均以后不再是单位长：方向越不一致越短，点积就不是余弦了。最后还要归一。",
            ),
            Mistake(
                "over_classes",
                lambda features: normalize(normalize(features, dim=-1).mean(1), dim=-1),
                "平均错了轴：你把各个类别平均了。第 0 维才是说法。",
            ),
            Mistake(
                "over_prompts_as_width",
                lambda features: normalize(normalize(features, dim=0).mean(0), dim=-1),
                "先归一的轴错了：要沿最后一维，让每个向量长度为 1。",
            ),
            Mistake("first_only", lambda features: normalize(features[0], dim=-1), "只用了第一种说法。"),
            Mistake("plain_mean", lambda features: features.mean(0), "两次归一都没有做。"),
            Mistake(
                "largest",
                lambda features: normalize(normalize(features, dim=-1).amax(0), dim=-1),
                "你取了最大值。集成是取平均。",
            ),
        ],
        hints=["三步：归一、平均、归一。", "归一沿最后一维，平均沿第 0 维。"],
        cases=_prompted,
        passes="先归一，每种说法一样重；再归一，点积才是余弦。",
        follow_up=Exercise(
            id="11-clip-6-next",
            minutes=2,
            kind="choice",
            task="CLIP 论文在 ImageNet 上用了 80 种说法。给一张新图分类时，要比只用一种说法多算多少？",
            choices={"A": "80 倍", "B": "不多算：方向事先平均好了", "C": "2 倍"},
            stub='answer = "..."  # A、B 或 C',
            solution="B",
            mistakes=[
                Mistake("eighty", "A", "80 种说法只在准备类别时读一次。每张图仍然只和 1,000 个方向比。"),
                Mistake("two", "C", "没有第二遍：图像塔只跑一次，比的仍是 C 个方向。"),
            ],
            hints=["my_classes 的输出是什么形状？"],
            passes="代价在准备时付一次，之后每张图都不用再付。",
        ),
    ),
]
