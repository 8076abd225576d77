"""Chapter 21, PPO: where slides, papers and released code disagree or are misread, and what a computation says.

The papers are Schulman et al. 2017 and, for language models, Ouyang et al. 2022 (InstructGPT).
"""

import torch

from course_lib.chapters.ch21_ppo.learning import reuse
from course_lib.course.errata.core import Erratum, require
from course_lib.posttraining.gae import gae
from course_lib.posttraining.kl import exact_kl, k1, k3, log_ratio
from course_lib.posttraining.ppo import penalised_rewards, policy_loss, value_loss
from course_lib.toys.syllables import policy_of, read, rewards_of
from course_lib.toys.three_answers import three_answers
from course_lib.toys.token_mdp import at_the_end, state_values

SCHULMAN = "Schulman et al. 2017, arXiv:1707.06347"
OUYANG = "Ouyang et al. 2022, arXiv:2203.02155"
TRL = "huggingface/trl 1.12: trl/experimental/ppo/ppo_trainer.py"


def _no_marks() -> dict[str, object]:
    policy = policy_of(11)
    ids, is_answer = policy.answers()
    texts = read(ids)
    with torch.no_grad():
        values = state_values(policy, at_the_end(rewards_of(policy), is_answer))
    good, bad = (values[texts.index(text)] for text in ("平仄平仄平", "平仄仄仄仄"))
    return {
        "平仄平仄平：写第三个音节以前的 V": round(float(good[2]), 2),
        "平仄仄仄仄：写第三个音节以前的 V": round(float(bad[2]), 2),
        "写了平以后的 V": round(float(good[3]), 2),
        "写了仄以后的 V": round(float(bad[3]), 2),
    }


def _settle_marks(values: dict[str, object]) -> str:
    before, alike, good, bad = values.values()
    require(before == alike and good - bad > 0.5, f"{before}, {alike}, {good}, {bad}")
    return (
        f"不是给词元的分。写第三个音节以前，两个回答开头相同，V 都是 {before}，好坏还没有写出来；"
        f"写了以后才分开：{good} 与 {bad}。评论家说的是：从这里起，往后平均得多少分。"
        "给词元记功过的是优势。最简单的一种（λ = 0，这个词元自己没有奖励），就是前后两个 V 之差："
        f"升 {good - before:.2f} 与降 {before - bad:.2f}。"
    )


def _not_held() -> dict[str, object]:
    way = reuse("clip", steps=256, n=32, rate=0.5)
    ratios, moved = way.ratios[-1], (way.ratios[-1] - way.ratios[-2]).abs().max()
    return {
        "ε = 0.2，三个答案，同一批走 256 步，比值：好": round(float(ratios[0]), 2),
        "中": round(float(ratios[1]), 2),
        "差": round(float(ratios[2]), 2),
        "最后一步还动多少": round(float(moved), 6),
    }


def _settle_held(values: dict[str, object]) -> str:
    good, middle, poor, moved = values.values()
    require(good > 1.2 and middle > 1.19 and poor < 0.7 and moved < 1e-4, f"{good}, {middle}, {poor}, {moved}")
    return (
        f"夹住的是目标，不是比值。“差”的比值停在 {poor}，远在 0.8 以下：它出了界就不再被压，"
        "可另外两个还在往上推，概率加起来是 1，就把它带下去了。权重共用的模型里更是如此，看那批诗。"
    )


def _enters_the_reward() -> dict[str, object]:
    old = torch.tensor([[-1.0, -2.0, -0.5]], dtype=torch.float64)
    reference = torch.tensor([[-1.5, -1.8, -2.5]], dtype=torch.float64)
    mask, score = torch.ones(1, 3, dtype=torch.bool), torch.tensor([1.0], dtype=torch.float64)
    free, held = (penalised_rewards(score, old, reference, mask, beta=beta)[0] for beta in (0.0, 0.2))
    return {
        "β = 0，三个词元的奖励": "、".join(f"{x:+.2f}" for x in free.tolist()).replace("-", "−"),
        "β = 0.2，三个词元的奖励": "、".join(f"{x:+.2f}" for x in held.tolist()).replace("-", "−"),
        "参考拿走的，一共": round(float((free - held).sum()), 3),
    }


def _settle_enters(values: dict[str, object]) -> str:
    *_, held, taken = values.values()
    require(held == "−0.10、+0.04、+0.60" and taken == 0.46, f"{held}, {taken}")
    return (
        f"它打分。参考给每个词元一份扣分（{held}），写进奖励，再经评论家和 GAE 进入优势，"
        "与奖励模型的分走的是同一条路。它不打的，是整句的好坏。"
    )


