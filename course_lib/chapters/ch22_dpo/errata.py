"""Chapter 22, DPO: where slides, papers and released code disagree or are misread, and what a computation says.

The paper is Rafailov et al. 2023; its own code is eric-mitchell/direct-preference-optimization.
"""

import torch

from course_lib.chapters.ch22_dpo.learning import drawn, to_best
from course_lib.course.errata.core import Erratum, require
from course_lib.foundations.bpe import ByteBPE
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.posttraining.dpo import answer_scores, dpo_loss, implicit_rewards
from course_lib.posttraining.kl import exact_kl
from course_lib.posttraining.reference import Reference
from course_lib.toys.three_answers import World, three_answers

RAFAILOV = "Rafailov et al. 2023, arXiv:2305.18290"
THEIR_CODE = "eric-mitchell/direct-preference-optimization"


def _hidden_reward() -> dict[str, object]:
    world = three_answers()
    way = to_best("DPO", steps=150)
    found = implicit_rewards(way.log_probs[-1] - world.reference, beta=world.beta)
    return {
        "真分数，好 − 中": round(float(world.reward[0] - world.reward[1]), 3),
        "隐式奖励，好 − 中": round(float(found[0] - found[1]), 3),
        "真分数，好 − 差": round(float(world.reward[0] - world.reward[2]), 3),
        "隐式奖励，好 − 差": round(float(found[0] - found[2]), 3),
    }


def _settle_hidden(values: dict[str, object]) -> str:
    true, found, true_too, found_too = values.values()
    require(abs(true - found) < 0.01 and abs(true_too - found_too) < 0.01, f"{true}, {found}, {true_too}, {found_too}")
    return (
        "奖励建模没有绕过，是藏进了策略里：训练以后 β(ln π − ln π_ref) 就是分数，"
        f"好与中差 {found}，好与差差 {found_too}，与真分数相符。省掉的是另外那个模型。"
        "Off-policy 说得不够：离策略的方法也可以边学边收新数据，DPO 的数据从头到尾不变，更准的词是离线（offline）。"
    )


def _chosen_falls() -> dict[str, object]:
    world, pairs = three_answers(), drawn()
    moved = world.best - world.reference
    return {
        "被选中的份额：好、中、差": "、".join(f"{share:.2f}" for share in pairs.sum(1).tolist()),
        "从 π_ref 到 π*，ln π 变了：好、中、差": "、".join(f"{each:+.2f}" for each in moved.tolist()),
        "选中的回答，ln π 平均变了": round(float(pairs.sum(1) @ moved), 3),
        "落选的回答，ln π 平均变了": round(float(pairs.sum(0) @ moved), 3),
    }


def _settle_falls(values: dict[str, object]) -> str:
    *_, chosen, rejected = values.values()
    require(rejected < chosen < 0, f"{chosen}, {rejected}")
    return (
        f"不是故障。就连走到最优的 π*，选中的回答平均也降了 {-chosen} 奈特，只是落选的降得更多（{-rejected}）："
        "“中”常常赢“差”，可它的概率要让一点给“好”。要警惕的是另一种：降得厉害，概率去了没有一对见过的地方。"
    )


def _beta_and_pace() -> dict[str, object]:
    found = {}
    for beta in (0.1, 0.5):
        logits = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        d = logits.log_softmax(0) - torch.zeros(2, dtype=torch.float64).log_softmax(0)
        (gradient,) = torch.autograd.grad(dpo_loss(d[:1], d[1:], beta=beta), logits)
        first = -0.1 * gradient
        found[f"β = {beta}：第一步后的间隔"] = round(beta * float(first[0] - first[1]), 5)
        found[f"β = {beta}：人有 3/4 选它，最后的 d 之差"] = round(float(torch.tensor(3.0).log()) / beta, 1)
    return found


def _settle_pace(values: dict[str, object]) -> str:
    slow, far, fast, near = values.values()
    require(20 < fast / slow < 30 and far == 11.0 and near == 2.2, f"{slow}, {far}, {fast}, {near}")
    return (
        f"起步时正相反：出力与 β 成正比，间隔又乘一次 β，β 从 0.1 到 0.5，第一步的间隔大 {fast / slow:.0f} 倍"
        "（普通梯度下降；Adam 会把梯度的大小除掉）。"
        f"β 大而走得近，说的是终点：最后的 d 之差是间隔除以 β，{far} 奈特变成 {near}。"
    )


def _smoothing() -> dict[str, object]:
    turned, world = drawn(flip=0.2), three_answers()
    ends = {
        name: float(exact_kl(to_best(name, turned, flipped=0.2, steps=120).log_probs[-1], world.best))
        for name in ("DPO", "cDPO", "rDPO")
    }
    return {f"两成标签翻转，{name} 到 π* 的 KL": round(kl, 4) for name, kl in ends.items()}


