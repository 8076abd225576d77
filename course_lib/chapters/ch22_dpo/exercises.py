"""Exercises of chapter 22, DPO: the best policy by hand, hidden scores, losses to mend, where one pair pulls."""

import torch
from torch.nn.functional import logsigmoid, softplus

from course_lib.course.exercises.core import Exercise, Mistake


def hidden_scores(policy, reference, beta):
    moved = policy - reference
    return beta * (moved - (reference.exp() * moved).sum())


def _policies(rng):
    cases = []
    for K, beta in ((2, 0.5), (3, 0.1), (5, 2.0)):
        policy, reference = (torch.from_numpy(rng.normal(0, 1.5, size=K)).log_softmax(0) for _ in range(2))
        cases.append((policy, reference, beta))
    return cases


def pair_loss(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):
    away = (policy_chosen - policy_rejected) - (reference_chosen - reference_rejected)
    return -logsigmoid(beta * away).mean()


def _four(rng):
    """Log-probabilities of whole answers: policy on chosen and rejected, reference on both."""
    cases = []
    for B, beta in ((1, 0.5), (2, 0.1), (5, 0.3)):
        cases.append((*(torch.from_numpy(-rng.uniform(1, 20, size=B)) for _ in range(4)), beta))
    return cases


def _with_beta(change):
    """pair_loss of another beta."""
    return lambda *numbers: pair_loss(*numbers[:4], change(numbers[4]))


def margins_of(logits, reference_logits, ids, is_answer, beta):
    away = logits[:, :-1].log_softmax(-1) - reference_logits[:, :-1].log_softmax(-1)
    written = away.gather(2, ids[:, 1:].unsqueeze(2)).squeeze(2)
    chosen, rejected = written.masked_fill(~is_answer[:, 1:], 0).sum(1).chunk(2)
    return beta * (chosen - rejected)


def _margins(logits, reference_logits, ids, mask, beta, *, mean=False, neighbours=False):
    """margins_of with another mask [2B, T - 1]. mean: over tokens; neighbours: rows side by side are a pair."""
    away = (logits[:, :-1].log_softmax(-1) - reference_logits[:, :-1].log_softmax(-1)).gather(2, ids[:, 1:, None])
    d = (away[..., 0] * mask).sum(1) / (mask.sum(1) if mean else 1)
    one, other = (d[::2], d[1::2]) if neighbours else d.chunk(2)
    return beta * (one - other)


