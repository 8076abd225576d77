"""C18c: one loss and a language model that learns (BLIP-3), or three losses, two stages and a frozen one (BLIP-2)?

Xue et al. 2024 (arXiv:2408.08872), section 3, against Li et al. 2023 (arXiv:2301.12597); slides, BLIP-3.  Chapter 14.
One thing in a picture of the drawn world, captions in Chinese. Both ways begin with the same image tower and the same
language model, which has read captions, and see as many pictures; BLIP-3's once more for as many floating-point
operations (counted by torch's FlopCounterMode: no clock is read), and once with its language model frozen.
"""

from copy import deepcopy

import torch
from torch import Tensor

from course_lib import zoo
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.decoding.generation import greedy
from course_lib.models.blip3 import BLIP3, BLIP3Config, BLIP3Reader, text_loss
from course_lib.models.clip import ImageTower
from course_lib.models.gpt2 import GPT2
from course_lib.toys import blip2_shapes, told_shape
from course_lib.toys.blip2_shapes import N_QUERIES, stage1_loss, stage2_loss, step_flops, taught
from course_lib.toys.borrowed import Borrowed
from course_lib.toys.told_shape import CONTEXT, Images, is_token, prompt, read
from course_lib.toys.words import END, UNKNOWN

SIZE = 32  # pictures a step
IMAGE = UNKNOWN  # stands where the picture goes: no caption has it


def one_loss(tower: ImageTower, lm: GPT2) -> BLIP3:
    """As many tokens of a picture as BLIP-2 has queries. tower: lent."""
    return BLIP3(BLIP3Config(image_id=IMAGE, n_latents=N_QUERIES), Borrowed(tower), lm)


def caption_loss(model: BLIP3, batch: told_shape.Batch) -> Tensor:
    """Of every token behind the picture."""
    images, ids, _ = batch
    rows = [torch.cat([torch.tensor([IMAGE]), row[told]]) for row, told in zip(ids, is_token(ids))]
    return text_loss(model, rows, model.tokens(list(images[:, None])))


def caption(model: BLIP3, images: Images) -> list[str]:
    begun = prompt().expand(len(images), -1)
    reader = BLIP3Reader(model, CONTEXT + N_QUERIES, list(images[:, None]))
    asked = torch.cat([torch.full_like(begun[:, :1], IMAGE), begun], dim=1)
    said = greedy(reader, asked, CONTEXT - begun.shape[1], end=END)
    return [read(row) for row in torch.cat([begun, said], dim=1)]


def measure(seed: int, *, progress, stage1_steps: int, stage2_steps: int) -> dict[str, list[float]]:
    """BLIP-2's way; BLIP-3's with as many pictures, with as many operations, with as many pictures and the language
    model frozen. right: share of captions of combinations never shown that are right to the last word."""
    tower, lm = (zoo.load("clip-shapes").image.requires_grad_(False), zoo.load("blip2-lm").requires_grad_(False))

    torch.manual_seed(seed)
    first = blip2_shapes.stage1(tower)
    flops = stage1_steps * step_flops(first, stage1_loss, SIZE)
    taught(first, stage1_loss, stage1_steps, seed, size=SIZE, progress=lambda x: progress(x, "BLIP-2, stage 1"))
    torch.manual_seed(seed)
    describer = blip2_shapes.describer(tower, lm, first.qformer)
    flops += stage2_steps * step_flops(describer, stage2_loss, SIZE)
    taught(describer, stage2_loss, stage2_steps, seed, size=SIZE, progress=lambda x: progress(x, "BLIP-2, stage 2"))
    figures = {
        "right": [blip2_shapes.exact(describer)],
        "pictures": [SIZE * (stage1_steps + stage2_steps)],
        "gigaflops": [flops / 1e9],
    }

    for name, frozen, equal in (("pictures", False, 0), ("operations", False, 1), ("frozen", True, 0)):
        torch.manual_seed(seed)
        model = one_loss(tower, deepcopy(lm).requires_grad_(not frozen))
        each = step_flops(model, caption_loss, SIZE)
        steps = round(flops / each) if equal else stage1_steps + stage2_steps
        taught(model, caption_loss, steps, seed, size=SIZE, progress=lambda x, n=name: progress(x, f"BLIP-3, {n}"))
        figures["right"].append(told_shape.exact(lambda images, model=model: caption(model, images)))
        figures["pictures"].append(SIZE * steps)
        figures["gigaflops"].append(steps * each / 1e9)
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: BLIP-2's way gets half of the captions right or more on average, and BLIP-3's at most 0.02 fewer in every
    seed, with as many pictures and with as many operations. Fails: 0.05 fewer or worse in both, on average. Else
    partly. The frozen language model is told, and not judged: it is neither's way."""
    right = figures["right"].values
    behind = right[:, [1, 2]] - right[:, :1]
    told = "；".join(
        f"{name} {figures['right'].mean[i]:.1%}±{figures['right'].std[i]:.1%}"
        f"（{figures['pictures'].mean[i]:.0f} 张图，{figures['gigaflops'].mean[i]:.0f} 十亿次运算）"
        for i, name in enumerate(
            ("BLIP-2 的做法", "BLIP-3 的做法，图一样多", "BLIP-3 的做法，运算一样多", "同上，图一样多，语言模型冻结")
        )
    )
    if (behind.mean(axis=0) <= -0.05).all():
        return Verdict("fails", f"一种损失不够，写对的少 {-behind.mean():.1%}。{told}。")
    if right[:, 0].mean() >= 0.5 and (behind >= -0.02).all():
        return Verdict("holds", f"一种损失写对的不少（{behind.mean():+.1%}）。{told}。")
    return Verdict("partly", f"差 {behind.mean():+.1%}，不是每个种子、每种预算都跟得上。{told}。")


CLAIM = Claim(
    id="C18c",
    chapter="14",
    title="一种损失够不够",
    statement="同样的数据，图一样多或者运算一样多，只用文字损失、语言模型一起学，写对的不比 BLIP-2 的两个阶段少。",
    question="BLIP-2 用三种损失、两个阶段。只留一种损失，要付出什么？",
    refuted_if="图一样多和运算一样多时，BLIP-3 的做法平均都少写对 5 个百分点以上。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"stage1_steps": 3, "stage2_steps": 3},
    full={"stage1_steps": 150, "stage2_steps": 100},
    quick_seeds=(0,),
    labels={
        "right": "没见过的搭配，一字不差的描述：BLIP-2；BLIP-3，图一样多；运算一样多；图一样多、语言模型冻结",
        "pictures": "看过的图",
        "gigaflops": "训练的运算，十亿次",
    },
    limits="两种做法一次改了四处：损失、阶段、采样的结构、语言模型学不学；第四列只把最后一处放回去。"
    "画面里只有一个东西，描述只有一种说法，语言模型先读过同样的描述；真实的语言模型大得多，让它跟着学会不会忘掉别的，这里看不到。"
    "BLIP-2 的做法没有学满：C17 里两个阶段各 200 步，写对 94%；"
    "这里比的是谁学得快，不是谁最后更好。学习率两边相同，没有分别调。"
    "BLIP-2 的第一阶段还会检索和匹配，这里不计分。图像塔是第 11 章的 CLIP，两边相同。"
    "快速形式只训练 3 步，什么也没学会。",
)