def _settle_smoothing(values: dict[str, object]) -> str:
    plain, cautious, robust = values.values()
    require(robust < 1e-3 < plain < cautious, f"{plain}, {cautious}, {robust}")
    return (
        f"cDPO 离 π* 更远（{cautious} 对 {plain}）：它把每对的间隔压小，而翻转已经压小过一次。"
        f"想去掉翻转的影响要用 rDPO（{robust}）。在 TRL 里写 label_smoothing 而 loss_type 是默认的 sigmoid，"
        "它不报错，也不起作用；robust 和 exo_pair 才用它。"
    )


def _sum_or_mean() -> dict[str, object]:
    reach = 1 / (2 * 0.1)  # IPO's margin at β = 0.1, nats or nats a token
    return {
        "照论文相加，5 个词元的回答，每个词元要拉开": reach / 5,
        "照论文相加，50 个词元的回答，每个词元要拉开": reach / 50,
        "照 TRL 平均，5 个词元的回答，一共要拉开": reach * 5,
        "照 TRL 平均，50 个词元的回答，一共要拉开": reach * 50,
    }


def _settle_sum(values: dict[str, object]) -> str:
    short, long, whole_short, whole_long = values.values()
    require(short == 10 * long and whole_long == 10 * whole_short == 250, f"{[*values.values()]}")
    return (
        f"不是同一个损失。β = 0.1 时，论文的写法要整句拉开 5 奈特，长回答每个词元只要 {long}；"
        f"TRL 的写法要每个词元拉开 5 奈特，50 个词元就是 {whole_long:.0f} 奈特。两边的 β 不能互相照搬。"
    )


def _dropout() -> dict[str, object]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        policy = GPT2(GPT2Config(n_vocab=50, d_model=32, n_layers=2, dropout=0.1))
        reference = Reference(policy)
        ids = torch.randint(50, (400, 20))
        batch = {"ids": ids, "is_token": ids >= 0, "is_answer": (ids >= 0) & (torch.arange(20) >= 5)}
        held = answer_scores(reference, batch)
        with torch.no_grad():
            on, off = (answer_scores(policy.train(mode), batch) - held for mode in (True, False))
    return {
        "关掉 dropout，一步未走，|d| 最大": round(float(off.abs().max()), 4),
        "开着 dropout，一步未走，|d| 平均": round(float(on.abs().mean()), 3),
        "开着 dropout，β = 0.1 时的损失": round(float(dpo_loss(on[:200], on[200:], beta=0.1)), 4),
    }


def _settle_dropout(values: dict[str, object]) -> str:
    off, on, loss = values.values()
    require(off < 1e-3 < 0.5 < on and abs(loss - 0.6931) > 5e-4, f"{off}, {on}, {loss}")
    return (
        f"一步未走，d 就平均偏了 {on} 奈特，损失是 {loss} 而不是 0.6931：策略随机丢了单元，参考没有丢，"
        "丢掉的被当成了策略的偏好。训练前把 dropout 设为 0。"
    )


def _normaliser() -> dict[str, object]:
    world = three_answers()
    easy = World(world.reference, world.reward + 3, world.beta)  # another prompt, all answers worth 3 more
    log_z = [float((each.reference + each.reward / each.beta).logsumexp(0)) for each in (world, easy)]
    gaps = [implicit_rewards(each.best - each.reference, beta=each.beta) for each in (world, easy)]
    return {
        "题一的 β ln Z": round(world.beta * log_z[0], 4),
        "题二的 β ln Z": round(world.beta * log_z[1], 4),
        "同题，好 − 中：隐式奖励之差": round(float(gaps[0][0] - gaps[0][1]), 3),
        "题二的好 − 题一的好：真分数之差": 3.0,
        "题二的好 − 题一的好：隐式奖励之差": round(float(gaps[1][0] - gaps[0][0]), 3) + 0.0,
    }


def _settle_normaliser(values: dict[str, object]) -> str:
    one, other, within, true, across = values.values()
    require(abs(other - one - 3) < 1e-3 and abs(within - 0.6) < 1e-3 and abs(across) < 1e-3 < true, f"{values}")
    return (
        f"Z 只随问题变，同一题的两个回答相减就消掉（{within}），所以从来不用算。"
        f"换一题就消不掉：真分数差 {true:g}，隐式奖励之差却是 {across:g}。两个不同问题的回答，不能凑成一对。"
    )


def _boundary() -> dict[str, object]:
    tokenizer = ByteBPE.train("A: yes Q: no A: yes Q: no A: yes A: no", 262)
    prompt, answer = "A: ", "yes"
    alone, joint = tokenizer.encode(prompt), tokenizer.encode(prompt + answer)

    def said(ids: list[int]) -> str:
        return "|".join(tokenizer.decode([each]) for each in ids)

    return {
        "提示单独切": said(alone),
        "连着回答一起切": said(joint),
        "按提示的长度剪，剩下的回答": said(joint[len(alone) :]) or "什么也没有",
    }


def _settle_boundary(values: dict[str, object]) -> str:
    alone, joint, left = values.values()
    parts = alone.split("|")
    require(joint.split("|")[: len(parts)] != parts and left != "yes", f"{alone}, {joint}, {left}")
    return (
        f"不一定。提示末尾的空格会和回答的第一个词并成一个词元，按提示的长度剪，剩下的回答里{left}。"
        "提示不要以空格结尾，或者问和答分开切词再接上。"
    )


