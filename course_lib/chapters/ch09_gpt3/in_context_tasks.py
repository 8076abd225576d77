"""Tasks that are drawn anew for every sequence: what they are can only be learned from the examples in the sequence.

N sequences · E examples of each · T = 2 E tokens
A task gives each of four colours a made-up word of its own: 红 is 咕 here and 嘟 there; 8 × 7 × 6 × 5 = 1,680 tasks.
One in five is never trained on. The examples of a sequence share its task, their colours are drawn freely, and a prefix
of 2 k + 1 tokens is a k-shot question.  Chapter 09.
"""

import zlib
from collections.abc import Sequence
from itertools import permutations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_lib.foundations.checks import check_count

COLOURS = ("红", "蓝", "绿", "黄")
ANSWERS = ("咕", "哒", "咪", "嘟", "啪", "呜", "嘻", "哞")
WORDS = (*COLOURS, *ANSWERS)
FIRST_ANSWER = len(COLOURS)  # id of the first made-up word
EXAMPLE = 2  # tokens
HELD_OUT_PERCENT = 20


def is_held_out(task: Sequence[int]) -> bool:
    """Whether a task, the numbers 0 … 7 of four made-up words, is kept from training: the same fifth always."""
    return zlib.crc32(f"task {tuple(task)}".encode()) % 100 < HELD_OUT_PERCENT


def tasks(part: str) -> Int[Tensor, "n 4"]:
    """All tasks of part "train" or "held out": the made-up word 0 … 7 of each colour."""
    if part not in ("train", "held out"):
        raise ValueError(f"part ({part!r}) must be 'train' or 'held out'")
    return _TASKS[part]


def sequences(n: int, n_examples: int, part: str, generator: torch.Generator) -> Int[Tensor, "n T"]:
    """n sequences of n_examples, each of a task drawn from the part."""
    check_count("n_examples", n_examples, 1)
    table = tasks(part)
    return follow(table[torch.randint(len(table), (n,), generator=generator)], n_examples, generator)


def follow(task: Int[Tensor, "n 4"], n_examples: int, generator: torch.Generator) -> Int[Tensor, "n T"]:
    """A sequence of each of these tasks."""
    colour = torch.randint(len(COLOURS), (len(task), n_examples), generator=generator)
    return torch.stack([colour, task.gather(1, colour) + FIRST_ANSWER], dim=-1).flatten(1)


def best_possible(ids: Int[Tensor, "N T"]) -> Float[Tensor, "N E"]:
    """Chance to be right at each answer of one who knows how tasks are made, and remembers the examples.

    A colour seen before: 1. A new one after s different colours: one of the 8 - s words that are left.
    """
    colour = ids[:, ::EXAMPLE]
    before = torch.nn.functional.one_hot(colour, len(COLOURS)).cumsum(1).roll(1, dims=1)
    before[:, 0] = 0
    seen = before > 0
    known = seen.gather(-1, colour[..., None])[..., 0]
    return torch.where(known, 1.0, 1 / (len(ANSWERS) - seen.sum(-1)))


def say(ids: Int[Tensor, " T"]) -> str:
    """红→咕 蓝→嘟 红→, the last example perhaps without its answer."""
    words = [WORDS[i] for i in ids.tolist()]
    return " ".join("→".join([*words[i : i + EXAMPLE], ""][:EXAMPLE]) for i in range(0, len(words), EXAMPLE))


def read(prompt: str) -> Int[Tensor, " T"]:
    """The ids of what `say` says. Raises ValueError that names unknown words."""
    words = prompt.replace("→", " ").split()
    unknown = [word for word in words if word not in WORDS]
    if unknown:
        raise ValueError(f"unknown words {unknown}; the vocabulary is {', '.join(WORDS)}")
    return torch.tensor([WORDS.index(word) for word in words])


_TASKS = {
    part: torch.tensor([said for said in permutations(range(len(ANSWERS)), len(COLOURS)) if is_held_out(said) == kept])
    for part, kept in (("train", False), ("held out", True))
}
