"""Exercises of chapter 24: memory of a 7B, rewards at equal KL, three unfair comparisons to mend, and a choice."""

import torch

from course_lib.course.exercises.core import Exercise, Mistake


def reward_at(kl, reward, level):
    at = int((kl >= level).nonzero()[0, 0])
    if at == 0:
        return reward[0]
    share = (level - kl[at - 1]) / (kl[at] - kl[at - 1])
    return reward[at - 1] + share * (reward[at] - reward[at - 1])


def _equal(kl_a, reward_a, kl_b, reward_b, *, level="shorter", sign=1, at=reward_at):
    ends = kl_a[-1], kl_b[-1]
    where = {"shorter": min(ends), "ends": None, "half": min(ends) / 2, "first": kl_a[-1]}[level]
    if where is None:
        return sign * (reward_a[-1] - reward_b[-1])
    return sign * (at(kl_a, reward_a, where.clamp(max=kl_a[-1])) - at(kl_b, reward_b, where.clamp(max=kl_b[-1])))


def _nearest(kl, reward, level):
    return reward[(kl - level).abs().argmin()]


def _below(kl, reward, level):
    return reward[int((kl <= level).nonzero()[-1, 0])]


def _same_step(kl_a, reward_a, kl_b, reward_b):
    last = min(len(reward_a), len(reward_b)) - 1
    return reward_a[last] - reward_b[last]


def _runs(rng):
    """Two runs each from (0, r0), of other lengths, either of which may go further."""
    cases = []
    for sizes, reach in (((3, 4), (1.0, 4.0)), ((5, 3), (6.0, 2.0)), ((4, 7), (2.0, 5.0))):
        start, case = float(rng.uniform(0, 1)), []
        for size, far in zip(sizes, reach):
            steps = torch.from_numpy(rng.uniform(0.2, 1, size=size)).cumsum(0)
            gained = torch.from_numpy(rng.uniform(0.1, 1, size=size)).cumsum(0)
            first = torch.zeros(1, dtype=torch.float64)
            case += [torch.cat([first, far * steps / steps[-1]]), start + torch.cat([first, gained])]
        cases.append(tuple(case))
    return cases


