"""C31: the cells of the slides' table that can be measured, in one run: models, memory, operations and seconds of a
step, answers written to a given J, distance to π* at the end.

The slides: cost PPO highest, DPO lowest, GRPO between; 4, 2 and 3 models. PPO: Ouyang et al. 2022, arXiv:2203.02155;
DPO: Rafailov et al. 2023, arXiv:2305.18290; GRPO: Shao et al. 2024, arXiv:2402.03300. Costs are of GPT-2s, fp32, AdamW;
bytes and operations are counted, seconds are this process's own. What is learned is learned on the strip of syllables,
where π* is known; learning rates and β are each method's best of a search on other seeds.  Chapter 24.
"""

import numpy as np

from course_lib.chapters.ch24_comparison.costs import cost
from course_lib.chapters.ch24_comparison.learning import METHODS, PLAIN, Knobs, by_budget, race
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.toys.model_costs import CONFIGS

N = 32  # answers a round
BUDGETS = (4, 8, 16, 32, 64, 128)  # rounds
LEVEL = 0.8
WORDS = {"memory": "内存", "operations": "一步的运算", "seconds": "秒数"}


def measure(seed: int, *, progress, n: int, length: int, rounds: int, budgets: list[int], end: int) -> dict[str, list]:
    """memory [config][METHODS][KINDS], operations and seconds [config][METHODS][PARTS]. share: [METHODS][budget], of
    the way to the best J at the end of a run of so many rounds. ends: [METHODS and PLAIN][share, KL(π ‖ π*), E r, KL to
    the reference] after `end` rounds. curve: share at nine equal distances of these, [METHODS and PLAIN]."""
    costs = [
        [cost(method, config, n=n, length=length, rounds=rounds, seed=seed) for method in METHODS]
        for config in progress(CONFIGS, "models")
    ]
    ways = [race(method, Knobs(rounds=end), seed=seed) for method in (*METHODS, PLAIN)]
    places = np.linspace(0, end, 9).round().astype(int).tolist()
    return {
        "memory": [[each.memory for each in row] for row in costs],
        "operations": [[each.operations for each in row] for row in costs],
        "seconds": [[each.seconds for each in row] for row in costs],
        "share": [by_budget(method, budgets, seed=seed).tolist() for method in progress(METHODS, "budgets")],
        "ends": [[float(each[-1]) for each in (way.share, way.to_best, way.reward, way.kl)] for way in ways],
        "curve": [way.share[places].tolist() for way in ways],
    }


