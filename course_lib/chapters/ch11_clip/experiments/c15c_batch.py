"""C15c: a larger batch has more negatives, and is better: after as many steps, and after as many pictures?

Radford et al. 2021 train with 32,768 pairs a batch.  Chapter 11.
Equal steps give the larger batch more pictures. Equal pictures stand for equal time here: a tower's work grows with its
pictures, and a clock would measure the machine's other work.
"""

import torch

from course_lib.chapters.ch11_clip import shapes_clip
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.data.world.captions import LANGUAGES
from course_lib.training.loop import train

SIZES = (16, 32, 64, 128)
LR = 2e-3


def accuracy_after(seed: int, size: int, steps: int, progress) -> float:
    """Among all 240 captions, pictures of held-out combinations, mean of both languages."""
    torch.manual_seed(seed)
    model = shapes_clip.build()
    stream = (shapes_clip.batches(10_000 * seed + step, size) for step in range(steps))
    train(model, stream, steps=steps, lr=LR, loss=shapes_clip.loss, progress=progress, history=[])
    model.eval()
    return sum(shapes_clip.accuracy(model, language, among_all=True) for language in LANGUAGES) / len(LANGUAGES)


def measure(seed: int, *, progress, steps: int) -> dict[str, list[float]]:
    """steps: of the largest batch, and of all at equal steps."""
    largest = accuracy_after(seed, SIZES[-1], steps, lambda x: progress(x, f"batch {SIZES[-1]}"))

    def ladder(longer: bool) -> list[float]:
        return [
            accuracy_after(
                seed, size, steps * SIZES[-1] // size if longer else steps, lambda x, n=size: progress(x, f"batch {n}")
            )
            for size in SIZES[:-1]
        ] + [largest]

    return {"equal_steps": ladder(False), "equal_pictures": ladder(True)}


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: the largest batch beats the smallest by 0.05 or more in every seed, at equal steps and at equal pictures.
    Fails: by less than 0.05 on average at equal steps. Else partly."""
    gain = {
        name: figures[name].values[:, -1] - figures[name].values[:, 0] for name in ("equal_steps", "equal_pictures")
    }
    told = "；".join(
        f"{said}，每批 16、32、64、128 对：{'、'.join(f'{x:.1%}' for x in figures[name].mean)}"
        f"（最大减最小 {gain[name].mean():+.1%}，最少 {gain[name].min():+.1%}）"
        for name, said in (("equal_steps", "步数相同"), ("equal_pictures", "图片数相同"))
    )
    if gain["equal_steps"].mean() < 0.05:
        return Verdict("fails", f"步数相同时，大批次也没有更好。{told}。")
    if all((each >= 0.05).all() for each in gain.values()):
        return Verdict("holds", f"{told}。")
    return Verdict("partly", f"步数相同时大批次更好，看过的图片一样多时不是。{told}。")


CLAIM = Claim(
    id="C15c",
    chapter="11",
    title="批次大，负样本多，就更好吗",
    statement="批次越大，每一步的负样本越多，正确率越高：步数相同是这样，看过的图片一样多也是这样。",
    question="每批 16 对和 128 对，步数相同，哪个好？看过的图片一样多呢？",
    refuted_if="步数相同时，最大的批次平均只比最小的好不到 0.05。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 8},
    full={"steps": 120},
    quick_seeds=(0,),
    labels={
        "equal_steps": "没见过的组合在 240 句里选对的比例，步数相同：每批 16、32、64、128 对",
        "equal_pictures": "同上，图片数相同",
    },
    limits="描述只有 240 种，一批 128 对里本来就有重复，重复的当作正样本；学习率都相同，大批次也许该用更大的。"
    "真实规模一批 32,768 对，图和文字几乎不重复。",
)
