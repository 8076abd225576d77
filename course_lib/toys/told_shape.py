"""What is said of one thing in a picture of the drawn world, as rows of ids, and the pictures to examine a model with.

N pictures · M texts · L tokens of a text
A caption begins with words that say its language:
    [first] 图 中 左 上 角 有 一 个 红 色 圆 形 。 [end]      [first] a picture of a red circle at the top left [end]
Chapters 13 and 14.
"""

import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.data.world.captions import LANGUAGES
from course_lib.data.world.scenes import combinations
from course_lib.toys.one_shape import UNSEEN, Triple, held_out, pictures, seen, text_of
from course_lib.toys.words import END, Words

CONTEXT = 16
PROMPTS = {"zh": "图中", "en": "a picture of "}

Images = Float[Tensor, "N 3 32 32"]
Batch = tuple[Images, Int[Tensor, "N L"], Int[Tensor, " N"]]


def sentence(triple: Triple, language: str = "zh") -> str:
    return PROMPTS[language] + text_of(triple, language)


@cache
def words() -> Words:
    """Both languages."""
    return Words(sentence(triple, language) for triple in combinations() for language in LANGUAGES)


def first() -> int:
    """The token that every caption begins with."""
    return words().n_vocab


def encode(texts: Sequence[str]) -> Int[Tensor, "M L"]:
    """First token, words, END, filled up with END."""
    ids = words().encode(texts, CONTEXT - 1)
    return torch.cat([torch.full_like(ids[:, :1], first()), ids], dim=1)


def is_token(ids: Int[Tensor, "... L"]) -> Bool[Tensor, "... L"]:
    """Up to the first END, and including it."""
    return (ids == END).cumsum(-1) - (ids == END).int() == 0


def read(ids: Int[Tensor, " L"]) -> str:
    """The words as a text, up to END: English ones with spaces, Chinese characters without."""
    names = {i: word for word, i in words().ids.items()}
    said = [names[i] for i in ids[is_token(ids[None])[0]].tolist() if i in names]
    return (" " if all(word.isascii() for word in said) else "").join(said)


@cache
def all_ids() -> Int[Tensor, "2 240 L"]:
    """Captions of combinations(), by language."""
    return torch.stack([encode([sentence(triple, language) for triple in combinations()]) for language in LANGUAGES])


def ids_of(language: str) -> Int[Tensor, "240 L"]:
    return all_ids()[LANGUAGES.index(language)]


def prompt(language: str = "zh") -> Int[Tensor, "1 n"]:
    """What a caption of this language begins with."""
    ids = encode([PROMPTS[language]])
    return ids[:, : int(is_token(ids).sum()) - 1]


def batches(step: int, size: int, language: str = "zh") -> Batch:
    """Pictures of seen combinations, a caption of each, and which combination each is."""
    chance = torch.Generator().manual_seed(step)
    numbers = seen()[torch.randint(len(seen()), (size,), generator=chance)]
    return pictures([combinations()[i] for i in numbers.tolist()], step * size), ids_of(language)[numbers], numbers


class Exam(NamedTuple):
    """Q new pictures, which combination each is, and three that it is not.

    others: one with another colour, one with another kind, one in another place.
    """

    images: Float[Tensor, "Q 3 32 32"]
    numbers: Int[Tensor, " Q"]
    others: Int[Tensor, "Q 3"]


@cache
def exam(n_pictures: int = 2) -> Exam:
    """n_pictures of each of the 48 combinations that training never shows."""
    numbers, chance = held_out().repeat(n_pictures), random.Random(0)
    triples = [combinations()[i] for i in numbers.tolist()]
    others = [[combinations().index(one_changed(triple, part, chance)) for part in range(3)] for triple in triples]
    return Exam(pictures(triples, UNSEEN), numbers, torch.tensor(others))


def one_changed(triple: Triple, part: int, chance: random.Random) -> Triple:
    """Another colour (part 0), kind (1) or position (2)."""
    known = sorted({each[part] for each in combinations()} - {triple[part]})
    return (*triple[:part], chance.choice(known), *triple[part + 1 :])


def exact(write: Callable[[Images], list[str]], language: str = "zh") -> float:
    """Share of the exam's pictures whose caption, as write(images) says it, is right to the last word."""
    said = write(exam().images)
    true = [sentence(combinations()[i], language) for i in exam().numbers.tolist()]
    return sum(a == b for a, b in zip(said, true, strict=True)) / len(said)
