"""Exercises of chapter 23, GRPO: a group by hand, groups in any order, losses to mend, what a token is divided by."""

import torch

from course_lib.course.exercises.core import Exercise, Mistake


def by_question(rewards, question):
    found = torch.zeros_like(rewards)
    for each in question.unique():
        at = question == each
        group = rewards[at]
        if group.max() > group.min():
            found[at] = (group - group.mean()) / group.std()
    return found


def _by_question(rewards, question, *, mean="group", std="group", equal="rewards", correction=1, sign=1):
    """by_question with one thing otherwise. mean, std: group, batch, none; equal: rewards, std, small, none."""
    found = torch.zeros_like(rewards)
    for each in question.unique():
        at = question == each
        group = rewards[at]
        spread = {"group": group, "batch": rewards, "none": None}[std]
        by = torch.ones(()) if spread is None else spread.std(correction=correction)
        flat = {
            "rewards": bool(group.max() == group.min()),
            "std": bool(by == 0),
            "none": False,
            "small": False,
        }[equal]
        by = by + (1e-4 if equal == "small" else 0)
        centre = {"group": group.mean(), "batch": rewards.mean(), "none": 0.0}[mean]
        found[at] = 0.0 if flat else sign * (group - centre) / by
    return found


def _questions(rng):
    """Shuffled rows, groups of several sizes, one of them all 1, one all 0.1, whose mean is not quite 0.1."""
    cases = []
    for sizes, n_equal in (((2, 3), 0), ((3, 4, 2), 3), ((5, 3, 6), 3)):
        rewards, question = [], []
        for number, size in enumerate(sizes):
            rewards += rng.uniform(0, 3, size=size).tolist()
            question += [3 * number + 1] * size
        rewards, question = rewards + [0.1] * n_equal + [1.0] * n_equal, question + [0] * n_equal + [99] * n_equal
        order = rng.permutation(len(rewards))
        cases.append((torch.tensor(rewards, dtype=torch.float64)[order], torch.tensor(question)[order]))
    return cases


def clipped_loss(log_probs, old, advantages, mask, low, high):
    ratio, A = (log_probs - old).exp(), advantages[:, None]
    held = torch.where(A > 0, ratio.clamp(max=1 + high), ratio.clamp(min=1 - low))
    return -(A * held)[mask].mean()


def _clipped(log_probs, old, advantages, mask, low, high, *, ratio="old", clip="min", over="tokens", sign=-1):
    """clipped_loss with one thing otherwise. ratio: old, now, inverse, difference, answer; clip: min, max, always,
    none, symmetric; over: tokens, answers, columns, sum, all."""
    d = log_probs - old
    rho = {
        "old": d.exp(),
        "now": torch.ones_like(d),
        "inverse": (-d).exp(),
        "difference": d,
        "answer": ((d * mask).sum(1, keepdim=True)).exp().expand_as(d),
    }[ratio]
    A = advantages[:, None].expand_as(d)
    bounds = (1 - high, 1 + low) if clip == "swapped" else (1 - low, 1 + (low if clip == "symmetric" else high))
    plain, held = rho * A, rho.clamp(*bounds) * A
    found = {"max": torch.maximum, "always": lambda _, b: b, "none": lambda a, _: a}.get(clip, torch.minimum)(
        plain, held
    )
    counted = found * mask
    return (
        sign
        * {
            "tokens": lambda: counted.sum() / mask.sum(),
            "answers": lambda: (counted.sum(1) / mask.sum(1)).mean(),
            "columns": lambda: counted.mean(),
            "sum": lambda: counted.sum(),
            "all": lambda: found.mean(),
        }[over]()
    )


def _moved(rng):
    """Answers of several lengths, some tokens far beyond either bound, advantages of both signs."""
    cases = []
    for lengths, low, high in (((2, 1), 0.2, 0.28), ((4, 1, 2), 0.1, 0.4), ((3, 6, 1, 5), 0.2, 0.5)):
        B, N = len(lengths), max(lengths)
        old = torch.from_numpy(-rng.uniform(0.5, 3, size=(B, N)))
        log_probs = old + torch.from_numpy(rng.choice([-0.9, -0.15, 0.1, 0.3, 0.8], size=(B, N)))
        log_probs[0, 0], log_probs[1, 0] = old[0, 0] + 0.9, old[1, 0] - 0.9
        advantages = torch.from_numpy(rng.uniform(0.5, 2, size=B))
        advantages[1::2] *= -1
        cases.append((log_probs, old, advantages, torch.arange(N) < torch.tensor(lengths)[:, None], low, high))
    return cases


