"""C10e: a leak looks like a great loss. Four bugs in the training of a translator, each one line.

Vaswani et al. 2017 (arXiv:1706.03762), section 3.1 and 3.2.3: the target goes in shifted by one, later places are
masked, and cross-attention takes its keys and values from the encoder.  Chapter 06.

Each suspect is trained on numbers of one to four digits and judged twice: teacher-forced, as in training, with the true
words before each place; and free-running, when it reads the words that it has written itself.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_lib.chapters.ch06_transformer.numerals import END_ID, START_ID, Pair, decode_target, encode, pairs
from course_lib.chapters.ch06_transformer.numerals_zoo import PAD_ID, numeral_batch, numeral_config, token_losses
from course_lib.course.claims.core import Claim, Summary, Verdict
from course_lib.models.transformer import DecoderLayer, Transformer, shift_right
from course_lib.training.loop import train

BUGS = ("healthy", "no_shift", "no_mask", "from_itself", "double_shift")
MAX_DIGITS = 4
SIZE = 64
LR = 6e-3


class SeesTheFuture(DecoderLayer):
    """Bug: no causal mask in the decoder's self-attention."""

    def forward(self, x, encoded, may_read, maps=None):
        x = self.around_attention(x, self.attention)
        x = self.around_cross_attention(x, lambda x: self.cross_attention(x, encoded, may_read))
        return self.around_feedforward(x, self.feedforward)


class ReadsItself(DecoderLayer):
    """Bug: cross-attention takes keys and values from the decoder, and the source is never read."""

    def forward(self, x, encoded, may_read, maps=None):
        may_attend = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        x = self.around_attention(x, lambda x: self.attention(x, may_attend=may_attend))
        x = self.around_cross_attention(x, lambda x: self.cross_attention(x, x, may_attend))
        return self.around_feedforward(x, self.feedforward)


LAYERS = {"no_mask": SeesTheFuture, "from_itself": ReadsItself}


def read_and_expected(bug: str, target: Int[Tensor, "B T"]) -> tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]:
    """What the decoder is given in training, and what it is asked for at each place."""
    if bug == "no_shift":
        return target, target
    if bug == "double_shift":  # the loss moves the labels once more: place t is asked for token t + 1
        return shift_right(target, START_ID)[:, :-1], target[:, 1:]
    return shift_right(target, START_ID), target


def build(bug: str, seed: int) -> Transformer:
    torch.manual_seed(seed)
    config = numeral_config(d_model=32, n_layers=1, d_hidden=64)
    model = Transformer(config)
    layer = LAYERS.get(bug)
    if layer is not None:
        weights = model.decoder.state_dict()
        model.decoder = nn.ModuleList(layer(config) for _ in range(config.n_layers))
        model.decoder.load_state_dict(weights)
    return model


def train_suspect(bug: str, seed: int, steps: int, progress=iter) -> tuple[Transformer, list[float]]:
    """A translator with this bug, and its training loss at every step."""
    model = build(bug, seed)

    def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Float[Tensor, ""]:
        source, target = batch
        read, expected = read_and_expected(bug, target)
        return token_losses(model(source, read, source != PAD_ID), expected)

    batches = (numeral_batch(seed, step, SIZE, max_digits=MAX_DIGITS, percent_dates=0) for step in range(steps))
    history = train(model, batches, steps=steps, lr=LR, loss=loss, progress=progress, history=[])
    return model.eval(), history


@torch.no_grad()
def teacher_forced(model: Transformer, bug: str, test: list[Pair]) -> tuple[float, float]:
    """Loss in nats and share of right tokens, both as the training sees them."""
    source, target = encode(test)
    read, expected = read_and_expected(bug, target)
    logits = model(source, read, source != PAD_ID)
    is_token = expected != PAD_ID
    right = (logits.argmax(-1) == expected)[is_token]
    return token_losses(logits, expected).item(), right.float().mean().item()


@torch.no_grad()
def write_freely(model: Transformer, test: list[Pair], longest: int = MAX_DIGITS + 2) -> list[str]:
    """What the model writes when it reads its own words; without a cache, so that every bug stays as it was trained."""
    source, _ = encode(test)
    written = torch.full((len(test), 1), START_ID)
    for _ in range(longest):
        token = model(source, written, source != PAD_ID)[:, -1].argmax(-1)
        written = torch.cat([written, token[:, None]], dim=1)
    return [decode_target(ids) for ids in written[:, 1:].tolist()]


def moved_by_the_future(model: Transformer, test: list[Pair]) -> float:
    """How far logits move when a later token of what the decoder reads is changed."""
    source, target = encode(test)
    read = shift_right(target, START_ID)
    changed = read.clone()
    changed[:, -1] = END_ID
    changed[:, -2] = START_ID
    with torch.no_grad():
        before, after = (model(source, ids, source != PAD_ID)[:, :-2] for ids in (read, changed))
    return (before - after).abs().max().item()


