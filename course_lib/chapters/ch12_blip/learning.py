"""BLIP on the drawn world: one thing a picture, captions in Chinese and English, combinations kept back.

B pictures · L tokens of a caption
A caption begins with words that say its language: the English ones with "a picture of", as BLIP's do:
    [first] 图 中 左 上 角 有 一 个 红 色 圆 形 。 [end]      [first] a picture of a red circle at the top left [end]
All three losses of models/blip_pretrain.py, teacher and queues included. Numbers that go with the length of the
training are scaled to it: queues of 96 (57,600 there), momentum 0.95 (0.995).  Chapter 12.
"""

import random
from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.data.world.captions import LANGUAGES
from course_lib.data.world.scenes import combinations
from course_lib.decoding.generation import greedy
from course_lib.foundations.contrastive import similarities
from course_lib.models.blip import BLIPConfig, Captioner, CaptionReader, Retriever, TextConfig
from course_lib.models.blip_pretrain import Losses, PretrainConfig, Pretraining
from course_lib.models.vit import ViTConfig
from course_lib.toys.one_shape import UNSEEN, Triple, held_out, pictures, seen, text_of
from course_lib.toys.words import END, Words

BATCH = 24
STEPS = 800  # about a minute on one thread
LR = 2e-3
GREY, SPREAD = -0.66, 0.35  # mean and standard deviation of the pictures
CONTEXT = 17
PROMPTS = {"zh": "图中", "en": "a picture of "}

Batch = tuple[Float[Tensor, "B 3 32 32"], Int[Tensor, "B L"], Int[Tensor, " B"]]


def sentence(triple: Triple, language: str) -> str:
    return PROMPTS[language] + text_of(triple, language)


@cache
def words() -> Words:
    return Words(sentence(triple, language) for triple in combinations() for language in LANGUAGES)


def first() -> int:
    """The token that every caption begins with; [ENC] and [DEC], which it becomes, are the two behind it."""
    return words().n_vocab


def encode(texts: Sequence[str]) -> Int[Tensor, "M L"]:
    """First token, words, END, filled up with END."""
    ids = words().encode(texts, CONTEXT - 1)
    return torch.cat([torch.full_like(ids[:, :1], first()), ids], dim=1)


def is_token(ids: Int[Tensor, "M L"]) -> Bool[Tensor, "M L"]:
    """Up to the first END, and including it."""
    return torch.cat([torch.ones_like(ids[:, :1], dtype=torch.bool), ids[:, :-1] != END], dim=1)


def read(ids: Int[Tensor, " L"]) -> str:
    """The words as a text, up to END: English ones with spaces, Chinese characters without."""
    names = {i: word for word, i in words().ids.items()}
    said = [names[i] for i in ids[is_token(ids[None])[0]].tolist() if i in names]
    return (" " if all(word.isascii() for word in said) else "").join(said)


@cache
def all_ids() -> Int[Tensor, "2 240 L"]:
    """Captions of combinations(), by language."""
    return torch.stack([encode([sentence(triple, language) for triple in combinations()]) for language in LANGUAGES])


def look_at(triples: Sequence[Triple], first: int) -> Float[Tensor, "N 3 32 32"]:
    """Pictures first, first + 1, … of the world, mean 0 and spread 1, as the model takes them."""
    return (pictures(triples, first) - GREY) / SPREAD


def build() -> Pretraining:
    text = TextConfig(n_vocab=first() + 3, context=CONTEXT, enc=first() + 1, dec=first() + 2)
    blip = BLIPConfig(image=ViTConfig(patch=8), text=text)
    return Pretraining(PretrainConfig(blip=blip, n_queue=4 * BATCH, momentum=0.95))


def batches(step: int) -> Batch:
    """Pictures of seen combinations, a caption in either language, and which combination each is."""
    chance = torch.Generator().manual_seed(step)
    numbers = seen()[torch.randint(len(seen()), (BATCH,), generator=chance)]
    language = torch.randint(len(LANGUAGES), (BATCH,), generator=chance)
    triples = [combinations()[i] for i in numbers.tolist()]
    return look_at(triples, step * BATCH), all_ids()[language, numbers], numbers


def losses(model: Pretraining, batch: Batch) -> Losses:
    """A caption that says what the picture shows is no negative of ITM, whichever language it is in."""
    images, ids, numbers = batch
    return model(images, ids, is_token(ids), same=numbers[:, None] == numbers)


