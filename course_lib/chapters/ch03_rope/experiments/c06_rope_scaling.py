"""C06: RoPE alone extrapolates badly; interpolation, NTK-aware and YaRN scaling on the test of C04a.

Sources: Chen et al. 2023 (arXiv:2306.15595); bloc97 2023 and Peng et al. 2023 (arXiv:2309.00071).  Chapter 03.
The scalings are put into a trained model and nothing is tuned; interpolation, which its authors tune for 1000 steps,
is then also tuned for a few, and so is plain RoPE for comparison.
"""

from copy import deepcopy

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.rope_scaling import ntk_aware, position_interpolation, yarn
from course_lib.toys.position_schemes import RotaryScheme
from course_lib.toys.reading_further import (
    CONFIG,
    LONGEST,
    PEAK_LR,
    TIMES,
    TRAINED_LENGTH,
    in_bins,
    loss_at,
    loss_by_position,
    trained_model,
)
from course_lib.toys.tiny_lm import TinyLM
from course_lib.toys.topic_text import topic_texts
from course_lib.training.loop import train

SCALINGS = ("PI", "NTK", "YaRN")


def scaled(name: str, factor: float) -> RotaryScheme:
    """RoPE stretched for texts `factor` times as long as trained."""
    if name == "YaRN":
        freqs, attention_factor = yarn(CONFIG.d_head, factor, trained_length=TRAINED_LENGTH)
        return RotaryScheme(freqs.float(), attention_factor)
    stretch = {"PI": position_interpolation, "NTK": ntk_aware}[name]
    return RotaryScheme(stretch(CONFIG.d_head, factor).float())


def measure(seed: int, *, progress, steps: int, batch: int, n_texts: int, tuning_steps: int) -> dict[str, list[float]]:
    """Loss at L, 2L, 4L, 8L for plain RoPE and for each scaling with the factor that fits; and its price at L."""
    model = trained_model("rope", seed, steps=steps, batch=batch, progress=progress)
    plain = model.positions
    losses = loss_by_position(model, seed, n_texts)
    at = [loss_at(losses, times) for times in TIMES]
    figures = {"loss_plain": at, "ratio_plain": [value / at[0] for value in at[1:]], "along_plain": in_bins(losses)}
    for name in SCALINGS:
        stretched, short = at[:1], []
        for times in TIMES[1:]:
            model.positions = scaled(name, times)
            losses = loss_by_position(model, seed, n_texts, times * TRAINED_LENGTH)
            stretched.append(loss_at(losses, times))
            short.append(loss_at(losses, 1))
        figures[f"loss_{name}"] = stretched
        figures[f"ratio_{name}"] = [value / at[0] for value in stretched[1:]]
        figures[f"short_{name}"] = short
        figures[f"along_{name}"] = in_bins(losses)
    for name, positions in (("plain", plain), ("PI", scaled("PI", TIMES[-1]))):
        tuned = deepcopy(model)
        tuned.positions = positions
        tune(tuned, seed, tuning_steps, progress)
        figures[f"tuned_{name}"] = loss_at(loss_by_position(tuned, seed, n_texts), TIMES[-1])
    return figures


def tune(model: TinyLM, seed: int, steps: int, progress) -> None:
    """A few steps on texts of 8L, as many letters a step as 16 texts of 2L."""
    batches = topic_texts(seed, "tune", 4 * steps, LONGEST).split(4)
    train(model, batches, steps=steps, lr=PEAK_LR / 4, progress=lambda each: progress(each, "tune"), history=[])


