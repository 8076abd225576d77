"""C15b: a smaller τ makes the softmax sharper; one too large or too small costs accuracy, and a learned one does not.

Radford et al. 2021, sections 2.3 and 2.5 (τ begins at 0.07, the scale is at most 100).  Chapter 11.
"""

import math

import torch
from torch.nn.functional import normalize

from course_lib.chapters.ch11_clip import shapes_clip
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.data.world.captions import LANGUAGES
from course_lib.data.world.scenes import combinations
from course_lib.models.clip import CLIP
from course_lib.training.loop import train

FIXED = (1.0, 0.2, 0.05, 0.01)
LR = 2e-3


def trained(seed: int, steps: int, tau: float | None, progress) -> CLIP:
    """A CLIP with a fixed τ; None: learned from 0.07 on."""
    torch.manual_seed(seed)
    model = shapes_clip.build()
    if tau is not None:
        model.logit_scale.requires_grad_(False).fill_(-math.log(tau))
    stream = (shapes_clip.batches(10_000 * seed + step) for step in range(steps))
    train(model, stream, steps=steps, lr=LR, loss=shapes_clip.loss, progress=progress, history=[])
    return model.eval()


@torch.no_grad()
def entropies(model: CLIP) -> list[float]:
    """Mean entropy, nats, of a picture's softmax over 240 captions at each τ of FIXED; the cosines are the same."""
    triples = [combinations()[i] for i in shapes_clip.held_out().tolist()]
    images = normalize(model.image_features(shapes_clip.pictures(triples, shapes_clip.UNSEEN)), dim=-1)
    cosines = images @ normalize(model.text_features(shapes_clip.all_ids()[0]), dim=-1).mT
    return [torch.distributions.Categorical(logits=cosines / tau).entropy().mean().item() for tau in FIXED]


def measure(seed: int, *, progress, steps: int) -> dict[str, float | list[float]]:
    """Accuracy among all 240 captions, mean of both languages."""

    def accuracy(model: CLIP) -> float:
        return sum(shapes_clip.accuracy(model, language, among_all=True) for language in LANGUAGES) / len(LANGUAGES)

    learned = trained(seed, steps, None, lambda x: progress(x, "learned"))
    fixed = [trained(seed, steps, tau, lambda x, tau=tau: progress(x, f"τ = {tau}")) for tau in FIXED]
    return {
        "entropy": entropies(learned),
        "fixed": [accuracy(model) for model in fixed],
        "learned": accuracy(learned),
        "tau": 1 / learned.scale().item(),
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed the entropy falls with τ; τ = 1 and τ = 0.01 each lose 0.05 or more on average against the
    best fixed one; the learned one is at most 0.05 below it. Fails: entropy does not fall, or neither end loses. Else
    partly."""
    entropy, fixed, learned = figures["entropy"].values, figures["fixed"].mean, figures["learned"].mean
    falls = (entropy[:, :-1] > entropy[:, 1:]).all()
    lost = [fixed.max() - fixed[0] >= 0.05, fixed.max() - fixed[-1] >= 0.05]
    told = (
        f"τ = 1、0.2、0.05、0.01：熵 {'、'.join(f'{x:.2f}' for x in entropy.mean(0))} 奈特（最大 ln 240 = 5.48）；"
        f"固定 τ 的正确率 {'、'.join(f'{x:.1%}' for x in fixed)}；"
        f"学出来的 τ = {figures['tau'].mean:.3f}，正确率 {learned:.1%}。"
    )
    if not falls or not any(lost):
        return Verdict("fails", f"τ 小没有更尖，或者两头都不吃亏。{told}")
    if all(lost) and learned >= fixed.max() - 0.05:
        return Verdict("holds", told)
    kept = [name for name, loses in zip(("太大的 τ 不吃亏", "太小的 τ 不吃亏"), lost) if not loses]
    kept += ["学出来的 τ 不如最好的固定 τ"] if learned < fixed.max() - 0.05 else []
    return Verdict("partly", f"{'；'.join(kept)}。{told}")


CLAIM = Claim(
    id="C15b",
    chapter="11",
    title="τ 越小越尖；太大太小都吃亏，学出来的不吃亏",
    statement="余弦不变，τ 越小，softmax 的熵越小。"
    "训练时 τ 固定得太大或太小，正确率都低；学出来的 τ 接近最好的固定值。",
    question="τ 固定在 1、0.2、0.05、0.01，各训练一遍，哪个好？让它自己学呢？",
    refuted_if="τ 变小而熵不变小；或者 τ = 1 与 τ = 0.01 都只比最好的固定 τ 差不到 0.05。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 8},
    full={"steps": 250},
    quick_seeds=(0,),
    labels={
        "entropy": "softmax 的熵（奈特），τ = 1、0.2、0.05、0.01，同一个模型",
        "fixed": "没见过的组合在 240 句里选对的比例，固定 τ：同上",
        "learned": "同上，学出来的 τ",
        "tau": "学出来的 τ",
    },
    limits="只在图形画面上量，步数 250、学习率都相同：τ 大时换个学习率也许好些。快速形式只训练 8 步，只看得到熵。",
)
