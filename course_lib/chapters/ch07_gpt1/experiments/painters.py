"""What C11, C11b and C11c share: a tiny GPT-1 that has read inventories without labels, and the labelled task."""

import torch
from jaxtyping import Int
from torch import Tensor

from course_lib.chapters.ch07_gpt1.fine_tuning import accuracy, fine_tune
from course_lib.chapters.ch07_gpt1.gpt1_tasks import GPT1Task, Marks, with_new_tokens
from course_lib.chapters.ch07_gpt1.painters import PAINTERS, WORDS, inventories
from course_lib.models.gpt1 import GPT1, GPT1Config
from course_lib.training.loop import train

CONFIG = GPT1Config(n_vocab=len(WORDS), context=24, d_model=64, n_layers=2, n_heads=4)
MARKS = Marks(start=len(WORDS), delimiter=len(WORDS) + 1, extract=len(WORDS) + 2)
N_THINGS, N_THINGS_UNLABELLED, BATCH, N_TEST = 4, 8, 64, 1000
PRETRAINING_LR, TUNING_LR, SCRATCH_LR = 3e-3, 1e-3, 3e-3


def pretrained(seed: int, steps: int, progress=iter) -> tuple[GPT1, list[float]]:
    """A GPT-1 after `steps` batches of unlabelled text, with room for the three marks; and its losses, nats a token."""
    torch.manual_seed(seed)
    gpt = GPT1(CONFIG)
    texts, _ = inventories(seed, "unlabelled", steps * BATCH, N_THINGS_UNLABELLED)
    losses = train(gpt, texts.split(BATCH), steps=steps, lr=PRETRAINING_LR, progress=progress, history=[])
    return with_new_tokens(gpt, 3), losses


def fresh(seed: int) -> GPT1:
    """The same model, never trained."""
    torch.manual_seed(seed + 1000)
    return with_new_tokens(GPT1(CONFIG), 3)


def labelled(seed: int, part: str, n: int, place: int | None = None) -> tuple[Int[Tensor, "n 1 T"], Int[Tensor, " n"]]:
    """n classification texts <start> … <extract> and who painted. place: <extract> stands behind that many things."""
    texts, painters = inventories(seed, part, n, N_THINGS)
    cut = texts.shape[1] if place is None else 2 * place
    start, extract = (torch.full((n, 1), mark) for mark in (MARKS.start, MARKS.extract))
    return torch.cat([start, texts[:, :cut], extract, texts[:, cut:]], dim=1)[:, None], painters


def tuned_accuracy(
    gpt: GPT1,
    seed: int,
    n_labels: int,
    *,
    steps: int,
    lr: float,
    lm_weight: float = 0.0,
    place: int | None = None,
    task: type[GPT1Task] = GPT1Task,
    progress=iter,
) -> tuple[float, float]:
    """Accuracy on unseen and on the labelled texts after fine-tuning a copy of gpt on n_labels texts."""
    torch.manual_seed(seed)
    model = task(with_new_tokens(gpt, 0), MARKS, len(PAINTERS))
    ids, painters = labelled(seed, "labelled", n_labels, place)
    fine_tune(model, ids, painters, steps=steps, lr=lr, lm_weight=lm_weight, seed=seed, progress=progress)
    return accuracy(model, *labelled(seed, "test", N_TEST, place)), accuracy(model, ids, painters)
