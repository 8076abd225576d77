"""Exercises of chapter 20, RL and RLHF: a gradient by hand, baselines, GAE over two episodes, rankings."""

from itertools import combinations

import torch
from torch.nn.functional import logsigmoid

from course_lib.course.exercises.core import Exercise, Mistake


def advantages_of(rewards, group):
    same = (group[:, None] == group).to(rewards.dtype)
    total, number = same @ rewards, same.sum(1)
    return rewards - (total - rewards) / (number - 1)


def _group_mean(rewards, group):
    same = (group[:, None] == group).to(rewards.dtype)
    return same @ rewards / same.sum(1)


def _in_groups(rewards, group, one):
    """one(rewards of a group) put back in place."""
    found = torch.zeros_like(rewards)
    for number in group.unique():
        found[group == number] = one(rewards[group == number])
    return found


def _best_of_others(r):
    return torch.stack([r[i] - torch.cat([r[:i], r[i + 1 :]]).max() for i in range(len(r))])


def _groups(rng):
    cases = []
    for numbers in ([0, 0, 1, 1, 1], [3, 1, 3, 1, 3, 3], [0, 1, 2, 0, 1, 2, 0, 1], [5] * 4):
        cases.append((torch.from_numpy(rng.normal(1.5, 2, size=len(numbers))), torch.tensor(numbers)))
    return cases


def loss_of(log_probs, mask, rewards, baseline):
    return -((rewards - baseline) * (log_probs * mask).sum(1)).mean()


def _answers(rng):
    cases = []
    for lengths in ([1, 3], [4, 2, 1], [2, 5, 3, 1]):
        B, N = len(lengths), max(lengths) + 2
        log_probs = torch.from_numpy(-rng.uniform(0.1, 3, size=(B, N)))
        at = torch.arange(N)
        mask = (at >= 1) & (at < 1 + torch.tensor(lengths)[:, None])  # one place of the prompt before each answer
        cases.append((log_probs, mask, *(torch.from_numpy(rng.normal(1, 2, size=B)) for _ in range(2))))
    return cases


def gae_of(rewards, values, is_last, gamma, lam):
    found, later, value = [], rewards.new_zeros(()), rewards.new_zeros(())
    for r, v, last in zip(rewards.flip(0), values.flip(0), is_last.flip(0)):
        if last:
            later, value = torch.zeros_like(later), torch.zeros_like(value)
        later = r + gamma * value - v + gamma * lam * later
        value = v
        found.insert(0, later)
    return torch.stack(found)


def _gae(rewards, values, is_last, gamma, lam, *, end_value=True, end_advantage=True, shift=0, decay=None, plus=False):
    """gae_of with an end that stops only one of the two, stands elsewhere, or with another decay."""
    decay = gamma * lam if decay is None else decay
    ends = is_last.roll(shift) if shift else is_last
    found = torch.zeros_like(rewards)
    later = value = 0.0
    for t in reversed(range(len(rewards))):
        goes_on = 1.0 - float(ends[t])
        next_value = value * (goes_on if end_value else 1)
        later = rewards[t] + gamma * next_value - values[t] + decay * later * (goes_on if end_advantage else 1)
        value = values[t]
        found[t] = later
    return found + values if plus else found


def _forward(rewards, values, is_last, gamma, lam):
    after = torch.cat([values[1:], values[:1] * 0]) * ~is_last
    deltas = rewards + gamma * after - values
    found, before = [], 0.0
    for at, delta in enumerate(deltas):
        before = delta + gamma * lam * (0.0 if at and is_last[at - 1] else before)
        found.append(before)
    return torch.stack(found)


def _episodes(rng):
    cases = []
    for ends in ([1, 3], [0, 2, 5], [2, 3], [4]):
        N = ends[-1] + 1
        is_last = torch.zeros(N, dtype=torch.bool)
        is_last[ends] = True
        rewards, values = (torch.from_numpy(rng.normal(size=N)) for _ in range(2))
        cases.append((rewards, values, is_last, float(rng.choice([0.9, 0.8])), float(rng.choice([0.5, 0.7]))))
    return cases


def scores_of(hidden, is_answer, w):
    last = is_answer.shape[1] - 1 - is_answer.flip(1).to(torch.uint8).argmax(1)
    return hidden[torch.arange(len(hidden)), last] @ w


