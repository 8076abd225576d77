"""Chapter 23, GRPO: where slides, papers and released code disagree or are misread, and what a computation says.

The paper is DeepSeekMath (Shao et al. 2024); the released code that most people train with is TRL, read at 1.12.
"""

import torch

from course_lib.chapters.ch23_grpo.estimators import both_directions, mean_gradients, policy_at
from course_lib.chapters.ch23_grpo.pushes import pushes
from course_lib.course.errata.core import Erratum, require
from course_lib.posttraining.grpo import LEAST_STD, group_advantages
from course_lib.posttraining.kl import k3
from course_lib.posttraining.ppo import surrogate
from course_lib.toys.three_answers import three_answers

SHAO = "Shao et al. 2024, arXiv:2402.03300"
R1 = "DeepSeek-AI 2025, arXiv:2501.12948"
DAPO = "Yu et al. 2025, arXiv:2503.14476"
LIU = "Liu et al. 2025, arXiv:2503.20783"
GSPO = "Zheng et al. 2025, arXiv:2507.18071"
TRL = "huggingface/trl 1.12: trl/trainer/grpo_trainer.py"
SLIDE = "“min(π_θ(o_i|q)/π_θ_old(o_i|q) · A_i, clip(…)A_i) − β D_KL(π_θ‖π_ref)”"


def _answer_or_token() -> dict[str, object]:
    N, each = 100, torch.tensor(1.02, dtype=torch.float64).log()
    moved = each.expand(N)  # ln π − ln π_old of each token
    whole = moved.sum()

    def pushed(ratio: torch.Tensor) -> str:
        at = ratio.clone().requires_grad_()
        return "推" if torch.autograd.grad(surrogate(at, torch.ones_like(at), 0.2, 0.2), at)[0] else "不推"

    return {
        "每个词元的比值": 1.02,
        "整个回答的比值，100 个词元相乘": round(float(whole.exp()), 2),
        "GSPO：开 100 次方": round(float(moved.mean().exp()), 2),
        "A > 0，ε = 0.2，按词元还推吗": pushed(each),
        "A > 0，ε = 0.2，按回答还推吗": pushed(whole),
    }


def _settle_answer(values: dict[str, object]) -> str:
    _, whole, root, by_token, by_answer = values.values()
    require(whole == 7.24 and root == 1.02, f"{whole}, {root}")
    require((by_token, by_answer) == ("推", "不推"), f"{by_token}, {by_answer}")
    return (
        f"照字面，比值是整个回答的：每个词元只涨 2%，100 个乘起来是 {whole}，早出了 ε = 0.2，从此不推。"
        "论文式 3 和代码都按词元：各是 1.02，照推，再除以 |o|。要整句一个比值，得像 GSPO 那样开 |o| 次方，"
        f"回到 {root}，裁剪的宽度也跟着缩到万分之几。"
    )


def _which_direction() -> dict[str, object]:
    found, exact = mean_gradients(1.0), both_directions(1.0)

    def told(gradient: torch.Tensor) -> str:
        return "、".join(f"{each:+.3f}".replace("-", "−") for each in gradient.tolist())

    return {
        "∇KL(π‖ref)：好、中、差": told(exact["KL(π‖ref)"]),
        "∇KL(ref‖π)": told(exact["KL(ref‖π)"]),
        "E∇k3": told(found["k3"]),
        "E∇(k3 × 比值)": told(found["k3 × 比值"]),
        "E∇k2": told(found["k2"]),
    }


def _settle_direction(values: dict[str, object]) -> str:
    forward, backward, plain, weighed, square = values.values()
    require(forward == weighed == square != backward == plain, f"{[*values.values()]}")
    return (
        "k3 的平均值是 KL(π‖ref)，平均梯度却是另一个方向 KL(ref‖π) 的：样本不随 π 重抽，E[f ∇ln π] 那一项没有了。"
        "乘上比值 π/π_old 再求导，才是 KL(π‖ref) 的梯度（比值的值是 1 时也一样要乘）；k2 不乘也对。"
        "TRL 1.12 默认乘（use_bias_correction_kl），但它的 β 默认是 0。"
    )


def _whose_answers() -> dict[str, object]:
    """Policy gradients on a bandit, exactly: answers of the old policy, the policy has moved on."""
    world = three_answers()
    old = world.reference
    logits = policy_at(1.0).requires_grad_()
    policy = logits.log_softmax(0)
    reward = world.reward - old.exp() @ world.reward
    (exact,) = torch.autograd.grad(policy.exp() @ reward, logits, retain_graph=True)
    (weighed,) = torch.autograd.grad(old.exp() @ ((policy - old).exp() * reward), logits, retain_graph=True)
    (unweighed,) = torch.autograd.grad(old.exp() @ (policy * reward), logits)

    def off(found: torch.Tensor) -> float:
        return round(float((found - exact).norm() / exact.norm()), 3)

    return {
        "三个答案，π_old 是参考，π_θ 又走了一段。回答来自 π_old，乘比值：离精确的梯度": off(weighed) + 0.0,
        "回答来自 π_old，当作来自 π_θ：离精确的梯度": off(unweighed),
        "真来自 π_θ 时的比值": 1.0,
    }


