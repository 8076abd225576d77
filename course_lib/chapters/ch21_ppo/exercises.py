"""Exercises of chapter 21, PPO: the clip by hand and as a gradient, rewards, losses and loops to mend, memory."""

import torch

from course_lib.course.exercises.core import Exercise, Mistake


def pull_of(log_probs, old, advantages, mask, clip):
    rho = (log_probs - old).exp()
    stopped = ((advantages > 0) & (rho > 1 + clip)) | ((advantages < 0) & (rho < 1 - clip))
    return -(rho * advantages) * (mask & ~stopped) / mask.sum()


def _pull(log_probs, old, advantages, mask, clip, *, stops="min", over="tokens", ratio=True):
    """pull_of with one thing otherwise. stops: min, max, none, outside, logs; over: tokens, places, rows, sum, all."""
    rho = (log_probs - old).exp()
    above, below = rho > 1 + clip, rho < 1 - clip
    good, bad = advantages > 0, advantages < 0
    stopped = {
        "min": (good & above) | (bad & below),
        "max": (good & below) | (bad & above),
        "none": above & below,
        "outside": above | below,
        "logs": (good & (log_probs - old > clip)) | (bad & (log_probs - old < -clip)),
    }[stops]
    pull = -(rho if ratio else 1.0) * advantages * ~stopped
    counted = pull * mask
    return {
        "tokens": lambda: counted / mask.sum(),
        "places": lambda: counted / mask.numel(),
        "rows": lambda: counted / mask.sum(1, keepdim=True) / len(mask),
        "sum": lambda: counted,
        "all": lambda: pull / mask.numel(),
    }[over]()


def _mistaken_pull(**change):
    return lambda *case: _pull(*case, **change)


def _batches(rng):
    """Tokens that went far both ways, with advantages of both signs; answers of several lengths."""
    cases = []
    for lengths, N, clip in (((2, 4), 4, 0.2), ((3, 1, 5), 5, 0.1), ((6, 2), 6, 0.3)):
        mask = torch.arange(N) < torch.tensor(lengths)[:, None]
        old = torch.from_numpy(-rng.uniform(0.5, 3, size=mask.shape))
        signs = torch.from_numpy(rng.choice([-1.0, 1.0], size=mask.shape))
        signs[0, :2] = torch.tensor([1.0, -1.0])
        moved = torch.from_numpy(rng.uniform(0.45, 0.8, size=mask.shape)) * torch.from_numpy(
            rng.choice([-1.0, 0.1, 1.0], size=mask.shape)
        )
        moved[0, :2], moved[1, 0] = torch.tensor([0.6, -0.7]), 0.6
        signs[1, 0] = -1.0
        moved[-1, 0], signs[-1, 0] = (clip + torch.tensor(1 + clip).log()) / 2, 1.0  # beyond 1 + ε, its log within ε
        advantages = signs * torch.from_numpy(rng.uniform(0.2, 2, size=mask.shape))
        cases.append((old + moved, old, advantages, mask, clip))
    return cases


def rewards_of(score, old, reference, is_answer, beta):
    mask = is_answer[:, 1:]
    rewards = -beta * (old - reference) * mask
    last = torch.where(mask, torch.arange(mask.shape[1]), -1).argmax(1)
    rewards[torch.arange(len(mask)), last] += score
    return rewards


def _rewards(score, old, reference, is_answer, beta, *, kl=lambda d: d, at="last", mask=None, of_mask=True):
    """rewards_of with one thing otherwise. at: last, column, late, early, first, each, none."""
    mask = is_answer[:, 1:] if mask is None else mask
    d = kl(old - reference)
    rewards = -beta * (d.masked_fill(~mask, 0) if of_mask else d)
    columns = torch.arange(mask.shape[1])
    end = torch.where(mask, columns, -1).argmax(1)
    first = torch.where(mask, columns, len(columns)).argmin(1)
    if at == "each":
        return rewards + score[:, None] * mask
    places = {
        "last": end,
        "column": torch.full_like(end, mask.shape[1] - 1),
        "late": (end + 1).clamp(max=mask.shape[1] - 1),
        "early": (end - 1).clamp(min=0),
        "first": first,
    }
    if at != "none":
        rewards[torch.arange(len(mask)), places[at]] += score
    return rewards


