"""A base model that goes on with papers full of sums learns to answer in a chat, under masks right and wrong.

T tokens · B conversations
    model = learning.train(lambda step: learning.rendered(sums.talks(BATCH, step)), history=[])
    learning.accuracy(model, sums.questions("held-out"))
The base (zoo: sums-base) has read sums.pages and not one conversation. Read first: toys/sums.py, posttraining/sft.py.
Chapter 19.
"""

from collections.abc import Callable, Sequence
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course_lib import zoo
from course_lib.models.gpt2 import GPT2
from course_lib.posttraining.chat import Message, Rendered
from course_lib.posttraining.log_probs import answer_log_probs, token_log_probs
from course_lib.posttraining.sft import n_targets, padded, sft_loss
from course_lib.toys import sums
from course_lib.toys.sums import Demonstrator, Question
from course_lib.toys.sums_answers import accuracy, answers, written  # noqa: F401  the chapter's page has them from here
from course_lib.training import engine
from course_lib.training.step import Settings

BATCH, STEPS, LR = 64, 150, 3e-3


def base() -> GPT2:
    """Anew each time: it may be trained on."""
    return zoo.load("sums-base", progress=False)


def rendered(conversations: Sequence[Sequence[Message]], mask: str = "只有回答") -> list[Rendered]:
    return [MASKS[mask](sums.chat().render(each)) for each in conversations]


def batch(texts: Sequence[Rendered]) -> dict[str, Tensor]:
    return padded(texts, sums.chat().end)


def train(
    texts: Callable[[int], Sequence[Rendered]],
    *,
    history: list[float],
    start: GPT2 | None = None,
    steps: int = STEPS,
    lr: float = LR,
    collate: Callable[[Sequence[Rendered]], dict[str, Tensor]] = batch,
    loss: Callable[[nn.Module, dict[str, Tensor]], Tensor] = sft_loss,
) -> GPT2:
    """SFT: texts(step) are learned at each step. start: default the base; it is trained in place, and returned in eval
    mode. The losses are put behind history. Raises KeyboardInterrupt on Ctrl-C."""
    model = base() if start is None else start
    run = engine.train(
        model,
        lambda step: collate(texts(step)),
        Settings(steps=steps, lr=lr),
        loss=loss,
        weigh=n_targets,
        progress=False,
    )
    history += run.history
    if run.interrupted:
        raise KeyboardInterrupt
    return model.eval()


def from_demonstrator(
    p: float, error: str = "random", seed: int = 0, *, steps: int = STEPS, history: list[float] | None = None
) -> GPT2:
    """The base after SFT on a demonstrator who is right in a share p of its answers; seed: of what it is asked and
    answers. Learned are only the last block's feed-forward and the last norm: where all weights learn, many errors
    ruin in a few steps what the base knows of sums."""
    teacher, model = Demonstrator(p, error), base().requires_grad_(False)
    for part in (model.blocks[-1].feedforward, model.norm_out):
        part.requires_grad_(True)
    model = train(
        lambda step: rendered(teacher.conversations(BATCH, 100_000 * seed + step)),
        history=[] if history is None else history,
        start=model,
        steps=steps,
        lr=1e-2,
    )
    return model.requires_grad_(True)


@torch.no_grad()
def confidence(model: GPT2, questions: Sequence[Question]) -> Float[Tensor, " B"]:
    """Probability of each greedy answer as a whole, its end included."""
    prompts = [sums.chat().prompt(each) for each in questions]
    said = written(model, questions, end=sums.chat().end)
    texts = [Rendered(a + b, [False] * len(a) + [True] * len(b)) for a, b in zip(prompts, said)]
    rows = batch(texts)
    log_probs = token_log_probs(model(rows["ids"], is_token=rows["is_token"]), rows["ids"])
    return answer_log_probs(log_probs, rows["is_answer"]).exp()


@cache
def exam(split: str = "held-out", n: int = 300) -> tuple[Question, ...]:
    """Always the same."""
    return tuple(sums.questions(split, n, seed=1))


def without_end(text: Rendered) -> Rendered:
    """Masks every id of padding, which is <|im_end|> (huggingface/trl#3091): the end is never learned."""
    return Rendered(text.ids, [mine and i != sums.chat().end for i, mine in zip(*text)])


def only_end(text: Rendered) -> Rendered:
    return Rendered(text.ids, [mine and i == sums.chat().end for i, mine in zip(*text)])


def all_of_it(text: Rendered) -> Rendered:
    return Rendered(text.ids, [True] * len(text.ids))


def late(text: Rendered) -> Rendered:
    """Each mark a token late: the answer's first word is not learned, the line break behind its end is."""
    return Rendered(text.ids, [False, *text.is_answer[:-1]])


def the_users(text: Rendered) -> Rendered:
    """Upside down: learned is what the assistant did not write."""
    return Rendered(text.ids, [not mine for mine in text.is_answer])


MASKS: dict[str, Callable[[Rendered], Rendered]] = {
    "只有回答": lambda text: text,
    "少了结束": without_end,
    "只学结束": only_end,
    "全部都学": all_of_it,
    "错一位": late,
    "学反了": the_users,
}