def answers_needed(share: np.ndarray) -> np.ndarray:
    """[…, budget] -> the fewest answers that reach LEVEL; twice the most that were tried where none did."""
    written = N * np.array(BUDGETS[: share.shape[-1]])
    return np.where(share >= LEVEL, written, 2 * written[-1]).min(axis=-1)


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed and every size of model, memory, operations and seconds of a step are most for PPO and least
    for DPO, and DPO needs at least twice the answers of PPO and of GRPO to reach LEVEL. Fails: on average, over seeds
    and sizes, the memory or the operations are not in that order, or DPO needs no more answers than either. Else
    partly."""
    costs = {name: figures[name].values.sum(axis=-1) for name in ("memory", "operations", "seconds")}
    ppo, dpo, grpo = range(3)

    def in_order(each: np.ndarray) -> np.ndarray:
        return (each[..., ppo] > each[..., grpo]) & (each[..., grpo] > each[..., dpo])

    share = {name: each / each[..., :1] for name, each in costs.items()}
    need = answers_needed(figures["share"].values)
    mean = np.exp(np.log(need).mean(axis=0))
    ends = figures["ends"].mean

    def least_to_most(name: str, i: int) -> str:
        sizes = share[name][..., i].mean(axis=0)
        return f"{METHODS[i]} {sizes.min():.2f} 到 {sizes.max():.2f}"

    told = (
        "PPO 算 1，三种大小的模型："
        + "；".join(f"{word} {least_to_most(name, grpo)}，{least_to_most(name, dpo)}" for name, word in WORDS.items())
        + f"。走完八成的路要写的回答（没有走到的按 {2 * N * BUDGETS[-1]} 算）："
        + "，".join(f"{method} {mean[i]:.0f}" for i, method in enumerate(METHODS))
        + "。终点走了几成，到 π* 的 KL："
        + "；".join(f"{method} {ends[i, 0]:.3f}，{ends[i, 1]:.3f}" for i, method in enumerate((*METHODS, PLAIN)))
        + "。"
    )
    average = {name: each.mean(axis=(0, 1)) for name, each in share.items()}
    if not all(in_order(average[name]) for name in ("memory", "operations")) or mean[dpo] <= mean[[ppo, grpo]].min():
        return Verdict("fails", f"内存或运算不是 PPO 最多、DPO 最少，或者 DPO 要的回答不比两者都多。{told}")
    lacking = [
        word
        for word, well in (
            *((f"{word}不是处处 PPO 最多、DPO 最少", in_order(costs[name]).all()) for name, word in WORDS.items()),
            ("DPO 要的回答不是每次都到 PPO 的两倍", (need[:, dpo] >= 2 * need[:, ppo]).all()),
            ("DPO 要的回答不是每次都到 GRPO 的两倍", (need[:, dpo] >= 2 * need[:, grpo]).all()),
        )
        if not well
    ]
    if lacking:
        return Verdict("partly", f"{'；'.join(lacking)}。{told}")
    return Verdict("holds", told)


CLAIM = Claim(
    id="C31",
    chapter="24",
    title="表里能量的格子",
    statement="一步的内存、运算、秒数都是 PPO 最多、DPO 最少，GRPO 在中间；走到同样的 J，"
    "DPO 要的回答却是另外两种的两倍以上。",
    question="DPO 一步最便宜。走到同样好的策略，它要的回答也最少吗？",
    refuted_if="平均来看，内存或一步的运算不是 PPO 最多、DPO 最少；或者 DPO 要的回答不比 PPO、GRPO 都多。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"n": 4, "length": 8, "rounds": 1, "budgets": [1, 2, 3, 4, 5, 6], "end": 8},
    full={"n": 8, "length": 16, "rounds": 2, "budgets": list(BUDGETS), "end": 64},
    quick_seeds=(0,),
    labels={
        "memory": "兆字节；每个模型（窄、宽、诗人那样的）：PPO、DPO、GRPO，各按权重、梯度、Adam、激活",
        "operations": "一步的矩阵运算，十亿次；每个模型：同样三种，各按写、读、学",
        "seconds": "处理器秒，单线程，与机器有关；次序同上",
        "share": "从参考到 π* 的路走了几成；每行一种方法，按写了 128、256、512、1024、2048、4096 个回答",
        "ends": "2048 个回答以后；PPO、DPO、GRPO、SFT：走了几成，到 π* 的 KL，平均奖励，到参考的 KL",
        "curve": "走了几成，从头到尾九处；次序同上",
    },
    limits="模型个数按幻灯片数：奖励也是一个同样大的模型；规则当奖励时，PPO 和 GRPO 各少一个。"
    "每写一次只学一次；学几次时，写的份额按比例变小。"
    "DPO 的写记为零，因为对已经在那里；写对、标对要另外花，只花一次。激活数的是反向传播要留下的张量。"
    "要多少回答，是在一条音节带上、策略是一张表时量的；表里的回答互不相干，DPO 没见过的回答就学不到，真的模型会推广。"
    "DPO 的标签按 Bradley–Terry 抽，比奖励的数字带的信息少：要的回答多，一部分是因为这个。"
    "学习率和 β 各按自己的最好，在别的种子上找；只在 2048 个回答上找过。"
    "五个种子里 PPO 有一个（4）很久不动：最好的回答参考百里才写一个，开头没有抽到，概率先掉了下去，就难再写到；"
    "别的种子上试的二十次一次也没有。GRPO 停在九成四，回答再多也不再走近；原因见 C30d。",
)
