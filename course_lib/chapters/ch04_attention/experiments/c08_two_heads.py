"""C08: a task that one head cannot solve in one attention layer and two heads can, with the same parameters.

Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.2: with a single head, averaging inhibits attending to different
positions at once; slides, 多头注意力.  Chapter 04.

At every position t >= 3 name two letters, in order: the one 1 step back and the one 3 steps back. A head hands on one
average of values, at best w x[t-1] + (1 - w) x[t-3]. Let letters a and b stand at the two places in either order, with
ratios w / (1 - w) of r and s. A linear read-out that is right on aa and bb then names the near letter in both orders
only if r s > 1, and the far letter only if r s < 1: of the four contexts aa, bb, ab, ba one is always read wrongly,
however wide the head. Two heads hand on two averages. A feedforward layer could undo one average: measured too.
"""

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu

from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.foundations.attention import MultiHeadAttention, causal_mask
from course_lib.foundations.embedding import Embedding
from course_lib.foundations.positions import LearnedPositions
from course_lib.training.loop import train

N_LETTERS = 8
LENGTH = 12
NEAR, FAR = 1, 3
D_MODEL = 32
HEADS = (1, 2, 4, 8)
BATCH = 64
PEAK_LR = 2e-2


class OneLayer(nn.Module):
    """Letters and positions, one attention layer, a linear read-out of two letters: ids [B T] -> logits [B T 2 V]."""

    def __init__(self, d_model: int, n_heads: int):
        super().__init__()
        self.letters = Embedding(N_LETTERS, d_model)
        self.positions = LearnedPositions(LENGTH, d_model)
        self.attention = MultiHeadAttention(d_model, n_heads)
        self.read_out = nn.Linear(d_model, 2 * N_LETTERS)
        for projection in self.attention.children():
            nn.init.normal_(projection.weight, std=d_model**-0.5)

    def attend(self, ids: Int[Tensor, "B T"]) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B H T T"]]:
        """What attention hands on, and its weights."""
        n_tokens = ids.shape[1]
        x = self.letters(ids) + self.positions(n_tokens)
        return self.attention(x, may_attend=causal_mask(n_tokens), return_weights=True)

    def between(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        return x

    def forward(self, ids: Int[Tensor, "B T"]) -> Float[Tensor, "B T 2 V"]:
        x, _ = self.attend(ids)
        return rearrange(self.read_out(self.between(x)), "B T (two V) -> B T two V", two=2)


class OneLayerAndFeedforward(OneLayer):
    """The same with a feedforward layer between attention and read-out."""

    def __init__(self, d_model: int, n_heads: int):
        super().__init__(d_model, n_heads)
        self.up = nn.Linear(d_model, 4 * d_model)
        self.down = nn.Linear(4 * d_model, d_model)

    def between(self, x):
        return x + self.down(gelu(self.up(x)))


def asked(logits: Float[Tensor, "B T 2 V"], ids: Int[Tensor, "B T"]) -> tuple[Tensor, Tensor]:
    """Logits [B T-3 2 V] and answers [B T-3 2] at the positions that have both letters behind them."""
    answers = torch.stack([ids[:, FAR - NEAR : -NEAR], ids[:, :-FAR]], dim=-1)
    return logits[:, FAR:], answers


def both_letters_loss(model: nn.Module, ids: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
    logits, answers = asked(model(ids), ids)
    return cross_entropy(logits.flatten(0, 2), answers.flatten())


@torch.no_grad()
def accuracy(model: nn.Module, ids: Int[Tensor, "B T"]) -> float:
    """Share of positions where both letters are right."""
    logits, answers = asked(model(ids), ids)
    return (logits.argmax(-1) == answers).all(-1).float().mean().item()


@torch.no_grad()
def weights_given(model: OneLayer, ids: Int[Tensor, "B T"]) -> list[float]:
    """Mean attention weight on the near and on the far letter."""
    _, weights = model.attend(ids)
    return [weights.diagonal(-back, -2, -1)[..., FAR - back :].mean().item() for back in (NEAR, FAR)]


def measure(seed: int, *, progress, steps: int) -> dict[str, float | list[float]]:
    """Accuracy by number of heads at equal parameters; of one head twice as wide; of one head with a feedforward.
    And what the one head gives to the near and to the far letter, without and with a feedforward layer."""

    def trained(kind: type[OneLayer], d_model: int, n_heads: int, label: str) -> OneLayer:
        torch.manual_seed(seed)
        model = kind(d_model, n_heads)
        chance = torch.Generator().manual_seed(seed)
        batches = torch.randint(N_LETTERS, (steps, BATCH, LENGTH), generator=chance)
        train(
            model,
            batches,
            steps=steps,
            lr=PEAK_LR,
            loss=both_letters_loss,
            progress=lambda each: progress(each, label),
            history=[],
        )
        return model

    test = torch.randint(N_LETTERS, (1000, LENGTH), generator=torch.Generator().manual_seed(1000 + seed))
    by_heads = [trained(OneLayer, D_MODEL, n_heads, f"{n_heads} heads") for n_heads in HEADS]
    feedforward = trained(OneLayerAndFeedforward, D_MODEL, 1, "feedforward")
    return {
        "accuracy": [accuracy(model, test) for model in by_heads],
        "parameters": [sum(each.numel() for each in model.attention.parameters()) for model in by_heads],
        "formula": 4 * D_MODEL**2 + 4 * D_MODEL,
        "accuracy_one_wide_head": accuracy(trained(OneLayer, 2 * D_MODEL, 1, "wide"), test),
        "accuracy_one_head_feedforward": accuracy(feedforward, test),
        "weights_one_head": weights_given(by_heads[0], test),
        "weights_one_head_feedforward": weights_given(feedforward, test),
    }


def judge(figures: dict[str, Summary]) -> Verdict:
    """Holds: in every seed one head is right at most half the time, wide or not, two heads at least 95 %, and every
    count of parameters is the formula's. Fails: one head reaches 95 % on average, or two do not reach 60 %, or a
    count is off."""
    one, two = figures["accuracy"].values[:, 0], figures["accuracy"].values[:, 1]
    wide, feedforward = (figures[f"accuracy_one_{name}"].values for name in ("wide_head", "head_feedforward"))
    formula = int(figures["formula"].values[0])
    if (figures["parameters"].values != formula).any():
        return Verdict("fails", f"参数量与公式 4d²+4d = {formula} 不符：{figures['parameters'].values.tolist()}。")
    heads = "、".join(f"{n} 头 {share:.0%}" for n, share in zip((1, 2, 4, 8), figures["accuracy"].mean))
    alone, helped = (figures[f"weights_{name}"].mean for name in ("one_head", "one_head_feedforward"))
    measured = (
        f"两个字母都答对的比例：{heads}，注意力的参数都是 4d²+4d = {formula} 个；一个两倍宽的头 {wide.mean():.0%}。"
        f"边界：一个头后面再加前馈层是 {feedforward.mean():.0%}："
        f"这时它给近处和远处的权重是 {helped[0]:.2f} 与 {helped[1]:.2f}，"
        f"没有前馈层时是 {alone[0]:.2f} 与 {alone[1]:.2f}。"
    )
    if min(one.mean(), two.mean()) >= 0.95:
        return Verdict("fails", f"一个头也做到了。{measured}")
    if two.mean() < 0.6:
        return Verdict("fails", f"两个头也没有做到。{measured}")
    if (one <= 0.5).all() and (wide <= 0.5).all() and (two >= 0.95).all():
        undone = "不等权的平均，前馈层能重新分开；" if feedforward.mean() >= 0.95 else ""
        return Verdict("holds", f"{measured}{undone}这里说的“一层”只指注意力加线性读出。")
    return Verdict("partly", f"一头和两头的差别没有在每个种子里都分明。{measured}")


CLAIM = Claim(
    id="C08",
    chapter="04",
    title="一个头做不到、两个头做得到的任务",
    statement="只有一层注意力、后面是线性读出时，同时要前 1 个和前 3 个字母：一个头做不到，参数相同的两个头做得到。",
    question="参数量相同，一个头、两个头、四个头、八个头，两个字母都答对的比例各是多少？把一个头加宽一倍有用吗？",
    refuted_if="一个头的正确率平均达到 95 %，或两个头不到 60 %，或参数量不等于 4d²+4d。",
    seeds=(0, 1, 2, 3, 4),
    measure=measure,
    judge=judge,
    quick={"steps": 120},
    full={"steps": 400},
    quick_seeds=(0,),
    labels={
        "accuracy": "两个字母都答对的比例：1、2、4、8 个头",
        "parameters": "注意力的参数量：1、2、4、8 个头",
        "formula": "公式 4d²+4d，d = 32",
        "accuracy_one_wide_head": "两个字母都答对的比例：一个头，宽度加倍",
        "accuracy_one_head_feedforward": "两个字母都答对的比例：一个头，后面加前馈层",
        "weights_one_head": "一个头给近处、远处字母的注意力权重",
        "weights_one_head_feedforward": "一个头给近处、远处字母的注意力权重，后面加前馈层",
    },
    limits="这是为了分出一头和两头而造的任务。真实模型每层都有前馈层，又有许多层，少一个头不会这样全无办法；"
    "乱猜一个字母的正确率是 1/8，两个都猜是 1/64。",
)
