"""Exercises of chapter 09, GPT-3: data, size, examples."""

import numpy as np
import torch

from course_lib.course.exercises.compare import agree
from course_lib.course.exercises.core import Exercise, Mistake
from course_lib.data.text.minhash import jaccard, shingles
from course_lib.data.text.quality_filter import keep_probability
from course_lib.foundations.sparse import banded_mask


def _same_share(got, expected):
    """A share, as 0.094, 9.4 or "9.4 %"; an estimate may be 4 % off."""
    percent = isinstance(got, str) and got.strip()[-1:] in "%％"
    number = got.strip().rstrip("%％") if percent else got
    return any(agree(number, expected * scale, 0.04) for scale in ((100,) if percent else (1, 100)))


def _pair_cases(rng):
    letters = list("红蓝绿黄圆方")
    cases = []
    for length in (4, 8, 15):
        text = "".join(rng.choice(letters, length))
        cases.append((text, text[: length // 2] + "".join(rng.choice(letters, length - length // 2)), 2))
    return [*cases, ("红红红红", "红红蓝", 2), ("红蓝绿", "黄圆方", 2)]


def _common(a, b, k):
    return shingles(a, k) & shingles(b, k)


def _first_of_each(n, pairs):
    kept = []
    group = list(range(n))
    for i, j in pairs:
        old, new = max(group[i], group[j]), min(group[i], group[j])
        group = [new if each == old else each for each in group]
    for i in range(n):
        if group[i] == i:
            kept.append(i)
    return kept


EXERCISES = [
    Exercise(
        id="09-gpt3-1",
        title="心算：七分的网页",
        level=1,
        minutes=3,
        task=(
            "一篇网页得分 s = 0.7。GPT-3 的规则是 np.random.pareto(9) > 1 − s 才留下。\n"
            "不用电脑，估算留下的概率（1.3 的 9 次方约 10.6）。写成小数或百分数都行。"
        ),
        stub="answer_1 = ...  # 小数，或者百分数",
        solution=float(keep_probability(0.7)),
        same=_same_share,
        mistakes=[
            Mistake("score", 0.7, "0.7 是分数，不是概率。规则比较的是一次 Pareto 抽样与 1 − s。"),
            Mistake("power", 0.7**9, "这是 s⁹。留下的概率是 (1 + (1 − s))⁻⁹ = (2 − s)⁻⁹，底是 1.3。"),
            Mistake("no_one", 1.7**-9, "这是 (1 + s)⁻⁹。代进去的是 x = 1 − s，所以底是 2 − s = 1.3。"),
            Mistake("no_inverse", 1.3**9, "这是 1.3⁹，还要取倒数：指数是 −9。"),
            Mistake("dropped", 1 - float(keep_probability(0.7)), "这是丢掉的概率。题目问留下的。"),
            Mistake("classical", 1.0, "1 是每篇都留下：那是把 Pareto 当成从 1 起的。numpy 的 pareto 从 0 起。"),
        ],
        hints=["P(X > x) = (1 + x)⁻⁹，这里 x = 1 − s。", "1 + x = 1.3。", "1/10.6。"],
        passes="0.7 分的 100 篇里只留九篇，可是不为零：分类器看走眼的，还有机会。",
        next="要让 0.7 分留下一半，α 该是多少？",
    ),
    Exercise(
        id="09-gpt3-2",
        title="两篇文档有多像",
        level=2,
        minutes=6,
        task=(
            "写 `similarity(a, b, k)`：把两段文字各切成所有长为 k 的片段（集合），返回 Jaccard 相似度\n"
            "|A ∩ B| / |A ∪ B|。文字都不短于 k。"
        ),
        stub="def similarity(a, b, k):\n    ...",
        solution=lambda a, b, k: jaccard(shingles(a, k), shingles(b, k)),
        mistakes=[
            Mistake(
                "by_smaller",
                lambda a, b, k: len(_common(a, b, k)) / min(len(shingles(a, k)), len(shingles(b, k))),
                "你除以了较小的集合，那是包含度（containment）。Jaccard 除以并集。",
            ),
            Mistake(
                "by_sum",
                lambda a, b, k: len(_common(a, b, k)) / (len(shingles(a, k)) + len(shingles(b, k))),
                "你除以了两个大小之和：共有的片段数了两遍。并集 = 两者之和 − 交集。",
            ),
            Mistake(
                "dice",
                lambda a, b, k: 2 * len(_common(a, b, k)) / (len(shingles(a, k)) + len(shingles(b, k))),
                "这是 Dice 系数 2|A∩B| / (|A|+|B|)，总比 Jaccard 大一些。",
            ),
            Mistake(
                "letters",
                lambda a, b, k: jaccard(set(a), set(b)),
                "你比的是单个字，没有切成长为 k 的片段：打乱字序也会得 1。",
            ),
            Mistake(
                "chopped",
                lambda a, b, k: jaccard(
                    {a[i : i + k] for i in range(0, len(a) - k + 1, k)},
                    {b[i : i + k] for i in range(0, len(b) - k + 1, k)},
                ),
                "你切成了不重叠的段。要每移动一个字取一段：前面加一个字，后面的段才不会全变。",
            ),
        ],
        hints=["{a[i:i+k] for i in range(len(a) - k + 1)}。", "集合的 & 和 |。", "len(A & B) / len(A | B)。"],
        cases=_pair_cases,
        passes="这个数就是 MinHash 要估计的东西。",
        next="k 取 1 和取 20 各有什么毛病？",
    ),
    Exercise(
        id="09-gpt3-3",
        title="读图：带和行",
        level=2,
        minutes=4,
        task=(
            "看 S 曲线那张图。有人用 9,000 个哈希，分成 b = 450 带，每带 r = 20 行。\n"
            "拐点 (1/b)^(1/r) 在哪个相似度？保留两位小数。"
        ),
        stub="answer_3 = ...  # 0 到 1 之间的一个数",
        solution=(1 / 450) ** (1 / 20),
        mistakes=[
            Mistake("swapped", (1 / 20) ** (1 / 450), "带和行对调了：你算的是 20 带 × 450 行，几乎只认全同的文档。"),
            Mistake("ratio", 20 / 450, "不是行数比带数。拐点处 sʳ = 1/b，开 r 次方。"),
            Mistake("no_root", 1 / 450, "还要开 20 次方：每带要 20 行全对，概率是 s²⁰。"),
            Mistake("half", 0.5, "0.5 不是拐点。s = 0.5 时 s²⁰ 约百万分之一，450 带也碰不上。"),
        ],
        hints=["拐点处 s²⁰ = 1/450。", "ln 450 = 6.11。", "e 的 −6.11/20 次方。"],
        passes="0.74：行越多越严，带越多越宽。",
        next="哈希总数还是 9,000，想把拐点挪到 0.9，带和行怎么分？",
        tolerance=0.008,
    ),
    Exercise(
        id="09-gpt3-4",
        title="每簇留一篇",
        level=2,
        minutes=8,
        task=(
            "写 `keep(n, pairs)`：n 篇文档编号 0 … n−1，`pairs` 是近似重复的对 (i, j)，i < j。\n"
            "把连在一起的（可以经过别的文档）算一簇，每簇只留编号最小的一篇，返回留下的编号（列表、集合都行）。"
        ),
        stub="def keep(n, pairs):\n    ...",
        solution=_first_of_each,
        same=lambda got, expected: sorted(map(int, got)) == sorted(expected),
        mistakes=[
            Mistake(
                "all_gone",
                lambda n, pairs: [i for i in range(n) if all(i not in pair for pair in pairs)],
                "有副本的文档你全删了，一篇也没留。每簇要留一篇。",
            ),
            Mistake(
                "second_stays",
                lambda n, pairs: [i for i in range(n) if i not in {pair[0] for pair in pairs}],
                "你删了每对里的前一篇，留下的不是编号最小的。",
            ),
            Mistake(
                "direct_only",
                lambda n, pairs: [i for i in range(n) if not any(j == i and h == 0 for h, j in pairs)],
                "你只删了和 0 号直接相连的。别的簇也要各留一篇。",
            ),
            Mistake("nothing", lambda n, pairs: list(range(n)), "一篇也没有删。"),
        ],
        hints=[
            "每篇先自成一簇，标号就是自己。",
            "遇到一对，把两簇的标号都改成较小的那个。",
            "最后标号等于自己的，就是要留的。",
        ],
        cases=lambda rng: [
            (2, [(0, 1)]),
            (3, []),
            (4, [(1, 2), (2, 3)]),
            (5, [(0, 4), (1, 3)]),
            (6, [(2, 5), (0, 5), (3, 4)]),
            (7, [(int(i), int(i + j)) for i, j in zip(rng.integers(0, 4, 3), rng.integers(1, 4, 3))]),
        ],
        passes="连通分量做对了。记住它的代价：A~B、B~C，A 和 C 再不像也算一簇。",
        next="怎样改，才能让 A 和 C 不像时都留下？",
    ),
    Exercise(
        id="09-gpt3-5",
        title="局部带状的掩码",
        level=3,
        minutes=8,
        task=(
            "GPT-3 每隔一层用局部带状注意力。写 `my_band(T, window)`：布尔 [T, T]，True 表示可以看。\n"
            "第 t 个 token 只看自己和左边最近的，一共最多 window 个。"
        ),
        stub="def my_band(T, window):\n    ...",
        solution=lambda T, window: banded_mask(T, T, window),
        mistakes=[
            Mistake(
                "one_more",
                lambda T, window: banded_mask(T, T, window + 1),
                "多看了一个：自己也算在 window 里，window = 1 就是只看自己。",
            ),
            Mistake(
                "both_sides",
                lambda T, window: banded_mask(T, T, window) | banded_mask(T, T, window).T,
                "右边也看了，那是未来。",
            ),
            Mistake("causal", lambda T, window: banded_mask(T, T, T), "这是普通的因果掩码，远处的也看见了。"),
            Mistake("upside_down", lambda T, window: ~banded_mask(T, T, window), "真假反了：True 是可以看。"),
            Mistake(
                "blocks",
                lambda T, window: (
                    banded_mask(T, T, T) & (torch.arange(T)[:, None] // window == torch.arange(T) // window)
                ),
                "你切成了一块一块，块首的 token 只看得见自己。带要跟着 t 移动。",
            ),
        ],
        hints=[
            "s ≤ t，而且 t − s < window。",
            "torch.arange(T)[:, None] − torch.arange(T) 就是 t − s。",
            "或者 tril() 再 triu(−window + 1)。",
        ],
        cases=lambda rng: [(1, 1), (4, 2), (6, 3), (5, 5), (int(rng.integers(6, 10)), 4)],
        passes="一层只看 window 个，隔层的稠密注意力再把远处接上。",
        next="若 n 层全是带状，最后一层的一个 token 最远能受多远处影响？",
    ),
    Exercise(
        id="09-gpt3-6",
        title="拟合一条幂律",
        level=3,
        minutes=8,
        task=(
            "写 `exponent(sizes, losses)`：假设 L = (N_c/N)^α，用双对数坐标里的最小二乘直线求 α，返回一个数。\n"
            "两个参数都是一维数组，全是正数。"
        ),
        stub="def exponent(sizes, losses):\n    ...",
        solution=lambda sizes, losses: float(-np.polyfit(np.log(np.asarray(sizes)), np.log(np.asarray(losses)), 1)[0]),
        mistakes=[
            Mistake(
                "sign",
                lambda sizes, losses: float(np.polyfit(np.log(np.asarray(sizes)), np.log(np.asarray(losses)), 1)[0]),
                "差一个负号：直线的斜率是 −α，损失随 N 下降，α 是正的。",
            ),
            Mistake(
                "semilog",
                lambda sizes, losses: float(-np.polyfit(np.log(np.asarray(sizes)), np.asarray(losses), 1)[0]),
                "只对 N 取了对数。损失也要取对数，幂律才是直线。",
            ),
            Mistake(
                "exponential",
                lambda sizes, losses: float(-np.polyfit(np.asarray(sizes), np.log(np.asarray(losses)), 1)[0]),
                "只对损失取了对数，那是指数函数。N 也要取对数。",
            ),
            Mistake(
                "swapped",
                lambda sizes, losses: float(-np.polyfit(np.log(np.asarray(losses)), np.log(np.asarray(sizes)), 1)[0]),
                "横轴和纵轴对调了：自变量是 N。",
            ),
        ],
        hints=["log L = α·log N_c − α·log N。", "np.polyfit(x, y, 1) 返回斜率和截距。", "α 是斜率的相反数。"],
        cases=lambda rng: [
            (np.array([10.0, 100.0, 1000.0]), np.array([2.0, 1.0, 0.5])),
            (np.geomspace(100, 1e5, 5), 3 * np.geomspace(100, 1e5, 5) ** -0.3 * np.exp(0.1 * rng.normal(size=5))),
            (np.geomspace(50, 5e4, 6), 2 * np.geomspace(50, 5e4, 6) ** -0.1 * np.exp(0.05 * rng.normal(size=6))),
        ],
        passes="两行就是一条“规模律”。难的是知道它在哪里失效。",
        next="若损失有一个降不下去的底（语言本身的熵），这条线会往哪边弯？",
    ),
]
