"""C29b: turned labels: how far from the best policy, and is the order still right? DPO, cDPO, rDPO, IPO.

cDPO (Mitchell 2023, ericmitchell.ai/cdpo.pdf) and rDPO (Chowdhury et al. 2024, arXiv:2403.00409) know the true share.
Fifteen answers drawn anew for every seed; endless pairs show the loss alone, drawn ones what chance adds.  Chapter 22.
"""

import numpy as np

from course_lib.chapters.ch22_dpo.learning import TOLD, drawn, fifteen_answers, right, to_best
from course_lib.course.claims.core import Claim, Summary, Verdict

NAMES = ("DPO", "cDPO", "rDPO", "IPO")


def measure(seed: int, *, progress, n: int, flips, steps: int) -> dict[str, list[list[float]]]:
    """By loss and share of turned labels: KL(π ‖ π*), and share of all pairs of answers in the order of the reward."""
    world, _ = fifteen_answers(seed)
    figures: dict[str, list] = {name: [] for name in ("kl_endless", "right_endless", "kl_drawn", "right_drawn")}
    for kind, count in (("endless", None), ("drawn", n)):
        for method in progress(NAMES, f"{kind} pairs"):
            ways = [
                to_best(
                    method,
                    drawn(count, flip=flip, world=world, seed=seed),
                    world=world,
                    policy=fifteen_answers(seed)[1],
                    flipped=flip if method in TOLD else 0.0,
                    steps=steps,
                )
                for flip in flips
            ]
            figures[f"kl_{kind}"].append([float(way.kl[-1]) for way in ways])
            figures[f"right_{kind}"].append([right(way, world) for way in ways])
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: with endless pairs, in every seed, DPO ends further from π* with every more turned labels, cDPO further
    still at each share, rDPO within 1e-3; with drawn pairs rDPO is nearer than DPO on average at every share above 0.
    Fails: with endless pairs, on average over the shares, turned labels do not harm DPO, or rDPO is no nearer than it.
    Else partly."""
    endless, few = figures["kl_endless"].values, figures["kl_drawn"].mean
    dpo, cautious, robust = endless[:, 0], endless[:, 1], endless[:, 2]
    order, order_few = figures["right_endless"].mean, figures["right_drawn"].mean
    told = (
        "无穷多对，翻转从无到最多："
        + "，".join(
            f"{name} 的 KL {endless.mean(axis=0)[i, 0]:.3f} → {endless.mean(axis=0)[i, -1]:.3f}"
            f"（排对 {order[i, -1]:.0%}）"
            for i, name in enumerate(NAMES)
        )
        + "；抽出来的对："
        + "，".join(
            f"{name} {few[i, 0]:.3f} → {few[i, -1]:.3f}（排对 {order_few[i, 0]:.0%} → {order_few[i, -1]:.0%}）"
            for i, name in enumerate(NAMES)
        )
        + "。"
    )
    if dpo[:, -1].mean() <= dpo[:, 0].mean() or robust[:, 1:].mean() >= dpo[:, 1:].mean():
        return Verdict("fails", f"标签翻转没有害到 DPO，或者 rDPO 没有更近。{told}")
    clean = (np.diff(dpo, axis=1) > 0).all() and (cautious[:, 1:] > dpo[:, 1:]).all() and (robust < 1e-3).all()
    if clean and (few[2, 1:] < few[0, 1:]).all():
        return Verdict("holds", told)
    lacking = "对数无穷多时" if not clean else "抽出来的对上，rDPO 并非每种翻转都比 DPO 近"
    return Verdict("partly", f"{lacking}，不全成立。{told}" if not clean else f"{lacking}。{told}")


CLAIM = Claim(
    id="C29b",
    chapter="22",
    title="标签翻转了，DPO 还准不准",
    statement="标签翻转得越多，DPO 离 π* 越远，cDPO 更远；知道翻转比例的 rDPO 回到 π*，对数有限时也比 DPO 近。",
    question="两成的标签是反的。损失里写上“两成”，应该更谨慎，还是把它扣掉？",
    refuted_if="对数无穷多时，翻转没有让 DPO 更远，或者 rDPO 平均没有比 DPO 近。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"n": 1000, "flips": [0.0, 0.2], "steps": 120},
    full={"n": 3000, "flips": [0.0, 0.1, 0.2, 0.3, 0.4], "steps": 150},
    quick_seeds=(0,),
    labels={
        "kl_endless": "无穷多对，到 π* 的 KL；每行 DPO、cDPO、rDPO、IPO，按翻转 0、10%、20%、30%、40%",
        "right_endless": "无穷多对，隐式奖励排对的回答对",
        "kl_drawn": "3,000 对，到 π* 的 KL",
        "right_drawn": "3,000 对，隐式奖励排对的回答对",
    },
    limits="翻转是偶然的，每一对的机会相同，cDPO 和 rDPO 被告知了真正的比例；人的标签错得有规律，比例也没有人知道。"
    "策略是一张表，一共 15 个回答。cDPO 本来要防的是另一件事：同一对永远一边倒时间隔无限地涨；"
    "这里的偏好本来就有输有赢，没有这个毛病。rDPO 的损失没有下界：只见过一边的对，间隔会一直涨，这里 150 步就停。"
    "β 没有分别调。快速形式只有 120 步、1,000 对，只翻转两成。",
)