def _settle_whose(values: dict[str, object]) -> str:
    right, wrong, ratio = values.values()
    require(right == 0 and wrong > 0.2 and ratio == 1, f"{right}, {wrong}, {ratio}")
    return (
        "回答是写它的那个策略 π_θ_old 的，论文式 3 就这样写。策略走了以后，乘比值的梯度分毫不差，"
        f"当作自己刚写的来求，偏了 {wrong:.0%}。若真是 π_θ 写的，比值恒为 1，也就用不着裁剪。"
    )


def _which_std() -> dict[str, object]:
    rewards = torch.tensor([[1.0, 0, 0, 0, 0, 0, 0, 0]], dtype=torch.float64)
    found = {}
    for name, less in (("除以 G − 1", 1), ("除以 G", 0)):
        std = rewards.std(correction=less)
        found[f"八个里一个对，标准差{name}"] = round(float(std), 3)
        found[f"标准差{name}，对的那个的优势"] = round(float((1 - rewards.mean()) / (std + LEAST_STD)), 2)
    found["八个里七个对，标准差（G − 1）"] = round(float((1 - rewards).std()), 3)
    return found


def _settle_std(values: dict[str, object]) -> str:
    less, advantage, more, other, easy = values.values()
    require((less, advantage, more, other) == (0.354, 2.47, 0.331, 2.64) and easy == less, f"{[*values.values()]}")
    return (
        f"论文没有说除以几。TRL 和这里除以 G − 1：{less}，优势 {advantage}；除以 G：{more}，优势 {other}。"
        f"只差一个常数倍，学习率能抵掉。另一个传言也错：难题不被压小，八个里对一个与对七个的标准差一样（{easy}），"
        "太难和太易一样被放大。"
    )


def _equal_in_float32() -> dict[str, object]:
    worst = 0.0
    for reward in torch.linspace(0.1, 2.9, 29):
        for G in (3, 6, 7, 8, 12):
            rewards = reward.float().expand(1, G)
            advantages = (rewards - rewards.nanmean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + LEAST_STD)
            worst = max(worst, float(advantages.abs().max()))
    room = float(group_advantages(torch.tensor(0.1).expand(1, 7)).abs().max())
    return {"照 TRL 的式子，单精度，最大的优势": worst, "course_lib 的": room}


def _settle_equal(values: dict[str, object]) -> str:
    worst, room = values.values()
    require(0 < worst < 1e-2 and room == 0, f"{worst}, {room}")
    return (
        f"应当是 0。照 TRL 的式子，平均在单精度里有舍入，再除以 10⁻⁴，试过的组里最大剩下 "
        f"{worst:.1e}，全组同号：一起推高，或者一起压低。很小，但不是没有。course_lib 认出全组相等，给的就是 0。"
    )


def _dr_keeps_std() -> dict[str, object]:
    hard, even = (torch.tensor([[1.0] * n + [0.0] * (8 - n)], dtype=torch.float64) for n in (1, 4))

    def spread(advantages: torch.Tensor) -> float:
        return float(advantages.abs().sum())

    def plain(rewards: torch.Tensor) -> torch.Tensor:
        return rewards - rewards.mean()

    return {
        "只写 loss_type=“dr_grpo”：难题（1/8）与中等题（4/8）的推之比，按大小之和": round(
            spread(group_advantages(hard)) / spread(group_advantages(even)), 2
        ),
        "再写 scale_rewards=“none”：推之比": round(spread(plain(hard)) / spread(plain(even)), 2),
    }


def _settle_dr(values: dict[str, object]) -> str:
    kept, dropped = values.values()
    require(kept == 0.66 and dropped == 0.44, f"{kept}, {dropped}")
    return (
        "只改了一半。TRL 的 loss_type=“dr_grpo” 只管除以什么长度，标准差照除（scale_rewards 默认 group）："
        f"难题与中等题的推之比 {kept}；论文两样都去掉，是 {dropped}。要照论文，两个都写。"
    )


def _dapo_parts() -> dict[str, object]:
    later = {way: pushes(way, [1, 0, 0, 1], [40, 10, 100, 60], later=True) for way in ("GRPO", "DAPO")}

    def blocked(way: str) -> int:
        return int(sum((push == 0).sum() for at, push in enumerate(later[way]) if at in (0, 3)))

    dead = group_advantages(torch.ones(1, 8, dtype=torch.float64))
    return {
        "对的回答里不再推的词元，上界 1.2": blocked("GRPO"),
        "上界 1.28（clip-higher）": blocked("DAPO"),
        "全对的一组，优势": float(dead.abs().max()),
        "这样的组，TRL 重抽吗": "不抽",
    }


