"""Chapter 24, PPO, DPO and GRPO compared: cells of the usual table that mislead, and what a computation says.

The table has a row each for idea, kind, models, data, cost, strength, weakness and use; its words are quoted.
"""

import torch

from course_lib.chapters.ch24_comparison.costs import PARTS, cost
from course_lib.chapters.ch24_comparison.seen import BETA, SCORES, seen
from course_lib.course.errata.core import Erratum, require
from course_lib.models.gpt2 import GPT2Config
from course_lib.posttraining.dpo import implicit_rewards
from course_lib.posttraining.kl import exact_kl
from course_lib.toys.three_answers import three_answers
from course_lib.widgets.triangle_paths import Settings, path

SCHULMAN = "Schulman et al. 2017, arXiv:1707.06347"
RAFAILOV = "Rafailov et al. 2023, arXiv:2305.18290"
SHAO = "Shao et al. 2024, arXiv:2402.03300"
TANG = "Tang et al. 2024, arXiv:2405.08448"
TINY = GPT2Config(n_vocab=64, context=32, d_model=64, n_layers=2)


def _absolute() -> dict[str, object]:
    plain = seen(SCORES)

    def moved(scores: torch.Tensor, method: str, beta: float = BETA) -> float:
        return round(float((seen(scores, beta=beta)[method] - plain[method]).abs().max()), 3) + 0.0

    return {
        "分数都加 5，PPO 的推最多变": moved(SCORES + 5, "PPO"),
        "分数都加 5，GRPO 的推最多变": moved(SCORES + 5, "GRPO"),
        "分数乘 10，PPO 的推最多变": moved(10 * SCORES, "PPO"),
        "分数和 β 都乘 10，PPO 的推最多变": moved(10 * SCORES, "PPO", 10 * BETA),
        "分数乘 10，GRPO 的推最多变": moved(10 * SCORES, "GRPO"),
    }


def _settle_absolute(values: dict[str, object]) -> str:
    shifted, group, scaled, together, group_scaled = values.values()
    require(shifted == group == 0, f"{shifted}, {group}")
    require(scaled > 0.1 and together == 0 and group_scaled < 0.005, f"{scaled}, {together}, {group_scaled}")
    return (
        "零点谁都不看：都加 5，PPO 的白化、GRPO 的组平均各自减掉了它。PPO 要的不是绝对的分，是分数与 β 的比："
        f"只乘分数，推变了 {scaled}；β 跟着乘，一点不变。GRPO 除以组里的标准差，尺度也看不见。"
    )


def _cheapest() -> dict[str, object]:
    found = {m: dict(zip(PARTS, cost(m, TINY, n=8, length=8, rounds=1).operations)) for m in ("PPO", "DPO", "GRPO")}
    one = found["DPO"]["read"]  # a model reads all answers once
    judged = found["GRPO"]["read"] - one
    whole = {method: sum(parts.values()) for method, parts in found.items()}
    by_one = {
        "PPO": whole["PPO"],
        "GRPO": whole["GRPO"],
        "DPO": whole["DPO"],
        "GRPO，规则打分": whole["GRPO"] - judged,
        "DPO，对也要自己写": whole["DPO"] + found["GRPO"]["write"],
        "其中写：PPO，一题一个": found["PPO"]["write"],
        "其中写：GRPO，四个回答共读一题": found["GRPO"]["write"],
    }
    return {name: round(each / one, 2) for name, each in by_one.items()}


def _settle_cheapest(values: dict[str, object]) -> str:
    ppo, grpo, dpo, by_rule, writes, alone, shared = values.values()
    require(abs(alone + 3 + 2 * 3 - ppo) < 0.3 and abs(shared + 2 + 3 - grpo) < 0.3, f"{alone}, {shared}")
    require(dpo == 1 + 3, f"{dpo}")  # read by the reference, learned
    require(ppo > grpo > by_rule and grpo > dpo, f"{[*values.values()]}")
    require(abs(by_rule - writes) < 0.05, f"{by_rule}, {writes}")
    return (
        "以一个模型把这批回答读一遍为 1，学一遍是 3（前向 1，反向 2）："
        f"PPO 写 {alone}、三个来评约 3、两个在学约 6，共 {ppo}（评论家和奖励模型的头小，略少些）；"
        f"GRPO {shared}、约 2、3，共 {grpo}；DPO 不写，1 加 3，共 {dpo}。次序不错。"
        f"可是 DPO 的对总有人写过。若也由策略写、由规则标，只学一遍，"
        f"DPO 就是 {writes}，GRPO 用规则打分是 {by_rule}，一样。"
        "DPO 省的，是现成的数据；对学得越多遍，写的份额越小，GRPO 的一批也是。"
    )


def _offline() -> dict[str, object]:
    world = three_answers()

    def lacking(**settings: object) -> float:
        return round(float(exact_kl(path("DPO", world, Settings(**settings), steps=600)[-1], world.best)), 3) + 0.0

    return {
        "对里三个答案都有：到 π* 的 KL": lacking(),
        "对里没有“好”：到 π* 的 KL": lacking(missing=0),
        "参考到 π* 的 KL": round(float(exact_kl(world.reference, world.best)), 3),
    }


def _settle_offline(values: dict[str, object]) -> str:
    covered, missing, start = values.values()
    require(covered < 0.002 < 0.1 < missing, f"{covered}, {missing}")
    return (
        "回答不是现在的策略写的，说 off-policy 不算错；更准的词是离线：对先写好，学的时候不再写，损失里也没有比值。"
        f"对里什么都有，它到得了 π*（还差 {covered}）；对里没有“好”，差 {missing}（起点差 {start}）。"
        "换成边写边标，就是在线的 DPO：离线的是数据，不是损失。"
    )