RELEASED = ("Qwen3-0.6B", "Qwen3-1.7B", "Qwen3-4B", "Qwen3-8B", "Qwen3-14B", "Qwen3-32B")  # dense, April 2025
LATER = ("Qwen3-4B-Instruct-2507", "Qwen3-30B-A3B-Instruct-2507", "Qwen3-235B-A22B-Instruct-2507")
LLAMA_3 = ("SFT", "拒绝采样", "PPO", "DPO")  # what made Meta-Llama-3-8B-Instruct, April 2024


def _no_such_model() -> dict[str, object]:
    return {
        "公布的 Qwen3 稠密模型": len(RELEASED),
        "其中名字是 Qwen3-14B-Instruct 的": sum(name == "Qwen3-14B-Instruct" for name in (*RELEASED, *LATER)),
        "名字里有 Instruct 的（2025 年 7 月）": len([name for name in LATER if "-Instruct-" in name]),
        "Llama-3-8B-Instruct 做过的": "、".join(LLAMA_3),
    }


def _settle_model(values: dict[str, object]) -> str:
    dense, named, later, made = values.values()
    require(dense == 6 and named == 0 and later == 3 and "DPO" in made, f"{dense}, {named}, {later}, {made}")
    return (
        "没有 Qwen3-14B-Instruct：14B 的两个叫 Qwen3-14B（已做过后训练）和 Qwen3-14B-Base；"
        "带 Instruct 的是后来的 4B、30B-A3B、235B-A22B。"
        "Llama-3-8B-Instruct 也不是“SFT 训练好的模型”：它已经做过 PPO 和 DPO。"
        "InstructGPT 的奖励模型从只做过 SFT 的 6B 起步，去掉末层，换成一个向量。"
    )


def _two_r() -> dict[str, object]:
    score = torch.tensor([3.0, 1.0], dtype=torch.float64)
    old = torch.full((2, 4), -1.0, dtype=torch.float64)
    mask = torch.ones(2, 4, dtype=torch.bool)
    rewards = penalised_rewards(score, old, old, mask, beta=0.1)
    ratios = log_ratio(old, old, "old").exp()
    return {
        "刚写完，两个回答八个词元的奖励，几种数": len(rewards.unique()),
        "刚写完，八个词元的比值，几种数": len(ratios.unique()),
        "那时的比值": float(ratios[0, 0]),
    }


def _settle_r(values: dict[str, object]) -> str:
    rewards, ratios, one = values.values()
    require(rewards == 3 and ratios == 1 and one == 1.0, f"{rewards}, {ratios}, {one}")
    return (
        "式子里的 r_t(θ) 是比值（ratio），不是奖励（reward）。刚写完时比值全是 1，奖励各不相同；"
        "θ 写在括号里的是比值：它随策略变，奖励不变。本章把比值写成 ρ。"
    )


def _slot_after() -> dict[str, object]:
    """TRL's arithmetic on one answer of two words and <eos>, filled up with <pad>, as its trainer does it."""

    def placed(pad_is_eos: bool) -> tuple[int, int]:
        is_pad = torch.tensor([False, False, pad_is_eos, True, True])  # word, word, <eos>, <pad>, <pad>
        length = int(is_pad.int().argmax()) - 1  # sequence_length
        return length, length + 1  # the last token that learns, and where the score goes

    apart, same = placed(pad_is_eos=False), placed(pad_is_eos=True)
    rewards = torch.zeros(1, 4, dtype=torch.float64)
    rewards[0, apart[1]] = 1.0
    late = gae(rewards, torch.zeros_like(rewards), torch.ones(1, 4, dtype=torch.bool))[0, 2]
    return {
        "<eos> 在第 2 格，pad 另是一个：分数放在第几格": apart[1],
        "评论家还全是 0，λ = 0.95，<eos> 的优势（分数 1）": round(float(late), 3),
        "pad 就是 <eos>：分数放在第几格": same[1],
        "这时学到第几格为止": same[0],
    }


def _settle_slot(values: dict[str, object]) -> str:
    apart, late, same, last = values.values()
    require((apart, late, same, last) == (3, 0.95, 2, 1), f"{apart}, {late}, {same}, {last}")
    return (
        "一个回答三个词元：第 0、1 格是字，第 2 格是 <eos>，后面是填充。"
        f"TRL 1.12 把分数放在第 {apart} 格，也就是 <eos> 的后一格；那一格不学策略，只学评论家，"
        f"所以 <eos> 的优势要隔一格打一次 λ 的折（{late}），只差一点。"
        "3750 号里逐格走过的人说，这是照早先的代码搬来的，不是笔误。"
        f"真的会出错的是把 pad 设成 <eos>：分数倒落在 <eos> 上，可是只学到它的前一格（第 {last} 格），"
        "模型学不到在哪里停。"
    )