def penalty_of(log_probs, reference, mask, beta):
    x = reference - log_probs
    each = (x.expm1() - x).masked_fill(~mask, 0)
    return beta * (each.sum(1) / mask.sum(1)).mean()


def _penalty(log_probs, reference, mask, beta, kind, *, over="answers"):
    """penalty_of with another estimator of d = ln π - ln π_ref, or another mean."""
    found = kind(log_probs - reference) * mask
    return (
        beta
        * {
            "answers": lambda: (found.sum(1) / mask.sum(1)).mean(),
            "tokens": lambda: found.sum() / mask.sum(),
            "columns": lambda: found.mean(),
            "sums": lambda: found.sum(1).mean(),
            "all": lambda: kind(log_probs - reference).mean(),
        }[over]()
    )


def _k3(d):
    return (-d).expm1() + d


def _of_means(log_probs, reference, mask, beta):
    """k3 of each answer's mean d, where the mean of the tokens' k3 is asked."""
    return beta * _k3(((log_probs - reference) * mask).sum(1) / mask.sum(1)).mean()


def _pairs(rng):
    cases = []
    for lengths, beta in (((2, 1), 0.5), ((4, 1, 2), 0.04), ((3, 6, 1), 0.1)):
        B, N = len(lengths), max(lengths)
        both = (torch.from_numpy(-rng.uniform(0.2, 3, size=(B, N))) for _ in range(2))
        cases.append((*both, torch.arange(N) < torch.tensor(lengths)[:, None], beta))
    return cases


def strided_advantages(rewards, P):
    table = rewards.view(-1, P)
    return ((table - table.mean(0)) / (table.std(0) + 1e-4)).flatten()


def _strided(rewards, P, *, mean="group", std="group", sign=1, order="kept", correction=1):
    table = rewards.view(-1, P)
    centre = {"group": table.mean(0), "batch": table.mean(), "rows": table.mean(1, keepdim=True)}[mean]
    by = {
        "group": table.std(0, correction=correction),
        "batch": table.std(),
        "rows": table.std(1, keepdim=True),
        "none": 1 - 1e-4,
    }[std]
    found = sign * (table - centre) / (by + 1e-4)
    return (found.T if order == "sorted" else found).flatten()


def _side_by_side(rewards, P):
    table = rewards.view(P, -1)
    return ((table - table.mean(1, keepdim=True)) / (table.std(1, keepdim=True) + 1e-4)).flatten()


def _rounds(rng):
    """P and G differ, questions differ in how much they earn and in how much that spreads."""
    cases = []
    for P, G in ((2, 3), (3, 2), (4, 5)):
        level, spread = rng.uniform(0, 5, size=P), rng.uniform(0.3, 3, size=P)
        cases.append((torch.from_numpy((level + spread * rng.normal(size=(G, P))).reshape(-1)), P))
    return cases


def mean_of_groups(losses, mask, G):
    counted = (losses * mask).reshape(-1, G * losses.shape[1])
    return (counted.sum(1) / mask.reshape(counted.shape).sum(1)).mean()


def _token_losses(rng):
    cases = []
    for lengths, G in (((1, 3, 2, 2), 2), ((5, 1, 2, 1, 3, 4), 3), ((6, 6, 1, 2, 1, 1, 2, 4), 2)):
        N = max(lengths)
        losses = torch.from_numpy(rng.normal(0.5, 1, size=(len(lengths), N)))
        cases.append((losses, torch.arange(N) < torch.tensor(lengths)[:, None], G))
    return cases


