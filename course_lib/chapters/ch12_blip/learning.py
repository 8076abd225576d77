"""BLIP on the drawn world: one thing a picture, captions in Chinese and English, combinations kept back.

B pictures · L tokens of a caption
A caption begins with words that say its language, as BLIP's begin with "a picture of":
    [first] 图 中 左 上 角 有 一 个 红 色 圆 形 。 [end]      [first] a picture of a red circle at the top left [end]
All three losses of models/blip_pretrain.py, teacher and queues included.  Chapter 12.
"""

from collections.abc import Sequence
from functools import cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course_lib.data.world.captions import LANGUAGES
from course_lib.data.world.scenes import combinations
from course_lib.decoding.generation import greedy
from course_lib.foundations.contrastive import similarities
from course_lib.models.blip import BLIP, BLIPConfig, CaptionReader, Captioner, Retriever, TextConfig
from course_lib.models.blip_pretrain import PretrainConfig, Pretraining
from course_lib.models.vit import ViTConfig
from course_lib.toys.one_shape import UNSEEN, Triple, held_out, pictures, seen, text_of
from course_lib.toys.words import END, Words

BATCH = 64
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
    """The words as a text: English ones with spaces, Chinese characters without."""
    names = {i: word for word, i in words().ids.items()}
    said = [names[i] for i in ids.tolist() if i in names]
    return (" " if all(word.isascii() for word in said) else "").join(said)


@cache
def all_ids() -> Int[Tensor, "2 240 L"]:
    """Captions of combinations(), by language."""
    return torch.stack([encode([sentence(triple, language) for triple in combinations()]) for language in LANGUAGES])


def config() -> BLIPConfig:
    text = TextConfig(n_vocab=first() + 3, context=CONTEXT, enc=first() + 1, dec=first() + 2)
    return BLIPConfig(image=ViTConfig(patch=8), text=text)


def build() -> Pretraining:
    return Pretraining(PretrainConfig(blip=config(), n_queue=256))


def batches(step: int, size: int = BATCH) -> Batch:
    """Pictures of seen combinations, a caption in either language, and which combination each is."""
    chance = torch.Generator().manual_seed(step)
    numbers = seen()[torch.randint(len(seen()), (size,), generator=chance)]
    language = torch.randint(len(LANGUAGES), (size,), generator=chance)
    triples = [combinations()[i] for i in numbers.tolist()]
    return pictures(triples, step * size), all_ids()[language, numbers], numbers


def loss(model: Pretraining, batch: Batch) -> Float[Tensor, ""]:
    """ITC + ITM + LM. A caption that says what the picture shows is no negative, whichever language it is in."""
    images, ids, numbers = batch
    return sum(model(images, ids, is_token(ids), same=numbers[:, None] == numbers))


@cache
def exam() -> tuple[Float[Tensor, "96 3 32 32"], Int[Tensor, " 96"]]:
    """Two new pictures of each combination that training never shows, and which each is."""
    numbers = held_out().repeat(2)
    return pictures([combinations()[i] for i in numbers.tolist()], UNSEEN), numbers