def _where_the_kl() -> dict[str, object]:
    world = three_answers()
    logits = torch.tensor([0.5, 0.0, -0.5], dtype=torch.float64, requires_grad=True)
    log_pi = logits.log_softmax(0)
    pi, d = log_pi.detach().exp(), log_pi - world.reference

    def length(of: torch.Tensor) -> float:
        return round(float(torch.autograd.grad(of, logits, retain_graph=True)[0].norm()), 4)

    frozen = k1(d).detach()
    return {
        "KL 的真梯度，长度": length(exact_kl(logits, world.reference)),
        "k1 写进损失，平均梯度的长度": length(pi @ k1(d)),
        "k1 写进奖励（冻住，乘 ln π），平均梯度的长度": length(pi @ (frozen * log_pi)),
        "k3 写进损失，平均梯度的长度": length(pi @ k3(d)),
    }


def _settle_kl(values: dict[str, object]) -> str:
    true, in_loss, in_reward, other = values.values()
    require(in_loss == 0 and in_reward == true and other not in (0, true), f"{true}, {in_loss}, {in_reward}, {other}")
    return (
        f"同一个 k1，写进奖励，平均梯度正是 KL 的（{in_reward}）；直接写进损失，平均梯度是 0，只剩噪声，什么也拦不住。"
        f"k3 写进损失有梯度（{other}），却是另一个方向的 KL 的。"
        "（k1 = ln π − ln π_ref；k3 = π_ref/π − 1 + k1；平均都是 KL，梯度不同。）"
        "PPO 把它放在奖励里，GRPO（第 23 章）放在损失里，不能照抄。"
    )


def _value_clip() -> dict[str, object]:
    old, returns = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    mask = torch.ones(1, 1, dtype=torch.bool)
    said = torch.full((1, 1), 0.6, dtype=torch.float64, requires_grad=True)
    found = {}
    for name, clip in (("不裁", float("inf")), ("裁 0.2", 0.2)):
        loss = value_loss(said, old, returns, mask, clip=clip)
        (slope,) = torch.autograd.grad(loss, said)
        found |= {
            f"V 该从 0 到 1，走到 0.6，{name}：损失": round(loss.item(), 3),
            f"{name}：梯度": round(slope.item(), 3),
        }
    return found


def _settle_value(values: dict[str, object]) -> str:
    free, pulls, held, stands = values.values()
    require(free < held and pulls < 0 and stands == 0, f"{free}, {pulls}, {held}, {stands}")
    return (
        f"论文的式 9 是平方误差，没有裁。裁剪出自同一批作者的代码（OpenAI baselines 的 ppo2），RLHF 的库跟着用。"
        f"裁了以后，V 走出旧值 ± 0.2 就没有梯度（不裁时是 {-pulls:g} 的力），一批里最多学这么多；"
        "界是绝对的 0.2，分数大的任务里就太窄。"
    )


def _first_step() -> dict[str, object]:
    chance = torch.Generator().manual_seed(0)
    old = -torch.rand(4, 6, generator=chance, dtype=torch.float64)
    advantages = torch.randn(4, 6, generator=chance, dtype=torch.float64)
    mask, now = torch.ones(4, 6, dtype=torch.bool), old.clone().requires_grad_()
    plain = torch.autograd.grad(-(advantages * now).mean(), now)[0]
    apart = [
        float((torch.autograd.grad(policy_loss(now, old, advantages, mask, clip=clip), now)[0] - plain).abs().max())
        for clip in (0.2, 0.001)
    ]
    return {"一批走一步，ε = 0.2，与 REINFORCE 的梯度最多差": apart[0], "ε = 0.001，最多差": apart[1]}


def _settle_first(values: dict[str, object]) -> str:
    wide, narrow = values.values()
    require(max(wide, narrow) < 1e-15, f"{wide}, {narrow}")
    return (
        "一批只走一步，比值全是 1，裁剪什么也不做：这就是带评论家的 REINFORCE。"
        "看到“PPO”先问一批走几步；走一步，ε 取几都一样。TRL 的 GRPO 默认就只走一步。"
    )