def _mistaken_rewards(**change):
    return lambda *case: _rewards(*case, **change)


def _answers(rng):
    """Prompts of two, answers that end before the edge and at it."""
    cases = []
    for rows, beta in ((["ppaa..", "ppaaaa"], 0.5), (["ppaaa...", "ppa.....", "ppaaaaa."], 0.1), (["ppaaa."], 0.3)):
        is_answer = torch.tensor([[sign == "a" for sign in row] for row in rows])
        old, reference = (torch.from_numpy(-rng.uniform(0.5, 4, size=is_answer[:, 1:].shape)) for _ in range(2))
        cases.append((torch.from_numpy(rng.uniform(1, 3, size=len(rows))), old, reference, is_answer, beta))
    return cases


def trained(start, answers, advantages, clip, lr, epochs):
    z = start.clone()
    old = start.log_softmax(0)[answers]
    for _ in range(epochs):
        z.requires_grad_()
        now = z.log_softmax(0)[answers]
        rho = (now - old).exp()
        goal = torch.min(rho * advantages, rho.clamp(1 - clip, 1 + clip) * advantages).mean()
        (up,) = torch.autograd.grad(goal, z)
        z = (z + lr * up).detach()
    return z.log_softmax(0)


def _trained(start, answers, advantages, clip, lr, epochs, *, old="start", goal="min", sign=1, end="log"):
    """trained with one thing otherwise. old: start, now, last; goal: min, max, held, free, plain; end: log, logits,
    probs."""
    z = start.clone()
    held_at = start.log_softmax(0)[answers]
    for _ in range(epochs):
        z = z.detach().requires_grad_()
        now = z.log_softmax(0)[answers]
        rho = (now - (now.detach() if old == "now" else held_at)).exp()
        free, held = rho * advantages, rho.clamp(1 - clip, 1 + clip) * advantages
        each = {"min": torch.min(free, held), "max": torch.max(free, held), "held": held, "free": free}
        (up,) = torch.autograd.grad((each | {"plain": now * advantages})[goal].mean(), z, allow_unused=True)
        z = z + sign * lr * up
    z = z.detach()
    return {"log": z.log_softmax(0), "logits": z, "probs": z.softmax(0)}[end]


def _mistaken_training(**change):
    return lambda *case: _trained(*case, **change)


def _trainings(rng):
    """One answer comes often and is good, so that another good one, which came once, is written less than before."""
    cases = []
    for K, n in ((3, 5), (4, 7), (3, 6)):
        start = torch.from_numpy(rng.normal(0, 0.3, size=K))
        answers = torch.tensor([0] * n + [*range(1, K)])
        advantages = torch.tensor([1.0] * n + [0.3] + [-1.0] * (K - 2), dtype=torch.float64)
        cases.append((start, answers, advantages * float(rng.uniform(0.8, 1.5)), 0.2, 1.0, 12))
    return cases


def gradients_of(log_probs, old, values, returns, clip, c):
    log_probs, values = log_probs.clone().requires_grad_(), values.clone().requires_grad_()
    advantages = (returns - values).detach()
    rho = (log_probs - old).exp()
    held = rho.clamp(1 - clip, 1 + clip)
    policy = -torch.min(rho * advantages, held * advantages).mean()
    critic = (values - returns).square().mean() / 2
    return torch.stack(torch.autograd.grad(policy + c * critic, (log_probs, values)))


def _gradients(log_probs, old, values, returns, clip, c, *, through=False, goal="min", sign=1, half=0.5, of_policy=1.0,
               critic=True, mean=True):  # fmt: skip
    """gradients_of with one thing otherwise."""
    now, said = log_probs.clone().requires_grad_(), values.clone().requires_grad_()
    better = returns - (said if through else values)
    rho = (now - old).exp()
    free, held = rho * better, rho.clamp(1 - clip, 1 + clip) * better
    each = -sign * {"min": torch.min(free, held), "max": torch.max(free, held), "free": free, "held": held}[goal]
    error = half * (said - returns).square() * (1.0 if critic else 0.0)
    loss = of_policy * each + c * error
    return torch.stack(torch.autograd.grad(loss.mean() if mean else loss.sum(), (now, said)))


def _mistaken_gradients(**change):
    return lambda *case: _gradients(*case, **change)


