"""Chapter 20, RL and RLHF: where slides, papers and released code disagree or are misread, and what a computation says.

The paper of RLHF is InstructGPT (Ouyang et al. 2022).
"""

from itertools import product
from math import comb

import torch

from course_lib.course.errata.core import Erratum, require
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.gae import gae
from course_lib.posttraining.grpo import centred_rewards
from course_lib.posttraining.log_probs import answer_log_probs, token_log_probs
from course_lib.posttraining.reinforce import beyond_the_others, reinforce_loss, reward_to_go
from course_lib.posttraining.reward_model import RewardModel, accuracy, bradley_terry
from course_lib.toys.bandit import Bandit
from course_lib.toys.token_mdp import TokenPolicy, at_the_end, state_values

OUYANG = "Ouyang et al. 2022, arXiv:2203.02155"
SUTTON = "Sutton & Barto 2018, Reinforcement Learning: An Introduction, 2nd edition"


def _late() -> dict[str, object]:
    rewards = torch.zeros(1, 200, dtype=torch.float64)
    rewards[0, -1] = 1
    brings = {gamma: reward_to_go(rewards, gamma)[0] for gamma in (1.0, 0.95)}
    return {
        "一个 200 词元的回答，有奖励的词元": int((rewards != 0).sum()),
        "γ = 1：第一个词元看见的奖励": float(brings[1.0][0]),
        "γ = 0.95：第一个词元看见的奖励": float(f"{brings[0.95][0]:.2g}"),
        "γ = 0.95：还看得见一半奖励的词元": int((brings[0.95] >= 0.5).sum()),
    }


def _settle_late(values: dict[str, object]) -> str:
    paid, whole, first, half = values.values()
    require(paid == 1 and whole == 1 and first < 1e-4 and half == 14, f"{paid}, {whole}, {first}, {half}")
    return (
        "在语言模型里，奖励不即时：写完才给一次，前面 199 个词元的奖励都是 0。"
        "“即时”说的是它属于哪一步，不是马上知道好坏。"
        f"所以通常不打折（γ = 1）：取 0.95，第一个词元只看见 {first} 份奖励，只有最后 {half} 个词元看得见一半。"
    )


def _own_answers() -> dict[str, object]:
    generator = torch.Generator().manual_seed(0)
    policy = TokenPolicy(3, 4, end=2)
    policy.table.data = torch.randn(policy.table.shape, generator=generator, dtype=torch.float64)
    ids, is_answer = policy.answers()
    drawn = policy.listed().exp().multinomial(64, replacement=True, generator=generator)
    ids, is_answer = ids[drawn], is_answer[drawn]
    right = (ids[:, 1:] == 1).any(1).double()  # an answer that holds the token 1 earns 1

    def gradient(loss):
        return torch.autograd.grad(loss, policy.table)[0]

    def said():
        return token_log_probs(policy(ids), ids)

    rl = gradient(reinforce_loss(said(), is_answer, right[:, None]))
    sft = gradient(-(answer_log_probs(said(), is_answer) * right).sum() / len(ids))
    centred = gradient(reinforce_loss(said(), is_answer, beyond_the_others(right[None])[0][:, None]))
    wrong_only = gradient(reinforce_loss(said(), is_answer, (beyond_the_others(right[None])[0] * (1 - right))[:, None]))
    return {
        "玩具：词表三个，至多四个词元，含“1”就对。自己写的回答，对的": f"{int(right.sum())} / {len(right)}",
        "没有基线：与“只抄自己写对的”，梯度最多差": float((rl - sft).abs().max()),
        "有基线：只留错的回答，梯度的长度是全部的几倍": round(float(wrong_only.norm() / centred.norm()), 2),
    }


def _settle_own(values: dict[str, object]) -> str:
    _, apart, share = values.values()
    require(apart < 1e-12 and share > 0.1, f"gradients differ by {apart}; wrong answers bring {share}")
    return (
        "奖励只有 0 和 1、又没有基线时，REINFORCE 的一步就是 SFT 的一步，标准答案是自己写对的那些；梯度逐数相同"
        "（都除以全部回答的个数；只除以对的个数，就差一个倍数）。"
        "所以说“不依赖标准答案”不如说：不要别人给出答案，只要有人会判。减了基线，错的回答才进了梯度：往下压。"
    )