ERRATA = [
    Erratum(
        id="K21-1",
        chapter="21",
        title="评论家给每个词元打分吗",
        slide="“它的最终输出是 [Batch_Size, Seq_Len, 1]，也就是 Actor 的每一个 token 都会有一个当下分。”",
        paper="V(s) 是状态的价值：从这里起，照现在的策略走，回报的平均。优势才是动作的。",
        code="TRL 的值头读每一格的隐状态，拿来学的是回报，不是给这个词元的分。",
        compute=_no_marks,
        settles=_settle_marks,
        sources=[f"{SCHULMAN}, section 5", TRL],
    ),
    Erratum(
        id="K21-2",
        chapter="21",
        title="裁剪把比值管在 1 ± ε 里吗",
        slide="只写了式子，clip(r_t(θ), 1 − ε, 1 + ε)；常被读成“新策略离旧的不超过 20%”。",
        paper="“去掉把比值推出区间的动机”（removes the incentive），没有说推不出去。",
        code="TRL、baselines 都只夹损失里的那一份；日志另记被裁的份额和离旧策略的 KL。",
        compute=_not_held,
        settles=_settle_held,
        sources=[f"{SCHULMAN}, section 3", "Engstrom et al. 2020, arXiv:2005.12729"],
    ),
    Erratum(
        id="K21-3",
        chapter="21",
        title="参考模型不参与打分吗",
        slide="“它不参与打分，而是作为约束。”",
        paper="InstructGPT：奖励模型的分减 β ln(π/π_SFT)，逐个词元扣。",
        code="TRL 1.12：rewards = −kl_coef · kl，再在末尾加上分数。",
        compute=_enters_the_reward,
        settles=_settle_enters,
        sources=[f"{OUYANG}, equation 2", "Ziegler et al. 2019, arXiv:1909.08593", TRL],
    ),
    Erratum(
        id="K21-4",
        chapter="21",
        title="奖励模型拿什么改",
        slide="“通常直接拿 SFT 训练好的模型（比如 Llama-3-8B-Instruct 或 Qwen3-14B-Instruct）来改。”",
        paper="InstructGPT：从 SFT 模型起步，去掉末层；Qwen3 的博客列出六个稠密模型。",
        code="Hugging Face 上有 Qwen3-14B、Qwen3-14B-Base；Meta 的 Llama 3 博客列出后训练四步。",
        compute=_no_such_model,
        settles=_settle_model,
        sources=[f"{OUYANG}, section 3.5", "qwenlm.github.io/blog/qwen3", "ai.meta.com/blog/meta-llama-3"],
    ),
    Erratum(
        id="K21-5",
        chapter="21",
        title="r_t(θ) 是奖励吗",
        slide="目标里写 r_t(θ) Â_t；同一章的奖励也写 r。",
        paper="3 节：r_t(θ) 记概率之比，r(θ_old) = 1。",
        code="TRL 里叫 ratio，奖励叫 rewards。",
        compute=_two_r,
        settles=_settle_r,
        sources=[f"{SCHULMAN}, section 3"],
    ),
    Erratum(
        id="K21-6",
        chapter="21",
        title="分数放在哪一格",
        slide="“等 Actor 把整句话写完了，它才给出一个最终分数。”没有说放在哪里。",
        paper="论文只说回答的末尾。",
        code="TRL 1.12：放在 sequence_lengths + 1；3750 号里有人逐格走过，1893 号争过。",
        compute=_slot_after,
        settles=_settle_slot,
        sources=["huggingface/trl#1893, #3750, #5338", TRL],
    ),
    Erratum(
        id="K21-7",
        chapter="21",
        title="KL 放在奖励里，还是损失里",
        slide="“计算 KL 散度”，没有说放在哪里。",
        paper="InstructGPT 放在奖励里；DeepSeekMath 的 GRPO 放在损失里，用 k3。",
        code="TRL 的 PPO 放在奖励里（k1，可选 k3）；GRPO 放在损失里（k3）。",
        compute=_where_the_kl,
        settles=_settle_kl,
        sources=[f"{OUYANG}, equation 2", "arXiv:2402.03300, equation 4", "joschu.net/blog/kl-approx.html"],
    ),
    Erratum(
        id="K21-8",
        chapter="21",
        title="评论家也裁吗",
        slide="没有说。",
        paper="式 9：(V − V_targ)²。",
        code="baselines 的 ppo2 和 TRL：V 夹在旧值 ± 0.2，两个误差取大的。",
        compute=_value_clip,
        settles=_settle_value,
        sources=[f"{SCHULMAN}, equation 9", "openai/baselines: ppo2/model.py", TRL],
    ),
    Erratum(
        id="K21-9",
        chapter="21",
        title="一批走一步，还叫 PPO 吗",
        slide="没有说一批走几步。",
        paper="算法 1：一批走 K 遍。",
        code="TRL：PPO 默认 num_ppo_epochs = 4，GRPO 默认 num_iterations = 1。",
        compute=_first_step,
        settles=_settle_first,
        sources=[f"{SCHULMAN}, algorithm 1", "huggingface/trl#3120", TRL],
    ),
]