def _settle_dapo(values: dict[str, object]) -> str:
    narrow, wide, dead, again = values.values()
    require(narrow > wide and dead == 0 and again == "不抽", f"{narrow}, {wide}, {dead}, {again}")
    return (
        "DAPO 有四样，TRL 的 loss_type=“dapo”（默认值）只有一样：按词元总数平均。上界要另写 epsilon_high=0.28"
        f"（例子里少拦下 {narrow - wide} 个词元）；全对、全错的组不重抽，优势是 0，白写；超长扣分要自己写进奖励。"
    )


def _over_what() -> dict[str, object]:
    short, long = 10, 100  # tokens of every answer of either group, G answers each
    return {
        "短题的回答各 10 个词元，长题的各 100 个。按批平均（TRL）：短题的每个词元": round(1 / (short + long), 5),
        "按批平均：长题的每个词元": round(1 / (short + long), 5),
        "按组平均（论文）：短题的每个词元": round(1 / short / 2, 5),
        "按组平均：长题的每个词元": round(1 / long / 2, 5),
    }


def _settle_over(values: dict[str, object]) -> str:
    one, other, in_short, in_long = values.values()
    require(one == other and round(in_short / in_long) == 10, f"{[*values.values()]}")
    return (
        "论文的分母是一组的词元数，期望是对问题的平均：每个问题一样重，长题的词元轻十倍。"
        "TRL 除以整批的词元数：每个词元一样重，答案长的问题就重十倍。course_lib 与 TRL 相同。"
    )


def _how_many_models() -> dict[str, object]:
    learns, stands = 16, 4  # bytes a parameter, fp32: weight, gradient, two of Adam; weight alone
    return {
        "PPO：策略、评论家、奖励、参考": 2 * learns + 2 * stands,
        "GRPO：策略、奖励模型、参考": learns + 2 * stands,
        "规则打分：策略、参考": learns + stands,
        "规则打分，β = 0：策略": learns,
    }


def _settle_models(values: dict[str, object]) -> str:
    ppo, three, two, one = values.values()
    require((ppo, three, two, one) == (40, 24, 20, 16), f"{[*values.values()]}")
    return (
        f"三、二、一都对，看怎么用。每个参数的字节数（单精度，不算激活）：PPO {ppo}，三个模型 {three}；"
        f"规则打分就没有奖励模型，{two}；β = 0 时参考也不用装（TRL 的默认），只剩策略，{one}。"
    )


def _negative_in_float32() -> dict[str, object]:
    chance = torch.Generator().manual_seed(0)
    d = 1e-4 * torch.randn(100_000, generator=chance)
    plain = torch.exp(-d) - (-d) - 1
    return {
        "照写 exp(x) − x − 1，单精度，小于 0 的份额": round(float((plain < 0).float().mean()), 2),
        "用 expm1，小于 0 的份额": round(float((k3(d) < 0).float().mean()), 2),
        "真值 d²/2 的平均": float((d.double() ** 2 / 2).mean()),
        "照写的平均": float(plain.double().mean()),
    }


def _settle_negative(values: dict[str, object]) -> str:
    plain, ours, true, found = values.values()
    require(plain > 0.05 and ours == 0 and found < 0 < true, f"{[*values.values()]}")
    return (
        f"数学上不会，单精度里会：d 约 10⁻⁴ 时，照写的有 {plain:.0%} 小于 0。1 附近的单精度数间隔约 10⁻⁷，"
        f"而 k3 才 10⁻⁸，连平均都错了符号。写成 expm1，一个也没有。"
    )


