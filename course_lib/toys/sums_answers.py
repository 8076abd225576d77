"""What a model answers to sums, and how often that is right: greedy, or drawn from its distribution.

B questions
Read first: sums.py, posttraining/rollout.py.  Chapters 19 and 23.
"""

from collections.abc import Sequence

import torch

from course_lib.decoding.sampling import sample as draw
from course_lib.models.gpt2 import GPT2
from course_lib.posttraining.rollout import fastest_reader, left_padded
from course_lib.toys import sums
from course_lib.toys.sums import Question

LONGEST = 6  # tokens of an answer: three digits and the end fit


def written(
    model: GPT2,
    questions: Sequence[Question],
    *,
    sample: bool = False,
    seed: int = 0,
    n_new: int = LONGEST,
    end: int | None = None,
) -> list[list[int]]:
    """What the model writes behind each prompt, n_new tokens whatever they are. end: what is written after it is left
    out. sample: drawn from the model's distribution; else the likeliest token each time."""
    ids, is_token = left_padded([sums.chat().prompt(each) for each in questions], sums.chat().end)
    rows = draw(
        fastest_reader(model, ids.shape[1] + n_new, is_token),
        ids,
        n_new,
        end=end,
        temperature=1.0 if sample else 0.0,
        generator=torch.Generator().manual_seed(seed),
    ).tolist()
    return [row[: row.index(end) + 1] if end in row else row for row in rows]


def answers(
    model: GPT2, questions: Sequence[Question], *, sample: bool = False, seed: int = 0, n_new: int = LONGEST
) -> list[str]:
    """Up to the end, which is not shown; cut after n_new tokens where none comes."""
    end = sums.chat().end
    found = written(model, questions, sample=sample, seed=seed, n_new=n_new, end=end)
    return [sums.decode(row[:-1] if row[-1] == end else row) for row in found]


def accuracy(model: GPT2, questions: Sequence[Question], *, sample: bool = False, seed: int = 0) -> float:
    """Share of answers that are the right number and nothing else."""
    said = answers(model, questions, sample=sample, seed=seed)
    return sum(sums.reward(text, sums.right(each)) for text, each in zip(said, questions)) / len(questions)