ERRATA = [
    Erratum(
        id="K22-1",
        chapter="22",
        title="绕过了奖励建模吗",
        slide="“直接将成对的偏好数据转化为一个分类损失，绕过奖励建模”；方法论一栏写“Off-policy 偏好学习”。",
        paper="副标题就是“你的语言模型暗地里是一个奖励模型”；第 5.1 节说任何奖励都能写成 β ln π/π_ref 的样子。",
        code="TRL（常用的训练库）的日志里 rewards/chosen、rewards/rejected 就是 β 乘对数比。",
        compute=_hidden_reward,
        settles=_settle_hidden,
        sources=[f"{RAFAILOV}, section 5.1, theorem 1", "huggingface/trl: DPOTrainer, logged metrics"],
    ),
    Erratum(
        id="K22-2",
        chapter="22",
        title="选中的概率在降，坏了吗",
        slide="没有说；训练时人人都会看到这条曲线。",
        paper="梯度：升高选中的，降低落选的，按 σ(−m) 加权。损失只含两者之差。",
        code="DPO 作者在自己仓库的 32 号 issue 里答：在乎的只是两者之差，奖励的绝对大小不要紧。",
        compute=_chosen_falls,
        settles=_settle_falls,
        sources=[f"{RAFAILOV}, section 4", f"{THEIR_CODE}#32, #8", "huggingface/trl#800"],
    ),
    Erratum(
        id="K22-3",
        chapter="22",
        title="β 大，学得慢吗",
        slide="没有说 β 怎样影响快慢。",
        paper="梯度是 −β σ(−m)(∇ln π(选中) − ∇ln π(落选))：前面就有一个 β。",
        code="默认 β = 0.1；做摘要时作者用 0.5。",
        compute=_beta_and_pace,
        settles=_settle_pace,
        sources=[f"{RAFAILOV}, section 4 and appendix B"],
    ),
    Erratum(
        id="K22-4",
        chapter="22",
        title="标签有错，就该平滑吗",
        slide="“DPO 考验的是你的数据清洗能力”；没有说标签错了损失能怎么办。",
        paper="cDPO：目标从 1 改成 1 − ε，也就是标签平滑。rDPO：把翻转的份额从损失里扣掉，期望等于干净标签的损失。",
        code="TRL 1.12 的 DPOTrainer：loss_type 为 sigmoid 时是 −ln σ(βΔ)，没有用 label_smoothing。",
        compute=_smoothing,
        settles=_settle_smoothing,
        sources=[
            "Mitchell 2023, ericmitchell.ai/cdpo.pdf",
            "Chowdhury et al. 2024, arXiv:2403.00409",
            "huggingface/trl 1.12: trl/trainer/dpo_trainer.py",
        ],
    ),
    Erratum(
        id="K22-5",
        chapter="22",
        title="IPO：相加，还是平均",
        slide="没有提 IPO。",
        paper="式 17：π(y|x) 是整个回答的概率，也就是词元相加；目标是 1/(2τ)。",
        code="TRL 先相加，2024 年 1 月改成每个词元平均（1265 号），说是问过作者；torchtune 跟着改。",
        compute=_sum_or_mean,
        settles=_settle_sum,
        sources=[
            "Azar et al. 2023, arXiv:2310.12036, equation 17",
            "huggingface/trl#1265, #1677; meta-pytorch/torchtune#1291",
        ],
    ),
    Erratum(
        id="K22-6",
        chapter="22",
        title="起点的损失一定是 ln 2 吗",
        slide="没有说。",
        paper="起点的策略就是参考，d = 0，损失 ln 2 = 0.6931。",
        code="TRL 的 DPOConfig 有 disable_dropout，默认打开。",
        compute=_dropout,
        settles=_settle_dropout,
        sources=["huggingface/trl: DPOConfig.disable_dropout", "course_lib/posttraining/reference.py"],
    ),
    Erratum(
        id="K22-7",
        chapter="22",
        title="Z(q) 要不要算",
        slide="“其中 Z(q) 是归一化因子，仅与输入 q 有关”。",
        paper="式 5：r = β ln π/π_ref + β ln Z(q)；代进 Bradley–Terry，Z 消掉。",
        code="没有一行代码算 Z。",
        compute=_normaliser,
        settles=_settle_normaliser,
        sources=[f"{RAFAILOV}, equations 4 to 7"],
    ),
    Erratum(
        id="K22-8",
        chapter="22",
        title="提示和回答之间，切得开吗",
        slide="没有说。",
        paper="π(y|x)：x 和 y 分得清清楚楚。",
        code="TRL 0.10 先接起来再切词，按提示的长度剪，2054 号报了错；后来改成分开切词（2209 号）。",
        compute=_boundary,
        settles=_settle_boundary,
        sources=["huggingface/trl#2054, #2209, #1153"],
    ),
]