def _no_zero() -> dict[str, object]:
    chosen = torch.tensor([8.0, 3.0, -1.0], dtype=torch.float64)
    rejected = torch.tensor([7.0, 3.5, -3.0], dtype=torch.float64)
    prompt = torch.tensor([-8.0, 100.0, 0.3], dtype=torch.float64)  # another constant for each prompt

    def all_of(a, b):
        return torch.stack([bradley_terry(a, b), accuracy(a, b)])

    return {
        "损失": round(float(bradley_terry(chosen, rejected)), 4),
        "全体减 8 分，损失最多变": float((all_of(chosen - 8, rejected - 8) - all_of(chosen, rejected)).abs().max()),
        "每个问题各加各的，损失最多变": round(
            float((all_of(chosen + prompt, rejected + prompt) - all_of(chosen, rejected)).abs().max()), 12
        ),
        "这时最高分从第几个问题换到第几个": f"{int(chosen.argmax()) + 1} 到 {int((chosen + prompt).argmax()) + 1}",
    }


def _settle_zero(values: dict[str, object]) -> str:
    _, all_alike, each_own, moved = values.values()
    require(all_alike < 1e-12 and each_own < 1e-12 and moved == "1 到 2", f"{all_alike}, {each_own}, {moved}")
    return (
        "损失只认同一个问题的两个回答之差。全体加减一个数，甚至每个问题各加各的数，损失都不变。"
        "所以 8.0 分本身不说明好，负分也不说明坏，两个问题的分数不能比。"
        "InstructGPT 在强化学习以前加了一个常数，使人写的示范平均得 0 分：零点是人定的。"
    )


def _pairs() -> dict[str, object]:
    small, large = comb(4, 2), comb(9, 2)
    return {
        "4 个与 9 个回答，各几对": f"{small} 与 {large}",
        "9 个回答拆成一对一对，奖励模型要读几篇": 2 * large,
        "放在一起，要读几篇": 9,
        "拆散以后，9 个的那个问题占损失的": f"{large / (small + large):.0%}",
        "一批 64 个问题，至多几对": f"{64 * large:,}",
    }


def _settle_pairs(values: dict[str, object]) -> str:
    counts, apart, together, share, most = values.values()
    require((counts, apart, together) == ("6 与 36", 72, 9), f"{counts}, {apart}, {together}")
    require(share == "86%" and most == "2,304", f"{share}, {most}")
    return (
        "拆散再打乱，每个回答被用 K − 1 次，论文说看一遍就过拟合；放在一起，一个回答只读一次，一个问题的对先平均，"
        "人排得多的问题不会压过排得少的。公开的训练器多半收拆好的对：一个问题若有许多对，就有了论文说的毛病。"
    )


