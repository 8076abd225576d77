"""C17b: why not a linear layer? All tokens of the image tower through one, against the Q-Former's few.

LLaVA (Liu et al. 2023, arXiv:2304.08485), some months after BLIP-2, takes the linear layer, but then lets the language
model learn, too. Here it stays frozen.  Chapter 13.
Equal steps of stage 2, equal pictures, equal language model. Beside it the linear layer gets as many operations as both
stages of BLIP-2 together (torch's FlopCounterMode: no clock is read).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib.chapters.ch13_blip2 import learning
from course_lib.chapters.ch13_blip2.experiments.c17_two_stages import SIZE, begun, curve
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.bert import init_bert
from course_lib.models.blip2 import Describer
from course_lib.toys.blip2_shapes import stage1_loss, stage2_loss, step_flops
from course_lib.toys.borrowed import Borrowed


class Linear(Describer):
    """No Q-Former: what stands before the words are all N tokens of the tower, each through one matrix."""

    def __init__(self, image: nn.Module, lm: nn.Module):
        super(Describer, self).__init__()
        self.image, self.lm = image, lm
        self.project = nn.Linear(image.config.d_model, lm.config.d_model)
        init_bert(self.project, None)
        self.freeze()

    def prefix(self, seen: Float[Tensor, "B N Dv"]) -> Float[Tensor, "B N W"]:
        return self.project(seen)


def linear(seed: int) -> Linear:
    torch.manual_seed(seed)
    return Linear(Borrowed(learning.tower()), Borrowed(learning.language_model()))


def measure(seed: int, *, progress, stage1_steps: int, stage2_steps: int, at: list[int]) -> dict[str, list[float]]:
    """Curves over stage 2 of the linear layer, of a fresh Q-Former, and of one after stage 1; what each costs."""
    arms = {
        "linear": linear(seed),
        "alone": begun(seed, 0),
        "after": begun(seed, stage1_steps, lambda x: progress(x, "stage 1")),
    }
    images = learning.batches(0)[0][:1]
    costs = [step_flops(model, stage2_loss, SIZE) for model in arms.values()]
    figures = {
        "tokens": [model.prefix(model.look(images)).shape[1] for model in arms.values()],
        "learned": [sum(each.numel() for each in model.parameters()) for model in arms.values()],
        "gigaflops": [cost / 1e9 for cost in costs],
    }
    for name, model in arms.items():
        figures[name] = curve(model, stage2_steps, at, seed, lambda x, name=name: progress(x, name))
    both = stage1_steps * step_flops(learning.build_stage1(), stage1_loss, SIZE) + stage2_steps * costs[2]
    steps = round(both / costs[0])
    longer = curve(linear(seed), steps, [], seed, lambda x: progress(x, "linear, longer"))
    return figures | {"longer_steps": steps, "longer": longer[-1]}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: at the end the Q-Former after stage 1 is right more often than the linear layer by 0.05 or more in every
    seed, and still by 0.02 on average where the linear layer got as many operations as both stages. Fails: it is not
    right more often on average at equal steps. Else partly."""
    names = {"linear": "线性层", "alone": "Q-Former，不做第一阶段", "after": "Q-Former，先做第一阶段"}
    told = "；".join(
        f"{said}（{figures['tokens'].mean[i]:.0f} 个 token，{figures['learned'].mean[i]:,.0f} 个参数在学，"
        f"一步 {figures['gigaflops'].mean[i]:.2f} GFLOP）："
        + "、".join(f"{m:.1%}±{s:.1%}" for m, s in zip(figures[name].mean, figures[name].std))
        for i, (name, said) in enumerate(names.items())
    )
    told += (
        f"。线性层学 {figures['longer_steps'].mean:.0f} 步，运算和两个阶段加起来一样多："
        f"{figures['longer'].mean:.1%}±{figures['longer'].std:.1%}。"
    )
    gain = figures["after"].values[:, -1] - figures["linear"].values[:, -1]
    if gain.mean() <= 0:
        return Verdict("fails", f"步数相同，线性层不比 Q-Former 差（{gain.mean():+.1%}）。{told}")
    left = figures["after"].values[:, -1] - figures["longer"].values
    if (gain >= 0.05).all() and left.mean() >= 0.02:
        return Verdict("holds", f"步数相同，Q-Former 高 {gain.mean():.1%}；运算相同，还高 {left.mean():.1%}。{told}")
    return Verdict("partly", f"步数相同，Q-Former 高 {gain.mean():.1%}；运算相同，差 {left.mean():+.1%}。{told}")


CLAIM = Claim(
    id="C17b",
    chapter="13",
    title="为什么不用一个线性层",
    statement="图像塔的全部 token 经过一个线性层交给冻结的语言模型，写得不如 Q-Former 的 8 个。",
    question="Q-Former 有二十多万个参数和一个专门的阶段。图像塔的 17 个 token 各乘一个矩阵，直接放在词前面，行不行？",
    refuted_if="第二阶段步数相同，线性层写对的平均不比 Q-Former 少。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"stage1_steps": 6, "stage2_steps": 8, "at": [2, 4]},
    full={"stage1_steps": 150, "stage2_steps": 150, "at": [25, 50, 100]},
    quick_seeds=(0,),
    labels={
        "linear": "线性层：25、50、100、150 步后，没见过的搭配一字不差的描述",
        "alone": "Q-Former，不做第一阶段：同上",
        "after": "Q-Former，先做第一阶段：同上",
        "longer": "线性层，运算和两个阶段加起来一样多",
        "longer_steps": "那是多少步",
        "tokens": "词前面的 token：线性层、Q-Former、Q-Former",
        "learned": "在学的参数：同上",
        "gigaflops": "第二阶段一步的运算，GFLOP：同上",
    },
    limits="图像塔只有 17 个 token；真的有 257 个或更多，全放在词前面，每写一个词都要为它们付账，这里看不出贵。"
    "图像塔是看过中英文描述的 CLIP，特征里本来就有颜色、形状和位置；语言模型只会说这一种话。"
    "三种做法学习率相同，没有替线性层另找。LLaVA 的线性层之后，语言模型自己也学，这里冻结。"
    "快速形式只训练几步，什么也没学会。",
)