def _read_at(hidden, at, w):
    return hidden[torch.arange(len(hidden)), at.clamp(0, hidden.shape[1] - 1)] @ w


def _rows(rng):
    """Padding on either side, a prompt before the answer, at times a second turn; some answers fill the row."""
    cases = []
    for rows in (
        ["..aa", "aa..", ".aa."],
        ["..paa", "paaa.", ".paa."],
        ["paapa.", ".papaa", "pa...."],
        ["aaa", "paa"],
    ):
        mask = torch.tensor([[sign == "a" for sign in row] for row in rows])
        hidden = torch.from_numpy(rng.normal(size=(*mask.shape, 3)))
        cases.append((hidden, mask, torch.from_numpy(rng.normal(size=3))))
    return cases


def ranking_loss(scores):
    return -torch.stack([logsigmoid(a - b) for a, b in combinations(scores, 2)]).mean()


def _differences(scores):
    """scores[i] - scores[j] of all i before j."""
    return torch.stack([a - b for a, b in combinations(scores, 2)])


def _rankings(rng):
    return [(torch.from_numpy(rng.normal(0, 2, size=K)),) for K in (2, 3, 4, 6)]


EXERCISES = [
    Exercise(
        id="20-rlhf-1",
        title="心算：四个答案的梯度",
        level=1,
        minutes=4,
        task=(
            "一个 softmax 策略，四个答案的概率是 0.1、0.2、0.3、0.4，分数是 4、2、1、0。"
            "期望分数 J 对**第一个** logit 的导数是多少？"
        ),
        stub="answer = ...  # 一个数",
        solution=0.29,
        tolerance=0.005,
        mistakes=[
            Mistake("score_times_share", 0.4, "0.1 × 4 忘了减平均分：softmax 里抬高一个，别的都要让。"),
            Mistake("advantage", 2.9, "4 − 1.1 是优势。还要乘它被抽到的概率 0.1。"),
            Mistake("mean_score", 1.1, "1.1 是期望分数 J。问的是它的导数。"),
            Mistake("plain_advantage", 2.25, "平均分要按概率加权，是 1.1；减了以后，还要乘 0.1。"),
            Mistake("other_share", 1.16, "你乘了 0.4，那是第四个的概率。第一个是 0.1。"),
            Mistake("plain_mean", 0.225, "平均分要按概率加权：1.1，不是四个分数的简单平均 1.75。"),
            Mistake("squared", 0.261, "这是乘了 π(1 − π)。导数是 π(r − J)，J 里已经含它自己。"),
            Mistake("half_softmax", 0.36, "你用了 0.1 × 0.9 × 4：只算了它自己，漏了别的答案因它变少而丢的分。"),
            Mistake("sign", -0.29, "符号反了：它的分数高于平均，抬高它，J 就变大。"),
            Mistake("score", 4, "4 只是它的分数。"),
        ],
        hints=["先算期望分数：各个概率乘分数，相加。", "π(a)·(r(a) − J)。"],
        passes="0.1 × (4 − 1.1)。分数高，却难得抽到，导数就小。",
        follow_up=Exercise(
            id="20-rlhf-1-next",
            kind="choice",
            minutes=2,
            task="四个分数都减 3（变成 1、−1、−2、−3）。精确的梯度怎样变？",
            choices={"A": "不变", "B": "四个数都变小", "C": "后三个变成负的，第一个还是正的，大小都变了"},
            solution="A",
            mistakes=[
                Mistake("smaller", "B", "平均分也减了 3，每个 r − J 都没有变。"),
                Mistake("some", "C", "看的是 r − J，不是 r 的正负。"),
            ],
            passes="不变。变的是单次抽样的估计：r 换了号，方差也换了。",
        ),
    ),
    Exercise(
        id="20-rlhf-2",
        title="各组人数不同时的基线",
        level=2,
        minutes=6,
        task=(
            "`rewards` [B] 是 B 个回答的分数，`group` [B] 是它们各属于哪个问题"
            "（整数，次序任意，每组至少两个，人数可以不同）。\n"
            "写 `my_advantages(rewards, group)`，返回 [B]：每个分数减去**同一个问题的其余回答**的平均。"
        ),
        stub="def my_advantages(rewards, group):\n    ...",
        solution=advantages_of,
        mistakes=[
            Mistake(
                "with_itself",
                lambda rewards, group: rewards - _group_mean(rewards, group),
                "平均里有它自己。基线依赖了这个回答，梯度会缩成 1 − 1/G。",
            ),
            Mistake(
                "all_others",
                lambda rewards, group: rewards - (rewards.sum() - rewards) / (len(rewards) - 1),
                "你减了全批其余的平均。难题和易题混在一起，易题的错答也会得正的优势。",
            ),
            Mistake("all", lambda rewards, group: rewards - rewards.mean(), "你减了全批的平均。要在同一个问题里比。"),
            Mistake(
                "best_of_others",
                lambda rewards, group: _in_groups(rewards, group, _best_of_others),
                "你减了其余里最好的。基线要平均。",
            ),
            Mistake(
                "group_std",
                lambda rewards, group: _in_groups(rewards, group, lambda r: (r - r.mean()) / r.std()),
                "这是 GRPO：减整组平均，再除以标准差。这里减其余的平均，不除。",
            ),
            Mistake(
                "too_many",
                lambda rewards, group: _in_groups(rewards, group, lambda r: r - (r.sum() - r) / len(r)),
                "其余的和除以了整组人数。其余只有 G − 1 个。",
            ),
            Mistake(
                "sum",
                lambda rewards, group: _in_groups(rewards, group, lambda r: r - (r.sum() - r)),
                "你减了其余的和，没有除以人数。",
            ),
            Mistake(
                "self_not_removed",
                lambda rewards, group: _in_groups(rewards, group, lambda r: r - r.sum() / (len(r) - 1)),
                "除数减了 1，和里却还有它自己。",
            ),
            Mistake("sign", lambda rewards, group: -advantages_of(rewards, group), "符号反了：比别人好的要得正数。"),
            Mistake(
                "baseline",
                lambda rewards, group: rewards - advantages_of(rewards, group),
                "你返回了基线。要返回分数减基线。",
            ),
            Mistake("rewards", lambda rewards, group: rewards, "什么也没有减。"),
            Mistake(
                "equal_groups",
                lambda rewards, group: advantages_of(rewards, torch.arange(len(rewards)) // 2),
                "你按位置两个两个分了组。要看 group 里的编号。",
            ),
        ],
        hints=["`group[:, None] == group` 是 [B, B]：谁和谁同组。", "其余的平均是（组的和 − 自己）/（人数 − 1）。"],
        cases=_groups,
        passes="每个回答的基线都不含它自己，所以梯度的平均不动。",
        follow_up=Exercise(
            id="20-rlhf-2-next",
            level=2,
            minutes=2,
            task="一组 5 个，分数 1、0、0、0、0。答对的那个优势是多少？（减其余的平均，不除标准差。）",
            stub="answer = ...  # 一个数",
            solution=1.0,
            tolerance=1e-6,
            mistakes=[
                Mistake("with_itself", 0.8, "你减了整组的平均 0.2，里面有它自己。"),
                Mistake("wrong_one", -0.25, "这是答错的那些的优势。"),
                Mistake("standard", 1.789, "你还除了标准差，那是 GRPO。"),
                Mistake("population", 2.0, "你减了整组的平均，还除以标准差 0.4。"),
                Mistake("self_not_removed", 0.75, "除数减了 1，和里却还有它自己。"),
                Mistake("zero", 0.0, "它比别人都好，优势是正的。"),
            ],
            passes="其余的平均是 0。四个答错的各是 −0.25，加起来正好抵掉 1。",
        ),
    ),
    Exercise(
        id="20-rlhf-3",
        title="修：分数越练越低",
        level=1,
        minutes=4,
        kind="repair",
        task=(
            "REINFORCE 的损失：`log_probs` [B, N] 是每格的 ln π，`mask` [B, N] 在回答的词元处是 True，"
            "`rewards`、`baseline` 各 [B]。要返回一个数，优化器会让它**变小**。"
            "一个回答的 ln π 是各词元相加，回答之间平均。\n"
            "找出这一处错，改对。"
        ),
        program=(
            "def my_loss(log_probs, mask, rewards, baseline):\n"
            "    advantages = rewards - baseline\n"
            "    answer = (log_probs * mask).sum(1)\n"
            "    return (advantages * answer).mean()"
        ),
        symptom="别的都正常，平均分数却一步比一步低，最后策略专写得分最低的回答。",
        solution=loss_of,
        mistakes=[
            Mistake(
                "program",
                lambda log_probs, mask, rewards, baseline: -loss_of(log_probs, mask, rewards, baseline),
                "优化器让损失变小，这样好的回答的 ln π 就变小了。前面少一个负号。",
            ),
            Mistake(
                "no_baseline",
                lambda log_probs, mask, rewards, baseline: loss_of(log_probs, mask, rewards, 0 * baseline),
                "负号对了，基线却丢了：平均不变，方差变大。",
            ),
            Mistake(
                "mask_lost",
                lambda log_probs, mask, rewards, baseline: loss_of(log_probs, torch.ones_like(mask), rewards, baseline),
                "提示和填充的格也算进去了：mask 不能丢。",
            ),
            Mistake(
                "mask_upside_down",
                lambda log_probs, mask, rewards, baseline: loss_of(log_probs, ~mask, rewards, baseline),
                "掩码反了：True 是回答的词元。",
            ),
            Mistake(
                "token_mean",
                lambda log_probs, mask, rewards, baseline: (
                    -((rewards - baseline) * (log_probs * mask).sum(1) / mask.sum(1)).mean()
                ),
                "一个回答的 ln π 是词元的和。除以长度，长的回答每个词元就轻了，那是另一个目标。",
            ),
            Mistake(
                "place_mean",
                lambda log_probs, mask, rewards, baseline: -((rewards - baseline) * (log_probs * mask).mean(1)).mean(),
                "你对 N 格取了平均。一个回答的 ln π 是词元的和。",
            ),
            Mistake(
                "baseline_added",
                lambda log_probs, mask, rewards, baseline: loss_of(log_probs, mask, rewards, -baseline),
                "基线要减，你加上了。",
            ),
            Mistake(
                "squared",
                lambda log_probs, mask, rewards, baseline: (
                    -((rewards - baseline).square() * (log_probs * mask).sum(1)).mean()
                ),
                "优势平方了，坏的回答也被抬高。",
            ),
            Mistake(
                "sum_of_answers",
                lambda log_probs, mask, rewards, baseline: len(rewards) * loss_of(log_probs, mask, rewards, baseline),
                "回答之间要平均，你加起来了：批一大，步子就大。",
            ),
            Mistake(
                "absolute",
                lambda log_probs, mask, rewards, baseline: (
                    -((rewards - baseline).abs() * (log_probs * mask).sum(1)).mean()
                ),
                "取了绝对值，坏的回答也被抬高。",
            ),
            Mistake(
                "probabilities",
                lambda log_probs, mask, rewards, baseline: (
                    -((rewards - baseline) * (log_probs * mask).sum(1).exp()).mean()
                ),
                "你用了 π。抽样时已经按 π 抽了，权重要乘在 ln π 上。",
            ),
            Mistake(
                "divided_by_tokens",
                lambda log_probs, mask, rewards, baseline: (
                    -((rewards - baseline)[:, None] * log_probs * mask).sum() / mask.sum()
                ),
                "你除以了词元的总数。回答之间平均，除以 B。",
            ),
        ],
        hints=["优化器做的是下降。", "好的回答，优势是正的，要让它的 ln π 变大。"],
        cases=_answers,
        passes="要升的是 J，会降的是损失，所以前面是负号。",
        follow_up=Exercise(
            id="20-rlhf-3-next",
            kind="choice",
            minutes=2,
            task="训练了一百步，这个损失的**值**从 0.3 变成 −0.2，又变成 0.1。说明什么？",
            choices={"A": "没有学好，损失应当一路下降", "B": "什么也说明不了，要看平均分数", "C": "学习率太大"},
            solution="B",
            mistakes=[
                Mistake("should_fall", "A", "它的梯度有意义，值没有：减了基线，优势有正有负，值也时正时负。"),
                Mistake("rate", "C", "单看这个值看不出来。减了基线，它本来就时正时负。"),
            ],
            passes="它不是要变小的量，只是梯度恰好对的一个式子。看平均分数，和离参考多远。",
        ),
    ),
    Exercise(
        id="20-rlhf-4",
        title="修：两局接成一行",
        level=3,
        minutes=7,
        kind="repair",
        task=(
            "一行里接着放了几局：`rewards`、`values`、`is_last` 都是 [N]，`is_last` 在每一局的最后一步是 True"
            "（这一行的最后一步总是）。`gamma`、`lam` 是两个数。要返回各步的 GAE 优势 [N]。\n"
            "找出这一处错，改对。"
        ),
        program=(
            "def my_gae(rewards, values, is_last, gamma, lam):\n"
            "    advantages = torch.zeros_like(rewards)\n"
            "    next_value = next_advantage = 0.0\n"
            "    for t in reversed(range(len(rewards))):\n"
            "        delta = rewards[t] + gamma * next_value - values[t]\n"
            "        advantages[t] = delta + gamma * lam * next_advantage\n"
            "        next_value, next_advantage = values[t], advantages[t]\n"
            "    return advantages"
        ),
        symptom="一行只有一局时全对。两局接成一行，前一局的优势忽高忽低，随后一局而变。",
        solution=gae_of,
        mistakes=[
            Mistake(
                "program",
                lambda *case: _gae(*case, end_value=False, end_advantage=False),
                "一局完了，后面没有价值也没有优势了：倒着走到 is_last，两样都要清零。",
            ),
            Mistake(
                "value_only",
                lambda *case: _gae(*case, end_advantage=False),
                "价值断开了，优势还从后一局流过来：next_advantage 也要清零。",
            ),
            Mistake(
                "advantage_only",
                lambda *case: _gae(*case, end_value=False),
                "优势断开了，δ 里还用着后一局开头的价值：next_value 也要清零。",
            ),
            Mistake(
                "one_too_late",
                lambda *case: _gae(*case, shift=1),
                "断错了一步：末步之后才没有了，末步的下一步已经是另一局。",
            ),
            Mistake("one_too_early", lambda *case: _gae(*case, shift=-1), "断早了一步：倒数第二步之后还有末步。"),
            Mistake(
                "no_gamma",
                lambda rewards, values, is_last, gamma, lam: _gae(rewards, values, is_last, gamma, lam, decay=lam),
                "优势往前传要乘 γλ，你只乘了 λ。",
            ),
            Mistake(
                "no_lambda",
                lambda rewards, values, is_last, gamma, lam: _gae(rewards, values, is_last, gamma, lam, decay=gamma),
                "优势往前传要乘 γλ，你只乘了 γ：那是 λ = 1。",
            ),
            Mistake(
                "lambda_zero",
                lambda rewards, values, is_last, gamma, lam: _gae(rewards, values, is_last, gamma, 0.0),
                "这只是 δ，那是 λ = 0。",
            ),
            Mistake("returns", lambda *case: _gae(*case, plus=True), "你加回了 V，那是评论家要学的目标，不是优势。"),
            Mistake(
                "no_value_at_ends",
                lambda rewards, values, is_last, gamma, lam: gae_of(
                    rewards + values * is_last, values, is_last, gamma, lam
                ),
                "末步的 δ 只剩奖励了。没有的是下一步的价值，自己的 V 还要减。",
            ),
            Mistake(
                "ends_upside_down",
                lambda rewards, values, is_last, gamma, lam: gae_of(rewards, values, ~is_last, gamma, lam),
                "条件反了：is_last 是 True 的那一步才清零。",
            ),
            Mistake("forward", _forward, "方向反了：后面的意外要往前传，从最后一步倒着算。"),
            Mistake(
                "zero_at_ends",
                lambda rewards, values, is_last, gamma, lam: gae_of(rewards, values, is_last, gamma, lam) * ~is_last,
                "末步自己也有优势：它的奖励减它的价值。",
            ),
            Mistake(
                "undiscounted",
                lambda rewards, values, is_last, gamma, lam: gae_of(rewards, values, is_last, 1.0, lam),
                "γ 没有用上。",
            ),
        ],
        hints=["第一局末步的 δ 里，γ 乘的是谁的价值？", "走到 is_last[t] 时，先把 next_value 和 next_advantage 清零。"],
        cases=_episodes,
        passes="一局是一局。语言模型里一行一个回答，末格之后也是同样的两个零。",
        follow_up=Exercise(
            id="20-rlhf-4-next",
            level=2,
            minutes=3,
            task="γ = 1，λ = 0.5。三步，奖励 0、0、1，评论家说 V 是 0、0、0。第一步的优势是多少？",
            stub="answer = ...  # 一个数",
            solution=0.25,
            tolerance=1e-6,
            mistakes=[
                Mistake("half", 0.5, "传一步乘一次 0.5。从第三步到第一步要传两步。"),
                Mistake("whole", 1.0, "这是 λ = 1 的。"),
                Mistake("none", 0.0, "这是 λ = 0 的：第一步自己的 δ 是 0，可是后面的意外会传过来。"),
                Mistake("three", 0.125, "第三步自己不用乘，往前传两步，乘两次。"),
                Mistake("sum", 1.75, "三步的 δ 是 0、0、1，不是三个 1。"),
            ],
            passes="δ 只有第三步是 1，往前传两步，0.5 × 0.5。",
        ),
    ),
    Exercise(
        id="20-rlhf-5",
        title="心算：胜率怎样传",
        level=1,
        minutes=3,
        task=(
            "布拉德利–特里模型里，甲对乙的胜率是 75%，乙对丙也是 75%。甲对丙呢？\n"
            "（提示：σ 把分差变成胜率；胜率比负率是 e 的分差次方。）"
        ),
        stub="answer = ...  # 0 到 1 的数，或百分数",
        solution=0.9,
        tolerance=0.004,
        percent=True,
        mistakes=[
            Mistake("same", 0.75, "甲比乙强一截，乙比丙强一截，甲比丙强两截。"),
            Mistake("product", 0.5625, "胜率不能相乘：这样甲对丙反而更难赢了。"),
            Mistake("either", 0.9375, "你算了“两次不全输”。模型说的是分差相加：胜负比 3 × 3。"),
            Mistake("double", 1.0, "分差加倍，胜率不会到 1。"),
            Mistake("two_points", 0.8808, "你算了 σ(2)。75% 的分差是 ln 3 ≈ 1.1，不是 1。"),
            Mistake("sum", 1.5, "相加的是分差，不是胜率。"),
            Mistake("halfway", 0.875, "你把剩下的 25% 减了一半。分差相加，胜负比 3 : 1 变成 9 : 1。"),
            Mistake("odds", 9.0, "9 是胜负比 9 : 1。胜率是 9/10。"),
            Mistake("difference", 2.197, "这是分差，2 ln 3。再过一次 σ。"),
            Mistake("lost", 0.1, "这是丙对甲的。"),
        ],
        hints=["75% 是 3 : 1。", "分差相加，胜负比就相乘。"],
        passes="3 : 1 乘 3 : 1 是 9 : 1。分差相加，所以一个数就能排出所有人。",
        follow_up=Exercise(
            id="20-rlhf-5-next",
            level=1,
            minutes=3,
            task="奖励模型给回答一的分数比回答二高 3 分，人的标签却说回答二好。这一对的损失是多少？",
            stub="answer = ...  # 一个数，奈特",
            solution=3.0486,
            tolerance=0.005,
            mistakes=[
                Mistake("agreed", 0.0486, "这是标签与它一致时的损失：−ln σ(3)。标签反过来，是 −ln σ(−3)。"),
                Mistake(
                    "agreed_rounded",
                    0.05,
                    "约是 0.05 的，是标签与它一致时的损失，或是 σ(−3)。这里标签反过来，是 −ln σ(−3)。",
                ),
                Mistake("no_log_rounded", 0.047, "0.047 是 σ(−3)。损失还要取 −ln。"),
                Mistake("difference", 3.0, "快对了，少了 ln(1 + e⁻³)。"),
                Mistake("no_log", 0.0474, "σ(−3) 还要取 −ln。"),
                Mistake("no_log_agreed", 0.9526, "这是 σ(3)：它以为回答一赢的概率。"),
                Mistake("bits", 4.398, "你取了以 2 为底的对数。这里用自然对数。"),
                Mistake("negative", -3.0486, "损失是 −ln，正的。"),
            ],
            passes="错得很有把握，损失约等于分差。标签有错时，这样的对子会把它往回拉。",
        ),
    ),
    Exercise(
        id="20-rlhf-6",
        title="修：长度一样时才对",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "奖励模型的末层向量 `hidden` [B, T, D]，`is_answer` [B, T] 在回答的词元处是 True"
            "（可能有几轮，取最后一轮；填充可能在左，也可能在右），`w` [D]。"
            "要返回 [B]：每行**最后一个回答词元**处的向量与 `w` 的内积。\n"
            "找出这一处错，改对。"
        ),
        program="def my_scores(hidden, is_answer, w):\n    return hidden[:, -1] @ w",
        symptom="一批里的回答一样长时，准确率 72%；长短不一时，掉到 60%。",
        solution=scores_of,
        mistakes=[
            Mistake(
                "program",
                lambda hidden, is_answer, w: hidden[:, -1] @ w,
                "末一列可能是填充：短的回答，分数读在空格上了。",
            ),
            Mistake(
                "first",
                lambda hidden, is_answer, w: _read_at(hidden, is_answer.to(torch.uint8).argmax(1), w),
                "argmax 找到的是第一个 True。要最后一个：它才看过整个回答。",
            ),
            Mistake(
                "count",
                lambda hidden, is_answer, w: _read_at(hidden, is_answer.sum(1) - 1, w),
                "个数减 1 当位置，只在回答从第 0 格开始时才对：前面有问题或填充，就错了。",
            ),
            Mistake(
                "first_and_count",
                lambda hidden, is_answer, w: _read_at(
                    hidden, is_answer.to(torch.uint8).argmax(1) + is_answer.sum(1) - 1, w
                ),
                "第一格加个数减 1，只有一轮时才对：两轮之间隔着问题。",
            ),
            Mistake(
                "negative",
                lambda hidden, is_answer, w: _read_at(
                    hidden, -is_answer.flip(1).to(torch.uint8).argmax(1) % is_answer.shape[1], w
                ),
                "从后往前数，末格是 −1，不是 0：还要减 1。",
            ),
            Mistake(
                "first_end",
                lambda hidden, is_answer, w: _read_at(
                    hidden, (is_answer & ~is_answer.roll(-1, 1)).to(torch.uint8).argmax(1), w
                ),
                "你停在第一轮的末格。有几轮时取最后一轮。",
            ),
            Mistake(
                "after",
                lambda hidden, is_answer, w: _read_at(
                    hidden, is_answer.shape[1] - is_answer.flip(1).to(torch.uint8).argmax(1), w
                ),
                "多了一格：末格的位置是 T − 1 减倒着数的位置。",
            ),
            Mistake(
                "before",
                lambda hidden, is_answer, w: _read_at(
                    hidden, is_answer.shape[1] - 2 - is_answer.flip(1).to(torch.uint8).argmax(1), w
                ),
                "少了一格：你读在倒数第二个词元。",
            ),
            Mistake(
                "mean",
                lambda hidden, is_answer, w: (
                    ((hidden * is_answer[..., None]).sum(1) / is_answer.sum(1, keepdim=True)) @ w
                ),
                "你取了回答各格的平均。只读末格。",
            ),
            Mistake(
                "sum",
                lambda hidden, is_answer, w: (hidden * is_answer[..., None]).sum(1) @ w,
                "你加了回答的每一格：长的回答分数就大。只读末格。",
            ),
            Mistake(
                "from_the_right",
                lambda hidden, is_answer, w: _read_at(hidden, is_answer.flip(1).to(torch.uint8).argmax(1), w),
                "倒着数的位置忘了换回来：T − 1 减去它。",
            ),
            Mistake(
                "largest",
                lambda hidden, is_answer, w: (hidden @ w).masked_fill(~is_answer, -torch.inf).amax(1),
                "你取了各格里最大的分。只读末格。",
            ),
            Mistake(
                "all_scores", lambda hidden, is_answer, w: hidden @ w, "每格都有分，形状 [B, T]。只要末格的，[B]。"
            ),
        ],
        hints=["倒过来，第一个 True 在第几格？", "`is_answer.flip(1).to(torch.uint8).argmax(1)`，再从 T − 1 里减去。"],
        cases=_rows,
        passes="末格由掩码找，不由 pad 的编号找：pad 与 eos 同号，或补在左边，都不怕。",
        follow_up=Exercise(
            id="20-rlhf-6-next",
            kind="choice",
            minutes=2,
            task="为什么读在最后一个词元，不读在第一个？",
            choices={
                "A": "因果掩码：只有末格看过整个回答",
                "B": "末格的向量最长",
                "C": "训练时规定的，读在哪一格都一样好",
            },
            solution="A",
            mistakes=[
                Mistake("length", "B", "向量的长短与此无关。想想第一格能看见什么。"),
                Mistake("rule", "C", "第一格看不见后面的词，它的分数只能是个平均。"),
            ],
            passes="语言模型从左往右看。第一格的分数只能是“这样开头，平均几分”，那是价值，不是奖励。",
        ),
    ),
    Exercise(
        id="20-rlhf-7",
        title="一次排名的损失",
        level=2,
        minutes=5,
        task=(
            "人把同一个问题的 K 个回答从好到坏排好，`scores` [K] 是奖励模型给它们的分数，次序就是名次。\n"
            "写 `my_ranking_loss(scores)`：所有的对（前面的该赢后面的）的布拉德利–特里损失，取平均，返回一个数。"
        ),
        stub="def my_ranking_loss(scores):\n    ...",
        solution=ranking_loss,
        mistakes=[
            Mistake(
                "neighbours",
                lambda scores: -logsigmoid(scores[:-1] - scores[1:]).mean(),
                "你只比了相邻的名次。要所有的对：K 选 2。",
            ),
            Mistake(
                "sum",
                lambda scores: -logsigmoid(_differences(scores)).sum(),
                "要平均，不是和：不然排得多的问题压过排得少的。",
            ),
            Mistake(
                "reversed",
                lambda scores: -logsigmoid(-_differences(scores)).mean(),
                "胜负反了：前面的名次好，分数该高。",
            ),
            Mistake(
                "both_ways",
                lambda scores: -logsigmoid(scores[:, None] - scores).mean(),
                "你把每一对两个方向都算了，连自己比自己也算：只算前面的赢后面的。",
            ),
            Mistake(
                "over_all",
                lambda scores: -logsigmoid(_differences(scores)).sum() / len(scores) ** 2,
                "对数是 K(K − 1)/2，不是 K²。",
            ),
            Mistake(
                "over_number",
                lambda scores: -logsigmoid(_differences(scores)).sum() / len(scores),
                "你除以了 K。对数是 K(K − 1)/2。",
            ),
            Mistake(
                "of_the_mean",
                lambda scores: -logsigmoid(_differences(scores).mean()),
                "先平均分差，再取 −ln σ，不是一回事：每一对先算损失，再平均。",
            ),
            Mistake(
                "ends_only",
                lambda scores: -logsigmoid(scores[0] - scores[-1]),
                "你只比了第一名和最后一名。要所有的对。",
            ),
            Mistake("no_log", lambda scores: -_differences(scores).sigmoid().mean(), "σ 以后要取对数。"),
            Mistake("no_sigmoid", lambda scores: -_differences(scores).mean(), "少了 −ln σ：这样分差可以无限拉大。"),
            Mistake("sign", lambda scores: logsigmoid(_differences(scores)).mean(), "少一个负号：损失要是正的。"),
            Mistake(
                "first_only",
                lambda scores: -logsigmoid(scores[0] - scores[1:]).mean(),
                "你只让第一名赢其余的。后面的名次之间也有对。",
            ),
            Mistake(
                "softmax",
                lambda scores: -scores.log_softmax(0)[0],
                "这是“第一名从 K 个里选出”的 softmax。这里一对一对地比。",
            ),
            Mistake(
                "luce",
                lambda scores: torch.stack([-scores[i:].log_softmax(0)[0] for i in range(len(scores) - 1)]).mean(),
                "这是一个一个往下选的损失（Plackett–Luce）。InstructGPT 是一对一对地比。",
            ),
            Mistake("hinge", lambda scores: (1 - _differences(scores)).clamp(min=0).mean(), "这是铰链损失。要 −ln σ。"),
            Mistake("bits", lambda scores: ranking_loss(scores) / torch.log(torch.tensor(2.0)), "用自然对数。"),
        ],
        hints=["`itertools.combinations(scores, 2)` 保持次序，给出所有的对。", "`torch.nn.functional.logsigmoid`。"],
        cases=_rankings,
        passes="一个回答只读一次，K 个分数就够算所有的对。",
        follow_up=Exercise(
            id="20-rlhf-7-next",
            level=1,
            minutes=2,
            task="一个问题排了 7 个回答。拆成一对一对，每个回答出现在几对里？",
            stub="answer = ...  # 一个整数",
            solution=6,
            tolerance=1e-6,
            mistakes=[
                Mistake("pairs", 21, "21 是对的总数。问一个回答在几对里。"),
                Mistake("itself", 7, "不和自己比。"),
                Mistake("half", 3, "每个回答和其余 6 个各比一次。"),
                Mistake("ordered", 42, "42 是有次序的对。"),
                Mistake("twice", 12, "每两个只比一次。"),
            ],
            passes="6 次。拆散打乱，等于把它重复看 6 遍，过拟合就是这样来的。",
        ),
    ),
]
