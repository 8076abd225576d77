"""Exercises of chapter 24: memory of a 7B, rewards at equal KL, three unfair comparisons to mend, a choice, and what a
step reads."""

import torch

from course_lib.course.exercises.core import Exercise, Mistake


def reward_at(kl, reward, level):
    at = int((kl >= level).nonzero()[0, 0])
    if at == 0:
        return reward[0]
    share = (level - kl[at - 1]) / (kl[at] - kl[at - 1])
    return reward[at - 1] + share * (reward[at] - reward[at - 1])


def gap_at_equal_kl(kl_a, reward_a, kl_b, reward_b):
    level = min(kl_a[-1], kl_b[-1])
    return reward_at(kl_a, reward_a, level) - reward_at(kl_b, reward_b, level)


def _equal(kl_a, reward_a, kl_b, reward_b, *, level="shorter", sign=1, at=reward_at):
    """gap_at_equal_kl with one thing otherwise; beyond its end a run stays there, as np.interp has it."""
    ends = kl_a[-1], kl_b[-1]
    where = {"shorter": min(ends), "ends": None, "half": min(ends) / 2, "first": ends[0], "second": ends[1]}[level]
    if where is None:
        return sign * (reward_a[-1] - reward_b[-1])
    return sign * (at(kl_a, reward_a, where.clamp(max=kl_a[-1])) - at(kl_b, reward_b, where.clamp(max=kl_b[-1])))


def _nearest(kl, reward, level):
    return reward[(kl - level).abs().argmin()]


def _below(kl, reward, level):
    return reward[int((kl <= level).nonzero()[-1, 0])]


def _above(kl, reward, level):
    return reward[int((kl >= level).nonzero()[0, 0])]


def _crossed(kl, reward, level):
    """The line's two weights exchanged."""
    at = max(1, int((kl >= level).nonzero()[0, 0]))
    share = (level - kl[at - 1]) / (kl[at] - kl[at - 1])
    return share * reward[at - 1] + (1 - share) * reward[at]


def _per_nat(kl_a, reward_a, kl_b, reward_b):
    return reward_a[-1] / kl_a[-1] - reward_b[-1] / kl_b[-1]


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