ERRATA = [
    Erratum(
        id="K23-1",
        chapter="23",
        title="比值：一个回答一个，还是一个词元一个",
        slide=f"{SLIDE}：按整个回答。",
        paper="DeepSeekMath 式 3 按词元，再除以 |o_i|；R1 的目标式按整个回答。GSPO 说词元的比值用错了单位。",
        code="TRL 按词元；importance_sampling_level=“sequence” 才按回答，而且开 |o| 次方。",
        compute=_answer_or_token,
        settles=_settle_answer,
        sources=[
            f"{SHAO}, equation 3",
            f"{R1}, the objective of GRPO; rasbt/reasoning-from-scratch#243",
            f"{GSPO}, section 4",
            TRL,
        ],
    ),
    Erratum(
        id="K23-2",
        chapter="23",
        title="k3 拉向哪一个 KL",
        slide="“− β D_KL(π_θ‖π_ref)”，没有说怎样估。",
        paper="DeepSeekMath 用 k3，说它无偏。DeepSeek-V3.2 的式 7 又乘了 π/π_old。",
        code="TRL 1.12：per_token_kl × coef_1，use_bias_correction_kl 默认打开。",
        compute=_which_direction,
        settles=_settle_direction,
        sources=[f"{SHAO}, section 4.1", "DeepSeek-AI 2025, arXiv:2512.02556, equation 7", "huggingface/trl#4637", TRL],
    ),
    Erratum(
        id="K23-3",
        chapter="23",
        title="回答是谁写的",
        slide="期望写在 {o_i} ~ π_θ(q) 上。",
        paper="DeepSeekMath 式 3：{o_i} ~ π_θ_old(O|q)。",
        code="写回答时记下 old_per_token_logps；每批只走一步时它就是现在的，比值恒为 1（3120 号有人问）。",
        compute=_whose_answers,
        settles=_settle_whose,
        sources=[f"{SHAO}, equation 3", "huggingface/trl#3120", TRL],
    ),
    Erratum(
        id="K23-4",
        chapter="23",
        title="标准差除以几，难题吃亏吗",
        slide="没有说；网上常说“标准差压小了难题”。",
        paper="DeepSeekMath 只写 std(r)。Dr. GRPO 第 3 节：太易和太难的问题被加重。",
        code="TRL 用 nanstd，除以 G − 1，再加 10⁻⁴。",
        compute=_which_std,
        settles=_settle_std,
        sources=[f"{SHAO}, section 4.1", f"{LIU}, section 3", TRL],
    ),
    Erratum(
        id="K23-5",
        chapter="23",
        title="全组同分，优势是 0 吗",
        slide="没有说。",
        paper="分子是 0，所以是 0。",
        code="TRL：(rewards − mean) / (std + 1e-4)，不分辨全组相等。",
        compute=_equal_in_float32,
        settles=_settle_equal,
        sources=[TRL, "course_lib/posttraining/grpo.py: centred_rewards"],
    ),
    Erratum(
        id="K23-6",
        chapter="23",
        title="loss_type=“dr_grpo” 就是 Dr. GRPO 吗",
        slide="没有提。",
        paper="Dr. GRPO 去掉两样：除以 |o_i|，除以标准差。",
        code="TRL：loss_type 只定分母；标准差由 scale_rewards 定，默认 group。",
        compute=_dr_keeps_std,
        settles=_settle_dr,
        sources=[f"{LIU}, section 3", "huggingface/trl 1.12: trl/trainer/grpo_config.py"],
    ),
    Erratum(
        id="K23-7",
        chapter="23",
        title="loss_type=“dapo” 就是 DAPO 吗",
        slide="没有提。",
        paper="DAPO 第 3 节有四样：上界放宽，动态抽样，按词元平均，超长扣分；去掉 KL。",
        code="TRL 的默认 loss_type 就是 dapo；epsilon_high 默认与 epsilon 相同，0.2。",
        compute=_dapo_parts,
        settles=_settle_dapo,
        sources=[f"{DAPO}, sections 3.1 to 3.4", "huggingface/trl 1.12: trl/trainer/grpo_config.py"],
    ),
    Erratum(
        id="K23-8",
        chapter="23",
        title="按词元平均：一组的，还是一批的",
        slide="没有提。",
        paper="DAPO 的目标式：分母是这一组的 Σ|o_i|，外面是对问题的期望。",
        code="TRL：分母是整批（跨进程、跨累积）的词元数。",
        compute=_over_what,
        settles=_settle_over,
        sources=[f"{DAPO}, section 3", "huggingface/trl#5375", "verl-project/verl#2776", TRL],
    ),
    Erratum(
        id="K23-9",
        chapter="23",
        title="三个模型吗",
        slide="“3 个（通常）：策略模型、奖励函数/模型、SFT 参考模型。无价值模型。”",
        paper="DeepSeekMath 比较 PPO 与 GRPO 的图：策略在学，参考与奖励模型冻住，评论家没有了。",
        code="TRL：β = 0（默认）不装参考；奖励可以是一个函数。",
        compute=_how_many_models,
        settles=_settle_models,
        sources=[f"{SHAO}, section 4.1", "huggingface/trl 1.12: trl/trainer/grpo_config.py, beta"],
    ),
    Erratum(
        id="K23-10",
        chapter="23",
        title="k3 会是负数吗",
        slide="没有说。",
        paper="DeepSeekMath：k3 保证不小于 0。",
        code="TRL：exp(x) − x − 1，x = ln π_ref − ln π，照写。",
        compute=_negative_in_float32,
        settles=_settle_negative,
        sources=[f"{SHAO}, section 4.1", TRL, "course_lib/posttraining/kl.py: k3"],
    ),
]