def _unmoved(logits, reference_logits, ids, is_answer, beta):
    """ids are not moved by one: each place is asked about the token that stands there."""
    at = ids[..., None]
    away = (logits.log_softmax(-1) - reference_logits.log_softmax(-1)).gather(2, at)[..., 0]
    d = (away * is_answer).sum(1)
    return beta * (d[: len(d) // 2] - d[len(d) // 2 :])


def _rows(rng):
    """Pairs with one prompt each; answers of several lengths, padded on the right."""
    cases = []
    for rows in (["pa.", "paa"], ["ppaa.", "ppa..", "paaa.", "paaaa"], ["paa..", "ppaaa"]):
        is_answer = torch.tensor([[sign == "a" for sign in row] for row in rows])
        B, T = is_answer.shape
        logits, reference = (torch.from_numpy(rng.normal(0, 2, size=(B, T, 4))) for _ in range(2))
        ids = torch.from_numpy(rng.integers(0, 4, size=(B, T)))
        cases.append((logits, reference, ids, is_answer, float(rng.choice([0.1, 0.5]))))
    return cases


def trained(start, chosen, rejected, beta, lr, steps):
    policy, reference = start.clone(), start.log_softmax(0)
    for _ in range(steps):
        policy.requires_grad_()
        d = policy.log_softmax(0) - reference
        loss = -logsigmoid(beta * (d[chosen] - d[rejected])).mean()
        (gradient,) = torch.autograd.grad(loss, policy)
        policy = (policy - lr * gradient).detach()
    return policy.log_softmax(0)


def _trained(start, chosen, rejected, beta, lr, steps, *, reference="start", loss="dpo", sign=1, end=True):
    """trained with one thing otherwise. reference: start, probabilities, follows, none; loss: dpo, sum, hard."""
    policy = start.clone()
    for _ in range(steps):
        policy = policy.detach().requires_grad_()
        held = {
            "start": start.log_softmax(0),
            "probabilities": start.softmax(0),
            "follows": policy.detach().log_softmax(0),
            "none": 0,
        }[reference]
        d = policy.log_softmax(0) - held
        m = beta * (d[chosen] - d[rejected])
        found = {"dpo": softplus(-m).mean, "sum": softplus(-m).sum, "hard": (-m).mean}[loss]()
        (gradient,) = torch.autograd.grad(found, policy)
        policy = policy - sign * lr * gradient
    return policy.detach().log_softmax(0) if end else policy.detach()


def _trainings(rng):
    cases = []
    for K, pairs in ((3, [(0, 1)]), (4, [(2, 0), (1, 3)]), (3, [(0, 2), (1, 2), (0, 2)])):
        chosen, rejected = torch.tensor(pairs).T
        start = torch.from_numpy(rng.normal(0.5, 1, size=K))
        cases.append((start, chosen, rejected, float(rng.choice([0.3, 0.8])), 1.5, 6))
    return cases


def pull_of(logits, reference, chosen, rejected, beta):
    d = logits.log_softmax(0) - reference
    weight = beta * torch.sigmoid(-beta * (d[chosen] - d[rejected]))
    gradient = torch.zeros_like(logits)
    gradient[chosen], gradient[rejected] = -weight, weight
    return gradient


def _through_softmax(logits, reference, chosen, rejected, beta):
    """As if only ln π of the chosen answer were in the loss."""
    d = logits.log_softmax(0) - reference
    weight = beta * torch.sigmoid(-beta * (d[chosen] - d[rejected]))
    gradient = weight * logits.softmax(0)
    gradient[chosen] -= weight
    return gradient


def _pull(d, chosen, rejected, beta, *, sign=-1, loser=True):
    """pull_of by other d [K]. sign: of the margin in σ; loser: whether the rejected answer is in the margin."""
    weight = beta * torch.sigmoid(sign * beta * (d[chosen] - loser * d[rejected]))
    gradient = torch.zeros_like(d)
    gradient[chosen], gradient[rejected] = -weight, weight
    return gradient


def _pulls(rng):
    cases = []
    for K, chosen, rejected in ((3, 0, 1), (3, 2, 0), (5, 1, 4)):
        logits = torch.from_numpy(rng.normal(0, 2, size=K))
        reference = torch.from_numpy(rng.normal(0, 2, size=K)).log_softmax(0)
        cases.append((logits, reference, chosen, rejected, float(rng.choice([0.2, 0.7]))))
    return cases


EXERCISES = [
    Exercise(
        id="22-dpo-1",
        title="心算：两个回答的 π*",
        level=1,
        minutes=4,
        task=(
            "两个回答，参考策略给 0.25 和 0.75。第一个的分数比第二个高 0.55，β = 0.5"
            "（0.55 ÷ 0.5 = 1.1，e 的 1.1 次方当作 3）。π* 给第一个回答多少概率？"
        ),
        stub="answer = ...  # 0 到 1 的数，或百分数",
        solution=0.5,
        percent=True,
        tolerance=0.01,
        mistakes=[
            Mistake("times_beta", 0.305, "你把分数乘了 β。指数里是 r 除以 β：β 越小，分数越说了算。"),
            Mistake(
                "no_reference", 0.75, "0.25 × 3 = 0.75 还没有归一；若你丢了参考，softmax 也正好是 0.75。两样都要。"
            ),
            Mistake("no_beta", 0.366, "β 忘了：0.55 要先除以 0.5。"),
            Mistake("no_beta_rounded", 0.361, "β 忘了，e 的 0.55 次方当成了 1.7：0.55 要先除以 0.5。"),
            Mistake("sum_without_reference", 0.1875, "你除以了 3 + 1。总和也要乘参考：0.25 × 3 + 0.75 × 1。"),
            Mistake(
                "other_without_reference",
                0.429,
                "若是 0.75 ÷ 1.75，第二个忘了乘参考；若是 0.25 × 1.73，β 忘了，也没有归一。",
            ),
            Mistake("crossed", 0.9, "你把 3 乘在第二个上了。分数高的是第一个。"),
            Mistake("sign", 0.1, "指数的符号反了：分数高的应当变大。"),
            Mistake("reference", 0.25, "这是参考策略本身，分数还没有用上。"),
            Mistake("odds", 1, "1 是两个回答之比（1 比 1）。问的是概率。"),
        ],
        hints=["先算两个回答之比：(0.25 ÷ 0.75) × 3。", "比是 1，概率就是一半。"],
        passes="参考里是 1 比 3，分数把比乘 3，于是 1 比 1。",
        follow_up=Exercise(
            id="22-dpo-1-next",
            kind="choice",
            minutes=2,
            task="β 取得非常小，π* 怎样？",
            choices={"A": "回到参考策略", "B": "几乎全给分数高的那个", "C": "两个各一半"},
            solution="B",
            mistakes=[
                Mistake("reference", "A", "那是 β 非常大的时候：离开参考太贵，就不动。"),
                Mistake("half", "C", "各一半只在 β = 0.5 时碰巧出现。"),
            ],
            passes="离开参考几乎不要钱，就只看分数。",
        ),
    ),
    Exercise(
        id="22-dpo-2",
        title="把藏着的分数读出来",
        level=2,
        minutes=6,
        task=(
            "`policy`、`reference` [K] 是 K 个回答的 ln π 和 ln π_ref，`beta` 是一个数。"
            "假定 policy 就是最好的策略，写 `my_scores(policy, reference, beta)`，返回它心里的分数 [K]。\n"
            "分数没有零点，这里规定：按**参考策略**平均，分数是 0。"
        ),
        stub="def my_scores(policy, reference, beta):\n    ...",
        solution=hidden_scores,
        mistakes=[
            Mistake(
                "no_zero",
                lambda policy, reference, beta: beta * (policy - reference),
                "零点没有照规定：减去按参考策略的平均。",
            ),
            Mistake(
                "no_beta",
                lambda policy, reference, beta: hidden_scores(policy, reference, 1.0),
                "β 忘了。同样的偏离，β 大说明分数更悬殊。",
            ),
            Mistake(
                "divided",
                lambda policy, reference, beta: hidden_scores(policy, reference, 1 / beta),
                "你除以了 β。从 r/β = ln π − ln π_ref + … 解 r，要乘 β。",
            ),
            Mistake(
                "plain_mean",
                lambda policy, reference, beta: beta * (policy - reference - (policy - reference).mean()),
                "你减了简单平均。要按参考策略的概率平均。",
            ),
            Mistake(
                "mean_of_policy",
                lambda policy, reference, beta: (
                    beta * (policy - reference - (policy.exp() * (policy - reference)).sum())
                ),
                "你按 policy 平均了。题目规定按 reference。",
            ),
            Mistake(
                "swapped",
                lambda policy, reference, beta: -hidden_scores(policy, reference, beta),
                "反了：比参考多写的，分数高。",
            ),
            Mistake(
                "no_reference",
                lambda policy, reference, beta: beta * (policy - (reference.exp() * policy).sum()),
                "参考没有减。参考本来就常写的，不能算作分数高。",
            ),
            Mistake(
                "ratio",
                lambda policy, reference, beta: (
                    beta * ((policy - reference).exp() - (reference.exp() * (policy - reference).exp()).sum())
                ),
                "你用了概率之比，没有取对数。",
            ),
            Mistake(
                "mean_of_products",
                lambda policy, reference, beta: (
                    beta * (policy - reference - (reference.exp() * (policy - reference)).mean())
                ),
                "已经乘了概率，就要相加；.mean() 又除了一次 K。",
            ),
            Mistake(
                "added",
                lambda policy, reference, beta: (
                    beta * (policy - reference + (reference.exp() * (policy - reference)).sum())
                ),
                "平均要减去，你加上了。",
            ),
            Mistake(
                "constant_without_beta",
                lambda policy, reference, beta: (
                    beta * (policy - reference) - (reference.exp() * (policy - reference)).sum()
                ),
                "减去的那个常数也要乘 β。",
            ),
            Mistake(
                "weight_not_exp",
                lambda policy, reference, beta: beta * (policy - reference - (reference * (policy - reference)).sum()),
                "平均时用了 ln π_ref 当权重。权重是概率，要先取 exp。",
            ),
        ],
        hints=["先写 beta * (policy - reference)，它差一个常数。", "常数取 (reference.exp() * …).sum()。"],
        cases=_policies,
        passes="不知道 Z，也知道分数，只差一个零点。",
        follow_up=Exercise(
            id="22-dpo-2-next",
            level=1,
            minutes=2,
            task="β = 0.1。甲的 ln π − ln π_ref 是 12，乙的是 5。照这个策略心里的分数，甲胜乙的概率是多少？",
            stub="answer = ...  # 0 到 1 的数，或百分数",
            solution=0.668,
            percent=True,
            tolerance=0.005,
            mistakes=[
                Mistake("no_beta", 0.999, "σ(7) 忘了乘 β：分差是 0.7。"),
                Mistake("margin", 0.7, "0.7 是分差，还要过 σ。"),
                Mistake("swapped", 0.332, "这是乙胜甲的概率。"),
                Mistake("twice", 0.517, "β 乘了两次：σ(0.07)。"),
                Mistake("even", 0.5, "Z 一减就消掉，分差却还在：0.7，不是 0。"),
                Mistake("sum", 0.846, "σ(1.7)：你把两个加起来了。要相减。"),
                Mistake("alone", 0.769, "σ(1.2) 只看了甲。还要减去乙的 0.5。"),
                Mistake("share", 0.706, "你用了 12 ÷ 17。分数不按份额比，相减以后过 σ。"),
            ],
            passes="分差 0.1 × 7 = 0.7，σ(0.7) = 0.67。",
        ),
    ),
    Exercise(
        id="22-dpo-3",
        title="修：离参考远了十倍",
        level=1,
        minutes=4,
        kind="repair",
        task=(
            "四个张量各 [B]，是整个回答的 ln 概率：策略对选中的、落选的，参考对选中的、落选的。"
            "要返回 DPO 的损失，对 B 对平均。\n找出这一处错，改对。"
        ),
        program=(
            "def my_loss(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta):\n"
            "    reward_chosen = beta * (policy_chosen - reference_chosen)\n"
            "    reward_rejected = beta * (policy_rejected - reference_rejected)\n"
            "    margin = beta * (reward_chosen - reward_rejected)\n"
            "    return -torch.nn.functional.logsigmoid(margin).mean()"
        ),
        symptom="β = 0.1 时训练看来正常，收敛以后，策略离参考的对数比却有应有的十倍，生成的回答走了样。",
        solution=pair_loss,
        mistakes=[
            Mistake(
                "program",
                _with_beta(lambda beta: beta * beta),
                "还没有改对：选中的 d = 3，落选的 d = −2，β = 0.1 时，间隔该是 0.5，你的是 0.05。",
            ),
            Mistake("no_beta", _with_beta(lambda beta: 1.0), "两处 β 都删了，只该删一处。"),
            Mistake("divided", _with_beta(lambda beta: 1 / beta), "β 该乘，不该除。"),
            Mistake(
                "one_side",
                lambda a, b, c, d, beta: -logsigmoid(beta * beta * (a - c) - beta * (b - d)).mean(),
                "只改了一边：选中的还乘着两次 β。",
            ),
            Mistake(
                "swapped",
                lambda a, b, c, d, beta: pair_loss(b, a, d, c, beta),
                "间隔的符号反了：选中的减落选的，策略减参考。两处有一处对调了。",
            ),
            Mistake(
                "no_reference",
                lambda a, b, c, d, beta: -logsigmoid(beta * (a - b)).mean(),
                "参考不见了：起点就不是 ln 2，也没有东西拴住策略。",
            ),
            Mistake(
                "beta_on_chosen",
                lambda a, b, c, d, beta: -logsigmoid(beta * (a - c) - (b - d)).mean(),
                "β 只乘在选中的那一边了。两边都要乘一次。",
            ),
            Mistake(
                "crossed",
                lambda a, b, c, d, beta: -logsigmoid(beta * ((a - d) - (b - c))).mean(),
                "参考交叉了：选中的减参考对选中的，落选的减参考对落选的。",
            ),
            Mistake(
                "added",
                lambda a, b, c, d, beta: -logsigmoid(beta * ((a - c) + (b - d))).mean(),
                "两个奖励要相减，你加起来了。",
            ),
            Mistake(
                "no_mean",
                lambda a, b, c, d, beta: -logsigmoid(beta * ((a - c) - (b - d))),
                "对 B 对要平均，你返回了每一对的。",
            ),
            Mistake(
                "straight",
                lambda a, b, c, d, beta: -(beta * ((a - c) - (b - d))).mean(),
                "ln σ 丢了：拉开多远，也推得一样重。",
            ),
            Mistake(
                "beta_outside",
                lambda a, b, c, d, beta: -beta * logsigmoid((a - c) - (b - d)).mean(),
                "β 在 ln σ 的里面，不在外面。",
            ),
            Mistake("no_log", lambda a, b, c, d, beta: -(beta * (a - c - b + d)).sigmoid().mean(), "ln 丢了。"),
            Mistake("sum", lambda *numbers: pair_loss(*numbers) * len(numbers[0]), "对 B 对要平均，你加起来了。"),
            Mistake("sign", lambda *numbers: -pair_loss(*numbers), "多了或少了一个负号：损失应当是正的。"),
            Mistake(
                "apart",
                lambda a, b, c, d, beta: -(logsigmoid(beta * (a - c)) + logsigmoid(-beta * (b - d))).mean(),
                "你把两个奖励各过一次 ln σ。DPO 只看两者之差。",
            ),
        ],
        hints=["数一数，从 ln 概率到 σ，β 乘了几次。"],
        cases=_four,
        passes="β 只乘一次。乘两次等于 β 取了 0.01。",
        follow_up=Exercise(
            id="22-dpo-3-next",
            level=2,
            minutes=2,
            task="人有 3/4 的时候选甲（ln 3 ≈ 1.1）。训练到头，β = 0.1 时甲与乙的 d 之差是多少奈特？",
            stub="answer = ...  # 一个数",
            solution=11.0,
            tolerance=0.02,
            mistakes=[
                Mistake("margin", 1.1, "1.1 是间隔 m。d 之差是 m ÷ β。"),
                Mistake("times", 0.11, "你乘了 β。m = β × (d 之差)。"),
                Mistake("twice", 110.0, "110 正是 β 乘了两次的那个程序的结果。"),
                Mistake("share", 7.5, "你用 0.75 当了间隔。间隔是 ln(0.75 ÷ 0.25)。"),
                Mistake("rate", 0.75, "0.75 是胜率 σ(m)。先解出 m，再除以 β。"),
                Mistake("other_beta", 2.2, "2.2 是 β = 0.5 时的，或者把 1.1 乘了 2。这里除以 0.1。"),
                Mistake("no_odds", 13.86, "ln 4 用的是 1 ÷ 0.25。要胜率 ÷ 败率：0.75 ÷ 0.25。"),
            ],
            passes="σ(m) = 3/4 时 m = ln 3 = 1.1，除以 0.1。",
        ),
    ),
    Exercise(
        id="22-dpo-4",
        title="修：最后一个词元从来不算",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "`logits`、`reference_logits` [2B, T, V] 是策略和参考的输出，前 B 行是选中的，后 B 行是落选的，次序相同；"
            "`ids` [2B, T]，`is_answer` [2B, T] 在回答的词元处是 True。要返回每对的间隔 [B]。\n"
            "第 t 格的 logits 说的是第 t + 1 个词元。找出这一处错，改对。"
        ),
        program=(
            "def my_margins(logits, reference_logits, ids, is_answer, beta):\n"
            "    at = ids[:, 1:, None]\n"
            "    said = logits[:, :-1].log_softmax(-1).gather(2, at)[..., 0]\n"
            "    reference_said = reference_logits[:, :-1].log_softmax(-1).gather(2, at)[..., 0]\n"
            "    d = ((said - reference_said) * is_answer[:, :-1]).sum(1)\n"
            "    B = len(d) // 2\n"
            "    return beta * (d[:B] - d[B:])"
        ),
        symptom="回答只有一个词元的那几对，间隔和损失都不管模型怎样写那个词元；长的看不出来。",
        solution=margins_of,
        mistakes=[
            Mistake(
                "program",
                lambda a, b, ids, is_answer, beta: _margins(a, b, ids, is_answer[:, :-1], beta),
                "还没有改对：回答只有行末一个词元时，你的 d 总是 0，模型怎样写它都一样。掩码留下的是哪一格？",
            ),
            Mistake(
                "whole_row",
                lambda a, b, ids, is_answer, beta: _margins(a, b, ids, torch.ones_like(ids[:, 1:]), beta),
                "掩码不见了：提示和填充也算进去了。",
            ),
            Mistake(
                "prompt_too",
                lambda a, b, ids, is_answer, beta: _margins(
                    a, b, ids, (is_answer.flip(1).cumsum(1).flip(1) > 0)[:, 1:], beta
                ),
                "提示的词元也算了。这里两行的提示可以不同，只算回答。",
            ),
            Mistake(
                "mean",
                lambda a, b, ids, is_answer, beta: _margins(a, b, ids, is_answer[:, 1:], beta, mean=True),
                "回答的 ln 概率是相加，不除以长度。",
            ),
            Mistake("unmoved", _unmoved, "你把 logits 和 ids 对齐成了同一格：那是问它刚读过的词。"),
            Mistake(
                "unmoved_short",
                lambda a, b, ids, is_answer, beta: _unmoved(a[:, :-1], b[:, :-1], ids[:, :-1], is_answer[:, :-1], beta),
                "三样都去掉了最后一列，仍是同一格对同一格。只有 logits 去掉最后一列，ids 和掩码去掉第一列。",
            ),
            Mistake(
                "backwards",
                lambda a, b, ids, is_answer, beta: _unmoved(a[:, 1:], b[:, 1:], ids[:, :-1], is_answer[:, :-1], beta),
                "错位的方向反了：logits 去掉最后一列，ids 和掩码去掉第一列。",
            ),
            Mistake(
                "mean_of_columns",
                lambda a, b, ids, is_answer, beta: margins_of(a, b, ids, is_answer, beta) / (ids.shape[1] - 1),
                ".mean(1) 除以了列数。回答的 ln 概率是相加。",
            ),
            Mistake("swapped", lambda *case: -margins_of(*case), "前 B 行是选中的：选中的减落选的，策略减参考。"),
            Mistake("no_beta", lambda *case: margins_of(*case[:4], 1.0), "β 没有乘。"),
            Mistake(
                "no_reference",
                lambda a, b, ids, is_answer, beta: margins_of(a, torch.zeros_like(b), ids, is_answer, beta),
                "参考没有减。",
            ),
            Mistake(
                "neighbours",
                lambda a, b, ids, is_answer, beta: _margins(a, b, ids, is_answer[:, 1:], beta, neighbours=True),
                "你把相邻两行当作一对。这里前一半是选中的，后一半是落选的。",
            ),
        ],
        hints=["said 有 T − 1 列。它的第 0 列是关于 ids 的哪一列？"],
        cases=_rows,
        passes="预测比词元早一格，掩码跟着词元走。",
        follow_up=Exercise(
            id="22-dpo-4-next",
            kind="choice",
            minutes=2,
            task="若把提示的词元也算进去（两个回答的提示一字不差，也没有填充），间隔会怎样？",
            choices={"A": "变大", "B": "变小", "C": "不变"},
            solution="C",
            mistakes=[
                Mistake("larger", "A", "两边加的是同一个数，一减就没有了。"),
                Mistake("smaller", "B", "两边同样变小，相减时抵掉了。"),
            ],
            passes="一减就消掉，所以这个错在 DPO 里常常看不出来；除以长度的写法（如 TRL 的 IPO）里就看得出了。",
        ),
    ),
    Exercise(
        id="22-dpo-5",
        title="修：损失一直是 0.6931",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "`start` [K] 是 K 个回答的 logits，也是参考；`chosen`、`rejected` [B] 是每对里两个回答的编号。"
            "走 `steps` 步 DPO，返回最后各回答的 ln π [K]。\n找出这一处错，改对。"
        ),
        program=(
            "def my_training(start, chosen, rejected, beta, lr, steps):\n"
            "    policy = start.clone().requires_grad_()\n"
            "    reference = policy.detach()\n"
            "    for _ in range(steps):\n"
            "        d = policy.log_softmax(0) - reference.log_softmax(0)\n"
            "        loss = -torch.nn.functional.logsigmoid(beta * (d[chosen] - d[rejected])).mean()\n"
            "        (gradient,) = torch.autograd.grad(loss, policy)\n"
            "        policy.data -= lr * gradient\n"
            "    return policy.detach().log_softmax(0)"
        ),
        symptom="损失一步也不降，总是 0.6931，策略却一直在走，越走越远，从不慢下来。",
        solution=trained,
        mistakes=[
            Mistake(
                "program",
                lambda *case: _trained(*case, reference="follows"),
                "还没有改对：走到第十步，你的 d 还全是 0，损失还是 ln 2。打印 d 的两项，看各自变不变。",
            ),
            Mistake("none", lambda *case: _trained(*case, reference="none"), "参考不见了。要的是起点那一份。"),
            Mistake(
                "still",
                lambda start, *_: start.log_softmax(0),
                "策略一步也没有走：参考也带着梯度，两份抵消了。要 detach().clone()。",
            ),
            Mistake("sum", lambda *case: _trained(*case, loss="sum"), "几对之间要平均。"),
            Mistake("hard", lambda *case: _trained(*case, loss="hard"), "ln σ 丢了：这样永远不会慢下来。"),
            Mistake("sign", lambda *case: _trained(*case, sign=-1), "方向反了：沿负梯度走。"),
            Mistake("logits", lambda *case: _trained(*case, end=False), "返回的是 logits，要 ln π。"),
            Mistake("probabilities", lambda *case: trained(*case).exp(), "返回的是概率，要 ln π：log_softmax。"),
            Mistake(
                "held_probabilities",
                lambda *case: _trained(*case, reference="probabilities"),
                "参考用了 softmax。两边都要取 ln，才能相减。",
            ),
            Mistake(
                "swapped",
                lambda start, chosen, rejected, *rest: trained(start, rejected, chosen, *rest),
                "选中的和落选的反了。",
            ),
            Mistake(
                "one_step",
                lambda start, chosen, rejected, beta, lr, steps: trained(start, chosen, rejected, beta, lr, 1),
                "只走了一步。",
            ),
        ],
        hints=["训练里打印 reference，看它变不变。", "`a.detach()` 与 a 共用内存；`a.detach().clone()` 不共用。"],
        cases=_trainings,
        passes="参考是另一份内存里的起点。",
        follow_up=Exercise(
            id="22-dpo-5-next",
            kind="choice",
            minutes=2,
            task="真的训练里，怎样最快看出参考在跟着走？",
            choices={
                "A": "看损失：总是 ln 2",
                "B": "看显存：多了一份",
                "C": "看生成的样本变不变",
            },
            solution="A",
            mistakes=[
                Mistake("memory", "B", "两者共用内存，显存反而少一份；单看数字看不出该是多少。"),
                Mistake("samples", "C", "样本照样在变，而且变得很快，看不出是参考错了。"),
            ],
            passes="d 恒为 0，损失恒为 0.6931，一分不差。",
        ),
    ),
    Exercise(
        id="22-dpo-6",
        title="一对回答，K 个 logit 的梯度",
        level=3,
        minutes=7,
        task=(
            "K 个回答各有一个 logit：`logits` [K]，`reference` [K] 是 ln π_ref。只有一对：选中的编号 `chosen`，"
            "落选的 `rejected`（整数）。\n不用自动求导，写 `my_pull(logits, reference, chosen, rejected, beta)`，"
            "返回 DPO 损失对 K 个 logit 的梯度 [K]。"
        ),
        stub="def my_pull(logits, reference, chosen, rejected, beta):\n    ...",
        solution=pull_of,
        mistakes=[
            Mistake("sign", lambda *case: -pull_of(*case), "符号反了：损失对选中的 logit 的导数是负的。"),
            Mistake("no_beta", lambda *case: pull_of(*case) / case[4], "少乘了外面的 β。"),
            Mistake(
                "confident",
                lambda logits, reference, *rest: _pull(logits.log_softmax(0) - reference, *rest, sign=1),
                "你用了 σ(m)。出力是 σ(−m)：排错的出力大。",
            ),
            Mistake(
                "softmax",
                _through_softmax,
                "ln π 对各 logit 的导数里有 −π，两个相减时消掉了：没有进这一对的回答，梯度是 0。",
            ),
            Mistake(
                "no_reference",
                lambda logits, reference, *rest: pull_of(logits, torch.zeros_like(reference), *rest),
                "间隔里没有减参考。",
            ),
            Mistake(
                "half",
                lambda logits, reference, chosen, rejected, beta: pull_of(reference, reference, chosen, rejected, beta),
                "你把 σ(−m) 当成了 1/2，那只在起点成立。",
            ),
            Mistake(
                "chosen_only",
                lambda logits, reference, chosen, rejected, beta: pull_of(
                    logits, reference, chosen, rejected, beta
                ).clamp(max=0),
                "落选的那一个也有梯度，大小相等，符号相反。",
            ),
            Mistake(
                "beta_inside",
                lambda logits, reference, chosen, rejected, beta: (
                    pull_of(logits, reference, chosen, rejected, 1.0) * beta
                ),
                "σ 里面的 β 忘了乘。",
            ),
            Mistake("no_betas", lambda *case: pull_of(*case[:4], 1.0), "两处 β 都忘了：σ 里面一个，外面一个。"),
            Mistake("mean", lambda *case: pull_of(*case) / len(case[0]), "你除以了 K。只有一对，没有要平均的。"),
            Mistake(
                "chosen_alone",
                lambda logits, reference, *rest: _pull(logits.log_softmax(0) - reference, *rest, loser=False),
                "间隔少了一半：选中的 d 还要减去落选的 d。",
            ),
            Mistake(
                "of_probabilities",
                lambda logits, reference, *rest: _pull(logits.softmax(0) - reference.exp(), *rest),
                "间隔用了概率之差。d 是 ln π − ln π_ref。",
            ),
        ],
        hints=[
            "先对间隔求导：−β σ(−m)，乘两个 ln π 之差的导数。",
            "ln π_a − ln π_b = z_a − z_b：归一化的那一项消掉了。",
        ],
        cases=_pulls,
        passes="只有两个 logit 受力，大小相等，方向相反。",
        follow_up=Exercise(
            id="22-dpo-6-next",
            kind="choice",
            level=2,
            minutes=2,
            task="第三个、第四个回答没有进这一对。走一步以后，它们**彼此**的概率之比怎样？",
            choices={"A": "不变", "B": "概率大的变得更大", "C": "都变成一样"},
            solution="A",
            mistakes=[
                Mistake("larger", "B", "两个 logit 都没有动，比就不动。各自的概率可以一起变。"),
                Mistake("equal", "C", "没有力拉它们到一起。"),
            ],
            passes="各答各的数时，没见过的回答彼此之比留在参考那里。共用特征时就不是了。",
        ),
    ),
    Exercise(
        id="22-dpo-7",
        title="心算：一对的间隔",
        level=1,
        minutes=3,
        task=(
            "选中的回答 20 个词元，每个词元的 ln π − ln π_ref 平均 +0.05；"
            "落选的 40 个词元，平均 −0.02。β = 0.1，这一对的间隔 m 是多少？"
        ),
        stub="answer = ...  # 一个数",
        solution=0.18,
        tolerance=0.005,
        mistakes=[
            Mistake("means", 0.007, "你用了每个词元的平均。回答的 ln 概率是各词元相加。"),
            Mistake("means_added", 0.003, "两处错：用了每个词元的平均，又丢了落选的负号。回答的 ln 概率是各词元相加。"),
            Mistake("no_beta", 1.8, "1.8 是两个 d 之差，还要乘 β。"),
            Mistake("beta_twice", 0.018, "β 乘了两次：1.8 只乘一个 0.1。"),
            Mistake("coarse", 0.2, "太粗了：1.8 × 0.1，写到两位小数。"),
            Mistake("added", 0.02, "落选的 d 是负的，减去负数是加。"),
            Mistake("swapped", -0.18, "选中的减落选的。"),
            Mistake("chosen", 0.1, "0.1 只是选中的那一边。"),
            Mistake("rate", 0.545, "0.545 是 σ(m)。问的是 m。"),
        ],
        hints=["d(选中) = 20 × 0.05。", "d(落选) = 40 × (−0.02)。"],
        passes="1.0 + 0.8 = 1.8，乘 0.1。",
        follow_up=Exercise(
            id="22-dpo-7-next",
            kind="choice",
            level=2,
            minutes=2,
            task="又一对：d(选中) 从 0 变成 −3，d(落选) 从 0 变成 −9。损失怎样？选中的回答比原来常写吗？",
            choices={"A": "损失升，少写", "B": "损失降，少写", "C": "损失降，多写"},
            solution="B",
            mistakes=[
                Mistake("rises", "A", "两者之差从 0 变成 +6，间隔变大，损失降。"),
                Mistake("more", "C", "d(选中) = −3：它的概率是原来的 e⁻³，约二十分之一。"),
            ],
            passes="损失只问差。多出来的概率去了别处，别处好不好，这一对没有说。",
        ),
    ),
]
