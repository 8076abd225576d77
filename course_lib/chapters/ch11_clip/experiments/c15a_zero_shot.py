"""C15a: CLIP names combinations that it never saw together; a head with one seat a class has no seat for them.

Radford et al. 2021, section 3.1; slides, CLIP, 零样本.  Chapter 11.
Both learn from the same pictures, the head on the same image tower. It may answer one of the 192 seen combinations
only, so what it answers is measured, not whether it is right: how many of colour, kind and position agree with the
picture.
"""

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from course_lib.chapters.ch11_clip import shapes_clip
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.data.world.captions import LANGUAGES
from course_lib.data.world.scenes import combinations
from course_lib.training.loop import train

LR = 2e-3


class Head(nn.Module):
    """CLIP's image tower and a linear layer onto the seen combinations."""

    def __init__(self):
        super().__init__()
        self.tower = shapes_clip.build().image
        self.classes = nn.Linear(self.tower.config.d_model, len(shapes_clip.seen()))

    def forward(self, images):
        return self.classes(self.tower(images))


def head_loss(model: Head, batch) -> torch.Tensor:
    images, _, numbers = batch
    return cross_entropy(model(images), torch.searchsorted(shapes_clip.seen(), numbers))


@torch.no_grad()
def answers(model: Head, numbers: torch.Tensor) -> torch.Tensor:
    """The combination that the head says for a new picture of each."""
    triples = [combinations()[i] for i in numbers.tolist()]
    return shapes_clip.seen()[model(shapes_clip.pictures(triples, shapes_clip.UNSEEN)).argmax(1)]


def measure(seed: int, *, progress, steps: int) -> dict[str, float]:
    """Shares right, on new pictures of seen and of held-out combinations."""
    torch.manual_seed(seed)
    models = {"clip": (shapes_clip.build(), shapes_clip.loss), "head": (Head(), head_loss)}
    for name, (model, loss) in models.items():
        stream = (shapes_clip.batches(10_000 * seed + step) for step in range(steps))
        train(model, stream, steps=steps, lr=LR, loss=loss, progress=lambda x, n=name: progress(x, n), history=[])
        model.eval()
    clip, head = models["clip"][0], models["head"][0]
    held = shapes_clip.held_out().repeat(shapes_clip.N_PICTURES)
    said = answers(head, held)
    agree = [
        sum(a == b for a, b in zip(combinations()[i], combinations()[j])) for i, j in zip(said.tolist(), held.tolist())
    ]
    among = {language: shapes_clip.accuracy(clip, language) for language in LANGUAGES}
    every = {language: shapes_clip.accuracy(clip, language, among_all=True) for language in LANGUAGES}
    return {
        "clip_held": [among[language] for language in LANGUAGES],
        "clip_all": [every[language] for language in LANGUAGES],
        "head_seen": (answers(head, shapes_clip.seen()) == shapes_clip.seen()).float().mean().item(),
        "head_held": (said == held).float().mean().item(),
        "head_agree": sum(agree) / len(agree),
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: every seed has 0.9 or more among the 48 held-out captions in both languages, and 0.8 or more among all
    240, while the head, which knows the seen combinations to 0.8, is never right. Fails: CLIP is below 0.5 on average.
    Else partly."""
    held, every = figures["clip_held"].values, figures["clip_all"].values
    seen, wrong = figures["head_seen"].values, figures["head_held"].values
    told = (
        f"没见过的组合：在 48 句里选，中文 {held[:, 0].mean():.1%}，英文 {held[:, 1].mean():.1%}（随机 2.1%）；"
        f"在全部 240 句里选，{every[:, 0].mean():.1%} 和 {every[:, 1].mean():.1%}。"
        f"固定类别的头，见过的组合对 {seen.mean():.1%}，没见过的对 {wrong.mean():.1%}，"
        f"它的回答在颜色、形状、位置三项里平均说对 {figures['head_agree'].mean:.2f} 项。"
    )
    if held.mean() < 0.5:
        return Verdict("fails", f"CLIP 也认不出没见过的组合。{told}")
    if (held >= 0.9).all() and (every >= 0.8).all() and (seen >= 0.8).all() and (wrong == 0).all():
        return Verdict("holds", told)
    return Verdict("partly", f"不是每个种子都达到标准。{told}")


CLAIM = Claim(
    id="C15a",
    chapter="11",
    title="没一起见过的组合，CLIP 认得出，固定类别的头没有这个答案",
    statement="颜色、形状、位置都见过，但没有一起出现过：CLIP 在没见过的组合里选对 90 % 以上；"
    "固定类别的头只能从见过的组合里挑一个。",
    question="240 个组合里留下 48 个不训练。给一张没见过的组合的图，CLIP 能从描述里选对吗？分类头会说什么？",
    refuted_if="CLIP 在没见过的 48 个组合里平均选对不到一半。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 30},
    full={"steps": 400},
    quick_seeds=(0,),
    labels={
        "clip_held": "CLIP，在没见过的 48 句里选：中文、英文",
        "clip_all": "CLIP，在全部 240 句里选：中文、英文",
        "head_seen": "固定类别的头，见过的组合",
        "head_held": "固定类别的头，没见过的组合",
        "head_agree": "头的回答说对几项（颜色、形状、位置）",
    },
    limits="一张图只有一个东西，描述只有一种写法，留下的组合三个种子都一样。快速形式只训练 30 步，CLIP 还没学会。",
)