def moved_by_the_source(model: Transformer, test: list[Pair]) -> float:
    """How far logits move when every source is replaced by another one."""
    source, target = encode(test)
    read = shift_right(target, START_ID)
    with torch.no_grad():
        before, after = (model(ids, read, ids != PAD_ID) for ids in (source, source.roll(1, 0)))
    return (before - after).abs().max().item()


def measure(seed: int, *, progress, steps: int) -> dict[str, list[float]]:
    """By bug, in the order of BUGS: teacher-forced loss and accuracy, exact match when free-running, two probes."""
    test = pairs(seed, "held out", 500, max_digits=MAX_DIGITS, percent_dates=0)
    rows = []
    for bug in BUGS:
        model, history = train_suspect(bug, seed, steps, lambda each, bug=bug: progress(each, bug))
        loss, accuracy = teacher_forced(model, bug, test)
        free = sum(said == pair.target for said, pair in zip(write_freely(model, test), test)) / len(test)
        early = sum(history[steps // 8 : steps // 4]) / len(history[steps // 8 : steps // 4])
        rows.append((loss, early, accuracy, free, moved_by_the_future(model, test), moved_by_the_source(model, test)))
    names = ("loss", "early_loss", "teacher_forced", "free_running", "future_moves", "source_moves")
    return dict(zip(names, map(list, zip(*rows))))


def judge(figures: dict[str, Summary]) -> Verdict:
    """Each seed is asked: is the leak's loss lower than the healthy model's, does it write at most one number in ten
    right? Holds: both leaks in every seed, and the healthy one writes 90 % right. Fails: a leak writes half as well as
    the healthy one on average, or neither leak has the lower loss in more than half of the seeds. Else partly."""
    loss, free = figures["loss"].values, figures["free_running"].values
    healthy, leaks = free[:, 0], free[:, 1:3]
    lower = loss[:, 1:3] < loss[:, :1]
    n_seeds = len(loss)

    def each_seed(values: np.ndarray, form: str) -> str:
        return "、".join(format(value, form) for value in values)

    told = "；".join(
        f"{name}：{each_seed(loss[:, bug], '.1e')}，其中 {count} 个比正常的低，"
        f"自己写全对 {each_seed(free[:, bug], '.1%')}"
        for bug, name, count in zip((1, 2), ("没有右移", "没有因果掩码"), lower.sum(0))
    )
    others = "；".join(
        f"{name}：{each_seed(loss[:, bug], '.1e')}，自己写全对 {each_seed(free[:, bug], '.1%')}"
        for bug, name in ((3, "交叉注意力读自己"), (4, "移了两次"))
    )
    measured = (
        f"{n_seeds} 个种子的损失，正常：{each_seed(loss[:, 0], '.1e')}，自己写全对 {each_seed(healthy, '.1%')}；"
        f"{told}。另外两种，{others}。"
    )
    if (leaks.mean(0) >= 0.5 * healthy.mean()).any() or not (lower.mean(0) > 0.5).any():
        return Verdict("fails", f"漏题的模型没有露出“损失好、自己写差”的样子。{measured}")
    if lower.all() and (leaks <= 0.1).all() and (healthy >= 0.9).all():
        return Verdict("holds", f"每个种子里两种漏题都是损失更低、自己写得差。{measured}")
    return Verdict("partly", f"不是每个种子、每种漏题都是“损失更低、自己写更差”。{measured}")


CLAIM = Claim(
    id="C10e",
    chapter="06",
    title="漏题的损失好得可疑",
    statement="忘记右移或忘记因果掩码，训练损失比正确的模型还低，自己写时却几乎全错。",
    question="五个模型只差一行：正常、没有右移、没有因果掩码、交叉注意力读自己、标签移了两次。"
    "每个种子里，训练时的损失和自己写的正确率各是多少？",
    refuted_if="漏题的模型自己写的正确率达到正常模型的一半，或没有一种漏题在半数以上的种子里损失更低。",
    seeds=(10, 11, 12),
    measure=measure,
    judge=judge,
    quick={"steps": 120},
    full={"steps": 500},
    quick_seeds=(10,),
    labels={
        "loss": "按训练的算法算的损失（nat）：正常、没有右移、没有因果掩码、读自己、移两次",
        "early_loss": "训练到 1/8 至 1/4 时的损失（nat），同上五种",
        "teacher_forced": "给真的前文，每个 token 的正确率，同上五种",
        "free_running": "自己写，整句全对的比例，同上五种",
        "future_moves": "改后面的 token，前面的 logits 最多变多少，同上五种",
        "source_moves": "换一个源句，logits 最多变多少，同上五种",
    },
    limits="只有一层、宽 32 的小模型，一到四位数，三个种子；均值会被一个种子左右，所以逐个种子报告。"
    "任务的答案几乎由源句决定，“移了两次”也能学得很低；语言更随机时，它的损失会明显高于正常。"
    "真实规模上，移了两次的例子是 transformers 的 Florence-2、GIT。",
)
