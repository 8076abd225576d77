"""C28d: where PPO settles, and what keeps it from π*: each cause switched off by itself.

On listed worlds the best policy is known (three_answers.py). Near π* what an answer earns, penalty included, is the
same for all, so advantages go to 0 and so should steps; divided by their spread (whitened) they do not. Two worlds:
three answers, plain gradient steps of one size, the exact mean as critic; the strip of syllables, a critic that learns,
AdamW with a rate that falls to 0.  Chapter 21.
"""

import math

from course_lib.chapters.ch21_ppo.learning import strip, taught, to_best
from course_lib.course.claims.core import Claim, Summary, Verdict

N = 32
OFF = {  # what differs from PPO as it is
    "照原样": {},
    "不白化": {"whiten": False},
    "不裁剪": {"clip": math.inf},
    "只学一遍": {"epochs": 1},
    "八倍的回答": {"n": 8 * N},
}


def measure(seed: int, *, progress, rounds: int, strip_rounds: int) -> dict[str, list[float]]:
    """KL(π ‖ π*). before: of both references. three: mean over the last quarter of the rounds, by OFF. strip: after the
    last round, by OFF, and last with a critic that knows V."""
    three = [to_best(rounds=rounds, seed=seed, **{"n": N, **off}) for off in progress(OFF.values(), "three answers")]
    ways = [*OFF.values(), {"exact": True}]
    long = [taught(strip(), rounds=strip_rounds, seed=seed, **{"n": N, **off}) for off in progress(ways, "the strip")]
    return {
        "before": [float(way[0].kl[0]) for way in (three, long)],
        "three": [float(way.kl[-(rounds // 4) :].mean()) for way in three],
        "strip": [float(way.kl[-1]) for way in long],
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """On three answers. Holds: in every seed PPO as it is settles 1e-3 or more from π*, without whitening below 1e-6,
    and 1e-4 or more without the clip, and with one epoch. Fails: on average it settles below 1e-3 as it is, or without
    whitening no nearer than a half of that. Else partly. The strip is told beside it."""
    three, before = figures["three"].values, figures["before"].mean
    mean, long = figures["three"].mean, figures["strip"].mean
    names = list(OFF)
    told = (
        f"三个回答，出发时 KL {before[0]:.2f}，停在："
        + "，".join(f"{name} {mean[i]:.1e}" for i, name in enumerate(names))
        + f"。音节带，出发时 {before[1]:.2f}，学习率降到 0 以后："
        + "，".join(f"{name} {long[i]:.1e}" for i, name in enumerate([*names, "critic 知道 V"]))
        + "。"
    )
    if mean[0] < 1e-3 or mean[1] >= mean[0] / 2:
        return Verdict("fails", f"照原样就到了 π*，或者不白化也没有近多少。{told}")
    if (three[:, 0] >= 1e-3).all() and (three[:, 1] < 1e-6).all() and (three[:, 2:4] >= 1e-4).all():
        return Verdict("holds", told)
    return Verdict("partly", f"不白化近得多，但不是每个种子都那样分明，或者去掉别的也到得了。{told}")


CLAIM = Claim(
    id="C28d",
    chapter="21",
    title="PPO 停在哪里，是什么不让它到 π*",
    statement="三个回答、步长不变：PPO 停在 π* 旁边，KL 不小于 0.001；去掉优势的白化，KL 降到百万分之一以下；"
    "去掉裁剪，或者每批只学一遍，都到不了。",
    question="最好的策略算得出来，PPO 却停在它旁边。裁剪、白化、一批学几遍、样本少，哪一个不让它到？",
    refuted_if="照原样平均就停在 0.001 以内，或者不白化时的 KL 不到减半。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"rounds": 40, "strip_rounds": 8},
    full={"rounds": 400, "strip_rounds": 120},
    quick_seeds=(0,),
    labels={
        "before": "出发时到 π* 的 KL：三个回答，音节带",
        "three": "三个回答，最后四分之一轮的平均 KL：照原样、不白化、不裁剪、只学一遍、八倍的回答",
        "strip": "音节带，最后一轮之后的 KL，次序同上，最后是 critic 知道 V",
    },
    limits="策略是一张表，π* 一定在它能表示的范围里。三个回答的 critic 知道准确的平均，步长始终不变，"
    "这是为了看它停在哪里；学习率降到 0，或者步长小，白化的 PPO 也会更近。AdamW 自己也除以梯度的大小。"
    "KL 写在奖励里，用的是抽出来的 k1，它的平均梯度正是 J 的梯度，所以它不在要去掉的原因里。"
    "“只学一遍”和“照原样”走的轮数相同，更新只有四分之一。快速形式只有 40 轮，谁都还没有停下。",
)