def _steps(rng):
    cases = []
    for N, clip, c in ((3, 0.2, 0.5), (6, 0.1, 0.1), (8, 0.3, 1.5)):
        old = torch.from_numpy(-rng.uniform(0.5, 3, size=N))
        moved = torch.from_numpy(rng.uniform(-0.9, 0.9, size=N))
        moved[:3] = torch.tensor([0.7, -0.7, 0.7])
        values = torch.from_numpy(rng.normal(size=N))
        returns = torch.from_numpy(rng.normal(size=N))
        returns[:3] = values[:3] + torch.tensor([1.0, -1.0, -1.3])
        cases.append((old + moved, old, values, returns, clip, c))
    return cases


def value_loss_of(values, old, returns, mask, clip):
    held = torch.minimum(torch.maximum(values, old - clip), old + clip)
    worse = torch.maximum((values - returns).abs(), (held - returns).abs())
    return worse[mask].pow(2).mean() / 2


def _value_loss(values, old, returns, mask, clip, *, held=None, pick=torch.max, over="tokens", half=0.5):
    """value_loss_of with one thing otherwise. held: (values, old, returns, clip) -> values."""
    near = old + (values - old).clamp(-clip, clip) if held is None else held(values, old, returns, clip)
    each = half * pick((values - returns) ** 2, (near - returns) ** 2)
    return {
        "tokens": lambda: each[mask].mean(),
        "all": lambda: each.mean(),
        "sum": lambda: each[mask].sum(),
        "rows": lambda: ((each * mask).sum(1) / mask.sum(1)).mean(),
    }[over]()


def _mistaken_value(**change):
    return lambda *case: _value_loss(*case, **change)


def _values(rng):
    cases = []
    for lengths, N, clip in (((1, 3), 3, 0.2), ((2, 4), 4, 0.1), ((5, 3, 1), 5, 0.5)):
        mask = torch.arange(N) < torch.tensor(lengths)[:, None]
        old, returns = (torch.from_numpy(rng.normal(0.7, 1.5, size=mask.shape)) for _ in range(2))
        values = old + torch.from_numpy(rng.uniform(-1.5, 1.5, size=mask.shape))
        values[0, 0], returns[0, 0] = old[0, 0] + 3 * clip, old[0, 0] + 4 * clip  # on the way to what it should say
        cases.append((values, old, returns, mask, clip))
    return cases


