"""C04a: trained at length L, read at 2L, 4L, 8L: which position scheme keeps its loss?

Sources: Vaswani et al. 2017 (arXiv:1706.03762), section 3.5, "may allow the model to extrapolate"; slides, 位置编码,
长度外推性差; Press et al. 2021 (arXiv:2108.12409) for ALiBi.  Chapter 02.
"""

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.toys.reading_further import SCHEMES, TIMES, in_bins, loss_at, loss_by_position, trained_model


def measure(seed: int, *, progress, steps: int, batch: int, n_texts: int) -> dict[str, list[float]]:
    """Loss at L, 2L, 4L, 8L, its ratio to the loss at L, and the loss along the longest texts."""
    figures = {}
    for scheme in SCHEMES:
        model = trained_model(scheme, seed, steps=steps, batch=batch, progress=progress)
        losses = loss_by_position(model, seed, n_texts)
        at = [loss_at(losses, times) for times in TIMES]
        figures[f"loss_{scheme}"] = at
        figures[f"ratio_{scheme}"] = [value / at[0] for value in at[1:]]
        figures[f"along_{scheme}"] = in_bins(losses)
    return figures


def judge(figures: dict[str, Summary]) -> Verdict:
    """The slides' sentence is about sinusoidal positions: at 2L, 4L and 8L in every seed at least 1.5 times the loss
    at L. Refuted if the mean ratio stays below 1.1 at all three lengths."""
    names = {"none": "无位置", "learned": "学习式", "sinusoidal": "正弦", "rope": "RoPE", "alibi": "ALiBi"}
    table = "；".join(
        f"{names[scheme]} {' / '.join(f'{ratio:.2f}' for ratio in figures[f'ratio_{scheme}'].mean)}"
        f"（L 以内 {figures[f'loss_{scheme}'].mean[0]:.2f}）"
        for scheme in names
    )
    ratio = figures["ratio_sinusoidal"]
    measured = f"在 2L / 4L / 8L 处的损失是 L 处的几倍：{table}。"
    measured += f"正弦在 2L 处的损失是 {figures['loss_sinusoidal'].mean[1]:.2f} nat，八个字母里瞎猜是 2.08 nat。"
    if (ratio.mean < 1.1).all():
        return Verdict("fails", f"正弦位置编码在训练长度之外几乎不变差。{measured}")
    if (ratio.values >= 1.5).all():
        return Verdict("holds", f"正弦位置编码在训练长度之外明显变差。{measured}")
    return Verdict("partly", f"正弦位置编码在训练长度之外变差，但不是处处、每个种子都超过 1.5 倍。{measured}")


CLAIM = Claim(
    id="C04a",
    chapter="02",
    title="正弦位置编码的长度外推",
    statement="正弦位置编码的长度外推性差：在长度 L 上训练，读更长的文本时损失明显上升。",
    question="原论文选正弦的理由之一是它也许能外推。"
    "只在 L = 32 个字母的文本上训练，读到 64、128、256 个字母时，五种位置方案的损失各变成几倍？",
    refuted_if="正弦位置编码在 2L、4L、8L 处的平均损失都不到 L 处的 1.1 倍。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 200, "batch": 16, "n_texts": 32},
    full={"steps": 400, "batch": 32, "n_texts": 256},
    quick_seeds=(0,),
    labels={
        f"{kind}_{scheme}": f"{words}，{name}"
        for kind, words in (
            ("loss", "L、2L、4L、8L 处的损失（nat）"),
            ("ratio", "2L、4L、8L 处的损失 / L 处的损失"),
            ("along", "沿文本每 8 个位置的损失（nat）"),
        )
        for scheme, name in (
            ("none", "无位置"),
            ("learned", "学习式"),
            ("sinusoidal", "正弦"),
            ("rope", "RoPE"),
            ("alibi", "ALiBi"),
        )
    },
    limits="两层、64 维、一种人造语言；没有测大模型，也没有测长文本里真正需要远处信息的任务，"
    "而 ALiBi 的好成绩正来自它偏爱近处。学习式位置在 L 之外的行从未训练，读到的是初始的随机数。"
    "比值看不出模型本来好不好（无位置的比值小，是因为它在 L 以内就差），所以同时给出损失本身。",
)