def loss(model: Pretraining, batch: Batch) -> Float[Tensor, ""]:
    return sum(losses(model, batch))


def prompt(language: str) -> Int[Tensor, "1 n"]:
    """What a caption of this language begins with."""
    ids = encode([PROMPTS[language]])
    return ids[:, : int(is_token(ids).sum()) - 1]


def caption(model: Captioner, images: Float[Tensor, "B 3 32 32"], language: str) -> list[str]:
    """The likeliest words, one after the other, prompt included."""
    begun = prompt(language).expand(len(images), -1)
    said = greedy(CaptionReader(model, images), begun, CONTEXT - begun.shape[1], end=END)
    return [read(row) for row in torch.cat([begun, said], dim=1)]


@torch.no_grad()
def contrast(model: Retriever, images: Float[Tensor, "B 3 32 32"], ids: Int[Tensor, "M L"]) -> Float[Tensor, "B M"]:
    """Cosine of every picture with every caption."""
    return similarities(model.image_features(model.look(images)), model.text_features(ids, is_token(ids)))


@torch.no_grad()
def matching(model: Retriever, images: Float[Tensor, "M 3 32 32"], ids: Int[Tensor, "M L"]) -> Float[Tensor, " M"]:
    """Probability that picture i and caption i match."""
    return model.matches(model.look(images), ids, is_token(ids)).softmax(-1)[:, 1]


class Exam(NamedTuple):
    """Q new pictures of combinations that training never shows; which each is; and three that it is not.

    others: one with another colour, one with another kind, one in another place.
    """

    images: Float[Tensor, "Q 3 32 32"]
    numbers: Int[Tensor, " Q"]
    others: Int[Tensor, "Q 3"]


@cache
def exam(n_pictures: int = 2) -> Exam:
    """n_pictures of each of the 48 combinations."""
    numbers, chance = held_out().repeat(n_pictures), random.Random(0)
    triples = [combinations()[i] for i in numbers.tolist()]
    others = [[combinations().index(one_changed(triple, part, chance)) for part in range(3)] for triple in triples]
    return Exam(look_at(triples, UNSEEN), numbers, torch.tensor(others))


def one_changed(triple: Triple, part: int, chance: random.Random) -> Triple:
    """Another colour (part 0), kind (1) or position (2)."""
    known = sorted({each[part] for each in combinations()} - {triple[part]})
    return (*triple[:part], chance.choice(known), *triple[part + 1 :])


def retrieval(model: Retriever, language: str) -> float:
    """R@1 by contrast: share of the exam's pictures whose caption wins against the 239 others."""
    cosines = contrast(model, exam().images, all_ids()[LANGUAGES.index(language)])
    return (cosines.argmax(1) == exam().numbers).float().mean().item()


@torch.no_grad()
def retrieval_by_matching(model: Retriever, language: str) -> float:
    """R@1 where every one of the 240 captions is matched with the picture: 48 × 240 pairs, a text model's pass each."""
    images, numbers, _ = exam(1)
    ids = all_ids()[LANGUAGES.index(language)]
    scores = []
    for shown in model.look(images)[:, None]:
        no, yes = model.matches(shown.expand(len(ids), -1, -1), ids, is_token(ids)).unbind(dim=1)
        scores.append(yes - no)
    return (torch.stack(scores).argmax(1) == numbers).float().mean().item()


def judgement(model: Retriever, language: str) -> float:
    """Mean share of true captions said to match, and of captions with one thing wrong said not to. Chance: 0.5."""
    images, numbers, others = exam()
    ids = all_ids()[LANGUAGES.index(language)]
    right = matching(model, images, ids[numbers]) > 0.5
    wrong = matching(model, images.repeat_interleave(3, dim=0), ids[others.flatten()]) > 0.5
    return (right.float().mean().item() + 1 - wrong.float().mean().item()) / 2


def exact(model: Captioner, language: str) -> float:
    """Share of the exam's pictures whose caption is right to the last word."""
    said = caption(model, exam().images, language)
    true = [sentence(combinations()[i], language) for i in exam().numbers.tolist()]
    return sum(a == b for a, b in zip(said, true, strict=True)) / len(said)


FIGURES = {"retrieval": retrieval, "matching": judgement, "captions": exact}


def measure(model: Pretraining) -> dict[str, float]:
    """By figure and language."""
    every = product(FIGURES.items(), LANGUAGES)
    return {f"{name} {language}": figure(model.blip, language) for (name, figure), language in every}