def _implicit() -> dict[str, object]:
    world = three_answers()
    policy = path("DPO", world, Settings(), steps=600)[-1]
    told = implicit_rewards(policy - world.reference, beta=world.beta)
    best, middle, worst = (world.reward - world.reward.mean()).tolist()
    mine = (told - told.mean()).tolist()
    return {
        "奖励，减平均：好": round(best, 3),
        "中": round(middle, 3),
        "差": round(worst, 3),
        "学完的 β ln π/π_ref，减平均：好": round(mine[0], 3),
        "中，学到的": round(mine[1], 3),
        "差，学到的": round(mine[2], 3),
    }


def _settle_implicit(values: dict[str, object]) -> str:
    found = [*values.values()]
    off = max(abs(a - b) for a, b in zip(found[:3], found[3:]))
    require(off < 0.02, f"{found}")
    return (
        "绕过的是另外一个奖励模型，不是奖励。标签照 Bradley–Terry 抽，对无穷多时，学完的策略自己就是奖励模型："
        f"β ln π/π_ref 与真的奖励只差一个常数（最多再差 {off:.3f}）。没有标签，也就没有奖励可学。"
    )


def _models() -> dict[str, object]:
    found = {}
    for method in ("PPO", "DPO", "GRPO"):
        weights, gradients, adam, _ = cost(method, TINY, n=4, length=4, rounds=1).memory
        found[method] = (weights, gradients, adam)
    one = found["DPO"][1]  # the policy's gradients: one model's numbers

    def copies(method: str, without: int = 0) -> float:
        return round(sum(found[method]) / one - without, 1) + 0.0

    return {
        "PPO，四个模型：几份权重那么大": copies("PPO"),
        "GRPO，三个": copies("GRPO"),
        "DPO，两个": copies("DPO"),
        "GRPO，规则打分，β = 0": copies("GRPO", 2),
        "DPO，参考先算好": copies("DPO", 1),
    }


def _settle_models(values: dict[str, object]) -> str:
    four, three, two, bare, before = values.values()
    require((four, three, two, bare, before) == (10, 6, 5, 4, 4), f"{[*values.values()]}")
    return (
        "都用同样的精度，在学的一个占四份（权重、梯度、Adam 的两份），冻住的占一份："
        f"4、3、2 个模型是 {four:.0f}、{three:.0f}、{two:.0f} 份，不是 4 : 3 : 2。冻住的若用一半的字节存，更少。"
        f"GRPO 用规则、β = 0，只剩策略，{bare:.0f} 份；DPO 的参考可以先读一遍、记下数再卸掉，也是 {before:.0f} 份。"
    )


ERRATA = [
    Erratum(
        id="K24-1",
        chapter="24",
        title="PPO“需要绝对分数”吗",
        slide="PPO：“需要奖励模型能给出的绝对分数”；GRPO：分数“可以是相对的”。",
        paper="PPO 的目标只含优势；优势减了评论家的预料。GRPO 的优势减组平均、除以组标准差（DeepSeekMath 4.1.2 节）。",
        code="TRL 的 PPO 把优势白化（masked_whiten）；本课的 ppo.judge 一样。",
        compute=_absolute,
        settles=_settle_absolute,
        sources=[SCHULMAN, SHAO, "huggingface/trl: trl/experimental/ppo/ppo_trainer.py, masked_whiten"],
    ),
    Erratum(
        id="K24-2",
        chapter="24",
        title="DPO 的成本“最低”，算上谁写的",
        slide="“PPO 最高，GRPO 中等，DPO 最低：流程类似监督微调。”",
        paper="DPO：不用在训练中抽样，也不另学奖励模型（摘要）。",
        code="DPOTrainer 读现成的 chosen、rejected；GRPOTrainer 每步先写。",
        compute=_cheapest,
        settles=_settle_cheapest,
        sources=[RAFAILOV, SHAO],
    ),
    Erratum(
        id="K24-3",
        chapter="24",
        title="DPO 是 off-policy 吗",
        slide="“Off-policy 偏好学习（类似于分类）。”",
        paper="论文只说离线的偏好数据（offline dataset，第 4 节）；Tang 等把它叫 offline，与 online 相对。",
        code="DPO 的损失里没有 π_old；数据从哪来都行。TRL 另有在线的 OnlineDPOTrainer。",
        compute=_offline,
        settles=_settle_offline,
        sources=[RAFAILOV, TANG, "Guo et al. 2024, arXiv:2402.04792 (online AI feedback)"],
    ),
    Erratum(
        id="K24-4",
        chapter="24",
        title="DPO “绕过奖励建模”吗",
        slide="“直接将成对的偏好数据转化为一个分类损失，绕过奖励建模。”",
        paper="论文的题目就说：你的语言模型暗地里是一个奖励模型。式 5：r = β ln π/π_ref + 常数。",
        code="TRL 的日志里有 rewards/chosen：正是 β ln π/π_ref。",
        compute=_implicit,
        settles=_settle_implicit,
        sources=[RAFAILOV],
    ),
    Erratum(
        id="K24-5",
        chapter="24",
        title="4、3、2 个模型，就是 4 : 3 : 2 的内存吗",
        slide="“PPO 4 个，DPO 2 个，GRPO 3 个（通常）。”",
        paper="个数与论文的图相符；GRPO 的奖励可以是规则，β 可以是 0。",
        code="TRL：GRPO 的 β 默认 0，不装参考；DPO 可以先算好参考（precompute_ref_log_probs）。",
        compute=_models,
        settles=_settle_models,
        sources=[SHAO, RAFAILOV, "huggingface/trl 1.12: grpo_config.py, dpo_config.py"],
    ),
]