def at_budget(a, b, n_a, n_b, budget):
    return a[:, budget // n_a - 1].mean() - b[:, budget // n_b - 1].mean()


def _rounds(a, b, n_a, n_b, budget, *, over=torch.Tensor.mean, last=None, off=1, sign=1):
    at = [budget // n - off for n in (n_a, n_b)] if last is None else last(n_a, n_b, budget)
    return sign * (over(a[:, at[0]]) - over(b[:, at[1]]))


def _curves(rng):
    cases = []
    for n_a, n_b, seeds in ((2, 4, 2), (8, 2, 3), (3, 6, 4)):
        budget = 4 * max(n_a, n_b)
        a, b = (
            torch.from_numpy(rng.uniform(0, 1, size=(seeds, budget // n + 3)).cumsum(axis=1).copy()) for n in (n_a, n_b)
        )
        cases.append((a, b, n_a, n_b, budget))
    return cases


def shrunk(scores, kl, beta, scale):
    return (scores - beta * kl) * scale


def _penalised(rng):
    return [
        (
            torch.from_numpy(rng.uniform(0, 5, size=size)),
            torch.from_numpy(rng.uniform(0.5, 3, size=size)),
            beta,
            scale,
        )
        for size, beta, scale in ((2, 0.5, 0.1), (3, 0.2, 4.0), (5, 1.5, 0.3))
    ]


def kl_by_weight(log_probs, old, reference):
    weight = torch.exp(log_probs - old)
    return (weight * (log_probs - reference)).mean()


def _drawn(rng):
    cases = []
    for size in (3, 5, 8):
        old = torch.from_numpy(rng.uniform(-3, -0.5, size=size))
        moved = torch.from_numpy(rng.uniform(-0.7, 0.7, size=size))
        cases.append((old + moved, old, old + torch.from_numpy(rng.uniform(-0.5, 0.4, size=size))))
    return cases


EXERCISES = [
    Exercise(
        id="24-comparison-1",
        title="心算：七十亿个参数要多少内存",
        level=1,
        minutes=3,
        task=(
            "策略有 70 亿个参数。在学的每个参数存四份单精度的数（权重、梯度、Adam 的两份），冻住的每个只存 2 字节。"
            "GRPO，规则打分，β 大于 0。不算激活，共多少 GB？（1 GB 当 10⁹ 字节）"
        ),
        stub="answer = ...  # GB",
        solution=126,
        tolerance=0.005,
        mistakes=[
            Mistake("no_reference", 112, "β 大于 0，参考还要：再加 7 × 2。"),
            Mistake("frozen", 140, "冻住的只有一个参考，每个参数只存 2 字节：没有奖励模型，也不是单精度。"),
            Mistake("copies", 28, "你只数了两份 2 字节的权重。在学的那个有梯度，有 Adam。"),
            Mistake("critic", 238, "GRPO 没有评论家。"),
            Mistake("one_mean", 98, "Adam 有两份：平均和平方的平均。在学的每个参数是 16 字节。"),
        ],
        hints=["策略在学：每个参数 4 × 4 字节。", "参考冻住：每个参数 2 字节。"],
        passes="7 × 16 + 7 × 2 = 126。权重只占一小半。",
        follow_up=Exercise(
            id="24-comparison-1-next",
            minutes=2,
            task="同样算法：PPO，评论家、奖励模型都是 70 亿个参数，四个模型共多少 GB？",
            stub="answer = ...  # GB",
            solution=252,
            tolerance=0.005,
            mistakes=[
                Mistake("frozen_critic", 154, "评论家也在学，每个参数 16 字节。"),
                Mistake("copies", 56, "你当作四份 2 字节的权重。两个在学。"),
                Mistake("all_learn", 448, "奖励模型和参考冻住，每个参数 2 字节。"),
                Mistake("three", 238, "冻住的有两个：奖励模型和参考。"),
            ],
            passes="2 × 112 + 2 × 14 = 252，正好是 GRPO 的两倍。",
        ),
    ),
    Exercise(
        id="24-comparison-2",
        title="KL 相同的地方，谁的奖励多",
        level=2,
        minutes=6,
        task=(
            "两次训练，一路记下 KL 和奖励：`kl_a`、`reward_a` [R]，`kl_b`、`reward_b` [S]。"
            "KL 从 0 起，一路升，各走各的步数。"
            "写 `gap_at_equal_kl(kl_a, reward_a, kl_b, reward_b)`：取两边终点的 KL 中较小的那个，"
            "返回在这个 KL 上 a 的奖励减 b 的。两次记录之间连直线。"
        ),
        stub="def gap_at_equal_kl(kl_a, reward_a, kl_b, reward_b):\n    ...",
        solution=_equal,
        mistakes=[
            Mistake("ends", lambda *x: _equal(*x, level="ends"), "你比的是两个终点：走得远的那一边花了更多的 KL。"),
            Mistake("steps", _same_step, "你比的是同一步。步数相同，KL 不同。"),
            Mistake("sign", lambda *x: _equal(*x, sign=-1), "反了：a 减 b。"),
            Mistake("nearest", lambda *x: _equal(*x, at=_nearest), "你取了最近的一次记录。要在两次之间连直线。"),
            Mistake("below", lambda *x: _equal(*x, at=_below), "你取了还没超过的最后一次记录。要在两次之间连直线。"),
            Mistake("half", lambda *x: _equal(*x, level="half"), "取的是较小的终点，不是它的一半。"),
            Mistake("first", lambda *x: _equal(*x, level="first"), "a 的终点未必是较小的那个。"),
        ],
        hints=["先找第一个不小于这个 KL 的记录，再与前一个连线。", "走得短的那一边，就是它的终点。"],
        cases=_runs,
        passes="花费相同，才好比拿到的。",
        follow_up=Exercise(
            id="24-comparison-2-next",
            kind="choice",
            minutes=2,
            task="甲方法的 β 取 0.1，乙的也取 0.1。终点的奖励甲高。能说甲好吗？",
            choices={
                "A": "能：β 一样，花的 KL 就一样",
                "B": "不能：β 一样，各自停的 KL 可以差很多",
                "C": "能：奖励就是目标",
            },
            solution="B",
            mistakes=[
                Mistake("same", "A", "GRPO 除以标准差，β 的分量就变了；DPO 的 β 进的是 σ。停在哪里要各自量。"),
                Mistake("goal", "C", "目标是奖励减 β 乘 KL。只看奖励，不管花费。"),
            ],
            passes="把 β 各扫一遍，画出奖励对 KL 的线，再比。",
        ),
    ),
    Exercise(
        id="24-comparison-3",
        title="修：预算算错了",
        level=2,
        minutes=5,
        kind="repair",
        task=(
            "`a`、`b` [种子, 轮] 是两种方法每一轮学完以后的奖励，每轮各写 `n_a`、`n_b` 个回答。"
            "都写了 `budget` 个回答时，a 的平均奖励比 b 多多少？`budget` 是两者的倍数。\n找出这一处错，改对。"
        ),
        program=(
            "def my_gap(a, b, n_a, n_b, budget):\n"
            "    last = budget // max(n_a, n_b) - 1\n"
            "    return a[:, last].mean() - b[:, last].mean()"
        ),
        symptom="每轮写得多的那一种几乎总是赢，哪一种方法都一样。",
        solution=at_budget,
        mistakes=[
            Mistake(
                "program",
                lambda *x: _rounds(*x, last=lambda i, j, n: [n // max(i, j) - 1] * 2),
                "还是按轮数比：每轮写得少的那一种，预算没有用完。",
            ),
            Mistake("no_one", lambda *x: _rounds(*x, off=0), "多走了一轮：第 0 列是第一轮学完以后。"),
            Mistake("ends", lambda *x: _rounds(*x, last=lambda i, j, n: [-1, -1]), "你取了最后一轮，超出预算了。"),
            Mistake("best", lambda *x: _rounds(*x, over=torch.max), "挑最好的种子，散得开的方法占便宜。要平均。"),
            Mistake("sign", lambda *x: _rounds(*x, sign=-1), "反了：a 减 b。"),
        ],
        hints=["写了 budget 个回答时，a 走了几轮？b 呢？"],
        cases=_curves,
        passes="预算按回答算，各走各的轮数。",
        follow_up=Exercise(
            id="24-comparison-3-next",
            kind="choice",
            minutes=2,
            task="各跑五个种子，报告各自最好的一个。两种方法平均一样，哪一种看上去好？",
            choices={"A": "种子之间散得开的", "B": "种子之间散得小的", "C": "看上去一样"},
            solution="A",
            mistakes=[
                Mistake("tight", "B", "散得小的，最好的一个离平均近。"),
                Mistake("same", "C", "最好的一个等于平均加上散布：散得开的加得多。"),
            ],
            passes="挑最好的种子，等于奖励不稳定。",
        ),
    ),
    Exercise(
        id="24-comparison-4",
        title="修：奖励缩小了，KL 却涨了",
        level=2,
        minutes=4,
        kind="repair",
        task=(
            "奖励模型的分数太大，乘上 `scale` 再用。`scores`、`kl` [B]。最好的策略应当不因此改变："
            "返回的每个数都该是原来目标 `scores − beta · kl` 的 `scale` 倍。\n找出这一处错，改对。"
        ),
        program=("def my_rewards(scores, kl, beta, scale):\n    return scale * scores - beta * kl"),
        symptom="scale 从 1 改到 0.1，策略几乎不动了；改到 10，它远远离开参考。",
        solution=shrunk,
        mistakes=[
            Mistake("program", lambda s, k, b, c: c * s - b * k, "KL 那一项没有跟着乘：π* 里是 r/β，比变了。"),
            Mistake("divided", lambda s, k, b, c: c * s - b / c * k, "反了：β 要乘，不是除。"),
            Mistake("plain", lambda s, k, b, c: s - b * k, "scale 不见了。"),
            Mistake("only_kl", lambda s, k, b, c: s - c * b * k, "乘到另一项上去了：两项都要乘。"),
            Mistake("sign", lambda s, k, b, c: c * (s + b * k), "KL 是扣分。"),
            Mistake("twice", lambda s, k, b, c: c * (c * s - b * k), "分数乘了两次。"),
            Mistake("no_beta", lambda s, k, b, c: c * (s - k), "β 不见了。"),
        ],
        hints=["π* ∝ π_ref · exp(r/β)。r 乘 10，β 该怎样，π* 才不变？"],
        cases=_penalised,
        passes="奖励和 β 一起乘，π* 不变。",
        follow_up=Exercise(
            id="24-comparison-4-next",
            kind="choice",
            minutes=2,
            task="只把奖励乘 10，β 不动。谁学到的策略变得最少？",
            choices={"A": "PPO，它把优势白化", "B": "GRPO，优势除以组里的标准差", "C": "两个一样"},
            solution="B",
            mistakes=[
                Mistake("whitened", "A", "PPO 的 KL 罚在奖励里，先扣后白化：奖励乘 10，罚就显得小。"),
                Mistake("both", "C", "GRPO 的 KL 在损失里，不经过标准差；PPO 的在奖励里。"),
            ],
            passes="KL 写在哪里，决定尺度要不要紧。",
        ),
    ),
    Exercise(
        id="24-comparison-5",
        title="修：KL 是谁写的",
        level=2,
        minutes=5,
        kind="repair",
        task=(
            "要估 KL(π‖ref)，手边只有旧策略写的回答。"
            "`log_probs`、`old`、`reference` [B] 是每个回答在策略、旧策略、参考下的 ln 概率。"
            "返回一个平均正好是 KL(π‖ref) 的估计。\n找出这一处错，改对。"
        ),
        program=("def my_kl(log_probs, old, reference):\n    return (log_probs - reference).mean()"),
        symptom="策略走远以后，估出来的 KL 是负的。",
        solution=kl_by_weight,
        mistakes=[
            Mistake(
                "program", lambda p, o, r: (p - r).mean(), "回答是旧策略写的，平均是旧策略的平均。要乘比值 π/π_old。"
            ),
            Mistake(
                "inverse", lambda p, o, r: ((o - p).exp() * (p - r)).mean(), "比值上下颠倒了：π 在上，写回答的在下。"
            ),
            Mistake("of_old", lambda p, o, r: (o - r).mean(), "这是旧策略到参考的 KL。"),
            Mistake("to_old", lambda p, o, r: ((p - o).exp() * (p - o)).mean(), "这是到旧策略的 KL。要到参考。"),
            Mistake(
                "k3", lambda p, o, r: ((r - p).exp() - 1 + p - r).mean(), "k3 不会是负的，可是照样要 π 写的回答才对。"
            ),
            Mistake("absolute", lambda p, o, r: (p - r).abs().mean(), "取绝对值只遮住了症状。"),
            Mistake(
                "by_reference", lambda p, o, r: ((p - r).exp() * (p - r)).mean(), "回答是旧策略写的，不是参考写的。"
            ),
            Mistake(
                "normalised",
                lambda p, o, r: ((p - o).softmax(0) * (p - r)).sum(),
                "比值除以了它们的和：常用，方差小，但平均不正好是 KL。这里除以个数。",
            ),
        ],
        hints=["Σ π · d = Σ π_old · (π/π_old) · d。"],
        cases=_drawn,
        passes="谁写的，就要除以谁的概率。",
        follow_up=Exercise(
            id="24-comparison-5-next",
            kind="choice",
            minutes=2,
            task="DPO 学完，用它自己的训练对来估 KL(π‖ref)，不乘比值。哪里不对？",
            choices={"A": "对太少", "B": "对是参考写的，不是学完的策略写的", "C": "DPO 没有 KL"},
            solution="B",
            mistakes=[
                Mistake("few", "A", "再多也不对：平均的是参考写的回答。"),
                Mistake("none", "C", "DPO 的目标里有 KL，只是没有单独一项；学完照样量得出。"),
            ],
            passes="量 KL，要让被量的策略自己写一批。",
        ),
    ),
    Exercise(
        id="24-comparison-6",
        title="选一种：只有旧的对",
        kind="choice",
        level=1,
        minutes=2,
        task=(
            "客服有十万对旧回答，人已标好坏；旧回答的风格和现在的模型差得远。写不出规则，也没有奖励模型。"
            "先做哪一步最稳当？"
        ),
        choices={
            "A": "直接 DPO，β 取很小，让它走远",
            "B": "先让现在的模型写一批，请人标，再 DPO",
            "C": "GRPO，规则按回答的长短",
            "D": "PPO，不要奖励模型",
        },
        solution="B",
        mistakes=[
            Mistake("old", "A", "对里没有现在的模型会写的回答，DPO 在那里学不到什么；β 小，只会走得更偏。"),
            Mistake("length", "C", "长短不是好坏。规则没写的空子，它会钻。"),
            Mistake("none", "D", "PPO 要分数。没有奖励模型，也没有规则，就没有分数。"),
        ],
        hints=["哪些方法要分数，哪些要对？手边有什么？", "DPO 的对最好是谁写的？"],
        passes="对要盖得住策略会写的回答。写一批、标一批，就是半在线的 DPO。",
        follow_up=Exercise(
            id="24-comparison-6-next",
            kind="choice",
            minutes=1,
            task="换一件事：写程序，测试能判对错，测试跑得很快。首选哪一种？",
            choices={"A": "DPO，用网上的成对回答", "B": "GRPO 一类，测试当奖励", "C": "SFT，只学对的答案"},
            solution="B",
            mistakes=[
                Mistake("pairs", "A", "能当场判对错，就不必靠别人写的对。"),
                Mistake("copy", "C", "可以作起点；只学对的，错的没有压下去。"),
            ],
            passes="有便宜、判得准的规则，就让策略自己写。",
        ),
    ),
]