def judge(figures: dict[str, Summary]) -> Verdict:
    """Two statements. RoPE alone: at least 1.5 times the loss at 2L, 4L and 8L in every seed. Each scaling helps: a
    lower loss than plain RoPE at 2L, 4L and 8L in every seed."""
    plain = figures["loss_plain"].values
    alone = bool((figures["ratio_plain"].values >= 1.5).all())
    names = {"PI": "位置内插", "NTK": "NTK-aware", "YaRN": "YaRN"}
    helps = {name: bool((figures[f"loss_{name}"].values[:, 1:] < plain[:, 1:]).all()) for name in names}

    def lengths(name: str) -> str:
        return " / ".join(f"{ratio:.2f}" for ratio in figures[f"ratio_{name}"].mean)

    rows = "；".join(f"{words} {lengths(name)}" for name, words in names.items())
    measured = (
        f"在 2L / 4L / 8L 处的损失是 L 处的几倍：RoPE 原样 {lengths('plain')}；不再训练，只换频率：{rows}。"
        f"代价：为 8L 拉伸后读 L 以内，损失由 {plain[:, 0].mean():.2f} 变成 "
        + "、".join(f"{figures[f'short_{name}'].mean[-1]:.2f}（{words}）" for name, words in names.items())
        + f"。在 8L 上微调几十步后，8L 处的损失：位置内插 {figures['tuned_PI'].mean:.2f}，"
        f"RoPE 原样 {figures['tuned_plain'].mean:.2f}。"
    )
    level = 1.5 * plain[:, 0].mean()

    def reach(name: str) -> int:
        """Where the loss of what was stretched for 8L first exceeds 1.5 times the loss at L; bins of 8 positions."""
        above = figures[f"along_{name}"].mean > level
        above[0] = False  # the first letters are hard for everybody
        return 8 * int(above.argmax()) if above.any() else 8 * len(above)

    reached = "、".join(f"{words} {reach(name)}" for name, words in names.items())
    measured += (
        f"为 8L 拉伸、不再训练，损失升过 1.5 倍的位置：{reached}（RoPE 原样 {reach('plain')}）。"
        f"8L 处最低的也有 {min(figures[f'loss_{name}'].mean[-1] for name in names):.2f} nat，瞎猜是 2.08 nat。"
    )
    better = "、".join(words for name, words in names.items() if helps[name])
    kept = "、".join(words for name, words in names.items() if figures[f"ratio_{name}"].mean[0] < 1.5) or "没有一种"
    if not alone and not better:
        return Verdict("fails", f"RoPE 自己没有明显变差，三种拉伸也没有一种处处更好。{measured}")
    if alone and all(helps.values()):
        return Verdict(
            "holds", f"RoPE 自己外推得差，三种拉伸在三个长度上都更好；2L 处还在 1.5 倍以内的：{kept}。{measured}"
        )
    first = "RoPE 自己外推得差" if alone else "RoPE 自己没有处处变差到 1.5 倍"
    second = f"不再训练、每个种子在三个长度上都比原样低的只有{better}" if better else "没有一种拉伸处处比原样低"
    return Verdict("partly", f"{first}；{second}；2L 处还在 1.5 倍以内的：{kept}。{measured}")


CLAIM = Claim(
    id="C06",
    chapter="03",
    title="RoPE 的长度外推与拉伸",
    statement="RoPE 自己外推得也差；位置内插、NTK-aware、YaRN 不用再训练就能让它读得更远。",
    question="与 C04a 同一个测验：RoPE 原样读到 2L、4L、8L 会怎样？换上三种拉伸后的频率又会怎样？",
    refuted_if="RoPE 原样在更长处不到 L 处的 1.5 倍；或某种拉伸在某个长度上不比原样好。",
    seeds=(0, 1, 2),
    measure=measure,
    judge=judge,
    quick={"steps": 200, "batch": 16, "n_texts": 32, "tuning_steps": 20},
    full={"steps": 400, "batch": 32, "n_texts": 256, "tuning_steps": 60},
    quick_seeds=(0,),
    labels={
        f"{kind}_{name}": f"{words}，{shown}"
        for kind, words in (
            ("loss", "L、2L、4L、8L 处的损失（nat）"),
            ("ratio", "2L、4L、8L 处的损失 / L 处的损失"),
            ("short", "为 2L、4L、8L 拉伸后，L 处的损失（nat）"),
            ("along", "沿文本每 8 个位置的损失（nat）"),
            ("tuned", "在 8L 上微调之后，8L 处的损失（nat）"),
        )
        for name, shown in (("plain", "RoPE 原样"), ("PI", "位置内插"), ("NTK", "NTK-aware"), ("YaRN", "YaRN"))
        if f"{kind}_{name}" not in ("short_plain", "tuned_NTK", "tuned_YaRN")  # not measured
    },
    limits="L = 32、每个头 16 维，只有 8 个频率，其中 2 个在 L 内转满一圈；大模型有 64 个频率、"
    "训练长度以千计，内插之后邻近词的角度差也许仍然分得开，这里没有测。论文里的位置内插本来就要微调。",
)