def _all_rounds(a, b, n_a, n_b, budget):
    return a[:, : budget // n_a].mean() - b[:, : budget // n_b].mean()


def _rounds(a, b, n_a, n_b, budget, *, over=torch.Tensor.mean, last=None, off=1, sign=1):
    at = [budget // n - off for n in (n_a, n_b)] if last is None else last(n_a, n_b, budget)
    return sign * (over(a[:, at[0]]) - over(b[:, at[1]]))


def _curves(rng):
    cases = []
    for n_a, n_b, seeds in ((2, 4, 2), (8, 2, 3), (3, 6, 4)):
        budget = 4 * max(n_a, n_b)
        rounds = budget // min(n_a, n_b) + 3
        a, b = (torch.from_numpy(rng.uniform(0, 1, size=(seeds, rounds)).cumsum(axis=1).copy()) for _ in "ab")
        cases.append((a, b, n_a, n_b, budget))
    return cases


def shrunk(scores, kl, beta, scale):
    return (scores - beta * kl) * scale


def _whitened(scores, kl, beta, scale):
    f = scale * (scores - beta * kl)
    return (f - f.mean()) / f.std()


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
            Mistake("weights", 42, "你只数了权重：4 字节加 2 字节。在学的那个还有梯度，有 Adam 的两份。"),
            Mistake("both_learn", 224, "参考不学，只存 2 字节的权重，没有梯度，也没有 Adam。"),
            Mistake("two_weights", 56, "你只数了单精度的权重。在学的存四份，冻住的只存 2 字节。"),
            Mistake("bytes", 126e9, "这是字节。1 GB 是 10⁹ 字节。"),
        ],
        hints=["策略在学：每个参数 4 × 4 字节。", "参考冻住：每个参数 2 字节。"],
        passes="7 × 16 + 7 × 2 = 126。冻住的只为了读，常存 2 字节；都存单精度时是 7 × 20 = 140。",
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
                Mistake("no_frozen", 224, "冻住的两个也要装：每个参数 2 字节。"),
                Mistake("single", 280, "冻住的每个参数只存 2 字节，你当作单精度了。"),
            ],
            passes="2 × 112 + 2 × 14 = 252，正好是规则打分的 GRPO 的两倍：一个在学配一个冻住，有两份。",
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
        solution=gap_at_equal_kl,
        mistakes=[
            Mistake("ends", lambda *x: _equal(*x, level="ends"), "你比的是两个终点：走得远的那一边花了更多的 KL。"),
            Mistake("steps", _same_step, "你比的是同一步。步数相同，KL 不同。"),
            Mistake("sign", lambda *x: _equal(*x, sign=-1), "反了：a 减 b。"),
            Mistake("nearest", lambda *x: _equal(*x, at=_nearest), "你取了最近的一次记录。要在两次之间连直线。"),
            Mistake("below", lambda *x: _equal(*x, at=_below), "你取了还没超过的最后一次记录。要在两次之间连直线。"),
            Mistake("half", lambda *x: _equal(*x, level="half"), "取的是较小的终点，不是它的一半。"),
            Mistake("first", lambda *x: _equal(*x, level="first"), "a 的终点未必是较小的那个。"),
            Mistake("second", lambda *x: _equal(*x, level="second"), "b 的终点未必是较小的那个。"),
            Mistake("above", lambda *x: _equal(*x, at=_above), "你取了第一次超过的记录。要在它与前一次之间连直线。"),
            Mistake("crossed", lambda *x: _equal(*x, at=_crossed), "直线的两个份量对调了：离哪一端近，哪一端重。"),
            Mistake("per_nat", _per_nat, "你用奖励除以 KL。每一奈特不是一样贵：越往后越贵，要在同一个 KL 上减。"),
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
                "还没有改对：n_a = 2、n_b = 8、budget = 32 时，你取的那两列，各写到了第几个回答？",
            ),
            Mistake("no_one", lambda *x: _rounds(*x, off=0), "多走了一轮：第 0 列是第一轮学完以后。"),
            Mistake("ends", lambda *x: _rounds(*x, last=lambda i, j, n: [-1, -1]), "你取了最后一轮，超出预算了。"),
            Mistake("best", lambda *x: _rounds(*x, over=torch.max), "挑最好的种子，散得开的方法占便宜。要平均。"),
            Mistake("sign", lambda *x: _rounds(*x, sign=-1), "反了：a 减 b。"),
            Mistake(
                "longer",
                lambda *x: _rounds(*x, last=lambda i, j, n: [n // min(i, j) - 1] * 2),
                "两边还是同一轮，这回每轮写得多的那一种超出了预算。",
            ),
            Mistake(
                "swapped",
                lambda *x: _rounds(*x, last=lambda i, j, n: [n // j - 1, n // i - 1]),
                "n_a、n_b 对调了：a 的轮数要用 n_a 算。",
            ),
            Mistake("all_rounds", _all_rounds, "你把一路的奖励都平均了。问的是写完 budget 个的那一刻。"),
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
        title="修：换个单位，策略就变了",
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
            Mistake(
                "program",
                lambda s, k, b, c: c * s - b * k,
                "还没有改对：一个回答得 1 分，KL 是 2，β = 0.5，原来的目标是 0；scale = 0.1 时该还是 0，你的是 −0.9。",
            ),
            Mistake("divided", lambda s, k, b, c: c * s - b / c * k, "反了：β 要乘，不是除。"),
            Mistake("plain", lambda s, k, b, c: s - b * k, "scale 不见了。"),
            Mistake("only_kl", lambda s, k, b, c: s - c * b * k, "乘到另一项上去了：两项都要乘。"),
            Mistake("sign", lambda s, k, b, c: c * (s + b * k), "KL 是扣分。"),
            Mistake("twice", lambda s, k, b, c: c * (c * s - b * k), "分数乘了两次。"),
            Mistake("no_beta", lambda s, k, b, c: c * (s - k), "β 不见了。"),
            Mistake("no_kl", lambda s, k, b, c: c * s, "KL 不见了：没有东西拴住策略。"),
            Mistake("whitened", _whitened, "白化把尺度全除掉了。题目要的是原来目标的 scale 倍。"),
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
            "返回一个平均正好是 KL(π‖ref) 的估计，用 ln π − ln π_ref（k1），不用 k3。\n找出这一处错，改对。"
        ),
        program=("def my_kl(log_probs, old, reference):\n    return (log_probs - reference).mean()"),
        symptom="策略走远以后，估出来的 KL 是负的。",
        solution=kl_by_weight,
        mistakes=[
            Mistake(
                "program",
                lambda p, o, r: (p - r).mean(),
                "还没有改对：旧策略写甲七成、乙三成，π 写甲两成、乙八成，参考六成、四成。KL(π‖ref) 是 +0.33；"
                "七个甲、三个乙，你的程序得 −0.56。",
            ),
            Mistake(
                "inverse", lambda p, o, r: ((o - p).exp() * (p - r)).mean(), "比值上下颠倒了：π 在上，写回答的在下。"
            ),
            Mistake("of_old", lambda p, o, r: (o - r).mean(), "这是旧策略到参考的 KL。"),
            Mistake("to_old", lambda p, o, r: ((p - o).exp() * (p - o)).mean(), "这是到旧策略的 KL。要到参考。"),
            Mistake(
                "k3", lambda p, o, r: ((r - p).exp() - 1 + p - r).mean(), "k3 不会是负的，可是照样要 π 写的回答才对。"
            ),
            Mistake(
                "weighed_k3",
                lambda p, o, r: ((p - o).exp() * ((r - p).exp() - 1 + p - r)).mean(),
                "这也是 KL(π‖ref) 的估计，平均也正好。题目要 k1 那一种：只留 ln π − ln π_ref。",
            ),
            Mistake(
                "clamped",
                lambda p, o, r: ((p - o).exp().clamp(0.8, 1.2) * (p - r)).mean(),
                "比值裁剪了。那是 PPO 的损失里用的；裁了，平均就不正好是 KL。",
            ),
            Mistake("sign", lambda p, o, r: ((p - o).exp() * (r - p)).mean(), "符号反了：ln π 减 ln π_ref。"),
            Mistake("sum", lambda p, o, r: ((p - o).exp() * (p - r)).sum(), "要平均，你加起来了。"),
            Mistake(
                "by_policy",
                lambda p, o, r: (p.exp() * (p - r)).mean(),
                "你乘了 π，没有除以写回答的那个概率：旧策略常写的，已经多出现了几次。",
            ),
            Mistake("old_gone", lambda p, o, r: ((p - o).exp() * (o - r)).mean(), "比值对了；d 该是策略到参考的。"),
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
            "客服有十万对旧回答，人已标好坏。现在的模型写得比旧回答都好，风格差得远，要留住；还请得起人再标一些。"
            "写不出规则，也没有奖励模型。先做哪一步最稳当？"
        ),
        choices={
            "A": "直接在旧的对上 DPO，β 取很小，让它走远",
            "B": "先让现在的模型写一批，请人标，再 DPO",
            "C": "用旧的对练一个奖励模型，再 PPO",
            "D": "先在选中的旧回答上 SFT，再在旧的对上 DPO",
        },
        solution="B",
        mistakes=[
            Mistake("old", "A", "对里没有现在的模型会写的回答，DPO 在那里学不到什么；β 小，只会走得更偏。"),
            Mistake("judge", "C", "奖励模型也是从旧回答学的：现在的模型写的，它没有见过，判得准不准，没人知道。"),
            Mistake("back", "D", "对是盖住了，可是先退回了旧回答的写法，现在的长处留不住。"),
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
    Exercise(
        id="24-comparison-7",
        title="心算：一步算几遍",
        level=1,
        minutes=3,
        task=(
            "把一个模型读一遍这批回答的运算算作 1。写算 1；冻住的模型评一遍，各 1；"
            "在学的模型学一遍是 3（前向 1，反向 2）。GRPO，规则打分，β 大于 0，同一批回答学两遍。一步共多少？"
        ),
        stub="answer = ...  # 几遍",
        solution=8,
        tolerance=0.005,
        mistakes=[
            Mistake("once", 5, "同一批学两遍：3 要乘 2。"),
            Mistake("seven", 7, "少了 1：写算 1，β 大于 0，参考还要评一遍。"),
            Mistake("nine", 9, "多了 1：规则打分，没有奖励模型；参考不变，同一批只评一次。"),
            Mistake("no_forward", 6, "学一遍是前向 1 加反向 2，共 3。"),
            Mistake("forward", 4, "学一遍不只是前向，还有反向的 2。"),
            Mistake("critic", 15, "GRPO 没有评论家。"),
            Mistake("writes_twice", 10, "学两遍，写和评只一次。"),
        ],
        hints=["写 1，参考评 1。", "学：两遍，每遍前向 1、反向 2。"],
        passes="1 + 1 + 2 × 3 = 8。同一批学得越多，写的份额越小。",
        follow_up=Exercise(
            id="24-comparison-7-next",
            minutes=2,
            task="同样算法：PPO，四个模型，同一批回答学两遍，评论家评一遍也算 1。一步共多少？",
            stub="answer = ...  # 几遍",
            solution=16,
            tolerance=0.005,
            mistakes=[
                Mistake("ten", 10, "同一批学两遍，而且评论家也在学：学是 2 × 2 × 3。"),
                Mistake("one_judge", 14, "评的有三个：奖励模型、参考、评论家。"),
                Mistake("two_judges", 15, "评的有三个，写也算 1。"),
                Mistake("all_learn", 28, "在学的只有两个：策略和评论家。"),
                Mistake("learning", 12, "12 只是学。还有写和评。"),
            ],
            passes="1 + 3 + 2 × 2 × 3 = 16，是 GRPO 的两倍：多的几乎全是评论家。",
        ),
    ),
]
