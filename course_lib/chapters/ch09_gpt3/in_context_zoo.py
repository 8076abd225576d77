"""The models of chapter 09 that learn from examples: three sizes of GPT, trained on sequences that follow a task each.

N sequences · T tokens · V vocabulary
The pieces are separate, so that the chapter, its experiments and the recipes train the same models.
Read first: chapters/ch09_gpt3/in_context_tasks.py, models/gpt2.py, training/loop.py.  Chapter 09.
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_lib.chapters.ch09_gpt3.in_context_tasks import EXAMPLE, WORDS, sequences
from course_lib.models.gpt2 import GPT2, GPT2Config
from course_lib.training.loop import train

N_EXAMPLES = 9  # in a sequence: so many are asked after 0 … 8 examples
BATCH = 128  # at 32 the chance of the draw hides the way, and the same computing time gets half as far
SIZES = {
    name: GPT2Config(
        n_vocab=len(WORDS), context=EXAMPLE * N_EXAMPLES, d_model=d_model, n_layers=n_layers, n_heads=n_heads
    )
    for name, d_model, n_layers, n_heads in (("small", 16, 2, 2), ("medium", 32, 2, 4), ("large", 64, 3, 4))
}
PEAK_LR = {"small": 1e-2, "medium": 1e-2, "large": 5e-3}  # smaller for larger models, as in GPT-3's table 2.1
STEPS = 500


def task_batch(seed: int, step: int) -> Int[Tensor, "N T"]:
    """The sequences of one step, of tasks that may be trained on: a pure function of seed and step."""
    return sequences(BATCH, N_EXAMPLES, "train", torch.Generator().manual_seed(10**6 * (seed + 1) + step))


def unseen_tasks(seed: int, n: int = 2000) -> Int[Tensor, "n T"]:
    """Sequences of tasks that are never trained on."""
    return sequences(n, N_EXAMPLES, "held out", torch.Generator().manual_seed(seed))


def answer_loss(model: nn.Module, ids: Int[Tensor, "N T"]) -> Float[Tensor, ""]:
    """Next-token loss where an answer comes next; which colour is asked cannot be known, and is not counted."""
    logits, targets = model(ids[:, :-1])[:, EXAMPLE - 2 :: EXAMPLE], ids[:, EXAMPLE - 1 :: EXAMPLE]
    return cross_entropy(logits.flatten(0, 1), targets.flatten())


def train_on_tasks(
    size: str, seed: int = 0, *, steps: int = STEPS, progress: Callable[[Iterable], Iterable] = iter
) -> GPT2:
    """A model of SIZES, trained by the visible loop."""
    if size not in SIZES:
        raise ValueError(f"size ({size!r}) must be one of {', '.join(SIZES)}")
    torch.manual_seed(seed)
    model = GPT2(SIZES[size])
    batches = (task_batch(seed, step) for step in range(steps))
    train(model, batches, steps=steps, lr=PEAK_LR[size], loss=answer_loss, progress=progress, history=[])
    return model.eval()