EXERCISES = [
    Exercise(
        id="21-ppo-1",
        title="心算：一个词元的目标",
        level=1,
        minutes=4,
        task=(
            "写的时候策略给一个词元 0.4，走了几步变成 0.28。优势 A = −2，ε = 0.2。"
            "PPO 的目标 min(ρA, clip(ρ)·A) 在这个词元上是多少？"
        ),
        stub="answer = ...  # 一个数，带正负号",
        solution=-1.6,
        tolerance=0.01,
        mistakes=[
            Mistake("not_clipped", -1.4, "−1.4 是 ρA：没有裁，或者两个里取了大的。要取小的：−1.6 比 −1.4 小。"),
            Mistake("upper", -2.4, "你夹到了 1.2。ρ = 0.7，在 0.8 以下，夹到 0.8。"),
            Mistake("sign", 1.6, "大小对了，符号反了：A 是负的。"),
            Mistake("sign_free", 1.4, "没有裁，符号也反了。"),
            Mistake("upside_down", -2.857, "比值倒了：是现在的除以写的时候的，0.28 ÷ 0.4。"),
            Mistake("still", -2.0, "你把 ρ 当成了 1。走过几步，它已不是 1。"),
            Mistake("ratio", 0.7, "0.7 是比值 ρ。还要乘 A，再裁。"),
            Mistake("held", 0.8, "0.8 是夹过的比值，还要乘 A。"),
            Mistake("difference", 0.24, "你用了概率之差 −0.12 乘 A。比值是相除。"),
            Mistake("zero", 0.0, "0 是梯度。问的是目标的值。"),
        ],
        hints=["ρ = 0.28 ÷ 0.4。", "ρA 和 clip(ρ)·A 各算一次。两个都是负的，小的是哪个？"],
        passes="ρ = 0.7，ρA = −1.4，夹过的 −1.6，取小的。",
        follow_up=Exercise(
            id="21-ppo-1-next",
            kind="choice",
            minutes=2,
            task="这时，目标对这个词元 ln π 的梯度怎样？",
            choices={"A": "是 0：已经少写够了", "B": "往下压", "C": "往上推，拉回 0.8"},
            solution="A",
            mistakes=[
                Mistake("down", "B", "被选中的是夹过的那一个，它不随 ρ 变。"),
                Mistake("up", "C", "裁剪从不往回拉走够了的，只是不再推。"),
            ],
            passes="想少写的已少写了三成，不再压；也不拉回来。",
        ),
    ),
    Exercise(
        id="21-ppo-2",
        title="不用自动求导的梯度",
        level=2,
        minutes=7,
        task=(
            "`log_probs`、`old`、`advantages` [B, N] 是每个词元现在的 ln π、写时的 ln π、优势；"
            "`mask` [B, N] 是回答的词元。"
            "策略的损失是 −min(ρA, clip(ρ)·A)，对全部 True 平均。\n"
            "不用自动求导，写 `my_pull(log_probs, old, advantages, mask, clip)`，"
            "返回这个损失对 log_probs 的梯度 [B, N]。"
        ),
        stub="def my_pull(log_probs, old, advantages, mask, clip):\n    ...",
        solution=pull_of,
        mistakes=[
            Mistake("no_clip", _mistaken_pull(stops="none"), "裁剪不见了：走过头的词元也还有梯度。"),
            Mistake("max", _mistaken_pull(stops="max"), "这是 max 的梯度：走反的没人管，走过头的还在推。要 min。"),
            Mistake(
                "outside",
                _mistaken_pull(stops="outside"),
                "凡在 1 ± ε 以外的，你都停了。走反的（A > 0 而 ρ 小，A < 0 而 ρ 大）还有梯度。",
            ),
            Mistake("sign", lambda *case: -pull_of(*case), "符号反了：损失是目标的相反数，要下降。"),
            Mistake(
                "outside_sign", lambda *case: -_pull(*case, stops="outside"), "两处错：凡在界外的都停了，符号也反了。"
            ),
            Mistake("places_sign", lambda *case: -_pull(*case, over="places"), "两处错：除以了全部格子，符号也反了。"),
            Mistake("max_sign", lambda *case: -_pull(*case, stops="max"), "两处错：取了 max，符号也反了。"),
            Mistake(
                "from_now",
                lambda log_probs, old, *rest: pull_of(log_probs, log_probs, *rest),
                "比值用了现在的 π 除以现在的 π，永远是 1，永远不裁：这是 REINFORCE 的梯度。分母是写的时候的。",
            ),
            Mistake("no_ratio", _mistaken_pull(ratio=False), "少乘了 ρ：ρA 对 ln π 的导数是 ρA，不是 A。"),
            Mistake(
                "upside_down",
                lambda log_probs, old, *rest: pull_of(old, log_probs, *rest),
                "比值倒了：是 exp(log_probs − old)。",
            ),
            Mistake("logs", _mistaken_pull(stops="logs"), "你拿 ln ρ 和 ε 比。夹的是 ρ 本身：1 − ε 到 1 + ε。"),
            Mistake("places", _mistaken_pull(over="places"), "你除以了全部格子。只除以 mask 里 True 的个数。"),
            Mistake("all", _mistaken_pull(over="all"), "mask 不见了：填充也有了梯度。"),
            Mistake("rows", _mistaken_pull(over="rows"), "你先在每个回答里平均。这里对全部词元一起平均。"),
            Mistake("sum", _mistaken_pull(over="sum"), "没有平均：还要除以 True 的个数。"),
        ],
        hints=[
            "exp(x) 的导数是它自己：ρA 对 ln π 的导数是 ρA。",
            "看“裁剪：四种情形”那张表：哪两格没有梯度？min 选中的是哪一个？",
        ],
        cases=_batches,
        passes="没走够的、走反的，ln π 的梯度照样是 −ρA ÷ 词元数；走够了的，是 0。",
        follow_up=Exercise(
            id="21-ppo-2-next",
            kind="choice",
            level=2,
            minutes=2,
            task="刚写完一批，走第一步（整批一起）。把 ε 从 0.2 改成 0.01，这一步会怎样？",
            choices={"A": "小得多", "B": "是 0", "C": "不变"},
            solution="C",
            mistakes=[
                Mistake("smaller", "A", "裁剪不缩小梯度，只关掉出了界的。第一步谁也没有出界。"),
                Mistake("zero", "B", "第一步 ρ 全是 1，在任何 ε 的界内。"),
            ],
            passes="第一步 ρ = 1，与 REINFORCE 一样；ε 从第二步起才有用。",
        ),
    ),
    Exercise(
        id="21-ppo-3",
        title="修：短的回答得不到分",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "`score` [B] 是每个回答的分，`old`、`reference` [B, N] 是每个词元的 ln π_old、ln π_ref，"
            "`is_answer` [B, T]（T = N + 1）。"
            "右边补齐，回答有长有短。要返回每个词元的奖励 [B, N]：−β·(ln π_old − ln π_ref)，"
            "回答的最后一个词元另加分，回答以外是 0。\n找出这一处错，改对。"
        ),
        program=(
            "def my_rewards(score, old, reference, is_answer, beta):\n"
            "    mask = is_answer[:, 1:]\n"
            "    rewards = -beta * (old - reference) * mask\n"
            "    rewards[:, -1] += score\n"
            "    return rewards"
        ),
        symptom="最长的回答学得动；短的不管得几分，优势都差不多，写得越来越长。",
        solution=rewards_of,
        mistakes=[
            Mistake(
                "program",
                _mistaken_rewards(at="column"),
                "短回答的那一行，回答里的奖励加起来只有扣分，没有分数；最长的那一行才对。每行都该是分数减 β·KL。",
            ),
            Mistake(
                "late", _mistaken_rewards(at="late"), "晚了一格：分数落在回答后面的填充上，打了折才传得回来，或者丢了。"
            ),
            Mistake(
                "early", _mistaken_rewards(at="early"), "早了一格：最后一个词元（止）拿不到分。mask 已经去掉了第一列。"
            ),
            Mistake("first", _mistaken_rewards(at="first"), "分数放在了第一个词元。写完才有分。"),
            Mistake("each", _mistaken_rewards(at="each"), "每个词元都加了一次分：长的回答就多得。"),
            Mistake("none", _mistaken_rewards(at="none"), "分数不见了，只剩扣分。"),
            Mistake("sign", _mistaken_rewards(kl=lambda d: -d), "KL 的符号反了：策略比参考更爱写的，要扣。"),
            Mistake("absolute", _mistaken_rewards(kl=torch.abs), "取了绝对值：负的也扣了，平均起来就不是 KL。"),
            Mistake("floored", _mistaken_rewards(kl=lambda d: d.clamp(min=0)), "负的截成了 0，平均起来就不是 KL。"),
            Mistake(
                "no_beta",
                lambda score, old, reference, is_answer, beta: rewards_of(score, old, reference, is_answer, 1.0),
                "β 没有乘。",
            ),
            Mistake("no_mask", _mistaken_rewards(of_mask=False), "提示和填充也扣了 KL。"),
            Mistake(
                "unmoved",
                lambda score, old, reference, is_answer, beta: _rewards(
                    score, old, reference, is_answer, beta, mask=is_answer[:, :-1]
                ),
                "掩码去掉了最后一列。第 t 格说的是 ids 的第 t + 1 个，要去掉第一列。",
            ),
        ],
        hints=["打印一个短回答那一行：分数在第几列？", "每行最后一个 True 的列号，怎么求？"],
        cases=_answers,
        passes="每行的分数落在自己的最后一个词元上。",
        follow_up=Exercise(
            id="21-ppo-3-next",
            level=1,
            minutes=2,
            task="一个回答得 1 分，四个词元的 ln π_old − ln π_ref 加起来是 −0.5，β = 0.2。它的奖励一共多少？",
            stub="answer = ...  # 一个数",
            solution=1.1,
            tolerance=0.005,
            mistakes=[
                Mistake("sign", 0.9, "和是负的：减去 β 乘负数，是加。"),
                Mistake("no_beta", 1.5, "β 忘了乘。"),
                Mistake("no_beta_sign", 0.5, "β 忘了乘，符号也反了。"),
                Mistake("floored", 1.0, "负的没有算进去。"),
                Mistake("times_four", 1.4, "−0.5 已经是四个词元的和，不再乘 4。"),
            ],
            passes="1 − 0.2 × (−0.5)。一个回答的 KL 可以是负的。",
        ),
    ),
    Exercise(
        id="21-ppo-4",
        title="修：裁剪从来不起作用",
        level=2,
        minutes=6,
        kind="repair",
        task=(
            "`start` [K] 是 K 个回答的 logits；`answers` [n] 是写下的回答的编号，`advantages` [n] 是优势。"
            "在这一批上走 `epochs` 遍 PPO（普通梯度上升），返回最后各回答的 ln π [K]。\n找出这一处错，改对。"
        ),
        program=(
            "def my_training(start, answers, advantages, clip, lr, epochs):\n"
            "    z = start.clone()\n"
            "    for _ in range(epochs):\n"
            "        z.requires_grad_()\n"
            "        now = z.log_softmax(0)[answers]\n"
            "        old = now.detach()\n"
            "        rho = (now - old).exp()\n"
            "        goal = torch.min(rho * advantages, rho.clamp(1 - clip, 1 + clip) * advantages).mean()\n"
            "        (up,) = torch.autograd.grad(goal, z)\n"
            "        z = (z + lr * up).detach()\n"
            "    return z.log_softmax(0)"
        ),
        symptom="日志里被裁的份额一直是 0，ε 取几都一样；一批多走几遍，策略就走飞。",
        solution=trained,
        mistakes=[
            Mistake(
                "program",
                _mistaken_training(old="now"),
                "ε 换成 0.01 或 100，你的结果都一样：每一遍的比值都是 1。走过几遍，比值就不该还是 1。",
            ),
            Mistake("free", _mistaken_training(goal="free"), "裁剪不见了。old 对了，min 也要留着。"),
            Mistake("max", _mistaken_training(goal="max"), "min 变成了 max：走过头的照推，走反的不管。"),
            Mistake(
                "held", _mistaken_training(goal="held"), "只用了夹过的那一个：走反的词元也没有梯度了。要两个取 min。"
            ),
            Mistake("sign", _mistaken_training(sign=-1), "方向反了：目标要上升。"),
            Mistake("logits", _mistaken_training(end="logits"), "返回的是 logits，要 ln π。"),
            Mistake("probs", _mistaken_training(end="probs"), "返回的是概率，要 ln π。"),
            Mistake("still", lambda start, *_: start.log_softmax(0), "策略一步也没有走：比值没有了梯度？"),
            Mistake(
                "once",
                lambda start, answers, advantages, clip, lr, epochs: trained(start, answers, advantages, clip, lr, 1),
                "只走了一遍。",
            ),
        ],
        hints=["在循环里打印 rho。它变过吗？", "哪一行应当在循环以前，只算一次？"],
        cases=_trainings,
        passes="π_old 是写这一批的策略，走几遍都不动。",
        follow_up=Exercise(
            id="21-ppo-4-next",
            kind="choice",
            minutes=2,
            task="真的训练里，看哪个数最快发现这个错？",
            choices={"A": "第一步，比值全是 1", "B": "第二步起，比值还全是 1", "C": "奖励不升"},
            solution="B",
            mistakes=[
                Mistake("first", "A", "第一步本来就全是 1，对的程序也一样。"),
                Mistake("reward", "C", "奖励照样升，甚至升得更快，然后走飞。"),
            ],
            passes="第一步是 1，以后就不该是。",
        ),
    ),
    Exercise(
        id="21-ppo-5",
        title="修：不学评论家，它也在动",
        level=3,
        minutes=6,
        kind="repair",
        task=(
            "一批 N 个词元：`log_probs`、`old`、`values`、`returns` [N] 是现在的 ln π、写时的 ln π、"
            "评论家说的 V、它该说的 R。"
            "策略走过几步，评论家还没有走，所以 `values` 也就是写时的 V；"
            "优势是 R − V，不白化。损失是策略的加 c 乘评论家的 ½(V − R)²，各自平均。"
            "要返回损失的两个梯度，叠成 [2, N]：对 log_probs 的、对 values 的。\n找出这一处错，改对。"
        ),
        program=(
            "def my_gradients(log_probs, old, values, returns, clip, c):\n"
            "    log_probs, values = log_probs.clone().requires_grad_(), values.clone().requires_grad_()\n"
            "    advantages = returns - values\n"
            "    rho = (log_probs - old).exp()\n"
            "    held = rho.clamp(1 - clip, 1 + clip)\n"
            "    policy = -torch.min(rho * advantages, held * advantages).mean()\n"
            "    critic = (values - returns).square().mean() / 2\n"
            "    return torch.stack(torch.autograd.grad(policy + c * critic, (log_probs, values)))"
        ),
        symptom="把 c 设成 0，评论家照样在动：它说的 V 一路往下掉。",
        solution=gradients_of,
        mistakes=[
            Mistake(
                "program",
                _mistaken_gradients(through=True),
                "c = 0 时，对 values 的梯度该全是 0，你的不是：没有裁的词元上是 ρ ÷ N。它只能从策略的损失里来。",
            ),
            Mistake(
                "frozen",
                _mistaken_gradients(critic=False),
                "评论家也冻住了：只有优势里的 V 要 detach，它自己的损失里不要。",
            ),
            Mistake("free", _mistaken_gradients(goal="free"), "裁剪不见了。"),
            Mistake("max", _mistaken_gradients(goal="max"), "min 变成了 max。"),
            Mistake("held", _mistaken_gradients(goal="held"), "只用了夹过的那一个。要两个取 min。"),
            Mistake("sign", _mistaken_gradients(sign=-1), "策略那一项的符号反了。"),
            Mistake("no_half", _mistaken_gradients(half=1.0), "评论家的 ½ 丢了。"),
            Mistake("sum", _mistaken_gradients(mean=False), "要平均，你加起来了。"),
            Mistake(
                "no_c",
                lambda *case: gradients_of(*case[:-1], 1.0),
                "c 没有乘。",
            ),
            Mistake(
                "c_squared",
                lambda *case: gradients_of(*case[:-1], case[-1] ** 2),
                "c 乘了两次。",
            ),
        ],
        hints=["c = 0 时，对 values 的梯度应当是 0。它从哪里来？", "哪些量是写完那一刻算好、从此不动的？"],
        cases=_steps,
        passes="优势是写完那一刻的数：里面的 V 不再动，梯度也不流过。",
        follow_up=Exercise(
            id="21-ppo-5-next",
            kind="choice",
            level=2,
            minutes=2,
            task="原来那个程序里，策略的损失（没有裁的词元）把 V 往哪里推？",
            choices={"A": "一律往高", "B": "往 R 那里", "C": "一律往低"},
            solution="C",
            mistakes=[
                Mistake("high", "A", "损失是 −ρ(R − V)：V 低一点，损失就小一点。"),
                Mistake("towards", "B", "往 R 去的是评论家自己的损失。"),
            ],
            passes="−ρ(R − V) 对 V 的导数是 ρ，总是正的，于是 V 越说越低。",
        ),
    ),
    Exercise(
        id="21-ppo-6",
        title="评论家也裁一裁",
        level=3,
        minutes=6,
        task=(
            "有的代码连评论家也裁：新的 V 离写时的 V 不超过 ± clip，夹过的与没夹的各算一次与 R 的平方误差，"
            "取**大**的那个，乘 ½，对 mask 里的全部词元平均。\n"
            "写 `my_value_loss(values, old, returns, mask, clip)`：前四个都是 [B, N]，返回一个数。"
        ),
        stub="def my_value_loss(values, old, returns, mask, clip):\n    ...",
        solution=value_loss_of,
        mistakes=[
            Mistake("min", _mistaken_value(pick=torch.min), "取了小的。这里是损失，悲观的是大的那个。"),
            Mistake("free", _mistaken_value(pick=lambda free, held: free), "没有裁。"),
            Mistake("held", _mistaken_value(pick=lambda free, held: held), "只用了夹过的。要两个里取大的。"),
            Mistake(
                "around_zero",
                _mistaken_value(held=lambda values, old, returns, clip: values.clamp(-clip, clip)),
                "你把 V 夹到了 ± clip。夹的是它离写时的 V 多远。",
            ),
            Mistake(
                "as_ratio",
                _mistaken_value(held=lambda values, old, returns, clip: old * (values / old).clamp(1 - clip, 1 + clip)),
                "你照比值夹了。V 的界是加减：old ± clip。",
            ),
            Mistake(
                "around_returns",
                _mistaken_value(
                    held=lambda values, old, returns, clip: returns + (values - returns).clamp(-clip, clip),
                    pick=lambda free, held: held,
                ),
                "你把 V 夹在了 R ± clip。夹的是它离写时的 V 多远。",
            ),
            Mistake(
                "returns_held",
                lambda values, old, returns, mask, clip: _value_loss(
                    values, old, old + (returns - old).clamp(-clip, clip), mask, clip
                ),
                "你把 R 也夹了。R 不动。",
            ),
            Mistake("no_half", _mistaken_value(half=1.0), "½ 丢了。"),
            Mistake("all", _mistaken_value(over="all"), "mask 不见了：填充也算了。"),
            Mistake("rows", _mistaken_value(over="rows"), "你先在每个回答里平均。这里对全部词元一起平均。"),
            Mistake("sum", _mistaken_value(over="sum"), "没有平均。"),
            Mistake("sign", lambda *case: -value_loss_of(*case), "损失应当是正的。"),
        ],
        hints=["先把“离写时的 V 多远”夹在 ± clip 里。", "`torch.max(a, b)` 逐格取大的。"],
        cases=_values,
        passes="夹过的与没夹的，误差大的那个算数。",
        follow_up=Exercise(
            id="21-ppo-6-next",
            level=2,
            minutes=2,
            task="一个词元：写时 V = 1，现在 V = 2，R = 3，clip = 0.5。这个词元的损失是多少？",
            stub="answer = ...  # 一个数",
            solution=1.125,
            tolerance=0.005,
            mistakes=[
                Mistake("free", 0.5, "0.5 是没夹的：½ × 1²。夹过的误差更大，取大的。"),
                Mistake("no_half", 2.25, "½ 丢了。"),
                Mistake("free_no_half", 1.0, "没夹，½ 也丢了。"),
                Mistake("error", 1.5, "1.5 是误差，要平方，再乘 ½。"),
                Mistake("around_zero", 3.125, "你把 V 夹到了 ± 0.5。夹的是它离写时的 V 多远：0.5 到 1.5。"),
            ],
            passes="夹过的 V 是 1.5，½ × 1.5² = 1.125；而且它不随 V 变：走够了，不再推。",
        ),
    ),
    Exercise(
        id="21-ppo-7",
        title="心算：大策略，小评论家",
        level=1,
        minutes=3,
        task=(
            "策略 3B，评论家 1B，参考 3B，奖励模型 1B。在学的每个参数 16 字节（权重、梯度、Adam 全算上），"
            "冻住的每个 2 字节。激活不算，一共多少 GB？（1B 个参数、1 字节，就是 1 GB）"
        ),
        stub="answer = ...  # 多少 GB",
        solution=72.0,
        tolerance=0.005,
        mistakes=[
            Mistake("frozen", 16, "你把四个都当成冻住的了。策略和评论家在学。"),
            Mistake("learning", 128, "你把四个都当成在学的了。参考和奖励模型冻住。"),
            Mistake("learners", 64, "64 只是在学的两个，还有冻住的两个。"),
            Mistake("critic_frozen", 58, "评论家也在学：1 × 16，不是 1 × 2。"),
            Mistake("reference_learns", 114, "参考冻住：3 × 2，不是 3 × 16。"),
            Mistake("reward_learns", 86, "奖励模型冻住：1 × 2，不是 1 × 16。"),
            Mistake("no_reward", 70, "少了奖励模型。"),
            Mistake("no_reference", 66, "少了参考。"),
            Mistake("no_critic", 56, "少了评论家。"),
            Mistake("same", 54, "策略 48 加参考 6；另外两个也要算。"),
        ],
        hints=["先分谁在学：策略、评论家。", "在学的一共几 B，冻住的一共几 B？"],
        passes="在学的 4B × 16，冻住的 4B × 2。",
        follow_up=Exercise(
            id="21-ppo-7-next",
            kind="choice",
            minutes=2,
            task="省掉其中一个，省得最多的是？",
            choices={"A": "参考", "B": "评论家", "C": "奖励模型"},
            solution="B",
            mistakes=[
                Mistake("reference", "A", "参考虽有 3B，却冻住，只省 6 GB。"),
                Mistake("reward", "C", "它冻住，只省 2 GB。"),
            ],
            passes="评论家虽小，却在学：16 GB。GRPO 省的就是它。",
        ),
    ),
]