EXERCISES = [
    Exercise(
        id="23-grpo-1",
        title="心算：错的那一个",
        level=1,
        minutes=3,
        task=(
            "一个问题写五个回答，四个对（1 分），一个错（0 分）。标准差除以 G − 1，等于 √0.2，当作 0.447。"
            "错的那个，GRPO 的优势是多少？"
        ),
        stub="answer = ...  # 一个数",
        solution=-1.79,
        tolerance=0.01,
        mistakes=[
            Mistake("sign", 1.79, "符号反了：它比平均低，要往下压。"),
            Mistake("no_std", -0.8, "减了平均，还要除以标准差。"),
            Mistake("population", -2.0, "你的标准差除以了 G（0.4）。这里除以 G − 1。"),
            Mistake("variance", -4.0, "你除以了方差 0.2。要除以标准差。"),
            Mistake("others", -2.24, "你减了其余四个的平均 1。GRPO 减整组的平均，连自己在内。"),
            Mistake("no_mean", 0, "0 ÷ 0.447：分数要先减去组平均 0.8。"),
            Mistake("right_one", 0.447, "这是对的那四个的优势：0.2 ÷ 0.447。问的是错的那个。"),
            Mistake("times", -0.358, "你乘了标准差。要除以它。"),
        ],
        hints=["先求组平均。它比平均低多少？", "标准差题目给了：除以它。"],
        passes="一个错的 −1.79，四个对的各 +0.447，加起来是 0。",
        follow_up=Exercise(
            id="23-grpo-1-next",
            kind="choice",
            minutes=2,
            task="换一道题，五个里三个对、两个错（标准差 0.548）。五个优势不管正负加起来，和上一题比，哪个大？",
            choices={"A": "上一题：少的那一边推得猛", "B": "这一题", "C": "一样：都除以了自己的标准差"},
            solution="B",
            mistakes=[
                Mistake("rare", "A", "一个的推得猛，四个的就轻：1.79 + 4 × 0.447 = 3.58。再算这一题的。"),
                Mistake("equal", "C", "除以标准差，相等的是平方之和（都是 4），不是大小之和。两题都加一加。"),
            ],
            passes="3.58 比 4.38：除以了标准差，也还是对错各半的题推得最多。",
        ),
    ),
    Exercise(
        id="23-grpo-2",
        title="次序打乱的组",
        level=2,
        minutes=7,
        task=(
            "`rewards` [B] 是各回答的分数，`question` [B]（整数）是它们各自的问题；次序打乱，各组大小不同，至少两个。"
            "写 `my_advantages(rewards, question)`，返回各回答的优势 [B]，次序不变：组里减平均，"
            "除以标准差（除以 G − 1 的那个，**不加**小数）。全组同分的，一律给 0。"
        ),
        stub="def my_advantages(rewards, question):\n    ...",
        solution=by_question,
        mistakes=[
            Mistake("sign", lambda *case: _by_question(*case, sign=-1), "符号反了：比平均好的是正的。"),
            Mistake("no_std", lambda *case: _by_question(*case, std="none"), "没有除以标准差。"),
            Mistake(
                "batch_std",
                lambda *case: _by_question(*case, std="batch"),
                "标准差是全批的。要用各组自己的。",
            ),
            Mistake(
                "batch_mean",
                lambda *case: _by_question(*case, mean="batch"),
                "减了全批的平均。难题的回答会全是负的；减自己那一组的。",
            ),
            Mistake(
                "batch",
                lambda *case: _by_question(*case, mean="batch", std="batch", equal="none"),
                "平均和标准差都是全批的。只与同一个问题的回答比。",
            ),
            Mistake("population", lambda *case: _by_question(*case, correction=0), "标准差除以了 G，要除以 G − 1。"),
            Mistake("no_mean", lambda *case: _by_question(*case, mean="none"), "没有减组平均。"),
            Mistake(
                "noise",
                lambda *case: _by_question(*case, equal="std"),
                "三个 0.1 的平均不正好是 0.1，标准差也不正好是 0：舍入误差相除，成了真的优势。"
                "看分数等不等，别看标准差是不是 0。",
            ),
            Mistake(
                "nan",
                lambda *case: _by_question(*case, equal="none"),
                "全组同分时，你除以了 0，或者除以了舍入误差。这样的组一律给 0。",
            ),
            Mistake("small", lambda *case: _by_question(*case, equal="small"), "题目说不加小数。"),
            Mistake(
                "sorted",
                lambda rewards, question: torch.cat(
                    [by_question(rewards, question)[question == each] for each in question.unique()]
                ),
                "次序变了：你把各组接起来返回。要照原来的次序。",
            ),
        ],
        hints=[
            "对 question.unique() 里的每一个，取 question == each 的那些。",
            "全组同分：group.max() == group.min()。",
        ],
        cases=_questions,
        passes="只与同一个问题的回答比。同分的组没有东西可学，就给 0。",
        follow_up=Exercise(
            id="23-grpo-2-next",
            level=1,
            minutes=2,
            task="策略每个回答独立地有 0.9 的概率答对，一组四个。一组里全对或全错、什么也教不了的概率是多少？",
            stub="answer = ...  # 0 到 1 的数，或百分数",
            solution=0.6562,
            percent=True,
            tolerance=0.005,
            mistakes=[
                Mistake("one", 0.9, "0.9 是一个回答对的概率。"),
                Mistake("some", 0.3438, "这是有对有错的概率。"),
                Mistake("single", 0.0001, "这只是全错。全对的 0.9⁴ 也教不了。"),
                Mistake("cube", 0.729, "0.9³ 是三个都对。一组四个。"),
            ],
            passes="0.9⁴ + 0.1⁴ = 0.656：快学会时，三分之二的组白写了。",
        ),
    ),
    Exercise(
        id="23-grpo-3",
        title="修：裁剪从来不动手",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "`log_probs`、`old` [B, N] 是现在的和写时的 ln π，`advantages` [B]，`mask` [B, N] 在回答的词元处是 True，"
            "裁剪的下界 1 − low，上界 1 + high。要返回损失，对全批的词元平均。\n找出这一处错，改对。"
        ),
        program=(
            "def my_loss(log_probs, old, advantages, mask, low, high):\n"
            "    ratio = torch.exp(log_probs - log_probs.detach())\n"
            "    gain = ratio * advantages[:, None]\n"
            "    clipped = ratio.clamp(1 - low, 1 + high) * advantages[:, None]\n"
            "    return -(torch.minimum(gain, clipped) * mask).sum() / mask.sum()"
        ),
        symptom="同一批回答上走第二步、第十步，损失的值都不变，也没有一个词元被裁剪；没有东西拦，策略走出很远。",
        solution=clipped_loss,
        mistakes=[
            Mistake(
                "program",
                lambda *case: _clipped(*case, ratio="now"),
                "还没有改对：走了几步，你的比值还全是 1，裁剪就永远不动手。它拿什么除以什么？",
            ),
            Mistake("no_clip", lambda *case: _clipped(*case, clip="none"), "裁剪没有了：min 里要有两项。"),
            Mistake("max", lambda *case: _clipped(*case, clip="max"), "要取两项里小的，不是大的。"),
            Mistake(
                "always",
                lambda *case: _clipped(*case, clip="always"),
                "只留了裁剪的那一项。走错了方向的词元也被拦下，拉不回来。要 min。",
            ),
            Mistake("sign", lambda *case: _clipped(*case, sign=1), "符号反了：损失是目标的相反数。"),
            Mistake("inverse", lambda *case: _clipped(*case, ratio="inverse"), "比值倒了：现在的除以写时的。"),
            Mistake("difference", lambda *case: _clipped(*case, ratio="difference"), "比值是 ln 之差再取 exp。"),
            Mistake("answer", lambda *case: _clipped(*case, ratio="answer"), "你把比值乘成了整个回答的。这里按词元。"),
            Mistake("symmetric", lambda *case: _clipped(*case, clip="symmetric"), "上界是 1 + high。"),
            Mistake("swapped", lambda *case: _clipped(*case, clip="swapped"), "low 和 high 对调了。"),
            Mistake(
                "answers",
                lambda *case: _clipped(*case, over="answers"),
                "你先在每个回答里平均了。这里对全批的词元平均。",
            ),
            Mistake("columns", lambda *case: _clipped(*case, over="columns"), "除以了格子数。要除以回答的词元数。"),
            Mistake("sum", lambda *case: _clipped(*case, over="sum"), "要平均，不是相加。"),
            Mistake("mask", lambda *case: _clipped(*case, over="all"), "掩码不见了：提示和填充也算进去了。"),
        ],
        hints=["打印 ratio。走了几步以后，它还全是 1 吗？"],
        cases=_moved,
        passes="分母是写回答的那个策略。比值离开 1，裁剪才有事可做。",
        follow_up=Exercise(
            id="23-grpo-3-next",
            kind="choice",
            minutes=2,
            task="每批回答只走一步，就重写一批。这时把 old 写成 log_probs.detach()，学到的有什么不同？",
            choices={"A": "没有不同", "B": "学不动，梯度是 0", "C": "方向反了"},
            solution="A",
            mistakes=[
                Mistake("still", "B", "值是常数，梯度不是：ratio 对 log_probs 的导数是 1。"),
                Mistake("turned", "C", "比值是 1 时，两种写法的梯度一样。"),
            ],
            passes="只走一步，写时的就是现在的。所以很多代码这样写，也没有错；一旦走几步，就错了。",
        ),
    ),
    Exercise(
        id="23-grpo-4",
        title="修：罚漏了的 k3",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "`log_probs`、`reference` [B, N] 是策略和参考给写下的词元的 ln 概率，`mask` [B, N] 在回答的词元处是 True。"
            "要返回 β 乘 k3：每个回答里对词元平均，再对回答平均。\n找出这一处错，改对。"
        ),
        program=(
            "def my_penalty(log_probs, reference, mask, beta):\n"
            "    d = ((log_probs - reference) * mask).sum(1) / mask.sum(1)\n"
            "    k3 = torch.exp(-d) - 1 + d\n"
            "    return beta * k3.mean()"
        ),
        symptom="罚从不为负，策略就是参考时也正好是 0，看来正常；可是策略已经离参考很远，它还常常接近 0。",
        solution=penalty_of,
        mistakes=[
            Mistake(
                "program",
                _of_means,
                "还没有改对：一个回答里，一个词元的 d 是 +1，另一个是 −1，你的罚是 0。两个都离开了参考，该罚多少？",
            ),
            Mistake(
                "turned",
                lambda *case: _penalty(*case, lambda d: d.expm1() - d),
                "exp 里该是 ln π_ref − ln π，也就是 −d；线性的那一项跟着变成 +d。",
            ),
            Mistake(
                "absolute",
                lambda *case: _penalty(*case, lambda d: _k3(d.abs())),
                "你取了绝对值。k3 不对称：策略给得比参考少时，罚得更重。",
            ),
            Mistake(
                "sign",
                lambda *case: _penalty(*case, lambda d: (-d).expm1() - d),
                "线性那一项的符号错了：会是负数。k3 = exp(−d) − 1 + d，在 d = 0 处最小，是 0。",
            ),
            Mistake(
                "other_sign",
                lambda *case: _penalty(*case, lambda d: d.expm1() + d),
                "两处的符号要一起换：exp(−d) − 1 + d。",
            ),
            Mistake(
                "k1", lambda *case: _penalty(*case, lambda d: d), "这是 k1：它的平均也对，单个却会是负的；题目要 k3。"
            ),
            Mistake("k1_turned", lambda *case: _penalty(*case, lambda d: -d), "方向反了，而且是 k1：ln π − ln π_ref。"),
            Mistake("k2", lambda *case: _penalty(*case, lambda d: d**2 / 2), "这是 k2。题目要 k3。"),
            Mistake(
                "no_one", lambda *case: _penalty(*case, lambda d: (-d).exp() + d), "少减了 1：d = 0 时罚应当是 0。"
            ),
            Mistake("negative", lambda *case: -penalty_of(*case), "罚加在损失上，是正的。"),
            Mistake("no_beta", lambda *case: penalty_of(*case) / case[3], "β 没有乘。"),
            Mistake("tokens", lambda *case: _penalty(*case, _k3, over="tokens"), "先在每个回答里平均，再对回答平均。"),
            Mistake(
                "columns", lambda *case: _penalty(*case, _k3, over="columns"), "除以了格子数。要除以各回答的词元数。"
            ),
            Mistake("sums", lambda *case: _penalty(*case, _k3, over="sums"), "每个回答里要平均，你加起来了。"),
            Mistake("mask", lambda *case: _penalty(*case, _k3, over="all"), "掩码不见了。"),
        ],
        hints=["一个回答，两个词元，d 是 +1 和 −1：手算该罚多少，再看程序给多少。"],
        cases=_pairs,
        passes="k3 是弯的：先平均再罚，正负就抵消了。要一个词元一个词元地罚，再平均。",
        follow_up=Exercise(
            id="23-grpo-4-next",
            minutes=2,
            task="一个词元，策略给 0.4，参考给 0.2。k3 是多少？（ln 2 当作 0.693）",
            stub="answer = ...  # 一个数",
            solution=0.193,
            tolerance=0.01,
            mistakes=[
                Mistake("turned", 0.307, "你算了 exp(d) − d − 1 = 2 − 0.693 − 1。exp 里是 ln(0.2/0.4)。"),
                Mistake("k1", 0.693, "这是 k1。"),
                Mistake("k2", 0.24, "这是 k2：0.693² ÷ 2。"),
                Mistake("no_one", 1.193, "还要减 1。"),
                Mistake("sign", -1.193, "线性那一项的符号反了：0.5 − 1 + 0.693。"),
            ],
            passes="0.5 − 1 + 0.693 = 0.193。",
        ),
    ),
    Exercise(
        id="23-grpo-5",
        title="修：优势发错了人",
        level=2,
        minutes=5,
        kind="repair",
        task=(
            "P 个问题，各写 G 个回答，分数在 `rewards` [B] 里。这一次的次序是一轮一轮的：先是每个问题的第一个回答，"
            "再是每个问题的第二个……要返回各回答的优势 [B]，次序不变。\n找出这一处错，改对。"
        ),
        program=(
            "def my_advantages(rewards, P):\n"
            "    groups = rewards.view(P, -1)\n"
            "    mean, std = groups.mean(1, keepdim=True), groups.std(1, keepdim=True)\n"
            "    return ((groups - mean) / (std + 1e-4)).flatten()"
        ),
        symptom="形状都对，优势也以 0 为中心，奖励却不涨：容易的问题的回答总被抬，难的总被压。",
        solution=strided_advantages,
        mistakes=[
            Mistake(
                "program",
                _side_by_side,
                "还没有改对：一组里混着不同的问题。P = 2 时把分数换成 0、1、2、3、4、5，看看谁和谁在一组。",
            ),
            Mistake(
                "rows",
                lambda *case: _strided(*case, mean="rows", std="rows"),
                "view 对了，平均却沿着一轮求，那是不同的问题。要沿第 0 维。",
            ),
            Mistake("batch_std", lambda *case: _strided(*case, std="batch"), "标准差是全批的，要各组自己的。"),
            Mistake(
                "batch",
                lambda *case: _strided(*case, mean="batch", std="batch"),
                "平均和标准差都是全批的。只与同一个问题的回答比。",
            ),
            Mistake("no_std", lambda *case: _strided(*case, std="none"), "没有除以标准差。"),
            Mistake("population", lambda *case: _strided(*case, correction=0), "标准差要除以 G − 1。"),
            Mistake("sign", lambda *case: _strided(*case, sign=-1), "符号反了。"),
            Mistake(
                "sorted",
                lambda *case: _strided(*case, order="sorted"),
                "组找对了，返回的次序却变成一个问题一个问题的。要照原来的次序。",
            ),
        ],
        hints=["P = 2，G = 3 时，六个分数的次序是：问题 0、1、0、1、0、1。"],
        cases=_rounds,
        passes="先看清谁和谁是一组，再减平均。",
        follow_up=Exercise(
            id="23-grpo-5-next",
            kind="choice",
            minutes=2,
            task="下面哪个数最快看出“优势发错了人”？",
            choices={
                "A": "优势的平均：应当是 0",
                "B": "每个问题的优势之和：应当各是 0",
                "C": "损失：应当是 0",
            },
            solution="B",
            mistakes=[
                Mistake("mean", "A", "错了的分法里，每个假组的优势之和也是 0，总平均照样是 0。"),
                Mistake("loss", "C", "比值是 1 时，损失大致是优势的平均，照样是 0。"),
            ],
            passes="同一个问题的优势加起来应当是 0；发错了人，就不是。",
        ),
    ),
    Exercise(
        id="23-grpo-6",
        title="按组平均，再对问题平均",
        level=2,
        minutes=6,
        task=(
            "`losses` [B, N] 是每个词元的损失，`mask` [B, N] 在回答的词元处是 True，每 `G` 行是一个问题。"
            "写 `my_mean(losses, mask, G)`：照 DAPO 论文，一组里除以这一组的词元数，再对问题平均，返回一个数。"
        ),
        stub="def my_mean(losses, mask, G):\n    ...",
        solution=mean_of_groups,
        mistakes=[
            Mistake(
                "batch",
                lambda losses, mask, G: losses[mask].mean(),
                "你除以了全批的词元数，这是 TRL 的做法：答案长的问题更重。",
            ),
            Mistake(
                "answers",
                lambda losses, mask, G: ((losses * mask).sum(1) / mask.sum(1)).mean(),
                "这是 GRPO 的：每个回答一样重。这里一组里每个词元一样重。",
            ),
            Mistake("mask", lambda losses, mask, G: losses.mean(), "掩码不见了。"),
            Mistake(
                "columns",
                lambda losses, mask, G: (losses * mask).mean(),
                "除以了格子数，一个常数（Dr. GRPO 的做法）。这里除以一组的词元数。",
            ),
            Mistake(
                "sum",
                lambda losses, mask, G: mean_of_groups(losses, mask, G) * (len(losses) // G),
                "对问题要平均，你加起来了。",
            ),
            Mistake(
                "strided",
                lambda losses, mask, G: torch.stack(
                    [
                        losses[at :: len(losses) // G][mask[at :: len(losses) // G]].mean()
                        for at in range(len(losses) // G)
                    ]
                ).mean(),
                "分错了组：相邻的 G 行是一个问题。",
            ),
        ],
        hints=["G 行并成一行，就是一个问题的全部词元。"],
        cases=_token_losses,
        passes="每个问题一样重，问题里每个词元一样重。",
        follow_up=Exercise(
            id="23-grpo-6-next",
            kind="choice",
            minutes=2,
            task="一批两题，甲题的回答都是 10 个词元，乙题的都是 1,000 个。哪一种平均，乙题对梯度的份额最大？",
            choices={"A": "GRPO：每个回答一样重", "B": "照 DAPO 论文：每个问题一样重", "C": "全批的词元一样重"},
            solution="C",
            mistakes=[
                Mistake("answers", "A", "两题的回答一样多，于是各占一半。"),
                Mistake("groups", "B", "两题各占一半。"),
            ],
            passes="按全批的词元数，乙题占 99%。",
        ),
    ),
    Exercise(
        id="23-grpo-7",
        title="心算：换一个分母",
        level=2,
        minutes=3,
        task=(
            "一组四个回答，各有 20、200、60、120 个词元；200 个的那个错了，比值都是 1，没有 KL。"
            "优势不变，从 GRPO（除以自己的长度，再对回答平均）换成除以这一组的词元数，"
            "200 个词元的那个回答，整个受的推变成几倍？"
        ),
        stub="answer = ...  # 一个数",
        solution=2.0,
        mistakes=[
            Mistake("turned", 0.5, "要么倒了（问的是换了以后是以前的几倍），要么忘了 GRPO 还除以 4。"),
            Mistake("same", 1, "GRPO 里四个回答一样重。换了以后，词元多的就重。"),
            Mistake("short", 10, "这是与 20 个词元的那个比。问的是它自己，换之前和换之后。"),
            Mistake("sum", 200, "新的分母是 400，也要除。"),
            Mistake("token", 0.005, "这是换之前一个词元的 1 ÷ 200。把 200 个加起来，前后各是多少？"),
        ],
        hints=["设优势是 1。换之前，整个回答受多少？四个里占几分之几？", "换之后，400 个词元里它占几分之几？"],
        passes="1/4 变成 200/400：它比平均的 100 个长一倍，就重一倍。",
        follow_up=Exercise(
            id="23-grpo-7-next",
            minutes=2,
            task="20 个词元的那个也错了。换了以后，它整个受的推变成几倍？",
            stub="answer = ...  # 一个数",
            solution=0.2,
            mistakes=[
                Mistake("turned", 5, "倒了：它比平均短，换了以后轻。"),
                Mistake("same", 1, "20 个词元，占 400 里的 5%；换之前占四分之一。"),
                Mistake("long", 2, "那是 200 个词元的。这个比平均短。"),
                Mistake("share", 0.05, "这是换了以后占的份额。再除以换之前的四分之一。"),
            ],
            passes="短的错从此压得轻，长的错压得重：把错的写长，不再便宜。",
        ),
    ),
]