def _ends_of_lambda() -> dict[str, object]:
    rewards = torch.tensor([[0.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    values = torch.tensor([[0.2, 0.5, 0.4, 0.9]], dtype=torch.float64)
    is_step = torch.ones(1, 4, dtype=torch.bool)
    one, zero = (gae(rewards, values, is_step, lam=lam) for lam in (1.0, 0.0))
    after = torch.cat([values[:, 1:], torch.zeros(1, 1, dtype=values.dtype)], 1)
    silent = torch.zeros_like(rewards)  # cut at the limit before anything was paid
    cut = gae(silent, values, is_step, lam=1.0, value_after=torch.tensor([0.8], dtype=values.dtype))
    ended = gae(silent, values, is_step, lam=1.0)
    return {
        "λ = 1 与“回报减 V”最多差": float((one - (reward_to_go(rewards) - values)).abs().max()),
        "λ = 0 与“走一步再信 V”最多差": float((zero - (rewards + after - values)).abs().max()),
        "末格 V = 0.9，被长度上限截断，当作写完，优势": round(float(ended[0, -1]), 2),
        "用截断处的 V（0.8）接上": round(float(cut[0, -1]), 2),
    }


def _settle_lambda(values: dict[str, object]) -> str:
    one, zero, ended, cut = values.values()
    require(one < 1e-12 and zero < 1e-12, f"λ=1 differs by {one}, λ=0 by {zero}")
    require(ended == -0.9 and cut == -0.1, f"{ended} and {cut}")
    return (
        "λ 的两头各是一个熟人：1 是回报减 V，0 是走一步就信评论家。"
        "走不完和走完不同：末格的 V 是 0.9，还没有奖励：当作走完，它背了 −0.9；接上截断处的 V 只有 −0.1。"
        "语言模型的回答超长，多半就按没写完给分（不接），那是在说“写这么长就是不好”。"
    )


def _where_read() -> dict[str, object]:
    torch.manual_seed(0)
    model = RewardModel(GPT2(GPT2Config(n_vocab=12, d_model=16, n_layers=1, n_heads=2, dropout=0.0)).eval()).double()
    answer, pad = torch.tensor([[1, 5, 7, 3]]), torch.zeros(1, 3, dtype=torch.int64)
    mask, none = torch.tensor([[False, True, True, True]]), torch.zeros(1, 3, dtype=torch.bool)
    true = torch.ones_like(answer, dtype=torch.bool)
    with torch.no_grad():
        alone = model(answer, mask)
        right = model(torch.cat([answer, pad], 1), torch.cat([mask, none], 1), torch.cat([true, none], 1))
        left = model(torch.cat([pad, answer], 1), torch.cat([none, mask], 1), torch.cat([none, true], 1))
        hidden = model.body.hidden(torch.cat([answer, pad], 1))
        at_the_edge = model.head(hidden[:, -1])[:, 0]
    return {
        "右边补 3 格，读回答的末格，分数变了": round(float((right - alone).abs()), 9),
        "左边补 3 格，读回答的末格，分数变了": round(float((left - alone).abs()), 9),
        "右边补 3 格，读整行的末格，分数变了": round(float((at_the_edge - alone).abs()), 2),
    }


def _settle_read(values: dict[str, object]) -> str:
    right, left, edge = values.values()
    require(right < 1e-6 and left < 1e-6 and edge > 0.05, f"{right}, {left}, {edge}")
    return (
        "分数在回答的末格读，它看过前面的一切；补在哪一边都不要紧，只要知道末格在哪里。"
        "公开代码靠比较 pad 的编号去找末格：编号没设（None），就读整行的末格；"
        "旧版里 pad 与 eos 同号、或补在左边，也会找错。"
    )


def _shrunk() -> dict[str, object]:
    bandit = Bandit(torch.tensor([1.0, 0.4, -0.6], dtype=torch.float64), noise=0.0)
    logits = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64)
    probs, exact = logits.softmax(0), bandit.gradient(logits)
    found = {}
    for G in (2, 4):
        for name, advantage in (("整组的平均", centred_rewards), ("其余的平均", beyond_the_others)):
            mean = torch.zeros_like(exact)
            for group in product(range(3), repeat=G):
                at = torch.tensor(group)
                toward = torch.eye(3, dtype=exact.dtype)[at] - probs  # ∇ log π of each answer
                estimate = (advantage(bandit.means[at][None])[0][:, None] * toward).mean(0)
                mean += probs[at].prod() * estimate
            found[f"一组 {G} 个，减{name}：期望是真梯度的几倍"] = round(float(mean @ exact / (exact @ exact)), 6)
    return found


def _settle_shrunk(values: dict[str, object]) -> str:
    require([*values.values()] == [0.5, 1.0, 0.75, 1.0], f"{values}")
    return (
        "把各种抽法全列出来算：减整组的平均（自己也在内），梯度的期望缩成 1 − 1/G，方向不变；减其余的平均，分毫不差。"
        "缩短可以用学习率补回来，所以 GRPO 照样能学；可是不能说它“无偏”。"
    )


def _whole_past() -> dict[str, object]:
    generator = torch.Generator().manual_seed(1)
    policy = TokenPolicy(3, 3, end=2)
    policy.table.data = torch.randn(policy.table.shape, generator=generator, dtype=torch.float64)
    ids, is_answer = policy.answers()
    words = ids[:, 1:]
    earns = ((words == 1).sum(1) == 1).double()  # the token 1 once, and once only
    with torch.no_grad():
        values = state_values(policy, at_the_end(earns, is_answer))

    def value_after(*written):
        found = (words[:, : len(written)] == torch.tensor(written)).all(1) & is_answer[:, len(written) + 1]
        return float(values[found, len(written)][0])

    return {
        "玩具：至多三个词元，恰好一个“1”得 1 分。写了“1”以后的 V": round(value_after(1), 3),
        "写了“1 1”以后的 V": round(value_after(1, 1), 3),
        "两处的末词": "都是 1",
    }


def _settle_past(values: dict[str, object]) -> str:
    once, twice, _ = values.values()
    require(once > 0.2 and twice == 0, f"V {once} after one, {twice} after two")
    return (
        "只看最后一个词，两处一模一样，往后的前途却一个有、一个没有。所以状态要取提示加已写的全部，不是“某一时刻观测到的”一个词。"
        "取了全部，下一步只依赖状态，按定义就是马尔可夫的；代价是状态几乎不会重复，只能靠网络去推。"
    )


ERRATA = [
    Erratum(
        id="K20-1",
        chapter="20",
        title="奖励是“即时反馈”吗",
        slide="“奖励 (Reward): 环境对动作的即时反馈信号，指导智能体优化长期收益”。",
        paper="InstructGPT：环境是一台老虎机，给一个问题，收一个回答，给一个奖励，这一局就结束。",
        code="TRL 的 PPO 配置：gamma 默认 1.0，lam 默认 0.95。",
        compute=_late,
        settles=_settle_late,
        sources=[
            f"{OUYANG}, section 3.5",
            f"{SUTTON}, chapter 3",
            "huggingface/trl 1.12: trl/experimental/ppo/ppo_config.py",
        ],
    ),
    Erratum(
        id="K20-2",
        chapter="20",
        title="不依赖标准答案，那学的是什么",
        slide="“与监督学习不同，强化学习不依赖‘标准答案’，而是通过‘试错+奖励’机制学习策略”。",
        paper="STaR（2022）：只留自己答对的去微调，可以看作策略梯度的近似；奖励 0 的样本，梯度整个消失。",
        code="拒绝采样微调就是这样做的：多写几个，留下对的，当作 SFT 的数据。",
        compute=_own_answers,
        settles=_settle_own,
        sources=[
            "Williams 1992, Machine Learning 8, REINFORCE",
            "Zelikman et al. 2022, arXiv:2203.14465 (STaR), section 3.1",
        ],
    ),
    Erratum(
        id="K20-3",
        chapter="20",
        title="8.0 分是高分吗",
        slide="“它才给出一个最终分数（比如 8.0 分）”。",
        paper="奖励模型的损失对分数的平移不变；强化学习以前加一个常数，使示范的平均得 0 分。",
        code="TRL 的 RewardTrainer：center_rewards_coefficient 把两个分数往 0 拉，默认不用。",
        compute=_no_zero,
        settles=_settle_zero,
        sources=[f"{OUYANG}, section 3.5", "Eisenstein et al. 2023, arXiv:2312.09244, equation 2"],
    ),
    Erratum(
        id="K20-4",
        chapter="20",
        title="一对一对，还是一个问题一起",
        slide="没有说比较怎样凑成一批。",
        paper="每个问题排 4 到 9 个回答，K 选 2 对放在同一个批元素里；打乱了训练，看一遍就过拟合。",
        code="TRL 的 RewardTrainer 收 (chosen, rejected)，一行一对。",
        compute=_pairs,
        settles=_settle_pairs,
        sources=[f"{OUYANG}, section 3.5, footnote 5, and appendix C.2", "huggingface/trl: RewardTrainer"],
    ),
    Erratum(
        id="K20-5",
        chapter="20",
        title="λ 的两头，和没有走完",
        slide="只说 Critic 给每个词元一个分，没有说优势怎样算。",
        paper="GAE：式 16，λ = 0 与 λ = 1 是两个特例。",
        code="TRL 的 PPO 从最后一格倒着算，末格之后的 V 取 0。",
        compute=_ends_of_lambda,
        settles=_settle_lambda,
        sources=["Schulman et al. 2015, arXiv:1506.02438, equations 16 to 18", "huggingface/trl: PPOTrainer"],
    ),
    Erratum(
        id="K20-6",
        chapter="20",
        title="分数读在哪一格",
        slide="“等 Actor 把整句话写完了，它才给出一个最终分数”。",
        paper="收一个问题和一个回答，给一个数；没有说读在哪一格。",
        code="transformers 的 …ForSequenceClassification：按 pad_token_id 找最后一个不是填充的词元。",
        compute=_where_read,
        settles=_settle_read,
        sources=[
            "huggingface/trl#937 (pad id None)",
            "huggingface/trl#2778 (padding side)",
            "huggingface/transformers#35352 (pad = eos)",
        ],
    ),
    Erratum(
        id="K20-7",
        chapter="20",
        title="减整组的平均，还无偏吗",
        slide="没有说基线取什么。",
        paper="RLOO 减其余回答的平均；DeepSeekMath 的 GRPO 减整组的平均，自己也在内，再除以标准差。",
        code="TRL：RLOO 与 GRPO 各一个训练器，差别正在这里。",
        compute=_shrunk,
        settles=_settle_shrunk,
        sources=[
            "Ahmadian et al. 2024, arXiv:2402.14740, equation 8",
            "Shao et al. 2024, arXiv:2402.03300 (DeepSeekMath), section 4.1",
        ],
    ),
    Erratum(
        id="K20-8",
        chapter="20",
        title="状态是“某一时刻的观测”吗",
        slide="“状态 (State): 环境在某一时刻的观测信息”。",
        paper="状态要记住过去里一切与将来有关的东西（马尔可夫性）；观测不一定够。",
        code="语言模型每一步读的是提示加已写的全部。",
        compute=_whole_past,
        settles=_settle_past,
        sources=[f"{SUTTON}, section 3.1 and chapter 17", "course_lib/toys/token_mdp.py"],
    ),
]
