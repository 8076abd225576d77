"""Sentences in which only the last word tells whom 它 means: 猫 追 老鼠 因为 它 很 饿 / 很 肥.

Both animals come from one list and never are the same, so a bag of the words does not tell chaser from chased; and
nothing left of 它 tells which of the two is meant. Chapter 04.
"""

import torch
from jaxtyping import Int
from torch import Tensor

ANIMALS = ("猫", "狗", "老鼠", "兔子", "狐狸", "公鸡", "狼", "羊")
VERBS = ("追", "盯", "等", "找")
ABOUT_THE_CHASER = ("饿", "馋", "凶", "急")
ABOUT_THE_CHASED = ("肥", "嫩", "香", "慢")
FRAME = ("因为", "它", "很")
WORDS = (*ANIMALS, *VERBS, *FRAME, *ABOUT_THE_CHASER, *ABOUT_THE_CHASED)
LENGTH = 7
PRONOUN = 4  # place of 它 in every sentence


def encode_words(sentence: str) -> Int[Tensor, " T"]:
    """Ids of a sentence whose words are parted by blanks. Raises ValueError that names unknown words."""
    unknown = [word for word in sentence.split() if word not in WORDS]
    if unknown:
        raise ValueError(f"unknown words {unknown}; the vocabulary is {', '.join(WORDS)}")
    return torch.tensor([WORDS.index(word) for word in sentence.split()])


def pronoun_sentences(n: int, generator: torch.Generator) -> tuple[Int[Tensor, "n 7"], Int[Tensor, " n"]]:
    """n sentences as ids, and the id of the animal that 它 means in each: half the time the first, half the second."""

    def draw(words: tuple[str, ...]) -> Int[Tensor, " n"]:
        ids = torch.tensor([WORDS.index(word) for word in words])
        return ids[torch.randint(len(words), (n,), generator=generator)]

    chaser = torch.randint(len(ANIMALS), (n,), generator=generator)
    apart = torch.randint(1, len(ANIMALS), (n,), generator=generator)
    chased = (chaser + apart) % len(ANIMALS)  # ids of the animals are 0 … 7
    means_chaser = torch.rand(n, generator=generator) < 0.5
    adjective = torch.where(means_chaser, draw(ABOUT_THE_CHASER), draw(ABOUT_THE_CHASED))
    because, it, very = (torch.full((n,), WORDS.index(word)) for word in FRAME)
    ids = torch.stack([chaser, draw(VERBS), chased, because, it, very, adjective], dim=-1)
    return ids, torch.where(means_chaser, chaser, chased)
